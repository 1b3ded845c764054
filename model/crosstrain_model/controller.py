"""The controller of one tile, bit-true: outer product, accumulator, threshold and schedule joined.

    vector    terms of `outer_product`, added by `accumulator`, counted by `schedule`
    pass      rows of `schedule`, thresholded by `threshold`; rows with any pulse become row programs, in order

It says what the array is told to do, not when; pulses are counted as issued, what becomes of them is the array's side.
Everything that a laboratory tunes is in `settings`, as the registers hold it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks, threshold
from crosstrain_model.accumulator import Accumulated, Ledger, accumulate_vectors
from crosstrain_model.design import Design
from crosstrain_model.outer_product import SHIFT_MAX, SHIFT_MIN, limits
from crosstrain_model.pulse import phase_counts
from crosstrain_model.registers import find, register_table
from crosstrain_model.schedule import Schedule

Int64 = npt.NDArray[np.int64]
RowProgram = tuple[int, npt.NDArray[np.int8]]
"""Row, and signed pulses per column (columns,)."""

COUNTERS = ("vectors", "visits", "clipped", "term_clipped", "commands", "issued")
"""Names of the counters, unbounded here; registers show them modulo 2^32.  `commands` are those of passes alone;
term_clipped is a sticky bit in hardware."""


@dataclasses.dataclass(kw_only=True)
class Settings:
    """Run-time registers that digital state depends on; theta itself, even where its register holds log2."""

    theta: int
    shift: int
    program_every: int


class Controller:
    """One tile's digital half.

    chi : (rows, columns) accumulators
    schedule : touched rows and since_pass
    ledger : per-cell totals, kept if asked for: it costs about as much as the accumulation
    """

    def __init__(self, design: Design, *, ledger: bool = False):
        self.design = design
        self._table = register_table(design)
        self.settings = Settings(
            theta=design.update.threshold, shift=design.reset_shift, program_every=design.update.program_every
        )
        self.chi = np.zeros((design.array.rows, design.array.columns), np.int32)
        self.schedule = Schedule.of(design)
        self.ledger = Ledger.of(self.chi) if ledger else None
        self.vectors = self.visits = self.clipped = self.term_clipped = self.commands = self.issued = 0

    def configure(
        self, *, threshold: int | None = None, shift: int | None = None, program_every: int | None = None
    ) -> None:
        """Write registers; `threshold` is theta itself.  A write to the threshold touches all rows.

        Raises ValueError for what the register would refuse; then nothing has changed.
        """
        new = Settings(
            theta=self.settings.theta if threshold is None else threshold,
            shift=self.settings.shift if shift is None else shift,
            program_every=self.settings.program_every if program_every is None else program_every,
        )
        _check("threshold", new.theta, 1, limits(self.design)[1])
        for name in ("shift", "program_every"):
            _check(name, getattr(new, name), *self._bounds(name))
        self._check_power(new.theta)
        self.settings = new
        if threshold is not None:
            self.schedule.touch_all()

    def update(self, x: npt.ArrayLike, ex: int, d: npt.ArrayLike, ed: int) -> list[RowProgram]:
        """Accumulate one vector pair, codes x (rows,), d (columns,) and exponents; row programs if a pass follows."""
        return self.update_vectors(np.asarray(x)[None, :], np.array([ex]), np.asarray(d)[None, :], np.array([ed]))

    def update_vectors(
        self, x: npt.ArrayLike, ex: npt.ArrayLike, d: npt.ArrayLike, ed: npt.ArrayLike
    ) -> list[RowProgram]:
        """The same for codes x (n, rows), d (n, columns) and exponents (n,), in order; row programs of all passes."""
        xs, ds = np.ascontiguousarray(x, np.int32), np.ascontiguousarray(d, np.int32)
        shifts = self._shifts(ex, ed)
        programs: list[RowProgram] = []
        start = 0
        while start < len(shifts):
            stop = min(len(shifts), start + self._until_pass())
            done = accumulate_vectors(
                self.design, self.chi, xs[start:stop], ds[start:stop], shifts[start:stop], self.ledger
            )
            if self._count(done, stop - start):
                programs += self.program()
            start = stop
        return programs

    def program(self) -> list[RowProgram]:
        """A program pass: the rows that get pulses, in order, each with its signed counts (columns,) int8."""
        rows = self.schedule.begin_pass()
        if not len(rows):
            return []
        before = self.chi[rows]
        p, after, left = threshold.compare(self.design, before, self.settings.theta)
        if self.ledger is not None:
            self.ledger.compared(rows, before, p, self.settings.theta, after)
        self.chi[rows] = after
        self.schedule.end_pass(rows, np.asarray(left.any(axis=1)))
        hits = np.flatnonzero(p.any(axis=1))
        counts = p[hits].astype(np.int8)
        for _, pulses in phase_counts(self.design.array, counts):
            self.commands += int(np.count_nonzero(pulses.any(axis=1)))
            self.issued += int(pulses.sum())
        return [(int(row), signed) for row, signed in zip(rows[hits], counts, strict=True)]

    def load(self, chi: npt.ArrayLike) -> None:
        """Write all accumulators (rows, columns); touches all rows."""
        new = np.asarray(chi, np.int64)
        low, high = limits(self.design)
        if new.shape != self.chi.shape:
            raise ValueError(f"Controller.load: shape is {new.shape}: must be {self.chi.shape}")
        if new.min() < low or new.max() > high:
            raise ValueError(f"Controller.load: values {new.min()}..{new.max()}: must be {low}..{high}")
        if self.ledger is not None:
            self.ledger.written(..., self.chi, new)
        self.chi[:] = new
        self.schedule.touch_all()

    def dump(self) -> Int64:
        """All accumulators, (rows, columns)."""
        return self.chi.astype(np.int64)

    def clear(self) -> None:
        """All accumulators 0, nothing touched."""
        if self.ledger is not None:
            self.ledger.written(..., self.chi, np.zeros_like(self.chi))
        self.chi[:] = 0
        self.schedule.clear()

    def counters(self) -> dict[str, int]:
        """Every counter by its name."""
        return {name: int(getattr(self, name)) for name in COUNTERS}

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that the future depends on, and the counters, as arrays."""
        settings = [self.settings.theta, self.settings.shift, self.settings.program_every]
        state: dict[str, npt.NDArray[Any]] = {
            "chi": self.dump(),
            "touched": self.schedule.touched.copy(),
            "since_pass": np.array(self.schedule.since_pass, np.int64),
            "settings": np.array(settings, np.int64),
            "counters": np.array([*self.counters().values()], np.int64),
        }
        if self.ledger is not None:
            totals = dataclasses.asdict(self.ledger)
            state |= {f"ledger_{name}": np.array(value) for name, value in totals.items()}
        return state

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()` of an equal controller, to the same bits."""
        where = "Controller.restore"
        low, high = limits(self.design)
        chi = state_checks.integers(where, state, "chi", self.chi.shape, (low, high))
        bounds = {"theta": (1, high), **{name: self._bounds(name) for name in ("shift", "program_every")}}
        settings = Settings(**state_checks.numbers(where, state, "settings", bounds))
        self._check_power(settings.theta)
        counts = state_checks.counters(where, state, "counters", COUNTERS)
        ledger = None if self.ledger is None else Ledger.restored(where, state, self.chi.shape)
        self.schedule.restore(where, state)
        self.chi[:], self.settings, self.ledger = chi, settings, ledger
        for name, value in counts.items():
            setattr(self, name, value)

    def _bounds(self, name: str) -> tuple[int, int]:
        """What the register of a setting takes."""
        register = find(self._table, name.upper())
        return register.minimum, register.maximum

    def _check_power(self, theta: int) -> None:
        if self.design.update.threshold_power_of_two and theta & (theta - 1):
            raise ValueError(f"Controller.threshold = {theta}: must be a power of two")

    def _shifts(self, ex: npt.ArrayLike, ed: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """`outer_product.shift_of` for many vectors."""
        total = np.asarray(ex, np.int64) + np.asarray(ed, np.int64) + self.settings.shift
        return np.clip(np.atleast_1d(total), SHIFT_MIN, SHIFT_MAX).astype(np.int32)

    def _until_pass(self) -> int:
        """Vectors from here to the next that a pass follows."""
        every = self.settings.program_every
        return max(1, every - self.schedule.since_pass) if every else 2**31

    def _count(self, done: Accumulated, vectors: int) -> bool:
        """Enter a batch into counters and schedule; whether a pass follows it."""
        self.vectors += vectors
        self.visits += done.visits
        self.clipped += done.clips
        self.term_clipped += done.term_clips
        return self.schedule.vectors(done.touched, vectors, self.settings.program_every)


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"Controller.{name} = {value}: must be {low}..{high}")
