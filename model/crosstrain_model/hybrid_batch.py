"""Visits of many rows of L: compiled where that is possible, to the bits of the plain way.

Compiled where L is in SRAM, or the array is the twin of binary devices itself and runs compiled; arrays behind a port,
whose commands are watched or fail, go the plain way.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt

from crosstrain_model.hybrid import Int64
from crosstrain_model.hybrid_cells import CellMemory
from crosstrain_model.hybrid_memory import COUNTERS, SramMemory
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.write_verify import Row

COMPILED = importlib.util.find_spec("numba") is not None


def add_rows(memory: SramMemory, rows: npt.NDArray[np.intp], q: Int64, array: Row | None) -> Int64:
    """`memory.add_rows`: equal state, array and answer."""
    if type(memory) is SramMemory and COMPILED:
        return _in_sram(memory, rows, q)
    if type(memory) is CellMemory and type(array) is PcmBinaryArray and array.compiled:
        return _in_devices(memory, rows, q, array)
    return memory.add_rows(rows, q, array)


def _in_sram(memory: SramMemory, rows: npt.NDArray[np.intp], q: Int64) -> Int64:
    from crosstrain_model import hybrid_kernel as kernel

    carries, numbers = np.zeros(q.shape, np.int64), rows.astype(np.int64)
    given = np.ascontiguousarray(q, np.int64)
    state = memory.held, memory.parts, _settings(memory)
    kernel.add_rows(numbers, given, *state, memory.sets, memory.resets, carries)
    return carries


def _in_devices(memory: CellMemory, rows: npt.NDArray[np.intp], q: Int64, array: PcmBinaryArray) -> Int64:
    from crosstrain_model import hybrid_kernel as kernel

    carries, counts = np.zeros(q.shape, np.int64), np.zeros(kernel.FAILED + 1, np.int64)
    kernel.visit_rows(
        rows.astype(np.int64), np.ascontiguousarray(q, np.int64), memory.held, memory.parts, _settings(memory),
        (memory.sets, memory.resets), counts, array.kernel_arrays(), array.now_ns, *array.kernel_numbers(), carries,
    )  # fmt: skip
    array.forget()
    for name, count in zip(COUNTERS, counts.tolist(), strict=False):
        memory.counts[name] += count
    return carries


def _settings(memory: SramMemory) -> Int64:
    design, hybrid = memory.design, memory.hybrid
    return np.array(
        (hybrid.bits, hybrid.code == "gray", design.remainder == "clear", design.update.max_pulses, design.array.lanes,
         hybrid.read_back), np.int64,
    )  # fmt: skip
