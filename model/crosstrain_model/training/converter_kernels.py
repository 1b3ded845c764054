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
    for v in range(values.shape[0]):
        line, out, bits, most = values[v], codes[v], values[v].view(np.int32), np.int32(0)
        for i in range(np.uint64(0), np.uint64(line.size)):
            most = max(most, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
        if most >= INFINITE:
            return False
        largest = np.array([most], dtype=np.int32).view(np.float32)[0]
        mantissa, power = math.frexp(np.float64(largest) / q)
        exponent = min(max(power - int(mantissa == 0.5), -128), 127)
        exponents[v] = np.int16(exponent)
        factor = math.ldexp(1.0, -exponent)
        for i in range(np.uint64(0), np.uint64(line.size)):
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
