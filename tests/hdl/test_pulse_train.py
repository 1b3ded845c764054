"""Pulse trains in hardware against the model, in amaranth.sim: commands, slots, streams, and cycles between them."""

import dataclasses
import random

import numpy as np
import pytest
from amaranth import Module
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.pulse_train import PulseTrain
from crosstrain_hdl.scale import Scale
from crosstrain_hdl.tools import lint
from crosstrain_hdl.top import join
from crosstrain_hdl.train_thresholds import TrainThresholds
from crosstrain_hdl.vector_store import VectorStore
from crosstrain_model.design import Array, Bus, Design, Formats
from crosstrain_model.design_gradient import Random, Train
from crosstrain_model.port import code_bits
from crosstrain_model.pulse_train import Train as Model
from crosstrain_model.pulse_train import draw, slot_masks, slots_of
from crosstrain_model.random_streams import Stream
from crosstrain_model.scale import Means, Scaled, ScaleSettings, factor_bits, scale


def design(rows, columns, codes, *, lanes=1, train=None, random=None, **more):
    return Design(
        scheme="agad", array=Array(rows=rows, columns=columns, lanes=lanes), bus=Bus(stream_codes=codes),
        train=Train(**train or {}), random=Random(**random or {}), **more,
    )  # fmt: skip


CONFIGURATIONS = {
    "8x8": design(8, 8, 4, lanes=4),
    "13x7": design(13, 7, 3, lanes=3, train={"slots": 7}, formats=Formats(x=5, d=9)),
    "separate": design(6, 9, 4, train={"polarity": "separate", "slots": 63}),
    "xoshiro": design(8, 5, 8, random={"generator": "xoshiro128++", "bits": 10}, train={"slots": 31}),
    "not-permuted": design(5, 8, 2, random={"permute": False, "bits": 4, "columns": "rows-reversed"}),
    "one-stream": design(5, 8, 16, random={"columns": "rows"}),
    "1x1": design(1, 1, 1, train={"slots": 1}),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Vector:
    """One vector as it is offered, and what is done to its train."""

    x: np.ndarray
    d: np.ndarray
    scaled: Scaled
    chop_rows: np.ndarray
    chop_columns: np.ndarray
    cancelled: bool = False
    over_after: int | None = None  # slots after which its command has ended


def vector(tile, rng, slots=None, dense=False, **fate):
    """Codes of every kind; slots: BL, by chance if not given."""
    x, d = (
        np.asarray(rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), lines))
        for lines, bits in ((tile.array.rows, tile.formats.x), (tile.array.columns, tile.formats.d))
    )
    if not dense:
        x, d = (np.where(v < 0, v, ~v) ^ rng.choice([-1, 0]) if rng.random() < 0.3 else v for v in (x, d))
        x, d = (v * (rng.random(v.size) < rng.choice([0.1, 0.5, 1.0])) for v in (x, d))
    if slots is None:
        slots = int(rng.integers(1, tile.train.slots + 1)) if x.any() and d.any() else 0
    most = 1 << (factor_bits(tile) - 1)
    m_x, m_d = (int(most * rng.choice([0, 0.001, 0.02, 1], p=[0.05, 0.25, 0.6, 0.1])) for _ in "xd")
    if dense:
        m_x = m_d = most // 100
    signs = [rng.random(lines) < 0.4 for lines in (tile.array.rows, tile.array.columns)]
    return Vector(x, d, Scaled(slots=slots, m_x=m_x, m_d=m_d), *signs, **fate)


class Expected:
    """What the model says of a list of vectors."""

    def __init__(self, tile, vectors):
        rows, columns = Stream(tile, "rows"), Stream(tile, "columns")
        self.commands = []  # of each vector: None, or its slots
        self.states = []  # after each vector
        for v in vectors:
            words = draw(tile, rows, columns, v.scaled.slots)
            slots = slots_of(tile, Model.of(tile, v.scaled, v.x, v.d, *words), v.chop_rows, v.chop_columns)
            masks = list(zip(*(slot_masks(part) for part in slots), strict=True))
            self.commands.append(masks or None)
            self.states.append([rows.state, columns.state])


def mask(flags):
    return sum(1 << int(place) for place in np.flatnonzero(flags))


