"""Weight copy hardware against the model, in amaranth.sim: every group of a pass, the host's visits, the sweep."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_hdl.tools import lint
from crosstrain_hdl.weight_copy import WeightCopy, target_bits
from crosstrain_model import weight_copy as model
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_verify import Verify


def design(rows, columns, lanes, adc=8, fraction=4, accumulator=16, profile="fpga"):
    levels = dict.fromkeys(("range", "base", "window", "form_level"), 1)
    return Design(
        scheme="wu", profile=profile, array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=adc, fraction=fraction, accumulator=accumulator),
        update=Update(max_pulses=1, threshold=5), verify=Verify(**levels, set_margin=0),
    )  # fmt: skip


DESIGNS = {
    "8x8": design(8, 8, 4),
    "odd": design(13, 7, 3, profile="asic"),
    "1x1": design(1, 1, 1),
    "narrow": design(3, 5, 2, adc=3, fraction=0, accumulator=32),
    "wide": design(2, 12, 4, adc=12, fraction=12, accumulator=8),
}


def pack(values, bits):
    """The packed word of fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (place * bits) for place, value in enumerate(values))


def fields(word, count, bits, signed=True):
    """Fields of a packed word."""
    parts = [word >> (place * bits) & ((1 << bits) - 1) for place in range(count)]
    return [part - (part >> (bits - 1) << bits) for part in parts] if signed else parts


class Bench:
    """A WeightCopy and the model beside it."""

    def __init__(self, tile, seed, *, limit, base):
        self.tile, self.dut, self.rng = tile, WeightCopy(tile), np.random.default_rng(seed)
        self.limit, self.base = limit, base
        array = tile.array
        self.copy = np.zeros((array.rows, array.groups * array.lanes), np.int64)
        self.due, self.seen = [], []
        self.clamps = self.clamped = 0

    def run(self, script):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)

        async def drive(ctx):
            ctx.set(self.dut.limit, self.limit)
            ctx.set(self.dut.base, self.base)
            while ctx.get(self.dut.busy):
                await ctx.tick()
            await script(ctx)
            await ctx.tick().repeat(WeightCopy.latency + 2)
            assert not ctx.get(self.dut.busy)

        async def watch(ctx):
            dut, lanes = self.dut, self.tile.array.lanes
            names = ("t_valid", "t_row", "t_group", "t_last", "t_flags", "t_targets", "clamp_valid", "clamp_count")
            async for _, _, valid, row, group, last, flags, targets, clamped, count in ctx.tick().sample(
                *(getattr(dut, name) for name in names)
            ):
                if valid:
                    parts = fields(targets, 2 * lanes, target_bits(self.tile), signed=False)
                    self.seen.append((row, group, last, fields(flags, 2 * lanes, 1, signed=False), parts))
                self.clamps += count if clamped else 0

        simulator.add_testbench(drive)
        simulator.add_testbench(watch, background=True)
        simulator.run()
        assert self.seen == self.due
        assert self.clamps == self.clamped

    async def visit(self, ctx, row, group, counts, dw):
        """A program visit of one group."""
        dut, lanes, array = self.dut, self.tile.array.lanes, self.tile.array
        cells = slice(group * lanes, (group + 1) * lanes)
        asked = model.hit(self.copy[row, cells], dw, counts, limit=self.limit, base=self.base)
        self.copy[row, cells] = asked.copy
        self.clamped += asked.clamped
        last = int(group == array.groups - 1)
        self.due.append((row, group, last, asked.flagged.astype(int).tolist(), asked.targets.tolist()))
        ctx.set(dut.c_valid, 1)
        for name, value in (("row", row), ("group", group), ("last", last)):
            ctx.set(getattr(dut, f"c_{name}"), value)
        ctx.set(dut.c_counts, pack(counts, COUNT_BITS))
        ctx.set(dut.c_words, pack(dw, self.tile.formats.accumulator))
        await ctx.tick()
        ctx.set(dut.c_valid, 0)
        ctx.set(dut.c_words, int(self.rng.integers(1 << 8)))

    async def host(self, ctx, row, group, word=None):
        """Reads a word, or writes one."""
        dut, lanes = self.dut, self.tile.array.lanes
        ctx.set(dut.w_valid, 1)
        ctx.set(dut.w_write, word is not None)
        ctx.set(dut.w_row, row)
        ctx.set(dut.w_group, group)
        ctx.set(dut.w_data, pack(word or [], self.tile.copy_bits))
        while not (await ctx.tick().sample(dut.w_ready))[2]:
            pass
        ctx.set(dut.w_valid, 0)
        assert ctx.get(dut.r_valid) == (word is None)
        if word is not None:
            self.copy[row, group * lanes : (group + 1) * lanes] = word
        return fields(ctx.get(dut.r_data), lanes, self.tile.copy_bits)

    def changes(self, group):
        """Counts and accumulators of a group; padding lanes are 0."""
        lanes, columns, rng = self.tile.array.lanes, self.tile.array.columns, self.rng
        half = 1 << (self.tile.formats.accumulator - 1)
        dw = rng.integers(-half, half, lanes) >> rng.integers(0, self.tile.formats.accumulator, lanes)
        dw = np.where(rng.random(lanes) < 0.1, rng.choice([-half, half - 1], lanes), dw)
        there = np.arange(group * lanes, (group + 1) * lanes) < columns
        counts = np.sign(dw) * (rng.random(lanes) < 0.7) * there
        return counts.tolist(), np.where(there, dw, 0).tolist()


