"""Regression of the weight copy: groups of program passes, and visits of the host between them.

The model is fed with the visits that the pins show; devices, targets and clamps must come in their order.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Source, packed, unpacked
from crosstrain_model import weight_copy

COUNT_BITS = 5
PASSES = 12


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        array = self.design.array
        self.copy = np.zeros((array.rows, array.groups * array.lanes), np.int64)
        self.limit = self.base = 0
        self.due: deque[dict[str, Any]] = deque()
        self.words: deque[tuple[list[int], dict[str, int]]] = deque()
        self.clamps: deque[tuple[int, dict[str, int]]] = deque()
        self.number = 0

    def _cells(self, seen: dict[str, int]) -> Any:
        lanes = self.design.array.lanes
        return self.copy[seen["row"], seen["group"] * lanes : (seen["group"] + 1) * lanes]

    def visit(self, seen: dict[str, int]) -> None:
        """A program visit."""
        lanes, cells = self.design.array.lanes, self._cells(seen)
        self.number += 1
        where = {"vector": self.number, "row": seen["row"], "column": seen["group"] * lanes}
        dw = unpacked(seen["words"], self.design.formats.accumulator, lanes)
        counts = unpacked(seen["counts"], COUNT_BITS, lanes)
        asked = weight_copy.hit(cells, dw, counts, limit=self.limit, base=self.base)
        cells[:] = asked.copy
        self.due.append({"flags": asked.flagged.astype(int).tolist(), "targets": asked.targets.tolist(), "where": where,
                         **{name: seen[name] for name in ("row", "group", "last")}})  # fmt: skip
        if asked.clamped:
            self.clamps.append((asked.clamped, where))

    def host(self, seen: dict[str, int]) -> None:
        """A visit of the host was taken."""
        cells = self._cells(seen)
        if seen["write"]:
            cells[:] = unpacked(seen["data"], self.design.copy_bits, len(cells))
        else:
            self.words.append((cells.tolist(), {"row": seen["row"], "column": seen["group"] * len(cells)}))

    def leaves(self, seen: dict[str, int]) -> None:
        """A group has been visited."""
        if not self._expected("group", self.due):
            return
        due, devices, bits = self.due.popleft(), 2 * self.design.array.lanes, self.design.copy_bits
        flags = [seen["flags"] >> place & 1 for place in range(devices)]
        targets = [seen["targets"] >> place * bits & ((1 << bits) - 1) for place in range(devices)]
        shown = {**seen, "flags": flags, "targets": targets}
        for name, value in shown.items():
            harness.report.same(f"t_{name}", value, due[name], **due["where"])

    def clamped(self, seen: dict[str, int]) -> None:
        """Weights met RANGE."""
        if self._expected("clamps", self.clamps):
            count, where = self.clamps.popleft()
            harness.report.same("clamp_count", seen["count"], count, **where)

    def gives(self, seen: dict[str, int]) -> None:
        """A word that the host reads."""
        if self._expected("word", self.words):
            word, where = self.words.popleft()
            shown = unpacked(seen["data"], self.design.copy_bits, len(word))
            harness.report.same("r_data", shown, word, **where)

    def _expected(self, what: str, queue: deque[Any]) -> bool:
        return bool(queue) or harness.report.same(what, "something", "nothing", vector=self.number)


class Visits:
    """Program visits after random gaps: nothing holds them back. None in the queue waits until all is done."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.queue: deque[dict[str, int] | None] = deque()
        self.high = False

    def edge(self) -> None:
        if self.high:
            self.dut.c_valid.value = 0
            self.high = False
            if self.queue and self.queue[0] is None:
                return  # busy does not tell of this one yet
        if self.queue and self.queue[0] is None:
            if int(self.dut.busy.value):
                return
            self.queue.popleft()
        if not self.queue or self.queue[0] is None or self.rng.random() < self.gaps:
            return
        for name, value in self.queue.popleft().items():
            getattr(self.dut, f"c_{name}").value = value
        self.dut.c_valid.value = 1
        self.high = True

    @property
    def waiting(self) -> int:
        return len(self.queue) + self.high


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"visits {name}")
        self.loop = Loop(dut)
        self.reference = reference = Reference(dut)
        self.loop.monitor(Monitor(dut, "t", ("row", "group", "last", "flags", "targets"), reference.leaves))
        self.loop.monitor(Monitor(dut, "clamp", ("count",), reference.clamped))
        self.loop.monitor(Monitor(dut, "r", ("data",), reference.gives))
        self.loop.monitor(Monitor(dut, "c", ("row", "group", "counts", "words", "last"), reference.visit))
        self.loop.monitor(Monitor(dut, "w", ("write", "row", "group", "data"), reference.host))
        rng = harness.generator(f"gaps {name}")
        self.visits = self.loop.driver(Visits(dut, rng, gaps))
        self.host = self.loop.driver(Source(dut, "w", rng, gaps))

    async def begin(self, limit: int, base: int) -> None:
        """Reset, and the sweep behind it."""
        await harness.start(self.dut, limit=limit, base=base)
        self.reference.limit, self.reference.base = limit, base
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the sweep")

    async def configure(self, limit: int, base: int) -> None:
        """Other registers."""
        await self.drain()
        self.dut.limit.value, self.dut.base.value = limit, base
        self.reference.limit, self.reference.base = limit, base
        await self.loop.step()

    async def drain(self) -> None:
        """Until everything is done; nothing may be missing."""
        await self.loop.until(lambda: not self.visits.waiting and not self.host.waiting)
        await self.loop.steps(8)
        reference = self.reference
        for what, queue in (("groups", reference.due), ("clamps", reference.clamps), ("words", reference.words)):
            harness.report.same(f"missing {what}", 0, len(queue), vector=reference.number)

    def put(self, row: int, group: int, counts: list[int], dw: list[int]) -> None:
        """Queue a visit."""
        array = self.design.array
        self.visits.queue.append({
            "row": row, "group": group, "last": int(group + 1 == array.groups),
            "counts": packed(counts, COUNT_BITS), "words": packed(dw, self.design.formats.accumulator),
        })  # fmt: skip

    def settle(self) -> None:
        """The next visit may be of a word that was visited just now."""
        self.visits.queue.append(None)

    def group(self, group: int) -> tuple[list[int], list[int]]:
        """Counts and accumulators at random; none beyond the last column."""
        array, rng, width = self.design.array, self.rng, self.design.formats.accumulator
        half = 1 << (width - 1)
        dw = [rng.choice((rng.randrange(-half, half) >> rng.randrange(width), -half, half - 1, 0, 1, -1))
              if group * array.lanes + lane < array.columns else 0 for lane in range(array.lanes)]  # fmt: skip
        return [((a > 0) - (a < 0)) * (rng.random() < 0.7) for a in dw], dw

    def read_all(self) -> None:
        """Visits of the host to a sample of the words, the first and the last among them."""
        array = self.design.array
        places = [(row, group) for row in range(array.rows) for group in range(array.groups)]
        chosen = {places[0], places[-1], *self.rng.sample(places, min(len(places), harness.amount(256, 20)))}
        for row, group in sorted(chosen):
            self.host.put(write=0, row=row, group=group, data=0)