def beats(tile, v):
    """(is_d, index, codes, last) of a vector."""
    count, bits = tile.stream_codes, code_bits(tile)
    words = [
        (side, start // count, sum((int(c) & ((1 << bits) - 1)) << (place * bits) for place, c in enumerate(part)))
        for side, codes in enumerate((v.x, v.d))
        for start in range(0, codes.size, count)
        for part in [codes[start : start + count]]
    ]
    return [(*word, int(place == len(words) - 1)) for place, word in enumerate(words)]


class TrainBench:
    """Offers vectors, fires them in order, takes commands and slots; compares as it goes."""

    def __init__(self, tile, vectors, *, gaps=0.3, pace=1, seed=1):
        self.tile, self.vectors, self.gaps, self.pace = tile, vectors, gaps, pace
        self.dut = PulseTrain(tile)
        self.expected = Expected(tile, vectors)
        self.random = random.Random(seed)
        self.cycle = 0
        self.times = []  # cycles in which slots were taken, by command
        self.fired = []
        self.skipped = 0

    def run(self, cycles=30000):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)

        async def feed_factors(ctx):
            for v in self.vectors:
                await self._offer(ctx, "g", slots=v.scaled.slots, mx=v.scaled.m_x, md=v.scaled.m_d)

        async def feed_beats(ctx):
            for v in self.vectors:
                if v.scaled.slots == 0:
                    skipped = False
                    while not skipped:
                        skipped = ctx.get(self.dut.f_skip)
                        await ctx.tick()
                    self.skipped += 1
                    continue
                for is_d, index, codes, last in beats(self.tile, v):
                    await self._offer(ctx, "f", is_d=is_d, index=index, codes=codes, last=last)

        async def take(ctx):
            await self._take(ctx, cycles)

        simulator.add_testbench(take)
        simulator.add_testbench(feed_factors, background=True)
        simulator.add_testbench(feed_beats, background=True)
        simulator.run()
        return self

    async def _offer(self, ctx, prefix, **fields):
        while self.random.random() < self.gaps:
            await ctx.tick()
        valid, ready = (getattr(self.dut, f"{prefix}_{name}") for name in ("valid", "ready"))
        ctx.set(valid, 1)
        for name, value in fields.items():
            ctx.set(getattr(self.dut, f"{prefix}_{name}"), value)
        taken = False
        while not taken:
            await ctx.delay(1e-10)  # behind what `fire` makes of this cycle
            taken = ctx.get(ready)
            await ctx.tick()
        ctx.set(valid, 0)

    async def _take(self, ctx, cycles):
        dut, expected = self.dut, self.expected
        number, waiting, running, rest = 0, None, None, 0
        for self.cycle in range(cycles):
            if number == len(self.vectors) and waiting is running is None and not ctx.get(dut.busy):
                assert [ctx.get(dut.rows_state), ctx.get(dut.columns_state)] == [
                    sum(word << 32 * place for place, word in enumerate(state)) for state in expected.states[-1]
                ]
                return
            v = self.vectors[min(number, len(self.vectors) - 1)]
            ctx.set(dut.chop_rows, mask(v.chop_rows))
            ctx.set(dut.chop_columns, mask(v.chop_columns))
            fire = ctx.get(dut.full) and waiting is None and self.random.random() >= self.gaps
            ctx.set(dut.fire, int(fire))
            ctx.set(dut.cancel, int(waiting is not None and self.vectors[waiting].cancelled))
            ctx.set(dut.n_ready, int(self.random.random() >= self.gaps))
            rest = max(0, rest - 1)
            ctx.set(dut.ns_ready, int(rest == 0 and self.random.random() >= self.gaps))
            over = running is not None and self.vectors[running].over_after == len(self.times[-1])
            ctx.set(dut.over, int(over))
            if fire:
                self.fired.append(self.cycle)
                assert ctx.get(dut.silent) == (expected.commands[number] is None), number
            if running is not None and ctx.get(dut.ns_valid) and ctx.get(dut.ns_ready):
                slots, place = expected.commands[running], len(self.times[-1])
                got = tuple(ctx.get(getattr(dut, f"ns_{name}")) for name in ("rows", "columns", "direction"))
                assert got == slots[place], (running, place)
                assert ctx.get(dut.ns_last) == (place == len(slots) - 1)
                self.times[-1].append(self.cycle)
                rest = self.pace
                over = over or place == len(slots) - 1
            elif running is None:
                assert not ctx.get(dut.ns_valid)
            if over:
                running = None
            if ctx.get(dut.n_valid) and ctx.get(dut.n_ready):
                assert waiting is not None
                assert running is None or over
                assert ctx.get(dut.n_slots) == len(expected.commands[waiting])
                if not self.vectors[waiting].cancelled:
                    running = waiting
                    self.times.append([])
                waiting = None
            if fire:
                waiting = number if expected.commands[number] is not None else None
                number += 1
            await ctx.tick()
        raise AssertionError(f"{number} of {len(self.vectors)} vectors in {cycles} cycles")


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_trains_are_the_models(name, gaps):
    tile = CONFIGURATIONS[name]
    rng = np.random.default_rng(3)
    vectors = [vector(tile, rng) for _ in range(25)]
    bench = TrainBench(tile, vectors, gaps=gaps).run()
    assert bench.skipped == sum(v.scaled.slots == 0 for v in vectors)
    assert sum(map(len, bench.times)) == sum(len(slots or ()) for slots in bench.expected.commands)


