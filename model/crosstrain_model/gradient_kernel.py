"""Compiled vectors of one tile: scale, train, read, visit and program in one function, as `gradient_controller.py`.

Also the closed loop in which d follows from W: d = (W - target) x, exact, to codes by the rule of
`training/converters.py` (`errors`).  What is constant for a call comes in int64 arrays with named places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from crosstrain_model.scale_kernel import WORD_BITS, Array, bit_length, compiled, fire, scale
from crosstrain_model.twin import context as at
from crosstrain_model.twin.dense_kernels import make_room, settle
from crosstrain_model.twin.kernels import program, reference_row, to_int32, to_int64
from crosstrain_model.twin.read_kernels import read_row
from crosstrain_model.twin.train_kernels import defer

TRAINED, READ, WEIGHTS = range(3)
"""Places in `addresses`: contexts of the array that trains act on, of A, and of W."""
SEPARATE, COLUMN_WORDS, D_BITS, X_OFFSET = range(4)
"""Places in `modes`: polarity separate; where column words come from (OWN ..); bits of d; log2 of a weight's unit."""
OWN, SAME, REVERSED = range(3)
WIDTH, LEAP, MASK = range(3)
"""Places in a stream's description: bits (128: xoshiro128++), steps per draw, mask of the LFSR."""
ADC, FRACTION, LOW, HIGH, THETA, LEAK, HALF, MOST, KEEP, DYNAMIC, MEAN = range(11)
"""Places in `transfer`: formats, limits of H, registers, rounding, max_pulses, the rules' choices."""
VISITS, CLIPPED, ADC_CLIPPED, TRAINS, SLOTS, COMMANDS, PULSES, TRAIN_PULSES = range(8)
"""Places in `counters`."""
COUNTERS = 8
WAITING = 16
"""Trains that wait at most: a row takes those of a usual batch at once."""


@compiled
def context_at(address: int) -> Array:
    """The context of a tile's array."""
    return carray(to_int64(address), (at.CONTEXT_SIZE,))


@compiled
def draws(stream: Array, state: Array, count: Any, bits: Any, words: Array) -> None:
    """random_streams.Stream.draws: uint32 words[:count]; state uint32[4], moved."""
    mask = np.uint32((1 << bits) - 1)
    if stream[WIDTH] == 128:
        s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
        for n in range(count):
            total = np.uint32(s0 + s3)
            words[n] = np.uint32(np.uint32(np.uint32(total << 7) | np.uint32(total >> 25)) + s0) & mask
            t = np.uint32(s1 << 9)
            s2 = np.uint32(s2 ^ s0)
            s3 = np.uint32(s3 ^ s1)
            s1 = np.uint32(s1 ^ s2)
            s0 = np.uint32(s0 ^ s3)
            s2 = np.uint32(s2 ^ t)
            s3 = np.uint32(np.uint32(s3 << 11) | np.uint32(s3 >> 21))
        state[0], state[1], state[2], state[3] = s0, s1, s2, s3
        return
    s, taps = state[0], np.uint32(stream[MASK])
    for n in range(count):
        for _ in range(stream[LEAP]):
            s = np.uint32(np.uint32(s >> 1) ^ (taps & np.uint32(-np.int32(s & np.uint32(1)))))
        words[n] = s & mask
    state[0] = s


@compiled
def reverse(words: Array, count: Any, bits: Any) -> None:
    """pulse_train.reverse, in place."""
    for n in range(count):
        word = np.uint32(0)
        for place in range(bits):
            word |= np.uint32((words[n] >> np.uint32(place)) & np.uint32(1)) << np.uint32(bits - 1 - place)
        words[n] = word


@compiled
def legal(codes: Array, exponents: Array, half: Any) -> bool:
    """Whether codes int16[n, lines] are -half .. half - 1 and exponents int64[n] are -128 .. 127."""
    low = high = np.int16(0)
    for v in range(codes.shape[0]):
        line = codes[v]
        for i in range(np.uint64(0), np.uint64(line.size)):
            low, high = min(low, line[i]), max(high, line[i])
        if exponents[v] < -128 or exponents[v] > 127:
            return False
    return bool(low >= -half and high < half)


@compiled
def largest(codes: Array) -> Any:
    """max |code|."""
    most = np.int32(0)
    for code in codes:
        most = max(most, abs(np.int32(code)))
    return np.int64(most)


