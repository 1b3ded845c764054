"""Choppers: the signs with which rows and columns of the gradient array A are written, and its reads demodulated.

State: one bit per row with a row chopper, one per column with a column chopper (1: negative), and the stream
"choppers" where either is random. A transfer reads row r of A; in this order:

    sign        = chop_rows[r]                        what the row was written with since it was read last
    columns     = chop_columns                        all of them, as they are at the read
    flip        none    0
                period  ends                          of the sweep, see `sweep.py`: the same for all rows of a sweep
                random  draw < flip_probability       one draw of "choppers" (16 bits); 65536 is always, 0 never
    chop_rows[r] = chop_rows[r] ^ flip                the next train is written with it
    then, if r is the last row (the sweep wraps):
    flips[c]    none    0
                period  ends
                random  lane_l(draw_g) < flip_probability     one draw per group g ascending, c = g * lanes + l;
                                                      lane l permutes its bits (`random_streams`, side "lanes")
    chop_columns[c] = chop_columns[c] ^ flips[c]

So the sign that demodulates a read is the one in force while A accumulated (Rasch et al. 2024: z = c_r omega, or
z = c_r (omega - P_ref)), and columns flip only between sweeps: every row of a sweep is read with the same ones. A
product is written with the sign c_r c_c and its read with the same. The stream moves by one draw per transfer where
rows flip at random, and by `groups` more per wrap where columns do, whatever is flipped.

Row and column choppers "none" have no bits, and without a random one there is no stream. After reset, and after a
clear, all bits are 0; a clear does not move the stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.random_streams import Stream, permuted, restored_words

WORD = 32
"""Bits of a word in which the host sees chopper bits."""


def row_choppers(design: Design) -> str:
    """How row choppers flip: none, period or random; none where nothing is transferred."""
    return design.row.chopper if design.transfers else "none"


def column_choppers(design: Design) -> str:
    """How column choppers flip: none, period or random; none where nothing is transferred."""
    return design.transfer.column_chopper if design.transfers else "none"


def chopped(design: Design, how: str) -> bool:
    """Whether rows or columns flip in this way: "period" or "random"."""
    return how in (row_choppers(design), column_choppers(design))


def chopper_words(design: Design) -> int:
    """Words of 32 chopper bits: those of the rows first, then those of the columns, as far as there are any."""
    rows = -(-design.array.rows // WORD) if row_choppers(design) != "none" else 0
    return rows + (-(-design.array.columns // WORD) if column_choppers(design) != "none" else 0)


class Chopper:
    """State of the choppers of one tile.

    tile : its number, for the seed of the stream
    """

    def __init__(self, design: Design, tile: int = 0):
        self.design = design
        self.by_row, self.by_column = row_choppers(design), column_choppers(design)
        self.rows = np.zeros(design.array.rows, np.bool_)
        """[rows] chop_rows; all False without row choppers."""
        self.columns = np.zeros(design.array.columns, np.bool_)
        """[columns] chop_columns; all False without column choppers."""
        self.stream = Stream(design, "choppers", tile) if chopped(design, "random") else None
        self._lanes = permuted(design, "lanes") if self.by_column == "random" else None

    def draws(self, transfers: int, wraps: int) -> NDArray[np.uint32]:
        """The draws of so many transfers, of which `wraps` end a sweep, in their order; the stream moves."""
        count = transfers * (self.by_row == "random") + wraps * self.design.array.groups * (self.by_column == "random")
        if self.stream is None:
            return np.zeros(0, np.uint32)
        return self.stream.draws(count)

    def flips(self, ends: bool, probability: int, draws: NDArray[np.uint32]) -> bool:
        """Whether a row flips; a random one takes the first of `draws`."""
        if self.by_row == "random":
            return bool(draws[0] < probability)
        return ends and self.by_row == "period"

    def wrap(self, ends: bool, probability: int, draws: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The sweep is over: flip columns, random ones by the first `groups` of `draws`; what these leave."""
        array = self.design.array
        if self.by_column == "random":
            assert self._lanes is not None
            lanes = self._lanes[draws[: array.groups]]
            self.columns ^= (lanes < probability).reshape(-1)[: array.columns]
            return draws[array.groups :]
        if self.by_column == "period" and ends:
            self.columns ^= True
        return draws

    def clear(self) -> None:
        """All signs positive; the stream stays where it is."""
        self.rows[:] = False
        self.columns[:] = False

    def words(self) -> list[int]:
        """The chopper bits as CHOP_DATA shows them: words of 32, first line in bit 0, rows before columns."""
        sides = [(self.by_row, self.rows), (self.by_column, self.columns)]
        return [word for how, bits in sides if how != "none" for word in _words(bits)]

    def put_word(self, index: int, word: int) -> None:
        """What a write of CHOP_DATA does; bits of no line are dropped."""
        places = [(side, start) for how, side in ((self.by_row, self.rows), (self.by_column, self.columns))
                  if how != "none" for start in range(0, len(side), WORD)]  # fmt: skip
        side, start = places[index]
        part = side[start : start + WORD]
        part[:] = np.array([word >> bit & 1 for bit in range(len(part))], np.bool_)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the future depends on, as arrays; what the design does not have is not there."""
        state: dict[str, NDArray[Any]] = {}
        if self.by_row != "none":
            state["chop_rows"] = self.rows.copy()
        if self.by_column != "none":
            state["chop_columns"] = self.columns.copy()
        if self.stream is not None:
            state["choppers"] = np.array(self.stream.state, np.uint32)
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from `state()` of an equal chopper."""
        where = "Chopper.restore"
        if self.by_row != "none":
            self.rows[:] = state_checks.flags(where, state, "chop_rows", self.rows.shape)
        if self.by_column != "none":
            self.columns[:] = state_checks.flags(where, state, "chop_columns", self.columns.shape)
        if self.stream is not None:
            self.stream.state = restored_words(where, state, "choppers", self.design)


def _words(bits: NDArray[np.bool_]) -> list[int]:
    """Words of 32 bits, the first in bit 0."""
    padded = np.zeros(-(-len(bits) // WORD) * WORD, np.uint8)
    padded[: len(bits)] = bits
    return [int(word) for word in np.packbits(padded, bitorder="little").view("<u4")]
