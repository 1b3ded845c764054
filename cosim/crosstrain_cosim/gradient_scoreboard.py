"""The model of a controller with in-memory gradients beside the pins: frames and register writes in, commands out.

Everything comes from the pins. The array was told the right things if, array by array, its commands are those of the
model in their order: trains slot by slot and line by line, reads code by code, row programs pulse by pulse. The model
drives arrays of its own, which start equal and must stay so.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.event import Event
from crosstrain_cosim.frame_reader import FrameReader
from crosstrain_cosim.gradient_driver import state_windows
from crosstrain_cosim.gradient_watch import GradientRegisters
from crosstrain_cosim.queue_agent import QueueAgent
from crosstrain_cosim.scoreboard import READS, Reference
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp
from crosstrain_model.gradient_controller import GradientController, ProgramEvent, ReadEvent, TileArrays, TrainEvent
from crosstrain_model.port import ArrayId, Op, Status
from crosstrain_model.pulse import PulseSettings, row_commands


class GradientReference(Reference):
    """The model, what it expects of each array, and what came."""

    def __init__(self, design: Design, agent: QueueAgent, arrays: TileArrays):
        self.arrays = arrays
        super().__init__(design, agent)
        self.frames = FrameReader(design, self.vector, self.program, self.read)
        self.registers = GradientRegisters(self)

    def reset(self) -> None:
        """Power-up plus clear."""
        self.model: Any = GradientController(self.design, ledger=self.design.transfers)
        self.settings = PulseSettings.of(self.design)
        train = self.design.train
        self.train = {"train_width": train.width, "train_guard": train.guard, "train_amplitude": train.amplitude}
        self.queues: dict[int, deque[dict[str, Any]]] = {int(array): deque() for array in ArrayId}
        self.results: deque[dict[str, Any]] = deque()
        self.words: list[int] = []
        self.compared = len(self.agent.events)
        self.number = 0
        if hasattr(self, "frames"):
            self.frames.reset()

    # ---- what goes in ----

    def vector(self, x: list[int], ex: int, d: list[int], ed: int) -> None:
        self.number += 1
        for event in self.model.update(x, ex, d, ed, self.arrays):
            if isinstance(event, TrainEvent):
                self._expect(event.array, op=Op.TRAIN, train=event)
            elif isinstance(event, ReadEvent):
                self._expect(ArrayId.A, op=Op.READ_ROW, row=event.row, out=event.codes)
            elif isinstance(event, ProgramEvent):
                for command in row_commands(self.design, event.row, event.counts, self.settings):
                    self._expect(ArrayId.W, op=Op.PROGRAM, row=event.row, command=command)

    def program(self) -> None:
        """There are no program passes."""

    def read(self, op: FrameOp, codes: list[int], *, tag: int, row: int) -> None:
        row = row if op == FrameOp.READ_ROW else 0
        self._expect(ArrayId.W, op=READS[op], row=row, codes=tuple(codes), tag=tag, frame=op)

    def _expect(self, array: int, **due: Any) -> None:
        self.queues[int(array)].append({"vector": self.number, "row": 0, **due})

    # ---- what comes out ----

    def _compare(self, event: Event) -> None:
        same = harness.report.same
        queue = self.queues[event.array]
        if self.tolerant and event.op == Op.PROGRAM:
            return  # what a row gets hangs on reads that the model does not see: some trains did not get through
        if self.tolerant:
            while queue and (queue[0]["op"], queue[0]["row"]) != (event.op, event.row):
                queue.popleft()
        if not queue:
            told = f"{Op(event.op).name} of row {event.row} of array {event.array}"
            same("command", told, "none", vector=self.number)
            return
        due = queue.popleft()
        where = {"vector": due["vector"], "command": self.compared, "row": due["row"]}
        same("op", event.op, int(due["op"]), **where)
        same("row", event.row, due["row"], **where)
        if due["op"] == Op.TRAIN:
            self._compare_train(event, due["train"], where)
        elif due["op"] == Op.PROGRAM:
            self._compare_pulses(event, due["command"], where)
        elif "frame" not in due:
            self._compare_transfer(event, due, where)
        elif event.status == Status.OK:
            same("codes into the array", event.codes[: len(due["codes"])], due["codes"], **where)
            self.results.append({**due, "out": event.codes[len(due["codes"]) :], "fault": event.fault})
        else:
            self.results.append({**due, "out": None, "status": event.status})

    def _compare_train(self, event: Event, due: TrainEvent, where: dict[str, int]) -> None:
        same = harness.report.same
        same("width of a train", event.width, max(1, self.train["train_width"]), **where)
        same("amplitude of a train", event.amplitude, self.train["train_amplitude"], **where)
        wanted = len(due.rows) if event.status == Status.OK else min(len(event.slots), len(due.rows))
        same("slots", len(event.slots), wanted, **where)
        for number, slot in enumerate(event.slots[:wanted]):
            for name, seen, model in zip(("rows", "columns", "directions"), slot, _masks(due, number), strict=True):
                if not same(f"{name} of a slot", _lines(seen), _lines(model), slot=number, **where):
                    line = int(np.flatnonzero(seen != model)[0])
                    same(f"{name}: one line", bool(seen[line]), bool(model[line]), slot=number, line=line, **where)

    def _compare_transfer(self, event: Event, due: dict[str, Any], where: dict[str, int]) -> None:
        if event.status in (Status.OK, Status.SATURATED) and not self.tolerant:
            for column, (seen, model) in enumerate(zip(event.codes, due["out"].tolist(), strict=True)):
                harness.report.same("code of a transfer read", seen, model, column=column, **where)

    # ---- state ----

    def compare(self, state: dict[str, Any], counters: dict[str, int], *, counts: bool = True) -> None:
        """Compare what the driver read with the model; nothing may be due any more.

        state : `cells`, {(memory, row, column): value}, `streams`, `choppers`, `windows` as the driver gives them
        """
        same, model, where = harness.report.same, self.model, {"vector": self.number}
        if not self.tolerant:
            same("commands that never came", 0, sum(len(queue) for queue in self.queues.values()), **where)
            self._compare_cells(state["cells"])
        same("streams", state["streams"], {n: s.state for n, s in model.streams().items()}, **where)
        same("choppers", state["choppers"], model.sweep.chopper.words(), **where)
        for name, value in state["windows"].items():
            same(name, value, state_windows(model)[name], **where)
        if counts:
            known = model.counters()
            for name in ("vectors", "transfers", "visits", "clipped", "adc_clipped", "issued", "train_issued"):
                if name in counters:
                    same(name, counters[name], known[name] % 2**32, **where)
        for prefix in ("", "train_"):
            if prefix + "issued" in counters:
                ended = sum(counters[prefix + name] for name in ("delivered", "aborted", "failed", "unknown"))
                same(f"{prefix}issued accounted for", ended % 2**32, counters[prefix + "issued"], **where)
        if model.ledger is not None:
            same("imbalance of the ledger", int(np.abs(model.ledger.imbalance(model.transfer.h)).max()), 0, **where)

    def _compare_cells(self, cells: dict[tuple[str, int, int], int]) -> None:
        memories = {} if self.model.transfer is None else self.model.transfer.memories()
        for (name, row, column), value in cells.items():
            place = {"vector": self.number, "row": row, "column": column}
            harness.report.same(name, value, int(memories[name][row, column]), **place)

    def compare_arrays(self, arrays: TileArrays) -> None:
        """Compare the conductances of the arrays on the pins with the model's."""
        for name in ("a", "w"):
            seen, model = getattr(arrays, name), getattr(self.arrays, name)
            if model is not None:
                wrong = np.argwhere(seen.conductance != model.conductance)
                harness.report.same(f"conductances of {name.upper()} that differ", len(wrong), 0, vector=self.number)

    def adopt(self, state: dict[str, Any], arrays: TileArrays | None = None) -> None:
        """Take memories and arrays as they are, after what no rule foresees to the cycle (aborts, faults)."""
        for (name, row, column), value in state["cells"].items():
            self.model.transfer.memories()[name][row, column] = value
        if arrays is not None:
            for name in ("a", "w"):
                if getattr(arrays, name) is not None:
                    getattr(self.arrays, name).restore(getattr(arrays, name).state())
        self.model.ledger = None
        self.forget()

    def forget(self) -> None:
        """Expect no more of what never came: commands that were dropped before the array was offered them."""
        for queue in self.queues.values():
            queue.clear()


def _masks(due: TrainEvent, slot: int) -> tuple[Any, Any, Any]:
    return due.rows[slot], due.columns[slot], due.direction[slot]


def _lines(mask: Any) -> list[int]:
    """The lines that a mask names."""
    return [int(line) for line in np.flatnonzero(mask)]
