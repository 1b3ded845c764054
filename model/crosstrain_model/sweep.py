"""Sweep: counts vectors, and says after which of them which row of the gradient array A is transferred.

State: since (vectors since the last transfer), row (the next to be read), reads_in_period (sweeps since the choppers
flipped, where one goes by period), sweeps (finished ones, stops at 65535), and that of the choppers (`chopper.py`).
For every vector, one after the other, also for one whose train is empty:

    fire        its train, with the chopper signs as they are
    since       = since + 1
    if since >= EVERY:                                Rasch et al. 2024, "every n_s vectors"
        since   = 0
        read    row r = row of A, after the train and before that of the next vector
        warm    = sweeps < WARMUP                     its hits do not reach W
        ends    = reads_in_period >= 1 and reads_in_period + 1 >= PERIOD
        sign, columns, flip                           `chopper.py`: in force before the flip
        row     = row + 1
        if it was the last row, the sweep wraps:
            row = 0
            sweeps = min(sweeps + 1, 65535)
            reads_in_period = 0 if ends, else min(reads_in_period + 1, 65535)
            columns flip

With EVERY = 1 every vector is followed by a transfer; 0 acts as 1, and a period of less than 2 as 2. A value of EVERY
that is set to since or below gives a transfer after the next vector, one of PERIOD alike ends the period with the
sweep under way: rows that this sweep has already read flip in the next period. A row alone (rows = 1) wraps with every
read. A transfer that fails in the array, or that an abort drops, has happened here all the same: counts, row and signs
do not depend on what becomes of it. Where nothing is transferred (`sgd`) vectors are fired and counted, no more.

    token       row, sign, columns, flip, warm: what the visit of the row must know (`transfer`)
    counters    vectors, transfers; a clear leaves them alone, and puts the rest back to what it is after reset
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstrain_model import state_checks
from crosstrain_model.chopper import Chopper, chopped
from crosstrain_model.design import Design

LIMIT = 2**16 - 1
"""Where sweeps and reads_in_period stop counting."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """The registers of sweep and choppers."""

    every: int
    """n_s: vectors between two transfers."""
    period: int
    """Reads of a row between flips."""
    probability: int
    """rho in units of 2^-16, 0 .. 65536."""
    warmup: int
    """Sweeps whose hits do not reach W."""

    @classmethod
    def of(cls, design: Design) -> SweepSettings:
        """Reset values of a design."""
        transfer = design.transfer
        return cls(
            every=transfer.every,
            period=transfer.period,
            probability=transfer.flip_probability,
            warmup=design.warmup_sweeps,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Token:
    """One transfer: what the visit of the row must know."""

    row: int
    sign: bool
    """The row was written negatively."""
    columns: NDArray[np.bool_] | None
    """[columns] The columns that were written negatively; None without column choppers."""
    flip: bool
    """The row's chopper flips behind this read."""
    warm: bool
    """Warm-up: no pulses on W."""


class Sweep:
    """State of the sweep over the rows of one tile, with its choppers.

    settings : the registers; reset values of the design if not given
    tile : its number, for the seed of the choppers' stream
    """

    def __init__(self, design: Design, settings: SweepSettings | None = None, tile: int = 0):
        self.design = design
        self.settings = settings or SweepSettings.of(design)
        self.chopper = Chopper(design, tile)
        self.has_period = chopped(design, "period")
        self.since = 0
        self.row = 0
        self.reads_in_period = 0
        self.sweeps = 0
        self.vectors = 0
        """Vectors fired since reset, unbounded; the hardware counts modulo 2^32."""
        self.transfers = 0
        """Rows read since reset, unbounded."""

    def vector(self) -> Token | None:
        """Count one vector, whose train was fired; the transfer that follows it, if one does."""
        tokens = self.run(1)
        return tokens[0][1] if tokens else None

    def run(self, count: int) -> list[tuple[int, Token]]:
        """The same for `count` vectors: the transfers, each with the number 0 .. count - 1 of the vector before it."""
        self.vectors += count
        if not self.design.transfers:
            return []
        every = max(self.settings.every, 1)
        places = range(max(every - self.since, 1) - 1, count, every)
        if not places:
            self.since += count
            return []
        self.since = count - 1 - places[-1]
        self.transfers += len(places)
        wraps = (self.row + len(places)) // self.design.array.rows
        draws = self.chopper.draws(len(places), wraps)
        tokens = []
        for place in places:
            token, draws = self._transfer(draws)
            tokens.append((place, token))
        return tokens

    @property
    def ends(self) -> bool:
        """Whether choppers that go by period flip in this sweep."""
        return self.reads_in_period >= 1 and self.reads_in_period + 1 >= self.settings.period

    def _transfer(self, draws: NDArray[np.uint32]) -> tuple[Token, NDArray[np.uint32]]:
        """One transfer, and the draws that it leaves."""
        chopper, array, probability = self.chopper, self.design.array, self.settings.probability
        row, wraps, ends = self.row, self.row + 1 >= array.rows, self.ends
        token = Token(
            row=row,
            sign=bool(chopper.rows[row]),
            columns=chopper.columns.copy() if chopper.by_column != "none" else None,
            flip=chopper.flips(ends, probability, draws),
            warm=self.sweeps < self.settings.warmup,
        )
        chopper.rows[row] ^= token.flip
        draws = draws[chopper.by_row == "random" :]
        self.row += 1
        if wraps:
            self.row = 0
            self.sweeps = min(self.sweeps + 1, LIMIT)
            if self.has_period:
                self.reads_in_period = 0 if ends else min(self.reads_in_period + 1, LIMIT)
            draws = chopper.wrap(ends, probability, draws)
        return token, draws

    def clear(self) -> None:
        """As after reset, but for the stream of the choppers and the counters."""
        self.since = self.row = self.reads_in_period = self.sweeps = 0
        self.chopper.clear()

    def counters(self) -> dict[str, int]:
        """Every counter by its name."""
        return {"vectors": self.vectors, "transfers": self.transfers}

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the future depends on but the settings, and the counters, as arrays."""
        numbers = (self.since, self.row, self.reads_in_period, self.sweeps, self.vectors, self.transfers)
        return {"sweep": np.array(numbers, np.int64), **self.chopper.state()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from `state()` of a sweep of an equal design, to the same bits."""
        counted = (0, LIMIT)
        bounds = {"since": counted, "row": (0, self.design.array.rows - 1), "reads_in_period": counted}
        bounds |= {"sweeps": counted, "vectors": state_checks.COUNTER, "transfers": state_checks.COUNTER}
        values = state_checks.numbers("Sweep.restore", state, "sweep", bounds)
        self.chopper.restore(state)
        for name, value in values.items():
            setattr(self, name, value)
