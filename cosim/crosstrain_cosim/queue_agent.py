"""An analog macro that holds several commands, in Python at the pins of the array port: `Agent` for pulse trains.

Commands wait in a queue and are done in order, one at a time: a slot takes as long as its pulse, the read of a row
`row_cycles`. Then the read is over for the analog half: its words go out while the next command runs. Completions come
in order. After a pulse command that ended early nothing begins before its completion was taken, for until then its
slots may still be offered.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosstrain_cosim.event import Event, Fault
from crosstrain_cosim.streams import packed, unpacked
from crosstrain_model import port
from crosstrain_model.design import Design
from crosstrain_model.port import ABORT_TAG, Op, Status
from crosstrain_model.twin.tile import ArrayTile

PAYLOAD = ("op", "array", "row", "width", "amplitude", "tag")


@dataclasses.dataclass(kw_only=True, eq=False)
class _Open:
    """A command between its acceptance and its completion."""

    event: Event
    fault: Fault | None = None
    taken: int = 0
    """Slots or words that passed."""
    codes: list[int] = dataclasses.field(default_factory=list)
    words: deque[list[int]] = dataclasses.field(default_factory=deque)
    over: int | None = None
    """Cycle from which its completion may come; None: its work is not done."""
    early: bool = False
    """It ended before all its slots were taken."""
    words_from: int = 0
    """Cycle from which its words may come."""


class QueueAgent:
    """The macro. Add it to the loop as a driver; `events` is what it did.

    arrays : by `ArrayId`; they answer reads and take pulses
    gaps, latency, fault : as of `agent.Agent`
    row_cycles : analog time of a READ_ROW
    """

    def __init__(
        self,
        dut: Any,
        design: Design,
        arrays: Mapping[int, ArrayTile],
        rng: random.Random,
        *,
        gaps: float = 0.0,
        latency: tuple[int, int] = (0, 0),
        fault: Callable[[Event], Fault | None] | None = None,
        row_cycles: int = 0,
    ):
        self.dut, self.design, self.rng = dut, design, rng
        self.arrays = {int(name): array for name, array in arrays.items()}
        self.gaps, self.latency, self.fault, self.row_cycles = gaps, latency, fault, row_cycles
        self.events: list[Event] = []
        self.sent: list[tuple[int, int, int]] = []
        """(tag, status, pulses) of every completion that was taken."""
        self.analog = {"pulses": 0, "reads": 0, "first": 0, "last": 0}
        """Cycles spent on pulses and on reads, and the cycles of the first work and of the last one's end."""
        self.cycle = 0
        self.aborts = 0
        names = ("cmd_valid", "slot_valid", "dac_valid", "adc_ready", "done_ready", "prog_enable")
        self._pins = {name: getattr(dut, f"arr_{name}") for name in names}
        self._driven: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Power-up of the macro."""
        self._waiting: deque[_Open] = deque()
        self._now: _Open | None = None
        self._ended: deque[_Open | tuple[int, int, int]] = deque()
        """In order: commands whose work is over, and bare completions (tag, status, pulses)."""
        self._busy_until = 0
        self._may_begin = 0
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
            self._completed()
        if driven["adc_valid"] and self._high("adc_ready"):
            self._drive("adc_valid", 0)
            self._word_taken()
        if driven.get("slot_ready") and self._high("slot_valid"):
            self._slot()
        if driven.get("dac_ready") and self._high("dac_valid"):
            self._dac()
        if driven.get("cmd_ready") and self._high("cmd_valid"):
            self._command()
        self._begin()
        self._offer()

    # ---- commands ----

    def _command(self) -> None:
        seen = {name: int(getattr(self.dut, f"arr_cmd_{name}").value) for name in PAYLOAD}
        if seen["op"] == Op.ABORT:
            self._abort()
            return
        event = Event(**seen)
        fault = self.fault(event) if self.fault else None
        self._waiting.append(_Open(event=event, fault=fault))
        assert len(self._unfinished()) <= port.outstanding(self.design), f"too many commands: {event}"

    def _unfinished(self) -> list[_Open]:
        ended = [part for part in self._ended if isinstance(part, _Open)]
        return [*ended, *([self._now] if self._now else []), *self._waiting]

    def _abort(self) -> None:
        self.aborts += 1
        for part in [part for part in self._ended if isinstance(part, _Open) and part.words]:
            part.words.clear()
            part.event.status = Status.ABORTED
        for part in [*([self._now] if self._now else []), *self._waiting]:
            self._now = None
            self._finish(part, Status.ABORTED)
        self._waiting.clear()
        if self._driven["adc_valid"]:
            self._drive("adc_valid", 0)
        self._ended.append((ABORT_TAG, int(Status.ABORTED), 0))

    def _begin(self) -> None:
        """The next command, when the analog half is free, at the next edge at the latest."""
        if self._now is not None or not self._waiting or self.cycle + 1 < self._may_begin:
            return
        if any(isinstance(part, _Open) and part.early for part in self._ended):
            return
        self._now = self._waiting.popleft()
        op = self._now.event.op
        if op == Op.READ_ROW:
            self._convert(self._now)
        elif self._fault_due(self._now):
            self._finish(self._now, self._now.fault.status, early=True)  # type: ignore[union-attr]

    def _fault_due(self, part: _Open) -> bool:
        return part.fault is not None and part.fault.kind == "status" and part.taken >= part.fault.after

    def _finish(self, part: _Open, status: int, *, early: bool = False) -> None:
        """The work of a command is over: what was fired reaches the array, and its completion is due."""
        event, fault = part.event, part.fault
        event.status = int(status)
        if event.op == Op.TRAIN:
            event.pulses = len(event.slots)
            if event.slots:
                masks = (np.array([slot[place] for slot in event.slots]) for place in range(3))
                self.arrays[event.array].train_slots(*masks)
        elif event.op == Op.PROGRAM:
            none = (0,) * self.design.array.device_columns
            event.set_counts, event.reset_counts = event.set_counts or none, event.reset_counts or none
            event.pulses = sum(event.set_counts) + sum(event.reset_counts)
            if event.pulses:
                counts = (np.array(event.set_counts), np.array(event.reset_counts))
                self.arrays[event.array].program_devices(event.row, *counts)
        event.fault = fault.kind if fault else ""
        part.early = early
        start = max(self.cycle, self._busy_until)
        part.over = start + self.rng.randint(*self.latency) + (fault.delay if fault and fault.kind == "late" else 0)
        self.events.append(event)
        if fault and fault.kind == "stray":
            self._ended.append(((event.tag + 77) % ABORT_TAG, int(Status.OK), 3))
        self._ended.append(part)
        if fault and fault.kind == "twice":
            self._ended.append((event.tag, event.status, event.pulses))
        if part is self._now:
            self._now = None

    def _work(self, start: int, cycles: int, what: str) -> None:
        """The analog half is busy with something."""
        self.analog["first"] = self.analog["first"] or start
        self.analog[what] += cycles
        self.analog["last"] = self._busy_until = start + cycles

    # ---- completions ----

    def _head(self) -> tuple[int, int, int] | None:
        """The completion that may be offered now."""
        while self._ended:
            part = self._ended[0]
            if not isinstance(part, _Open):
                return part
            event, fault = part.event, part.fault
            if part.words or part.over is None or self.cycle < part.over:
                return None
            if fault and fault.kind == "lost":
                self._ended.popleft()
                self._may_begin = self.cycle + 2
                continue
            excess = 1 + fault.after if fault and fault.kind == "excess" and event.op in port.PULSE_OPS else 0
            return event.tag, event.status, event.pulses + excess
        return None

    def _completed(self) -> None:
        part = self._ended.popleft()
        names = ("tag", "status", "pulses")
        tag, status, pulses = (self._driven[f"done_{name}"] for name in names)
        self.sent.append((tag, status, pulses))
        if isinstance(part, _Open) and part.early:
            self._may_begin = self.cycle + 2
        self._drive("done_valid", 0)

    # ---- slots ----

    def _slot(self) -> None:
        now = self._now
        assert now is not None, "slot outside a command"
        event = now.event
        names = ("rows", "columns", "direction", "last")
        rows, columns, direction, last = (int(getattr(self.dut, f"arr_slot_{name}").value) for name in names)
        now.taken += 1
        if not self._high("prog_enable"):
            self._finish(now, Status.INTERLOCK, early=True)  # no pulse without it
            return
        width = self.design.array.device_columns
        if event.op == Op.TRAIN:
            event.slots.append((_bits(rows, self.design.array.rows), _bits(columns, width), _bits(direction, width)))
        else:
            hit, up = _bits(columns, width), _bits(direction, width)
            event.set_counts = tuple((np.array(event.set_counts or [0] * width) + (hit & up)).tolist())
            event.reset_counts = tuple((np.array(event.reset_counts or [0] * width) + (hit & ~up)).tolist())
        self._work(self.cycle, event.width, "pulses")
        if last:
            self._may_begin = self._busy_until
            self._finish(now, Status.OK)
        elif self._fault_due(now):
            self._finish(now, now.fault.status, early=True)  # type: ignore[union-attr]

    # ---- reads ----

    def _dac(self) -> None:
        now, lanes = self._now, self.design.array.lanes
        assert now is not None, "input codes outside a command"
        event = now.event
        bits = self.design.formats.x if event.op == Op.FORWARD else self.design.formats.d
        word = unpacked(int(self.dut.arr_dac_codes.value), port.code_bits(self.design), lanes)
        now.codes += [((code & (1 << bits) - 1) ^ 1 << (bits - 1)) - (1 << (bits - 1)) for code in word]
        now.taken += 1
        last = int(self.dut.arr_dac_last.value)
        assert last == (now.taken == port.dac_words(self.design, event.op)), f"dac_last at word {now.taken} of {event}"
        if last:
            self._convert(now)
        elif self._fault_due(now):
            self._finish(now, now.fault.status, early=True)  # type: ignore[union-attr]

    def _convert(self, part: _Open) -> None:
        """The read itself; its words go out while later commands run."""
        event, lanes, array = part.event, self.design.array.lanes, self.arrays[part.event.array]
        inputs = {Op.FORWARD: self.design.array.rows, Op.BACKWARD: self.design.array.columns}.get(Op(event.op), 0)
        codes = part.codes[:inputs]
        if event.op == Op.READ_ROW:
            answer = array.read_row(event.row).tolist()
        else:
            read = array.forward if event.op == Op.FORWARD else array.backward
            answer = read(np.array([codes]))[0].tolist()
        event.codes = (*codes, *answer)
        padded = answer + [0] * (-len(answer) % lanes)
        part.words = deque(padded[start : start + lanes] for start in range(0, len(padded), lanes))
        status = part.fault.status if part.fault and part.fault.kind == "status" else Status.OK
        if status != Status.OK:  # fails after some of its words
            while len(part.words) > part.fault.after:  # type: ignore[union-attr]
                part.words.pop()
        part.taken = 0
        if event.op == Op.READ_ROW:
            self._work(max(self.cycle, self._busy_until), self.row_cycles, "reads")
            self._may_begin = max(self._may_begin, self._busy_until)
        part.words_from = self._busy_until
        self._finish(part, status)

    def _reading(self) -> _Open | None:
        """The read whose word goes out next: in order, and none before the completion of the read before."""
        for part in self._ended:
            if isinstance(part, _Open) and part.event.op in port.READ_OPS:
                return part if part.words and self.cycle >= part.words_from else None
        return None

    def _word_taken(self) -> None:
        part = self._reading()
        assert part is not None
        part.words.popleft()
        if not part.words:
            part.over = max(part.over or 0, self.cycle)

    # ---- what is offered ----

    def _offer(self) -> None:
        reading = self._reading()
        if reading is not None and not self._driven["adc_valid"] and self.rng.random() >= self.gaps:
            self._drive("adc_codes", packed(reading.words[0], self.design.formats.adc))
            whole = reading.event.status in (Status.OK, Status.SATURATED)
            self._drive("adc_last", int(len(reading.words) == 1 and whole))
            self._drive("adc_valid", 1)
        done = self._head()
        if not self._driven["done_valid"] and done is not None:
            for name, value in zip(("tag", "status", "pulses"), done, strict=True):
                self._drive(f"done_{name}", value)
            self._drive("done_valid", 1)
        op = self._now.event.op if self._now else None
        ready = {
            "cmd_ready": True,
            "slot_ready": op in port.PULSE_OPS and self.cycle + 1 >= self._busy_until,
            "dac_ready": op in (Op.FORWARD, Op.BACKWARD),
        }
        for name, possible in ready.items():
            self._drive(name, int(possible and self.rng.random() >= self.gaps))


def _bits(mask: int, count: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array([mask >> place & 1 for place in range(count)], np.bool_)
