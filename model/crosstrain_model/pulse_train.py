"""Pulse train: a pair of vectors becomes slots of pulses that update an array in place (A; in sgd designs W).

For a vector with BL > 0 slots and multipliers m_x, m_d (`scale.py`), chopper signs chop_row, chop_column (`chopper.py`)
as they are when it is fired, and BL draws R[s], C[s] of the streams (`random_streams.py`), 0 <= s < BL:

    thresholds      tx[r] of x[r] and m_x, td[c] of d[c] and m_d, as `scale.py` has them                0 .. 2^w
    on              a line is on if its threshold is above 0
    n[r]            = (x[r] < 0) ^ chop_row[r]                      the phase in which row r fires, 0 or 1
    e[c]            = (d[c] < 0) ^ chop_column[c]
    row r           fires in slot s of phase n[r] if perm_r(R[s]) < tx[r]
    column c        fires in slot s of every phase if perm_c(C[s]) < td[c], with direction e[c] ^ phase: SET (1) raises
                    a weight, RESET (0) lowers it, so that it moves by -x d

    phases          train.polarity mixed: 0, then 1.  A phase without a row that is on is left out.
                    separate: (0, SET), (0, RESET), (1, SET), (1, RESET), each with the columns of its direction alone.
                    One without a row that is on, or without a column that is on, is left out.
    slots           of each phase: s = 0 .. BL - 1, every phase with the same draws.  A slot that hits nothing is fired
                    all the same
    command         one TRAIN of BL * (number of phases) slots and one completion; with no phase there is none

Both streams then stand BL draws further, whatever happened: phases left out, no phase, a command that ended early or
was dropped before it was offered. A vector with BL = 0 draws nothing. (With random.columns "rows" or "rows-reversed"
the column stream stands still.)

A coincidence of row and column is one pulse. P(row r fires) = tx / 2^w and P(column c fires) = td / 2^w, so a cell gets
BL (tx / 2^w) (td / 2^w) pulses on average: lambda_A |x d| / delta_A of Rasch 2024 (`scale.py`). Trains are those of
Gokmen & Vlasov 2016, with the two phases of Rasch 2024.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstrain_model.design import Design
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.random_streams import Stream, column_draws, permuted
from crosstrain_model.scale import Scaled, thresholds

Bools = NDArray[np.bool_]
Words = NDArray[np.uint32]
Bits = NDArray[np.uint64]

TRAIN_BITS = 8
"""Bits of the slots of a command: four phases of 63."""


def draw(design: Design, rows: Stream, columns: Stream, slots: int) -> tuple[Words, Words]:
    """The next `slots` words of row lines and of column lines; advances the streams as a train does."""
    words = rows.draws(slots)
    return words, column_draws(design, words, columns)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Train:
    """One vector's train before the choppers: which line fires in which slot.  Lines: [rows] or [columns]."""

    slots: int
    """BL: slots of one phase."""
    x_bits: Bits
    """Bit s: the row fires in slot s of its phase."""
    d_bits: Bits
    """Bit s: the column fires in slot s."""
    x_negative: Bools
    d_negative: Bools
    x_on: Bools
    """The row's threshold is above 0."""
    d_on: Bools

    @classmethod
    def of(
        cls, design: Design, scaled: Scaled, x: ArrayLike, d: ArrayLike, row_words: ArrayLike, column_words: ArrayLike
    ) -> Train:
        """The train of a scaled vector.

        x, d : [rows], [columns] codes
        row_words, column_words : [BL] draws of the lines (`draw`)
        """
        sides = []
        for side, codes, m, words in (
            ("rows", np.asarray(x), scaled.m_x, row_words),
            ("columns", np.asarray(d), scaled.m_d, column_words),
        ):
            drawn = np.asarray(words, dtype=np.int64)
            if drawn.shape != (scaled.slots,):
                raise ValueError(f"Train.of.{side[:-1]}_words: must be [{scaled.slots}], one a slot, not {drawn.shape}")
            limit = thresholds(design, codes, m)
            fires = permuted(design, side)[drawn] < limit  # [slots, lines]
            places = np.arange(scaled.slots, dtype=np.uint64)[:, None]
            bits = np.bitwise_or.reduce(fires.astype(np.uint64) << places, axis=0, initial=np.uint64(0))
            sides.append((np.broadcast_to(bits, codes.shape), codes < 0, limit > 0))
        (x_bits, x_negative, x_on), (d_bits, d_negative, d_on) = sides
        return cls(
            slots=scaled.slots, x_bits=x_bits, d_bits=d_bits, x_negative=x_negative, d_negative=d_negative,
            x_on=x_on, d_on=d_on,
        )  # fmt: skip

    def phases(self, design: Design, chop_rows: ArrayLike = False, chop_columns: ArrayLike = False) -> list[Phase]:
        """The phases that are fired, in order.

        chop_rows, chop_columns : [rows], [columns] chopper signs, True: negative; or one for all
        """
        n = self.x_negative ^ np.asarray(chop_rows, dtype=bool)
        e = self.d_negative ^ np.asarray(chop_columns, dtype=bool)
        wanted = (None,) if design.train.polarity == "mixed" else (SET, RESET)
        every = [
            Phase(
                rows=self.x_on & (n == bool(phase)),
                columns=self.d_on if direction is None else self.d_on & ((e ^ bool(phase)) == bool(direction)),
                raises=e ^ bool(phase),
            )
            for phase in (0, 1)
            for direction in wanted
        ]
        mixed = design.train.polarity == "mixed"
        return [phase for phase in every if phase.rows.any() and (mixed or phase.columns.any())] if self.slots else []


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Phase:
    """Lines of one phase."""

    rows: Bools
    """[rows] Those that may fire."""
    columns: Bools
    """[columns] Those that may fire."""
    raises: Bools
    """[columns] The direction of each is SET."""


