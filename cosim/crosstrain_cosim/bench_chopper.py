"""Regression of the choppers: the sign and the flip of every row that is read, and all bits after it.

The model reads the row that the pins name; draws come from its own stream.
"""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Strobe, packed
from crosstrain_model.chopper import Chopper

READS = 150


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"choppers {name}")
        self.loop, self.model = Loop(dut), Chopper(self.design)
        self.strobe = self.loop.driver(Strobe(dut))
        self.probability = self.design.transfer.flip_probability
        self.reads = 0

    async def begin(self) -> None:
        """Reset; all signs are positive."""
        inputs = {"probability": self.probability} if hasattr(self.dut, "probability") else {}
        await harness.start(self.dut, **inputs)
        await self.compare()

    async def set_probability(self, value: int) -> None:
        """Another value of the register."""
        self.probability = value
        if hasattr(self.dut, "probability"):
            self.dut.probability.value = value
        await self.loop.step()

    async def read(self, row: int, *, wrap: bool = False, ends: bool = False, gap: int = 0) -> None:
        """A row is read: its sign and flip, then the bits."""
        dut, model, same = self.dut, self.model, harness.report.same
        dut.row.value = row
        if hasattr(dut, "ends"):
            dut.ends.value = int(ends)
        await self.loop.steps(2 + gap)
        draws = model.draws(1, int(wrap))
        flip = model.flips(ends, self.probability, draws)
        where = {"vector": self.reads, "row": row}
        same("sign", int(dut.sign.value), int(model.rows[row]), **where)
        same("flip", int(dut.flip.value), int(flip), **where)
        model.rows[row] ^= flip
        if wrap:
            model.wrap(ends, self.probability, draws[model.by_row == "random" :])
        self.reads += 1
        self.strobe.fire(commit=1, wrap=int(wrap))
        await self.loop.steps(3)
        await self.loop.until(lambda: int(dut.busy.value) == 0, what="end of the flips of columns")
        await self.compare()

    async def compare(self) -> None:
        """All bits, as they go to the trains."""
        for name, wanted in (("rows", self.model.rows), ("columns", self.model.columns)):
            value = int(getattr(self.dut, name).value)
            harness.report.same(name, value, packed([int(bit) for bit in wanted], 1), vector=self.reads)

    async def words(self) -> None:
        """All bits, as the host sees them, and the stream."""
        dut, same = self.dut, harness.report.same
        for index, wanted in enumerate(self.model.words()):
            dut.chop_index.value = index
            await self.loop.steps(2)
            same("chop_word", int(dut.chop_word.value), wanted, vector=self.reads, index=index)
        if self.model.stream is not None:
            state = packed([int(word) for word in self.model.stream.state], 32)
            same("choppers_state", int(dut.choppers_state.value), state, vector=self.reads)


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random rows, wraps and ends of periods, with and without pauses."""
    bench = Bench(dut, "random")
    await bench.begin()
    rng, rows = bench.rng, bench.design.array.rows
    for number in range(harness.amount(READS, 20)):
        if number % 10 == 0:
            await bench.set_probability(rng.choice((0, 1, 6554, 2**15, 2**16 - 1, 2**16)))
        row = rng.choice((0, rows - 1, rng.randrange(rows)))
        gap = rng.choice((0, 0, 3))
        await bench.read(row, wrap=rng.random() < 0.4, ends=rng.random() < 0.5, gap=gap)
    await bench.words()


@harness.bench()
async def corners(dut: Any) -> None:
    """Never and always; twice the same row; every word loaded by the host; clear."""
    bench = Bench(dut, "corners")
    await bench.begin()
    model, last = bench.model, bench.design.array.rows - 1
    for probability in (0, 2**16):
        await bench.set_probability(probability)
        for row in (0, 0, last, last):
            await bench.read(row, ends=bool(probability), wrap=row == last)
    for index in range(len(model.words())):
        word = bench.rng.getrandbits(32)
        bench.strobe.fire(chop_write=1, chop_data=word)
        dut.chop_index.value = index
        await bench.loop.steps(2)
        model.put_word(index, word)
    await bench.words()
    await bench.compare()
    if model.stream is not None:
        words = [bench.rng.getrandbits(32) for _ in model.stream.state]
        for index, word in enumerate(words):
            bench.strobe.fire(choppers_load=1, choppers_load_data=word)
            dut.choppers_load_index.value = index
            await bench.loop.steps(2)
        model.stream.state = words
    await bench.set_probability(2**15)
    for row in (last, 0, last):
        await bench.read(row, wrap=row == last, ends=True)
    bench.strobe.fire(clear=1)
    model.clear()
    await bench.loop.steps(3)
    await bench.compare()
    await bench.words()
    for row in (last, 0, last):
        await bench.read(row, wrap=row == last, ends=True)