@compiled
def sign_lines(codes: Array, chopped: Array, limits: Array, signs: Array) -> Any:
    """Signs of all lines, and whether any that is on is positive, and any negative."""
    positive = negative = np.int32(0)
    for i in range(np.uint64(0), np.uint64(codes.size)):
        minus = np.int32(codes[i] < 0) ^ np.int32(chopped[i])
        on = np.int32(limits[i] != 0)
        signs[i] = np.int8(1 - 2 * minus)
        positive |= on & (1 - minus)
        negative |= on & minus
    return positive != 0, negative != 0


@compiled
def errors(address: int, x: Array, ex: Any, target: Array, unit: Any, bits: Any, sums: Array, d: Array) -> Any:
    """d = (W - target) x as codes int16[columns] of `bits` bits; returns their exponent.

    target : int32[rows, columns] in the array's unit, 2^unit; sums : int64[columns], scratch
    """
    context = context_at(address)
    rows, columns = context[at.ROWS], context[at.COLUMNS]
    g = carray(to_int32(context[at.G]), (rows, columns))
    sums[:] = 0
    for r in range(rows):
        factor, reference = np.int64(x[r]), reference_row(context, r)
        if factor == 0:
            continue
        if reference.size:
            for c in range(columns):
                sums[c] += np.int64(g[r, c] - reference[c] - target[r, c]) * factor
        else:
            for c in range(columns):
                sums[c] += np.int64(g[r, c] - target[r, c]) * factor
    size = np.int64(0)
    for c in range(columns):
        size = max(size, abs(sums[c]))
    if size == 0:
        d[:] = 0
        return np.int64(0)
    q = np.int64((1 << (bits - 1)) - 1)
    shift = bit_length(size) - bits
    while (size > q << shift) if shift >= 0 else (size << -shift > q):
        shift += 1
    exponent = min(max(shift + unit + ex, np.int64(-128)), np.int64(127))
    shift = exponent - unit - ex
    for c in range(columns):
        if shift <= 0:
            code = sums[c] << -shift
        else:
            code = sums[c] >> shift
            rest, half = sums[c] - (code << shift), np.int64(1) << (shift - 1)
            code += rest > half or (rest == half and code & 1 == 1)
        d[c] = np.int16(min(max(code, -q), q))
    return exponent


