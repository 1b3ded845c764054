"""The macro of a design with one-sided pairs at the pins: reads of single devices, of groups that are named; forming.

Otherwise it is `agent.Agent`.  Codes at the top of their range end a read as SATURATED.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from crosstrain_cosim.agent import PAYLOAD, Agent
from crosstrain_cosim.event import Event
from crosstrain_model import port
from crosstrain_model.port import Op, Status
from crosstrain_model.pulse import RESET, SET


class StreamAgent(Agent):
    """See there; array : an `RramTile`."""

    payload = (*PAYLOAD, "groups")

    def _dac(self) -> None:
        """A word of input codes: one bit of every row, or codes of `lanes` rows."""
        now, array = self._now, self.design.array
        if now is None and self._unaware():
            return
        assert now is not None, "input codes outside a command"
        assert now.op == Op.FORWARD, f"input codes outside a read: {now}"
        word, bits = int(self.dut.arr_dac_codes.value), self.design.formats.x
        if array.read == "bit-serial":
            if not self._codes:
                self._codes = [0] * array.rows
                self._bits: list[int] = []
            self._bits.append(word)
            if len(self._bits) <= bits:
                for row in range(array.rows):
                    self._codes[row] |= (word >> row & 1) << (len(self._bits) - 1)
            else:
                assert word == self._bits[(len(self._bits) - 1) % bits], "groups are read with different codes"
        else:
            width = port.code_bits(self.design)
            self._codes += [word >> width * lane & ((1 << bits) - 1) for lane in range(array.lanes)]
        self._taken += 1
        last = int(self.dut.arr_dac_last.value)
        assert last == (self._taken == port.dac_words(self.design, now.op)), f"dac_last at word {self._taken} of {now}"
        if last:
            self._convert()
        self._fault_now()

    def _convert(self) -> None:
        now, array, width = self._now, self.design.array, port.adc_codes(self.design)
        assert now is not None
        codes = self._codes[: array.rows] if now.op == Op.FORWARD else []
        groups = np.array([now.op == Op.FORWARD or bool(now.groups >> g & 1) for g in range(array.groups)])
        if now.op == Op.READ_ROW:
            answer = self.array.sense_row(now.row, groups).tolist()
        else:
            answer = self.array.forward(np.array([codes]))[0].tolist()
        now.codes = (*codes, *answer)
        padded = answer + [0] * (array.groups * width - len(answer))
        words = [padded[start : start + width] for start in range(0, len(padded), width)]
        self._words = deque(word for word, named in zip(words, groups, strict=True) if named)
        self._saturated = max(answer) == (1 << self.design.formats.adc) - 1

    def _end(self, at: int | None = None) -> None:
        super()._end(at)
        now = self._now
        assert self._ending is not None
        if now is not None and now.op in (Op.FORWARD, Op.READ_ROW) and self._saturated:
            self._ending = (Status.SATURATED, self._ending[1])

    def _pulse(self, now: Event) -> None:
        for direction, counts in ((SET, self._sets), (RESET, self._resets)):
            form = now.op == Op.FORM
            amplitude = now.amplitude if isinstance(now.amplitude, int) else np.array(now.amplitude)
            self.array.pulse_row(now.row, counts > 0, direction=direction, amplitude=amplitude, form=form)
