"""Regression of pulse_train: factors and codes in, commands and their slots out, with the streams behind them.

The bench stands for scale and vector store, for the sweep that fires vectors, and for the dispatcher. The model draws
for every vector that the pins show to be fired, so its streams must be the hardware's whenever nothing is under way.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe, packed, unpacked
from crosstrain_model.port import code_bits
from crosstrain_model.pulse_train import Train, draw, slot_masks, slots_of
from crosstrain_model.random_streams import Stream
from crosstrain_model.scale import Scaled, factor_bits

VECTORS = 80
SIDES = ("rows", "columns")
LATE = {"first": 2, "next": 1}
"""Cycles, at most, from taking a command to the offer of its first slot, and from taking a slot to that of the next."""


def flags(word: int, lines: int) -> Any:
    """Pins as flags, line 0 in the lowest bit."""
    return np.array([word >> line & 1 for line in range(lines)], bool)


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any, loop: Loop):
        self.dut, self.loop, self.design = dut, loop, harness.design()
        self.streams = [Stream(self.design, side) for side in SIDES]
        self.scaled: deque[Scaled] = deque()
        self.codes: list[int] = []
        self.filled: deque[tuple[list[int], list[int]]] = deque()
        self.skips = self.vectors = self.commands = self.left_out = 0
        self.command: list[tuple[int, ...]] = []
        """Slots of a command that is not yet taken."""
        self.slots: deque[tuple[int, ...]] = deque()
        self.due = 0
        """Cycle in which the next slot is offered at the latest."""

    @property
    def where(self) -> dict[str, int]:
        return {"vector": self.vectors, "command": self.commands, "left": len(self.slots)}

    def factors(self, seen: dict[str, int]) -> None:
        """Slots and factors of a vector."""
        self.scaled.append(Scaled(slots=seen["slots"], m_x=seen["mx"], m_d=seen["md"]))

    def beat(self, seen: dict[str, int]) -> None:
        """A beat of codes."""
        array, count = self.design.array, self.design.stream_codes
        lines = array.columns if seen["is_d"] else array.rows
        codes = unpacked(seen["codes"], code_bits(self.design), count)
        self.codes += codes[: lines - seen["index"] * count]
        if seen["last"]:
            self.filled.append((self.codes[: array.rows], self.codes[array.rows :]))
            self.codes = []

    def edge(self) -> None:
        """Signals that are no streams, before the streams of the same cycle."""
        dut = self.dut
        self.skips += int(dut.f_skip.value)
        if int(dut.ns_valid.value):
            harness.report.same("slots offered without a command", bool(self.slots), True, **self.where)
        elif self.slots:
            harness.report.same("a slot is late", self.loop.cycle >= self.due, False, **self.where)

    def late_edge(self) -> None:
        """What acts after the streams of the same cycle: a command that has ended, and a vector that is fired."""
        if int(self.dut.over.value):
            self.slots.clear()
        if int(self.dut.fire.value):
            self.fire()

    def fire(self) -> None:
        """A vector becomes a train, with the choppers as they are now."""
        dut, design = self.dut, self.design
        self.vectors += 1
        harness.report.same("fire without full", int(dut.full.value), 1, **self.where)
        scaled = self.scaled.popleft()
        x, d = self.filled.popleft() if scaled.slots else ([0] * design.array.rows, [0] * design.array.columns)
        train = Train.of(design, scaled, x, d, *draw(design, *self.streams, scaled.slots))
        chops = [flags(int(dut.chop_rows.value), len(x)), flags(int(dut.chop_columns.value), len(d))]
        slots = list(zip(*map(slot_masks, slots_of(design, train, *chops)), strict=True))
        harness.report.same("silent", int(dut.silent.value), int(not slots), **self.where)
        harness.report.same("slots of commands not taken", len(self.command), 0, **self.where)
        self.command = slots

    def taken(self, seen: dict[str, int]) -> None:
        """A command was taken, or dropped."""
        self.commands += 1
        harness.report.same("slots left over", list(self.slots), [], **self.where)
        harness.report.same("n_slots", seen["slots"], len(self.command), **self.where)
        if not int(self.dut.cancel.value):
            self.slots = deque(self.command)
        self.command, self.due = [], self.loop.cycle + LATE["first"]

    def slot(self, seen: dict[str, int]) -> None:
        """A slot was taken."""
        wanted = self.slots.popleft() if self.slots else None
        got = (seen["rows"], seen["columns"], seen["direction"])
        harness.report.same("slot (rows, columns, direction)", got, wanted, **self.where)
        harness.report.same("ns_last", seen["last"], int(not self.slots), **self.where)
        self.due = self.loop.cycle + LATE["next"]


@dataclasses.dataclass
class Late:
    """The part of the reference that looks last."""

    reference: Reference

    def edge(self) -> None:
        self.reference.late_edge()


class Fire:
    """Stands for the sweep: fires what is full after a while, other choppers every time."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.allowed = True
        self._high = False

    def edge(self) -> None:
        dut, rng = self.dut, self.rng
        if not self._high:
            for side in SIDES:
                pins = getattr(dut, f"chop_{side}")
                pins.value = rng.getrandbits(len(pins)) if rng.random() < 0.5 else 0
        high = not self._high and self.allowed and int(dut.full.value) == 1 and rng.random() >= self.gaps
        if high != self._high:
            dut.fire.value = int(high)
        self._high = high


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"vectors {name}")
        self.loop = Loop(dut)
        self.reference = reference = Reference(dut, self.loop)
        loop, rng = self.loop, harness.generator(f"gaps {name}")
        loop.monitor(reference)
        loop.monitor(Monitor(dut, "g", ("slots", "mx", "md"), reference.factors))
        loop.monitor(Monitor(dut, "f", ("is_d", "index", "codes", "last"), reference.beat))
        loop.monitor(Monitor(dut, "ns", ("rows", "columns", "direction", "last"), reference.slot))
        loop.monitor(Monitor(dut, "n", ("slots",), reference.taken))
        loop.monitor(Late(reference))
        self.factors = loop.driver(Source(dut, "g", rng, gaps))
        self.beats = loop.driver(Source(dut, "f", rng, gaps))
        self.fire = loop.driver(Fire(dut, rng, gaps))
        self.commands = loop.driver(Sink(dut, "n", rng, gaps))
        self.slots = loop.driver(Sink(dut, "ns", rng, gaps))
        self.strobe = loop.driver(Strobe(dut))
        self.without_slots = 0

    async def begin(self) -> None:
        """Reset."""
        await harness.start(self.dut)

    def put(self, x: list[int], d: list[int], slots: int, m_x: int, m_d: int) -> None:
        """Queue a vector; what fills its last beats beyond the last line is ignored."""
        self.factors.put(slots=slots, mx=m_x, md=m_d)
        if slots == 0:
            self.without_slots += 1
            return
        count, bits = self.design.stream_codes, code_bits(self.design)
        words = []
        for side, codes in enumerate((x, d)):
            codes = codes + [self.rng.getrandbits(bits) for _ in range(-len(codes) % count)]
            for index in range(len(codes) // count):
                word = packed(codes[index * count : (index + 1) * count], bits)
                words.append({"f_is_d": side, "f_index": index, "f_codes": word, "f_last": 0})
        words[-1]["f_last"] = 1
        for word in words:
            self.beats.put(**{name.removeprefix("f_"): value for name, value in word.items()})

    def random_codes(self, side: int) -> list[int]:
        """Sparse or dense, of one sign or both, extremes among them."""
        rng, array, formats = self.rng, self.design.array, self.design.formats
        lines, bits = ((array.rows, formats.x), (array.columns, formats.d))[side]
        density, low, high = rng.choice((0.1, 0.5, 1.0)), -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        low, high = rng.choice(((low, high), (low, -1), (0, high)))
        return [
            rng.choice((low, high, rng.randint(low, high))) if rng.random() < density else 0 for _ in range(lines)
        ]

    def random_vector(self, slots: int | None = None) -> None:
        """Queue a vector with probabilities of every size."""
        rng, most = self.rng, 1 << (factor_bits(self.design) - 1)
        x, d = self.random_codes(0), self.random_codes(1)
        if slots is None:
            slots = rng.randint(1, self.design.train.slots) if rng.random() < 0.9 else 0
        m_x, m_d = (min(most, int(most * rng.choice((0.0, 1.0, 1.0, 1.0)) * 2 ** -rng.uniform(0, 9))) for _ in "xd")
        self.put(x, d, slots, m_x, m_d)

    async def drain(self) -> None:
        """Until nothing is under way; compare what should be left of it."""
        waiting = (self.factors, self.beats)
        await self.loop.until(lambda: not any(part.waiting for part in waiting), what="room for vectors")
        await self.loop.steps(3)
        await self.loop.until(lambda: int(self.dut.busy.value) == 0, what="end of the last train")
        reference, dut = self.reference, self.dut
        left = len(reference.command), len(reference.slots), len(reference.scaled), len(reference.filled)
        harness.report.same("commands, slots, vectors left", left, (0, 0, 0, 0), **reference.where)
        harness.report.same("f_skip", reference.skips, self.without_slots, **reference.where)
        for side, stream in zip(SIDES, reference.streams, strict=True):
            state = sum(word << 32 * place for place, word in enumerate(stream.state))
            harness.report.same(f"{side}_state", int(getattr(dut, f"{side}_state").value), state, **reference.where)


@harness.bench()
async def corners(dut: Any) -> None:
    """Thresholds of 0 and 2^w, extremes, missing phases, no slots, trains of every length; everybody at once."""
    bench = Bench(dut, "corners", 0.0)
    await bench.begin()
    array, formats, most = bench.design.array, bench.design.formats, 1 << (factor_bits(bench.design) - 1)
    low, high = -(1 << (formats.x - 1)), (1 << (formats.d - 1)) - 1
    for slots in {1, 2, bench.design.train.slots, 0}:
        slots = min(slots, bench.design.train.slots)
        for m_x, m_d in ((most, most), (most, 0), (0, most), (1, 1), (most >> formats.x, most >> formats.d)):
            bench.put([low] * array.rows, [high] * array.columns, slots, m_x, m_d)
            bench.put([0] * array.rows, [1] * array.columns, slots, m_x, m_d)
            bench.put([1] + [0] * (array.rows - 1), [0] * (array.columns - 1) + [-1], slots, m_x, m_d)
            mixed = [1 if line % 2 else -1 for line in range(max(array.rows, array.columns))]
            bench.put(mixed[: array.rows], mixed[: array.columns], slots, m_x, m_d)
    await bench.drain()


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random vectors, random gaps everywhere."""
    bench = Bench(dut, "random", 0.3)
    await bench.begin()
    for _ in range(harness.amount(VECTORS)):
        bench.random_vector()
    await bench.drain()


@harness.bench()
async def slow_array(dut: Any) -> None:
    """Slots are taken rarely: the next vectors are filled meanwhile."""
    bench = Bench(dut, "slow", 0.0)
    bench.slots.gaps = 0.8
    await bench.begin()
    for _ in range(harness.amount(VECTORS // 3)):
        bench.random_vector(slots=bench.rng.randint(1, min(8, bench.design.train.slots)))
    await bench.drain()


@harness.bench()
async def ended_early(dut: Any) -> None:
    """Commands that end before their slots, and others that are dropped: the streams advance all the same."""
    bench = Bench(dut, "early", 0.25)
    await bench.begin()
    reference, rng, count = bench.reference, bench.rng, harness.amount(VECTORS)
    for _ in range(count):
        bench.random_vector(slots=rng.randint(1, min(8, bench.design.train.slots)))
    while reference.vectors < count or int(dut.busy.value):
        await bench.loop.step()
        if reference.slots and rng.random() < 0.1:
            bench.strobe.fire(over=1)
            await bench.loop.step()
        if rng.random() < 0.05:
            dut.cancel.value = int(rng.random() < 0.5)
    dut.cancel.value = 0
    await bench.drain()


@harness.bench()
async def loaded_streams(dut: Any) -> None:
    """States that the host loads, zeros among them, between trains."""
    bench = Bench(dut, "loaded", 0.1)
    await bench.begin()
    rng, streams = bench.rng, bench.reference.streams
    for number in range(4):
        for side, stream in zip(SIDES, streams, strict=True):
            for index in range(stream.generator.words):
                word = rng.getrandbits(32) if number % 2 else 0
                bench.strobe.fire(**{f"{side}_load": 1, "load_index": index, "load_data": word})
                await bench.loop.steps(2)
                stream.load(index, word)
        await bench.loop.steps(2)
        for _ in range(5):
            bench.random_vector()
        await bench.drain()
