"""Regression of the update stream: frames of changes in by beats, visits with terms out.

The model is fed with the beats that the pins show to be taken; a frame's visits must come in their order, and leave the
same accumulators.
"""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe, packed
from crosstrain_cosim.update_stream_reference import Reference
from crosstrain_model.frames import beat_bits, slot_bits
from crosstrain_model.outer_product import limits

FRAMES = 60


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"frames {name}")
        self.loop, self.reference = Loop(dut), Reference(dut)
        reference = self.reference
        fields = ("row", "group", "terms", "null", "last", "program")
        self.loop.monitor(Monitor(dut, "v", fields, reference.visit))
        self.loop.monitor(reference)
        self.loop.monitor(Monitor(dut, "u", ("sparse", "first", "data", "last"), reference.beat))
        self.loop.monitor(Monitor(dut, "p", (), reference.token))
        rng = harness.generator(f"gaps {name}")
        self.beats, self.tokens = (self.loop.driver(Source(dut, prefix, rng, gaps)) for prefix in "up")
        self.loop.driver(Sink(dut, "v", rng, gaps))
        self.strobe = self.loop.driver(Strobe(dut))
        self.low, self.high = limits(self.design)

    async def frame(self, beats: list[int], *, sparse: bool = False, cut: bool = False) -> None:
        """Offer a frame; cut: drop it after these beats, which are not all."""
        for place, beat in enumerate(beats):
            last = int(place == len(beats) - 1 and not cut)
            self.beats.put(sparse=int(sparse), first=int(place == 0), data=beat, last=last)
        await self.loop.until(lambda: not self.beats.waiting, what="room for beats")
        if cut:  # the next beat comes later, or is offered together with the drop
            self.strobe.fire(drop=1)
            await self.loop.steps(self.rng.choice((0, 0, 2)))

    async def token(self) -> None:
        """Ask for a pass."""
        self.tokens.put()
        await self.loop.until(lambda: not self.tokens.waiting, what="room for a token")

    def noise(self) -> int:
        return self.rng.getrandbits(beat_bits(self.design))

    def matrix(self, changes: list[list[int]]) -> list[int]:
        """Beats of an UPDATE; what is ignored is noise."""
        array, slot, width = self.design.array, slot_bits(self.design), self.design.formats.accumulator
        beats = []
        for row in changes:
            for start in range(0, array.columns, array.lanes):
                codes = row[start : start + array.lanes]
                used = sum((1 << width) - 1 << slot * lane for lane in range(len(codes)))
                beats.append(packed(codes, slot) & used | self.noise() & ~used)
        return beats

    def cell(self, row: int, column: int, change: int) -> int:
        """A beat of a SPARSE."""
        slot, width = slot_bits(self.design), self.design.formats.accumulator
        used = (1 << width) - 1 | 0xFFFFFFFF << slot
        return packed([change], width) | column << slot | row << slot + 16 | self.noise() & ~used

    def change(self) -> int:
        """Often zero, sometimes an extreme."""
        kind = self.rng.random()
        if kind < 0.4:
            return 0
        return self.rng.choice((self.low, self.high, 1, -1)) if kind < 0.6 else self.rng.randint(self.low, self.high)

    def changes(self) -> list[list[int]]:
        """A matrix of them, some of its groups zero."""
        array, rng = self.design.array, self.rng
        density = rng.choice((0.0, 0.1, 1.0))
        return [
            [self.change() if rng.random() < density else 0 for _ in range(array.columns)] for _ in range(array.rows)
        ]

    async def drain(self) -> None:
        """Until nothing is under way; nothing may be missing, and the accumulators are the same."""
        await self.loop.steps(2)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(2)
        reference, same = self.reference, harness.report.same
        same("missing frames", 0, len(reference.due), vector=reference.frames)
        same("visits without an end", reference.seen, [], vector=reference.frames)
        same("frame errors", reference.errors, reference.errors_due, vector=reference.frames)
        same("accumulators", reference.own.tolist(), reference.dw.tolist(), vector=reference.frames)


