"""An array of one-sided pairs as a C function that compiled simulations call: the hook of pins.h, answered by Python.

Calls are few: one per read and one per pulse.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.rram_tile import RramTile

_BYTES, _WORDS = ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_int32)
_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *[ctypes.c_uint32] * 3, _BYTES, _BYTES, _WORDS, _WORDS)
PROGRAM, FORWARD, _, READ_ROW = range(4)


class DeviceHook:
    """Keeps the function alive; `pointer` is what `Native` takes.

    array : what answers; its own counters number the events
    """

    def __init__(self, array: RramTile):
        self.array = array
        self._function = _SIGNATURE(self._answer)

    @property
    def pointer(self) -> tuple[int, int]:
        """Address of the function, and of no context."""
        address = ctypes.cast(self._function, ctypes.c_void_p).value
        assert address is not None
        return address, 0

    def _answer(self, user: Any, op: int, array: int, row: int, sets: Any, resets: Any, given: Any, out: Any) -> int:
        tile, width = self.array, self.array.device_columns
        if op == PROGRAM:
            done = 0
            amplitude = given[1]
            if tile.design.column_amplitudes:
                amplitude = np.ctypeslib.as_array(given, (1 + width,))[1:]
            for direction, counts in ((SET, sets), (RESET, resets)):
                mask = np.ctypeslib.as_array(counts, (width,)) > 0
                done += tile.pulse_row(row, mask, direction=direction, amplitude=amplitude, form=bool(given[0]))
            return done
        if op == FORWARD:
            codes = tile.forward(np.ctypeslib.as_array(given, (1, tile.rows)))[0]
        elif op == READ_ROW:
            codes = tile.sense_row(row, np.ctypeslib.as_array(given, (tile.design.array.groups,)) != 0)
        else:
            return -1
        np.ctypeslib.as_array(out, (width,))[:] = codes
        return 0
