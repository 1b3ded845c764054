"""Rows through `WriteVerify`: compiled where that is possible, to the bits of the plain way.

Compiled where the array is the twin itself, of RRAM or of phase-change pairs, and runs compiled; arrays behind a port,
whose commands are watched or fail, go the plain way.
"""

from __future__ import annotations

import numpy as np

from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.twin.rram_tile import PULSES, ROW_READS, RramTile
from crosstrain_model.write_verify import Int64, Masks, Row, WriteVerify


def program_row(verify: WriteVerify, array: Row, row: int, flagged: Masks, targets: Int64) -> Masks:
    """`WriteVerify.program`: equal state, array and answer."""
    if type(array) is PcmTile and array.compiled and not verify.design.column_amplitudes:
        return _on_pairs(verify, array, row, flagged, targets)
    if type(array) is not RramTile or not array.compiled:
        return verify.program(array, row, flagged, targets)
    from crosstrain_model import write_verify_kernel as kernel

    devices = array.devices
    array.begin_row(row)
    settings, ramps = _registers(verify, row)
    left, pulsed, counts = flagged.copy(), np.zeros_like(flagged), np.zeros(4, np.int64)
    events = array.counters[[ROW_READS, PULSES]]
    kernel.program_row(
        array.g[row], devices.stuck[row], (devices.threshold_set[row], devices.threshold_reset[row]), devices.numbers,
        array.keys, events, array.row_numbers, settings, ramps, np.ascontiguousarray(targets, np.int64), left, pulsed,
        verify.cells[row] if verify.cells.size else settings, counts,
    )  # fmt: skip
    array.counters[[ROW_READS, PULSES]] = events
    array.end_row(row, pulsed)
    _count(verify, counts, left)
    return left


def _on_pairs(verify: WriteVerify, array: PcmTile, row: int, flagged: Masks, targets: Int64) -> Masks:
    from crosstrain_model import pcm_verify_kernel as kernel

    settings, ramps = _registers(verify, row)
    left, counts = flagged.copy(), np.zeros(4, np.int64)
    resets = array.begin_row(row)
    kernel.program_row(
        *array.kernel_arrays(row), resets, *array.kernel_numbers(), settings, ramps,
        np.ascontiguousarray(targets, np.int64), left, verify.cells[row] if verify.cells.size else settings, counts,
    )  # fmt: skip
    array.end_row(row, resets)
    _count(verify, counts, left)
    return left


def _registers(verify: WriteVerify, row: int) -> tuple[Int64, Int64]:
    """`settings` and `ramps` of the kernels."""
    design, s = verify.design, verify.settings
    top = (1 << design.verify.cell_bits) - 1 if verify.cells.size else 0
    group, full = 2 * design.array.lanes, 1 << design.formats.x
    settings = np.array(
        (s.window, s.set_margin, s.reads_log2, s.cycles, design.column_amplitudes, design.formats.fraction, group, top,
         full, row), np.int64,
    )  # fmt: skip
    ramps = np.array(((s.set_start, s.set_step, s.set_stop), (s.reset_start, s.reset_step, s.reset_stop)), np.int64)
    return settings, ramps


def _count(verify: WriteVerify, counts: Int64, left: Masks) -> None:
    for name, count in zip(("sets", "resets", "passed", "reads"), counts.tolist(), strict=True):
        verify.counts[name] += count
    verify.counts["rows"] += 1
    verify.counts["gave_up"] += int(left.sum())
