"""The frame decoder of designs with an update stream: what passes through, what waits, what is refused."""

import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.frames import Frames
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.frames import FrameOp, User, beat_bits, frame_beats, frame_ops, pack, slot_bits
from crosstrain_model.port import Op, code_bits


def design(rows, columns, lanes, **formats):
    return Design(
        name="wu", scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(**{"adc": 8, "fraction": 7, **formats}), update=Update(max_pulses=1, threshold=100),
    )  # fmt: skip


SHAPES = {
    "as presets": design(8, 8, 4),
    "one lane": design(2, 3, 1, x=3, d=2, accumulator=8),
    "odd": design(13, 7, 3, x=5, d=12, accumulator=18),
}
OUTPUTS = """u_valid u_sparse u_first u_last u_data p_valid h_valid h_op h_row h_tag
    dac_valid dac_codes f_valid f_row""".split()
STREAMS = (FrameOp.UPDATE, FrameOp.SPARSE)


class Expected:
    """What the decoder must hand on, event by event."""

    def __init__(self, tile):
        self.tile, self.events, self.errors = tile, [], 0

    def frame(self, user, codes, beats, good):
        tile = self.tile
        known = user.op in frame_ops(tile)
        refused = not known or (user.op in (FrameOp.READ_ROW, FrameOp.FORM) and user.row >= tile.array.rows)
        self.errors += refused or (not good and user.op not in STREAMS)
        if refused or (not good and user.op not in STREAMS):
            return
        if user.op in STREAMS:
            last, sparse = len(beats) - 1, user.op == FrameOp.SPARSE
            self.events += [("beat", sparse, n == 0, n == last, beat) for n, beat in enumerate(beats)]
        elif user.op == FrameOp.PROGRAM:
            self.events.append(("program",))
        elif user.op == FrameOp.FORM:
            self.events.append(("form", user.row))
        else:
            lanes, bits = tile.array.lanes, code_bits(tile)
            op, row = (Op.FORWARD, 0) if user.op == FrameOp.FORWARD else (Op.READ_ROW, user.row)
            words = pack(codes, per_beat=lanes, bits=bits) if op == Op.FORWARD else []
            self.events.append(("read", int(op), row, user.tag, words))


def random_frame(rng, tile, faults):
    """User, codes, beats, and whether the length is right."""
    op = rng.choice([*frame_ops(tile)] * 3 + [rng.randrange(16)])
    user = User(op=op, exponent=rng.randrange(-128, 128), tag=rng.randrange(256),
                row=rng.choice([0, tile.array.rows - 1, tile.array.rows, rng.randrange(4096)]))  # fmt: skip
    if op not in frame_ops(tile) or op in STREAMS:
        beats = [rng.getrandbits(beat_bits(tile)) for _ in range(rng.randrange(1, 12))]
        return user, [], beats, True
    count = tile.array.rows if op == FrameOp.FORWARD else 0
    codes = [rng.choice([0, (1 << tile.formats.x) - 1, rng.getrandbits(tile.formats.x)]) for _ in range(count)]
    slot, per_beat = slot_bits(tile), tile.stream_codes
    noise = [code | rng.getrandbits(slot - tile.formats.x) << tile.formats.x for code in codes]
    noise += [rng.getrandbits(slot) for _ in range(-count % per_beat)]
    beats = pack(noise, per_beat=per_beat, bits=slot)
    right = wanted = frame_beats(tile, FrameOp(op))
    assert len(beats) == right
    if rng.random() < faults:
        wanted = rng.choice([right + 1, right + 3, max(1, right - 1), 1])
    beats = (beats + [rng.getrandbits(8) for _ in range(3)])[:wanted]
    return user, codes, beats, wanted == right


