"""The frame decoder against the rules of `crosstrain_model.frames`, with random frames, faults and gaps."""

import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.frames import Frames
from crosstrain_model.design import Array, Bus, Design, Formats
from crosstrain_model.frames import FrameOp, User, frame_beats, frame_codes, pack, slot_bits, unpack
from crosstrain_model.port import Op, code_bits

SHAPES = {
    "equal": Design(name="a", array=Array(rows=13, columns=7, lanes=3)),
    "one lane": Design(name="a", array=Array(rows=2, columns=3, lanes=1), formats=Formats(x=3, d=2)),
    "narrow": Design(name="a", array=Array(rows=13, columns=7, lanes=4), bus=Bus(stream_codes=2)),
    "single codes": Design(
        name="a", array=Array(rows=9, columns=8, lanes=4), bus=Bus(stream_codes=1), formats=Formats(x=10, d=4)
    ),
    "wide": Design(name="a", array=Array(rows=14, columns=5, lanes=2), bus=Bus(stream_codes=8)),
    "all at once": Design(name="a", array=Array(rows=5, columns=6, lanes=3), bus=Bus(stream_codes=9)),
    "wide codes": Design(name="a", array=Array(rows=6, columns=4, lanes=2), formats=Formats(x=4, d=12)),
    "trains": Design(name="a", scheme="sgd", array=Array(rows=13, columns=7, lanes=3), bus=Bus(stream_codes=6)),
    "trains, narrow": Design(
        name="a", scheme="sgd", array=Array(rows=5, columns=9, lanes=4), bus=Bus(stream_codes=2), formats=Formats(d=10)
    ),
}


OUTPUTS = """w_valid w_is_d w_codes commit_valid commit_exponent commit_program commit_empty drop
    h_valid h_op h_row h_tag dac_valid dac_codes""".split()


class Expected:
    """What the decoder must hand on, event by event."""

    def __init__(self, design):
        self.design = design
        self.events = []
        self.errors = 0
        self.x = None

    def words(self, codes):
        lanes = self.design.array.lanes
        padded = codes + [0] * (-len(codes) % lanes)
        return [tuple(padded[i : i + lanes]) for i in range(0, len(padded), lanes)]

    def frame(self, user, codes, good):
        orphan = self.x is not None and user.op != FrameOp.UPDATE_D
        if orphan:
            self.x = None
        illegal = user.op > FrameOp.READ_ROW or (user.op == FrameOp.READ_ROW and user.row >= self.design.array.rows)
        illegal |= self.design.pulsed and user.op == FrameOp.PROGRAM
        refused = illegal or (user.op == FrameOp.UPDATE_D and self.x is None)
        # A head is looked at in one cycle: an orphan and what is wrong with its follower are one strobe.
        self.errors += (orphan or refused) + (not refused and not good)
        if refused or not good:
            self.x = None
        elif user.op == FrameOp.UPDATE_X:
            self.x = (user.exponent, codes if self.design.pulsed else self.words(codes))
        elif user.op == FrameOp.UPDATE_D and self.design.pulsed:
            self.events.append(("vector", (self.x[0], user.exponent), self.x[1], codes))
            self.x = None
        elif user.op == FrameOp.UPDATE_D:
            self.events.append(("vector", self.x[0] + user.exponent, self.x[1], self.words(codes)))
            self.x = None
        elif user.op == FrameOp.PROGRAM:
            self.events.append(("program",))
        else:
            op = {FrameOp.FORWARD: Op.FORWARD, FrameOp.BACKWARD: Op.BACKWARD, FrameOp.READ_ROW: Op.READ_ROW}[user.op]
            row = user.row if op == Op.READ_ROW else 0
            self.events.append(("read", int(op), row, user.tag, self.words(codes)))


def random_frame(rng, design, corners):
    """User, codes, beats with TLAST, and whether the length is right."""
    op = rng.choice([0, 1, 0, 1, 0, 1, 2, 3, 4, 5, rng.randrange(6, 16)])
    user = User(
        op=op,
        exponent=rng.choice([-128, 127, rng.randrange(-128, 128)]),
        tag=rng.randrange(256),
        row=rng.choice([0, design.array.rows - 1, design.array.rows, rng.randrange(4096)]),
    )
    known = op <= FrameOp.READ_ROW
    count = frame_codes(design, FrameOp(op)) if known else rng.randrange(1, 9)
    is_x = op in (FrameOp.UPDATE_X, FrameOp.FORWARD)
    half = 1 << ((design.formats.x if is_x else design.formats.d) - 1)
    codes = [rng.choice([-half, half - 1, 0, rng.randrange(-half, half)]) for _ in range(count)]
    garbage = [rng.randrange(-half, half) for _ in range(-count % design.stream_codes)]
    beats = pack(codes + garbage, per_beat=design.stream_codes, bits=slot_bits(design))
    right = frame_beats(design, FrameOp(op)) if known else len(beats)
    wanted = right
    if rng.random() < corners:
        wanted = rng.choice([right + 1, right + 3, max(1, right - 1), 1])
    beats = (beats + [rng.getrandbits(8) for _ in range(3)])[:wanted]
    return user, codes, beats, wanted == right


