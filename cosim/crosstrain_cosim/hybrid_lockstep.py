"""Lockstep with hybrid weights: a tile whose visits of L, carries and refreshes are those of the Verilog.

Two pairs of arrays stand side by side, pairs and array L of the Verilog and of the model.  They start equal and see the
same changes.  After every frame the commands at the port are compared with the model's, array by array and in order:
operation, row, pulses of every device column, width, amplitude, status, and the codes of reads; then all that both
sides' devices are and count, L where it is a memory, the stream of rounding, the state of the refresh, and counters.
Whenever the state is taken, so are L as the host reads it, the counts of pulses, and the wear of array L.

The Verilog is idle before the end of a batch is sent, as the model's tile has done its carries then: so the order of
carries and refreshes is the rule's, and a run through the Verilog is that through the model.
"""

from __future__ import annotations

import numpy as np

from crosstrain_cosim.hybrid_compare import HybridSides
from crosstrain_cosim.hybrid_record import refresh_word
from crosstrain_cosim.script import user_word
from crosstrain_cosim.stream_lockstep import beats_of
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp, beat_bits, slot_bits
from crosstrain_model.hybrid_tile import range_of
from crosstrain_model.stream_tile import clipped_changes
from crosstrain_model.tile import Ints, Programmed, State


class RtlHybridTile(HybridSides):
    """A tile of hybrid weights behind its Verilog; the contract is `crosstrain_model.tile.HybridStreamTile`."""

    def __init__(self, design: Design, *, seed: int, tile: int, rtl: dict[str, str] | None = None):
        self.calibrated = self.calibrated_backward = False
        super().__init__(design, seed=seed, tile=tile, rtl=rtl)

    def _bring_up(self) -> None:
        super()._bring_up()
        self.driver.seed({"rounding": self._rounding()})

    @property
    def updates(self) -> int:
        """Weight updates so far: accumulators touched."""
        return self.side.updates

    def configure(self, **registers: int) -> None:
        """Write registers on both sides."""
        self.side.configure(**registers)
        self._configure_hardware(registers)

    # ---- reads ----

    def calibrate(self, codes: Ints) -> None:
        """As the model's tile does it."""
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

    # ---- changes ----

    def update(self, codes: Ints) -> None:
        """An UPDATE frame through the Verilog, and all carries that it makes; compare what it did."""
        self._start_equal()
        changes, clipped = clipped_changes(self.design, codes), self.controller.memory.ledger["clipped"]
        before = clipped.copy()
        self.side.update(changes)
        self.clipped += int(np.count_nonzero(clipped != before))
        self.script.frame(user_word(FrameOp.UPDATE), beats_of(self.design, changes))
        self._compare_told(self._run())
        self._compare_all()

    def program(self) -> Programmed:
        """The end of a batch, and the refresh of all rows that are due."""
        self._start_equal()
        done = self.side.program()
        slots = beat_bits(self.design) // slot_bits(self.design)
        self.script.frame(user_word(FrameOp.PROGRAM), [0] * slots)
        self._compare_told(self._run())
        for array in self._arrays().values():
            array.now_ns += self.design.pcm.batch_ns
        self._compare_all()
        self.passes += 1
        mismatches, self.found = self.found, 0
        return Programmed(commands=done.commands, pulses=done.pulses, digest=done.digest, mismatches=mismatches)

    def _start_equal(self) -> None:
        """Reads since the last frame, and weights that were loaded, were events of the Verilog's array alone."""
        self.side.array.restore(self.array.state())

    # ---- checkpoints ----

    def state(self) -> State:
        """As `HybridTile.state`: the model's controller, and the arrays of the Verilog."""
        self._compare_memories()
        parts = {"controller": self.controller, **self._arrays()}
        state = {f"{part}.{name}": value for part, owner in parts.items() for name, value in owner.state().items()}
        return state | {"calibrated": np.array([self.calibrated, self.calibrated_backward])}

    def restore(self, state: State) -> None:
        """Reset the Verilog and load it through its registers; both sides' arrays take the same conductances."""
        self.side.restore(state)
        self.calibrated, self.calibrated_backward = self.side.calibrated, self.side.calibrated_backward
        for part, array in self._arrays().items():
            prefix = f"{part}."
            array.restore({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})
        self._bring_up()
        model = self.controller
        known = {**vars(model.verify.settings), **vars(model.pulse)}
        known |= {"refresh_every": model.refresh_every, "saturation": model.saturation}
        there = {name.lower() for name in self.driver.settings()}
        self.driver.configure(**{name: value for name, value in known.items() if name in there})
        if self.cells is None:
            self.driver.load_accumulators(model.memory.held.tolist())
        for half, name in enumerate(("plus", "minus") if model.verify.cells.size else ()):
            self.driver.load_memory(name, model.verify.cells[:, half::2].tolist())
        self.driver.write("REFRESH_STATE", refresh_word(self.controller))
        self._worn = self._wear()
        self._align()