@pytest.mark.parametrize("name", ["13x7", "separate", "xoshiro", "one-stream"])
def test_streams_advance_whatever_becomes_of_a_train(name):
    """Commands that end after any number of slots, or are dropped before they are taken, between others."""
    tile = CONFIGURATIONS[name]
    rng = np.random.default_rng(5)
    vectors = []
    for _ in range(30):
        slots = int(rng.integers(1, min(tile.train.slots, 6) + 1))
        fate = {} if rng.random() < 0.4 else {"over_after": int(rng.integers(0, 2 * slots))}
        vectors.append(vector(tile, rng, slots=slots, **({"cancelled": True} if rng.random() < 0.3 else fate)))
    for gaps in (0.0, 0.5):
        TrainBench(tile, vectors, gaps=gaps).run()


@pytest.mark.parametrize(("name", "pace"), [("8x8", 5), ("13x7", 2), ("separate", 1), ("xoshiro", 3)])
def test_pace(name, pace):
    """Slots of a command follow each other at once, and trains as well if slots are as far apart as the rest needs."""
    tile = CONFIGURATIONS[name]
    rng = np.random.default_rng(7)
    vectors = [vector(tile, rng, slots=min(tile.train.slots, 6), dense=True) for _ in range(8)]
    bench = TrainBench(tile, vectors, gaps=0.0, pace=pace).run()
    assert len(bench.times) == 8
    within = {b - a for times in bench.times for a, b in zip(times, times[1:], strict=False)}
    assert within == {pace}
    between = {b[0] - a[-1] for a, b in zip(bench.times, bench.times[1:], strict=False)}
    assert between == {pace if pace > 1 else 3}


def test_latencies():
    tile = CONFIGURATIONS["8x8"]
    bench = TrainBench(tile, [vector(tile, np.random.default_rng(1), slots=3, dense=True)], gaps=0.0).run()
    assert bench.times[0][0] - bench.fired[0] == PulseTrain.latency[1]
    beats_of_all = 4
    assert bench.fired[0] == 1 + beats_of_all - 1 + TrainThresholds.latency  # factors, then beats


def test_filling_takes_a_cycle_per_beat():
    """Silent vectors leave as fast as they are filled, one without slots in a cycle."""
    tile = CONFIGURATIONS["8x8"]
    rng = np.random.default_rng(2)
    silent = [dataclasses.replace(vector(tile, rng, slots=1, dense=True)) for _ in range(6)]
    silent = [dataclasses.replace(v, scaled=dataclasses.replace(v.scaled, m_x=0)) for v in silent]
    bench = TrainBench(tile, silent, gaps=0.0).run()
    assert {b - a for a, b in zip(bench.fired, bench.fired[1:], strict=False)} == {4}
    empty = [dataclasses.replace(v, scaled=Scaled(slots=0, m_x=0, m_d=0)) for v in silent]
    bench = TrainBench(tile, empty, gaps=0.0).run()
    assert {b - a for a, b in zip(bench.fired, bench.fired[1:], strict=False)} == {1}


