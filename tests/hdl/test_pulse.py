"""Pulse hardware against the model, in amaranth.sim: every command, every slot, and the cycles between them."""

import dataclasses
import random

import numpy as np
import pytest
from amaranth import Cat, Const, Module, Signal
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.planes import decrement, interleave, magnitude, total, transpose
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.design import Array, Design, Update
from crosstrain_model.pulse import PulseSettings, row_buffers, row_commands


def design(rows, columns, lanes, pair="single", max_pulses=3):
    return Design(array=Array(rows=rows, columns=columns, lanes=lanes, pair=pair), update=Update(max_pulses=max_pulses))


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, max_pulses=1),
    "1-column-pair": design(3, 1, 1, "push-pull", max_pulses=15),
    "13x7": design(13, 7, 3, max_pulses=15),
    "13x7-push-pull": design(13, 7, 3, "push-pull", max_pulses=5),
    "13x7-set-only": design(13, 7, 3, "set-only"),
    "one-group": design(4, 8, 8, "push-pull", max_pulses=2),
    "mp-16": design(16, 16, 4),
}
SETTINGS = PulseSettings(
    width_set=3, width_reset=2, guard=1, amplitude_set=0x1234, amplitude_reset=0xFEDC, width_limit=2**20
)
FIELDS = ("row", "direction", "width", "amplitude", "pulses")


def words(tile, counts):
    """The words of a row as the accumulator sends them; padding lanes are 0."""
    array = tile.array
    padded = [int(p) & (2**COUNT_BITS - 1) for p in counts] + [0] * (array.groups * array.lanes - array.columns)
    groups = [padded[start : start + array.lanes] for start in range(0, len(padded), array.lanes)]
    return [sum(p << (lane * COUNT_BITS) for lane, p in enumerate(group)) for group in groups]


def rows_of(tile, seed, count):
    """Corners first, then random rows of every density; row numbers ascend as in a pass."""
    rng = np.random.default_rng(seed)
    most, columns = tile.update.max_pulses, tile.array.columns
    rows = [np.full(columns, value) for value in (most, 0, -most, 1, 0, 0, -1)]
    rows.append(np.where(np.arange(columns) % 2, most, -most))
    while len(rows) < count:
        density = rng.choice([0.0, 0.1, 0.5, 1.0])
        rows.append(rng.integers(-most, most + 1, columns) * (rng.random(columns) < density))
    return [(index % tile.array.rows, row) for index, row in enumerate(rows)]


@dataclasses.dataclass
class Seen:
    """A command as it left, with the cycles in which it and its slots were offered first and taken."""

    row: int
    direction: int
    width: int
    amplitude: int
    pulses: int
    taken: int
    cancelled: bool = False
    slots: list = dataclasses.field(default_factory=list)
    times: list = dataclasses.field(default_factory=list)


class PulseBench:
    """Feeds rows as the schedule would, takes commands and slots with random patience."""

    def __init__(self, tile, settings=SETTINGS, seed=1, patience=0.5):
        self.dut = Pulse(tile)
        self.tile = tile
        self.settings = settings
        self.random = random.Random(seed)
        self.patience = patience
        self.commands = []
        self.over_after = {}  # command index: slots after which it is over
        self.cancel_at = None  # command index from which on commands are dropped
        self.first_t_valid = None

    def run(self, rows, cycles=20000):
        sim = Simulator(self.dut)
        sim.add_clock(1e-8)
        self.fed = False

        async def feed(ctx):
            await self._feed(ctx, rows)

        async def take(ctx):
            await self._take(ctx, cycles)

        sim.add_testbench(take)
        sim.add_testbench(feed, background=True)
        sim.run()
        return self.commands

    async def _feed(self, ctx, rows):
        dut = self.dut
        self.fed_last = None
        self.cycle_of_last = []
        cycle = 0
        for row, counts in rows:
            while self.random.random() < 0.2 or not ctx.get(dut.pulse_free):
                await ctx.tick()
                cycle += 1
            group = words(self.tile, counts)
            for index, word in enumerate(group):
                ctx.set(dut.c_valid, 1)
                ctx.set(dut.c_row, row)
                ctx.set(dut.c_counts, word)
                ctx.set(dut.c_last, index == len(group) - 1)
                await ctx.tick()
                cycle += 1
                ctx.set(dut.c_valid, 0)
                ctx.set(dut.c_counts, self.random.getrandbits(len(dut.c_counts)))
                if self.random.random() < 0.2 and index < len(group) - 1:
                    await ctx.tick()
                    cycle += 1
            self.cycle_of_last.append(cycle - 1)
        self.fed = True

    async def _take(self, ctx, cycles):
        dut, settings = self.dut, self.settings
        for name in ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset"):
            ctx.set(getattr(dut, name), getattr(settings, name))
        for cycle in range(cycles):
            ready = self.random.random() < self.patience
            ctx.set(dut.t_ready, ready)
            ctx.set(dut.slot_ready, self.random.random() < self.patience)
            ctx.set(dut.cancel, self.cancel_at is not None and len(self.commands) >= self.cancel_at)
            current = self.commands[-1] if self.commands else None
            due = self.over_after.get(len(self.commands) - 1)
            over = due is not None and len(current.slots) >= due and not ctx.get(dut.t_valid)
            ctx.set(dut.over, over)
            if over:
                del self.over_after[len(self.commands) - 1]
            if ctx.get(dut.t_valid) and self.first_t_valid is None:
                self.first_t_valid = cycle
            if ctx.get(dut.slot_valid) and ctx.get(dut.slot_ready):
                current.slots.append(ctx.get(dut.slot_columns))
                current.times.append(cycle)
                assert ctx.get(dut.slot_last) == (len(current.slots) == self._expected_slots(current)), current
            if ctx.get(dut.t_valid) and ctx.get(dut.t_ready):
                fields = [ctx.get(getattr(dut, f"t_{name}")) for name in FIELDS]
                self.commands.append(Seen(*fields, taken=cycle, cancelled=bool(ctx.get(dut.cancel))))
            done = self.fed and ctx.get(dut.empty)
            await ctx.tick()
            if done:
                return
        raise AssertionError("rows are left")

    def _expected_slots(self, command):
        return self.expected[len(self.commands) - 1]

    def expect(self, rows):
        """The model's commands of the rows; their slot counts are checked against slot_last on the way."""
        commands = [c for row, counts in rows for c in row_commands(self.tile, row, counts, self.settings)]
        self.expected = [len(c.slots) for c in commands]
        return commands