@harness.bench()
async def corners(dut: Any) -> None:
    """Every sign before and after, RANGE from within and from beyond, BASE at both ends; in every lane."""
    bench = Bench(dut, "corners", 0.0)
    array, design = bench.design.array, bench.design
    top, half = (1 << (design.copy_bits - 1)) - 1, 1 << (design.formats.accumulator - 1)
    await bench.begin(top, top)
    lanes = min(array.lanes, array.columns - (array.groups - 1) * array.lanes)
    row, group = array.rows - 1, array.groups - 1
    for limit, base in ((top, top), (min(top, half // 2), 5), (1, 0)):
        await bench.configure(limit, base)
        changes = {0, 1, -1, limit, -limit, half - 1, -half}
        cases = [(old, dw + shift) for old in (0, 1, -1, limit, -limit, top, -top - 1)
                 for dw in changes | {-old, -2 * old} for shift in (0, 1, -1)]  # fmt: skip
        cases = [case for case in cases if -half <= case[1] < half]
        for start in range(0, len(cases), lanes):
            part = cases[start : start + lanes]
            olds, dws = ([case[place] for case in part] + [0] * (array.lanes - len(part)) for place in (0, 1))
            bench.host.put(write=1, row=row, group=group, data=packed(olds, design.copy_bits))
            await bench.loop.until(lambda: not bench.host.waiting)
            bench.put(row, group, [int(place < len(part)) for place in range(array.lanes)], dws)
            bench.settle()
            bench.put(row, group, [0] * array.lanes, dws)
            await bench.loop.until(lambda: not bench.visits.waiting)
            await bench.loop.steps(5)
    await bench.drain()


async def at_random(dut: Any, gaps: float) -> None:
    """Passes over all rows or some, visits of the host between their groups."""
    bench = Bench(dut, f"random {gaps}", gaps)
    array, design, rng = bench.design.array, bench.design, bench.rng
    top, half = (1 << (design.copy_bits - 1)) - 1, 1 << (design.formats.accumulator - 1)
    await bench.begin(min(top, half), top // 3)
    for number in range(harness.amount(PASSES)):
        if number % 4 == 3:
            await bench.configure(min(top, rng.randrange(1, 2 * half)), rng.randrange(top))
        for row in sorted(rng.sample(range(array.rows), rng.randrange(1, array.rows + 1))):
            for group in range(array.groups):
                bench.put(row, group, *bench.group(group))
        bench.settle()
        for _ in range(4):
            word = packed([rng.randrange(-top, top) for _ in range(array.lanes)], design.copy_bits)
            place = {"row": rng.randrange(array.rows), "group": rng.randrange(array.groups)}
            bench.host.put(write=rng.randrange(2), data=word, **place)
    await bench.drain()
    bench.read_all()
    await bench.drain()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps: every cycle a group."""
    await at_random(dut, 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Gaps of random length, in which the host comes in."""
    await at_random(dut, 0.5)
