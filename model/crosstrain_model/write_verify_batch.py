"""Rows through `WriteVerify`: compiled where that is possible, to the bits of the plain way.

Compiled where the array is the RRAM twin itself and runs compiled; arrays behind a port, whose commands are watched or
fail, go the plain way.
"""

from __future__ import annotations

import numpy as np

from crosstrain_model.twin.rram_tile import PULSES, ROW_READS, RramTile
from crosstrain_model.write_verify import Int64, Masks, Row, WriteVerify


def program_row(verify: WriteVerify, array: Row, row: int, flagged: Masks, targets: Int64) -> Masks:
    """`WriteVerify.program`: equal state, array and answer."""
    if type(array) is not RramTile or not array.compiled:
        return verify.program(array, row, flagged, targets)
    from crosstrain_model import write_verify_kernel as kernel

    design, s, devices = verify.design, verify.settings, array.devices
    array.begin_row(row)
    top = (1 << design.verify.cell_bits) - 1 if verify.cells.size else 0
    group, full = 2 * design.array.lanes, 1 << design.formats.x
    settings = np.array(
        (s.window, s.set_margin, s.reads_log2, s.cycles, design.column_amplitudes, design.formats.fraction, group, top,
         full, row), np.int64,
    )  # fmt: skip
    ramps = np.array(((s.set_start, s.set_step, s.set_stop), (s.reset_start, s.reset_step, s.reset_stop)), np.int64)
    left, pulsed, counts = flagged.copy(), np.zeros_like(flagged), np.zeros(4, np.int64)
    events = array.counters[[ROW_READS, PULSES]]
    kernel.program_row(
        array.g[row], devices.stuck[row], (devices.threshold_set[row], devices.threshold_reset[row]), devices.numbers,
        array.keys, events, array.row_numbers, settings, ramps, np.ascontiguousarray(targets, np.int64), left, pulsed,
        verify.cells[row] if top else settings, counts,
    )  # fmt: skip
    array.counters[[ROW_READS, PULSES]] = events
    array.end_row(row, pulsed)
    for name, count in zip(("sets", "resets", "passed", "reads"), counts.tolist(), strict=True):
        verify.counts[name] += count
    verify.counts["rows"] += 1
    verify.counts["gave_up"] += int(left.sum())
    return left
