"""Logarithms and powers to base 2 in integers, for rules that need them: no mathematics library decides a bit.

    log2(n)    n = 1 .. 2^63 - 1, unit 2^-16: the place of the highest bit of n, and 16 more bits by squaring:
                   m = the 32 bits of n from its highest one on, the rest dropped (zeros appended where it has fewer)
                   16 times:  m = m^2 >> 31;   the next bit is m >= 2^32, then m = m >> 1
               never above the true value, at most one unit below its floor; grows with n
    power(e)   2^-(e / 2^16), unit 2^-30, e >= 0:
                   (HIGH[f >> 8] * LOW[f & 255] + 2^29) >> 30 >> min(e >> 16, 62),     f = e mod 2^16
                   HIGH[i] = rint(2^30 2^(-i / 2^8)),  LOW[i] = rint(2^30 2^(-i / 2^16)), from integer roots of 128 bits
               within 2 units; falls with e
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Wide = npt.NDArray[np.int64]

UNIT_LOG2 = 16
"""A logarithm is in units of 2^-16."""
UNIT_POWER = 30
"""A power is in units of 2^-30."""


def log2(n: npt.ArrayLike) -> Wide:
    """Logarithms of integers, of their shape [2^-16]; raises ValueError for what is below 1."""
    left = np.array(n, np.int64)
    if left.size and left.min() < 1:
        raise ValueError(f"log2.n = {left.min()}: must be 1 or more")
    place = np.zeros(left.shape, np.int64)
    top = left.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        large = top >= 1 << shift
        place += large * shift
        top = np.where(large, top >> shift, top)
    m = np.where(place > 31, left >> np.maximum(place - 31, 0), left << np.maximum(31 - place, 0)).astype(np.uint64)
    for _ in range(UNIT_LOG2):
        m = (m * m) >> np.uint64(31)
        bit = m >> np.uint64(32)
        m = m >> bit
        place = 2 * place + bit.astype(np.int64)
    return place


def _table(divisions: int) -> Wide:
    """rint(2^30 2^(-i / divisions)) of i = 0..255; divisions: a power of two."""
    root = 1 << 128
    halves: list[int] = []  # 2^(-1/2), 2^(-1/4), .. 2^(-1/divisions)
    for _ in range(divisions.bit_length() - 1):
        root = math.isqrt((root if halves else 1 << 127) << 128)
        halves.append(root)
    entries = []
    for i in range(256):
        value = 1 << 128
        for bit in range(8):
            if i >> bit & 1:
                value = value * halves[-1 - bit] >> 128
        entries.append((value + (1 << 97)) >> 98)
    return np.array(entries, np.int64)


HIGH, LOW = _table(1 << 8), _table(1 << 16)


def power(e: npt.ArrayLike) -> Wide:
    """2^-(e / 2^16) of integers e, of their shape [2^-30]; raises ValueError for what is below 0."""
    wide = np.asarray(e, np.int64)
    if wide.size and wide.min() < 0:
        raise ValueError(f"power.e = {wide.min()}: must be 0 or more")
    fraction = wide & 0xFFFF
    mantissa = (HIGH[fraction >> 8] * LOW[fraction & 255] + (1 << 29)) >> UNIT_POWER
    result: Wide = mantissa >> np.minimum(wide >> 16, 62)
    return result
