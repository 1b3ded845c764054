"""The macro of a design with hybrid weights at the pins: pairs, and binary devices of L where they hold it.

Otherwise it is `stream_agent.StreamAgent`.  Reads of vectors have signed codes of weights, in the lower half of a word.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim.agent import Agent
from crosstrain_cosim.event import Event
from crosstrain_cosim.stream_agent import StreamAgent
from crosstrain_cosim.streams import packed
from crosstrain_model import port
from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId, Op, Status
from crosstrain_model.pulse import RESET, SET


class HybridAgent(StreamAgent):
    """See there; array : the pairs, a `PcmTile`; cells : array L, a `PcmBinaryArray`, or None."""

    def __init__(self, dut: Any, design: Design, array: Any, cells: Any, rng: random.Random, **pace: Any):
        self.cells = cells
        super().__init__(dut, design, array, rng, **pace)

    def _dac(self) -> None:
        Agent._dac(self)

    def _convert(self) -> None:
        now, array = self._now, self.design.array
        assert now is not None
        self._saturated = False
        if now.op == Op.READ_ROW:
            self._convert_row(now)
            return
        inputs = array.rows if now.op == Op.FORWARD else array.columns
        codes = self._codes[:inputs]
        read = self.array.forward if now.op == Op.FORWARD else self.array.backward
        answer = read(np.array([codes]))[0].tolist()
        now.codes = (*codes, *answer)
        padded = answer + [0] * (-len(answer) % array.lanes)
        self._words = deque(padded[at : at + array.lanes] for at in range(0, len(padded), array.lanes))

    def _convert_row(self, now: Event) -> None:
        """Codes, or bits, of the groups named."""
        of_cells = now.array == ArrayId.L
        groups = np.array([bool(now.groups >> g & 1) for g in range(self.design.array.groups)])
        answer = (self.cells if of_cells else self.array).sense_row(now.row, groups).tolist()
        width = self.design.array.lanes * self.design.hybrid.bits if of_cells else port.adc_codes(self.design)
        now.codes = tuple(answer)
        padded = answer + [0] * (len(groups) * width - len(answer))
        words = [padded[start : start + width] for start in range(0, len(padded), width)]
        self._words = deque(word for word, named in zip(words, groups, strict=True) if named)
        self._saturated = not of_cells and max(answer) == (1 << self.design.formats.adc) - 1

    def _packed(self, word: list[int]) -> int:
        of_cells = self._now is not None and self._now.op == Op.READ_ROW and self._now.array == ArrayId.L
        return packed(word, 1 if of_cells else self.design.formats.adc)

    def _end(self, at: int | None = None) -> None:
        Agent._end(self, at)
        assert self._ending is not None
        if self._now is not None and self._now.op == Op.READ_ROW and self._saturated:
            self._ending = (Status.SATURATED, self._ending[1])

    def _pulse(self, now: Event) -> None:
        of_cells, array = now.array == ArrayId.L, self.design.array
        width = array.columns * self.design.hybrid.bits if of_cells else array.device_columns
        assert not self._sets[width:].any(), f"pulses beyond the last device column: {now}"
        assert not self._resets[width:].any(), f"pulses beyond the last device column: {now}"
        now.set_counts, now.reset_counts = now.set_counts[:width], now.reset_counts[:width]
        for direction, counts in ((SET, self._sets[:width]), (RESET, self._resets[:width])):
            for slot in range(int(counts.max())):  # a carry has a slot for each pulse
                (self.cells if of_cells else self.array).pulse_row(
                    now.row, counts > slot, direction=direction, amplitude=now.amplitude
                )
