"""An analog macro in Python at the pins of the array port: takes commands, slots, codes; answers from an `ArrayTile`.

It behaves as docs/array-port.md asks, at a pace of its own: random gaps before it is ready, random latencies. A `Fault`
makes it misbehave once, as real macros do: wrong statuses, lost, late, repeated and stray completions.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from crosstrain_cosim.event import Event, Fault, amplitude_on_pins
from crosstrain_cosim.streams import packed, unpacked
from crosstrain_model import port
from crosstrain_model.design import Design
from crosstrain_model.port import ABORT_TAG, Op, Status

PAYLOAD = ("op", "array", "row", "width", "amplitude", "tag")


@dataclasses.dataclass(kw_only=True)
class _Done:
    tag: int
    status: int
    pulses: int
    due: int


class Agent:
    """The macro. Add it to the loop as a driver; `events` is what it did.

    array : answers reads and takes pulses; without one, reads give zeros
    gaps : chance of a cycle in which a stream is not ready, or has nothing
    latency : least and greatest number of cycles between the end of the work and the completion
    fault : called with each command other than ABORT; its answer is applied
    """

    payload = PAYLOAD

    def __init__(
        self,
        dut: Any,
        design: Design,
        array: Any,
        rng: random.Random,
        *,
        gaps: float = 0.0,
        latency: tuple[int, int] = (0, 0),
        fault: Callable[[Event], Fault | None] | None = None,
    ):
        self.dut, self.design, self.array, self.rng = dut, design, array, rng
        self.gaps, self.latency, self.fault = gaps, latency, fault
        self.events: list[Event] = []
        self.sent: list[tuple[int, int, int]] = []
        """(tag, status, pulses) of every completion that was taken."""
        self.cycle = 0
        self.aborts = 0
        names = ("cmd_valid", "slot_valid", "dac_valid", "adc_ready", "done_ready", "prog_enable")
        self._pins = {name: getattr(dut, f"arr_{name}") for name in names}
        self._driven: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Power-up of the macro."""
        self._now: Event | None = None
        self._sets = np.zeros(port.slot_columns(self.design), np.int64)
        self._resets = np.zeros_like(self._sets)
        self._fault: Fault | None = None
        self._taken = 0
        self._pulse_end = 0
        self._answered = -1
        self._ending: tuple[int, int] | None = None
        self._codes: list[int] = []
        self._words: deque[list[int]] = deque()
        self._dones: deque[_Done] = deque()
        for name in ("adc_valid", "done_valid"):
            self._drive(name, 0)

    def _drive(self, name: str, value: int) -> None:
        if self._driven.get(name) != value:
            getattr(self.dut, f"arr_{name}").value = value
            self._driven[name] = value

    def _high(self, name: str) -> bool:
        return bool(int(self._pins[name].value))

    def edge(self) -> None:
        """Take what was given and accepted, then offer what is due."""
        self.cycle += 1
        driven = self._driven
        if driven["done_valid"] and self._high("done_ready"):
            done = self._dones.popleft()
            self._answered = self.cycle
            self.sent.append((done.tag, done.status, done.pulses))
            self._drive("done_valid", 0)
        if driven["adc_valid"] and self._high("adc_ready"):
            self._words.popleft()
            self._taken += 1
            self._drive("adc_valid", 0)
            if not self._words:
                self._end()
            self._fault_now()
        if driven.get("slot_ready") and self._high("slot_valid"):
            self._slot()
        if driven.get("dac_ready") and self._high("dac_valid"):
            self._dac()
        if self._ending and self.cycle >= self._ending[1]:
            self._finish(self._ending[0])
        if driven.get("cmd_ready") and self._high("cmd_valid"):
            self._command()
        self._offer()

    def _offer(self) -> None:
        if not self._words:
            self._drive("adc_valid", 0)
        elif not self._driven["adc_valid"] and self.rng.random() >= self.gaps:
            self._drive("adc_codes", self._packed(self._words[0]))
            last, fault = len(self._words) == 1, self._fault
            marked = fault is not None and fault.kind == "mark" and (last or fault.after > 0)
            self._drive("adc_last", int(last != marked))
            self._drive("adc_valid", 1)
        if not self._driven["done_valid"] and self._dones and self._dones[0].due <= self.cycle:
            done = self._dones[0]
            for name in ("tag", "status", "pulses"):
                self._drive(f"done_{name}", getattr(done, name))
            self._drive("done_valid", 1)
        for name in ("cmd_ready", "slot_ready", "dac_ready"):
            self._drive(name, int(self.rng.random() >= self.gaps))

    def _packed(self, word: list[int]) -> int:
        """A word of codes on its pins."""
        return packed(word, self.design.formats.adc)

    def _command(self) -> None:
        seen: dict[str, Any] = {name: int(getattr(self.dut, f"arr_cmd_{name}").value) for name in self.payload}
        if seen["op"] == Op.ABORT:
            self.aborts += 1
            self._words.clear()
            if self._now is not None:
                self._ending = None
                self._finish(Status.ABORTED)
            self._dones.append(_Done(tag=ABORT_TAG, status=Status.ABORTED, pulses=0, due=self.cycle))
            return
        seen["amplitude"] = amplitude_on_pins(self.design, seen["amplitude"])
        assert self._now is None, f"command {seen} while {self._now} is unfinished"
        self._now = Event(**seen)
        self._fault = self.fault(self._now) if self.fault else None
        self._sets[:] = self._resets[:] = 0
        self._taken, self._codes, self._ending, self._pulse_end = 0, [], None, 0
        if seen["op"] == Op.READ_ROW:
            self._convert()
        self._fault_now()

    def _slot(self) -> None:
        now = self._now
        if now is None and self._unaware():
            return
        assert now is not None, "slot outside a command"
        assert now.op in (Op.PROGRAM, Op.FORM), f"slot outside a program command: {now}"
        columns, direction = int(self.dut.arr_slot_columns.value), int(self.dut.arr_slot_direction.value)
        self._taken += 1
        if not self._high("prog_enable"):
            self._ending = (Status.INTERLOCK, self.cycle)  # no pulse without it
            return
        for counts, mask in ((self._sets, columns & direction), (self._resets, columns & ~direction)):
            while mask:
                counts[(mask & -mask).bit_length() - 1] += 1
                mask &= mask - 1
        self._pulse_end = self.cycle + now.width
        if int(self.dut.arr_slot_last.value):
            self._end(self._pulse_end)
        self._fault_now()

    def _unaware(self) -> bool:
        """Whether the controller could not know, in the cycle before this edge, that the last command had ended."""
        return bool(self._dones) or self._answered == self.cycle

    def _dac(self) -> None:
        now, lanes = self._now, self.design.array.lanes
        if now is None and self._unaware():
            return
        assert now is not None, "input codes outside a command"
        assert port.dac_words(self.design, now.op), f"input codes outside a read: {now}"
        bits = self.design.formats.x if now.op == Op.FORWARD else self.design.formats.d
        width = port.code_bits(self.design)
        word = unpacked(int(self.dut.arr_dac_codes.value), width, lanes)
        self._codes += [((code & (1 << bits) - 1) ^ 1 << (bits - 1)) - (1 << (bits - 1)) for code in word]
        self._taken += 1
        last = int(self.dut.arr_dac_last.value)
        assert last == (self._taken == port.dac_words(self.design, now.op)), f"dac_last at word {self._taken} of {now}"
        if last:
            self._convert()
        self._fault_now()

    def _convert(self) -> None:
        """The read itself."""
        now, array, lanes = self._now, self.design.array, self.design.array.lanes
        assert now is not None
        inputs = {Op.FORWARD: array.rows, Op.BACKWARD: array.columns}.get(Op(now.op), 0)
        outputs = array.rows if now.op == Op.BACKWARD else array.columns
        codes = self._codes[:inputs]
        if self.array is None:
            answer = [0] * outputs
        elif now.op == Op.READ_ROW:
            answer = self.array.read_row(now.row).tolist()
        else:
            read = self.array.forward if now.op == Op.FORWARD else self.array.backward
            answer = read(np.array([codes]))[0].tolist()
        now.codes = (*codes, *answer)
        padded = answer + [0] * (-len(answer) % lanes)
        self._words = deque(padded[start : start + lanes] for start in range(0, len(padded), lanes))

    def _end(self, at: int | None = None) -> None:
        """The work is done; completion follows after the latency."""
        start = self.cycle if at is None else at
        self._ending = (Status.OK, start + self.rng.randint(*self.latency))

    def _fault_now(self) -> None:
        fault = self._fault
        if fault and fault.kind == "status" and self._taken >= fault.after:
            self._words.clear()
            self._ending = (fault.status, max(self._pulse_end, self.cycle + 1))

    def _finish(self, status: int) -> None:
        """The command ends: what was fired reaches the array, and the completion is queued, or not."""
        now, fault = self._now, self._fault
        assert now is not None
        self._now, self._ending, self._fault = None, None, None
        now.fault = fault.kind if fault else ""
        now.status, now.pulses = int(status), int(self._sets.sum() + self._resets.sum())
        if now.op in (Op.PROGRAM, Op.FORM):
            now.set_counts, now.reset_counts = tuple(self._sets.tolist()), tuple(self._resets.tolist())
            if now.pulses and self.array is not None:
                self._pulse(now)
        self.events.append(now)
        kind = now.fault
        done = _Done(tag=now.tag, status=now.status, pulses=now.pulses, due=self.cycle)
        if kind == "excess" and now.op in (Op.PROGRAM, Op.FORM):
            done.pulses += 1 + fault.after
        if kind == "stray":
            self._dones.append(_Done(tag=(now.tag + 77) % ABORT_TAG, status=Status.OK, pulses=3, due=self.cycle))
        if kind != "lost":
            done.due += fault.delay if fault and kind == "late" else 0
            self._dones.append(done)
        if kind == "twice":
            self._dones.append(dataclasses.replace(done))

    def _pulse(self, now: Event) -> None:
        """What was fired reaches the array."""
        self.array.program_devices(now.row, self._sets.copy(), self._resets.copy())
