"""Bit-serial hardware against the model, in amaranth.sim: every bit of every row, for each group, and its cycles."""

import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.bit_serial import BitSerial
from crosstrain_hdl.emit import emit
from crosstrain_model import bit_serial as model
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.port import code_bits


def design(rows, columns, lanes, x=8, d=8):
    return Design(
        name="wu", scheme="wu",
        array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided", read="bit-serial"),
        formats=Formats(x=x, d=d, adc=8, fraction=7), update=Update(max_pulses=1, threshold=6528),
    )  # fmt: skip


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, x=2),
    "8x8": design(8, 8, 4),
    "13x7": design(13, 7, 3, x=5, d=12),
    "eight groups": design(64, 32, 4),
    "narrow": design(3, 9, 8, x=12, d=2),
}


class Run:
    """Reads one after the other; `words` [reads][groups * x], and in which cycle each was taken."""

    def __init__(self, tile, reads, *, gaps=0.0, stalls=0.0):
        self.tile, self.reads, self.gaps, self.stalls = tile, reads, gaps, stalls
        self.dut, self.rng = BitSerial(tile), random.Random(3)
        self.words, self.cycles = [], []
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(self._feed)
        simulator.add_testbench(self._take, background=True)
        simulator.run()

    async def _feed(self, ctx):
        dut, array, bits = self.dut, self.tile.array, code_bits(self.tile)
        for codes in self.reads:
            padded = [*codes, *[self.rng.getrandbits(bits) for _ in range(-len(codes) % array.lanes)]]
            for start in range(0, array.rows, array.lanes):
                while self.rng.random() < self.gaps:
                    await ctx.tick()
                group = padded[start : start + array.lanes]
                ctx.set(dut.dac_codes, sum(code << lane * bits for lane, code in enumerate(group)))
                ctx.set(dut.dac_valid, 1)
                await ctx.tick().until(dut.dac_ready)
                ctx.set(dut.dac_valid, 0)
            assert ctx.get(dut.busy)
            await ctx.tick().until(~dut.busy)
        assert not ctx.get(dut.b_valid)

    async def _take(self, ctx):
        dut, cycle, before, ready = self.dut, 0, None, 0
        async for *_, valid, bits in ctx.tick().sample(dut.b_valid, dut.b_bits):
            cycle += 1
            assert before is None or (valid and bits == before), "a word does not stay"
            if valid and ready:
                self.words.append(bits)
                self.cycles.append(cycle)
            before = bits if valid and not ready else None
            ready = int(self.rng.random() >= self.stalls)
            ctx.set(dut.b_ready, ready)


def drawn(tile, count, seed=1):
    rng, top = random.Random(seed), (1 << tile.formats.x) - 1
    reads = [[rng.choice([0, top, 1, rng.randint(0, top)]) for _ in range(tile.array.rows)] for _ in range(count)]
    return [[top] * tile.array.rows, *reads]


@pytest.mark.parametrize(("gaps", "stalls"), [(0.0, 0.0), (0.4, 0.4)])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_words_are_those_of_the_model(name, gaps, stalls):
    tile = CONFIGURATIONS[name]
    reads = drawn(tile, 8)
    run = Run(tile, reads, gaps=gaps, stalls=stalls)
    assert run.words == [word for codes in reads for word in model.words(tile, codes)]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_one_cycle_is_left_for_the_conversion_of_a_group(name):
    tile = CONFIGURATIONS[name]
    run = Run(tile, drawn(tile, 0))
    bits = tile.formats.x
    due = [group * (bits + 1) + bit for group in range(tile.array.groups) for bit in range(bits)]
    assert [cycle - run.cycles[0] for cycle in run.cycles] == due
    assert due[-1] + 2 == model.cycles(tile)  # the word, and the conversion of the last group


def test_eight_groups_of_eight_bits_take_72_cycles():
    assert model.cycles(CONFIGURATIONS["eight groups"]) == 72


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    dut = BitSerial(CONFIGURATIONS["13x7"])
    stimulus = bench.stimulus(dut, steps=400, seed=3)
    texts = emit(dut, name="bit_serial", profile=profile)
    seen = bench.replay(texts, "bit_serial", dut, stimulus, profile=profile)
    assert seen == bench.record(dut, stimulus, profile=profile)
