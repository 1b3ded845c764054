"""Pace of the slots, from the pins: after a slot, its pulse and the guard pass before the next one is taken."""

from __future__ import annotations

from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_model.port import PULSE_OPS, Op


class Pace:
    """Add it to the loop as a monitor.

    reference : a `scoreboard.Reference`, whose settings hold the guard as it was last written
    """

    def __init__(self, dut: Any, reference: Any):
        self.dut, self.reference = dut, reference
        self.cycle = self.slots = 0
        self.open: deque[tuple[int, int, int]] = deque()
        """Tag, width and guard of every pulse command whose slots are not all taken, oldest first."""
        self.free = 0
        """Cycle from which a slot may be taken."""

    def edge(self) -> None:
        """Compare one slot."""
        dut = self.dut
        self.cycle += 1
        if int(dut.arr_slot_valid.value) and int(dut.arr_slot_ready.value) and self.open:
            early = max(0, self.free - self.cycle)
            harness.report.same("cycles that a slot comes too early", early, 0, slot=self.slots)
            self.slots += 1
            _, width, guard = self.open[0]
            self.free = self.cycle + width + guard
            if int(dut.arr_slot_last.value):
                self.open.popleft()
        if int(dut.arr_done_valid.value) and int(dut.arr_done_ready.value):
            tag = int(dut.arr_done_tag.value)
            self.open = deque(command for command in self.open if command[0] != tag)
        if int(dut.arr_cmd_valid.value) and int(dut.arr_cmd_ready.value):
            self._command(int(dut.arr_cmd_op.value))

    def _command(self, op: int) -> None:
        if op == Op.ABORT:
            self.open.clear()
        elif op in PULSE_OPS:
            guard = self.reference.train["train_guard"] if op == Op.TRAIN else self.reference.settings.guard
            self.open.append((int(self.dut.arr_cmd_tag.value), int(self.dut.arr_cmd_width.value), guard))