def same(seen, expected):
    """Every field of the command, equal."""
    return [getattr(seen, name) for name in FIELDS] == [getattr(expected, name) for name in FIELDS]


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("patience", [1.0, 0.4])
def test_rows_become_the_models_commands_and_slots(name, patience):
    tile = CONFIGURATIONS[name]
    rows = rows_of(tile, seed=7, count=24)
    bench = PulseBench(tile, patience=patience)
    expected = bench.expect(rows)
    seen = bench.run(rows)
    assert len(seen) == len(expected)
    for got, want in zip(seen, expected, strict=True):
        assert same(got, want), (got, want)
        assert got.slots == want.slot_masks, (got, want)


@pytest.mark.parametrize("settings", [(1, 1, 0), (0, 5, 0), (2, 2, 3), (40, 7, 0)])
def test_pace(settings):
    """No slot, and no command, sooner than width and guard after the slot before it; but as soon as that allows."""
    width_set, width_reset, guard = settings
    tile = CONFIGURATIONS["13x7-push-pull"]
    limited = dataclasses.replace(SETTINGS, width_set=width_set, width_reset=width_reset, guard=guard)
    rows = rows_of(tile, seed=3, count=12)
    bench = PulseBench(tile, settings=limited, patience=1.0)
    bench.expect(rows)
    seen = bench.run(rows)
    last = None
    for command in seen:
        spacing = limited.spacing(command.direction)
        assert last is None or command.taken >= last
        assert {b - a for a, b in zip(command.times, command.times[1:], strict=False)} <= {max(spacing, 2)}
        last = command.times[-1] + spacing


def test_width_is_bounded_by_the_design():
    tile = dataclasses.replace(
        CONFIGURATIONS["13x7"], pulse=dataclasses.replace(CONFIGURATIONS["13x7"].pulse, width_limit=12)
    )
    wide = dataclasses.replace(SETTINGS, width_set=2**28 - 1, width_reset=13, width_limit=12)
    rows = [(0, np.array([2, -1, 0, 0, 0, 0, 1]))]
    bench = PulseBench(tile, settings=wide)
    expected = bench.expect(rows)
    seen = bench.run(rows)
    assert [c.width for c in seen] == [c.width for c in expected] == [12, 12]
    assert seen[0].times[1] - seen[0].times[0] >= 12 + wide.guard


@pytest.mark.parametrize("name", ["13x7", "13x7-push-pull", "13x7-set-only"])
def test_a_command_that_is_over_loses_its_other_slots_and_nothing_else(name):
    tile = CONFIGURATIONS[name]
    rows = [(row, np.full(7, 3) * np.where(np.arange(7) % 2, 1, -1)) for row in range(4)]
    bench = PulseBench(tile)
    expected = bench.expect(rows)
    bench.over_after = {0: 0, 1: 1, 3: 2}
    seen = bench.run(rows)
    cut = {0: 0, 1: 1, 3: 2}
    for index, (got, want) in enumerate(zip(seen, expected, strict=True)):
        assert same(got, want), (got, want)
        assert got.slots == want.slot_masks[: cut.get(index)]


@pytest.mark.parametrize("name", ["13x7", "13x7-push-pull", "1x1"])
def test_cancelled_rows_are_still_counted(name):
    tile = CONFIGURATIONS[name]
    rows = [row for row in rows_of(tile, seed=5, count=20) if row[1].any()][: row_buffers(tile)]
    bench = PulseBench(tile, patience=0.1)
    expected = bench.expect(rows)
    bench.cancel_at = 2
    seen = bench.run(rows)
    assert [c.pulses for c in seen] == [c.pulses for c in expected]
    assert [c.cancelled for c in seen] == [index >= 2 for index in range(len(expected))]
    assert [c.slots for c in seen[2:]] == [[]] * (len(expected) - 2)


