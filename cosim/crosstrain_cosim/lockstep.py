"""Lockstep: a tile whose updates go through the generated Verilog, held against the bit-true model after every pass.

Two arrays stand side by side: the Verilog programs one through its array port, the model programs the other. They
start equal and see the same vectors; after every pass the commands at the port are compared with the model's, one by
one, then both arrays' conductances; whenever the state is taken, the accumulators of both sides. Training reads the
Verilog's array directly; every `SAMPLE`th read goes through the port as well, and its ADC codes must agree.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.lane_arrays import hooks, lane_arrays
from crosstrain_cosim.native import Gathered
from crosstrain_cosim.script import Script, user_word
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_hdl.generate import rtl_files
from crosstrain_model.controller import Controller, RowProgram
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp
from crosstrain_model.port import ArrayId, Op, Status
from crosstrain_model.pulse import SET, phase_counts
from crosstrain_model.register_files import driver_module
from crosstrain_model.registers import find, register_table
from crosstrain_model.tile import Ints, Programmed, State, digest_of
from crosstrain_model.twin import ArrayTile

SAMPLE = 32
"""One read of the array in so many also goes through the port."""

LIMIT = 1 << 31
"""Cycles that one batch may take."""


@functools.cache
def _generated(design: Design) -> tuple[dict[str, str], Any]:
    """Verilog and driver module of a design, made once for all its tiles."""
    return rtl_files(design), driver_module(design)


class Lockstep:
    """One tile behind its Verilog: what all schemes share.

    arrays : those that the Verilog drives, W first
    rtl : {file name: Verilog} in place of the generated text; its top is `design.top`
    """

    def __init__(
        self, design: Design, arrays: dict[ArrayId, ArrayTile], *, tile: int, rtl: dict[str, str] | None = None
    ):
        self.design, self.tile = design, tile
        self.array = arrays[ArrayId.W]
        texts, driver = _generated(design)
        self.lane = Compiled(design, rtl or texts, design.top, hook=hooks(design, arrays))
        self.transport = compiled_transport(self.lane)
        self.driver: Any = driver.Driver(self.transport)
        self.script = Script()
        self.programs: list[RowProgram] = []
        self.passes = self.reads = self.found = 0
        self.diverged = False
        self._idle = find(register_table(design), "STATUS").offset
        self._bring_up()

    def _bring_up(self) -> None:
        self.transport.run(Script().reset())
        self.driver.bring_up()
        self.driver.enable_programming()

    def forward(self, codes: Ints, outputs: int | None = None) -> Ints:
        """Read the array that the Verilog programs."""
        return self._read(FrameOp.FORWARD, codes, outputs)

    def backward(self, codes: Ints, outputs: int | None = None) -> Ints:
        """Transposed read of it."""
        return self._read(FrameOp.BACKWARD, codes, outputs)

    def _configure_hardware(self, registers: dict[str, int]) -> None:
        """Write registers of the Verilog; `threshold` is theta itself."""
        others = {name: value for name, value in registers.items() if name != "threshold"}
        self.driver.configure(**others)
        if "threshold" in registers:
            self.driver.set_threshold(registers["threshold"])

    def _run(self) -> Gathered:
        """All that is queued, through the Verilog."""
        gathered = self.transport.run(self.script.poll(self._idle, 1, 1, LIMIT))
        self.transport.forget()
        self.script = Script()
        return gathered

    def _read(self, op: FrameOp, codes: Ints, outputs: int | None) -> Ints:
        """A direct read; of one call in SAMPLE the first vector is read again, as the same event, through the port."""
        direct, place = (self.array.forward, 0) if op == FrameOp.FORWARD else (self.array.backward, 1)
        number = int(self.array.counters[place])
        answer = direct(codes, outputs)
        if self.reads % SAMPLE == 0 and len(codes):
            after = int(self.array.counters[place])
            self.array.counters[place] = number
            reading = self.driver.forward if op == FrameOp.FORWARD else self.driver.backward
            lines = self.design.array.rows if op == FrameOp.FORWARD else self.design.array.columns
            sent = [int(code) for code in codes[0]] + [0] * (lines - codes.shape[1])
            self._compare(f"{op.name} code", answer[0], np.array(reading(sent)[:outputs]))
            self.array.counters[place] = after
        self.reads += 1
        return answer

    def _compare_commands(self, gathered: Gathered) -> None:
        """The commands of a pass, one by one: row, direction and pulses of every device column, and how it ended."""
        events = gathered.events[gathered.events["op"] == Op.PROGRAM]
        due = list(self._due())
        self._compare("commands", np.array([len(due)]), np.array([len(events)]))
        for (row, direction, counts), event in zip(due, events, strict=False):
            fired, other = ("set", "reset") if direction == SET else ("reset", "set")
            self._compare("row", np.array([row]), event["row"])
            self._compare("status", np.array([Status.OK]), event["status"])
            self._compare("pulses", counts, event[fired].astype(np.int64), row)
            self._compare("pulses of the other direction", np.zeros_like(counts), event[other].astype(np.int64), row)

    def _due(self) -> list[tuple[int, int, npt.NDArray[np.int64]]]:
        """The commands that the model's row programs stand for."""
        return [
            (row, direction, pulses)
            for row, counts in self.programs
            for direction, pulses in phase_counts(self.design.array, counts)
            if pulses.any()
        ]

    def audit(self) -> int:
        """Compare all digital memories now, which passes do not; the mismatches that no pass has told of."""
        self.state()
        mismatches, self.found = self.found, 0
        return mismatches

    def _compare(self, what: str, model: Ints, verilog: Ints, row: int | None = None) -> None:
        """Count the elements that differ; say where the very first one is."""
        differ = np.asarray(np.asarray(model) != np.asarray(verilog))
        if not differ.any():
            return
        wrong = np.argwhere(differ)
        self.found += len(wrong)
        if not self.diverged:
            self.diverged = True
            at = tuple(int(i) for i in wrong[0])
            shown = at if row is None else (row, *at)
            left, right = np.broadcast_to(model, np.shape(verilog))[at], np.asarray(verilog)[at]
            where = f"tile {self.tile}, pass {self.passes}, {what}{list(shown)}"
            print(f"first divergence: {where}: model {left}, Verilog {right}", file=sys.stderr)


