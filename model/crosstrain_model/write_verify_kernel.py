"""Compiled write-verify of one row on the RRAM twin: `write_verify.py` and `twin/rram.py` in one function, bit for bit.

What is constant for a row comes in int64 arrays with named places.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain_model.twin import noise
from crosstrain_model.twin.kernels import Array, compiled_with, event_key
from crosstrain_model.twin.read_kernels import z_of_word
from crosstrain_model.twin.rram_kernels import code_of, pulse

compiled = compiled_with(Path(__file__))

WINDOW, SET_MARGIN, READS_LOG2, CYCLES, BY_COLUMN, FRACTION, GROUP, CELL_TOP, FULL, ROW = range(10)
"""Places in `settings`: registers, whether devices have amplitudes of their own, bits of fraction, device columns that
convert together, top of a count of pulses (0: none), code of a row that is read, the row."""
START, STEP, STOP = range(3)
"""Places in a ramp; `ramps` has that of SET and that of RESET."""
SETS, RESETS, PASSED, READS = range(4)
"""Places in `counts`."""


@compiled
def sense(
    g: Array, mask: Array, value: Array, keys: Array, counters: Array, part: Array, settings: Array, counts: Array
) -> None:
    """Reads the groups of the mask 2^k times; value gets their sums, times 2^F.  counters : row reads, pulses."""
    row, group, columns = settings[ROW], settings[GROUP], g.size
    reads = np.int64(1) << settings[READS_LOG2]
    for first in range(0, columns, group):
        last, any_of_it = min(first + group, columns), False
        for c in range(first, last):
            any_of_it |= mask[c]
        if not any_of_it:
            continue
        value[first:last] = 0
        for number in range(counters[0], counters[0] + reads):
            read, read_stride = event_key(keys, noise.READ_ROW, number, row)
            adc, adc_stride = event_key(keys, noise.ADC_ROW, number, row)
            for c in range(first, last):
                total = np.int64((g[c] + np.int32(32)) >> 6) * settings[FULL]
                z_read, z_adc = z_of_word(read, read_stride, c), z_of_word(adc, adc_stride, c)
                value[c] += code_of(part, total, settings[FULL] << 4, z_read, z_adc)
        for c in range(first, last):
            value[c] <<= settings[FRACTION]
    counters[0] += reads
    counts[READS] += reads


@compiled
def judge(who: Array, left: Array, below: Array, above: Array, value: Array, targets: Array, settings: Array) -> int:
    """Devices `who` that are left: below, above or passed; returns how many passed."""
    k, window, passed = settings[READS_LOG2], settings[WINDOW], 0
    for c in range(who.size):
        if who[c] and left[c]:
            below[c] = value[c] < (targets[c] - window) << k
            above[c] = value[c] > (targets[c] + window) << k
            if not (below[c] or above[c]):
                left[c] = False
                passed += 1
    return passed


@compiled
def program_row(
    g: Array, stuck: Array, thresholds: Any, device: Array, keys: Array, counters: Array, part: Array,
    settings: Array, ramps: Array, targets: Array, left: Array, pulsed: Array, cells: Array, counts: Array,
) -> None:  # fmt: skip
    """Steps 1 to 3 of the rule.

    g : int32 [device columns], changed; thresholds : int32 [device columns] of SET and of RESET
    counters : int64 [2] row reads and pulses of the array; counts : int64 [4]; cells : int64 [device columns]; changed
    targets : int64, left : bool [device columns], the devices flagged; those given up stay; pulsed : bool, changed
    """
    columns, k = g.size, settings[READS_LOG2]
    value = np.zeros(columns, np.int64)
    below, above, done = np.zeros(columns, np.bool_), np.zeros(columns, np.bool_), np.zeros(columns, np.bool_)
    amplitudes = np.empty((2, columns), np.int64)
    amplitudes[0], amplitudes[1] = ramps[0, START], ramps[1, START]
    sense(g, left, value, keys, counters, part, settings, counts)
    counts[PASSED] += judge(left.copy(), left, below, above, value, targets, settings)
    for train in range(2 * settings[CYCLES]):
        which = train & 1  # SET, then RESET
        if which == 0 and not left.any():
            break
        sign = 1 - 2 * which
        start, step, last = ramps[which, START], ramps[which, STEP], ramps[which, STOP]
        amplitude = amplitudes[which]
        if settings[BY_COLUMN] == 0:
            amplitude[:] = start
        mask = left & (below if which == 0 else above)
        if start > last:
            mask[:] = False
        while mask.any():
            key = event_key(keys, noise.PROGRAM, counters[1], settings[ROW])
            pulse(g, mask, stuck, thresholds[which], amplitude, sign, device, key)
            counters[1] += 1
            for c in range(columns):
                if mask[c]:
                    pulsed[c] = True
                    counts[SETS + which] += 1
                    if settings[CELL_TOP]:
                        cells[c] = min(cells[c] + 1, settings[CELL_TOP])
            sense(g, mask, value, keys, counters, part, settings, counts)
            for c in range(columns):
                enough = targets[c] + max(settings[SET_MARGIN], -settings[WINDOW])
                if which == 0:
                    done[c] = mask[c] and value[c] >= enough << k
                else:
                    done[c] = mask[c] and value[c] <= (targets[c] + settings[WINDOW]) << k
            counts[PASSED] += judge(done, left, below, above, value, targets, settings)
            for c in range(columns):
                if not mask[c]:
                    continue
                if not done[c] and amplitude[c] + step <= last:
                    amplitude[c] += step
                else:
                    mask[c] = False
                    amplitude[c] = max(amplitude[c] - step, start)
