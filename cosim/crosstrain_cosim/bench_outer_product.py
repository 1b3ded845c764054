"""Regression of the outer product: vectors in by words, visits with terms out.

The model is fed with the words and commits that the pins show to be taken; every visit must come in its order.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe, packed, unpacked
from crosstrain_model import outer_product as model
from crosstrain_model.port import code_bits

VECTORS = 60


class Reference:
    """The model beside the pins: words become vectors, vectors become visits."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        self.words: dict[int, list[int]] = {0: [], 1: []}
        self.visits: deque[dict[str, Any]] = deque()
        self.vector = 0
        self.clips_due = self.clips_seen = 0

    def word(self, seen: dict[str, int]) -> None:
        """A word of codes was taken."""
        design = self.design
        codes = unpacked(seen["codes"], code_bits(design), design.array.lanes)
        bits = design.formats.d if seen["is_d"] else design.formats.x
        self.words[seen["is_d"]] += [((code & (1 << bits) - 1) ^ 1 << (bits - 1)) - (1 << (bits - 1)) for code in codes]

    def edge(self) -> None:
        """Drops and clips."""
        if int(self.dut.drop.value):
            self.words = {0: [], 1: []}
        self.clips_seen += int(self.dut.term_clipped.value)

    def commit(self, seen: dict[str, int]) -> None:
        """A vector or a token was committed: its visits are due."""
        array = self.design.array
        x, d = self.words[0][: array.rows], self.words[1][: array.columns]
        self.words = {0: [], 1: []}
        self.vector += 1
        if seen["empty"]:
            self._due(null=1, program=1, last=int(TOKEN_LAST))
            return
        exponent = (seen["exponent"] ^ 256) - 256
        shift = (int(self.dut.shift.value) ^ 128) - 128
        s = model.shift_of(exponent, 0, shift)
        terms, _ = model.terms(self.design, x, d, s)
        unclamped = model.shift_term(-np.multiply.outer(np.int64(x), np.int64(d)), s, self.design.formats.rounding)
        wide = np.zeros((array.rows, array.groups * array.lanes), np.int64)
        wide[:, : array.columns] = terms
        visits = model.visits(self.design, x, d)
        self.clips_due += int((terms != unclamped).any())
        for number, (row, group) in enumerate(visits):
            lanes = wide[row, group * array.lanes : (group + 1) * array.lanes].tolist()
            last = number + 1 == len(visits)
            self._due(null=0, row=row, group=group, terms=lanes, last=int(last), program=int(last and seen["program"]))
        if not visits:
            self._due(null=1, last=1, program=seen["program"])

    def _due(self, **visit: Any) -> None:
        self.visits.append({"vector": self.vector, **visit})

    def visit(self, seen: dict[str, int]) -> None:
        """Compare what came with what is due."""
        if not self.visits:
            harness.report.same("visit", seen, "none", vector=self.vector)
            return
        due = self.visits.popleft()
        where = {"vector": due.pop("vector"), "row": due.get("row", "-"), "group": due.get("group", "-")}
        got: dict[str, Any] = dict(seen)
        got["terms"] = unpacked(seen["terms"], self.design.formats.accumulator, self.design.array.lanes)
        for name, value in due.items():
            harness.report.same(f"v_{name}", got[name], value, **where)


TOKEN_LAST = True
"""Whether a program token carries `v_last`."""


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"vectors {name}")
        self.loop, self.reference = Loop(dut), Reference(dut)
        reference = self.reference
        self.loop.monitor(reference)
        self.loop.monitor(Monitor(dut, "w", ("is_d", "codes"), reference.word))
        self.loop.monitor(Monitor(dut, "commit", ("exponent", "program", "empty"), reference.commit))
        fields = ("row", "group", "terms", "null", "last", "program")
        self.loop.monitor(Monitor(dut, "v", fields, reference.visit))
        sources = harness.generator(f"gaps {name}")
        self.words = self.loop.driver(Source(dut, "w", sources, gaps))
        self.commits = self.loop.driver(Source(dut, "commit", sources, gaps))
        self.loop.driver(Sink(dut, "v", sources, gaps))
        self.strobe = self.loop.driver(Strobe(dut))

    async def load(self, x: list[int], d: list[int], d_first: bool = False) -> None:
        """Load one vector's words."""
        lanes, bits = self.design.array.lanes, code_bits(self.design)
        order = ((1, d), (0, x)) if d_first else ((0, x), (1, d))
        for is_d, codes in order:
            for word in model.words(np.array(codes), lanes):
                self.words.put(is_d=is_d, codes=packed(word.tolist(), bits))
        await self.loop.until(lambda: not self.words.waiting, what="room for words")

    async def commit(self, exponent: int = 0, program: bool = False, empty: bool = False) -> None:
        """Make a vector of them, or a token."""
        self.commits.put(exponent=exponent & 0x1FF, program=int(program or empty), empty=int(empty))
        await self.loop.until(lambda: not self.commits.waiting, what="room for a vector")

    async def set_shift(self, shift: int) -> None:
        """Change SHIFT while nothing is under way."""
        await self.drain()
        self.dut.shift.value = shift & 0xFF
        await self.loop.step()

    async def drain(self) -> None:
        """Wait until all visits have left; nothing may be missing."""
        await self.loop.steps(2)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(2)
        reference = self.reference
        harness.report.same("missing visits", 0, len(reference.visits), vector=reference.vector)
        harness.report.same("term_clipped", reference.clips_seen > 0, reference.clips_due > 0, vector=reference.vector)
        reference.clips_seen = reference.clips_due = 0


