"""The model of a controller whose changes come from the host beside its pins: frames in, commands and results out.

What write-verify does hangs on what it reads, so the model follows the hardware: frames are kept until all work is
done (`settle`), then the model does them, and where it asks its array for a read or a pulse it gets the next command
that the macro has finished.  That must be the very command: operation, row, groups, devices, direction, amplitude and
width.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.event import Event, amplitude_of
from crosstrain_cosim.stream_agent import StreamAgent
from crosstrain_cosim.stream_reader import StreamReader
from crosstrain_cosim.stream_watch import StreamRegisters
from crosstrain_model import frames, port
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp
from crosstrain_model.port import Op, Status
from crosstrain_model.pulse import SET
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.write_verify import COUNTERS, Amplitude

GOOD = (Status.OK, Status.SATURATED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pulses:
    """Registers of pulses that the model does not have."""

    width_set: int
    width_reset: int
    guard: int
    form_width: int


class Finished(Exception):
    """The macro has finished no further command."""


class StreamReference:
    """The model, and what came."""

    def __init__(self, design: Design, agent: StreamAgent):
        self.design, self.agent = design, agent
        calls = {"update": self.update, "cells": self.cells, "program": self.program, "form": self.form}
        self.frames = StreamReader(design, read=self.read, **calls)
        self.registers = StreamRegisters(self)
        self.train: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Power-up."""
        pulse, design = self.design.pulse, self.design
        self.model = StreamController(design)
        self.settings = Pulses(width_set=pulse.width_set, width_reset=pulse.width_reset, guard=pulse.guard,
                               form_width=design.verify.form_width)  # fmt: skip
        self.todo: deque[Callable[[], Any]] = deque()
        self.results: deque[dict[str, Any]] = deque()
        self.frames.reset()
        self.words: list[int] = []
        self.aborted = False
        """An abort has happened, and its outcome was not adopted."""
        self.compared = len(self.agent.events)
        self.number = 0

    # ---- what goes in ----

    def update(self, changes: list[list[int]]) -> None:
        self.todo.append(lambda: self.model.update(changes))

    def cells(self, rows: list[int], columns: list[int], changes: list[int]) -> None:
        self.todo.append(lambda: self.model.update_cells(rows, columns, changes))

    def program(self) -> None:
        self.todo.append(lambda: self.model.program(self))

    def form(self, row: int) -> None:
        self.todo.append(lambda: self.model.form(self, row))

    def read(self, op: FrameOp, codes: list[int], *, tag: int, row: int) -> None:
        self.todo.append(lambda: self._host_read(op, tuple(codes), tag, row if op == FrameOp.READ_ROW else 0))

    def command(self, word: int) -> None:
        """COMMAND: abort, clear, clear_counters."""
        if word & 1:
            self.frames.reset()
            self.aborted = True
        if word & 2:
            self.settle()
            self.model.dw[:] = 0
            self.model.schedule.clear()
        if word & 4:
            self.settle()
            self.model.vectors = self.model.visits = self.model.clipped = self.model.clamped = 0
            self.model.verify.counts = dict.fromkeys(COUNTERS, 0)

    def edge(self) -> None:
        """Nothing to do cycle by cycle."""

    def settle(self) -> None:
        """All work is done: the model does it too, with what the macro did; not after an abort, until `adopt`."""
        if self.aborted:
            self._forget()
            return
        try:
            while self.todo:
                self.number += 1
                self.todo.popleft()()
        except Finished:
            harness.report.same("command", "none", "one more", vector=self.number)
            self.todo.clear()
        rest = self.agent.events[self.compared :]
        harness.report.same("commands that were not due", [(e.op, e.row) for e in rest], [], vector=self.number)
        self.compared = len(self.agent.events)

    # ---- the array as the model sees it ----

    def _next(self, op: int, row: int) -> Event:
        if self.compared == len(self.agent.events):
            raise Finished
        event = self.agent.events[self.compared]
        self.compared += 1
        where = {"vector": self.number, "command": self.compared, "row": row}
        for name, value in (("op", int(op)), ("row", row), ("array", int(port.WEIGHTS))):
            harness.report.same(name, getattr(event, name), value, **where)
        return event

    def came(self, event: Event) -> bool:
        """Whether a read's completion came, and was good."""
        return event.status in GOOD and event.fault not in ("lost", "never")

    def sense_row(self, row: int, groups: Any) -> Any:
        event = self._next(Op.READ_ROW, row)
        mask = sum(int(bit) << place for place, bit in enumerate(groups))
        harness.report.same("groups", event.groups, mask, vector=self.number, command=self.compared, row=row)
        return np.array(event.codes, np.int32) if self.came(event) else None

    def pulse_row(self, row: int, columns: Any, *, direction: int, amplitude: Amplitude, form: bool = False) -> None:
        event = self._next(Op.FORM if form else Op.PROGRAM, row)
        same, where = harness.report.same, {"vector": self.number, "command": self.compared, "row": row}
        same("amplitude", event.amplitude, amplitude_of(amplitude), **where)
        widths = self.settings
        width = widths.form_width if form else widths.width_set if direction == SET else widths.width_reset
        same("width", event.width, width, **where)
        counts, others = (np.array(part) for part in (event.set_counts, event.reset_counts))
        if direction != SET:
            counts, others = others, counts
        same("pulses of the other direction", int(others.sum()), 0, **where)
        wanted = columns.astype(int).tolist()
        if counts.any() or event.status in GOOD:  # a command that was stopped may have fired nothing
            same("pulses", counts.tolist(), wanted, **where)

    def _host_read(self, op: FrameOp, codes: tuple[int, ...], tag: int, row: int) -> None:
        event = self._next(Op.FORWARD if op == FrameOp.FORWARD else Op.READ_ROW, row)
        same, where = harness.report.same, {"vector": self.number, "tag": tag}
        if op == FrameOp.READ_ROW:
            same("groups", event.groups, (1 << self.design.array.groups) - 1, **where)
        result = self.results.popleft() if self.results else {}
        same("result op", result.get("op"), int(op), **where)
        same("result tag", result.get("tag"), tag, **where)
        if event.status not in GOOD:
            same("result status", result.get("status"), int(event.status), **where)
        elif not self.came(event):
            same("result status", result.get("status"), int(Status.TIMEOUT), **where)
        else:
            same("result status", result.get("status"), int(event.status), **where)
            same("codes into the array", event.codes[: len(codes)], codes, **where)
            wanted = list(event.codes[len(codes) :])
            same("result codes", result.get("codes", [])[: len(wanted)], wanted, **where)

    def result(self, seen: dict[str, int]) -> None:
        """One beat of the result stream."""
        self.words.append(seen["tdata"])
        if not seen["tlast"]:
            return
        words, self.words = self.words, []
        bits, user = frames.result_bits(self.design), seen["tuser"]
        codes = [
            code & ((1 << bits) - 1) for code in frames.unpack(words, per_beat=port.adc_codes(self.design), bits=bits)
        ]
        self.results.append({"op": user & 0xF, "status": user >> 4 & 0xFF, "tag": user >> 12, "codes": codes})

    # ---- state ----

    def compare(self, state: dict[str, Any], counters: dict[str, int], *, counts: bool = True) -> None:
        """Compare what the driver read with the model; nothing may be due any more."""
        same, model = harness.report.same, self.model
        self.settle()
        for name, memory in memories(model).items():
            for (row, column), value in state.get(name, {}).items():
                same(name, value, int(memory[row, column]), vector=self.number, row=row, column=column)
        same("touched", state["touched"], np.flatnonzero(model.schedule.touched).tolist(), vector=self.number)
        same("since_pass", state["since_pass"], model.schedule.since_pass, vector=self.number)
        if counts:
            for name, value in model.counters().items():
                same(name, counters[name], value % 2**32, vector=self.number)
            asked = model.verify.counts["sets"] + model.verify.counts["resets"]
            same("issued", counters["issued"], asked % 2**32, vector=self.number)
        ended = sum(counters[name] for name in ("delivered", "aborted", "failed", "unknown"))
        same("issued pulses accounted for", ended % 2**32, counters["issued"], vector=self.number)

    def adopt(self, state: dict[str, Any], counters: dict[str, int]) -> None:
        """Take the hardware's state as the model's, after what no rule foresees to the cycle (aborts)."""
        model = self.model
        for name, memory in memories(model).items():
            for (row, column), value in state.get(name, {}).items():
                memory[row, column] = value
        model.schedule.touched[:] = False
        model.schedule.touched[state["touched"]] = True
        model.schedule.since_pass = state["since_pass"]
        for name in ("vectors", "visits", "clipped", "clamped"):
            setattr(model, name, counters[name])
        model.verify.counts = {name: counters[name] for name in COUNTERS}
        self._forget()
        self.aborted = False

    def _forget(self) -> None:
        self.todo.clear()
        self.results.clear()
        self.compared = len(self.agent.events)


def memories(model: StreamController) -> dict[str, Any]:
    """The model's memories by the names of MEM_SELECT; views."""
    cells = model.verify.cells
    counts = {"plus": cells[:, 0::2], "minus": cells[:, 1::2]} if cells.size else {}
    return {"dW": model.dw, "W": model.copy, **counts}