@compiled
def visit(
    transfer: Array, counters: Array, sign: Any, flip: Any, warm: Any, columns: Array, codes: Array,
    h: Array, p: Array, p_ref: Array, counts: Array,
) -> None:  # fmt: skip
    """transfer.visit_row of a row: codes int32, h, p, p_ref int32 (the last two of no length where there are none)."""
    full, theta = np.int64(1) << (transfer[ADC] - 1), transfer[THETA]
    for c in range(codes.size):
        omega = np.int64(codes[c])
        counters[ADC_CLIPPED] += omega == -full or omega == full - 1
        o = omega << transfer[FRACTION]
        z = o - np.int64(p_ref[c]) if transfer[DYNAMIC] != 0 else o
        total = np.int64(h[c]) + (-z if sign != columns[c] else z)
        a = min(max(total, transfer[LOW]), transfer[HIGH])
        counters[CLIPPED] += a != total
        size, hits = abs(a), np.int64(0)
        if size >= theta:
            hits = min(size // theta, transfer[MOST])
            hits = -hits if a < 0 else hits
            a = a - hits * theta if transfer[KEEP] != 0 else np.int64(0)
        h[c] = np.int32(a)
        counts[c] = np.int8(0 if warm else hits)
        if transfer[DYNAMIC] != 0:
            newest = o
            if transfer[MEAN] != 0:
                newest = np.int64(p[c]) + ((o - np.int64(p[c]) + transfer[HALF]) >> transfer[LEAK])
                p[c] = np.int32(newest)
            if flip:
                p_ref[c] = np.int32(newest)


@compiled
def program_counts(address: int, row: int, counts: Array, counters: Array) -> bool:
    """Row of W by signed counts, SET then RESET; whether there was any."""
    up, down = np.zeros(counts.size, dtype=np.uint8), np.zeros(counts.size, dtype=np.uint8)
    none, raised, lowered = np.zeros(counts.size, dtype=np.uint8), np.int64(0), np.int64(0)
    for c in range(counts.size):
        if counts[c] > 0:
            up[c] = np.uint8(counts[c])
            raised += counts[c]
        elif counts[c] < 0:
            down[c] = np.uint8(-np.int32(counts[c]))
            lowered -= counts[c]
    context = context_at(address)
    if raised:
        program(context, row, up, none, -1)
    if lowered:
        program(context, row, none, down, -1)
    counters[COMMANDS] += (raised != 0) + (lowered != 0)
    counters[PULSES] += raised + lowered
    return bool(raised + lowered != 0)


@compiled
def run(
    vectors: Any, target: Array, settings: Array, levels: Array, modes: Array, transfer: Array, streams: Any,
    tables: Any, state: Any, chopped: Any, tokens: Array, memories: Any, addresses: Array, out: Any,
) -> int:  # fmt: skip
    """All vectors in order; returns the number of row programs.

    vectors : x int16[n, rows], ex int64[n], d int16[n, columns], ed int64[n]; d and ed are written where there is a
    `target` (of no length: none)
    streams : row and column stream, int64 as named above; tables : `permuted` of rows and columns
    state : means int64[4], row and column stream uint32[4], counters int64[COUNTERS]; changed
    chopped : bool[rows] row signs before the first vector, changed; bool[tokens + 1, columns] those of the columns
    tokens : int64[tokens, 5] place, row, sign, flip, warm, one per transfer
    memories : h, p, p_ref int32[rows, columns]; changed
    out : rows int64[tokens], counts int8[tokens, columns] of the row programs; written
    """
    xs, exs, ds, eds = vectors
    means, row_state, column_state, counters = state
    chop_rows, chop_columns = chopped
    h, p, p_ref = memories
    rows, columns, slots_most = xs.shape[1], ds.shape[1], levels.size
    words, column_words = np.empty(slots_most, np.uint32), np.empty(slots_most, np.uint32)
    x_limits, d_limits = np.empty(rows, np.uint16), np.empty(columns, np.uint16)
    d_bits, d_sign, trained = np.empty(columns, np.uint64), np.empty(columns, np.int8), context_at(addresses[TRAINED])
    room, waiting, reads_weights = make_room(trained, max(min(WAITING, xs.shape[0]), 1)), 0, target.size != 0
    done = room[7]
    sums, codes, empty = np.empty(columns, np.int64), np.empty(columns, np.int32), np.empty(0, np.int32)
    bits, token, programs = settings[WORD_BITS], 0, 0
    for v in range(xs.shape[0]):
        x, d = xs[v], ds[v]
        if reads_weights:
            if addresses[TRAINED] == addresses[WEIGHTS]:
                settle(trained, room, 0, rows, waiting)
            eds[v] = errors(addresses[WEIGHTS], x, exs[v], target, modes[X_OFFSET], modes[D_BITS], sums, d)
        slots, m_x, m_d = scale(settings, levels, means, largest(x), exs[v], largest(d), eds[v])
        if slots:
            draws(streams[0], row_state, slots, bits, words)
            if modes[COLUMN_WORDS] == OWN:
                draws(streams[1], column_state, slots, bits, column_words)
            else:
                column_words[:slots] = words[:slots]
                if modes[COLUMN_WORDS] == REVERSED:
                    reverse(column_words, slots, bits)
            fire(settings, x, m_x, tables[0], words, slots, x_limits, room[0][waiting])
            fire(settings, d, m_d, tables[1], column_words, slots, d_limits, d_bits)
            plus, minus = sign_lines(x, chop_rows, x_limits, room[1][waiting])
            up, down = sign_lines(d, chop_columns[token], d_limits, d_sign)
            phases = np.int64(plus) + np.int64(minus)
            if modes[SEPARATE] != 0:
                phases *= np.int64(up) + np.int64(down)
            if phases:
                counters[TRAINS] += 1
                counters[SLOTS] += phases * slots
                delivered = defer(trained, room, waiting, d_bits, d_sign)
                counters[TRAIN_PULSES] += delivered
                waiting += delivered != 0
                if waiting == room[0].shape[0]:
                    settle(trained, room, 0, rows, waiting)
                    done[:], waiting = 0, 0
        if token < tokens.shape[0] and tokens[token, 0] == v:
            row, sign = tokens[token, 1], tokens[token, 2] != 0
            flip, warm = tokens[token, 3] != 0, tokens[token, 4] != 0
            settle(trained, room, row, row + 1, waiting)
            read_row(context_at(addresses[READ]), row, codes)
            counters[VISITS] += 1
            p_row, p_ref_row = p[row] if p.size else empty, p_ref[row] if p_ref.size else empty
            visit(
                transfer, counters, sign, flip, warm, chop_columns[token], codes,
                h[row], p_row, p_ref_row, out[1][programs],
            )  # fmt: skip
            if program_counts(addresses[WEIGHTS], row, out[1][programs], counters):
                out[0][programs] = row
                programs += 1
            chop_rows[row] ^= flip
            token += 1
    settle(trained, room, 0, rows, waiting)
    return programs
