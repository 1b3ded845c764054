"""Compiled pulses of rows that get many in a train: equal to `pulses.py`, bit for bit.

All columns of such a row take pulse j at once, which costs as much for one column as for eight.  Columns are therefore
taken in the order of how many slots they fire in, most first, a block at a time: neighbours then take nearly as many
pulses, for a row's magnitude is the same for all of them.  A block's devices are gathered, take all their pulses while
they are in the processor's registers, and are put back.
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

LANES = 16
"""Columns of a block: two vectors of eight.  The last block is filled up with a column that takes no pulse."""
VALUE, STEP, SLOPE, LOW, HIGH, FALL, HITS, KEY = (np.uint64(k * LANES) for k in range(8))
"""Places in the scratch of a block, LANES each: conductances and settings of its devices, -1 where they are RESET,
their pulses, and first words of their noise.  All in one array, so that the compiler knows them apart."""
LAST, BLOCK = np.uint64(LANES - 1), 8 * LANES


@intrinsic  # type: ignore[untyped-decorator]
def ones(typingctx: Any, word: Any) -> Any:
    """Population count of a uint64, as the one instruction that processors have for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@compiled
def in_order(words: Array, sides: Array, which: int, down: int) -> Any:
    """Device columns that fire at all, most slots first, whole blocks; all rows of a train share them.

    words, sides : of every device column; which : the side that is asked for, or -1 for both; down : where responses
    downward are, beyond those upward
    Returns numbers; -1 where a device is RESET; places of its response, and the same where a row turns directions; and
    bits.  The last column fills up the last block, without bits.
    """
    starts = np.zeros(66, dtype=np.int64)
    for c in range(words.size):
        if words[c] != 0 and (which < 0 or sides[c] == which):
            starts[65 - np.int64(ones(words[c]))] += 1
    for n in range(1, 66):
        starts[n] += starts[n - 1]
    fired = starts[65]
    length = (fired + LANES - 1) // LANES * LANES
    devices, falling = np.zeros(length, dtype=np.uint32), np.zeros(length, dtype=np.int32)
    bits = np.zeros(length, dtype=np.uint64)
    for c in range(words.size):
        if words[c] != 0 and (which < 0 or sides[c] == which):
            count = 64 - np.int64(ones(words[c]))
            place = starts[count]
            devices[place], falling[place], bits[place] = np.uint32(c), -np.int32(sides[c]), words[c]
            starts[count] += 1
    for i in range(fired, length):
        devices[i], falling[i] = devices[fired - 1], falling[fired - 1]
    places, turned = np.empty(length, dtype=np.uint32), np.empty(length, dtype=np.uint32)
    for i in range(length):
        places[i] = np.uint32(devices[i] + np.uint32(down if falling[i] != 0 else 0))
        turned[i] = np.uint32(devices[i] + np.uint32(0 if falling[i] != 0 else down))
    return devices, falling, places, turned, bits


@compiled
def dense_row(
    context: Array, row: int, word: Any, devices: Array, falling: Array, places: Array, bits: Array, turn: Any,
    key: Any, block: Array,
) -> None:  # fmt: skip
    """Pulses of one row: `word` its slots, then what `in_order` gives; `turn` -1 if the row turns every direction, else
    0; `key` its event's start and stride; `block` scratch, int32 [BLOCK]."""
    rows, width = context[at.ROWS], context[at.DEVICE_COLUMNS]
    g = carray(to_int32(context[at.G]), (rows, width))[row]
    responses = carray(to_int32(context[at.RESPONSES]), (2 * rows * width,))[row * width :]
    bounds = carray(to_int32(context[at.BOUNDS]), (rows, width))[row]
    pulses = carray(to_int64(context[at.PULSES]), (rows, width))[row]
    strength, of_step = np.int32(context[at.NOISE]), np.int32(-1 if context[at.NOISE_OF_STEP] != 0 else 0)
    scale, start, stride = np.int32(context[at.SCALE]), key[0], key[1]
    for first in range(np.uint64(0), np.uint64(devices.size), np.uint64(LANES)):
        most = np.int32(0)
        for k in range(np.uint64(LANES)):
            hits = np.int32(ones(word & bits[first + k]))
            block[HITS + k] = hits
            most = max(most, hits)
        if most == 0:
            continue
        for k in range(np.uint64(LANES)):
            c = np.uint64(devices[first + k])
            block[VALUE + k], block[LOW + k] = g[c], bounds[c]
            block[STEP + k] = responses[np.uint64(places[first + k])]
        for k in range(np.uint64(LANES)):
            response, bound = block[STEP + k], block[LOW + k]
            block[STEP + k] = np.int32(response << 16) >> 16
            block[SLOPE + k] = response >> 16
            block[LOW + k] = np.int32(np.int32(bound << 16) >> 16) << 6
            block[HIGH + k] = np.int32(bound >> 16) << 6
            block[FALL + k] = np.int32(falling[first + k] ^ turn)
            block[KEY + k] = np.int32(np.uint32(start + np.uint32(stride * np.uint32(devices[first + k] << 8))))
        for j in range(most):
            pulse, offset = np.int32(j), np.uint32(stride * np.uint32(j))
            for k in range(np.uint64(LANES)):
                old, a, mask = block[VALUE + k], block[STEP + k], block[FALL + k]
                bend = np.int32(block[SLOPE + k] * np.int32(old >> 6))
                move = np.int32(a - np.int32(np.int32(bend + np.int32(8192)) >> 14))
                # max(move, 0) of a SET, min(move, 0) of a RESET
                move = np.int32(max(np.int32(move ^ mask), mask) ^ mask)
                if strength != 0:
                    z = z_of(mix(np.uint32(np.uint32(block[KEY + k]) + offset)))
                    base = np.int32(a ^ np.int32(np.int32(a ^ move) & of_step))
                    spread = np.int32(base * np.int32(np.int32(z * strength) >> 6))
                    move = np.int32(move + np.int32(np.int32(spread + np.int32(2048)) >> 12))
                # No choice between old and new, which would cost a branch: without a pulse a device moves by 0.
                hit = np.int32(pulse - block[HITS + k]) >> 31
                moved = np.int32(old + np.int32(np.int32(move * scale) & hit))
                block[VALUE + k] = min(max(moved, block[LOW + k]), block[HIGH + k])
        for k in range(np.uint64(LANES)):  # backwards: a column goes after what fills up its block
            g[np.uint64(devices[first + LAST - k])] = block[VALUE + LAST - k]
        if context[at.PULSES] != 0:
            for k in range(np.uint64(LANES)):
                pulses[np.uint64(devices[first + k])] += block[HITS + k]
    levels = carray(to_int16(context[at.LEVELS]), (rows, context[at.COLUMNS]))[row]
    refresh_row(g, levels, context[at.WIRING] != at.SINGLE, reference_row(context, row))
