"""The schedule against its model: order of visits, touched bits, passes, clears and host visits, under random gaps."""

import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.schedule import Schedule
from crosstrain_model.accumulator import Op
from crosstrain_model.design import Array, Design
from crosstrain_model.schedule import Schedule as Model

SHAPES = {
    "tiny": Design(name="a", array=Array(rows=1, columns=1, lanes=1)),
    "one word": Design(name="a", array=Array(rows=13, columns=7, lanes=3)),
    "full word": Design(name="a", array=Array(rows=32, columns=2, lanes=2)),
    "words": Design(name="a", array=Array(rows=101, columns=4, lanes=2)),
}
LATENCY = 3


class Bench:
    """A Schedule with an accumulator that is only a delay line: what was visited, and `left` as drawn."""

    def __init__(self, design, seed, *, ready=0.8, left=0.3, free=0.7):
        self.design, self.dut, self.model = design, Schedule(design), Model.of(design)
        self.rng = random.Random(seed)
        self.chance = {"ready": ready, "left": left, "free": free}
        self.visits, self.left_of = [], {}
        self.under_way, self.most_under_way, self.free = 0, 0, 2

    async def accumulator(self, ctx):
        dut, pipe = self.dut, [None] * (LATENCY - 1)
        while True:
            ready = self.rng.random() < self.chance["ready"]
            ctx.set(dut.a_ready, ready)
            if self.under_way == 0:  # never less than the rows already let go
                self.free = 2 if self.rng.random() < self.chance["free"] else self.rng.randrange(2)
                ctx.set(dut.pulse_free, self.free)
            *_, valid, op, row, group, terms, last, uncounted = await ctx.tick().sample(
                dut.a_valid, dut.a_op, dut.a_row, dut.a_group, dut.a_terms, dut.a_last, dut.a_uncounted
            )
            returned = pipe.pop(0)
            if returned is not None and returned[2]:
                self.under_way -= 1
            left = None
            if valid and ready:
                self.visits.append((Op(op), row, group) if op != Op.WRITE else (Op(op), row, group, terms))
                assert last == (group == self.design.array.groups - 1)
                first_sweep = len(self.visits) <= self.design.array.rows * self.design.array.groups
                assert uncounted == (op == Op.CLEAR and first_sweep)
                if op == Op.PROGRAM:
                    if group == 0:
                        self.under_way += 1
                        assert self.under_way <= self.free
                    left = (row, self.rng.random() < self.chance["left"], last)
                    self.left_of[row] = (group > 0 and self.left_of[row]) or left[1]
            pipe.append(left)
            now = pipe[0]
            ctx.set(dut.left_valid, now is not None)
            if now is not None:
                ctx.set(dut.left_row, now[0])
                ctx.set(dut.left, now[1])
                ctx.set(dut.left_last, now[2])

    async def vector(self, ctx, rows, groups):
        """Offer the visits of a vector, with gaps; returns what the model expects."""
        dut, visits = self.dut, [(row, group) for row in rows for group in groups]
        for place, (row, group) in enumerate(visits or [(0, 0)]):
            ctx.set(dut.v_null, not visits)
            ctx.set(dut.v_last, place == len(visits or [0]) - 1)
            ctx.set(dut.v_program, 0)
            await self.offer(ctx, row, group)
        flags = np.zeros(self.design.array.rows, np.bool_)
        flags[[row for row, _ in visits]] = True
        due = self.model.vector(flags, ctx.get(dut.program_every))
        expected = [(Op.ACCUMULATE, row, group) for row, group in visits]
        return expected + (self.expected_pass() if due else [])

    async def token(self, ctx):
        ctx.set(self.dut.v_null, 1)
        ctx.set(self.dut.v_last, 0)
        ctx.set(self.dut.v_program, 1)
        await self.offer(ctx, 0, 0)
        return self.expected_pass()

    async def offer(self, ctx, row, group):
        while self.rng.random() < 0.2:
            await ctx.tick()
        ctx.set(self.dut.v_row, row)
        ctx.set(self.dut.v_group, group)
        ctx.set(self.dut.v_valid, 1)
        await ctx.tick().until(self.dut.v_ready)
        ctx.set(self.dut.v_valid, 0)

    def expected_pass(self):
        """A function: the rows are known now, what they leave is known only when they were visited."""
        rows = self.model.begin_pass()
        self.pending = rows
        return [(Op.PROGRAM, int(row), group) for row in rows for group in range(self.design.array.groups)]

    async def settle(self, ctx):
        """Wait for the end of everything; then the model learns what was left."""
        await ctx.tick()
        while not ctx.get(self.dut.idle):
            await ctx.tick()
        for _ in range(LATENCY + 1):
            await ctx.tick()
        if self.pending is not None:
            left = np.array([self.left_of[int(row)] for row in self.pending], np.bool_)
            self.model.end_pass(self.pending, left)
            self.pending = None

    async def touched(self, ctx):
        words = []
        for index in range(self.dut.words):
            ctx.set(self.dut.touched_index, index)
            words.append(ctx.get(self.dut.touched))
        return words

    pending = None

    def run(self, body):
        async def bench(ctx):
            ctx.set(self.dut.pulse_free, self.free)
            await self.settle(ctx)
            array = self.design.array
            assert self.visits == [(Op.CLEAR, r, g) for r in range(array.rows) for g in range(array.groups)]
            self.visits.clear()
            self.visits += [None] * (array.rows * array.groups)  # keeps `uncounted` true only for the first sweep
            await body(ctx)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(bench)
        simulator.add_testbench(self.accumulator, background=True)
        simulator.run()

    def seen(self):
        """Visits after the first sweep."""
        return self.visits[self.design.array.rows * self.design.array.groups :]