def test_rows_without_pulses_need_no_buffer_and_rows_with_pulses_hold_theirs():
    tile = CONFIGURATIONS["mp-16"]
    dut = Pulse(tile)

    async def testbench(ctx):
        async def row(number, counts):
            group = words(tile, counts)
            for index, word in enumerate(group):
                ctx.set(dut.c_valid, 1)
                ctx.set(dut.c_row, number)
                ctx.set(dut.c_counts, word)
                ctx.set(dut.c_last, index == len(group) - 1)
                await ctx.tick()
            ctx.set(dut.c_valid, 0)

        full = row_buffers(tile)
        assert ctx.get(dut.pulse_free) == full
        for number in range(3 * full):
            await row(number, np.zeros(16, int))
            assert (ctx.get(dut.pulse_free), ctx.get(dut.empty)) == (full, 1)
        for number in range(full + 1):  # the oldest row leaves the memory once it is loaded
            await row(number, np.ones(16, int))
        await ctx.tick().repeat(20)
        assert (ctx.get(dut.pulse_free), ctx.get(dut.t_valid), ctx.get(dut.t_row)) == (0, 1, 0)
        ctx.set(dut.cancel, 1)
        ctx.set(dut.t_ready, 1)
        assert ctx.get(dut.pulse_free) == 0
        await ctx.tick().repeat(12 * full)
        ctx.set(dut.cancel, 0)
        assert (ctx.get(dut.pulse_free), ctx.get(dut.empty)) == (full, 1)

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(testbench)
    sim.run()


@pytest.mark.parametrize("name", ["13x7", "mp-16", "1x1"])
def test_latency(name):
    tile = CONFIGURATIONS[name]
    bench = PulseBench(tile, patience=0.0)
    rows = [(0, np.ones(tile.array.columns, int))]
    bench.expect(rows)
    bench.random = random.Random(1)
    with pytest.raises(AssertionError, match="rows are left"):
        bench.run(rows, cycles=100)
    assert bench.first_t_valid - bench.cycle_of_last[0] == bench.dut.latency


def test_bit_planes():
    """Each operation against plain integers, over all numbers of four signed bits but the lowest."""
    values = list(range(-7, 8))
    lanes = len(values)
    m = Module()
    sizes = magnitude(*_split(transpose(Const(_pack(values, 4), 4 * lanes), lanes, 4)))
    nonzero = Const(_pack([v != 0 for v in values], 1), lanes)
    results = {
        "total": (total(sizes), sum(abs(v) for v in values)),
        "decrement": (Cat(decrement(sizes, nonzero)), _turned([max(abs(v) - 1, 0) for v in values], 3)),
        "interleave": (interleave(Const(0b0101, 4), Const(0b0011, 4)), 0b00011011),
        "one column": (total([Const(1, 1), Const(0, 1), Const(1, 1)]), 5),
    }
    seen = {name: Signal(len(value), name=f"seen_{index}") for index, (name, (value, _)) in enumerate(results.items())}
    m.d.comb += [seen[name].eq(value) for name, (value, _) in results.items()]

    async def testbench(ctx):
        await ctx.delay(1e-9)
        assert {n: ctx.get(signal) for n, signal in seen.items()} == {n: want for n, (_, want) in results.items()}

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()


def _split(planes):
    return planes[:-1], planes[-1]


def _pack(values, bits):
    return sum((int(v) & (2**bits - 1)) << (bits * i) for i, v in enumerate(values))


def _turned(values, bits):
    """The planes of the numbers, the lowest plane in the lowest bits."""
    return sum((v >> k & 1) << (k * len(values) + i) for k in range(bits) for i, v in enumerate(values))


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    """amaranth.sim and Icarus agree on every output in every cycle, X included."""
    tile = CONFIGURATIONS["13x7-push-pull"]
    dut = Pulse(tile)
    started = [0]

    def counts(rng, step):
        return sum((rng.randint(-5, 5) & 31) << (5 * lane) for lane in range(3))

    def valid(rng, step):
        started[0] = step % 60
        return step > 3 and started[0] < 3

    stimulus = bench.stimulus(
        dut,
        steps=400,
        seed=2,
        c_valid=valid,
        c_last=lambda rng, step: step % 60 == 2,
        c_counts=counts,
        width_set=lambda rng, step: 2,
        width_reset=lambda rng, step: 1,
        guard=lambda rng, step: 1,
        over=lambda rng, step: rng.random() < 0.05,
        cancel=lambda rng, step: 0,
        t_ready=lambda rng, step: 1,
        slot_ready=lambda rng, step: rng.random() < 0.7,
    )
    texts = emit(dut, name="pulse", profile=profile)
    assert bench.replay(texts, "pulse", dut, stimulus, profile=profile) == bench.record(dut, stimulus, profile=profile)
