"""Rounding and addition of hybrid weights against the model, in amaranth.sim: every q, every carry, every draw."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
from amaranth import Module
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.hybrid import HybridAdd, HybridRound
from crosstrain_hdl.hybrid_ports import q_bits
from crosstrain_hdl.random_streams import RandomStream
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_hdl.tools import lint
from crosstrain_model import hybrid as model
from crosstrain_model.random_streams import Stream

_spec = importlib.util.spec_from_file_location("hybrid_bench", Path(__file__).with_name("hybrid_bench.py"))
side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(side)
DESIGNS, drawn_changes, grouped, pack, tile, unpack = (
    side.DESIGNS, side.drawn_changes, side.grouped, side.pack, side.tile, side.unpack,
)  # fmt: skip

# --- L + q ------------------------------------------------------------------------------------------------------------


def added(design, cells):
    """(L afterwards, p, clipped) of each (L, q), as many at a time as there are lanes."""
    dut, lanes, bits = HybridAdd(design), design.array.lanes, design.hybrid.bits
    found = []

    async def script(ctx):
        for start in range(0, len(cells), lanes):
            some = cells[start : start + lanes]
            ctx.set(dut.l_before, pack([before for before, _ in some], bits))
            ctx.set(dut.q, pack([q for _, q in some], q_bits(design)))
            await ctx.delay(1e-9)
            words = (unpack(ctx.get(dut.l_after), bits, lanes), unpack(ctx.get(dut.p), COUNT_BITS, lanes),
                     unpack(ctx.get(dut.clipped), 1, lanes, signed=False))  # fmt: skip
            found.extend(list(zip(*words, strict=True))[: len(some)])

    simulator = Simulator(dut)
    simulator.add_testbench(script)
    simulator.run()
    return found


def expected(design, cells):
    before, q = (np.array(values) for values in zip(*cells, strict=True))
    visit = model.add(design, before, q)
    return list(zip(visit.after.tolist(), visit.carries.tolist(), (visit.clipped != 0).tolist(), strict=True))


@pytest.mark.parametrize("remainder", ["keep", "clear"])
@pytest.mark.parametrize("pulses", [1, 2, 3, 15])
def test_every_sum_of_four_bits(pulses, remainder):
    """All L and all q that lead to every count, to the clamp and beyond it."""
    design = tile(2, 3, 3, bits=4, pulses=pulses, remainder=remainder, fraction=8)
    cells = list(itertools.product(range(-8, 8), range(-128, 129)))
    assert added(design, cells) == expected(design, cells)
    if pulses < 15:
        assert any(clipped for _, _, clipped in expected(design, cells)) == (remainder == "keep")


@pytest.mark.parametrize("name", DESIGNS)
def test_random_sums(name):
    design, rng = DESIGNS[name], np.random.default_rng(len(name))
    scale, half = design.hybrid.scale, 1 << (q_bits(design) - 1)
    befores = np.where(rng.random(600) < 0.3, rng.choice([-scale, scale - 1, 0], 600), rng.integers(-scale, scale, 600))
    q = rng.integers(-half, half, 600) >> rng.integers(0, q_bits(design), 600)
    q = np.where(rng.random(600) < 0.2, rng.choice([-half, half - 1, 0], 600), q)
    cells = list(zip(befores.tolist(), q.tolist(), strict=True))
    assert added(design, cells) == expected(design, cells)


# --- rounding ---------------------------------------------------------------------------------------------------------


class Rounding:
    """A HybridRound and its random stream; `visits` in, what leaves out."""

    def __init__(self, design, *, seed=1, gaps=0.0, stalls=0.0):
        self.design, self.dut = design, HybridRound(design)
        self.rng, self.gaps, self.stalls = np.random.default_rng(seed), gaps, stalls
        self.stream = RandomStream(design, "rounding")
        self.module = Module()
        self.module.submodules.dut, self.module.submodules.stream = self.dut, self.stream
        self.module.d.comb += [self.dut.word.eq(self.stream.word), self.stream.step.eq(self.dut.step)]
        self.seen, self.cycles = [], []

    def run(self, visits):
        """visits: dicts of v_*; None: a token."""
        simulator = Simulator(self.module)
        simulator.add_clock(1e-8)
        width = self.design.formats.accumulator

        async def feed(ctx):
            for visit in visits:
                while self.rng.random() < self.gaps:
                    await ctx.tick()
                given = {"null": 1, "program": 1, "last": 1} if visit is None else visit
                given = {"row": 0, "group": 0, "terms": [], "null": 0, "last": 0, "program": 0, "row_end": 1} | given
                given["terms"] = pack(given["terms"], width)
                for name, value in given.items():
                    ctx.set(getattr(self.dut, f"v_{name}"), value)
                ctx.set(self.dut.v_valid, 1)
                while not (await ctx.tick().sample(self.dut.v_ready))[2]:
                    pass
                ctx.set(self.dut.v_valid, 0)
            await ctx.tick().repeat(3)
            while ctx.get(self.dut.busy):
                await ctx.tick()
            self.counts = ctx.get(self.dut.vectors), ctx.get(self.dut.visits)
            self.state = ctx.get(self.stream.state)

        async def take(ctx):
            cycle = 0
            while True:
                ctx.set(self.dut.r_ready, self.rng.random() >= self.stalls)
                ctx.set(self.dut.b_ready, self.rng.random() >= self.stalls)
                names = ("r_valid", "r_ready", "r_row", "r_group", "r_q", "r_visit", "r_row_end", "b_valid", "b_ready")
                pins = (await ctx.tick().sample(*(getattr(self.dut, name) for name in names)))[2:]
                valid, ready, row, group, q, visit, row_end, token, token_taken = pins
                if valid and ready:
                    lanes = unpack(q, q_bits(self.design), self.design.array.lanes)
                    self.seen.append((row, group, lanes, 1, row_end) if visit else (None, None, None, 0, row_end))
                    self.cycles.append(cycle)
                if token and token_taken:
                    self.seen.append("token")
                cycle += 1

        simulator.add_testbench(feed)
        simulator.add_testbench(take, background=True)
        simulator.run()
        return self.seen


def drawn_visits(design, rng, count):
    """Visits of an UPDATE or of SPARSE beats and tokens, and what they are rounded to."""
    stream = Stream(design, "rounding")
    visits, due, frames, visited = [], [], 0, 0
    for _ in range(count):
        if rng.random() < 0.2:
            visits.append(None)
            due.append("token")
            continue
        row, size = int(rng.integers(design.array.rows)), int(rng.choice([2**6, 2**10, 2**30]))
        changes = drawn_changes(design, rng, size)
        every = rng.random() < 0.3  # as SPARSE does, groups of zeros too
        words = grouped(design, changes)
        groups = words.any(axis=1) | every
        q = grouped(design, model.round_changes(design, changes[None], groups[None], stream)[0])
        for group in np.flatnonzero(groups).tolist():
            end = int(group == design.array.groups - 1)
            visits.append({"row": row, "group": group, "terms": words[group].tolist(), "row_end": end, "last": end})
            if q[group].any():
                due.append((row, group, q[group].tolist(), 1, end))
            elif end:
                due.append((None, None, None, 0, 1))
        if not groups[-1]:
            visits.append({"null": 1, "row_end": 1, "last": 1})
            due.append((None, None, None, 0, 1))
        frames, visited = frames + 1, visited + int(groups.sum())
    state = sum(word << 32 * place for place, word in enumerate(stream.state))
    return visits, due, (frames, visited), state


@pytest.mark.parametrize(("gaps", "stalls"), [(0.0, 0.0), (0.4, 0.4)])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_visit_is_rounded_by_its_own_draw(name, gaps, stalls):
    design = DESIGNS[name]
    visits, due, counts, state = drawn_visits(design, np.random.default_rng(len(name)), 80)
    bench = Rounding(design, gaps=gaps, stalls=stalls)
    assert bench.run(visits) == due
    assert bench.counts == counts
    assert bench.state == state
    assert any(item != "token" and not item[3] for item in due)


def test_visits_follow_each_other_without_a_gap():
    design = DESIGNS["8x8"]
    visits = [{"row": row, "group": 0, "terms": [1 << 10] * 4, "row_end": 1} for row in range(8)]
    bench = Rounding(design)
    bench.run(visits)
    assert np.diff(bench.cycles).tolist() == [1] * 7


@pytest.mark.parametrize("token", [False, True])
def test_what_comes_while_the_host_holds_waits(token):
    dut = HybridRound(DESIGNS["8x8"])
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)

    async def script(ctx):
        given = {"v_valid": 1, "v_null": token, "v_program": token, "v_terms": 1 << 10, "r_ready": 1, "b_ready": 1}
        for name, value in given.items():
            ctx.set(getattr(dut, name), value)
        for hold in (1, 0, 1):
            ctx.set(dut.hold, hold)
            pins = [ctx.get(getattr(dut, name)) for name in ("v_ready", "step", "b_valid")]
            assert pins == [not hold, not hold and not token, not hold and token]

    simulator.add_testbench(script)
    simulator.run()


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("part", [HybridRound, HybridAdd])
def test_emitted_text_is_clean(part, name, tmp_path):
    texts = emit(part(DESIGNS[name]), name="part", profile=DESIGNS[name].profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "part") == []
