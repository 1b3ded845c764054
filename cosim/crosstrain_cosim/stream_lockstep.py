"""Lockstep where changes come from the host: a tile whose weights are programmed by the write-verify of the Verilog.

Two arrays stand side by side, the Verilog's and the model's.  They start equal, and see the same changes; after every
pass the model's commands are compared with those at the port, pulse by pulse, then the counters of write-verify, both
arrays' conductances, and whenever the state is taken all digital memories.  Reads of training go to the Verilog's
array; every `SAMPLE`th goes through the port as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_cosim.event import Event
from crosstrain_cosim.lane_arrays import lane_arrays
from crosstrain_cosim.lockstep import SAMPLE, Lockstep
from crosstrain_cosim.native import Gathered
from crosstrain_cosim.script import user_word
from crosstrain_cosim.stream_driver import StreamDriver
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp, beat_bits, slot_bits
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.stream_tile import clipped_changes, programmed, range_of, read_out, read_signed
from crosstrain_model.tile import Ints, Programmed, State
from crosstrain_model.twin.rram_tile import FORWARDS
from crosstrain_model.write_verify import COUNTERS


def beats_of(design: Design, changes: Ints) -> Ints:
    """Changes [rows, columns] as the beats of an UPDATE frame, a group each."""
    array, slots = design.array, beat_bits(design) // slot_bits(design)
    groups = np.zeros((array.rows, array.groups * array.lanes), np.int32)
    groups[:, : array.columns] = changes
    beats = np.zeros((array.rows * array.groups, slots), np.int32)
    beats[:, : array.lanes] = groups.reshape(-1, array.lanes)
    return beats


class RtlStreamTile(Lockstep):
    """A tile with write-verify behind its Verilog; the contract is `crosstrain_model.tile.StreamTile`."""

    def __init__(self, design: Design, *, seed: int, tile: int, rtl: dict[str, str] | None = None):
        arrays, shadows = (lane_arrays(design, "numba", seed=seed, tile=tile) for _ in range(2))
        self.shadow = shadows[ArrayId.W]
        self.side = StreamDriver(design, self.shadow)
        self.model = self.side.controller
        self.calibrated = False
        super().__init__(design, arrays, tile=tile, rtl=rtl)

    @property
    def controller(self) -> StreamController:
        """The model's, whose counters and copy the Verilog's are compared with."""
        return self.model

    @property
    def updates(self) -> int:
        """Weight updates so far: accumulators touched."""
        return int(self.model.visits) * self.design.array.lanes

    def configure(self, **registers: int) -> None:
        """Write registers on both sides."""
        self.model.configure(**registers)
        self._configure_hardware(registers)

    def calibrate(self, codes: Ints) -> None:
        """As the model's tile does it, on both arrays."""
        full_range = range_of(self.array, codes)
        if full_range is not None:
            self.array.full_range = self.shadow.full_range = full_range
            self.calibrated = True

    def forward(self, codes: Ints, outputs: int | None = None) -> Ints:
        """Reads of the Verilog's array; of one call in SAMPLE the first vector again, through the port."""
        array, number = self.array, int(self.array.counters[FORWARDS])
        answer = read_signed(array, codes, outputs)
        if self.reads % SAMPLE == 0 and len(codes):
            after = int(array.counters[FORWARDS])
            clipped = array.clipped
            array.counters[FORWARDS] = number
            given = np.zeros(array.rows, np.int64)
            given[: codes.shape[1]] = codes[0]
            total = self._devices(np.maximum(given, 0))
            if (given < 0).any():
                total -= self._devices(np.maximum(-given, 0))
            self._compare("FORWARD code", answer[0], total[:outputs])
            array.counters[FORWARDS], array.clipped = after, clipped
        self.reads += 1
        return answer

    def _devices(self, codes: Any) -> Any:
        """plus - minus of one read through the port."""
        read = np.array(self.driver.forward(codes.tolist()))
        return read[0::2] - read[1::2]

    def read_copy(self) -> None:
        """The copy, read out of the array, to both sides."""
        copy = read_out(self.array, limit=self.model.limit)
        self.model.load(copy=copy)
        self.driver.load_memory("W", copy.tolist())

    def update(self, codes: Ints) -> None:
        """Queue the changes for the Verilog, and give them to the model."""
        changes = clipped_changes(self.design, codes)
        self.model.update(changes)
        self.script.frame(user_word(FrameOp.UPDATE), beats_of(self.design, changes))

    def copy(self) -> Ints:
        return self.model.copy.copy()

    def program(self) -> Programmed:
        """Run all that is queued, and a pass, through the Verilog; compare what it did."""
        self.shadow.restore(self.array.state())  # reads since the last pass were events of the Verilog's array alone
        self.side.events.clear()
        done = programmed(self.model, self.side)
        slots = beat_bits(self.design) // slot_bits(self.design)
        self.script.frame(user_word(FrameOp.PROGRAM), [0] * slots)
        gathered = self._run()
        self._compare_events(gathered)
        self._compare("conductance", self.shadow.g, self.array.g)
        self._compare("events of the array", self.shadow.counters, self.array.counters)
        counters = np.array([self.driver.read(name.upper()) for name in COUNTERS])
        wanted = np.array([self.model.verify.counts[name] % 2**32 for name in COUNTERS])
        self._compare("counters", wanted, (counters + self._offset) % 2**32)
        self.passes += 1
        mismatches, self.found = self.found, 0
        return Programmed(commands=done.commands, pulses=done.pulses, digest=done.digest, mismatches=mismatches)

    _offset: Any = 0
    """Counters of the model when the Verilog's were 0."""

    def _compare_events(self, gathered: Gathered) -> None:
        """Commands one by one: operation, row, amplitude, status, pulses of every device."""
        due, events = self.side.events, gathered.events
        self._compare("commands", np.array([len(due)]), np.array([len(events)]))
        for model, event in zip(due, events, strict=False):
            for name in ("op", "row", "amplitude", "status"):
                self._compare(name, np.atleast_1d(getattr(model, name)), event[name])
            if model.op in (Op.PROGRAM, Op.FORM):
                self._compare_pulses(model, event)

    def _compare_pulses(self, model: Event, event: Any) -> None:
        for counts, seen in ((model.set_counts, event["set"]), (model.reset_counts, event["reset"])):
            self._compare("pulses", np.array(counts), seen.astype(np.int64), model.row)

    def state(self) -> State:
        """The model's controller, against which the Verilog's memories are compared, and the Verilog's array."""
        self._run()
        model, cells = self.model, self.model.verify.cells
        memories = {"dW": model.dw, "W": model.copy}
        memories |= {"plus": cells[:, 0::2], "minus": cells[:, 1::2]} if cells.size else {}
        for name, memory in memories.items():
            self._compare(name, memory, np.array(self.driver.dump_memory(name), dtype=np.int64))
        parts = {"controller": model.state(), "array": self.array.state()}
        state = {f"{part}.{name}": value for part, owned in parts.items() for name, value in owned.items()}
        return state | {"calibrated": np.array(self.calibrated)}

    def restore(self, state: State) -> None:
        """Reset the Verilog and load it through its registers; both arrays take the same conductances."""
        parts: dict[str, State] = {"controller": {}, "array": {}, "calibrated": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.model.restore(parts["controller"])
        self.array.restore(parts["array"])
        self.shadow.restore(parts["array"])
        self.calibrated = bool(state["calibrated"])
        self._bring_up()
        model, verify = self.model, self.model.verify
        names = {"range": model.limit, "base": model.base, **vars(verify.settings)}
        self.driver.configure(**names)
        self.driver.set_threshold(model.theta)
        self.driver.load_accumulators(model.dw.tolist())
        self.driver.load_memory("W", model.copy.tolist())
        if verify.cells.size:
            for half, name in enumerate(("plus", "minus")):
                self.driver.load_memory(name, verify.cells[:, half::2].tolist())
        self.driver.set_touched_rows(np.flatnonzero(model.schedule.touched).tolist())
        self.driver.write("VECTORS_SINCE_PASS", model.schedule.since_pass)
        self._offset = np.array([verify.counts[name] for name in COUNTERS])
