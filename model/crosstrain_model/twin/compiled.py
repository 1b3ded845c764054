"""The compiled engine: numba kernels on a tile's own arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.twin import context, hook, kernels, read_kernels, train_kernels
from crosstrain_model.twin.array_state import ArrayState
from crosstrain_model.twin.engine import Bits, Bytes, Codes, Counts, Signs


class CompiledEngine:
    """Same answers as NumpyEngine; needs the tile's arrays to stay in place."""

    def __init__(self, state: ArrayState) -> None:
        self._columns = state.columns
        self._words = context.words_of(state)
        self._context = context.make(state, self._words)
        self.context: int | None = int(self._context.ctypes.data)

    def read(self, which: int, codes: Codes, out: Codes) -> bool:
        return bool(read_kernels.read(self._context, which, codes, out))

    def read_row(self, row: int) -> Codes:
        out = np.empty(self._columns, dtype=np.int32)
        read_kernels.read_row(self._context, row, out)
        return out

    def program(self, row: int, up: Bytes, down: Bytes, update: int) -> int:
        return int(kernels.program(self._context, row, up, down, update))

    def program_rows(self, rows: Counts, counts: npt.NDArray[np.int16]) -> Counts:
        delivered = np.zeros(rows.size, dtype=np.int64)
        kernels.program_rows(self._context, np.ascontiguousarray(rows), np.ascontiguousarray(counts), delivered)
        return delivered

    def train(self, x_bits: Bits, d_bits: Bits, x_sign: Signs, d_sign: Signs) -> int:
        return int(train_kernels.train(self._context, x_bits, d_bits, x_sign, d_sign))

    def train_slots(self, rows: Bytes, columns: Bytes) -> int:
        return int(train_kernels.train_slots(self._context, rows, np.ascontiguousarray(columns)))

    def hook_pointer(self) -> tuple[int, int]:
        return hook.hook_address(), int(self._context.ctypes.data)
