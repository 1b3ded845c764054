"""Outer product: turns a vector pair x, d with its block exponents into terms in the accumulator's unit.

Per vector, with codes x[r] of `formats.x` bits and d[c] of `formats.d` bits, one exponent each, and the SHIFT register
(fraction bits plus log2 of the learning rate):

    s = clamp(ex + ed + shift, -31, 15)                       # once per vector, with the SHIFT in force at its commit

and per visit (row r, group of `lanes` columns c), in this order:

    t    = -(x[r] * d[c])                                     # downhill, -eta x_r d_c in Nandakumar 2020; exact
    term = t << s                               if s >= 0     # exact
    term = sign(t) * floor(|t| / 2^-s + 1/2)    otherwise, rounding "nearest": halves away from zero
    term = sign(t) * floor(|t| / 2^-s)          otherwise, rounding "truncate": toward zero
    term = clamp(term, -2^(W-1), 2^(W-1) - 1)                 # W = formats.accumulator; sticky flag "term clipped"

The term after the clamp is the input that the ledger counts.  Visits go through the rows with x[r] != 0 in ascending
order, within a row through the groups that hold any d[c] != 0, ascending.  A vector without such rows or groups gives
no visit but is still a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design

Int64 = npt.NDArray[np.int64]

SHIFT_MIN, SHIFT_MAX = -31, 15
"""Clamps of the shift: a right shift of 31 leaves nothing of any product, a left shift of 15 saturates any format."""


def shift_of(exponent_x: int, exponent_d: int, shift: int) -> int:
    """The shift s of a vector, left where positive: the sum of its exponents and the SHIFT register, clamped."""
    return min(max(exponent_x + exponent_d + shift, SHIFT_MIN), SHIFT_MAX)


def limits(design: Design) -> tuple[int, int]:
    """Least and greatest number of the accumulator format."""
    half = 1 << (design.formats.accumulator - 1)
    return -half, half - 1


def shift_term(t: npt.ArrayLike, s: int, rounding: str) -> Int64:
    """`t` shifted by s bits, left where positive; a right shift rounds as `formats.rounding` says.

    t : integers of at most 24 bits, any shape; s : SHIFT_MIN..SHIFT_MAX.  Returns int64 of t's shape.
    """
    value = np.asarray(t, np.int64)
    if s >= 0:
        return value << s
    half = (1 << -s) >> 1 if rounding == "nearest" else 0
    return np.asarray(np.sign(value) * ((np.abs(value) + half) >> -s), np.int64)


def terms(design: Design, x: npt.ArrayLike, d: npt.ArrayLike, s: int) -> tuple[Int64, int]:
    """Terms of one vector pair for the whole tile, and how many of them were clamped.

    x : codes (R,); d : codes (C,); s : as `shift_of` gives it.  Returns int64 (R, C) and the count of clamped terms.
    """
    product = np.multiply.outer(np.asarray(x, np.int64), np.asarray(d, np.int64))
    shifted = shift_term(-product, s, design.formats.rounding)
    low, high = limits(design)
    clamped = np.clip(shifted, low, high)
    return clamped, int(np.count_nonzero(clamped != shifted))


def words(codes: npt.ArrayLike, lanes: int) -> npt.NDArray[Any]:
    """A vector cut into words of `lanes` codes, the last padded with zeros: (n,) to (ceil(n / lanes), lanes)."""
    vector = np.asarray(codes)
    count = -(-len(vector) // lanes)
    padded = np.zeros(count * lanes, vector.dtype)
    padded[: len(vector)] = vector
    return padded.reshape(count, lanes)


def visits(design: Design, x: npt.ArrayLike, d: npt.ArrayLike) -> list[tuple[int, int]]:
    """The visits (row, group) of one vector pair, in the order the hardware makes them."""
    rows = np.flatnonzero(np.asarray(x))
    groups = np.flatnonzero(words(d, design.array.lanes).any(axis=1))
    return [(int(row), int(group)) for row in rows for group in groups]
