"""Compiled write-verify of one row on the twin of phase-change pairs: `write_verify.py`, `twin/pcm.py` and
`twin/pcm_tile.py` in one function, bit for bit.

The sibling of `write_verify_kernel.py`, with its places in `settings`, `ramps` and `counts`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain_model import write_verify_kernel as plain
from crosstrain_model.twin import noise, pcm_kernels
from crosstrain_model.twin.kernels import Array, compiled_with, event_key
from crosstrain_model.twin.pcm_array import PULSES, ROW_READS
from crosstrain_model.twin.read_kernels import z_of_word
from crosstrain_model.twin.rram_kernels import code_of

compiled = compiled_with(Path(__file__), Path(plain.__file__))

DRIFT, READ_NOISE, NOW = range(3)
"""Places in `aging`: D and N of the devices' age, the time."""


@compiled
def sense(mask: Array, value: Array, row: Any, aging: Array, keys: Array, counters: Array, part: Array, settings: Array,
          counts: Array) -> None:  # fmt: skip
    """Reads the groups of the mask 2^k times; value gets their sums, times 2^F."""
    g, xi, since, known = row
    group, columns, number = settings[plain.GROUP], g.size, settings[plain.ROW]
    named = np.zeros(columns, np.bool_)
    for first in range(0, columns, group):
        some = False
        for c in range(first, min(first + group, columns)):
            some |= mask[c]
        named[first : first + group] = some
    seen, total = np.empty(columns, np.int64), np.zeros(columns, np.int64)
    for _ in range(np.int64(1) << settings[plain.READS_LOG2]):
        event = counters[ROW_READS]
        pcm_kernels.sense(
            g, xi, since, aging[NOW], aging[DRIFT], aging[READ_NOISE], known, keys, event, number, seen
        )  # fmt: skip
        read, read_stride = event_key(keys, noise.READ_ROW, event, number)
        adc, adc_stride = event_key(keys, noise.ADC_ROW, event, number)
        for c in range(columns):
            if named[c]:
                level = min(max((seen[c] + 32) >> 6, 0), 1 << 15) * settings[plain.FULL]
                z_read, z_adc = z_of_word(read, read_stride, c), z_of_word(adc, adc_stride, c)
                total[c] += code_of(part, level, settings[plain.FULL] << 4, z_read, z_adc)
        counters[ROW_READS] += 1
        counts[plain.READS] += 1
    for c in range(columns):
        if named[c]:
            value[c] = total[c] << settings[plain.FRACTION]


@compiled
def program_row(
    row: Any, pulses: Any, fresh: Array, aging: Array, keys: Array, counters: Array, part: Array, device: Array,
    settings: Array, ramps: Array, targets: Array, left: Array, cells: Array, counts: Array,
) -> None:  # fmt: skip
    """Steps 1 to 3 of the rule, amplitudes common.

    row : g, xi, since, known of the row, changed; pulses : sets and resets of its devices, changed
    fresh : bool [device columns], those that got a RESET pulse, changed
    targets : int64, left : bool [device columns], the devices flagged; those given up stay
    """
    g, xi, since, known = row
    columns, k, number = g.size, settings[plain.READS_LOG2], settings[plain.ROW]
    value = np.zeros(columns, np.int64)
    below, above, done = np.zeros(columns, np.bool_), np.zeros(columns, np.bool_), np.zeros(columns, np.bool_)
    amplitudes = np.empty(columns, np.int64)
    sense(left, value, row, aging, keys, counters, part, settings, counts)
    counts[plain.PASSED] += plain.judge(left.copy(), left, below, above, value, targets, settings)
    for train in range(2 * settings[plain.CYCLES]):
        which = train & 1  # SET, then RESET
        if which == 0 and not left.any():
            break
        amplitude, step, last = ramps[which, plain.START], ramps[which, plain.STEP], ramps[which, plain.STOP]
        mask = left & (below if which == 0 else above)
        if amplitude > last:
            mask[:] = False
        while mask.any():
            amplitudes[:] = amplitude
            pcm_kernels.pulse(
                g, xi, since, aging[NOW], aging[DRIFT], known, mask, which == 0, amplitudes, device, keys,
                counters[PULSES], number,
            )  # fmt: skip
            counters[PULSES] += 1
            for c in range(columns):
                if mask[c]:
                    pulses[which][c] += 1
                    fresh[c] |= which == 1
                    counts[plain.SETS + which] += 1
                    if settings[plain.CELL_TOP]:
                        cells[c] = min(cells[c] + 1, settings[plain.CELL_TOP])
            sense(mask, value, row, aging, keys, counters, part, settings, counts)
            for c in range(columns):
                enough = targets[c] + max(settings[plain.SET_MARGIN], -settings[plain.WINDOW])
                if which == 0:
                    done[c] = mask[c] and value[c] >= enough << k
                else:
                    done[c] = mask[c] and value[c] <= (targets[c] + settings[plain.WINDOW]) << k
            counts[plain.PASSED] += plain.judge(done, left, below, above, value, targets, settings)
            amplitude += step
            for c in range(columns):
                mask[c] = mask[c] and not done[c] and amplitude <= last
