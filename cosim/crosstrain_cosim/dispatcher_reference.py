"""The model of the dispatcher beside its pins: commands handed over, commands, slots and words, completions taken."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_model import port
from crosstrain_model.port import ABORT_TAG, LAST_TAG, ArrayId, Op, Status
from crosstrain_model.pulse import PulseLedger

Slot = tuple[int, int, int]
"""Masks of rows, columns and directions."""


@dataclasses.dataclass(kw_only=True)
class Command:
    """An open command, as the model knows it."""

    kind: str
    """p: pulses of a row, n: a train, q: the read of a row, h: a read of the host."""
    pins: dict[str, int]
    amount: int = 0
    slots: list[Slot] = dataclasses.field(default_factory=list)
    taken: bool = False
    words: int = 0
    dropped: int = 0
    stopped: bool = False
    """The host has aborted it: further words are dropped."""
    told: dict[str, int] = dataclasses.field(default_factory=dict)


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any, trains: Any, pulse: Any):
        self.dut, self.design, self.trains, self.pulse = dut, harness.design(), trains, pulse
        self.reset()

    def reset(self) -> None:
        self.ledgers = {"n": PulseLedger(), "p": PulseLedger()}
        self.open: deque[Command] = deque()
        self.offers: deque[Command] = deque()
        self.results: deque[dict[str, int]] = deque()
        self.commands = self.strays = self.aborts = self.timeouts = self.errors = self.tag = self.slots = 0
        self.drains = self.losing = False
        self.words = 0
        self.ended: list[bool] = []
        """Whether each read of a row that ended was good."""

    # ---- commands ----

    def train(self, seen: dict[str, int]) -> None:
        pins = {name: int(getattr(self.dut, f"train_{name}").value) for name in ("width", "amplitude")}
        array = port.train_array(self.design)
        self._begin("n", {"op": Op.TRAIN, "array": array, "row": 0, **pins}, seen["slots"], self.trains.queue[0])

    def program(self, seen: dict[str, int]) -> None:
        assert self.pulse is not None
        full = (1 << self.design.array.device_columns) - 1
        slots = [(0, mask, seen["direction"] * full) for mask in self.pulse.queue[0]["slots"]]
        pins = {name: seen[name] for name in ("row", "width", "amplitude")}
        self._begin("p", {"op": Op.PROGRAM, "array": ArrayId.W, **pins}, seen["pulses"], slots)

    def row(self, seen: dict[str, int]) -> None:
        self._begin("q", {"op": Op.READ_ROW, "array": ArrayId.A, "row": seen["row"], "width": 0, "amplitude": 0})

    def read(self, seen: dict[str, int]) -> None:
        harness.report.same("open before a read of the host", len(self.open), 0, command=self.commands)
        row = seen["row"] if seen["op"] == Op.READ_ROW else 0
        self._begin("h", {"op": seen["op"], "array": ArrayId.W, "row": row, "width": 0, "amplitude": 0})
        self.open[-1].told = {"op": seen["op"], "tag": seen["tag"]}

    def _begin(self, kind: str, pins: dict[str, int], amount: int = 0, slots: Any = ()) -> None:
        if int(self.dut.cancel.value):
            if kind in self.ledgers:
                self.ledgers[kind].drop(amount)
            elif kind == "q":
                self.ended.append(False)
            return
        if kind in self.ledgers:
            self.ledgers[kind].issue(amount)
        command = Command(kind=kind, pins={**pins, "tag": self.tag}, amount=amount, slots=list(slots))
        self.tag = 0 if self.tag == LAST_TAG else self.tag + 1
        self.open.append(command)
        self.offers.append(command)
        harness.report.same("too many open", len(self.open) > port.outstanding(self.design), False)

    def command(self, seen: dict[str, int]) -> None:
        """The array took a command."""
        if seen["op"] == Op.ABORT:
            self.aborts += 1
            self.drains = True
            harness.report.same("tag of ABORT", seen["tag"], ABORT_TAG)
            return
        self.commands += 1
        due = self.offers.popleft()
        due.taken = True
        for name, value in due.pins.items():
            harness.report.same(f"arr_cmd_{name}", seen[name], int(value), command=self.commands)
        harness.report.same("first command is ABORT", self.aborts > 0, True)

    def slot(self, seen: dict[str, int]) -> None:
        """A slot was taken: of the oldest command that has any left."""
        self.slots += 1
        due = next((command for command in self.open if command.slots), None)
        harness.report.same("slot of a command at the array", due is not None and due.taken, True, slot=self.slots)
        if due is None:
            return
        slot = due.slots.pop(0)
        for name, value in zip(("rows", "columns", "direction"), slot, strict=True):
            harness.report.same(f"arr_slot_{name}", seen[name], value, slot=self.slots)
        harness.report.same("arr_slot_last", seen["last"], int(not due.slots), slot=self.slots)

    # ---- ends ----

    def done(self, seen: dict[str, int]) -> None:
        """A completion was taken."""
        head = self.open[0] if self.open else None
        if head and head.taken and not self.losing and seen["tag"] == head.pins["tag"]:
            self.open.popleft()
            if head.kind in self.ledgers:
                self.ledgers[head.kind].complete(head.amount, seen["status"], seen["pulses"])
            self._ended(head, seen["status"])
        elif self.drains and seen["tag"] == ABORT_TAG:
            self.drains = False
            self._lose_all()
        else:
            self.strays += 1

    def _ended(self, head: Command, status: int) -> None:
        good = status in (Status.OK, Status.SATURATED)
        if head.kind == "q":
            due = port.adc_words(self.design, Op.READ_ROW)
            self.ended.append(good and head.words == due and not head.dropped)
        elif head.kind == "h":
            status = Status.ABORTED if head.dropped and good else status
            self.results.append({**head.told, "status": status, "passed": head.words})

    def _lose_all(self) -> None:
        self.losing = bool(self.open)

    def _lose_one(self) -> None:
        head = self.open.popleft()
        if head.kind in self.ledgers:
            self.ledgers[head.kind].lose(head.amount)
        self._ended(head, Status.TIMEOUT)

    def edge(self) -> None:
        """What is given up goes, a command a cycle; an abort of the host stops words from the next cycle on."""
        self.errors += int(self.dut.array_error.value)
        if self.losing and self.open:
            self._lose_one()
        self.losing = self.losing and bool(self.open)
        if int(self.dut.timed_out.value):
            self.timeouts += 1
            self._lose_all()
        if int(self.dut.host_abort.value):
            for command in self.open:
                command.stopped = True
        if self.design.transfers and int(self.dut.z_end.value):
            due = self.ended.pop(0) if self.ended else None
            harness.report.same("z_good", bool(int(self.dut.z_good.value)), due, command=self.commands)

    # ---- words ----

    def word(self, seen: dict[str, int]) -> None:
        """A word of the array was taken: of the oldest read; whether it was passed on is seen on the other side."""
        read = next((command for command in self.open if command.taken and command.kind in "qh"), None)
        if read is None or (self.losing and read.kind == "q" and read is self.open[0]):
            self.strays += 1
            return
        passed = read.kind == "q" and int(self.dut.z_valid.value) and int(self.dut.z_ready.value)
        if passed:
            harness.report.same("word of a row", int(self.dut.z_codes.value), seen["codes"], command=self.commands)
        if read.kind == "h":
            passed = not (read.stopped or self.losing)
        read.words += bool(passed)
        read.dropped += not passed

    def output(self, _: dict[str, int]) -> None:
        self.words += 1

    def result(self, seen: dict[str, int]) -> None:
        due = self.results.popleft() if self.results else {}
        for name in ("op", "tag", "status"):
            harness.report.same(f"r_{name}", seen[name], due.get(name), command=self.commands)
        harness.report.same("words of a read", self.words, due.get("passed"), command=self.commands)
        self.words = 0
