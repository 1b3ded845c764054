"""Compiled conversions of float32 vectors, and whole reads of a layer: equal to `converters.py` and `grid.py`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numba import carray

from crosstrain_model.twin import context as at
from crosstrain_model.twin.kernels import Array, compiled_with, to_int64
from crosstrain_model.twin.read_kernels import read

compiled = compiled_with(Path(__file__))

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


@compiled
def _tile_sums(address: Any, which: Any, codes: Array, total: Array) -> None:
    """total int32 [vectors, outputs] += the read of one tile; codes int16 [vectors, lines], of its first lines."""
    context = carray(to_int64(address), (at.CONTEXT_SIZE,))
    noisy = context[at.CONVERTERS + which * at.CONVERTER_SIZE + at.DAC_NOISE] != 0
    lines = codes.shape[1]
    if noisy:  # silent lines are noisy too
        lines = context[at.ROWS] if which == 0 else context[at.COLUMNS]
    taken = np.zeros((codes.shape[0], lines), dtype=np.int32)
    part = np.empty(total.shape, dtype=np.int32)
    for v in range(codes.shape[0]):
        for i in range(np.uint64(0), np.uint64(codes.shape[1])):
            taken[v, i] = codes[v, i]
    read(context, which, taken, part)
    for v in range(codes.shape[0]):
        for i in range(np.uint64(0), np.uint64(part.shape[1])):
            total[v, i] += part[v, i]


@compiled
def read_layer(
    tiles: Array, which: Any, values: Array, q: float, unit: float, bias: Array, codes: Array, exponents: Array,
    out: Array,
) -> bool:  # fmt: skip
    """TileGrid.forward (which 0) or backward (1): to_codes, the read of every tile, from_codes, and `bias`.

    tiles : addresses of contexts, int64 [blocks of lines, blocks of outputs]; values float32 [vectors, lines];
    bias float32 [outputs], or of no length; codes, exponents int16 and out float32 are written
    False, and nothing that may be used, if any value is not finite.
    """
    if not to_codes(values, q, codes, exponents):
        return False
    context = carray(to_int64(tiles[0, 0]), (at.CONTEXT_SIZE,))
    lines, wide = context[at.ROWS], context[at.COLUMNS]
    if which != 0:
        lines, wide = wide, lines
    total = np.zeros(out.shape, dtype=np.int32)
    for i in range(tiles.shape[0]):
        for j in range(tiles.shape[1]):
            given, sums = codes[:, i * lines : (i + 1) * lines], total[:, j * wide : (j + 1) * wide]
            _tile_sums(tiles[i, j], which, given, sums)
    for v in range(total.shape[0]):
        some, line, sums, results = np.int16(0), codes[v], total[v], out[v]
        for i in range(np.uint64(0), np.uint64(line.size)):
            some |= line[i]
        factor = math.ldexp(1.0, int(exponents[v])) if some != 0 else 0.0
        for i in range(np.uint64(0), np.uint64(sums.size)):
            results[i] = np.float32(np.float64(sums[i]) * unit * factor)
        for i in range(np.uint64(0), np.uint64(bias.size)):
            results[i] = np.float32(results[i] + bias[i])
    return True