def test_the_host_loads_and_reads_streams():
    tile = CONFIGURATIONS["xoshiro"]
    dut = PulseTrain(tile)

    async def testbench(ctx):
        assert not ctx.get(dut.busy)
        for side in ("rows", "columns"):
            stream = Stream(tile, side)
            for index, word in enumerate((1, 0xFFFFFFFF, 0x12345678, 9)):
                ctx.set(getattr(dut, f"{side}_load"), 1)
                ctx.set(dut.load_index, index)
                ctx.set(dut.load_data, word)
                await ctx.tick()
                stream.load(index, word)
            ctx.set(getattr(dut, f"{side}_load"), 0)
            state = ctx.get(getattr(dut, f"{side}_state"))
            assert [state >> 32 * place & 0xFFFFFFFF for place in range(4)] == stream.state

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("name", ["8x8", "13x7", "separate"])
def test_behind_store_and_scale(name):
    """Vectors into the store, slots out: what lies between fits together."""
    tile = CONFIGURATIONS[name]
    rng = np.random.default_rng(9)
    vectors = [vector(tile, rng) for _ in range(20)]
    settings, means, rows, columns = ScaleSettings.of(tile), Means(), Stream(tile, "rows"), Stream(tile, "columns")
    expected = []
    for v in vectors:
        scaled = scale(tile, settings, means, int(np.abs(v.x).max()), 0, int(np.abs(v.d).max()), 0)
        words = draw(tile, rows, columns, scaled.slots)
        slots = slots_of(tile, Model.of(tile, scaled, v.x, v.d, *words))
        expected += list(zip(*(slot_masks(part) for part in slots), strict=True))
    m = Module()
    store, scaling, train = parts = VectorStore(tile), Scale(tile), PulseTrain(tile)
    m.submodules.store, m.submodules.scale, m.submodules.train = parts
    join(m, store, scaling, "s_")
    join(m, store, train, "f_")
    join(m, scaling, train, "g_")
    m.d.comb += train.fire.eq(train.full)

    async def feed(ctx):
        for v in vectors:
            for is_d, _, codes, last in beats(tile, v):
                fields = {"w_valid": 1, "w_is_d": is_d, "w_codes": codes}
                await until_taken(ctx, fields, store.w_ready)
                if last:
                    await until_taken(ctx, {"commit_valid": 1, "w_valid": 0}, store.commit_ready)
                    ctx.set(store.commit_valid, 0)

    async def until_taken(ctx, fields, ready):
        for name, value in fields.items():
            ctx.set(getattr(store, name), value)
        taken = False
        while not taken:
            await ctx.delay(1e-10)
            taken = ctx.get(ready)
            await ctx.tick()

    async def take(ctx):
        for name in ("rate", "momentum", "dynamic"):
            ctx.set(getattr(scaling, name), getattr(settings, name))
        ctx.set(train.n_ready, 1)
        ctx.set(train.ns_ready, 1)
        got = []
        for _ in range(5000):
            if ctx.get(train.ns_valid):
                got.append(tuple(ctx.get(getattr(train, f"ns_{part}")) for part in ("rows", "columns", "direction")))
            await ctx.tick()
        assert got == expected
        assert not any(ctx.get(part.busy) for part in parts)

    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    simulator.add_testbench(take)
    simulator.add_testbench(feed, background=True)
    simulator.run()


@pytest.mark.parametrize("profile", ["fpga", "asic"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_lint(name, profile, tmp_path):
    texts = emit(PulseTrain(CONFIGURATIONS[name]), name="train", profile=profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([tmp_path / file for file in texts], "train") == []


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    """amaranth.sim and Icarus agree on every output in every cycle."""
    tile = CONFIGURATIONS["separate" if profile == "fpga" else "13x7"]
    dut = PulseTrain(tile)
    total = len(beats(tile, vector(tile, np.random.default_rng(1))))
    stimulus = bench.stimulus(
        dut,
        steps=500,
        seed=2,
        g_slots=lambda rng, step: rng.randrange(0, 4),
        f_valid=lambda rng, step: rng.random() < 0.9,
        f_is_d=lambda rng, step: step % total >= total // 2,
        f_index=lambda rng, step: step % (total // 2),
        f_last=lambda rng, step: rng.random() < 0.3,
        fire=lambda rng, step: rng.random() < 0.2,
        over=lambda rng, step: rng.random() < 0.05,
        cancel=lambda rng, step: rng.random() < 0.1,
        rows_load=lambda rng, step: step < 10,
        columns_load=lambda rng, step: step < 10,
    )
    texts = emit(dut, name="train", profile=profile)
    assert bench.replay(texts, "train", dut, stimulus, profile=profile) == bench.record(dut, stimulus, profile=profile)
