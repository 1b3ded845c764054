"""An array whose devices are read one by one, as a C function that compiled simulations call: the hook of pins.h,
answered by Python.

Calls are few: one per read and one per command of pulses.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from crosstrain_model.design import Design
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.twin.rram_tile import RramTile

_BYTES, _WORDS = ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_int32)
_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *[ctypes.c_uint32] * 3, _BYTES, _BYTES, _WORDS, _WORDS)
PROGRAM, FORWARD, BACKWARD, READ_ROW = range(4)
DeviceArray = RramTile | PcmTile | PcmBinaryArray

_waiting: list[int] = []
"""Signals that came while the library ran."""


class DeviceHook:
    """Keeps the function alive; `pointer` is what `Native` takes.

    design : its; array : what answers, whose own counters number the events
    """

    def __init__(self, design: Design, array: DeviceArray):
        self.design, self.array = design, array
        self._function = _SIGNATURE(self._answer)

    @property
    def pointer(self) -> tuple[int, int]:
        """Address of the function, and of no context."""
        address = ctypes.cast(self._function, ctypes.c_void_p).value
        assert address is not None
        return address, 0

    def _answer(self, user: Any, op: int, array: int, row: int, sets: Any, resets: Any, given: Any, out: Any) -> int:
        if _waiting:  # so that the library returns soon
            return -1
        if op == PROGRAM:
            return self._pulse(row, sets, resets, given)
        codes = self._read(op, row, given)
        if codes is None:
            return -1
        np.ctypeslib.as_array(out, (np.size(codes),))[:] = codes
        return 0

    def _pulse(self, row: int, sets: Any, resets: Any, given: Any) -> int:
        """Slot by slot, as the array got them."""
        width, done = self.array.device_columns, 0
        amplitude = given[1]
        if self.design.column_amplitudes:
            amplitude = np.ctypeslib.as_array(given, (1 + width,))[1:]
        for direction, counts in ((SET, sets), (RESET, resets)):
            left = np.ctypeslib.as_array(counts, (width,))
            for slot in range(int(left.max())):
                done += self.array.pulse_row(
                    row, left > slot, direction=direction, amplitude=amplitude, form=bool(given[0])
                )
        return done

    def _read(self, op: int, row: int, given: Any) -> Any:
        """The codes of a read; None where the array has no such read."""
        tile, array = self.array, self.design.array
        if op == READ_ROW:
            return tile.sense_row(row, np.ctypeslib.as_array(given, (array.groups,)) != 0)
        if isinstance(tile, PcmBinaryArray):
            return None
        if op == FORWARD:
            return tile.forward(np.ctypeslib.as_array(given, (1, array.rows)))[0]
        if op == BACKWARD and isinstance(tile, PcmTile):
            return tile.backward(np.ctypeslib.as_array(given, (1, array.columns)))[0]
        return None


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """SIGINT and SIGTERM that come while the library calls a `DeviceHook` act behind the library.

    Python acts on them wherever it next runs.  That is the hook, and there ctypes, or numpy, drops what they raise: the
    library would know of an array that refused, and the user's interrupt would be gone.
    """
    found: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # no other is told of signals
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    mine = {number: handler for number, handler in found.items() if callable(handler)}
    for number in mine:
        signal.signal(number, lambda came, frame: _waiting.append(came))
    try:
        yield
    finally:
        for number, handler in mine.items():
            signal.signal(number, handler)
        came, _waiting[:] = _waiting[:1], []
        for number in came:
            mine[number](number, None)
