"""Regression of L in a memory of the controller: visits in, carries out, the host between them.

The model is fed with the visits that the pins show; carries, words and clips must come in their order.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, packed, unpacked
from crosstrain_hdl.hybrid_ports import q_bits
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.hybrid import add

VISITS = 200


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"visits {name}")
        self.loop = Loop(dut)
        array = self.design.array
        self.l = np.zeros((array.rows, array.groups * array.lanes), np.int64)
        self.due: deque[tuple[int, int, list[int]]] = deque()
        self.words: deque[list[int]] = deque()
        self.ends = self.ended = self.clips = self.clipped = 0
        rng = harness.generator(f"gaps {name}")
        for part in (
            Monitor(dut, "r", ("row", "group", "q", "visit", "row_end"), self._visit),
            Monitor(dut, "m", ("write", "row", "group", "data"), self._host),
            Monitor(dut, "w", ("row", "group", "word"), self._carry),
            Monitor(dut, "l", ("data",), self._word),
            Monitor(dut, "clip", ("count",), self._clip),
            self,
        ):
            self.loop.monitor(part)
        self.visits = self.loop.driver(Source(dut, "r", rng, gaps))
        self.host = self.loop.driver(Source(dut, "m", rng, gaps))
        self.loop.driver(Sink(dut, "w", rng, gaps))

    def _cells(self, seen: dict[str, int]) -> Any:
        lanes = self.design.array.lanes
        return self.l[seen["row"], seen["group"] * lanes : (seen["group"] + 1) * lanes]

    def _visit(self, seen: dict[str, int]) -> None:
        self.ends += seen["row_end"]
        if not seen["visit"]:
            return
        cells = self._cells(seen)
        made = add(self.design, cells, unpacked(seen["q"], q_bits(self.design), len(cells)))
        cells[:] = made.after
        self.clips += int(np.count_nonzero(made.clipped))
        if made.carries.any():
            self.due.append((seen["row"], seen["group"], made.carries.tolist()))

    def _host(self, seen: dict[str, int]) -> None:
        cells = self._cells(seen)
        if seen["write"]:
            cells[:] = unpacked(seen["data"], self.design.hybrid.bits, len(cells))
        else:
            self.words.append(cells.tolist())

    def _carry(self, seen: dict[str, int]) -> None:
        carries = unpacked(seen["word"], COUNT_BITS, self.design.array.lanes)
        due = self.due.popleft() if self.due else None
        harness.report.same("carries", (seen["row"], seen["group"], carries), due)

    def _word(self, seen: dict[str, int]) -> None:
        word = unpacked(seen["data"], self.design.hybrid.bits, self.design.array.lanes)
        harness.report.same("l_data", word, self.words.popleft() if self.words else None)

    def _clip(self, seen: dict[str, int]) -> None:
        self.clipped += seen["count"]

    def edge(self) -> None:
        """Ends of rows."""
        self.ended += int(self.dut.w_end.value)

    async def begin(self) -> None:
        """Reset, and the sweep behind it."""
        await harness.start(self.dut)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the sweep")

    def put(self, row: int, group: int, q: list[int], end: int) -> None:
        """Queue a visit."""
        self.visits.put(row=row, group=group, q=packed(q, q_bits(self.design)), visit=1, row_end=end)

    def put_random(self) -> None:
        """A visit at random, often of the group before, or the end of a row."""
        rng, array, bits = self.rng, self.design.array, q_bits(self.design)
        if rng.random() < 0.2:
            self.visits.put(row=0, group=0, q=0, visit=0, row_end=1)
            return
        few = rng.random() < 0.5
        row, group = rng.randrange(min(2, array.rows) if few else array.rows), rng.randrange(array.groups)
        half, shift = 1 << (bits - 1), rng.randrange(bits)
        used = min(array.lanes, array.columns - group * array.lanes)
        q = [rng.choice((rng.randrange(-half, half) >> shift, -half, half - 1, 0)) for _ in range(used)]
        self.put(row, group, q, rng.randrange(2))

    async def drain(self) -> None:
        """Until everything is done; nothing may be missing."""
        await self.loop.until(lambda: not self.visits.waiting and not self.host.waiting)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="rest")
        await self.loop.steps(4)
        same = harness.report.same
        for what, queue in (("carries", self.due), ("words", self.words)):
            same(f"missing {what}", 0, len(queue))
        same("ends of rows", self.ended, self.ends)
        same("clips", self.clipped, self.clips)

    def read_all(self) -> None:
        """Visits of the host to a sample of the words, the first and the last among them."""
        array = self.design.array
        places = [(row, group) for row in range(array.rows) for group in range(array.groups)]
        chosen = {places[0], places[-1], *self.rng.sample(places, min(len(places), harness.amount(256, 20)))}
        for row, group in sorted(chosen):
            self.host.put(write=0, row=row, group=group, data=0)


@harness.bench()
async def corners(dut: Any) -> None:
    """L at both ends, changes to every count and beyond, the same group back to back."""
    bench = Bench(dut, "corners", 0.0)
    design = bench.design
    await bench.begin()
    scale, half, most = design.hybrid.scale, 1 << (q_bits(design) - 1), design.update.max_pulses
    row, group = design.array.rows - 1, design.array.groups - 1
    used = design.array.columns - group * design.array.lanes
    for before in (0, 1, -1, scale - 1, -scale):
        changes = {0, 1, -1, scale - before, -scale - before, (most + 1) * scale, -(most + 1) * scale, half - 1, -half}
        for q in sorted(change for change in changes if -half <= change < half):
            word = packed([before] * design.array.lanes, design.hybrid.bits)
            bench.host.put(write=1, row=row, group=group, data=word)
            await bench.loop.until(lambda: not bench.host.waiting)
            for _ in range(3):
                bench.put(row, group, [q] * used, 1)
            await bench.loop.until(lambda: not bench.visits.waiting)
            await bench.loop.steps(4)
    await bench.drain()


async def at_random(dut: Any, name: str, gaps: float) -> None:
    """Visits, the host between them."""
    bench = Bench(dut, name, gaps)
    array, design = bench.design.array, bench.design
    await bench.begin()
    for _ in range(4):
        for _ in range(harness.amount(VISITS, 60)):
            bench.put_random()
        await bench.drain()
        words = [bench.rng.getrandbits(array.lanes * design.hybrid.bits) for _ in range(4)]
        for word in words:
            place = {"row": bench.rng.randrange(array.rows), "group": bench.rng.randrange(array.groups)}
            bench.host.put(write=bench.rng.randrange(2), data=word, **place)
        await bench.drain()
    bench.read_all()
    await bench.drain()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps: every cycle a group."""
    await at_random(dut, "dense", 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps; carries are held back."""
    await at_random(dut, "gaps", 0.5)
