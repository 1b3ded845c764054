"""Compiled pulse trains: equal to the numpy engine, bit for bit.

Most cells of a train see no coincidence.  A row therefore walks, for each slot in which it fires, the list of device
columns that fire in that slot: work is per pulse, not per cell.  Pulses of many rows are named (device and word of
noise) into a buffer, hashed together, and applied in order.  That order is the definition's on every device, for a
train pulses one device in one direction only; and devices do not see each other.  Rows with many pulses (DENSE) take
the dense way, `dense_kernels.py`, and may wait for it through several trains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray
from numba.cpython.unsafe.numbers import trailing_zeros

from crosstrain_model.twin import context as at
from crosstrain_model.twin import noise
from crosstrain_model.twin.dense_kernels import in_order, make_room, ones, row_key, settle
from crosstrain_model.twin.kernels import (
    Array,
    absorb,
    compiled,
    mix,
    pulse_row,
    reference_row,
    refresh_row,
    to_int16,
    to_int32,
    to_int64,
    to_uint32,
    wide_level,
    z_of,
)

BUFFER = 1024
"""Pulses of one direction that are named before they are applied (more where a row has more devices)."""
DENSE = 2
"""A row of more pulses than one for so many device columns that fire takes the dense way."""
PLACE, WORD = 0, 1
"""Rows of a buffer: number of the device (row by row), and word of its noise."""


@compiled
def train(context: Array, x_bits: Array, d_bits: Array, x_sign: Array, d_sign: Array) -> int:
    """Engine.train: bits uint64, signs int8; -1, and nothing done, for a line of more than 63 slots."""
    if not (_legal(x_bits) and _legal(d_bits)):
        return -1
    room = make_room(context, 1)
    room[0][0, :] = x_bits
    room[1][0, :] = x_sign
    delivered = defer(context, room, 0, d_bits, d_sign)
    settle(context, room, 0, context[at.ROWS], 1)
    return delivered


@compiled
def defer(context: Array, room: Any, n: int, d_bits: Array, d_sign: Array) -> int:
    """A train whose dense rows wait: to call as number `n` of a room that holds its rows' slots, of at most 63, and
    signs.  Without pulses the place remains free.  Every row that is looked at must be settled first."""
    words, signs, keys = room[0], room[1], room[2]
    rows, width, set_only = context[at.ROWS], context[at.DEVICE_COLUMNS], context[at.WIRING] == at.SET_ONLY
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    keys[n, 0], keys[n, 1] = _train_key(context, counters[4])
    # Two sets of devices: those that a row of positive sign SETs, and those that it RESETs (a row of negative sign SETs
    # the second and RESETs the first); in set-only pairs those that a row of positive, of negative sign SETs.
    columns, sides, first, second = _devices_of_slots(context, d_bits, d_sign)
    fired = np.int64(0)
    for c in range(width):
        fired += columns[c] != 0
    buffer = max(BUFFER, width)
    up, down = np.empty((2, buffer), dtype=np.uint32), np.empty((2, buffer), dtype=np.uint32)
    ups, downs, delivered, dense = np.uint64(0), np.uint64(0), 0, False
    # No array has two names in this loop, or is chosen in it: every pass would then count references.
    for r in range(rows):
        word, positive = words[n, r] if signs[n, r] != 0 else np.uint64(0), signs[n, r] > 0
        pulses = _coincidences(word, first, second, set_only, positive)
        delivered += pulses
        if pulses * DENSE > fired:
            dense = True
            continue
        words[n, r] = np.uint64(0)
        if pulses == 0:
            continue
        settle(context, room, r, r + 1, n)
        if max(ups, downs) + np.uint64(pulses) > np.uint64(buffer):
            _apply(context, up, ups, True)
            _apply(context, down, downs, False)
            ups, downs = np.uint64(0), np.uint64(0)
        place, key = np.uint32(r * width), row_key(keys[n, 0], keys[n, 1], r)
        if positive:
            ups = _name(word, columns, first, place, key, up, ups)
            if not set_only:
                downs = _name(word, columns, second, place, key, down, downs)
        else:
            ups = _name(word, columns, second, place, key, up, ups)
            if not set_only:
                downs = _name(word, columns, first, place, key, down, downs)
    _apply(context, up, ups, True)
    _apply(context, down, downs, False)
    if dense:
        in_order(columns, sides, 0 if set_only else -1, room, 2 * n)
        if set_only:
            in_order(columns, sides, 1, room, 2 * n + 1)
    if delivered:
        counters[4] += 1
        if _decays(context, counters[4]):
            settle(context, room, 0, rows, n + 1)
            _decay(context)
    return delivered


@compiled
def _decays(context: Array, trains: int) -> bool:
    """Whether the array decays after so many trains."""
    return bool(context[at.DECAY_EVERY] != 0 and trains % context[at.DECAY_EVERY] == 0)


@compiled
def _decay(context: Array) -> None:
    """retention.decay of the whole array."""
    log2 = context[at.DECAY_LOG2]
    rows, columns, width = context[at.ROWS], context[at.COLUMNS], context[at.DEVICE_COLUMNS]
    half = np.int32(1 << (log2 - 1))
    for r in range(rows):
        g = carray(to_int32(context[at.G]), (rows, width))[r]
        rest = carray(to_int32(context[at.REST]), (rows, width))[r]
        for c in range(width):
            distance = np.int32(g[c] - rest[c])
            part = np.int32(np.int32(abs(distance) + half) >> log2)
            g[c] = np.int32(g[c] - (part if distance > 0 else -part))
        levels = carray(to_int16(context[at.LEVELS]), (rows, columns))[r]
        refresh_row(g, levels, context[at.WIRING] != at.SINGLE, reference_row(context, r))


@compiled
def _legal(bits: Array) -> bool:
    union = np.uint64(0)
    for i in range(bits.size):
        union |= bits[i]
    return bool(union < np.uint64(1 << 63))


@compiled
def _train_key(context: Array, number: int) -> Any:
    """The part of kernels.event_key that all rows of a train share."""
    base = carray(to_uint32(context[at.KEYS]), (noise.KINDS, 2))
    a, b = absorb(base[noise.TRAIN, 0], base[noise.TRAIN, 1], np.uint32(number))
    return absorb(a, b, np.uint32(number >> 32))


@compiled
def _devices_of_slots(context: Array, d_bits: Array, d_sign: Array) -> Any:
    """Bits of every device column, its set (0 or 1), and device columns per slot and set: [64, 1 + device columns],
    length first."""
    wiring, width = context[at.WIRING], context[at.DEVICE_COLUMNS]
    words, sides = np.empty(width, dtype=np.uint64), np.empty(width, dtype=np.uint8)
    first, second = np.empty((64, 1 + width), dtype=np.uint16), np.empty((64, 1 + width), dtype=np.uint16)
    first[:, 0] = 0
    second[:, 0] = 0
    for c in range(d_bits.size):
        raised = d_sign[c] < 0  # by a row of positive sign
        bits = d_bits[c] if d_sign[c] != 0 else np.uint64(0)
        if wiring == at.SINGLE:
            words[c], sides[c] = bits, np.uint8(not raised)
            _enlist(first if raised else second, bits, c)
        else:
            plus, minus = 2 * c, 2 * c + 1
            words[plus], words[minus] = bits, bits
            sides[plus], sides[minus] = np.uint8(not raised), np.uint8(raised)
            _enlist(first, bits, plus if raised else minus)
            _enlist(second, bits, minus if raised else plus)
    return words, sides, first, second


@compiled
def _enlist(lists: Array, bits: Any, device: int) -> None:
    while bits != 0:
        slot = trailing_zeros(bits)
        bits &= bits - np.uint64(1)
        length = np.uint16(lists[slot, 0] + np.uint16(1))
        lists[slot, 0], lists[slot, length] = length, np.uint16(device)


@compiled
def _coincidences(word: Any, first: Array, second: Array, set_only: bool, positive: bool) -> int:
    """Device pulses of a row that fires in the slots of `word`."""
    pulses = np.int64(0)
    while word != 0:
        slot = trailing_zeros(word)
        word &= word - np.uint64(1)
        if not set_only:
            pulses += np.int64(first[slot, 0]) + np.int64(second[slot, 0])
        else:
            pulses += np.int64(first[slot, 0] if positive else second[slot, 0])
    return int(pulses)


@compiled
def _name(word: Any, words: Array, lists: Array, place: Any, key: Any, buffer: Array, size: Any) -> Any:
    """Appends the pulses of one row and direction; returns the new size of the buffer.

    Pulse j of a device is its coincidence in the j-th slot that row and device share.
    """
    start, stride, left = key[0], key[1], word
    while left != 0:
        slot = trailing_zeros(left)
        left &= left - np.uint64(1)
        before = word & ((np.uint64(1) << slot) - np.uint64(1))
        length = np.uint64(lists[slot, 0])
        for i in range(np.uint64(0), length):
            c = np.uint32(lists[slot, i + np.uint64(1)])
            j = np.uint32(ones(before & words[c]))
            index = np.uint32(np.uint32(c << np.uint32(8)) + j)
            buffer[PLACE, size + i] = np.uint32(place + c)
            buffer[WORD, size + i] = np.uint32(start + np.uint32(stride * index))
        size += length
    return size


@compiled
def _apply(context: Array, buffer: Array, size: Any, rising: bool) -> None:
    """The first `size` pulses of a buffer, in order: pulses.pulse_row one pulse at a time.

    Nothing in the loop branches: limits stand for the direction, a mask for `noise_base`, and zs = 0 for no noise.
    """
    if size == 0:
        return
    strength, mask = np.int32(context[at.NOISE]), np.int32(-1 if context[at.NOISE_OF_STEP] != 0 else 0)
    zs = np.zeros(buffer.shape[1], dtype=np.int32)
    for i in range(np.uint64(0), size if strength != 0 else np.uint64(0)):
        zs[i] = np.int32(np.int32(z_of(mix(buffer[WORD, i])) * strength) >> 6)
    devices = context[at.ROWS] * context[at.DEVICE_COLUMNS]
    g = carray(to_int32(context[at.G]), (devices,))
    steps = carray(to_int16(context[at.STEP_UP if rising else at.STEP_DOWN]), (devices,))
    slopes = carray(to_int16(context[at.SLOPE_UP if rising else at.SLOPE_DOWN]), (devices,))
    low, high = carray(to_int16(context[at.LOW]), (devices,)), carray(to_int16(context[at.HIGH]), (devices,))
    least, most = np.int32(0 if rising else -(1 << 30)), np.int32((1 << 30) if rising else 0)
    scale = np.int32(context[at.SCALE])
    for i in range(np.uint64(0), size):
        n = np.uint64(buffer[PLACE, i])
        old, a = g[n], np.int32(steps[n])
        slope = np.int32(np.int32(np.int32(np.int32(slopes[n]) * np.int32(old >> 6)) + np.int32(8192)) >> 14)
        step = min(max(np.int32(a - slope), least), most)
        spread = np.int32(np.int32(a ^ np.int32(np.int32(a ^ step) & mask)) * zs[i])
        step = np.int32(step + np.int32(np.int32(spread + np.int32(2048)) >> 12))
        moved = np.int32(old + np.int32(step * scale))
        g[n] = min(max(moved, np.int32(np.int32(low[n]) << 6)), np.int32(np.int32(high[n]) << 6))
    _refresh(context, buffer, size, g)


@compiled
def _refresh(context: Array, buffer: Array, size: Any, g: Array) -> None:
    """Levels and pulse counts of the devices in a buffer."""
    weights, devices = context[at.ROWS] * context[at.COLUMNS], context[at.ROWS] * context[at.DEVICE_COLUMNS]
    levels = carray(to_int16(context[at.LEVELS]), (weights,))
    if context[at.WIRING] == at.SINGLE and context[at.REFERENCE] == 0:
        for i in range(np.uint64(0), size):
            w = np.uint64(buffer[PLACE, i])
            levels[w] = np.int16(np.int32(g[w] + np.int32(32)) >> 6)
    else:
        pair = context[at.WIRING] != at.SINGLE
        reference, referenced = carray(to_int32(context[at.REFERENCE]), (weights,)), context[at.REFERENCE] != 0
        for i in range(np.uint64(0), size):
            w = np.uint64(buffer[PLACE, i]) >> np.uint64(1 if pair else 0)
            level = wide_level(g, w, pair, reference[w] if referenced else np.int32(0))
            levels[w] = np.int16(min(max(level, np.int32(-32767)), np.int32(32767)))
    if context[at.PULSES] != 0:
        pulses = carray(to_int64(context[at.PULSES]), (devices,))
        for i in range(np.uint64(0), size):
            pulses[np.uint64(buffer[PLACE, i])] += 1


@compiled
def train_slots(context: Array, rows: Array, columns: Array) -> int:
    """Engine.train_slots: rows uint8 [S, rows], columns uint8 [S, device columns], S at most 255."""
    width = context[at.DEVICE_COLUMNS]
    up, total = np.empty(width, dtype=np.uint8), np.empty(width, dtype=np.uint8)
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    delivered = 0
    for r in range(context[at.ROWS]):
        up[:] = 0
        total[:] = 0
        for s in range(rows.shape[0]):
            if rows[s, r] != 0:
                for c in range(width):
                    up[c] += columns[s, c] >> np.uint8(1)
                    total[c] += np.uint8(columns[s, c] != 0)
        pulses = 0
        for c in range(width):
            pulses += total[c]
        if pulses:
            pulse_row(context, r, up, total, noise.TRAIN, counters[4])
        delivered += pulses
    if delivered:
        counters[4] += 1
        if _decays(context, counters[4]):
            _decay(context)
    return delivered
