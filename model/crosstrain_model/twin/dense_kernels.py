"""Compiled pulses of rows that get many in a train: equal to `pulses.py`, bit for bit.

All columns of such a row take pulse j at once, which costs as much for one column as for eight.  Columns are therefore
taken in the order of how many slots they fire in, most first: those that take a pulse j at all are then the first few,
and as a row's magnitude is the same for all of them, few of these take none.  Devices and their settings are gathered
in that order once a row, and put back after its last pulse.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from crosstrain_model.twin import context as at
from crosstrain_model.twin.kernels import (
    Array,
    compiled,
    mix,
    reference_row,
    refresh_row,
    to_int16,
    to_int32,
    to_int64,
    z_of,
)

VALUE, STEP, SLOPE, LOW, HIGH, FALL, HITS, KEY, RESPONSE, BOUNDS = range(10)
"""Rows of the scratch: conductance and settings of a device, -1 where it is RESET, its pulses, first word of its noise;
and, in the order of columns, step and slope, and both bounds, two to a word."""
SCRATCH = 10
LANES = 8
"""Columns are taken in whole vectors of so many; those beyond the last get no pulse."""


@intrinsic  # type: ignore[untyped-decorator]
def ones(typingctx: Any, word: Any) -> Any:
    """Population count of a uint64, as the one instruction that processors have for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@compiled
def in_order(words: Array, sides: Array, which: int) -> Any:
    """Device columns that fire at all, most slots first; all rows of a train share them.

    words, sides : of every device column; which : the side that is asked for, or -1 for both.  Returns how many fire;
    their numbers; -1 where a device is RESET, of all device columns; and, in the new order, the same, and bits.  What
    is in the new order goes on, without slots, to a whole number of vectors.
    """
    starts = np.zeros(66, dtype=np.int64)
    for c in range(words.size):
        if words[c] != 0 and (which < 0 or sides[c] == which):
            starts[65 - np.int64(ones(words[c]))] += 1
    for n in range(1, 66):
        starts[n] += starts[n - 1]
    length = (starts[65] + LANES - 1) // LANES * LANES
    devices, bits = np.zeros(length, dtype=np.uint32), np.zeros(length, dtype=np.uint64)
    falls, falling = np.zeros(words.size, dtype=np.int32), np.zeros(length, dtype=np.int32)
    for c in range(words.size):
        falls[c] = -np.int32(sides[c])
        if words[c] != 0 and (which < 0 or sides[c] == which):
            count = 64 - np.int64(ones(words[c]))
            devices[starts[count]], bits[starts[count]] = np.uint32(c), words[c]
            falling[starts[count]] = -np.int32(sides[c])
            starts[count] += 1
    return starts[65], devices, falls, falling, bits


@compiled
def _extents(word: Any, bits: Array, hits: Array, extents: Array) -> int:
    """Pulses of every column, and how many columns hold all that take pulse j; returns the most pulses of any."""
    for i in range(np.uint64(0), np.uint64(bits.size)):
        hits[i] = np.int32(ones(word & bits[i]))
    extents[:] = 0
    for i in range(np.uint64(0), np.uint64(bits.size), np.uint64(LANES)):
        for k in range(np.uint64(LANES)):
            extents[np.uint64(hits[i + k])] = np.int32(i + np.uint64(LANES))
    most = 63
    while most > 0 and extents[most] == 0:
        most -= 1
    for n in range(most - 1, -1, -1):
        extents[n] = max(extents[n], extents[n + 1])
    return most


@compiled
def _pack(context: Array, row: int, falls: Array, turn: Any, response: Array, bounds: Array) -> None:
    """Settings of all devices of a row, in the direction in which each is pulsed."""
    rows, width = context[at.ROWS], context[at.DEVICE_COLUMNS]
    step_up = carray(to_int16(context[at.STEP_UP]), (rows, width))[row]
    slope_up = carray(to_int16(context[at.SLOPE_UP]), (rows, width))[row]
    step_down = carray(to_int16(context[at.STEP_DOWN]), (rows, width))[row]
    slope_down = carray(to_int16(context[at.SLOPE_DOWN]), (rows, width))[row]
    low = carray(to_int16(context[at.LOW]), (rows, width))[row]
    high = carray(to_int16(context[at.HIGH]), (rows, width))[row]
    for c in range(np.uint64(0), np.uint64(width)):
        mask = np.int32(falls[c] ^ turn)
        step = np.int32(np.int32(step_up[c]) ^ np.int32(np.int32(step_up[c] ^ step_down[c]) & mask))
        slope = np.int32(np.int32(slope_up[c]) ^ np.int32(np.int32(slope_up[c] ^ slope_down[c]) & mask))
        response[c] = np.int32(np.int32(slope << 16) | np.int32(step & np.int32(0xFFFF)))
        bounds[c] = np.int32(np.int32(np.int32(high[c]) << 16) | np.int32(np.int32(low[c]) & np.int32(0xFFFF)))


