"""Outer product hardware against the model, in amaranth.sim: order, terms, markers, and no bubble anywhere."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.outer_product import OuterProduct
from crosstrain_model import outer_product as model
from crosstrain_model.design import Array, Bus, Design, Formats, Update


def design(rows, columns, lanes, vectors=2, **formats):
    return Design(
        array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(**formats),
        update=Update(threshold=1),
        bus=Bus(vectors=vectors),
    )


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, x=2, d=2, accumulator=8),
    "13x7": design(13, 7, 3, vectors=3),
    "one-lane": design(3, 5, 1, vectors=5, x=5, d=9, accumulator=23, rounding="truncate"),
    "one-group": design(9, 4, 4, x=12, d=12, accumulator=32),
    "narrow": design(8, 8, 4, x=12, d=12, accumulator=8, rounding="truncate"),
}
SHIFT = 7
TOKEN = "token"
DROP = "drop"


def random_jobs(tile, count, seed):
    """Vectors (x, d, exponent, program), tokens and drops (how many words were loaded before them)."""
    rng = np.random.default_rng(seed)
    jobs = []
    for i in range(count):
        sides = []
        for codes, bits in ((tile.array.rows, tile.formats.x), (tile.array.columns, tile.formats.d)):
            low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
            side = rng.integers(low, high + 1, codes)
            side = np.where(rng.random(codes) < 0.3, rng.choice([low, high], codes), side)
            side[rng.random(codes) < rng.choice([0.0, 0.5, 0.9, 1.0], p=[0.3, 0.3, 0.3, 0.1])] = 0
            sides.append(side)
        corner = (-256, 255, -31 - SHIFT, -30 - SHIFT, 15 - SHIFT, -SHIFT, -SHIFT - 1)
        exponent = int(rng.integers(-25, 12)) if rng.random() < 0.7 else corner[i % len(corner)]
        jobs.append((*sides, exponent, bool(rng.random() < 0.2)))
        if rng.random() < 0.2:
            jobs.append(TOKEN)
        if rng.random() < 0.2:
            jobs.append((DROP, int(rng.integers(tile.array.row_words + tile.array.groups + 1))))
    return jobs


def expected(tile, jobs):
    """Visits (row, group, terms, last, program) or (None, last, program); number of vectors with clipped terms."""
    visits, clipped = [], 0
    for job in jobs:
        if job == TOKEN:
            visits.append((None, 1, 1))
        elif job[0] is not DROP:
            x, d, exponent, program = job
            terms, clips = model.terms(tile, x, d, model.shift_of(exponent, 0, SHIFT))
            clipped += clips > 0
            order = model.visits(tile, x, d)
            padded = np.zeros((tile.array.rows, tile.array.groups * tile.array.lanes), np.int64)
            padded[:, : tile.array.columns] = terms
            words = padded.reshape(tile.array.rows, tile.array.groups, tile.array.lanes)
            for i, (row, group) in enumerate(order):
                last = i == len(order) - 1
                visits.append((row, group, words[row, group].tolist(), int(last), int(last and program)))
            if not order:
                visits.append((None, 1, int(program)))
    return visits, clipped


class Run:
    """One simulation: `jobs` in, `visits` out with the cycle of each."""

    def __init__(self, tile, jobs, *, seed, load_gaps, stalls, garbage=True):
        self.tile, self.jobs, self.garbage = tile, jobs, garbage
        self.rng = np.random.default_rng(seed)
        self.load_gaps, self.stalls = load_gaps, stalls
        self.dut = OuterProduct(tile)
        self.visits, self.cycles, self.clipped, self.full = [], [], 0, 0
        self.wanted, self.wanted_clipped = expected(tile, jobs)
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._load)
        simulator.add_testbench(self._take)
        simulator.run()

    async def _handshake(self, ctx, valid, ready):
        """Offer until taken; then maybe pause."""
        ctx.set(valid, 1)
        for _ in range(5000):
            _, _, taken = await ctx.tick().sample(ready)
            if taken:
                break
            self.full += 1
        else:
            raise AssertionError(f"{valid.name} is never taken")
        ctx.set(valid, 0)
        while self.rng.random() < self.load_gaps:
            await ctx.tick()

    async def _words(self, ctx, x, d, limit=None):
        """Words of x, then of d; `limit`: no more than so many. What must be ignored is set at random."""
        lanes, bits = self.tile.array.lanes, max(self.tile.formats.x, self.tile.formats.d)
        words = [(0, word, self.tile.formats.x) for word in self._padded(x)]
        words += [(1, word, self.tile.formats.d) for word in self._padded(d)]
        for is_d, word, used in words[:limit]:
            packed = 0
            for lane in range(lanes):
                noise = int(self.rng.integers(1 << bits)) if self.garbage else 0
                code = noise if word[lane] is None else noise >> used << used | int(word[lane]) & ((1 << used) - 1)
                packed |= code << (lane * bits)
            ctx.set(self.dut.w_is_d, is_d)
            ctx.set(self.dut.w_codes, packed)
            await self._handshake(ctx, self.dut.w_valid, self.dut.w_ready)

    def _padded(self, codes):
        lanes = self.tile.array.lanes
        full = [*codes.tolist(), *[None] * (-len(codes) % lanes)]
        return [full[i : i + lanes] for i in range(0, len(full), lanes)]

    async def _load(self, ctx):
        dut, array = self.dut, self.tile.array
        ctx.set(dut.shift, SHIFT)
        for job in self.jobs:
            if job == TOKEN:
                ctx.set(dut.commit_empty, 1)
                ctx.set(dut.commit_program, 1)
                ctx.set(dut.commit_exponent, int(self.rng.integers(-256, 256)))
                await self._handshake(ctx, dut.commit_valid, dut.commit_ready)
                ctx.set(dut.commit_empty, 0)
            elif job[0] is DROP:
                await self._words(ctx, np.full(array.rows, -1), np.full(array.columns, -1), job[1])
                ctx.set(dut.drop, 1)
                await ctx.tick()
                ctx.set(dut.drop, 0)
            else:
                x, d, exponent, program = job
                await self._words(ctx, x, d)
                ctx.set(dut.commit_program, int(program))
                ctx.set(dut.commit_exponent, exponent)
                await self._handshake(ctx, dut.commit_valid, dut.commit_ready)

    async def _take(self, ctx):
        dut = self.dut
        lanes, width = self.tile.array.lanes, self.tile.formats.accumulator
        before = None
        idle = 0
        while len(self.visits) < len(self.wanted) or idle < 12:
            ready = int(self.rng.random() >= self.stalls)
            ctx.set(dut.v_ready, ready)
            ports = (dut.v_row, dut.v_group, dut.v_terms, dut.v_null, dut.v_last, dut.v_program)
            sampled = await ctx.tick().sample(dut.v_valid, *ports, dut.term_clipped, dut.busy)
            cycle = len(self.cycles)
            _, _, valid, row, group, terms, null, last, program, clipped, busy = sampled
            self.clipped += clipped
            offer = (row, group, terms, null, last, program) if valid else None
            assert before is None or offer == before, "a visit changed while it waited"
            before = None if ready else offer
            taken = bool(valid and ready)
            self.cycles.append(taken)
            if taken:
                fields = [terms >> (lane * width) & ((1 << width) - 1) for lane in range(lanes)]
                signed = [field - (field >> (width - 1) << width) for field in fields]
                self.visits.append((None, last, program) if null else (row, group, signed, last, program))
                count = len(self.visits) - 1
                assert count < len(self.wanted), f"visit {count} in cycle {cycle} is one too many"
                assert self.visits[count] == self.wanted[count], f"visit {count} in cycle {cycle}"
            idle = 0 if valid else idle + 1
            assert idle < 3000, f"no visit {len(self.visits)}"
        assert not busy

    @property
    def bubbles(self):
        """Cycles without a visit between the first and the last one."""
        first, last = self.cycles.index(True), len(self.cycles) - 1 - self.cycles[::-1].index(True)
        return last - first + 1 - len(self.visits)


@pytest.mark.parametrize(("load_gaps", "stalls"), [(0.0, 0.0), (0.5, 0.1), (0.1, 0.6)])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_random_vectors(name, load_gaps, stalls):
    tile = CONFIGURATIONS[name]
    run = Run(tile, random_jobs(tile, 40, seed=len(name)), seed=11, load_gaps=load_gaps, stalls=stalls)
    assert len(run.visits) == len(run.wanted)
    assert (run.clipped > 0) == (run.wanted_clipped > 0)


def test_random_vectors_clip_terms():
    """Some configuration above must reach the clamp, and one vector without a clipped term must not raise the flag."""
    tile = CONFIGURATIONS["narrow"]
    assert expected(tile, random_jobs(tile, 40, seed=6))[1] > 5
    quiet = [(np.full(8, -1), np.full(8, 1), -SHIFT, False)]
    assert Run(tile, quiet, seed=1, load_gaps=0, stalls=0).clipped == 0


@pytest.mark.parametrize(
    ("name", "half_zero"), [("13x7", False), ("13x7", True), ("one-group", False), ("narrow", False)]
)
def test_no_bubble_between_rows_or_vectors(name, half_zero):
    """Every visit follows the one before, as long as loading, and 4 cycles, take no longer than visiting."""
    tile = CONFIGURATIONS[name]
    x, d = np.ones(tile.array.rows, np.int64), np.ones(tile.array.columns, np.int64)
    if half_zero:
        x[::2] = 0
    run = Run(tile, [(x, d, -SHIFT, False)] * 6, seed=1, load_gaps=0, stalls=0)
    assert run.bubbles == 0


def test_every_x_word_with_a_single_row_leaves_no_bubble():
    """One row a word and one group: a new word every cycle."""
    tile = design(64, 4, 4)
    x = np.zeros(64, np.int64)
    x[np.arange(16) * 4 + np.arange(16) % 4] = 3
    # Loading takes 18 cycles, visiting 16: the gap may be the difference and no more.
    run = Run(tile, [(x, np.array([0, 1, 0, 0]), -SHIFT, False)] * 2, seed=1, load_gaps=0, stalls=0)
    first = run.cycles.index(True)
    assert run.cycles[first : first + 16] == [True] * 16


def test_commit_to_visit_latency():
    tile = CONFIGURATIONS["1x1"]
    run = Run(tile, [(np.array([1]), np.array([1]), 0, False)], seed=1, load_gaps=0, stalls=0)
    # Two words are taken in cycles 0 and 1, the commit in cycle 2.
    assert run.cycles.index(True) == 2 + OuterProduct.latency


def test_slots_fill_up_and_hold_the_load_side():
    """Nobody takes visits for long: `vectors` commits are taken, everything after waits, nothing is lost."""
    tile = CONFIGURATIONS["one-lane"]
    jobs = random_jobs(tile, 12, seed=3)
    run = Run(tile, jobs, seed=1, load_gaps=0, stalls=0.97)
    assert run.full > 100
