"""Regression of vector_store: beats in, greatest magnitudes out, then the beats again, or none of them.

What is expected is made of the beats that the pins show; a vector's beats are taken or skipped once it was scaled.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, packed, unpacked
from crosstrain_hdl.vector_store import vector_beats
from crosstrain_model.port import code_bits

VECTORS = 60


class Reference:
    """What was loaded, and what must come of it."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        self.bits = code_bits(self.design)
        self.lines = (self.design.array.rows, self.design.array.columns)
        self.loaded: list[list[int]] = [[], []]
        self.to_scale: deque[dict[str, int]] = deque()
        self.to_fill: deque[list[dict[str, int]]] = deque()
        self.vectors = self.scaled = self.filled = 0
        self.holding = False
        """A slot was in use."""
        self.begun = False
        """A beat of the oldest vector was taken."""

    def beat(self, seen: dict[str, int]) -> None:
        """A beat was taken."""
        self.loaded[seen["is_d"]] += unpacked(seen["codes"], self.bits, self.design.stream_codes)

    def commit(self, seen: dict[str, int]) -> None:
        """The vector is whole."""
        self.vectors += 1
        sides = [codes[:lines] for codes, lines in zip(self.loaded, self.lines, strict=True)]
        most = [max(abs(code) for code in side) for side in sides]
        self.to_scale.append({"x": most[0], "ex": seen["ex"], "d": most[1], "ed": seen["ed"]})
        beats, codes = [], self.design.stream_codes
        for is_d, side in enumerate(sides):
            for index, first in enumerate(range(0, len(side), codes)):
                word = packed(side[first : first + codes], self.bits)
                beats.append({"is_d": is_d, "index": index, "codes": word, "last": 0})
        beats[-1]["last"] = 1
        self.to_fill.append(beats)
        self.loaded = [[], []]

    def size(self, seen: dict[str, int]) -> None:
        """Maxima were taken."""
        due = self.to_scale.popleft() if self.to_scale else {}
        for name, value in seen.items():
            harness.report.same(f"s_{name}", value, due.get(name), vector=self.scaled)
        self.scaled += 1

    def fill(self, seen: dict[str, int]) -> None:
        """A beat left."""
        beats = self.to_fill[0] if self.to_fill else []
        due = beats.pop(0) if beats else {}
        for name, value in seen.items():
            harness.report.same(f"f_{name}", value, due.get(name), vector=self.filled)
        self.begun = bool(beats)
        if not beats and self.to_fill:
            self.to_fill.popleft()
            self.filled += 1

    def edge(self) -> None:
        """Drops and skips."""
        if int(self.dut.drop.value):
            self.loaded = [[], []]
        if int(self.dut.f_skip.value):
            self.to_fill.popleft()
            self.filled += 1
        # The pins show what was before this edge: what was closed at an earlier one, and not freed since.
        harness.report.same("busy", int(self.dut.busy.value), int(self.holding), vector=self.vectors)
        self.holding = self.vectors > self.filled


