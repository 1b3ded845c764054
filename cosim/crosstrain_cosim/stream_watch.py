"""Register accesses, as the pins show them, to changes of the model: where changes of weights come from the host."""

from __future__ import annotations

import dataclasses
from typing import Any

from crosstrain_cosim.register_watch import Registers

PULSES = ("WIDTH_SET", "WIDTH_RESET", "GUARD", "FORM_WIDTH")


class StreamRegisters(Registers):
    """Turns register accesses that were answered OKAY into changes of the model.

    reference : a `stream_scoreboard.StreamReference`; what needs idle comes when all work before is done
    """

    def __init__(self, reference: Any):
        super().__init__(reference)
        self.select = 0

    def change(self, name: str, word: int, value: int) -> None:
        reference = self.reference
        register = next(register for register in self.table.values() if register.name == name)
        if register.kind in ("setting", "window") and name != "TIMEOUT":
            reference.settle()
        model = reference.model
        if name == "THRESHOLD":
            log2 = reference.design.update.threshold_power_of_two
            model.configure(threshold=1 << word if log2 else word)
        elif name in PULSES:
            reference.settings = dataclasses.replace(reference.settings, **{name.lower(): word})
        elif register.kind == "setting":
            model.configure(**{name.lower(): value})
        elif name == "COMMAND":
            reference.command(word)
        elif name == "MEM_SELECT":
            self.select = word
        elif name == "MEM_ADDRESS":
            self.row, self.column = word >> 20, (word >> 8 & 0xFFF) * reference.design.array.lanes + (word & 0xFF)
        elif name == "MEM_DATA":
            self._put(value)
            self._advance()
        elif name == "TOUCHED_INDEX":
            self.touched = word
        elif name == "TOUCHED_DATA":
            rows = model.schedule.touched[32 * self.touched :][:32]  # a view
            rows[:] = [word >> bit & 1 for bit in range(len(rows))]
            self._advance_touched()
        elif name == "VECTORS_SINCE_PASS":
            model.schedule.since_pass = word

    def _put(self, value: int) -> None:
        """MEM_DATA: the cell of the memory chosen; bits that it does not have are cut off."""
        model, design = self.reference.model, self.reference.design
        if self.select >= 2:
            mask = (1 << design.verify.cell_bits) - 1
            model.verify.cells[self.row, 2 * self.column + self.select - 2] = value & mask
            return
        bits = design.copy_bits if self.select else design.formats.accumulator
        half = 1 << (bits - 1)
        memory = model.copy if self.select else model.dw
        memory[self.row, self.column] = ((value & (2 * half - 1)) ^ half) - half
        if not self.select:
            model.schedule.touch_all()