@pytest.mark.parametrize("gaps", [0.0, 0.4])
@pytest.mark.parametrize("name", DESIGNS)
def test_passes(name, gaps):
    """Every weight from where it was to where its change takes it, or to RANGE."""
    tile = DESIGNS[name]
    top, half = (1 << (tile.copy_bits - 1)) - 1, 1 << (tile.formats.accumulator - 1)
    bench = Bench(tile, len(name), limit=min(top // 2, 2 * half), base=top // 3)
    array = tile.array

    async def script(ctx):
        for _ in range(max(12, 100 // (array.rows * array.groups))):
            for row in range(array.rows):
                for group in range(array.groups):
                    await bench.visit(ctx, row, group, *bench.changes(group))
                    if bench.rng.random() < gaps:
                        await ctx.tick()
            await ctx.tick().repeat(WeightCopy.latency)
        for row in range(array.rows):
            for group in range(array.groups):
                word = await bench.host(ctx, row, group)
                assert word == bench.copy[row, group * array.lanes : (group + 1) * array.lanes].tolist()

    bench.run(script)
    assert bench.clamped
    flags = np.concatenate([flags for _, _, _, flags, _ in bench.seen]).reshape(-1, 2)
    assert {tuple(pair) for pair in flags.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_corners():
    """Signs and RANGE from a table of weights that the host wrote, some beyond RANGE; and BASE at its greatest."""
    tile = design(1, 1, 1, adc=4, fraction=2)
    top = (1 << (tile.copy_bits - 1)) - 1
    for limit, base in ((20, 7), (top, top), (1, 0)):
        bench = Bench(tile, 1, limit=limit, base=base)

        async def script(ctx, bench=bench, limit=limit):
            for old in (0, 1, -1, 20, -20, limit, -limit, top, -top - 1):
                for dw in (0, 1, -1, -old, -2 * old, limit - old, limit - old + 1, -limit - old - 1, 30000, -30000):
                    for count in (0, 1, -1):
                        await bench.host(ctx, 0, 0, [old])
                        await bench.visit(ctx, 0, 0, [count], [dw])

        bench.run(script)
        assert bench.clamped


def test_the_host_waits_for_visits():
    tile = DESIGNS["8x8"]
    bench = Bench(tile, 1, limit=1000, base=10)

    async def script(ctx):
        for number in range(20):
            await bench.visit(ctx, number % 8, 0, [1, 0, -1, 1], [number + 1, 5, -7, 0])
            word = await bench.host(ctx, number % 8, 0)
            assert word == bench.copy[number % 8, :4].tolist()
            await bench.host(ctx, number % 8, 0, [number, -number, 3, -4])

    bench.run(script)


@pytest.mark.parametrize("name", DESIGNS)
def test_emitted_text_does_the_same(bench, name, tmp_path):
    """amaranth.sim and Icarus agree on every output in every cycle, but where nothing is known yet; no lint."""
    tile = DESIGNS[name]
    dut = WeightCopy(tile)
    begin = tile.array.rows * tile.array.groups + 4
    stimulus = bench.stimulus(
        dut, steps=300, seed=2,
        c_valid=lambda rng, step: step > begin and step % 6 == 0,
        c_row=lambda rng, step: rng.randrange(tile.array.rows),
        c_group=lambda rng, step: rng.randrange(tile.array.groups),
        w_row=lambda rng, step: rng.randrange(tile.array.rows),
        w_group=lambda rng, step: rng.randrange(tile.array.groups),
        w_valid=lambda rng, step: rng.random() < 0.3,
    )  # fmt: skip
    texts = emit(dut, name="weight_copy", profile=tile.profile)
    seen = bench.record(dut, stimulus, profile=tile.profile)
    replayed = bench.replay(texts, "weight_copy", dut, stimulus, profile=tile.profile)
    known = [index for index, text in enumerate(replayed) if "x" not in text]
    assert len(known) > 150
    assert [replayed[index] for index in known] == [seen[index] for index in known]
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "weight_copy") == []
