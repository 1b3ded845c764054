"""Schedule: which rows are visited, and when.

State: one touched bit per row, and the count of vectors since the last program pass.

    vector       its accumulate visits come in the order of `outer_product`; touched[r] = 1 for each row visited
                 since_pass = since_pass + 1
                 a pass follows if PROGRAM_EVERY > 0 and since_pass >= PROGRAM_EVERY
    program      (frame) a pass follows
    pass         touched rows ascending, groups 0 .. groups - 1; after the row: touched[r] = left[r], where left tells
                 that some |a| of the row is still >= theta (only the clamp to max_pulses does that)
                 since_pass = 0
    load         of any cell, or a write to THRESHOLD: touched[r] = 1 for all rows
    clear        all cells, row by row; touched = 0, since_pass = 0

A vector without visits counts too. since_pass stops at 65535. A vector's visits, a pass and a clear never interleave.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstrain_model import state_checks
from crosstrain_model.design import Design

SINCE_LIMIT = 2**16 - 1
"""Where since_pass stops counting."""


@dataclasses.dataclass(kw_only=True)
class Schedule:
    """State of the schedule of one tile."""

    touched: NDArray[np.bool_]
    """[rows] Rows that the next pass visits."""
    since_pass: int = 0
    """Vectors since the last pass, 0 .. SINCE_LIMIT."""

    @classmethod
    def of(cls, design: Design) -> Schedule:
        """The schedule after reset: nothing touched."""
        return cls(touched=np.zeros(design.array.rows, np.bool_))

    def vector(self, rows: NDArray[np.bool_], program_every: int) -> bool:
        """Count a vector that visited `rows` [rows]; whether a pass follows it."""
        return self.vectors(rows, 1, program_every)

    def vectors(self, rows: NDArray[np.bool_], count: int, program_every: int) -> bool:
        """The same for `count` vectors that visited `rows` in all, where at most the last may be due."""
        self.touched |= rows
        self.since_pass = min(self.since_pass + count, SINCE_LIMIT)
        return 0 < program_every <= self.since_pass

    def begin_pass(self) -> NDArray[np.intp]:
        """The rows of a pass in their order; they count as untouched from here."""
        rows = np.flatnonzero(self.touched)
        self.touched[:] = False
        self.since_pass = 0
        return rows

    def end_pass(self, rows: NDArray[np.intp], left: NDArray[np.bool_]) -> None:
        """Keep the rows [n] of a pass touched in which `left` [n] tells that something is left over."""
        self.touched[rows[left]] = True

    def touch_all(self) -> None:
        """A load or a new threshold: any row may have something to program."""
        self.touched[:] = True

    def clear(self) -> None:
        """All cells are zero now."""
        self.touched[:] = False
        self.since_pass = 0

    def restore(self, where: str, state: dict[str, NDArray[Any]]) -> None:
        """Continue from a checkpoint's `touched` and `since_pass`."""
        touched = state_checks.flags(where, state, "touched", self.touched.shape)
        since_pass = state_checks.number(where, state, "since_pass", (0, SINCE_LIMIT))
        self.touched[:], self.since_pass = touched, since_pass

    def touched_words(self) -> list[int]:
        """The touched bits as TOUCHED_DATA shows them: words of 32 rows, first row in bit 0."""
        padded = np.zeros(-(-len(self.touched) // 32) * 32, np.uint8)
        padded[: len(self.touched)] = self.touched
        words = np.packbits(padded, bitorder="little").reshape(-1, 4)
        return [int.from_bytes(word.tobytes(), "little") for word in words]
