"""The vector store against plain lists, in amaranth.sim: codes, maxima, order, slots, drops, skips, pace."""

import dataclasses
import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.vector_store import VectorStore, vector_beats
from crosstrain_model.design import Array, Bus, Design, Formats


def design(rows=13, columns=7, lanes=3, codes=0, vectors=2, x=8, d=8):
    return Design(
        scheme="agad", array=Array(rows=rows, columns=columns, lanes=lanes), formats=Formats(x=x, d=d),
        bus=Bus(stream_codes=codes, vectors=vectors),
    )  # fmt: skip


CONFIGURATIONS = {
    "13x7": design(),
    "one code a beat": design(codes=1, vectors=3),
    "wide": design(rows=40, columns=33, lanes=4, codes=16, vectors=4, x=5, d=12),
    "one beat": design(rows=5, columns=8, lanes=8, codes=8, x=12, d=2),
    "1x1": design(rows=1, columns=1, lanes=1, x=2, d=3),
}


def unpacked(word, bits, count):
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    return [(((word >> (place * bits)) & mask) ^ half) - half for place in range(count)]


class Bench:
    """Sends vectors after random gaps; takes maxima, and then beats, after random gaps."""

    def __init__(self, tile, seed=1, *, haste=0.6, drops=0.2, skips=0.3):
        self.tile, self.dut, self.rng = tile, VectorStore(tile), random.Random(seed)
        self.haste, self.drops, self.skips = haste, drops, skips
        self.bits = max(tile.formats.x, tile.formats.d)
        self.sent, self.maxima, self.filled = [], [], []
        self.cycle = 0
        self.committed_at, self.valid_at, self.beat_cycles = [], [], []

    def vector(self):
        """Random codes, now and then all zero or with the most negative code; what it says of its maxima."""
        sides = []
        array, formats = self.tile.array, self.tile.formats
        for lines, bits in ((array.rows, formats.x), (array.columns, formats.d)):
            half = 1 << (bits - 1)
            kind = self.rng.random()
            low, high = (0, 0) if kind < 0.1 else (-half, half - 1) if kind < 0.6 else (-1, 1)
            codes = [self.rng.randint(low, high) for _ in range(lines)]
            if self.rng.random() < 0.2:
                codes[self.rng.randrange(lines)] = -half
            sides.append(codes)
        return sides, [self.rng.randint(-128, 127) for _ in "xd"]

    def beats(self, sides):
        """(is_d, word) of each beat; rubbish in the places beyond the last code."""
        codes, beats = self.tile.stream_codes, []
        for is_d, side in enumerate(sides):
            count = vector_beats(self.tile)[is_d]
            padded = [*side, *(self.rng.randint(-1, 0) for _ in range(count * codes - len(side)))]
            for first in range(0, len(padded), codes):
                word = sum((v & (1 << self.bits) - 1) << (i * self.bits) for i, v in enumerate(padded[first:][:codes]))
                beats.append((is_d, word))
        return beats

    async def until(self, ctx, ready):
        """Ticks until the edge that sees `ready`."""
        while True:
            seen = ctx.get(ready)
            await ctx.tick()
            if seen:
                return

    async def load(self, ctx, count):
        dut, rng = self.dut, self.rng
        while len(self.sent) < count:
            sides, exponents = self.vector()
            beats = self.beats(sides)
            dropped = rng.random() < self.drops
            for is_d, word in beats[: rng.randint(1, len(beats)) if dropped else None]:
                while rng.random() > self.haste:
                    await ctx.tick()
                ctx.set(dut.w_valid, 1)
                ctx.set(dut.w_is_d, is_d)
                ctx.set(dut.w_codes, word)
                await self.until(ctx, dut.w_ready)
                ctx.set(dut.w_valid, 0)
                ctx.set(dut.w_codes, rng.getrandbits(len(dut.w_codes)))
            if dropped:
                ctx.set(dut.drop, 1)
                await ctx.tick()
                ctx.set(dut.drop, 0)
                continue
            ctx.set(dut.commit_valid, 1)
            ctx.set(dut.commit_ex, exponents[0])
            ctx.set(dut.commit_ed, exponents[1])
            self.sent.append((sides, exponents))
            await self.until(ctx, dut.commit_ready)
            self.committed_at.append(self.cycle)
            ctx.set(dut.commit_valid, 0)

    async def clock(self, ctx):
        while True:
            await ctx.tick()
            self.cycle += 1

    async def take(self, ctx, count):
        """Takes maxima and then fills from, or skips, the same vector."""
        dut, rng = self.dut, self.rng
        for number in range(count):
            while not ctx.get(dut.s_valid):
                await ctx.tick()
            self.valid_at.append(self.cycle)
            while rng.random() > self.haste:
                await ctx.tick()
            self.maxima.append([ctx.get(port) for port in (dut.s_x, dut.s_ex, dut.s_d, dut.s_ed)])
            ctx.set(dut.s_ready, 1)
            await ctx.tick()
            ctx.set(dut.s_ready, 0)
            assert ctx.get(dut.busy)
            if rng.random() < self.skips:
                ctx.set(dut.f_skip, 1)
                await ctx.tick()
                ctx.set(dut.f_skip, 0)
                self.filled.append(None)
                continue
            await self._fill(ctx, number)

    async def _fill(self, ctx, number):
        dut, got, codes = self.dut, [[], []], self.tile.stream_codes
        while True:
            while self.rng.random() > self.haste:
                await ctx.tick()
            ctx.set(dut.f_ready, 1)
            while not ctx.get(dut.f_valid):
                await ctx.tick()
            side = got[ctx.get(dut.f_is_d)]
            assert len(side) == ctx.get(dut.f_index) * codes, number
            side += unpacked(ctx.get(dut.f_codes), self.bits, codes)
            last = ctx.get(dut.f_last)
            self.beat_cycles.append(self.cycle)
            await ctx.tick()
            ctx.set(dut.f_ready, 0)
            if last:
                self.filled.append(got)
                return

    def run(self, count=40):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        finished = []

        async def ends(ctx):
            await self.take(ctx, count)
            finished.append(not ctx.get(self.dut.busy))

        async def feed(ctx):
            await self.load(ctx, count)

        simulator.add_testbench(self.clock, background=True)
        simulator.add_testbench(feed)
        simulator.add_testbench(ends)
        simulator.run()
        assert finished == [True]
        return self

    def check(self):
        """Every vector in order, every code, and zeros beyond the last."""
        beats = [count * self.tile.stream_codes for count in vector_beats(self.tile)]
        for (sides, exponents), maxima, filled in zip(self.sent, self.maxima, self.filled, strict=True):
            most = [max(map(abs, side)) for side in sides]
            assert maxima == [most[0], exponents[0], most[1], exponents[1]]
            if filled is not None:
                assert filled == [side + [0] * (beats[i] - len(side)) for i, side in enumerate(sides)]


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("haste", [1.0, 0.5])
def test_vectors_come_back_with_their_maxima(name, haste):
    Bench(CONFIGURATIONS[name], haste=haste).run().check()


