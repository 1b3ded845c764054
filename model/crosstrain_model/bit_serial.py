"""Bit-serial reads: the input codes of a forward read as words of one bit per row (`array.read`).

Every row is driven by one bit of its code at a time, lowest first, as no DAC is needed then; the ADCs of a group weigh
the samples and convert after the last.  As they serve one group at a time the bits come once for each group:

    for each group:   x words, word k holding bit k of the code of every row, row r at bit r; one cycle to convert

With x bits a read takes groups * (x + 1) cycles of a macro that never waits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design


def cycles(design: Design) -> int:
    """Cycles from the first word of a read to its last code, both included, when nobody waits."""
    return design.array.groups * (design.formats.x + 1)


def words(design: Design, codes: npt.ArrayLike) -> list[int]:
    """All words of a read, groups * x of them, of unsigned input codes [rows]."""
    given = [int(code) for code in np.asarray(codes)]
    if len(given) != design.array.rows or not all(0 <= code < 1 << design.formats.x for code in given):
        raise ValueError(f"bit_serial.words codes: must be {design.array.rows} of 0..{(1 << design.formats.x) - 1}")
    planes = [sum((code >> bit & 1) << row for row, code in enumerate(given)) for bit in range(design.formats.x)]
    return planes * design.array.groups


def codes(design: Design, group_words: list[int]) -> npt.NDArray[np.int64]:
    """The input codes [rows] in the x words of one group."""
    if len(group_words) != design.formats.x:
        raise ValueError(f"bit_serial.codes has {len(group_words)} words: must be {design.formats.x}")
    rows = range(design.array.rows)
    return np.array([sum((word >> row & 1) << bit for bit, word in enumerate(group_words)) for row in rows], np.int64)