class Run:
    """One simulation of `frames` [(user, beats)]; `cancels`: number of a beat -> cancel after it."""

    def __init__(self, tile, frames, *, gaps=0.3, stalls=0.3, cancels=()):
        self.dut, self.frames, self.gaps, self.stalls, self.cancels = Frames(tile), frames, gaps, stalls, cancels
        self.rng, self.events, self.errors, self.drops = random.Random(4), [], 0, 0
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(self._feed)
        simulator.add_testbench(self._take, background=True)
        simulator.run()

    async def _feed(self, ctx):
        dut, rng, number = self.dut, self.rng, 0
        for user, beats in self.frames:
            for place, beat in enumerate(beats):
                while rng.random() < self.gaps:
                    await ctx.tick()
                ctx.set(dut.s_axis_tdata, beat)
                ctx.set(dut.s_axis_tuser, user.word() if place == 0 else rng.getrandbits(32))
                ctx.set(dut.s_axis_tlast, place == len(beats) - 1)
                ctx.set(dut.s_axis_tvalid, 1)
                await ctx.tick().until(dut.s_axis_tready)
                ctx.set(dut.s_axis_tvalid, 0)
                number += 1
                if number in self.cancels:
                    ctx.set(dut.cancel, 1)
                    await ctx.tick()
                    ctx.set(dut.cancel, 0)
        for _ in range(300):
            await ctx.tick()
        assert (ctx.get(dut.busy), ctx.get(dut.half)) == (0, 0)

    async def _take(self, ctx):
        dut, read, rng = self.dut, None, random.Random(5)
        ready = dict.fromkeys("uphf", 0) | {"dac": 0}
        async for *_, error, drop, u, sparse, first, last, data, p, h, op, row, tag, dac, codes, f, f_row in (
            ctx.tick().sample(dut.frame_error, dut.drop, *(getattr(dut, name) for name in OUTPUTS))
        ):
            self.errors += error
            self.drops += drop
            if u and ready["u"]:
                self.events.append(("beat", bool(sparse), bool(first), bool(last), data))
            if p and ready["p"]:
                self.events.append(("program",))
            if f and ready["f"]:
                self.events.append(("form", f_row))
            if h and ready["h"]:
                self.events.append(("read", op, row, tag, []))
                read = self.events[-1] if op == Op.FORWARD else read
            if dac and ready["dac"]:
                read[4].append(codes)
            ready = {name: rng.random() >= self.stalls for name in ready}
            for name, level in ready.items():
                ctx.set(getattr(dut, f"{name}_ready"), level)
            ctx.set(dut.quiet, rng.random() >= self.stalls)


@pytest.mark.parametrize("faults", [0.0, 0.3])
@pytest.mark.parametrize("name", SHAPES)
def test_random_frames(name, faults):
    tile, rng = SHAPES[name], random.Random(2)
    expected, frames = Expected(tile), []
    for _ in range(80):
        user, codes, beats, good = random_frame(rng, tile, faults)
        frames.append((user, beats))
        expected.frame(user, codes, beats, good)
    run = Run(tile, frames)
    assert run.events == expected.events
    assert run.errors == expected.errors > 0
    assert {event[0] for event in run.events} == {"beat", "program", "form", "read"}
    assert run.drops == 0


def test_beats_pass_through_one_a_cycle():
    tile = SHAPES["as presets"]
    beats = list(range(1, 17))
    run = Run(tile, [(User(op=FrameOp.UPDATE), beats)], gaps=0.0, stalls=0.0)
    assert [event[4] for event in run.events] == beats


@pytest.mark.parametrize("after", [1, 3])
def test_a_cancel_ends_the_update_that_has_only_half_arrived(after):
    tile = SHAPES["as presets"]
    update, sparse, program = (User(op=op) for op in (FrameOp.UPDATE, FrameOp.SPARSE, FrameOp.PROGRAM))
    frames = [(update, [11, 12, 13, 14]), (sparse, [21, 22]), (program, [0])]
    run = Run(tile, frames, cancels=(after,))
    whole = Run(tile, frames)
    assert run.events == whole.events[:after] + whole.events[4:]
    assert (run.drops, run.errors) == (1, 0)


def test_a_cancel_between_frames_and_in_a_read_that_waits_changes_nothing():
    tile = SHAPES["as presets"]
    read, form = User(op=FrameOp.READ_ROW, row=7), User(op=FrameOp.FORM, row=1)
    frames = [(User(op=FrameOp.UPDATE), [11, 12]), (read, [0]), (form, [0])]
    assert Run(tile, frames, cancels=(2, 3, 4)).events == Run(tile, frames).events


def test_a_cancel_drops_a_read_that_has_only_half_arrived():
    tile = SHAPES["as presets"]
    frames = [(User(op=FrameOp.FORWARD), [1, 2]), (User(op=FrameOp.FORWARD, tag=3), [1, 2])]
    assert [event[3] for event in Run(tile, frames, cancels=(1,)).events] == [3]


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    dut = Frames(SHAPES["odd"])
    chosen = {"s_axis_tuser": lambda rng, step: rng.randrange(9) | rng.randrange(13) << 20,
              "cancel": lambda rng, step: rng.random() < 0.02}  # fmt: skip
    stimulus = bench.stimulus(dut, steps=400, seed=3, **chosen)
    texts = emit(dut, name="dut", profile=profile)
    seen = bench.replay(texts, "dut", dut, stimulus, profile=profile)
    same = bench.record(dut, stimulus, profile=profile)  # but for codes of a memory that was never written
    assert all(a in (b, "x") for one, two in zip(seen, same, strict=True) for a, b in zip(one, two, strict=True))
