"""Lockstep with in-memory gradients: a tile whose trains, transfers and row programs are those of the Verilog.

Two pairs of arrays stand side by side, A and W of the Verilog and A and W of the model. They start equal and see the
same vectors; after every batch the numbers of commands, the row programs pulse by pulse, and the conductances of both
pairs are compared, and whenever the state is taken, all digital state.
"""

from __future__ import annotations

import numpy as np

from crosstrain_cosim.gradient_driver import digital_state
from crosstrain_cosim.lane_arrays import lane_arrays
from crosstrain_cosim.lockstep import Lockstep
from crosstrain_cosim.native import Gathered
from crosstrain_model.design import Design
from crosstrain_model.gradient_batch import run_vectors
from crosstrain_model.gradient_controller import REGISTERS, GradientController, TileArrays
from crosstrain_model.gradient_tile import batch_digest
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.tile import Ints, Programmed, State


class RtlGradientTile(Lockstep):
    """A tile with in-memory gradients behind its Verilog; the contract is `crosstrain_model.tile.Tile`."""

    def __init__(self, design: Design, *, seed: int, tile: int, rtl: dict[str, str] | None = None):
        arrays, shadows = (lane_arrays(design, "numba", seed=seed, tile=tile) for _ in range(2))
        self.arrays, self.shadows = (
            TileArrays(w=part[ArrayId.W], a=part.get(ArrayId.A)) for part in (arrays, shadows)
        )
        self.model = GradientController(design, tile=tile)
        self.train_pulses = 0
        self._counted = self._counts()
        super().__init__(design, arrays, tile=tile, rtl=rtl)

    def _bring_up(self) -> None:
        super()._bring_up()
        self.driver.seed({name: stream.state for name, stream in self.model.streams().items()})

    @property
    def updates(self) -> int:
        """As `gradient_tile.GradientTile` counts them."""
        array, transfer = self.design.array, self.model.transfer
        if transfer is not None:
            return transfer.visits * array.lanes
        return self.model.sweep.vectors * array.rows * array.columns

    def configure(self, **registers: int) -> None:
        """Write registers on both sides."""
        self.model.configure(**registers)
        self._configure_hardware(registers)

    def accumulate(self, x: Ints, ex: Ints, d: Ints, ed: Ints) -> None:
        """Queue the vectors for the Verilog, and give them to the model."""
        if self.model.sweep.vectors == 0:  # weights were loaded into the Verilog's array alone
            self.shadows.w.restore(self.arrays.w.state())
        self.script.vectors(x, ex, d, ed)
        batch = run_vectors(self.model, x, ex, d, ed, self.shadows)
        self.programs += batch.programs
        self.train_pulses += batch.train_pulses

    def program(self) -> Programmed:
        """Run all that is queued through the Verilog; compare its commands and conductances."""
        gathered = self._run()
        self._compare_counts(gathered)
        self._compare_commands(gathered)
        for name in ("a", "w"):
            model, verilog = getattr(self.shadows, name), getattr(self.arrays, name)
            if model is not None:
                self._compare(f"conductance of {name.upper()}", model.g, verilog.g)
        programs, self.programs = self.programs, []
        pulses, self.train_pulses = self.train_pulses, 0
        self.passes += 1
        mismatches, self.found = self.found, 0
        given = sum(int(np.abs(counts.astype(np.int64)).sum()) for _, counts in programs)
        return Programmed(
            commands=len(programs),
            pulses=given if self.design.transfers else pulses,
            digest=batch_digest(programs, pulses),
            mismatches=mismatches,
        )

    def state(self) -> State:
        """The model's controller, against which the Verilog's is compared, and the Verilog's arrays."""
        seen, wanted = self.driver.state(), digital_state(self.model)
        for name in wanted:
            model, verilog = (_numbers(side[name]) for side in (wanted, seen))
            self._compare(name, model, verilog)
        owners = {"controller": self.model, "array": self.arrays.w, "gradient": self.arrays.a}
        parts = {part: owner.state() for part, owner in owners.items() if owner is not None}
        return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}

    def restore(self, state: State) -> None:
        """Reset the Verilog and load it through its registers; both pairs of arrays take the same conductances."""
        parts: dict[str, State] = {"controller": {}, "array": {}, "gradient": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.model.restore(parts["controller"])
        for arrays in (self.arrays, self.shadows):
            arrays.w.restore(parts["array"])
            if arrays.a is not None:
                arrays.a.restore(parts["gradient"])
        self._bring_up()
        known = dict(zip(REGISTERS, self.model.settings.numbers(), strict=True))
        there = {name.lower() for name in self.driver.settings()}
        self._configure_hardware({name: value for name, value in known.items() if name in there})
        self.driver.restore({**digital_state(self.model), "settings": {}})
        self._counted = self._counts()

    def _counts(self) -> dict[str, int]:
        """What the model has told the arrays so far."""
        counts = self.model.counters()
        return {"trains": counts["trains"], "slots": counts["train_issued"], "transfers": counts["transfers"]}

    def _compare_counts(self, gathered: Gathered) -> None:
        """Trains, their slots and transfer reads of a batch."""
        events, before, now = gathered.events, self._counted, self._counts()
        trains = events[events["op"] == Op.TRAIN]
        reads = events[(events["op"] == Op.READ_ROW) & (events["array"] == ArrayId.A)]
        seen = {"trains": len(trains), "slots": int(trains["pulses"].sum()), "transfers": len(reads)}
        for name, value in seen.items():
            self._compare(name, np.array([now[name] - before[name]]), np.array([value]))
        self._counted = now


def _numbers(value: object) -> Ints:
    """Values of a part of the state, in order of their names."""
    if isinstance(value, dict):
        parts = [np.ravel(np.array(value[name], np.int64)) for name in sorted(value)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return np.array(value, np.int64)
