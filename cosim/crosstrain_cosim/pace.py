"""Pace of the slots, from the pins: after a slot, its pulse and the guard pass before the next one is taken."""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness
from crosstrain_model.port import Op


class Pace:
    """Add it to the loop as a monitor.

    reference : a `scoreboard.Reference`, whose settings hold the guard as it was last written
    """

    def __init__(self, dut: Any, reference: Any):
        self.dut, self.reference = dut, reference
        self.cycle = self.width = self.slots = 0
        self.free = 0
        """Cycle from which a slot may be taken."""

    def edge(self) -> None:
        """Compare one slot."""
        dut = self.dut
        self.cycle += 1
        if int(dut.arr_slot_valid.value) and int(dut.arr_slot_ready.value):
            early = max(0, self.free - self.cycle)
            harness.report.same("cycles that a slot comes too early", early, 0, slot=self.slots)
            self.slots += 1
            self.free = self.cycle + self.width + self.reference.settings.guard
        if int(dut.arr_cmd_valid.value) and int(dut.arr_cmd_ready.value) and int(dut.arr_cmd_op.value) == Op.PROGRAM:
            self.width = int(dut.arr_cmd_width.value)
