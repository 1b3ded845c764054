"""The controller's model beside the pins of the controller: frames and register writes in, commands and results out.

Everything comes from the pins. What the array was told is compared with the model command by command and pulse by
pulse, results code by code; `Reference.compare` then compares all the state that the driver can read.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.agent import Agent
from crosstrain_cosim.event import Event
from crosstrain_cosim.frame_reader import FrameReader
from crosstrain_cosim.register_watch import Registers
from crosstrain_model import frames, port
from crosstrain_model.controller import Controller
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp
from crosstrain_model.port import Op, Status
from crosstrain_model.pulse import PulseSettings, row_commands

READS = {FrameOp.FORWARD: Op.FORWARD, FrameOp.BACKWARD: Op.BACKWARD, FrameOp.READ_ROW: Op.READ_ROW}


class Reference:
    """The model, what it expects of the array, and what came."""

    def __init__(self, design: Design, agent: Agent):
        self.design, self.agent = design, agent
        self.frames = FrameReader(design, self.vector, self.program, self.read)
        self.registers = Registers(self)
        self.old_epoch = False
        """Set after a reset until the controller is up again: what the array still finishes belongs to no one."""
        self.tolerant = False
        """Set where commands may be dropped: those that come must be due, in order, but some may be missing."""
        self.reset()

    def reset(self) -> None:
        """Power-up plus clear."""
        self.model = Controller(self.design, ledger=True)
        self.settings = PulseSettings.of(self.design)
        self.due: deque[dict[str, Any]] = deque()
        self.results: deque[dict[str, Any]] = deque()
        self.frames.reset()
        self.words: list[int] = []
        self.compared = len(self.agent.events)
        self.number = 0

    # ---- what goes in ----

    def vector(self, x: list[int], ex: int, d: list[int], ed: int) -> None:
        self.number += 1
        self._commands(self.model.update(x, ex, d, ed))

    def program(self) -> None:
        self._commands(self.model.program())

    def _commands(self, programs: list[tuple[int, Any]]) -> None:
        for row, counts in programs:
            for command in row_commands(self.design, row, counts, self.settings):
                self.due.append({"vector": self.number, "op": Op.PROGRAM, "row": row, "command": command})

    def read(self, op: FrameOp, codes: list[int], *, tag: int, row: int) -> None:
        row = row if op == FrameOp.READ_ROW else 0
        due = {"vector": self.number, "op": READS[op], "row": row, "codes": tuple(codes), "tag": tag, "frame": op}
        self.due.append(due)

    # ---- what comes out ----

    def edge(self) -> None:
        """Compare the commands that the array has finished."""
        if self.old_epoch:
            self.compared = len(self.agent.events)
        while self.compared < len(self.agent.events):
            event = self.agent.events[self.compared]
            self.compared += 1
            self._compare(event)

    def _compare(self, event: Event) -> None:
        same = harness.report.same
        if self.tolerant:
            while self.due and (self.due[0]["op"], self.due[0]["row"]) != (event.op, event.row):
                self.due.popleft()
        if not self.due:
            same("command", f"{Op(event.op).name} of row {event.row}", "none", vector=self.number)
            return
        due = self.due.popleft()
        where = {"vector": due["vector"], "command": self.compared, "row": due["row"]}
        same("op", event.op, int(due["op"]), **where)
        same("row", event.row, due["row"], **where)
        same("array", event.array, int(port.WEIGHTS), **where)
        if due["op"] == Op.PROGRAM:
            self._compare_pulses(event, due["command"], where)
        elif event.status == Status.OK:
            same("codes into the array", event.codes[: len(due["codes"])], due["codes"], **where)
            self.results.append({**due, "out": event.codes[len(due["codes"]) :], "fault": event.fault})
        else:
            self.results.append({**due, "out": None, "status": event.status})

    def _compare_pulses(self, event: Event, command: Any, where: dict[str, int]) -> None:
        same = harness.report.same
        same("width", event.width, command.width, **where)
        same("amplitude", event.amplitude, command.amplitude, **where)
        fired = np.array(event.set_counts if command.direction else event.reset_counts)
        other = event.reset_counts if command.direction else event.set_counts
        same("pulses of the other direction", sum(other), 0, **where)
        slots = int(fired.max(initial=0)) if event.status != Status.OK else int(command.counts.max())
        expected = np.minimum(command.counts, slots)  # a command that ends early has fired its first slots
        if not same("pulses", fired.tolist(), expected.tolist(), **where):
            column = int(np.flatnonzero(fired != expected)[0])
            same("pulses of one column", int(fired[column]), int(expected[column]), column=column, **where)

    def result(self, seen: dict[str, int]) -> None:
        """One beat of the result stream."""
        self.words.append(seen["tdata"])
        if not seen["tlast"]:
            return
        words, self.words = self.words, []
        lanes, bits = self.design.array.lanes, frames.result_bits(self.design)
        codes = frames.unpack(words, per_beat=lanes, bits=bits)
        user = seen["tuser"]
        due = self.results.popleft() if self.results else {}
        where = {"vector": self.number, "tag": user >> 12}
        same = harness.report.same
        same("result op", user & 0xF, due.get("frame"), **where)
        same("result tag", user >> 12, due.get("tag"), **where)
        status = user >> 4 & 0xFF
        if due.get("out") is None:
            same("result status", status, due.get("status"), **where)
        elif status == Status.TIMEOUT and due["fault"] in ("lost", "late"):
            same("result of a read whose completion did not come", len(codes) > 0, True, **where)
        else:
            same("result status", status, int(Status.OK), **where)
            for column, value in enumerate(due["out"]):
                same("result code", codes[column], value, column=column, **where)

    # ---- state ----

    def compare(self, state: dict[str, Any], counters: dict[str, int], *, counts: bool = True) -> None:
        """Compare what the driver read with the model; nothing may be due any more.

        state : `touched`, `since_pass`, and `cells`, {(row, column): accumulator}
        """
        same, model = harness.report.same, self.model
        if not self.tolerant:
            same("commands that never came", 0, len(self.due), vector=self.number)
        for (row, column), value in state["cells"].items():
            same("accumulator", value, int(model.chi[row, column]), vector=self.number, row=row, column=column)
        same("touched", state["touched"], np.flatnonzero(model.schedule.touched).tolist(), vector=self.number)
        same("since_pass", state["since_pass"], model.schedule.since_pass, vector=self.number)
        if counts:
            for name in ("vectors", "visits", "clipped", "issued"):
                same(name, counters[name], getattr(model, name) % 2**32, vector=self.number)
        ended = sum(counters[name] for name in ("delivered", "aborted", "failed", "unknown"))
        same("issued pulses accounted for", ended % 2**32, counters["issued"], vector=self.number)
        if model.ledger is not None:
            same("imbalance of the ledger", int(np.abs(model.ledger.imbalance(model.chi)).max()), 0, vector=self.number)

    def adopt(self, state: dict[str, Any]) -> None:
        """Take the hardware's state as the model's, after what no rule foresees to the cycle (aborts)."""
        for (row, column), value in state["cells"].items():
            self.model.chi[row, column] = value
        self.model.schedule.touched[:] = False
        self.model.schedule.touched[state["touched"]] = True
        self.model.schedule.since_pass = state["since_pass"]
        self.model.ledger = None
        self.due.clear()