@harness.bench()
async def corners(dut: Any) -> None:
    """Extremes, zeros, single weights, frames too short and too long, cells that do not exist, cuts, tokens."""
    await harness.start(dut)
    bench = Bench(dut, "corners", 0.0)
    array = bench.design.array
    for value in (bench.high, bench.low, 0, 1, -1):
        await bench.frame(bench.matrix([[value] * array.columns] * array.rows))
    whole = bench.matrix([[1] * array.columns] * array.rows)
    for row in {0, array.rows - 1}:
        for column in {0, array.columns - 1}:
            alone = [[-3 * (r == row and c == column) for c in range(array.columns)] for r in range(array.rows)]
            await bench.frame(bench.matrix(alone))
            await bench.frame([bench.cell(row, column, 0), bench.cell(row, column, bench.low)], sparse=True)
    for beats in ([*whole, 1], [*whole, bench.noise(), bench.noise()], whole[:1], whole[:-1]):
        await bench.frame(beats)
        await bench.frame(whole)
    for row, column in ((array.rows, 0), (0, array.columns), (65535, 65535), (array.rows - 1, array.columns)):
        beats = [bench.cell(row, column, 5), bench.cell(0, 0, 6), bench.cell(row, column, 7)]
        await bench.frame(beats, sparse=True)
    await bench.token()
    for count in {1, max(1, len(whole) - 1)} if len(whole) > 1 else {}:
        await bench.frame(whole[:count], cut=True)
        await bench.frame(whole)
    bench.strobe.fire(drop=1)
    await bench.loop.steps(2)
    await bench.token()
    await bench.token()
    await bench.frame(whole)
    await bench.drain()


@harness.bench()
async def a_group_a_cycle(dut: Any) -> None:
    """Without gaps a visit leaves in every cycle of a frame."""
    await harness.start(dut)
    bench = Bench(dut, "speed", 0.0)
    cycles: list[int] = []
    bench.loop.monitor(Monitor(dut, "v", (), lambda seen: cycles.append(bench.loop.cycle)))
    array = bench.design.array
    beats = bench.matrix([[1] * array.columns] * array.rows)
    await bench.frame(beats * 1)
    await bench.frame([bench.cell(n % array.rows, n % array.columns, -1) for n in range(20)], sparse=True)
    await bench.drain()
    count = len(beats) + 20
    harness.report.same("visits", len(cycles), count)
    harness.report.same("cycles from the first visit to the last", cycles[len(beats) - 1] - cycles[0] + 1, len(beats))
    harness.report.same("cycles of single changes", cycles[-1] - cycles[len(beats)] + 1, 20)
    harness.report.payload["visits_per_cycle"] = len(beats) / (cycles[len(beats) - 1] - cycles[0] + 1)


async def at_random(dut: Any, name: str, gaps: float) -> None:
    """Random frames of every kind, good and bad."""
    await harness.start(dut)
    bench = Bench(dut, name, gaps)
    array, rng = bench.design.array, bench.rng
    for _ in range(harness.amount(FRAMES)):
        kind = rng.random()
        if kind < 0.15:
            await bench.token()
        elif kind < 0.6:
            beats = bench.matrix(bench.changes())
            if rng.random() < 0.3:
                beats = rng.choice((beats[: rng.randint(1, len(beats))], beats + [bench.noise()] * rng.randint(1, 3)))
            await bench.frame(beats, cut=rng.random() < 0.15)
        else:
            row, column = (lambda: rng.randrange(array.rows + 1)), (lambda: rng.randrange(array.columns + 1))
            cells = [bench.cell(row(), column(), bench.change()) for _ in range(rng.randint(1, 12))]
            await bench.frame(cells, sparse=True, cut=rng.random() < 0.15)
    await bench.drain()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps on any stream."""
    await at_random(dut, "dense", 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps on every stream."""
    await at_random(dut, "gaps", 0.4)