@pytest.mark.parametrize("every", [0, 1, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_random_vectors_and_passes(name, every):
    design = SHAPES[name]
    bench = Bench(design, seed=every + 1)

    async def body(ctx):
        ctx.set(bench.dut.program_every, every)
        expected, vectors = [], 0
        for _ in range(25):
            kind = bench.rng.random()
            if kind < 0.2:
                expected += await bench.token(ctx)
            else:
                rows = [r for r in range(design.array.rows) if bench.rng.random() < bench.rng.choice([0.02, 0.5, 1.0])]
                groups = [g for g in range(design.array.groups) if bench.rng.random() < 0.7]
                expected += await bench.vector(ctx, rows, groups)
                vectors += 1
            if bench.pending is not None or bench.rng.random() < 0.2:
                await bench.settle(ctx)
                assert await bench.touched(ctx) == bench.model.touched_words()
                assert ctx.get(bench.dut.since_pass) == bench.model.since_pass
        await bench.settle(ctx)
        assert bench.seen() == expected
        assert ctx.get(bench.dut.vectors) == vectors
        assert ctx.get(bench.dut.visits) == sum(visit[0] == Op.ACCUMULATE for visit in expected)
        assert await bench.touched(ctx) == bench.model.touched_words()

    bench.run(body)


@pytest.mark.parametrize("name", SHAPES)
def test_vectors_behind_a_pass_wait_for_what_it_left(name):
    """Back to back, no settling: vectors and passes in the order in which they came."""
    design = SHAPES[name]
    bench = Bench(design, seed=9, ready=1.0, left=1.0, free=1.0)

    async def body(ctx):
        ctx.set(bench.dut.program_every, 1)
        expected = []
        for _ in range(6):
            expected += await bench.vector(ctx, [design.array.rows - 1], [0])
            bench.model.end_pass(bench.pending, np.ones(len(bench.pending), np.bool_))
            bench.pending = None
        await bench.settle(ctx)
        assert bench.seen() == expected

    bench.run(body)


def test_a_pass_has_no_bubbles_where_rows_are_dense():
    design = Design(name="a", array=Array(rows=64, columns=8, lanes=2))
    bench = Bench(design, seed=1, ready=1.0, left=0.0, free=1.0)

    async def body(ctx):
        ctx.set(bench.dut.touch_all, 1)
        await ctx.tick()
        ctx.set(bench.dut.touch_all, 0)
        bench.model.touch_all()
        bench.free = 8
        ctx.set(bench.dut.pulse_free, 4)
        ctx.set(bench.dut.v_null, 1)
        ctx.set(bench.dut.v_program, 1)
        ctx.set(bench.dut.v_valid, 1)
        await ctx.tick()
        ctx.set(bench.dut.v_valid, 0)
        cycles = 0
        while not ctx.get(bench.dut.idle):
            await ctx.tick()
            cycles += 1
        assert len(bench.seen()) == 64 * 4
        assert cycles <= 64 * 4 + 8

    bench.chance["free"] = 1.0
    bench.run(body)


@pytest.mark.parametrize("name", SHAPES)
def test_clear_host_visits_and_set_state(name):
    design = SHAPES[name]
    bench, rows, groups = Bench(design, seed=4), design.array.rows, design.array.groups

    async def strobe(ctx, port, value=1):
        ctx.set(port, value)
        await ctx.tick()
        ctx.set(port, 0)

    async def body(ctx):
        dut = bench.dut
        expected = await bench.vector(ctx, [rows - 1], [0])
        ctx.set(dut.m_hold, 1)
        for is_write in (0, 1):
            ctx.set(dut.m_write, is_write)
            ctx.set(dut.m_row, rows - 1)
            ctx.set(dut.m_group, groups - 1)
            ctx.set(dut.m_data, 5)
            ctx.set(dut.m_valid, 1)
            await ctx.tick().until(dut.m_ready)
            ctx.set(dut.m_valid, 0)
        ctx.set(dut.m_hold, 0)
        expected += [(Op.READ, rows - 1, groups - 1), (Op.WRITE, rows - 1, groups - 1, 5)]
        bench.model.touch_all()
        assert await bench.touched(ctx) == bench.model.touched_words()
        ctx.set(dut.touched_index, dut.words - 1)
        ctx.set(dut.touched_data, 1)
        await strobe(ctx, dut.touched_write)
        ctx.set(dut.since_data, 700)
        await strobe(ctx, dut.since_write)
        assert (ctx.get(dut.touched), ctx.get(dut.since_pass)) == (1, 700)
        await strobe(ctx, dut.clear)
        await bench.settle(ctx)
        expected += [(Op.CLEAR, row, group) for row in range(rows) for group in range(groups)]
        assert bench.seen() == expected
        assert await bench.touched(ctx) == [0] * dut.words
        assert ctx.get(dut.since_pass) == 0
        assert ctx.get(dut.vectors) == 1
        await strobe(ctx, dut.count_clear)
        assert (ctx.get(dut.vectors), ctx.get(dut.visits)) == (0, 0)

    bench.run(body)


def test_a_cancelled_pass_ends_after_a_whole_row_and_keeps_the_rest_touched():
    design = SHAPES["words"]
    bench = Bench(design, seed=2, left=0.0)

    async def body(ctx):
        dut = bench.dut
        ctx.set(dut.touch_all, 1)
        await ctx.tick()
        ctx.set(dut.touch_all, 0)
        bench.model.touch_all()
        await bench.token(ctx)
        for _ in range(61):
            await ctx.tick()
        ctx.set(dut.cancel, 1)
        await ctx.tick()
        ctx.set(dut.cancel, 0)
        bench.pending = None
        await bench.settle(ctx)
        visits = bench.seen()
        assert 0 < len(visits) < design.array.rows * design.array.groups
        assert len(visits) % design.array.groups == 0
        left = [row for row in range(design.array.rows) if (Op.PROGRAM, row, 0) not in visits]
        bench.model.touched[:] = False
        bench.model.touched[left] = True
        assert await bench.touched(ctx) == bench.model.touched_words()

    bench.run(body)