def code(rng: random.Random, bits: int) -> int:
    """A code: often zero, sometimes an extreme."""
    half = 1 << (bits - 1)
    kind = rng.random()
    if kind < 0.3:
        return 0
    return rng.choice((-half, half - 1, 1, -1)) if kind < 0.5 else rng.randrange(-half, half)


def vector(rng: random.Random, count: int, bits: int, lanes: int) -> list[int]:
    """Codes in which whole words are often zero."""
    codes = [code(rng, bits) for _ in range(count)]
    for start in range(0, count, lanes):
        if rng.random() < 0.3:
            codes[start : start + lanes] = [0] * len(codes[start : start + lanes])
    return codes


@harness.bench()
async def corners(dut: Any) -> None:
    """Extremes, zeros, every shift, empty vectors, tokens and drops."""
    await harness.start(dut)
    bench = Bench(dut, "corners", 0.0)
    array, formats = bench.design.array, bench.design.formats
    low_x, high_x = -(1 << (formats.x - 1)), (1 << (formats.x - 1)) - 1
    low_d, high_d = -(1 << (formats.d - 1)), (1 << (formats.d - 1)) - 1
    for shift in (0, -128, 127):
        await bench.set_shift(shift)
        exponents = (*range(-33, 18), -256, 255)
        for exponent in bench.rng.sample(exponents, harness.amount(len(exponents), 4)):
            await bench.load([low_x] * array.rows, [low_d] * array.columns)
            await bench.commit(exponent)
    await bench.set_shift(0)
    for x, d in ((high_x, low_d), (low_x, high_d), (high_x, high_d), (0, high_d), (high_x, 0), (1, 1), (-1, 1)):
        for exponent in (-1, 0, 15):
            await bench.load([x] * array.rows, [d] * array.columns, d_first=bool(exponent))
            await bench.commit(exponent, program=exponent == 0)
    for row in {0, array.rows - 1}:
        for column in {0, array.columns - 1}:
            await bench.load([high_x * (r == row) for r in range(array.rows)],
                             [low_d * (c == column) for c in range(array.columns)])  # fmt: skip
            await bench.commit()
    await bench.commit(empty=True)
    await bench.load([high_x] * array.rows, [high_d] * array.columns)
    bench.strobe.fire(drop=1)
    await bench.loop.steps(2)
    await bench.load([1] * array.rows, [2] * array.columns)
    await bench.commit()
    await bench.drain()


async def at_random(dut: Any, name: str, gaps: float) -> None:
    """Random vectors, drops and tokens, while shifts change now and then."""
    await harness.start(dut)
    bench = Bench(dut, name, gaps)
    array, formats, rng = bench.design.array, bench.design.formats, bench.rng
    for number in range(harness.amount(VECTORS)):
        if number % 10 == 0:
            await bench.set_shift(rng.randrange(-20, 12))
        x = vector(rng, array.rows, formats.x, array.lanes)
        d = vector(rng, array.columns, formats.d, array.lanes)
        await bench.load(x, d, d_first=rng.random() < 0.3)
        if rng.random() < 0.1:
            bench.strobe.fire(drop=1)
            await bench.loop.steps(2)
            continue
        await bench.commit(rng.randrange(-20, 16), program=rng.random() < 0.2)
        if rng.random() < 0.15:
            await bench.commit(empty=True)
    await bench.drain()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps on any stream."""
    await at_random(dut, "dense", 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps on every stream."""
    await at_random(dut, "gaps", 0.4)
