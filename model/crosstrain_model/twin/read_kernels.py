"""Compiled reads: equal to `converter.py` and the numpy engine, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from crosstrain_model.twin import context as at
from crosstrain_model.twin import noise
from crosstrain_model.twin.kernels import (
    Array,
    compiled,
    event_key,
    mix,
    reference_row,
    to_int16,
    to_int32,
    to_int64,
    to_uint32,
    wide_level,
    z_of,
)
from crosstrain_model.twin.read_sums import backward_sums, forward_sums

BLOCK = 32
"""Vectors of a block: four vectors of eight lanes."""
FEW, MANY = 16, 256
"""Reads in blocks have at most so many lines or outputs, and so many lines, which stay in the first cache."""


@compiled
def _block_sums(block: Array, weights: Array, transposed: bool, sums: Array) -> None:
    """sums[o, v] = sum over lines l of block[l, v] * weight of line l and output o, for BLOCK vectors; all int32.

    Weights are [line, output], or [output, line] if `transposed`.  Lanes are vectors, so that reads of few outputs, or
    from few lines, fill them: the layers of small networks, whose convolutions read very many vectors.
    """
    lines, lanes = np.uint64(block.shape[0]), np.uint64(BLOCK)
    whole = lines // np.uint64(4) * np.uint64(4)
    for o in range(np.uint64(0), np.uint64(sums.shape[0])):
        total = sums[o]
        for v in range(np.uint64(0), lanes):
            total[v] = 0
        for l0 in range(np.uint64(0), whole, np.uint64(4)):
            l1, l2, l3 = l0 + np.uint64(1), l0 + np.uint64(2), l0 + np.uint64(3)
            w0, w1 = _weight(weights, l0, o, transposed), _weight(weights, l1, o, transposed)
            w2, w3 = _weight(weights, l2, o, transposed), _weight(weights, l3, o, transposed)
            for v in range(np.uint64(0), lanes):
                low = np.int32(np.int32(block[l0, v] * w0) + np.int32(block[l1, v] * w1))
                high = np.int32(np.int32(block[l2, v] * w2) + np.int32(block[l3, v] * w3))
                total[v] = np.int32(total[v] + np.int32(low + high))
        for line in range(whole, lines):
            w = _weight(weights, line, o, transposed)
            for v in range(np.uint64(0), lanes):
                total[v] = np.int32(total[v] + np.int32(block[line, v] * w))


@compiled
def _weight(weights: Array, line: Any, output: Any, transposed: bool) -> Any:
    return np.int32(weights[output, line]) if transposed else np.int32(weights[line, output])


@compiled
def _read_blocks(part: Array, which: int, codes: Array, weights: Array, keys: Array, number: Any, out: Array) -> Any:
    """`read` for whole blocks, where there is no DAC noise and an int32 holds the sums; how many vectors that were."""
    kind = noise.DAC_FORWARD if which == 0 else noise.DAC_BACKWARD
    lines, outputs = np.uint64(codes.shape[1]), np.uint64(out.shape[1])
    block = np.empty((codes.shape[1], BLOCK), dtype=np.int32)
    sums, line = np.empty((out.shape[1], BLOCK), dtype=np.int32), np.empty(out.shape[1], dtype=np.int64)
    done = codes.shape[0] // BLOCK * BLOCK
    for first in range(0, done, BLOCK):
        for v in range(np.uint64(0), np.uint64(BLOCK)):
            for r in range(np.uint64(0), lines):
                block[r, v] = codes[np.uint64(first) + v, r]
        _block_sums(block, weights, which != 0, sums)
        for v in range(np.uint64(0), np.uint64(BLOCK)):
            vector = np.uint64(first) + v
            for c in range(np.uint64(0), outputs):
                line[c] = sums[c, v]
            root = root_of(codes[vector]) if part[at.READ_NOISE] != 0 else 0
            to_signed_codes(part, line, root, keys, kind + 1, number + np.int64(vector), 0, out[vector])
    return done


@compiled
def root_of(codes: Array) -> int:
    """Root of the summed squares in 1/16 code."""
    squares = np.int64(0)
    for r in range(codes.size):
        squares += np.int64(codes[r]) * np.int64(codes[r])
    return int(np.floor(np.sqrt(np.float64(squares << 8))))


@compiled
def _to_levels(part: Array, codes: Array, keys: Array, kind: int, number: int, row: int, levels: Array) -> int:
    """Line levels of codes; returns the root of the summed squares in 1/16 code."""
    a, stride = event_key(keys, kind, number, row)
    for r in range(codes.size):
        level = np.int64(codes[r]) << part[at.FRACTION]
        if part[at.DAC_NOISE] != 0:
            z = np.int64(z_of_word(a, stride, r))
            level = min(max(level + ((z * part[at.DAC_NOISE] + 2048) >> 12), -32767), 32767)
        levels[r] = np.int32(level)
    return root_of(codes)


@compiled
def z_of_word(a: Any, stride: Any, index: int) -> Any:
    """z of word `index` of an event."""
    h = np.uint32(a + np.uint32(np.uint32(index) * stride))
    return z_of(mix(h))


@compiled
def to_signed_codes(
    part: Array, sums: Array, root: int, keys: Array, kind: int, number: int, row: int, out: Array
) -> None:  # fmt: skip
    """ADC codes of sums; `kind` is the read's, the ADC's follows it."""
    full = np.int64(1) << (part[at.ADC] - 1)
    multiplier, shift = part[at.MULTIPLIER], part[at.SHIFT] - 8
    read, adc, fraction = part[at.READ_NOISE], part[at.ADC_NOISE], part[at.FRACTION]
    a, stride = event_key(keys, kind, number, row)
    if read != 0:
        for c in range(out.size):
            z = np.int64(z_of_word(a, stride, c))
            sums[c] += (((z * read * root) << fraction) + 32768) >> 16
    a, stride = event_key(keys, kind + 1, number, row)
    for c in range(out.size):
        v = (sums[c] * multiplier) >> shift
        if adc != 0:
            v += (np.int64(z_of_word(a, stride, c)) * adc + 128) >> 8
        out[c] = np.int32(min(max((v + 128) >> 8, -full), full - 1))


@compiled
def _converter(context: Array, which: int) -> Any:
    first = at.CONVERTERS + which * at.CONVERTER_SIZE
    return context[first : first + at.CONVERTER_SIZE]


@compiled
def read(context: Array, which: int, codes: Array, out: Array) -> bool:
    """Engine.read: codes int32 [B, lines], out int32 [B, outputs]; False and nothing done for a code out of range."""
    part = _converter(context, which)
    full = 1 << (part[at.BITS] - 1)
    given, low, high = codes.reshape(codes.size), np.int32(0), np.int32(0)
    for i in range(np.uint64(0), np.uint64(given.size)):
        low, high = min(low, given[i]), max(high, given[i])
    if low < -full or high >= full:
        return False
    keys = carray(to_uint32(context[at.KEYS]), (noise.KINDS, 2))
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    weights = carray(to_int16(context[at.LEVELS]), (context[at.ROWS], context[at.COLUMNS]))
    kind = noise.DAC_FORWARD if which == 0 else noise.DAC_BACKWARD
    first, lines, outputs = 0, codes.shape[1], out.shape[1]
    if part[at.DAC_NOISE] == 0 and min(lines, outputs) <= FEW and lines <= min(MANY, part[at.CHUNK]):
        first = _read_blocks(part, which, codes, weights, keys, counters[which], out)
        counters[which] += first
    while first < codes.shape[0]:
        size = 4 if which == 0 and first + 4 <= codes.shape[0] else 1
        levels, roots = np.empty((size, codes.shape[1]), dtype=np.int32), np.empty(size, dtype=np.int64)
        sums = np.empty((size, out.shape[1]), dtype=np.int64)
        for v in range(size):
            roots[v] = _to_levels(part, codes[first + v], keys, kind, counters[which] + v, 0, levels[v])
        if which == 0:
            forward_sums(levels, weights, part[at.CHUNK], np.empty(sums.shape, dtype=np.int32), sums)
        else:
            backward_sums(levels[0], weights, part[at.CHUNK], sums[0])
        for v in range(size):
            to_signed_codes(part, sums[v], roots[v], keys, kind + 1, counters[which] + v, 0, out[first + v])
        counters[which] += size
        first += size
    return True


@compiled
def read_row(context: Array, row: int, out: Array) -> None:
    """Engine.read_row: out int32 [columns]."""
    part = _converter(context, 2)
    keys = carray(to_uint32(context[at.KEYS]), (noise.KINDS, 2))
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    g = carray(to_int32(context[at.G]), (context[at.ROWS], context[at.DEVICE_COLUMNS]))[row]
    reference, pair = reference_row(context, row), context[at.WIRING] != at.SINGLE
    codes, levels = np.empty(1, dtype=np.int32), np.empty(1, dtype=np.int32)
    codes[0] = np.int32(1) << (part[at.BITS] - 1)
    root = _to_levels(part, codes, keys, noise.DAC_ROW, counters[2], row, levels)
    sums = np.empty(out.size, dtype=np.int64)
    for c in range(out.size):
        less = reference[c] if reference.size else np.int32(0)
        sums[c] = np.int64(levels[0]) * np.int64(wide_level(g, c, pair, less))
    to_signed_codes(part, sums, root, keys, noise.READ_ROW, counters[2], row, out)
    counters[2] += 1
