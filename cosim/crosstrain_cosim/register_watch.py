"""Register accesses, as the pins show them, to changes of the model: the bus side of the controller's scoreboard."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_model.register import OKAY
from crosstrain_model.registers import register_table


class Registers:
    """Turns register accesses that were answered OKAY into changes of the model.

    reference : a `scoreboard.Reference`, whose model, settings and frames they change
    """

    def __init__(self, reference: Any):
        self.reference = reference
        self.table = {register.offset: register for register in register_table(reference.design)}
        self.pending: dict[str, int] = {}
        self.row = self.column = self.touched = 0

    def address(self, seen: dict[str, int]) -> None:
        self.pending["write"] = seen["awaddr"]

    def data(self, seen: dict[str, int]) -> None:
        self.pending["data"] = seen["wdata"]

    def read_address(self, seen: dict[str, int]) -> None:
        self.pending["read"] = seen["araddr"]

    def written(self, seen: dict[str, int]) -> None:
        """A write was answered."""
        if seen["bresp"] != OKAY:
            return
        register, word = self.table[self.pending["write"]], self.pending["data"]
        name = register.name
        if not register.fits(word):
            harness.report.same(f"write of 0x{word:08x} to {name}", "accepted", "refused")
            return
        self.change(name, word, word - (1 << 32) if word >> 31 else word)

    def change(self, name: str, word: int, value: int) -> None:
        """What a write does; `value` is the word as a signed number."""
        reference, model = self.reference, self.reference.model
        if name == "THRESHOLD":
            log2 = reference.design.update.threshold_power_of_two
            model.configure(threshold=1 << word if log2 else word)
        elif name in ("SHIFT", "PROGRAM_EVERY"):
            model.configure(**{name.lower(): value})
        elif name in ("WIDTH_SET", "WIDTH_RESET", "GUARD", "AMPLITUDE_SET", "AMPLITUDE_RESET"):
            reference.settings = dataclasses.replace(reference.settings, **{name.lower(): word})
        elif name == "COMMAND" and word & 2:
            model.clear()
        elif name == "COMMAND" and word & 1:
            reference.frames.reset()
        elif name == "MEM_ADDRESS":
            self.row, self.column = word >> 20, (word >> 8 & 0xFFF) * reference.design.array.lanes + (word & 0xFF)
        elif name == "MEM_DATA":
            cell = (slice(self.row, self.row + 1), slice(self.column, self.column + 1))
            if model.ledger is not None:
                model.ledger.written(cell, model.chi[cell], np.array([[value]]))
            model.chi[cell] = value
            model.schedule.touch_all()
            self._advance()
        elif name == "TOUCHED_INDEX":
            self.touched = word
        elif name == "TOUCHED_DATA":
            rows = model.schedule.touched[32 * self.touched :][:32]  # a view
            rows[:] = [word >> bit & 1 for bit in range(len(rows))]
            self._advance_touched()
        elif name == "VECTORS_SINCE_PASS":
            model.schedule.since_pass = word

    def read(self, seen: dict[str, int]) -> None:
        """A read was answered: windows move on."""
        if seen["rresp"] != OKAY:
            return
        self.walk(self.table[self.pending["read"]].name)

    def walk(self, name: str) -> None:
        """What a read of a window moves on."""
        if name == "MEM_DATA":
            self._advance()
        elif name == "TOUCHED_DATA":
            self._advance_touched()

    def _advance(self) -> None:
        array = self.reference.design.array
        self.column += 1
        if self.column == array.columns:
            self.column, self.row = 0, (self.row + 1) % array.rows

    def _advance_touched(self) -> None:
        self.touched = (self.touched + 1) % -(-self.reference.design.array.rows // 32)
