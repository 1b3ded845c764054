"""Register accesses, as the pins show them, to changes of the model: where weights are hybrid."""

from __future__ import annotations

from typing import Any

from crosstrain_cosim.register_watch import Registers
from crosstrain_model.registers_gradient import STREAM_WORDS

ROUNDING = 3
"""Number of the stream of rounding in STREAM_INDEX."""


class HybridRegisters(Registers):
    """Turns register accesses that were answered OKAY into changes of the model.

    reference : a `hybrid_scoreboard.HybridReference`; what needs idle comes when all work before is done
    """

    def __init__(self, reference: Any):
        super().__init__(reference)
        self.select = self.stream = 0

    def change(self, name: str, word: int, value: int) -> None:
        reference = self.reference
        register = next(register for register in self.table.values() if register.name == name)
        if register.kind in ("setting", "window") and name != "TIMEOUT":
            reference.settle()
        model = reference.model
        if register.kind == "setting":
            model.configure(**{name.lower(): value})
            reference.settings = model.pulse
        elif name == "COMMAND":
            reference.command(word)
        elif name == "MEM_SELECT":
            self.select = word
        elif name == "MEM_ADDRESS":
            reference.free = reference.agent.cells is not None and not self.select
            self.row, self.column = word >> 20, (word >> 8 & 0xFFF) * reference.design.array.lanes + (word & 0xFF)
        elif name == "MEM_DATA":
            self._put(value)
            self._advance()
        elif name == "STREAM_INDEX":
            self.stream = word
        elif name == "STREAM_DATA":
            if self.stream // STREAM_WORDS == ROUNDING:
                model.rounding.load(self.stream % STREAM_WORDS, word)
            self._advance_stream()
        elif name == "REFRESH_STATE":
            model.refresh.since, model.refresh.place = word & 0xFFFF, word >> 16 & 0x3FF
            model.refreshed_last = bool(word >> 31)

    def walk(self, name: str) -> None:
        super().walk(name)
        if name == "STREAM_DATA":
            self._advance_stream()

    def _advance_stream(self) -> None:
        self.stream = (self.stream + 1) % (4 * STREAM_WORDS)

    def _put(self, value: int) -> None:
        """MEM_DATA: the cell of the memory chosen; bits that it does not have are cut off."""
        model, design = self.reference.model, self.reference.design
        if self.select:
            mask = (1 << design.verify.cell_bits) - 1
            model.verify.cells[self.row, 2 * self.column + self.select - 1] = value & mask
            return
        half = design.hybrid.scale
        model.memory.held[self.row, self.column] = ((value & (2 * half - 1)) ^ half) - half