def test_a_beat_a_cycle_in_and_out():
    """Without gaps loading never waits, and filling takes a cycle a beat, across vectors too."""
    tile = CONFIGURATIONS["wide"]
    dut, beats = VectorStore(tile), sum(vector_beats(tile))
    loaded, filled = [], []

    async def load(ctx):
        ctx.set(dut.s_ready, 1)
        ctx.set(dut.f_ready, 1)
        cycle = 0
        for _ in range(6):
            for beat in range(beats + 1):
                commit = beat == beats
                ctx.set(dut.commit_valid, commit)
                ctx.set(dut.w_valid, not commit)
                ready = dut.commit_ready if commit else dut.w_ready
                assert ctx.get(ready)
                loaded.append(cycle)
                if ctx.get(dut.f_valid):
                    filled.append(cycle)
                await ctx.tick()
                cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(load)
    simulator.run()
    assert loaded == list(range(6 * (beats + 1)))
    runs = [filled[first : first + beats] for first in range(0, len(filled) - beats, beats)]
    assert len(runs) >= 4
    assert all(run == list(range(run[0], run[0] + beats)) for run in runs)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_latency(name):
    bench = Bench(CONFIGURATIONS[name], haste=1.0, drops=0, skips=1.0).run(count=1)
    assert bench.valid_at[0] - bench.committed_at[0] + 1 == bench.dut.latency


def test_full_slots_hold_the_next_vector_back():
    tile = dataclasses.replace(CONFIGURATIONS["13x7"], bus=Bus(vectors=3))
    dut, beats = VectorStore(tile), sum(vector_beats(tile))

    async def testbench(ctx):
        for _ in range(3):
            ctx.set(dut.w_valid, 1)
            await ctx.tick().repeat(beats)
            ctx.set(dut.w_valid, 0)
            ctx.set(dut.commit_valid, 1)
            assert ctx.get(dut.commit_ready)
            await ctx.tick()
            ctx.set(dut.commit_valid, 0)
        ctx.set(dut.s_ready, 1)
        await ctx.tick().repeat(20)
        assert (ctx.get(dut.w_ready), ctx.get(dut.commit_ready), ctx.get(dut.busy)) == (0, 0, 1)
        ctx.set(dut.f_skip, 1)
        await ctx.tick()
        ctx.set(dut.f_skip, 0)
        assert (ctx.get(dut.w_ready), ctx.get(dut.commit_ready)) == (1, 1)
        ctx.set(dut.f_ready, 1)
        await ctx.tick().repeat(2 * beats + 3)
        assert (ctx.get(dut.busy), ctx.get(dut.f_valid)) == (0, 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    """amaranth.sim and Icarus agree on every output in every cycle but on codes that were never written."""
    tile = CONFIGURATIONS["13x7"]
    beats = sum(vector_beats(tile))

    def loads(commit):
        return lambda rng, step: step > 3 and ((step % (beats + 1) == beats) == commit)

    dut = VectorStore(tile)
    stimulus = bench.stimulus(
        dut,
        steps=300,
        seed=2,
        w_valid=loads(False),
        commit_valid=loads(True),
        w_is_d=lambda rng, step: step % (beats + 1) >= vector_beats(tile)[0],
        drop=lambda rng, step: rng.random() < 0.01,
        s_ready=lambda rng, step: 1,
        f_ready=lambda rng, step: rng.random() < 0.8,
        f_skip=lambda rng, step: 0,
    )
    texts = emit(dut, name="vector_store", profile=profile)
    seen = bench.replay(texts, "vector_store", dut, stimulus, profile=profile)
    want = bench.record(dut, stimulus, profile=profile)
    assert len(seen) == len(want)
    assert all(s in ("x", w) for a, b in zip(seen, want, strict=True) for s, w in zip(a, b, strict=True))
    assert seen[-1] == want[-1]
