"""Compiled conversions of float32 vectors: equal to `converters.py`, code for code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain_model.twin.kernels import Array, compiled

INFINITE = np.int32(0x7F800000)
"""Bits of infinity, float32; magnitudes order as their bits do, those of numbers below and those of NaN above."""


@compiled
def to_codes(values: Array, q: Any, codes: Array, exponents: Array) -> bool:
    """converters.to_codes: values float32 [vectors, length]; codes int16 and exponents int16 are written.

    False, and nothing that may be used, if any value is not finite.
    """
    wide = np.empty(1, dtype=np.float64)
    word, whole, count = wide.view(np.int64), values.view(np.int32), np.uint64(values.shape[1])
    single = np.empty(1, dtype=np.int32)
    magnitude = single.view(np.float32)
    for v in range(values.shape[0]):
        line, out, bits, most = values[v], codes[v], whole[v], np.int32(0)
        for i in range(np.uint64(0), count):
            most = max(most, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
        if most >= INFINITE:
            return False
        single[0] = most
        wide[0] = np.float64(magnitude[0]) / q  # a normal number: its bits hold exponent and mantissa
        power = (word[0] >> 52) - 1022 - int(word[0] & 0xFFFFFFFFFFFFF == 0)
        exponent = min(max(power, -128), 127) if most else 0
        exponents[v] = np.int16(exponent)
        word[0] = (1023 - exponent) << 52
        factor = wide[0]  # 2^-exponent
        for i in range(np.uint64(0), count):
            out[i] = np.int16(np.int32(min(max(np.rint(np.float64(line[i]) * factor), -q), q)))
    return True


@compiled
def from_codes(codes: Array, exponents: Array, unit: float, out: Array) -> None:
    """converters.from_codes: codes int64 or float64 [vectors, length], exponents int16; out float32 is written."""
    for v in range(codes.shape[0]):
        line, values = codes[v], out[v]
        factor = math.ldexp(1.0, int(exponents[v]))
        for i in range(np.uint64(0), np.uint64(line.size)):
            values[i] = np.float32(np.float64(line[i]) * unit * factor)