@compiled
def dense_row(
    context: Array, row: int, word: Any, order: Any, turn: Any, key: Array, scratch: Array, extents: Array
) -> None:
    """Pulses of one row: `word` its slots, `order` as `in_order`, `turn` -1 if it turns every direction, else 0; `key`
    its event's start and stride; scratch int32 [SCRATCH, device columns + LANES], extents int32 [65]."""
    fired, devices, falls, falling, bits = order
    value, steps, slopes, least, greatest = scratch[VALUE], scratch[STEP], scratch[SLOPE], scratch[LOW], scratch[HIGH]
    fall, hits, bases = scratch[FALL], scratch[HITS], scratch[KEY].view(np.uint32)
    most = _extents(word, bits, hits, extents)
    if most == 0:
        return
    rows, width, taken = context[at.ROWS], context[at.DEVICE_COLUMNS], np.uint64(extents[1])
    g = carray(to_int32(context[at.G]), (rows, width))[row]
    response, bounds = scratch[RESPONSE], scratch[BOUNDS]
    _pack(context, row, falls, turn, response, bounds)
    for i in range(np.uint64(0), taken):
        c = np.uint64(devices[i])
        value[i], steps[i], least[i] = g[c], response[c], bounds[c]
    column_stride = np.uint32(key[1] << np.uint32(8))
    for i in range(np.uint64(0), taken):
        both, range_ = steps[i], least[i]
        steps[i], slopes[i] = np.int32(both << 16) >> 16, both >> 16
        least[i], greatest[i] = np.int32(np.int32(range_ << 16) >> 16) << 6, np.int32(range_ >> 16) << 6
        fall[i] = np.int32(falling[i] ^ turn)
        bases[i] = np.uint32(key[0] + np.uint32(devices[i] * column_stride))
    strength, of_step = np.int32(context[at.NOISE]), np.int32(-1 if context[at.NOISE_OF_STEP] != 0 else 0)
    scale = np.int32(1 << (context[at.EXPONENT] & 31))  # known to be a shift of 32 bits
    for j in range(most):
        pulse, offset = np.int32(j), np.uint32(key[1] * np.uint32(j))
        for i in range(np.uint64(0), np.uint64(extents[j + 1])):
            old, a, mask = value[i], steps[i], fall[i]
            lost = np.int32(np.int32(np.int32(slopes[i] * np.int32(old >> 6)) + np.int32(8192)) >> 14)
            # max(move, 0) of a SET, min(move, 0) of a RESET
            move = np.int32(max(np.int32(np.int32(a - lost) ^ mask), mask) ^ mask)
            if strength != 0:
                z = z_of(mix(np.uint32(bases[i] + offset)))
                base = np.int32(a ^ np.int32(np.int32(a ^ move) & of_step))
                spread = np.int32(base * np.int32(np.int32(z * strength) >> 6))
                move = np.int32(move + np.int32(np.int32(spread + np.int32(2048)) >> 12))
            # no choice between old and new, which would become a masked store: a device without a pulse moves by 0
            hit = np.int32(pulse - hits[i]) >> 31
            value[i] = min(max(np.int32(old + np.int32(np.int32(move * scale) & hit)), least[i]), greatest[i])
    for i in range(np.uint64(0), min(taken, np.uint64(fired))):
        g[np.uint64(devices[i])] = value[i]
    if context[at.PULSES] != 0:
        pulses = carray(to_int64(context[at.PULSES]), (rows, width))[row]
        for i in range(np.uint64(0), min(taken, np.uint64(fired))):
            pulses[np.uint64(devices[i])] += hits[i]
    levels = carray(to_int16(context[at.LEVELS]), (rows, context[at.COLUMNS]))[row]
    refresh_row(g, levels, context[at.WIRING] != at.SINGLE, reference_row(context, row))