class RtlTile(Lockstep):
    """A tile with digital accumulation; the contract is `crosstrain_model.tile.Tile`."""

    def __init__(self, design: Design, *, seed: int, tile: int, rtl: dict[str, str] | None = None):
        arrays, shadows = (lane_arrays(design, "numba", seed=seed, tile=tile) for _ in range(2))
        self.shadow = shadows[ArrayId.W]
        self.model = Controller(design)
        super().__init__(design, arrays, tile=tile, rtl=rtl)

    @property
    def updates(self) -> int:
        """Weight updates so far: accumulators touched."""
        return int(self.model.visits) * self.design.array.lanes

    def configure(self, **registers: int) -> None:
        """Write registers on both sides."""
        self.model.configure(**registers)
        self._configure_hardware(registers)

    def accumulate(self, x: Ints, ex: Ints, d: Ints, ed: Ints) -> None:
        """Queue the vectors for the Verilog, and give them to the model."""
        self._start_equal()
        self.script.vectors(x, ex, d, ed)
        self.programs += self.model.update_vectors(x, ex, d, ed)

    def program(self) -> Programmed:
        """Run all that is queued, and a pass, through the Verilog; compare its commands and conductances."""
        self._start_equal()
        self.programs += self.model.program()
        self.script.frame(user_word(FrameOp.PROGRAM), [0])
        gathered = self._run()
        self._compare_commands(gathered)
        for row, counts in self.programs:
            self.shadow.program_row(row, counts)
        self._compare("conductance", self.shadow.g, self.array.g)
        programs, self.programs = self.programs, []
        self.passes += 1
        mismatches, self.found = self.found, 0
        pulses = sum(int(np.abs(counts.astype(np.int64)).sum()) for _, counts in programs)
        return Programmed(commands=len(programs), pulses=pulses, digest=digest_of(programs), mismatches=mismatches)

    def state(self) -> State:
        """The model's controller, against which the Verilog's accumulators are compared, and the Verilog's array."""
        self._compare("accumulator", self.model.dump(), np.array(self.driver.dump_accumulators(), dtype=np.int64))
        parts = {"controller": self.model.state(), "array": self.array.state()}
        return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}

    def restore(self, state: State) -> None:
        """Reset the Verilog and load it through its registers; both arrays take the same conductances."""
        parts: dict[str, State] = {"controller": {}, "array": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.model.restore(parts["controller"])
        self.array.restore(parts["array"])
        self.shadow.restore(parts["array"])
        self._bring_up()
        settings, schedule = self.model.settings, self.model.schedule
        self.driver.set_threshold(settings.theta)
        self.driver.set_shift(settings.shift)
        self.driver.set_program_every(settings.program_every)
        self.driver.load_accumulators(self.model.dump().tolist())
        self.driver.set_touched_rows(np.flatnonzero(schedule.touched).tolist())
        self.driver.write("VECTORS_SINCE_PASS", schedule.since_pass)

    def _start_equal(self) -> None:
        """Weights are loaded into `array` alone, before the first update."""
        if self.passes == 0 and not self.programs:
            self.shadow.restore(self.array.state())
