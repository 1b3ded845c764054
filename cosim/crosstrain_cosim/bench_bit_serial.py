"""Regression of bit-serial reads: words of input codes in, words of one bit per row out, and the cycles of a read."""

from __future__ import annotations

from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, packed, unpacked
from crosstrain_model import bit_serial as model
from crosstrain_model.port import code_bits

READS = 40


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"reads {name}")
        self.loop = Loop(dut)
        self.codes: list[int] = []
        self.due: deque[int] = deque()
        self.reads = 0
        self.cycles: list[int] = []
        self.loop.monitor(Monitor(dut, "b", ("bits",), self._word))
        self.loop.monitor(Monitor(dut, "dac", ("codes",), self._codes))
        rng = harness.generator(f"gaps {name}")
        self.source = self.loop.driver(Source(dut, "dac", rng, gaps))
        self.loop.driver(Sink(dut, "b", rng, gaps))

    def _codes(self, seen: dict[str, int]) -> None:
        """Words of codes make a read."""
        array, formats = self.design.array, self.design.formats
        mask = (1 << formats.x) - 1
        self.codes += [code & mask for code in unpacked(seen["codes"], code_bits(self.design), array.lanes)]
        if len(self.codes) >= array.rows:
            self.reads += 1
            self.due += model.words(self.design, self.codes[: array.rows])
            self.codes = []

    def _word(self, seen: dict[str, int]) -> None:
        self.cycles.append(self.loop.cycle)
        due = self.due.popleft() if self.due else None
        where = {"vector": self.reads, "word": -len(self.due)}
        harness.report.same("b_bits", seen["bits"], due, **where)

    def put(self, codes: list[int]) -> None:
        """Queue a read; places beyond the last row and bits above a code are noise."""
        array, bits = self.design.array, code_bits(self.design)
        spare = bits - self.design.formats.x
        noisy = [code | self.rng.getrandbits(spare) << self.design.formats.x if spare else code for code in codes]
        noisy += [self.rng.getrandbits(bits) for _ in range(-len(codes) % array.lanes)]
        for start in range(0, len(noisy), array.lanes):
            self.source.put(codes=packed(noisy[start : start + array.lanes], bits))

    async def drain(self) -> None:
        """Until nothing is left; nothing may be missing."""
        await self.loop.until(lambda: not self.source.waiting, what="room for words")
        await self.loop.steps(2)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(2)
        harness.report.same("missing words", 0, len(self.due), vector=self.reads)

    def random_codes(self) -> list[int]:
        top = (1 << self.design.formats.x) - 1
        return [self.rng.choice((0, top, 1, self.rng.randint(0, top))) for _ in range(self.design.array.rows)]


@harness.bench()
async def corners(dut: Any) -> None:
    """All ones, zeros, every bit of the first row and of the last alone."""
    await harness.start(dut)
    bench = Bench(dut, "corners", 0.0)
    rows, bits = bench.design.array.rows, bench.design.formats.x
    for value in ((1 << bits) - 1, 0, 1, 1 << bits - 1):
        bench.put([value] * rows)
    for row in {0, rows - 1}:
        for bit in range(bits):
            bench.put([(1 << bit) * (r == row) for r in range(rows)])
    await bench.drain()


@harness.bench()
async def cycles_of_a_read(dut: Any) -> None:
    """A macro that is always ready: x words for each group, and one cycle for its conversion."""
    await harness.start(dut)
    bench = Bench(dut, "speed", 0.0)
    array, bits = bench.design.array, bench.design.formats.x
    for _ in range(2):
        bench.cycles.clear()
        bench.put(bench.random_codes())
        await bench.drain()
        due = [group * (bits + 1) + bit for group in range(array.groups) for bit in range(bits)]
        harness.report.same("cycles of the words", [cycle - bench.cycles[0] for cycle in bench.cycles], due)
        converted = bench.cycles[-1] + 1  # the ADCs convert in the cycle after the last bit, and offer the word
        operation = converted - bench.cycles[0] + 1
        harness.report.same("cycles of a tile operation", operation, model.cycles(bench.design))
        harness.report.payload["operation"] = operation


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random codes, random gaps on both sides."""
    await harness.start(dut)
    bench = Bench(dut, "random", 0.3)
    for _ in range(harness.amount(READS)):
        bench.put(bench.random_codes())
        await bench.loop.steps(bench.rng.randrange(30))
    await bench.drain()
