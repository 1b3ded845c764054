"""Compiled visits to L: the rule of `hybrid`, in SRAM and in the twin's binary devices; equal to the plain way, bit for
bit.

What is constant comes in int64 arrays with named places; q int64 [k, columns] are the rounded changes of rows int64
[k], and carries int64 [k, columns] the answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain_model.twin import noise, pcm_kernels
from crosstrain_model.twin.kernels import Array, compiled_with, event_key, mix
from crosstrain_model.twin.pcm_array import PULSES, ROW_READS
from crosstrain_model.twin.pcm_drift import ONE
from crosstrain_model.twin.read_kernels import z_of_word

compiled = compiled_with(Path(__file__))

BITS, GRAY, CLEAR, MOST, LANES, READ_BACK = range(6)
"""Places in `settings`: b_L, whether the code is a Gray code, whether a carry clears, most carries of a visit, columns
of a group, whether what was written is read back."""
INPUTS, DISTURBED, PROGRAMMED, CLEARED, CLIPPED = range(1, 6)
"""Places in `ledger`, as `hybrid_memory.LEDGER` has them."""
READS, SET_COMMANDS, RESET_COMMANDS, READ_BACKS, FAILED = range(5)
"""Places in `counts`."""
LEVEL_READ, DRIFT, READ_NOISE = range(3)
"""Places in `part`: the level of a read, D and N of the devices' age."""
LEVEL, SPREAD, ERROR = range(3)
"""Places in a row of `levels`; rows: RESET, SET."""


@compiled
def encode(value: Any, settings: Array) -> Any:
    """The cells of a value, bit 0 lowest."""
    bits = value & ((np.int64(1) << settings[BITS]) - 1)
    return bits ^ (bits >> 1) if settings[GRAY] else bits


@compiled
def decode(bits: Any, settings: Array) -> Any:
    """The value of cells."""
    if settings[GRAY]:
        for shift in (8, 4, 2, 1):
            bits ^= bits >> shift
    return bits - ((bits >> (settings[BITS] - 1)) << settings[BITS])


@compiled
def add(before: Any, q: Any, held: Array, ledger: Array, row: Any, column: Any, settings: Array) -> Any:
    """The step `add` of one cell: L and its ledger; returns the carry."""
    scale = np.int64(1) << (settings[BITS] - 1)
    total = before + q
    p = min(abs(total) >> (settings[BITS] - 1), settings[MOST])
    if total < 0:
        p = -p
    rest = total - p * scale
    cleared = rest if p != 0 and settings[CLEAR] else np.int64(0)
    after = min(max(rest - cleared, -scale), scale - 1)
    ledger[INPUTS, row, column] += q
    ledger[DISTURBED, row, column] += before - held[row, column]
    ledger[PROGRAMMED, row, column] += p * scale
    ledger[CLEARED, row, column] += cleared
    ledger[CLIPPED, row, column] += rest - cleared - after
    held[row, column] = after
    return p


@compiled
def is_read(q: Array, group: Any, lanes: Any) -> bool:
    """Whether a group of a row has a change; q int64 [columns]."""
    some = False
    for column in range(group * lanes, min(group * lanes + lanes, q.size)):
        some |= q[column] != 0
    return some


