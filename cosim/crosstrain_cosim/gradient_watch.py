"""Register accesses, as the pins show them, to changes of the model of a controller with in-memory gradients."""

from __future__ import annotations

import dataclasses
from typing import Any

from crosstrain_cosim.register_watch import Registers
from crosstrain_model.chopper import chopper_words
from crosstrain_model.gradient_controller import REGISTERS
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.registers_gradient import STREAM_WORDS

ROW_PULSES = ("WIDTH_SET", "WIDTH_RESET", "GUARD", "AMPLITUDE_SET", "AMPLITUDE_RESET")
TRAINS = ("TRAIN_WIDTH", "TRAIN_GUARD", "TRAIN_AMPLITUDE")
MEANS = {"MEAN_X": "m_x", "MEAN_X_EXPONENT": "e_x", "MEAN_D": "m_d", "MEAN_D_EXPONENT": "e_d"}
SWEEP = {"SINCE_TRANSFER": "since", "SWEEP_ROW": "row", "SWEEP_READS": "reads_in_period", "SWEEPS": "sweeps"}


class GradientRegisters(Registers):
    """Turns register accesses that were answered OKAY into changes of the model.

    reference : a `gradient_scoreboard.GradientReference`
    """

    def __init__(self, reference: Any):
        super().__init__(reference)
        self.select = self.stream = self.chopper = 0

    def change(self, name: str, word: int, value: int) -> None:
        reference, model = self.reference, self.reference.model
        if name.lower() in REGISTERS:
            log2 = name == "THRESHOLD" and reference.design.update.threshold_power_of_two
            model.configure(**{name.lower(): 1 << word if log2 else value})
        elif name in ROW_PULSES:
            reference.settings = dataclasses.replace(reference.settings, **{name.lower(): word})
        elif name in TRAINS:
            reference.train[name.lower()] = word
        elif name == "COMMAND" and word & 2:
            model.clear()
        elif name == "COMMAND" and word & 1:
            reference.frames.reset()
        elif name == "MEM_SELECT":
            self.select = word
        elif name == "MEM_ADDRESS":
            self.row, self.column = word >> 20, (word >> 8 & 0xFFF) * reference.design.array.lanes + (word & 0xFF)
        elif name == "MEM_DATA":
            model.transfer.write(self.select, self.row, self.column, value, model.ledger)
            self._advance()
        elif name in MEANS:
            model.means = dataclasses.replace(model.means, **{MEANS[name]: value})
        elif name in SWEEP:
            setattr(model.sweep, SWEEP[name], word)
        else:
            self._indexed(name, word)

    def _indexed(self, name: str, word: int) -> None:
        """Windows with an index."""
        model = self.reference.model
        if name == "STREAM_INDEX":
            self.stream = word
        elif name == "STREAM_DATA":
            stream = model.streams().get(STREAMS[self.stream // STREAM_WORDS])
            if stream is not None:
                stream.load(self.stream % STREAM_WORDS, word)
            self._advance_stream()
        elif name == "CHOPPER_INDEX":
            self.chopper = word
        elif name == "CHOPPER_DATA":
            model.sweep.chopper.put_word(self.chopper, word)
            self._advance_chopper()

    def walk(self, name: str) -> None:
        steps = {"MEM_DATA": self._advance, "STREAM_DATA": self._advance_stream, "CHOPPER_DATA": self._advance_chopper}
        if name in steps:
            steps[name]()

    def _advance_stream(self) -> None:
        self.stream = (self.stream + 1) % (STREAM_WORDS * len(STREAMS))

    def _advance_chopper(self) -> None:
        self.chopper = (self.chopper + 1) % chopper_words(self.reference.design)
