"""A tile of hybrid weights as training sees it: the bit-true controller with its pairs, and L in devices or in SRAM.

update         an UPDATE frame, and all carries that it makes: the array of the pairs has done them when it returns
program        a PROGRAM frame, the end of a batch, and the refresh of all rows that are due; then `pcm.batch_ns` pass
the range      of ADCs, forward and backward by themselves, tile by tile, each time the host asks for it: such that the
               largest exact sum of any line over the codes given, times `converters.adc_headroom`, is the largest
               code; no event of the array
no copy        there is no digital copy of the weights: what the host gives are changes, and reads are the array's
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.hybrid_controller import Carry, HybridController
from crosstrain_model.outer_product import limits
from crosstrain_model.refresh import Refreshed
from crosstrain_model.tile import Ints, Programmed, State
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.write_verify import Row

Codes = npt.NDArray[np.int32]


def range_of(design: Design, array: PcmTile, codes: Ints, *, transposed: bool) -> float | None:
    """The range of the rule for codes [V, k] of a read of this array; None where every sum is 0."""
    bits = design.formats.d if transposed else design.formats.x
    levels = (array.levels.T if transposed else array.levels)[: codes.shape[1]]
    sums = np.abs(codes.astype(np.float64) @ levels)
    largest = float(sums.max(initial=0.0))
    if not largest:
        return None
    adc, headroom = design.formats.adc, design.converters.adc_headroom
    return float(headroom * largest * 2.0 ** (adc - bits - 14) / (2 ** (adc - 1) - 1))


class HybridTile:
    """The bit-true controller and the array models of one tile; the contract is `tile.HybridStreamTile`.

    array : the pairs; cells : array L, None where L is in SRAM
    pairs, cell_rows : what the controller commands: these arrays, or what stands before them and watches
    calibrated, calibrated_backward : whether the ranges of the ADCs were set
    """

    def __init__(self, design: Design, *, seed: int, tile: int):
        self.design = design
        self.controller = HybridController(design, tile=tile, count_cells=True)
        self.array = PcmTile(design, seed=seed, tile=tile)
        in_devices = design.hybrid.cells == "binary"
        self.cells = PcmBinaryArray(design, seed=seed, tile=tile) if in_devices else None
        self.pairs: Row = self.array
        self.cell_rows: Row | None = self.cells
        self.calibrated = self.calibrated_backward = False
        self._done: list[Carry | Refreshed] = []
        self._pulses = 0

    @property
    def updates(self) -> int:
        return self.controller.counts["visits"] * self.design.array.lanes

    def configure(self, **registers: int) -> None:
        self.controller.configure(**registers)

    # ---- reads ----

    def calibrate(self, codes: Ints) -> None:
        """Sets the range of the ADCs of forward reads for vectors like these, signed codes [V, k]."""
        full_range = range_of(self.design, self.array, codes, transposed=False)
        if full_range is not None:
            self.array.set_ranges(forward=full_range)
            self.calibrated = True

    def calibrate_backward(self, codes: Ints) -> None:
        """The same for transposed reads."""
        full_range = range_of(self.design, self.array, codes, transposed=True)
        if full_range is not None:
            self.array.set_ranges(backward=full_range)
            self.calibrated_backward = True

    def forward(self, codes: Ints, outputs: int | None = None) -> Codes:
        return self.array.forward(codes, outputs)

    def backward(self, codes: Ints, outputs: int | None = None) -> Codes:
        return self.array.backward(codes, outputs)

    # ---- changes ----

    def update(self, codes: Ints) -> None:
        """Changes [rows, columns]; clipped to the accumulator's range, as the host sends them."""
        low, high = limits(self.design)
        self.controller.update(np.clip(codes, low, high), self.cell_rows)
        self._done += self._drain()

    def program(self) -> Programmed:
        """The end of a batch; what happened to the pairs since the last one."""
        self.controller.batch()
        done = self._done + self._drain()
        self._done = []
        pulses = int(self.array.sets.sum() + self.array.resets.sum())
        given, self._pulses = pulses - self._pulses, pulses
        digest = self._digest(done)
        for array in (self.array, self.cells):
            if array is not None:
                array.now_ns += self.design.pcm.batch_ns
        commands = sum(isinstance(one, Carry) or bool(one.pairs.any()) for one in done)
        return Programmed(commands=commands, pulses=given, digest=digest)

    def _drain(self) -> list[Carry | Refreshed]:
        """Row operations until nothing waits."""
        return self.controller.drain(self.pairs)

    def _digest(self, done: list[Carry | Refreshed]) -> bytes:
        """8-byte BLAKE2b over a batch: of every row operation on the pairs its row as 4 bytes and its carries, a byte
        each, or the pairs programmed and the devices lost, a bit each; then L, 2 bytes each, and the counters of
        write-verify, 8 bytes each."""
        digest = hashlib.blake2b(digest_size=8)
        for one in done:
            digest.update(one.row.to_bytes(4, "little"))
            if isinstance(one, Carry):
                digest.update(one.counts.astype(np.int8).tobytes())
            else:
                digest.update(np.packbits(one.pairs).tobytes() + np.packbits(one.lost).tobytes())
        digest.update(self.controller.memory.held.astype("<i2").tobytes())
        for count in self.controller.verify.counts.values():
            digest.update(count.to_bytes(8, "little"))
        return digest.digest()

    # ---- checkpoints ----

    def state(self) -> State:
        """Between batches: all that happened has been told."""
        state = {f"{part}.{name}": v for part, owner in self._owners().items() for name, v in owner.state().items()}
        return state | {"calibrated": np.array([self.calibrated, self.calibrated_backward])}

    def restore(self, state: State) -> None:
        for part, owner in self._owners().items():
            prefix = f"{part}."
            owner.restore({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})
        flags = state_checks.flags("tile", state, "calibrated", (2,))
        self.calibrated, self.calibrated_backward = bool(flags[0]), bool(flags[1])
        self._done, self._pulses = [], int(self.array.sets.sum() + self.array.resets.sum())

    def _owners(self) -> dict[str, HybridController | PcmTile | PcmBinaryArray]:
        cells = {} if self.cells is None else {"cells": self.cells}
        return {"controller": self.controller, "array": self.array, **cells}