async def collect(ctx, dut, design, rng, events, quiet_gaps):
    """Take everything that comes out; returns at the end of the simulation only."""
    x_words, d_words, read = [], [], None
    lanes, bits = design.array.lanes, code_bits(design)
    loaded = design.stream_codes if design.pulsed else lanes  # codes of a word of a vector
    outputs = list(OUTPUTS)
    if design.pulsed:
        outputs[4:7] = "commit_ex", "commit_ed", "commit_ed"
    while True:
        ready = {name: rng.random() < 0.7 for name in ("w", "commit", "h", "dac")}
        ctx.set(dut.quiet, rng.random() < quiet_gaps)
        for name, level in ready.items():
            ctx.set(getattr(dut, f"{name}_ready"), level)
        sampled = await ctx.tick().sample(*(getattr(dut, name) for name in outputs))
        w, is_d, codes, commit, exponent, program, empty, drop, h, op, row, tag, dac, dac_codes = sampled[-14:]
        assert not (drop and (w or commit))
        if w and ready["w"]:
            kind = design.formats.d if is_d else design.formats.x
            word = tuple(unpack([codes], per_beat=loaded, bits=bits))
            assert all(-(1 << kind - 1) <= code < 1 << kind - 1 for code in word)
            (d_words if is_d else x_words).append(word)
        if commit and ready["commit"] and design.pulsed:
            sides = ((x_words, design.array.rows), (d_words, design.array.columns))
            x, d = ([code for word in words for code in word][:count] for words, count in sides)  # the rest is garbage
            events.append(("vector", (exponent, program), x, d))
            x_words, d_words = [], []
        elif commit and ready["commit"]:
            assert program == empty
            events.append(("program",) if program else ("vector", exponent, list(x_words), list(d_words)))
            x_words, d_words = [], []
        if drop:
            x_words, d_words = [], []
        if h and ready["h"]:
            events.append(("read", op, row, tag, []))
            read = read if op == Op.READ_ROW else events[-1]
        if dac and ready["dac"]:
            read[4].append(tuple(unpack([dac_codes], per_beat=lanes, bits=bits)))


async def feed(ctx, dut, user, beats, rng):
    for place, beat in enumerate(beats):
        while rng.random() < 0.3:
            await ctx.tick()
        ctx.set(dut.s_axis_tdata, beat)
        ctx.set(dut.s_axis_tuser, user.word() if place == 0 else rng.getrandbits(32))
        ctx.set(dut.s_axis_tlast, place == len(beats) - 1)
        ctx.set(dut.s_axis_tvalid, 1)
        await ctx.tick().until(dut.s_axis_tready)
        ctx.set(dut.s_axis_tvalid, 0)


@pytest.mark.parametrize("faults", [0.0, 0.3])
@pytest.mark.parametrize("name", SHAPES)
def test_random_frames(name, faults):
    design = SHAPES[name]
    dut, rng, expected, events, errors = Frames(design), random.Random(5), Expected(design), [], []

    async def stimulus(ctx):
        for _ in range(60):
            user, codes, beats, good = random_frame(rng, design, faults)
            if faults == 0.0 and user.op == FrameOp.UPDATE_D and expected.x is None:
                continue
            await feed(ctx, dut, user, beats, rng)
            expected.frame(user, codes, good)
            assert ctx.get(dut.busy) in (0, 1)
        for _ in range(400):
            await ctx.tick()
        assert ctx.get(dut.half) == (expected.x is not None)
        assert ctx.get(dut.busy) == (expected.x is not None)

    async def monitor(ctx):
        await collect(ctx, dut, design, random.Random(6), events, 0.3)

    async def count(ctx):
        async for *_, error in ctx.tick().sample(dut.frame_error):
            if error:
                errors.append(1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(stimulus)
    simulator.add_testbench(monitor, background=True)
    simulator.add_testbench(count, background=True)
    simulator.run()
    assert events == expected.events
    assert len(errors) == expected.errors > 0
    assert any(event[0] == "vector" for event in events)
    assert any(event[0] == "read" for event in events)


def test_a_cancel_forgets_what_is_half_there():
    design = SHAPES["equal"]
    dut, events, rng = Frames(design), [], random.Random(3)
    x = User(op=FrameOp.UPDATE_X, exponent=3)
    d = User(op=FrameOp.UPDATE_D, exponent=-1)
    codes_x, codes_d = list(range(1, 14)), list(range(-3, 4))
    beats_x, beats_d = (pack(codes, per_beat=3, bits=8) for codes in (codes_x, codes_d))

    async def cancel(ctx):
        ctx.set(dut.cancel, 1)
        await ctx.tick()
        ctx.set(dut.cancel, 0)

    async def stimulus(ctx):
        await feed(ctx, dut, x, beats_x, rng)
        assert ctx.get(dut.half) == 1
        await cancel(ctx)
        assert (ctx.get(dut.half), ctx.get(dut.busy)) == (0, 0)
        for place in range(2):  # the third beat never acts: the rest of the frame is skipped
            ctx.set(dut.s_axis_tuser, x.word())
            ctx.set(dut.s_axis_tdata, beats_x[place])
            ctx.set(dut.s_axis_tvalid, 1)
            await ctx.tick().until(dut.s_axis_tready)
        ctx.set(dut.s_axis_tvalid, 0)
        await cancel(ctx)
        await feed(ctx, dut, User(op=0), beats_x[2:], rng)
        await feed(ctx, dut, User(op=FrameOp.FORWARD, tag=9), beats_x, rng)
        await ctx.tick()
        await cancel(ctx)  # the read waits for quiet: it is whole, and stays
        await feed(ctx, dut, x, beats_x, rng)
        await feed(ctx, dut, d, beats_d, rng)
        for _ in range(50):
            await ctx.tick()
        assert ctx.get(dut.busy) == 0

    async def monitor(ctx):
        await collect(ctx, dut, design, random.Random(6), events, 0.1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(stimulus)
    simulator.add_testbench(monitor, background=True)
    simulator.run()
    expected = Expected(design)
    expected.frame(User(op=FrameOp.FORWARD, tag=9), codes_x, True)
    expected.frame(x, codes_x, True)
    expected.frame(d, codes_d, True)
    assert events == expected.events
