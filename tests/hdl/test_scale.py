"""Scale hardware against the model, in amaranth.sim: trains, means, pace, and what the host writes."""

import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.logarithm import Antilogarithm, Logarithm
from crosstrain_hdl.running_means import HOST
from crosstrain_hdl.scale import Scale
from crosstrain_model import scale as model
from crosstrain_model.design import Design, Formats
from crosstrain_model.design_gradient import Random, Train
from crosstrain_model.scale import Means, Scaled, ScaleSettings, scale

TOP = 1 << 23


def design(x=8, d=8, slots=5, bits=8):
    return Design(scheme="agad", formats=Formats(x=x, d=d), train=Train(slots=slots), random=Random(bits=bits))


CONFIGURATIONS = {
    "as presets": design(),
    "one slot": design(x=12, d=2, slots=1, bits=4),
    "two slots": design(x=2, d=2, slots=2, bits=4),
    "thirty-one slots": design(x=7, d=9, slots=31),
    "sixty-three slots": design(x=2, d=12, slots=63, bits=10),
}


def simulate(dut, testbench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


class Bench:
    """One vector after the other, each beside the model."""

    def __init__(self, tile):
        self.tile, self.dut, self.means = tile, Scale(tile), Means()
        self.settings = ScaleSettings.of(tile)

    def configure(self, ctx, settings):
        self.settings = settings
        for name in ("rate", "momentum", "dynamic"):
            ctx.set(getattr(self.dut, name), getattr(settings, name))

    def seen_means(self, ctx):
        values = [ctx.get(getattr(self.dut, name)) for name in HOST]
        return Means(m_x=values[0], e_x=values[1], m_d=values[2], e_d=values[3])

    async def vector(self, ctx, *vector):
        """Its train and the means afterwards; returns cycles from taking it to g_valid."""
        dut = self.dut
        for name, value in zip(("s_x", "s_ex", "s_d", "s_ed"), vector, strict=True):
            ctx.set(getattr(dut, name), value)
        ctx.set(dut.s_valid, 1)
        assert ctx.get(dut.s_ready)
        await ctx.tick()
        ctx.set(dut.s_valid, 0)
        cycles = 1
        while not ctx.get(dut.g_valid):
            assert ctx.get(dut.busy)
            await ctx.tick()
            cycles += 1
            assert cycles < 50
        wanted = scale(self.tile, self.settings, self.means, *vector)
        where = (vector, self.settings)
        assert Scaled(slots=ctx.get(dut.g_slots), m_x=ctx.get(dut.g_mx), m_d=ctx.get(dut.g_md)) == wanted, where
        assert self.seen_means(ctx) == self.means, where
        ctx.set(dut.g_ready, 1)
        await ctx.tick()
        ctx.set(dut.g_ready, 0)
        assert not ctx.get(dut.busy)
        return cycles


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_equals_the_model(name):
    tile = CONFIGURATIONS[name]
    bench, rng = Bench(tile), random.Random(5)
    most = [1 << (bits - 1) for bits in (tile.formats.x, tile.formats.d)]

    async def testbench(ctx):
        bench.configure(ctx, bench.settings)
        for number in range(240):
            if number % 30 == 0:
                rate = rng.choice([0, -32768, 32767, rng.randint(-2000, 2000), bench.settings.rate])
                momentum, dynamic = number // 30 * 3 % 13, rng.randint(0, 1)
                bench.configure(ctx, ScaleSettings(rate=rate, momentum=momentum, dynamic=dynamic))
                spread = rng.choice([0, 2, 128])
            sizes = [rng.choice([0, 1, size, *(rng.randint(1, size) for _ in range(9))]) for size in most]
            exponents = [min(rng.randint(-spread, spread), 127) for _ in "xd"]
            cycles = await bench.vector(ctx, sizes[0], exponents[0], sizes[1], exponents[1])
            if all(sizes) and bench.settings.dynamic:
                assert cycles == bench.dut.latency
            assert cycles <= bench.dut.latency

    simulate(bench.dut, testbench)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_interval(name):
    """Vectors in a row, each as soon as the one before it allows."""
    tile = CONFIGURATIONS[name]
    dut, taken = Scale(tile), []

    async def testbench(ctx):
        ctx.set(dut.g_ready, 1)
        ctx.set(dut.dynamic, 1)
        ctx.set(dut.momentum, 4)
        for name in ("s_valid", "s_x", "s_d"):
            ctx.set(getattr(dut, name), 1)
        for cycle in range(200):
            if ctx.get(dut.s_ready):
                taken.append(cycle)
            await ctx.tick()

    simulate(dut, testbench)
    assert {late - early for early, late in zip(taken[2:], taken[3:], strict=False)} == {dut.interval}
    assert dut.interval <= 20


def test_the_host_reads_writes_and_clears_the_means():
    bench = Bench(CONFIGURATIONS["as presets"])
    written = Means(m_x=TOP + 77, e_x=-30, m_d=TOP - 1, e_d=511)

    async def testbench(ctx):
        bench.configure(ctx, bench.settings)
        assert bench.seen_means(ctx) == Means()
        values = (written.m_x, written.e_x, written.m_d, written.e_d)
        for name, value in zip(HOST, values, strict=True):
            ctx.set(bench.dut.write_data, value & 0xFFFFFFFF)
            ctx.set(getattr(bench.dut, f"{name}_write"), 1)
            await ctx.tick()
            ctx.set(getattr(bench.dut, f"{name}_write"), 0)
        assert bench.seen_means(ctx) == written
        bench.means = written
        await bench.vector(ctx, 100, 0, 50, 3)
        await bench.vector(ctx, 1, -128, 128, 127)
        ctx.set(bench.dut.clear, 1)
        await ctx.tick()
        ctx.set(bench.dut.clear, 0)
        assert bench.seen_means(ctx) == Means()

    simulate(bench.dut, testbench)


def test_logarithms_of_all_codes():
    dut, seen, wanted = Logarithm(), [], []

    async def testbench(ctx):
        for v in [*range(1, 2049), TOP, 2 * TOP - 1, 2 * TOP - 2, *range(TOP, 2 * TOP, 20011)]:
            shift = 24 - v.bit_length()
            ctx.set(dut.v, v << shift)
            ctx.set(dut.integer, 23 - shift)
            await ctx.tick()
            seen.append(ctx.get(dut.result))
            wanted.append(model.lg(v))
        await ctx.tick()
        await ctx.tick()

    simulate(dut, testbench)
    assert seen[dut.latency - 1 :] == wanted[: len(seen) - dut.latency + 1]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_antilogarithms(name):
    tile = CONFIGURATIONS[name]
    dut, seen, wanted = Antilogarithm(tile), [], []

    async def testbench(ctx):
        for z in [*range(0, -300, -1), *range(0, -200000, -331), -(1 << 23), 1, (1 << 23) - 1, 0, 0, 0]:
            ctx.set(dut.z, z)
            await ctx.tick()
            seen.append(ctx.get(dut.result))
            wanted.append(model.antilog(tile, min(z, 0)))

    simulate(dut, testbench)
    assert seen[dut.latency - 1 :] == wanted[: len(seen) - dut.latency + 1]


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    """amaranth.sim and Icarus agree on every output in every cycle, X included."""
    dut = Scale(CONFIGURATIONS["as presets"])
    stimulus = bench.stimulus(
        dut,
        steps=400,
        seed=4,
        momentum=lambda rng, step: step // 100 * 4,
        dynamic=lambda rng, step: step < 300,
        rate=lambda rng, step: 594,
        g_ready=lambda rng, step: rng.random() < 0.7,
        clear=lambda rng, step: rng.random() < 0.01,
        **{f"{name}_write": lambda rng, step: 0 for name in HOST},
    )
    texts = emit(dut, name="scale", profile=profile)
    assert bench.replay(texts, "scale", dut, stimulus, profile=profile) == bench.record(dut, stimulus, profile=profile)
