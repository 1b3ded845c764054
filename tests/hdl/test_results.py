"""Result frames: every word once, in order, the status in the last beat, under random gaps."""

import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.results import Results
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.frames import FrameOp, pack, result_bits, unpack
from crosstrain_model.port import Op, adc_codes

DESIGNS = {
    "one": Design(name="a", array=Array(rows=1, columns=1, lanes=1), formats=Formats(adc=1)),
    "bytes": Design(name="a", array=Array(rows=9, columns=7, lanes=3), formats=Formats(adc=8)),
    "wide": Design(name="a", array=Array(rows=4, columns=4, lanes=4), formats=Formats(adc=18)),
    "devices": Design(
        name="a", scheme="wu", array=Array(rows=4, columns=7, lanes=3, pair="one-sided"),
        formats=Formats(adc=9, fraction=6), update=Update(max_pulses=1),
    ),
    "devices of bytes": Design(
        name="a", scheme="wu", array=Array(rows=4, columns=4, lanes=4, pair="one-sided"),
        formats=Formats(adc=8, fraction=7), update=Update(max_pulses=1),
    ),
}  # fmt: skip


def drawn_code(rng, bits, signed=True):
    half = 1 << (bits - 1)
    if not signed:
        return rng.choice([0, 2 * half - 1, half, rng.randrange(2 * half)])
    return rng.choice([-half, half - 1, rng.randrange(-half, half)])


@pytest.mark.parametrize("patience", [1.0, 0.4])
@pytest.mark.parametrize("name", DESIGNS)
def test_frames(name, patience):
    design = DESIGNS[name]
    dut, rng = Results(design), random.Random(2)
    lanes, bits = adc_codes(design), design.formats.adc
    reads = []
    for number in range(24):
        words = [[drawn_code(rng, bits, not design.verified) for _ in range(lanes)] for _ in range(number % 4)]
        reads.append((rng.choice([Op.FORWARD, Op.BACKWARD, Op.READ_ROW]), rng.randrange(256), rng.randrange(8), words))
    frames, beats = [], []

    async def feed(ctx):
        for op, tag, status, words in reads:
            ctx.set(dut.r_op, op)
            ctx.set(dut.r_tag, tag)
            for word in words:
                while rng.random() > patience:
                    await ctx.tick()
                ctx.set(dut.adc_codes, pack(word, per_beat=lanes, bits=bits)[0])
                ctx.set(dut.adc_valid, 1)
                await ctx.tick().until(dut.adc_ready)
                ctx.set(dut.adc_valid, 0)
            while rng.random() > patience:
                await ctx.tick()
            ctx.set(dut.r_status, status)
            ctx.set(dut.r_valid, 1)
            await ctx.tick().until(dut.r_ready)
            ctx.set(dut.r_valid, 0)
        for _ in range(4):
            await ctx.tick()
        assert ctx.get(dut.busy) == 0

    async def collect(ctx):
        gaps, ready = random.Random(3), 0
        pins = (dut.m_axis_tvalid, dut.m_axis_tdata, dut.m_axis_tlast, dut.m_axis_tuser)
        async for *_, valid, data, last, user in ctx.tick().sample(*pins):
            if valid and ready:
                codes = unpack([data], per_beat=lanes, bits=result_bits(design))
                full = (1 << result_bits(design)) - 1
                beats.append(([code & full for code in codes] if design.verified else codes, user))
                if last:
                    frames.append(list(beats))
                    beats.clear()
            ready = gaps.random() < patience
            ctx.set(dut.m_axis_tready, ready)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(feed)
    simulator.add_testbench(collect, background=True)
    simulator.run()
    expected = []
    for op, tag, status, words in reads:
        frame_op = FrameOp[op.name]
        frame = words or [[0] * lanes]
        statuses = [0] * (len(frame) - 1) + [status]
        expected.append([(word, frame_op | st << 4 | tag << 12) for word, st in zip(frame, statuses, strict=True)])
    assert frames == expected
    assert beats == []
