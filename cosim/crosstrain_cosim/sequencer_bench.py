"""The sequencer between a stand-in for pulse, a host that reads, and the array agent: what its bench works with.

The model is fed from the pins: commands handed over, commands offered to the array, completions taken.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.agent import Agent
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe, packed, unpacked
from crosstrain_model import bit_serial, port
from crosstrain_model.port import ABORT_TAG, LAST_TAG, Op, Status
from crosstrain_model.pulse import PulseLedger
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.twin.tile import ArrayTile

TIMEOUT = 150
"""Cycles of silence before a command is given up."""


def more_fields(stream: str) -> tuple[str, ...]:
    """What the streams have more with write-verify: the operation of a pulse command, the groups of a read; with hybrid
    weights the groups alone, which are those of array L where `cells` says so."""
    design = harness.design()
    if design.carried:
        return ("groups",) if stream in ("h", "arr_cmd") else ()
    return {"t": ("op",), "h": ("groups",), "arr_cmd": ("groups",)}.get(stream, ()) if design.verified else ()


def of_cells() -> tuple[str, ...]:
    """The field that says whether a command is one of array L, where there is one."""
    return ("cells",) if harness.design().cells_array else ()


class Pulse:
    """Stands for the pulse unit: offers commands, then their slots at the pace of the command's width.

    prefix : of the pins of its commands
    """

    def __init__(self, dut: Any, rng: random.Random, gaps: float, prefix: str = "t"):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        names = ("valid", "ready", "row", "direction", "width", "amplitude", "pulses", *more_fields("t"), *of_cells())
        self.pins = {name: getattr(dut, f"{prefix}_{name}") for name in names}
        self.queue: deque[dict[str, Any]] = deque()
        self.slots: deque[int] = deque()
        self.offered = self.slot_offered = False
        self.wait = 0

    def put(self, row: int, direction: int, width: int, slots: list[int], cells: int = 0) -> None:
        """Queue a command whose slots pulse these device columns; cells: of array L."""
        pulses = sum(slot.bit_count() for slot in slots)
        amplitude = self.rng.randrange(1 << port.amplitude_bits(harness.design()))
        command = {"row": row, "direction": direction, "width": width, "amplitude": amplitude, "pulses": pulses}
        command |= {name: int(self.rng.choice((Op.PROGRAM, Op.FORM))) for name in more_fields("t")}
        command |= dict.fromkeys(of_cells(), cells)
        self.queue.append({"command": command, "slots": slots})

    @property
    def idle(self) -> bool:
        return not self.queue and not self.slots and not self.offered

    def edge(self) -> None:
        dut = self.dut
        self.wait = max(0, self.wait - 1)
        if self.slot_offered and int(dut.slot_ready.value):
            self.slots.popleft()
            self.slot_offered, self.wait = False, int(self.pins["width"].value)
            dut.slot_valid.value = 0
        if int(dut.over.value):
            self.slots.clear()
            self.slot_offered = False
            dut.slot_valid.value = 0
        if self.offered and int(self.pins["ready"].value):
            taken = self.queue.popleft()
            self.offered = False
            self.pins["valid"].value = 0
            self.slots = deque([] if int(dut.cancel.value) else taken["slots"])
        elif not self.offered and self.queue and not self.slots and not self.wait and self.rng.random() >= self.gaps:
            for name, value in self.queue[0]["command"].items():
                self.pins[name].value = value
            self.pins["valid"].value = 1
            self.offered = True
        if self.slots and not self.slot_offered and not self.wait and self.rng.random() >= self.gaps:
            dut.slot_columns.value = self.slots[0]
            dut.slot_last.value = int(len(self.slots) == 1)
            dut.slot_valid.value = 1
            self.slot_offered = True
        dut.pacing.value = int(self.wait > 0)
        dut.pulse_empty.value = int(self.idle)

    def reset(self) -> None:
        """What a reset does to the unit."""
        self.queue.clear()
        self.slots.clear()
        self.offered = self.slot_offered = False
        self.pins["valid"].value = self.dut.slot_valid.value = 0


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut = dut
        self.reset()

    def reset(self) -> None:
        self.ledger = PulseLedger()
        self.open: dict[str, Any] | None = None
        self.due: deque[dict[str, int]] = deque()
        self.results: deque[dict[str, Any]] = deque()
        self.commands = self.strays = self.aborts = self.timeouts = self.drains = self.errors = self.cut = 0
        self.mistaken = 0  # reads that were good but for the marks of their words
        self.saturated = 0  # completions with that status, which is an error of the array that is no failure
        self.words: list[int] = []
        self.tag = 0

    def train(self, seen: dict[str, int]) -> None:
        """A pulse command was handed over."""
        if int(self.dut.cancel.value):
            self.ledger.drop(seen["pulses"])
            return
        self.ledger.issue(seen["pulses"])
        fields = {"op": Op.PROGRAM, **{name: seen[name] for name in ("row", "width", "amplitude", *more_fields("t"))}}
        array = port.ArrayId.L if seen.get("cells") else port.WEIGHTS
        self._begin(fields | dict.fromkeys(more_fields("h"), 0) | {"array": array}, seen["pulses"])

    def read(self, seen: dict[str, int]) -> None:
        """A read was handed over."""
        row = seen["row"] if seen["op"] == Op.READ_ROW else 0
        groups = {name: seen[name] * (seen["op"] == Op.READ_ROW) for name in more_fields("h")}
        array = port.ArrayId.L if seen.get("cells") else port.WEIGHTS
        self._begin({"op": seen["op"], "row": row, "width": 0, "amplitude": 0, **groups, "array": array}, 0)
        assert self.open is not None
        self.open["read"] = {"op": seen["op"], "tag": seen["tag"], "passed": 0}
        self.open["dropped"] = 0
        named = groups.get("groups", 0).bit_count()
        self.open["due"] = named or port.adc_words(harness.design(), Op(seen["op"]))
        self.open["mistaken"] = False

    def _begin(self, command: dict[str, int], pulses: int) -> None:
        harness.report.same("commands open", int(self.open is not None), 0, command=self.commands)
        self.due.append({**command, "tag": self.tag})
        self.open = {"tag": self.tag, "pulses": pulses, "taken": False, "read": None, "stopped": False}
        self.tag = 0 if self.tag == LAST_TAG else self.tag + 1

    def command(self, seen: dict[str, int]) -> None:
        """The array took a command."""
        if seen["op"] == Op.ABORT:
            self.aborts += 1
            self.drains = True
            harness.report.same("tag of ABORT", seen["tag"], ABORT_TAG)
            return
        self.commands += 1
        due = self.due.popleft() if self.due else {}
        for name, value in due.items():
            harness.report.same(f"arr_cmd_{name}", seen[name], int(value), command=self.commands)
        harness.report.same("first command is ABORT", self.aborts > 0, True)
        if self.open is not None:
            self.open["taken"] = True

    def done(self, seen: dict[str, int]) -> None:
        """A completion was taken."""
        if self.open and self.open["taken"] and seen["tag"] == self.open["tag"]:
            self.saturated += seen["status"] == Status.SATURATED
            self.ledger.complete(self.open["pulses"], seen["status"], seen["pulses"])
            self._close(self._status(seen["status"]))
        elif self.drains and seen["tag"] == ABORT_TAG:
            self.drains = False
            if self.open:
                self._lose()
        else:
            self.strays += 1

    def _status(self, status: int) -> int:
        """A read that the array finished before it saw the ABORT is aborted all the same, if that cost it words."""
        assert self.open is not None
        if not self.open["read"] or status not in (Status.OK, Status.SATURATED):
            return status
        if self.open["mistaken"]:
            self.mistaken += 1
            return Status.PROTOCOL
        if self.open["dropped"]:
            self.cut += 1
            return Status.ABORTED
        return status

    def word(self, seen: dict[str, int]) -> None:
        """A word of output codes was taken from the array: for the host, or dropped from the abort on, or stray."""
        if not (self.open and self.open["read"]):
            self.strays += 1
            return
        number = self.open["read"]["passed"] + self.open["dropped"] + 1
        self.open["mistaken"] |= seen["last"] != (number == self.open["due"])
        if self.open["stopped"]:
            self.open["dropped"] += 1
        else:
            self.open["read"]["passed"] += 1

    def input_word(self, seen: dict[str, int]) -> None:
        """A word of input codes was taken by the array: the very word that the host gives in this cycle."""
        host = [int(getattr(self.dut, f"dac_{name}").value) for name in ("valid", "ready", "codes")]
        harness.report.same("arr_dac_codes", [1, 1, seen["codes"]], host, command=self.commands)

    def _lose(self) -> None:
        assert self.open is not None
        self.ledger.lose(self.open["pulses"])
        self._close(Status.TIMEOUT)

    def _close(self, status: int) -> None:
        if self.open and self.open["read"]:
            self.results.append({**self.open["read"], "status": status})
        self.open = None
        self.due.clear()

    def edge(self) -> None:
        """A timeout gives the open command up; an abort of the host stops it from the next cycle on."""
        self.errors += int(self.dut.array_error.value)
        if self.open and int(self.dut.host_abort.value):
            self.open["stopped"] = True
        if int(self.dut.timed_out.value):
            self.timeouts += 1
            if self.open:
                self._lose()

    def output(self, seen: dict[str, int]) -> None:
        """A word for the host."""
        self.words.append(seen["codes"])

    def result(self, seen: dict[str, int]) -> None:
        """A result for the host."""
        due = self.results.popleft() if self.results else {}
        for name in ("op", "tag", "status"):
            harness.report.same(f"r_{name}", seen[name], due.get(name), command=self.commands)
        harness.report.same("words of a read", len(self.words), due.get("passed"), command=self.commands)


def _array(design: Any) -> Any:
    """What answers reads of weights."""
    return RramTile(design) if design.verified else PcmTile(design) if design.carried else ArrayTile(design)


def _agent(design: Any) -> Any:
    """The macro."""
    if design.carried:
        from crosstrain_cosim.hybrid_agent import HybridAgent

        return HybridAgent
    if design.verified:
        from crosstrain_cosim.stream_agent import StreamAgent

        return StreamAgent
    return Agent


class Bench:
    """Pins, models and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float, fault: Any = None, latency: tuple[int, int] = (0, 4)):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"commands {name}")
        self.array: Any = _array(self.design)
        self.loop, self.reference = Loop(dut), Reference(dut)
        rng, reference = harness.generator(f"gaps {name}"), self.reference
        arrays = (self.array, PcmBinaryArray(self.design)) if self.design.carried else (self.array,)
        self.agent = _agent(self.design)(dut, self.design, *arrays, rng, gaps=gaps, latency=latency, fault=fault)
        payload = ("op", "array", "row", "width", "amplitude", "tag", *more_fields("arr_cmd"))
        monitors = (
            ("arr_done", ("tag", "status", "pulses"), reference.done),
            ("arr_adc", ("last",), reference.word),
            ("arr_dac", ("codes",), reference.input_word),
            ("arr_cmd", payload, reference.command),
            ("adc", ("codes",), reference.output),
            ("r", ("op", "tag", "status"), self._result),
            ("t", ("row", "width", "amplitude", "pulses", *more_fields("t"), *of_cells()), reference.train),
            ("h", ("op", "row", "tag", *more_fields("h"), *of_cells()), reference.read),
        )
        for prefix, fields, seen in monitors:
            self.loop.monitor(Monitor(dut, prefix, fields, seen))
        self.loop.monitor(reference)
        self.pulse = self.loop.driver(Pulse(dut, rng, gaps))
        self.reads = self.loop.driver(Source(dut, "h", rng, gaps))
        self.codes = self.loop.driver(Source(dut, "dac", rng, gaps))
        self.loop.driver(Sink(dut, "adc", rng, gaps))
        self.loop.driver(Sink(dut, "r", rng, gaps))
        self.strobe = self.loop.driver(Strobe(dut))
        self.loop.driver(self.agent)

    def _result(self, seen: dict[str, int]) -> None:
        self.reference.result(seen)
        words, self.reference.words = self.reference.words, []
        last = next((event for event in reversed(self.agent.events) if event.op in port.READ_OPS), None)
        if seen["status"] not in (Status.OK, Status.SATURATED) or last is None:
            return
        if self.design.device_reads:
            self._device_codes(words, last)
            return
        outputs = self.design.array.rows if seen["op"] == Op.BACKWARD else self.design.array.columns
        codes = [c for word in words for c in unpacked(word, self.design.formats.adc, self.design.array.lanes)]
        wanted = list(last.codes[-outputs:])
        harness.report.same("output codes", codes[:outputs], wanted, command=self.reference.commands)

    async def begin(self, timeout: int = TIMEOUT) -> None:
        """Reset; the array answers the ABORT that follows it."""
        await harness.start(self.dut, program_enable=1, arr_rails_ok=1, timeout=timeout, pulse_empty=1)
        await self.loop.until(lambda: int(self.dut.ready.value) == 1, what="answer to the first ABORT")

    def put_train(self) -> None:
        """A random pulse command."""
        rng, columns = self.rng, self.design.array.device_columns
        cells = rng.randrange(2) if self.design.cells_array else 0
        if cells:
            columns = self.design.array.columns * self.design.hybrid.bits
        slots, mask = [], (1 << columns) - 1
        for _ in range(rng.randrange(1, self.design.update.max_pulses + 1)):
            mask = (mask & rng.getrandbits(columns)) or mask & -mask
            slots.append(mask)
        self.pulse.put(rng.randrange(self.design.array.rows), rng.randrange(2), rng.randrange(1, 6), slots, cells)

    def put_read(self, op: Op | None = None) -> None:
        """A read with its words, random but for what is given; of all groups where the operation is."""
        rng, array, formats = self.rng, self.design.array, self.design.formats
        if self.design.verified:
            self._put_device_read(op)
            return
        every = (1 << array.groups) - 1
        groups = rng.randint(1, every) if op is None else every
        op = rng.choice(port.READ_OPS) if op is None else op
        more = {}
        if self.design.carried:
            more = {"groups": groups}
            more |= dict.fromkeys(of_cells(), rng.randrange(2) * (op == Op.READ_ROW))
        self.reads.put(op=op, row=rng.randrange(array.rows), tag=rng.randrange(256), **more)
        bits = formats.x if op == Op.FORWARD else formats.d
        count = {Op.FORWARD: array.rows, Op.BACKWARD: array.columns}.get(op, 0)
        codes = [rng.randrange(-(1 << bits - 1), 1 << bits - 1) for _ in range(count)]
        for start in range(0, count, array.lanes):
            self.codes.put(codes=packed(codes[start : start + array.lanes], port.code_bits(self.design)))

    def _put_device_read(self, op: Op | None) -> None:
        """The same of single devices: bits or unsigned codes."""
        rng, array, bits = self.rng, self.design.array, self.design.formats.x
        every = (1 << array.groups) - 1
        groups = rng.choice((1, every, rng.randint(1, every))) if op is None else every
        op = rng.choice((Op.FORWARD, Op.READ_ROW)) if op is None else op
        self.reads.put(op=op, row=rng.randrange(array.rows), tag=rng.randrange(256), groups=groups)
        if op == Op.READ_ROW:
            return
        codes = [rng.getrandbits(bits) for _ in range(array.rows)]
        lanes, width = array.lanes, port.code_bits(self.design)
        words = [packed(codes[start : start + lanes], width) for start in range(0, array.rows, lanes)]
        for word in bit_serial.words(self.design, codes) if array.read == "bit-serial" else words:
            self.codes.put(codes=word)

    def _device_codes(self, words: list[int], last: Any) -> None:
        array, design = self.design.array, self.design
        outputs, span, bits = array.device_columns, port.adc_codes(design), design.formats.adc
        if last.array == port.ArrayId.L:
            outputs, span, bits = array.columns * design.hybrid.bits, array.lanes * design.hybrid.bits, 1
        elif design.carried and last.op != Op.READ_ROW:
            outputs, span = array.rows if last.op == Op.BACKWARD else array.columns, array.lanes
        answer = list(last.codes[-outputs:]) + [0] * (-outputs % span)
        words_in_all = len(answer) // span
        groups = last.groups or (1 << words_in_all) - 1
        named = [answer[group * span : (group + 1) * span] for group in range(words_in_all) if groups >> group & 1]
        wanted = [packed(word, bits) for word in named]
        harness.report.same("output words", words, wanted, command=self.reference.commands)

    async def quiet(self) -> None:
        """Until nothing is under way; compare the counters."""
        idle = self.pulse, self.reads
        await self.loop.until(lambda: idle[0].idle and not idle[1].waiting and not self.codes.waiting, what="idle")
        await self.loop.steps(6)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(3)
        reference, same = self.reference, harness.report.same
        for name, value in reference.ledger.wrapped().items():
            same(name, int(getattr(self.dut, name).value), value, command=reference.commands)
        same("balance of pulses", reference.ledger.balanced, True, command=reference.commands)
        same("open pulses", reference.ledger.open, 0, command=reference.commands)
        same("commands", int(self.dut.commands.value), reference.commands)
        same("stray", int(self.dut.stray.value), reference.strays)
        same("missing commands", 0, len(reference.due))
        same("missing results", 0, len(reference.results))

    def fired(self) -> int:
        """Pulses that the agent fired."""
        return sum(event.pulses for event in self.agent.events)