def train_bits(
    design: Design, scaled: Scaled, x: ArrayLike, d: ArrayLike, row_words: ArrayLike, column_words: ArrayLike
) -> tuple[Bits, Bits, Bools, Bools]:
    """x_bits [rows], d_bits [columns], x_negative [rows] and d_negative [columns] of `Train`."""
    train = Train.of(design, scaled, x, d, row_words, column_words)
    return train.x_bits, train.d_bits, train.x_negative, train.d_negative


def slots_of(
    design: Design, train: Train, chop_rows: ArrayLike = False, chop_columns: ArrayLike = False
) -> tuple[Bools, Bools, Bools]:
    """The slots of the command in order, as the array port carries them; none if there is no command.

    Returns row masks [slots, rows], column masks [slots, columns] and directions [slots, columns]: 1 SET, 0 RESET or
    not fired.
    """
    phases = train.phases(design, chop_rows, chop_columns)
    rows = np.concatenate([_fired(train.x_bits, train.slots) & p.rows for p in phases] or [_none(train.x_bits)])
    columns = np.concatenate([_fired(train.d_bits, train.slots) & p.columns for p in phases] or [_none(train.d_bits)])
    raises = np.concatenate([np.tile(p.raises, (train.slots, 1)) for p in phases] or [_none(train.d_bits)])
    return rows, columns, columns & raises


def slot_masks(slots: Bools) -> Iterator[int]:
    """Each slot's lines as an integer, line 0 in the lowest bit: what the pins carry."""
    for slot in np.packbits(slots, axis=1, bitorder="little"):
        yield int.from_bytes(slot.tobytes(), "little")


def _fired(bits: Bits, slots: int) -> Bools:
    """[slots, lines] from bits [lines]."""
    places = np.arange(slots, dtype=np.uint64)[:, None]
    return (bits[None, :] >> places & np.uint64(1)).astype(bool)


def _none(bits: Bits) -> Bools:
    return np.zeros((0, bits.size), dtype=bool)
