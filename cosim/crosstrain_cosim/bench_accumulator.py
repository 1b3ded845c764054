"""Regression of the accumulator: visits of all kinds on few groups, so that every forwarding path and wait is met.

The model is fed with the visits that the pins show to be taken; counts, read data and clips must come in their order.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Source, packed, unpacked
from crosstrain_model import accumulator, threshold
from crosstrain_model.accumulator import Op

VISITS = 1500
FIELDS = ("op", "row", "group", "terms", "last")


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        array = self.design.array
        self.chi = np.zeros((array.rows, array.groups * array.lanes), np.int64)
        self.theta = 1
        self.counts: deque[dict[str, Any]] = deque()
        self.words: deque[dict[str, Any]] = deque()
        self.clips: deque[dict[str, Any]] = deque()
        self.number = 0

    def visit(self, seen: dict[str, int]) -> None:
        """A visit was taken: what must follow from it."""
        design, lanes = self.design, self.design.array.lanes
        row, group, op = seen["row"], seen["group"], seen["op"]
        self.number += 1
        where = {"vector": self.number, "row": row, "column": group * lanes, "visit": Op(op).name}
        cells = slice(group * lanes, (group + 1) * lanes)
        padding = np.arange(group * lanes, (group + 1) * lanes) >= design.array.columns
        terms = np.where(padding, 0, unpacked(seen["terms"], design.formats.accumulator, lanes))
        before = self.chi[row, cells]
        if op == Op.ACCUMULATE:
            after, clipped = accumulator.accumulate(design, before, terms)
            if count := int(np.count_nonzero(clipped)):
                self.clips.append({"count": count, "where": where})
        elif op == Op.PROGRAM:
            p, after, left = threshold.compare(design, before, self.theta)
            self.counts.append({"p": p.tolist(), "left": int(left.any()), "last": seen["last"], "where": where,
                                "row": row, "group": group, "words": before.tolist()})  # fmt: skip
        elif op == Op.READ:
            after = before
            self.words.append({"data": before.tolist(), "where": where})
        else:
            after = terms if op == Op.WRITE else np.zeros_like(before)
        self.chi[row, cells] = after

    def edge(self) -> None:
        """Compare what comes out."""
        dut, lanes, width = self.dut, self.design.array.lanes, self.design.formats.accumulator
        same = harness.report.same
        if int(dut.c_valid.value) and self._expected("counts", self.counts):
            due = self.counts.popleft()
            same("c_counts", unpacked(int(dut.c_counts.value), 5, lanes), due["p"], **due["where"])
            if self.design.verified:
                same("c_words", unpacked(int(dut.c_words.value), width, lanes), due["words"], **due["where"])
            for name in ("row", "group", "left", "last"):
                same(f"c_{name}", int(getattr(dut, f"c_{name}").value), due[name], **due["where"])
        if int(dut.r_valid.value) and self._expected("read data", self.words):
            due = self.words.popleft()
            same("r_data", unpacked(int(dut.r_data.value), width, lanes), due["data"], **due["where"])
        if int(dut.clip_valid.value) and self._expected("clips", self.clips):
            due = self.clips.popleft()
            same("clip_count", int(dut.clip_count.value), due["count"], **due["where"])

    def _expected(self, what: str, queue: deque[dict[str, Any]]) -> bool:
        return bool(queue) or harness.report.same(what, "something", "nothing", vector=self.number)

    def finish(self) -> None:
        """Nothing may be missing."""
        for what, queue in (("counts", self.counts), ("read data", self.words), ("clips", self.clips)):
            harness.report.same(f"missing {what}", 0, len(queue), vector=self.number)


class Bench:
    """Pins, model and stimulus of one test; starts with a cleared memory."""

    def __init__(self, dut: Any, gaps: float):
        self.dut, self.design = dut, harness.design()
        self.loop = Loop(dut)
        self.reference = Reference(dut)
        self.loop.monitor(self.reference)  # outputs before new visits: they belong to earlier ones
        self.loop.monitor(Monitor(dut, "a", FIELDS, self.reference.visit))
        self.source = self.loop.driver(Source(dut, "a", harness.generator(f"gaps {gaps}"), gaps))

    def put(self, op: Op, row: int, group: int, values: Any = 0, last: int = 0) -> None:
        """Queue a visit whose lanes get `values`, a list or one number for all."""
        lanes = self.design.array.lanes
        values = [values] * lanes if isinstance(values, int) else values
        self.source.put(op=op, row=row, group=group, terms=packed(values, self.design.formats.accumulator), last=last)

    async def drain(self) -> None:
        """Wait until all visits have left."""
        await self.loop.until(lambda: not self.source.waiting)
        await self.loop.steps(2)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.step()

    async def set_theta(self, theta: int) -> None:
        """Change theta between visits."""
        await self.drain()
        log2 = self.design.update.threshold_power_of_two
        self.reference.theta = 1 << (theta.bit_length() - 1) if log2 else theta
        self.dut.theta.value = theta.bit_length() - 1 if log2 else theta

    async def begin(self) -> None:
        await harness.start(self.dut)
        for row in range(self.design.array.rows):
            for group in range(self.design.array.groups):
                self.put(Op.CLEAR, row, group, values=-1)
        await self.drain()

    async def finish(self) -> None:
        """Read everything back."""
        for row in range(self.design.array.rows):
            for group in range(self.design.array.groups):
                self.put(Op.READ, row, group)
        await self.drain()
        self.reference.finish()


@harness.bench()
async def corners(dut: Any) -> None:
    """Saturation at both ends, twice running; each kind of visit right behind each other kind on one group."""
    bench = Bench(dut, gaps=0.0)
    await bench.begin()
    half = 1 << (bench.design.formats.accumulator - 1)
    await bench.set_theta(max(1, half // 8))
    last_row, last_group = bench.design.array.rows - 1, bench.design.array.groups - 1
    for value in (half - 1, half - 1, 1, -half, -half, -half, -1, -half, half - 1, half - 1, half - 1):
        bench.put(Op.ACCUMULATE, last_row, last_group, value)
    # Words from memory, one and two cycles old, behind every kind of visit.
    for first in Op:
        for second in Op:
            for distance in range(4):
                bench.put(Op.WRITE, 0, 0, half // 2 + 1)
                bench.put(first, 0, 0, half // 3, last=1)
                for _ in range(distance):
                    bench.put(Op.ACCUMULATE, last_row, last_group, 1)
                bench.put(second, 0, 0, -half // 5)
                bench.put(Op.READ, 0, 0)
    await bench.finish()


async def at_random(dut: Any, gaps: float) -> None:
    """Random visits that meet again and again on a few groups."""
    bench = Bench(dut, gaps)
    await bench.begin()
    rng, design = harness.generator(f"visits {gaps}"), bench.design
    array, half = design.array, 1 << (design.formats.accumulator - 1)
    places = [(rng.randrange(array.rows), rng.randrange(array.groups)) for _ in range(3)]
    kinds = [*[Op.ACCUMULATE] * 6, *[Op.PROGRAM] * 3, Op.READ, Op.WRITE, Op.CLEAR]
    for number in range(VISITS):
        if number % (VISITS // 5) == 0:
            await bench.set_theta(rng.randrange(1, max(2, half >> rng.randrange(0, design.formats.accumulator - 1))))
        place = rng.choice(places) if rng.random() < 0.8 else (rng.randrange(array.rows), rng.randrange(array.groups))
        size = 1 << rng.randrange(1, design.formats.accumulator)
        values = [rng.randrange(-size, size) for _ in range(array.lanes)]
        bench.put(rng.choice(kinds), *place, values, last=rng.randrange(2))
    await bench.finish()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps: every cycle a visit."""
    await at_random(dut, 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Gaps of random length between visits."""
    await at_random(dut, 0.4)
