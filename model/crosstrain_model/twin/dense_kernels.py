"""Compiled pulses of rows that get many in a train: equal to `pulses.py`, bit for bit.

All columns of such a row take pulse j at once, which costs as much for one column as for sixteen.  Columns are
therefore taken in the order of how many slots they fire in, most first, a block at a time: neighbours then take nearly
as many pulses, for a row's magnitude is the same for all of them.

The order of trains matters to a device alone, and noise is keyed by the number of its train.  So the rows of some
trains are left for later, in a `room`, and each row then takes the pulses of all of them while its devices are near.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

from crosstrain_model.twin import context as at
from crosstrain_model.twin.kernels import (
    Array,
    absorb,
    compiled,
    reference_row,
    refresh_row,
    to_int16,
    to_int32,
    to_int64,
)
from crosstrain_model.twin.lanes import LANES, PARTS, noise_of_step, noise_of_zero, quiet


@intrinsic  # type: ignore[untyped-decorator]
def ones(typingctx: Any, word: Any) -> Any:
    """Population count of a uint64, as the one instruction that processors have for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@compiled
def make_room(context: Array, trains: int) -> Any:
    """Room for so many trains whose dense rows wait.

    words uint64[trains, rows] : slots of a row, 0 where it has nothing to wait for; signs int8[trains, rows]
    keys uint32[trains, 2] : `train_kernels.train_key` of each
    blocks : blocks of columns of the two orders of each, int64[2 * trains]; offsets, falling and bits : what `in_order`
    gives, one order after another; done int64[rows] : how many trains a row has taken
    """
    rows, width = context[at.ROWS], context[at.DEVICE_COLUMNS]
    length = (width + LANES - 1) // LANES * LANES
    words, signs = np.empty((trains, rows), dtype=np.uint64), np.empty((trains, rows), dtype=np.int8)
    keys, blocks = np.empty((trains, 2), dtype=np.uint32), np.zeros(2 * trains, dtype=np.int64)
    offsets = np.empty(2 * trains * length, dtype=np.uint32)
    falling = np.empty(2 * trains * length, dtype=np.int32)
    bits, done = np.empty(2 * trains * length, dtype=np.uint64), np.zeros(rows, dtype=np.int64)
    return words, signs, keys, blocks, offsets, falling, bits, done


@compiled
def in_order(words: Array, sides: Array, which: int, room: Any, order: int) -> None:
    """Device columns that fire at all, most slots first, whole blocks; all rows of a train share them.

    words, sides : of every device column; which : the side that is asked for, or -1 for both; order : the place in room
    Offsets are those of devices in `_load`; falling is -1 where a device is RESET.  What fills up the last block is a
    device beyond the row, without bits.
    """
    _, _, _, blocks, offsets, falling, bits, _ = room
    starts = np.zeros(66, dtype=np.int64)
    for c in range(words.size):
        if words[c] != 0 and (which < 0 or sides[c] == which):
            starts[65 - np.int64(ones(words[c]))] += 1
    for n in range(1, 66):
        starts[n] += starts[n - 1]
    fired, first = starts[65], offsets.size // blocks.size * order
    blocks[order] = (fired + LANES - 1) // LANES
    for c in range(words.size):
        if words[c] != 0 and (which < 0 or sides[c] == which):
            count = 64 - np.int64(ones(words[c]))
            place = first + starts[count]
            offsets[place], falling[place], bits[place] = np.uint32(PARTS * c), -np.int32(sides[c]), words[c]
            starts[count] += 1
    for place in range(first + fired, first + blocks[order] * LANES):
        offsets[place], falling[place], bits[place] = np.uint32(PARTS * words.size), np.int32(0), np.uint64(0)


@compiled
def settle(context: Array, room: Any, first: int, last: int, trains: int) -> None:
    """Rows first .. last - 1 take what waits for them of the first `trains` trains."""
    words, signs, keys, blocks, offsets, falling, bits, done = room
    set_only, counted = context[at.WIRING] == at.SET_ONLY, context[at.PULSES] != 0
    strength, of_step = np.int32(context[at.NOISE]), context[at.NOISE_OF_STEP] != 0
    exponent, length = np.int32(trailing_zeros(context[at.SCALE])), offsets.size // blocks.size
    row = np.empty(PARTS * (context[at.DEVICE_COLUMNS] + 1), dtype=np.int32)
    for r in range(first, last):
        loaded = False
        for n in range(done[r], trains):
            word = words[n, r]
            if word == 0:
                continue
            if not loaded:
                _load(context, r, row)
                loaded = True
            turn = np.int32(-1 if signs[n, r] < 0 else 0)
            order = 2 * n + (1 if set_only and turn != 0 else 0)
            key = row_key(keys[n, 0], keys[n, 1], r)
            for place in range(order * length, order * length + blocks[order] * LANES, LANES):
                if strength == 0:
                    quiet(row, offsets, falling, bits, place, word, turn, key, strength, exponent)
                elif of_step:
                    noise_of_step(row, offsets, falling, bits, place, word, turn, key, strength, exponent)
                else:
                    noise_of_zero(row, offsets, falling, bits, place, word, turn, key, strength, exponent)
            if counted:
                _count(context, r, word, room, order)
        done[r] = trains
        if loaded:
            _store(context, r, row)


@compiled
def row_key(a: Any, b: Any, row: int) -> Any:
    """kernels.event_key of the train of these two chains on one row."""
    start, stride = absorb(a, b, np.uint32(row))
    return start, np.uint32(stride | np.uint32(1))


@compiled
def _load(context: Array, r: int, row: Array) -> None:
    """PARTS of each device of row `r`, and a device more."""
    rows, columns = context[at.ROWS], context[at.DEVICE_COLUMNS]
    g = carray(to_int32(context[at.G]), (rows, columns))[r]
    up, down = carray(to_int32(context[at.RESPONSES]), (2, rows, columns))[:, r]
    bounds, width = carray(to_int32(context[at.BOUNDS]), (rows, columns))[r], np.uint64(columns)
    for c in range(np.uint64(0), width):
        place = np.uint64(PARTS) * c
        row[place], row[place + np.uint64(1)] = g[c], up[c]
        row[place + np.uint64(2)], row[place + np.uint64(3)] = down[c], bounds[c]
    for k in range(np.uint64(PARTS)):
        row[np.uint64(PARTS) * width + k] = 0


@compiled
def _store(context: Array, r: int, row: Array) -> None:
    """Conductances of row `r`, and its levels anew."""
    rows, width = context[at.ROWS], context[at.DEVICE_COLUMNS]
    g = carray(to_int32(context[at.G]), (rows, width))[r]
    for c in range(np.uint64(0), np.uint64(width)):
        g[c] = row[np.uint64(PARTS) * c]
    levels = carray(to_int16(context[at.LEVELS]), (rows, context[at.COLUMNS]))[r]
    refresh_row(g, levels, context[at.WIRING] != at.SINGLE, reference_row(context, r))


@compiled
def _count(context: Array, r: int, word: Any, room: Any, order: int) -> None:
    """Pulse counts of the devices of row `r` for a train in which it fires in the slots of `word`."""
    _, _, _, blocks, offsets, _, bits, _ = room
    pulses = carray(to_int64(context[at.PULSES]), (context[at.ROWS], context[at.DEVICE_COLUMNS]))[r]
    first = offsets.size // blocks.size * order
    for place in range(first, first + blocks[order] * LANES):
        if bits[place] != 0:
            pulses[np.uint64(offsets[place]) // np.uint64(PARTS)] += np.int64(ones(word & bits[place]))
