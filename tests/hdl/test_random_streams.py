"""Random streams and the wires of permutations against the model, in amaranth.sim."""

import random

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from crosstrain_hdl.random_streams import REPLAYED, RandomStream, column_word, permute
from crosstrain_model.design import Array, Design
from crosstrain_model.design_gradient import Random
from crosstrain_model.random_streams import (
    STREAMS,
    Stream,
    column_draws,
    permutations,
    permuted,
    seed_words,
    side_shape,
)


def design(**random):
    return Design(scheme="agad", array=Array(rows=9, columns=7, lanes=3), random=Random(**random))


DESIGNS = {
    "default": design(),
    "xoshiro": design(generator="xoshiro128++", bits=10),
    "eight": design(row_width=8, column_width=8, leap=1, bits=4, seed=0),
    "wide words": design(row_width=8, bits=10, permute=False),
    "long leap": design(row_width=32, column_width=31, leap=32, bits=10),
}


def state_of(words):
    """A state as the pins show it."""
    return sum(int(word) << 32 * place for place, word in enumerate(words))


def simulate(dut, check):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("key", DESIGNS)
def test_equals_the_model_under_any_strobes(key, name):
    tile, rng = DESIGNS[key], random.Random(f"{key} {name}")
    dut, model = RandomStream(tile, name), Stream(tile, name)
    assert hasattr(dut, "restore") == (name in REPLAYED)

    async def check(ctx):
        saved, steps = model.state, 0
        for cycle in range(300):
            strobes = {pin: int(rng.random() < 0.9 ** (1 + 9 * (pin != "step"))) for pin in ("step", "save", "restore")}
            strobes["load"] = int(rng.random() < (0.05, 0.9)[cycle > 200])
            index, data = rng.randrange(4), rng.choice((1, 2**31 + 1, 2**32 - 1, rng.getrandbits(32) | 1))
            for pin, value in {**strobes, "load_index": index, "load_data": data}.items():
                if hasattr(dut, pin):
                    ctx.set(getattr(dut, pin), value)
            before, ahead = model.state, Stream(tile, name)
            ahead.state = before
            assert ctx.get(dut.state) == state_of(before), f"cycle {cycle}"
            assert ctx.get(dut.word) == ahead.draws(1)[0], f"cycle {cycle}"
            if strobes["load"]:
                model.load(index, data)
            elif strobes["restore"] and name in REPLAYED:
                model.state = saved
            elif strobes["step"]:
                model.draws(1)
                steps += 1
            saved = before if strobes["save"] else saved
            await ctx.tick()
        assert steps > 50

    simulate(dut, check)


@pytest.mark.parametrize("key", ["default", "xoshiro"])
def test_a_state_of_zeros_runs_on(key):
    """As a fault would leave it, and as a host might load it: after a quiet cycle it is 1, and draws are those of 1."""
    tile = DESIGNS[key]
    dut, model = RandomStream(tile, "rows"), Stream(tile, "rows")
    words = model.generator.words
    model.state = [0] * words

    async def check(ctx):
        ctx.set(dut.load, 1)
        for index in range(words):
            ctx.set(dut.load_index, index)
            await ctx.tick()
        ctx.set(dut.load, 0)
        assert ctx.get(dut.state) == 0
        await ctx.tick()
        ctx.set(dut.step, 1)
        for _ in range(40):
            assert ctx.get(dut.state) == state_of(model.state)
            assert ctx.get(dut.word) == model.draws(1)[0]
            await ctx.tick()
        assert ctx.get(dut.state) > 1

    simulate(dut, check)


def test_the_seed_is_the_reset_value():
    for key, tile in DESIGNS.items():
        dut = RandomStream(tile, "columns")

        async def check(ctx, dut=dut, tile=tile, key=key):
            assert ctx.get(dut.state) == state_of(seed_words(tile, "columns")), key

        simulate(dut, check)


class Wires(wiring.Component):
    """What every line of a side sees of a word."""

    def __init__(self, tile, side):
        self.orders = permutations(tile, side)
        bits = self.orders.shape[1]
        super().__init__({"word": In(bits), **{f"line_{i}": Out(bits) for i in range(len(self.orders))}})

    def elaborate(self, platform):
        m = Module()
        for number, order in enumerate(self.orders):
            m.d.comb += getattr(self, f"line_{number}").eq(permute(self.word, order))
        return m


@pytest.mark.parametrize("side", ["rows", "columns", "lanes"])
@pytest.mark.parametrize("key", ["default", "wide words", "eight"])
def test_permutations_are_the_table(key, side):
    tile = DESIGNS[key]
    lines, bits = side_shape(tile, side)
    dut, seen = Wires(tile, side), permuted(tile, side)

    async def check(ctx):
        for word in [*(1 << bit for bit in range(bits)), 2**bits - 1, *range(0, 2**bits, 2**bits // 16 | 1)]:
            ctx.set(dut.word, word)
            await ctx.delay(1e-9)
            assert [ctx.get(getattr(dut, f"line_{i}")) for i in range(lines)] == seen[word].tolist(), f"word {word}"

    simulator = Simulator(dut)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("kind", ["own", "rows", "rows-reversed"])
def test_words_of_columns(kind):
    tile = design(columns=kind)
    rows, columns = Signal(8), Signal(8)
    m = Module()
    word = Signal(8)
    m.d.comb += word.eq(column_word(tile, rows, columns))
    draws, stream = Stream(tile, "rows").draws(30), Stream(tile, "columns")
    own = Stream(tile, "columns").draws(30)
    wanted = column_draws(tile, draws, stream)

    async def check(ctx):
        for row, column, seen in zip(draws.tolist(), own.tolist(), wanted.tolist(), strict=True):
            ctx.set(rows, row)
            ctx.set(columns, column)
            await ctx.delay(1e-9)
            assert ctx.get(word) == seen

    simulator = Simulator(m)
    simulator.add_testbench(check)
    simulator.run()
