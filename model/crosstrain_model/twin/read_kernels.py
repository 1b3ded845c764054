"""Compiled reads, equal to `converter.py` and the numpy engine bit for bit, and the hook that simulations call.

    int32_t hook(void *user, uint32_t op, uint32_t array, uint32_t row,
                 const uint8_t *set_counts, const uint8_t *reset_counts, const int32_t *codes_in, int32_t *codes_out)

| op | does | takes | gives |
|---|---|---|---|
| 0 | program row `row`, called once per completed command | SET and RESET counts, uint8 [device columns], at most 255 together | device pulses delivered |
| 1 | forward read | codes_in [rows] | codes_out [columns], returns 0 |
| 2 | backward read | codes_in [columns] | codes_out [rows], returns 0 |
| 3 | one-hot read of row `row` | | codes_out [columns], returns 0 |

It returns -1, and does nothing, for an unknown op, a row outside the array, a code outside its DAC or more than 255 pulses.
Pointers that an op does not take may be null.  `user` is the address of a tile's context (context.py) and selects the
array; `array` is for the caller's records.  It takes no lock: one thread at a time per tile, any number of tiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, types

from crosstrain_model.twin import context as at
from crosstrain_model.twin import noise
from crosstrain_model.twin.kernels import Array, compiled, event_key, mix, program, to_int16, to_int64, to_uint32, z_of


@compiled
def _forward_sums(levels: Array, weights: Array, chunk: int, sums: Array) -> None:
    """sums[c] = sum of levels[r] * weights[r, c]: int32 for as many rows as surely fit, then int64."""
    part = np.empty(sums.size, dtype=np.int32)
    sums[:] = 0
    for first in range(0, levels.size, chunk):
        part[:] = 0
        last = min(first + chunk, levels.size)
        r = first
        while r + 4 <= last:
            x0, x1, x2, x3 = levels[r], levels[r + 1], levels[r + 2], levels[r + 3]
            w0, w1, w2, w3 = weights[r], weights[r + 1], weights[r + 2], weights[r + 3]
            if x0 != 0 or x1 != 0 or x2 != 0 or x3 != 0:
                for c in range(part.size):
                    low = np.int32(np.int32(x0 * np.int32(w0[c])) + np.int32(x1 * np.int32(w1[c])))
                    high = np.int32(np.int32(x2 * np.int32(w2[c])) + np.int32(x3 * np.int32(w3[c])))
                    part[c] = np.int32(part[c] + np.int32(low + high))
            r += 4
        while r < last:
            x0, w0 = levels[r], weights[r]
            for c in range(part.size):
                part[c] = np.int32(part[c] + np.int32(x0 * np.int32(w0[c])))
            r += 1
        for c in range(part.size):
            sums[c] += part[c]


@compiled
def _backward_sums(levels: Array, weights: Array, chunk: int, sums: Array) -> None:
    """sums[r] = sum of levels[c] * weights[r, c]; `levels` int16 by then, so that products pair up in one instruction."""
    short = levels.astype(np.int16)
    columns, most = np.uint64(short.size), np.uint64(chunk)
    for r in range(np.uint64(0), np.uint64(sums.size)):
        total = np.int64(0)
        for first in range(np.uint64(0), columns, most):
            part = np.int32(0)
            for c in range(first, min(np.uint64(first + most), columns)):
                part = np.int32(part + np.int32(np.int32(short[c]) * np.int32(weights[r, c])))
            total += part
        sums[r] = total


@compiled
def _to_levels(part: Array, codes: Array, keys: Array, kind: int, number: int, row: int, levels: Array) -> int:
    """Line levels of codes; returns the root of the summed squares in 1/16 code."""
    a, stride = event_key(keys, kind, number, row)
    squares = np.int64(0)
    for r in range(codes.size):
        level = np.int64(codes[r]) << part[at.FRACTION]
        squares += np.int64(codes[r]) * np.int64(codes[r])
        if part[at.DAC_NOISE] != 0:
            z = np.int64(z_of_word(a, stride, r))
            level = min(max(level + ((z * part[at.DAC_NOISE] + 2048) >> 12), -32767), 32767)
        levels[r] = np.int32(level)
    return np.int64(np.floor(np.sqrt(np.float64(squares << 8))))


@compiled
def z_of_word(a: Any, stride: Any, index: int) -> Any:
    """z of word `index` of an event."""
    h = np.uint32(a + np.uint32(np.uint32(index) * stride))
    return z_of(mix(h))


@compiled
def _to_codes(part: Array, sums: Array, root: int, keys: Array, kind: int, number: int, row: int, out: Array) -> None:
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
    for b in range(codes.shape[0]):
        for r in range(codes.shape[1]):
            if codes[b, r] < -full or codes[b, r] >= full:
                return False
    keys = carray(to_uint32(context[at.KEYS]), (noise.KINDS, 2))
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    weights = carray(to_int16(context[at.LEVELS]), (context[at.ROWS], context[at.COLUMNS]))
    levels, sums = np.empty(codes.shape[1], dtype=np.int32), np.empty(out.shape[1], dtype=np.int64)
    kind = noise.DAC_FORWARD if which == 0 else noise.DAC_BACKWARD
    for b in range(codes.shape[0]):
        root = _to_levels(part, codes[b], keys, kind, counters[which], 0, levels)
        if which == 0:
            _forward_sums(levels, weights, part[at.CHUNK], sums)
        else:
            _backward_sums(levels, weights, part[at.CHUNK], sums)
        _to_codes(part, sums, root, keys, kind + 1, counters[which], 0, out[b])
        counters[which] += 1
    return True


@compiled
def read_row(context: Array, row: int, out: Array) -> None:
    """Engine.read_row: out int32 [columns]."""
    part = _converter(context, 2)
    keys = carray(to_uint32(context[at.KEYS]), (noise.KINDS, 2))
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    weights = carray(to_int16(context[at.LEVELS]), (context[at.ROWS], context[at.COLUMNS]))
    codes, levels = np.empty(1, dtype=np.int32), np.empty(1, dtype=np.int32)
    codes[0] = np.int32(1) << (part[at.BITS] - 1)
    root = _to_levels(part, codes, keys, noise.DAC_ROW, counters[2], row, levels)
    sums = np.empty(out.size, dtype=np.int64)
    for c in range(out.size):
        sums[c] = np.int64(levels[0]) * np.int64(weights[row, c])
    _to_codes(part, sums, root, keys, noise.READ_ROW, counters[2], row, out)
    counters[2] += 1


@compiled
def answer(context: Array, op: int, row: int, sets: Any, resets: Any, codes_in: Any, codes_out: Any) -> int:
    """The hook's body."""
    rows, columns, width = context[at.ROWS], context[at.COLUMNS], context[at.DEVICE_COLUMNS]
    if op == 1 or op == 2:
        lines, outputs = (rows, columns) if op == 1 else (columns, rows)
        done = read(context, op - 1, carray(codes_in, (1, lines)), carray(codes_out, (1, outputs)))
        return 0 if done else -1
    if op > 3 or row >= rows:
        return -1
    if op == 3:
        read_row(context, row, carray(codes_out, (columns,)))
        return 0
    up, down = carray(sets, (width,)), carray(resets, (width,))
    for c in range(width):
        if np.int32(up[c]) + np.int32(down[c]) > 255:
            return -1
    return program(context, row, up, down, -1)


_SIGNATURE = types.int32(
    types.voidptr,
    types.uint32,
    types.uint32,
    types.uint32,
    types.CPointer(types.uint8),
    types.CPointer(types.uint8),
    types.CPointer(types.int32),
    types.CPointer(types.int32),
)


def _hook(user: Any, op: int, array: int, row: int, sets: Any, resets: Any, codes_in: Any, codes_out: Any) -> int:
    context = carray(user, (at.CONTEXT_SIZE,), np.int64)
    return np.int32(answer(context, np.int64(op), np.int64(row), sets, resets, codes_in, codes_out))


HOOK = cfunc(_SIGNATURE, cache=True, nopython=True, error_model="numpy")(_hook)
"""The compiled hook; `HOOK.address` is its function pointer."""