class Loader:
    """Drives beats, commits and drops from a queue of {pin: value}, each after random gaps."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.queue: deque[dict[str, int]] = deque()
        self.kind = ""

    def edge(self) -> None:
        dut = self.dut
        if self.kind:
            ready = {"w": "w_ready", "commit": "commit_ready"}.get(self.kind)
            if ready and not int(getattr(dut, ready).value):
                return
            self.queue.popleft()
            getattr(dut, "drop" if self.kind == "drop" else f"{self.kind}_valid").value = 0
            self.kind = ""
        if not self.queue or self.rng.random() < self.gaps:
            return
        for name, value in self.queue[0].items():
            getattr(dut, name).value = value
        names = self.queue[0]
        self.kind = "drop" if "drop" in names else "commit" if "commit_valid" in names else "w"


class Filler:
    """Takes the beats of scaled vectors at random, or skips them."""

    def __init__(self, dut: Any, rng: Any, reference: Reference, gaps: float, skips: float):
        self.dut, self.rng, self.reference, self.gaps, self.skips = dut, rng, reference, gaps, skips
        self.chosen = -1
        """Vector for which it was decided not to skip."""

    def edge(self) -> None:
        reference, ready, skip = self.reference, 0, 0
        if reference.scaled > reference.filled and self.rng.random() >= self.gaps:
            fresh = not reference.begun and self.chosen != reference.filled
            skip = int(fresh and self.rng.random() < self.skips)
            ready = 1 - skip
            self.chosen = reference.filled
        self.dut.f_ready.value, self.dut.f_skip.value = ready, skip


class Bench:
    """Pins, expectation and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float, skips: float = 0.0):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"vectors {name}")
        self.loop = Loop(dut)
        self.reference = reference = Reference(dut)
        self.loop.monitor(Monitor(dut, "w", ("is_d", "codes"), reference.beat))
        self.loop.monitor(Monitor(dut, "commit", ("ex", "ed"), reference.commit))
        self.loop.monitor(Monitor(dut, "s", ("x", "ex", "d", "ed"), reference.size))
        self.loop.monitor(Monitor(dut, "f", ("is_d", "index", "codes", "last"), reference.fill))
        self.loop.monitor(reference)
        rng = harness.generator(f"gaps {name}")
        self.loader = self.loop.driver(Loader(dut, rng, gaps))
        self.loop.driver(Sink(dut, "s", rng, gaps))
        self.loop.driver(Filler(dut, rng, reference, gaps, skips))

    async def drain(self) -> None:
        """Until nothing is left; nothing may be missing."""
        await self.loop.until(lambda: not self.loader.queue, what="room for vectors")
        await self.loop.steps(3)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(3)
        reference = self.reference
        missing = (reference.vectors - reference.scaled, reference.vectors - reference.filled)
        harness.report.same("vectors not scaled, not filled", (0, 0), missing)

    def put(self, sides: list[list[int]], exponents: tuple[int, int] = (0, 0), beats: int | None = None) -> None:
        """Queue a vector; with `beats` only so many of its beats, and then a drop."""
        codes, bits, queue = self.design.stream_codes, code_bits(self.design), []
        for is_d, side in enumerate(sides):
            space = vector_beats(self.design)[is_d] * codes - len(side)
            padded = side + [self.rng.randint(-(1 << (bits - 1)), 0) for _ in range(space)]
            for first in range(0, len(padded), codes):
                word = packed(padded[first : first + codes], bits)
                queue.append({"w_is_d": is_d, "w_codes": word, "w_valid": 1})
        if beats is None:
            pair = {"commit_ex": exponents[0] & 0xFF, "commit_ed": exponents[1] & 0xFF}
            self.loader.queue += [*queue, {**pair, "commit_valid": 1}]
        else:
            self.loader.queue += [*queue[:beats], {"drop": 1}]

    def codes(self) -> list[list[int]]:
        """Random codes of x and d: all of them, small ones, or next to none."""
        formats, array, rng, sides = self.design.formats, self.design.array, self.rng, []
        for lines, bits in ((array.rows, formats.x), (array.columns, formats.d)):
            half = 1 << (bits - 1)
            low, high, density = rng.choice(((-half, half - 1, 1.0), (-1, 1, 0.5), (-half, -half, 0.05)))
            sides.append([rng.randint(low, high) if rng.random() < density else 0 for _ in range(lines)])
        return sides


@harness.bench()
async def corners(dut: Any) -> None:
    """Zeros, extremes, the greatest magnitude at every line, and drops at every beat; without gaps."""
    bench = Bench(dut, "corners", 0.0)
    await harness.start(dut)
    array, formats = bench.design.array, bench.design.formats
    low_x, low_d = -(1 << (formats.x - 1)), -(1 << (formats.d - 1))
    for x, d in ((0, 0), (low_x, low_d), (-low_x - 1, -low_d - 1), (1, 0), (0, -1)):
        bench.put([[x] * array.rows, [d] * array.columns], (-128, 127))
    for place in range(min(max(array.rows, array.columns), harness.amount(40, 8))):
        r, c = place % array.rows, array.columns - 1 - place % array.columns
        bench.put([[low_x * (i == r) for i in range(array.rows)], [low_d * (i == c) for i in range(array.columns)]])
    for beats in range(min(sum(vector_beats(bench.design)), 20) + 1):
        bench.put(bench.codes(), beats=beats)
        bench.put([[1] * array.rows, [-1] * array.columns], (beats, -beats))
    await bench.drain()


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random vectors, gaps, drops and skips."""
    bench = Bench(dut, "random", 0.3, skips=0.3)
    await harness.start(dut)
    rng, most = bench.rng, sum(vector_beats(bench.design))
    for _ in range(harness.amount(VECTORS)):
        beats = rng.randint(0, most) if rng.random() < 0.2 else None
        bench.put(bench.codes(), (rng.randint(-128, 127), rng.randint(-128, 127)), beats=beats)
    await bench.drain()


@harness.bench()
async def skipped(dut: Any) -> None:
    """Vectors in a row, without gaps, of which every other is not wanted."""
    bench = Bench(dut, "skipped", 0.0, skips=0.5)
    await harness.start(dut)
    for _ in range(harness.amount(VECTORS // 2)):
        bench.put(bench.codes(), (bench.rng.randint(-128, 127), 0))
    await bench.drain()
