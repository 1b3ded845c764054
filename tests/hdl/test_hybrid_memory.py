"""L in a memory of the controller against the model, in amaranth.sim: every carry, every word, at a group a cycle."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from amaranth import Const, Module
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.hybrid_memory import HybridMemory
from crosstrain_hdl.hybrid_ports import q_bits
from crosstrain_hdl.row_queue import RowQueue
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_hdl.tools import lint
from crosstrain_model.hybrid_memory import SramMemory

_spec = importlib.util.spec_from_file_location("hybrid_bench", Path(__file__).with_name("hybrid_bench.py"))
side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(side)
DESIGNS, grouped, pack, unpack = side.DESIGNS, side.grouped, side.pack, side.unpack
VISIT = ("row", "group", "q", "visit", "row_end")


class Bench:
    """A HybridMemory and the queue of its carries; the model beside them."""

    def __init__(self, design, *, seed=1, gaps=0.0, stalls=0.0, rows=4):
        self.design, self.dut, self.gaps = design, HybridMemory(design), gaps
        array = design.array
        self.rng = np.random.default_rng(seed)
        self.model = SramMemory(design)
        self.queue = RowQueue(design, rows=rows, width=array.lanes * COUNT_BITS, amount_bits=1)
        self.rows = side.Rows(design, self.queue, self.rng, bits=COUNT_BITS, count=array.lanes, stalls=stalls)
        self.module = m = Module()
        m.submodules.dut, m.submodules.queue = self.dut, self.queue
        for name in ("valid", "row", "group", "word", "end"):
            m.d.comb += getattr(self.queue, f"w_{name}").eq(getattr(self.dut, f"w_{name}"))
        m.d.comb += [self.dut.w_ready.eq(self.queue.w_ready), self.queue.w_amount.eq(0)]
        self.due, self.clips, self.clipped, self.taken_at, self.cycle = [], 0, 0, [], 0

    def run(self, script):
        """Runs a script, then compares carries, clips and the memory."""
        simulator = Simulator(self.module)
        simulator.add_clock(1e-8)

        async def drive(ctx):
            while ctx.get(self.dut.busy):
                await ctx.tick()
            await script(ctx)
            while ctx.get(self.dut.busy) or not ctx.get(self.queue.empty):
                await ctx.tick()
            await ctx.tick().repeat(3)
            array, bits = self.design.array, self.design.hybrid.bits
            words = [unpack(ctx.get(self.dut.words[at]), bits, array.lanes) for at in range(array.rows * array.groups)]
            self.held = np.array(words).reshape(array.rows, -1)[:, : array.columns]

        async def watch(ctx):
            async for _, _, clip, count in ctx.tick().sample(self.dut.clip_valid, self.dut.clip_count):
                self.clips += count if clip else 0
                self.cycle += 1

        simulator.add_testbench(drive)
        simulator.add_testbench(watch, background=True)
        simulator.add_testbench(self.rows.run, background=True)
        simulator.run()
        assert self.rows.seen == self.due
        assert np.array_equal(self.held, self.model.held)
        assert self.clips == self.clipped

    async def visit(self, ctx, row, q, visits):
        """The visits of a row."""
        before = self.model.ledger["clipped"].copy()
        carries = self.model.add_rows(np.array([row]), q[None], None)[0]
        self.clipped += np.count_nonzero(self.model.ledger["clipped"] != before)
        if carries.any():
            self.due.append((row, grouped(self.design, carries).tolist()))
        for visit in visits:
            while self.rng.random() < self.gaps:
                await ctx.tick()
            for name, value in zip(VISIT, visit, strict=True):
                given = pack(value, q_bits(self.design)) if name == "q" else value
                ctx.set(getattr(self.dut, f"r_{name}"), given)
            ctx.set(self.dut.r_valid, 1)
            while not (await ctx.tick().sample(self.dut.r_ready))[2]:
                pass
            self.taken_at.append(self.cycle)
            ctx.set(self.dut.r_valid, 0)

    async def host(self, ctx, row, group, word=None):
        """Reads a word, or writes one."""
        dut, bits = self.dut, self.design.hybrid.bits
        ctx.set(dut.m_valid, 1)
        for name, value in (("write", word is not None), ("row", row), ("group", group)):
            ctx.set(getattr(dut, f"m_{name}"), value)
        ctx.set(dut.m_data, pack(word or [], bits))
        while not (await ctx.tick().sample(dut.m_ready))[2]:
            pass
        ctx.set(dut.m_valid, 0)
        assert ctx.get(dut.l_valid) == (word is None)
        return unpack(ctx.get(dut.l_data), bits, self.design.array.lanes)


def random_run(bench, rows=120):
    """Rows of visits, the same groups again and again among them, and visits of the host."""
    design, rng = bench.design, bench.rng

    async def script(ctx):
        for row, q, visits in side.rounded_visits(design, rng, rows):
            await bench.visit(ctx, row, q, visits)
            if rng.random() < 0.1:
                last = visits[-1]
                group = last[1] if last[3] else int(rng.integers(design.array.groups))
                cells = slice(group * design.array.lanes, min((group + 1) * design.array.lanes, design.array.columns))
                for _ in range(rng.integers(3)):  # at once, when the last visit is in S1, and later
                    await ctx.tick()
                word = await bench.host(ctx, row, group)
                assert word[: cells.stop - cells.start] == bench.model.held[row, cells].tolist()
                low, high = -design.hybrid.scale, design.hybrid.scale
                word = rng.choice([low, high - 1, *rng.integers(low, high, 2)], cells.stop - cells.start).tolist()
                await bench.host(ctx, row, group, word)
                held = bench.model.held.copy()
                held[row, cells] = word
                bench.model.load(held, None)

    bench.run(script)


@pytest.mark.parametrize(("gaps", "stalls"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.9), (0.3, 0.8)])
@pytest.mark.parametrize("name", DESIGNS)
def test_visits_carries_and_the_host(name, gaps, stalls):
    bench = Bench(DESIGNS[name], seed=len(name), gaps=gaps, stalls=stalls)
    random_run(bench)
    assert bench.due
    assert not bench.model.imbalance().any()


def test_the_clamp_is_counted():
    bench = Bench(DESIGNS["wide"], seed=3)
    random_run(bench)
    assert bench.clipped


def test_a_group_a_cycle_also_the_same_again():
    design = DESIGNS["8x8"]
    bench = Bench(design)

    async def script(ctx):
        for row in [0, 0, 0, 1, 0, 1, 0, 0, 2, 0]:
            q = np.array([5, -5, 1, 0, 0, 0, 0, 0])
            await bench.visit(ctx, row, q, [(row, 0, q[:4].tolist(), 1, 1)])

    bench.run(script)
    assert np.diff(bench.taken_at).tolist() == [1] * 9


def test_a_full_queue_holds_visits_back_and_loses_nothing():
    """Rows are read out slowly; every row carries."""
    design = DESIGNS["8x8"]
    bench = Bench(design, stalls=0.95, rows=2)

    async def script(ctx):
        for number in range(40):
            q = np.full(8, 70 if number % 3 else -70)
            visits = [(number % 8, group, q[:4].tolist(), 1, group) for group in (0, 1)]
            await bench.visit(ctx, number % 8, q, visits)

    bench.run(script)
    assert len(bench.due) > 30
    assert max(np.diff(bench.taken_at)) > 5


def test_clear_makes_all_words_zero():
    bench = Bench(DESIGNS["13x7"])

    async def script(ctx):
        for row, q, visits in side.rounded_visits(bench.design, bench.rng, 30):
            await bench.visit(ctx, row, q, visits)
        ctx.set(bench.dut.clear, 1)
        await ctx.tick()
        ctx.set(bench.dut.clear, 0)
        await ctx.tick().repeat(6)
        assert ctx.get(bench.dut.clearing)  # visits that come now wait
        bench.model.held[:] = 0
        for row, q, visits in side.rounded_visits(bench.design, bench.rng, 30):
            await bench.visit(ctx, row, q, visits)

    bench.run(script)


def test_the_bench_sees_a_word_that_is_not_forwarded(monkeypatch):
    forward = HybridMemory._forward

    def broken(self, m, take, address, s1, s2, after, advance):
        forward(self, m, take, address, {**s1, "valid": Const(0, 1)}, s2, after, advance)

    monkeypatch.setattr(HybridMemory, "_forward", broken)
    with pytest.raises(AssertionError):
        random_run(Bench(DESIGNS["8x8"]))


@pytest.mark.parametrize("name", DESIGNS)
def test_emitted_text_does_the_same(bench, name, tmp_path):
    """amaranth.sim and Icarus agree on every output in every cycle, but where nothing is known yet; no lint."""
    design = DESIGNS[name]
    dut = HybridMemory(design)
    begin = design.array.rows * design.array.groups + 4
    stimulus = bench.stimulus(
        dut, steps=400, seed=2,
        r_valid=lambda rng, step: step > begin and rng.random() < 0.7,
        r_row=lambda rng, step: rng.randrange(design.array.rows),
        r_group=lambda rng, step: rng.randrange(design.array.groups),
        m_row=lambda rng, step: rng.randrange(design.array.rows),
        m_group=lambda rng, step: rng.randrange(design.array.groups),
        m_valid=lambda rng, step: rng.random() < 0.1,
        clear=lambda rng, step: 0,
    )  # fmt: skip
    texts = emit(dut, name="hybrid_memory", profile=design.profile)
    seen = bench.record(dut, stimulus, profile=design.profile)
    replayed = bench.replay(texts, "hybrid_memory", dut, stimulus, profile=design.profile)
    known = [index for index, text in enumerate(replayed) if "x" not in text]
    assert len(known) > 150
    assert [replayed[index] for index in known] == [seen[index] for index in known]
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "hybrid_memory") == []
