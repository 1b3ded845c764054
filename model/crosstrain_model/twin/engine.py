"""What an engine does for a tile, and the numpy engine: the rules as they are defined."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from crosstrain_model.twin import noise
from crosstrain_model.twin.array_state import ArrayState
from crosstrain_model.twin.converter import Converter
from crosstrain_model.twin.pulses import pulse_row
from crosstrain_model.twin.retention import decay

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]
Bits = npt.NDArray[np.uint64]
Signs = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int64]


class Engine(Protocol):
    """Arguments arrive checked, with these types, contiguous; the tile's arrays are changed in place."""

    context: int | None
    """Address of the context of compiled kernels."""

    def read(self, which: int, codes: Codes, out: Codes) -> bool:
        """Forward (0) or backward (1) read of a batch: codes of the first lines, the others' levels being 0, and the
        first outputs.  False, and nothing read, when a code is out of range."""

    def read_row(self, row: int) -> Codes:
        """One-hot read."""

    def program(self, row: int, up: Bytes, down: Bytes, update: int) -> int:
        """SET, then RESET counts per device column; `update` -1: the tile's own number.  Returns pulses."""

    def program_rows(self, rows: Counts, counts: npt.NDArray[np.int16]) -> Counts:
        """Row programs in order from signed counts per weight, a SET and a RESET phase each; returns pulses of each."""

    def train(self, x_bits: Bits, d_bits: Bits, x_sign: Signs, d_sign: Signs) -> int:
        """A pulse train; lines of sign 0 are silent.  Returns pulses; -1, and nothing done, for more than 63 slots."""

    def train_slots(self, rows: Bytes, columns: Bytes) -> int:
        """A pulse train slot by slot: rows [S, rows] 0 or 1, columns [S, device columns] 0, 1 RESET, 2 SET."""

    def hook_pointer(self) -> tuple[int, int]:
        """Addresses of hook and context."""


class NumpyEngine:
    """The definition."""

    context: int | None = None

    def __init__(self, state: ArrayState) -> None:
        self.state = state

    def read(self, which: int, codes: Codes, out: Codes) -> bool:
        state = self.state
        part = (state.forward_converter, state.backward_converter)[which]
        full = 1 << (part.bits - 1)
        if codes.size and (codes.min() < -full or codes.max() >= full):
            return False
        numbers = state.counters[which] + np.arange(len(codes))
        kind = noise.DAC_FORWARD if which == 0 else noise.DAC_BACKWARD
        weights = state.levels if which == 0 else state.levels.T
        out[...] = self._convert(part, codes, weights[: codes.shape[1], : out.shape[1]], kind, numbers, 0)
        state.counters[which] += len(codes)
        return True

    def read_row(self, row: int) -> Codes:
        state, part = self.state, self.state.row_converter
        one_hot = np.array([[1 << (part.bits - 1)]], dtype=np.int32)
        subtracted = None if state.reference is None else state.reference[row : row + 1]
        weights = state.wiring.wide_levels(state.g[row : row + 1], subtracted)
        codes = self._convert(part, one_hot, weights, noise.DAC_ROW, state.counters[2:3], row)
        state.counters[2] += 1
        first: Codes = codes[0]
        return first

    def _convert(
        self,
        part: Converter,
        codes: Codes,
        weights: npt.NDArray[np.int16] | npt.NDArray[np.int32],
        kind: int,
        numbers: Counts,
        row: int,
    ) -> Codes:
        """Codes [B, lines] on weights [lines, outputs] to ADC codes; the sum is exact in float64, in any order.

        `kind` is the DAC's; those of the read and of the ADC follow it.
        """
        dac, read, adc = (self._key(kind + place, numbers, row) for place in range(3))
        levels = part.levels(codes, dac)
        sums = (levels.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)
        return part.codes(sums, part.root(codes), read, adc)

    def _key(self, kind: int, numbers: Counts, row: int) -> noise.Key:
        base = (self.state.keys[kind, 0:1], self.state.keys[kind, 1:2])
        return noise.event_key(base, numbers, np.full(numbers.shape, row))

    def program(self, row: int, up: Bytes, down: Bytes, update: int) -> int:
        total = up.astype(np.int32) + down
        if not total.any():
            return 0
        number = self.state.counters[3] if update < 0 else update
        self._pulse(row, up.astype(np.int32), total, self._key(noise.PROGRAM, np.array([number]), row))
        if update < 0:
            self.state.counters[3] += 1
        return int(total.sum())

    def program_rows(self, rows: Counts, counts: npt.NDArray[np.int16]) -> Counts:
        delivered = np.zeros(rows.size, dtype=np.int64)
        sets, resets = self.state.wiring.expand(counts)
        none = np.zeros(sets.shape[1:], dtype=np.uint8)
        for m, row in enumerate(rows):
            raised = self.program(int(row), sets[m].astype(np.uint8), none, -1)
            delivered[m] = raised + self.program(int(row), none, resets[m].astype(np.uint8), -1)
        return delivered

    def train(self, x_bits: Bits, d_bits: Bits, x_sign: Signs, d_sign: Signs) -> int:
        if max(x_bits.max(), d_bits.max()) >= 1 << 63:
            return -1
        hits = np.bitwise_count(x_bits[:, None] & d_bits).astype(np.int16)
        up, down = self.state.wiring.expand(-hits * np.sign(x_sign)[:, None] * np.sign(d_sign))
        return self._train(up, down)

    def train_slots(self, rows: Bytes, columns: Bytes) -> int:
        fired = rows.T.astype(np.int64)
        return self._train(fired @ (columns == 2), fired @ (columns == 1))

    def _train(self, up: Counts, down: Counts) -> int:
        """SET and RESET counts [rows, device columns] of a train, one event."""
        state, delivered = self.state, 0
        for row, total in enumerate((up + down).astype(np.int32)):
            self._pulse(row, up[row].astype(np.int32), total, self._key(noise.TRAIN, state.counters[4:5], row))
            delivered += int(total.sum())
        if delivered:
            state.counters[4] += 1
            if state.device.decay_every and state.counters[4] % state.device.decay_every == 0:
                decay(state.g, state.rest, state.device.decay_log2)
                state.refresh()
        return delivered

    def _pulse(self, row: int, up: npt.NDArray[np.int32], total: npt.NDArray[np.int32], key: noise.Key) -> None:
        state = self.state
        pulse_row(state.g, state.devices, row, up, total, key)
        subtracted = None if state.reference is None else state.reference[row]
        state.levels[row] = state.wiring.levels(state.g[row : row + 1], subtracted)[0]
        if state.pulses.size:
            state.pulses[row] += total

    def hook_pointer(self) -> tuple[int, int]:
        raise ValueError('ArrayTile.engine = "numpy": the hook needs engine="numba"')