@compiled
def add_rows(
    rows: Array, q: Array, held: Array, ledger: Array, settings: Array, sets: Array, resets: Array, carries: Array
) -> None:
    """Visits of L in SRAM; sets, resets int64 [rows, columns, bits] count what cells would be given, if not empty."""
    lanes, columns = settings[LANES], q.shape[1]
    for k in range(rows.size):
        row = rows[k]
        for group in range((columns + lanes - 1) // lanes):
            if not is_read(q[k], group, lanes):
                continue
            for column in range(group * lanes, min(group * lanes + lanes, columns)):
                before = held[row, column]
                carries[k, column] = add(before, q[k, column], held, ledger, row, column, settings)
                if sets.size:
                    old, new = encode(before, settings), encode(held[row, column], settings)
                    count(old, new, sets[row, column], resets[row, column])


@compiled
def count(old: Any, new: Any, sets: Array, resets: Array) -> None:
    """SET and RESET pulses that bring cells from old to new."""
    changed, bit = old ^ new, 0
    while changed:
        if changed & 1:
            if (new >> bit) & 1:
                sets[bit] += 1
            else:
                resets[bit] += 1
        changed >>= 1
        bit += 1


@compiled
def sense(
    named: Array, g: Array, xi: Array, since: Array, now: Any, part: Array, known: Array, stuck: Array, keys: Array,
    counters: Array, row: Any, bits: Array,
) -> None:  # fmt: skip
    """One row read of the devices `named`: bits bool [device columns], False elsewhere."""
    out = np.empty(g.size, np.int64)
    pcm_kernels.sense(
        g, xi, since, now, part[DRIFT], part[READ_NOISE], known, keys, counters[ROW_READS], row, out
    )  # fmt: skip
    counters[ROW_READS] += 1
    for d in range(g.size):
        bit = out[d] > part[LEVEL_READ] if stuck[d] == 0 else stuck[d] > 0
        bits[d] = named[d] and bit


@compiled
def write(
    raised: Any, mask: Array, g: Array, since: Array, now: Any, levels: Array, keys: Array, counters: Array, row: Any,
    pulses: Array,
) -> bool:  # fmt: skip
    """One SET or RESET pulse on the devices `mask` of a row; whether there was one."""
    anything = False
    for d in range(mask.size):
        anything |= mask[d]
    if not anything:
        return False
    a, stride = event_key(keys, noise.PROGRAM, counters[PULSES], row)
    b, stride_b = event_key(keys, noise.WRITE, counters[PULSES], row)
    level, spread, error = levels[raised, LEVEL], levels[raised, SPREAD], levels[raised, ERROR]
    for d in range(mask.size):
        if not mask[d]:
            continue
        pulses[d] += 1
        if error == 0 or np.int64(mix(np.uint32(b + np.uint32(np.uint32(d) * stride_b)))) >= error:
            written = level + ((np.int64(z_of_word(a, stride, d)) * spread + 128) >> 8)
            g[d] = min(max(written, 0), np.int64(ONE))
            since[d] = now
    counters[PULSES] += 1
    return True


@compiled
def visit_rows(
    rows: Array, q: Array, held: Array, ledger: Array, settings: Array, asked: Any, counts: Array, devices: Any,
    now: Any, part: Array, levels: Array, keys: Array, counters: Array, carries: Array,
) -> None:  # fmt: skip
    """Visits of L in binary devices, row by row.

    asked : sets and resets of the memory [rows, columns, bits]
    devices : g, xi, since, known, stuck, sets and resets of the array, of their shapes
    """
    g, xi, since, known, stuck, array_sets, array_resets = devices
    lanes, columns, width = settings[LANES], q.shape[1], settings[BITS]
    named, bits = np.zeros(g.shape[1], np.bool_), np.zeros(g.shape[1], np.bool_)
    wanted, mask = np.zeros(g.shape[1], np.bool_), np.zeros(g.shape[1], np.bool_)
    for k in range(rows.size):
        row, anything = rows[k], False
        for group in range((columns + lanes - 1) // lanes):
            some = is_read(q[k], group, lanes)
            anything |= some
            named[group * lanes * width : min(group * lanes + lanes, columns) * width] = some
        if not anything:
            continue
        sense(named, g[row], xi[row], since[row], now, part, known[row], stuck[row], keys, counters, row, bits)
        counts[READS] += 1
        for column in range(columns):
            if not named[column * width]:
                continue
            old = np.int64(0)
            for bit in range(width):
                old |= np.int64(bits[column * width + bit]) << bit
            before = decode(old, settings)
            carries[k, column] = add(before, q[k, column], held, ledger, row, column, settings)
            new = encode(held[row, column], settings)
            count(old, new, asked[0][row, column], asked[1][row, column])
            for bit in range(width):
                wanted[column * width + bit] = (new >> bit) & 1
        changed = False
        for raised in (1, 0):
            for d in range(mask.size):
                mask[d] = named[d] and wanted[d] != bits[d] and wanted[d] == (raised == 1)
            pulses = array_sets[row] if raised else array_resets[row]
            if write(raised, mask, g[row], since[row], now, levels, keys, counters, row, pulses):
                counts[SET_COMMANDS if raised else RESET_COMMANDS] += 1
                changed = True
        if changed and settings[READ_BACK]:
            sense(named, g[row], xi[row], since[row], now, part, known[row], stuck[row], keys, counters, row, bits)
            counts[READ_BACKS] += 1
            for d in range(bits.size):
                counts[FAILED] += named[d] and bits[d] != wanted[d]
