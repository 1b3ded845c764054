"""Accumulator hardware against the model, in amaranth.sim: every visit, however close, and all that leaves."""

import dataclasses

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.accumulator import Accumulator
from crosstrain_hdl.accumulator_ledger import TOTALS, AccumulatorLedger
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model import accumulator as model
from crosstrain_model import threshold
from crosstrain_model.accumulator import Op
from crosstrain_model.design import Array, Design, Formats, Update


def design(rows, columns, lanes, accumulator=16, ledger=False, **update):
    return Design(
        ledger=ledger,
        array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(accumulator=accumulator),
        update=Update(**{"threshold": 5, **update}),
    )


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, accumulator=8),
    "one-lane": design(3, 2, 1, accumulator=8, max_pulses=15),
    "13x7": design(13, 7, 3, max_pulses=5),
    "clear": design(2, 4, 4, remainder="clear", accumulator=9),
    "wide": design(2, 12, 4, accumulator=32, threshold=8, threshold_power_of_two=True),
    "verified": Design(
        scheme="wu",
        array=Array(rows=3, columns=5, lanes=2, pair="one-sided"),
        formats=Formats(adc=8, fraction=7, accumulator=10),
        update=Update(threshold=5, max_pulses=1),
    ),
    "ledger": design(2, 5, 3, accumulator=9, ledger=True),
    "ledger-clear": design(1, 1, 1, accumulator=32, ledger=True, remainder="clear", max_pulses=15),
    "ledger-shift": design(3, 4, 4, ledger=True, threshold=8, threshold_power_of_two=True, remainder="clear"),
}


@dataclasses.dataclass
class Visit:
    """One visit, with the idle cycles before it."""

    op: Op
    row: int
    group: int
    terms: list[int]
    last: int = 0
    gap: int = 0
    uncounted: int = 0


def fields(word, lanes, bits):
    """Signed fields of a packed word."""
    parts = [word >> (lane * bits) & ((1 << bits) - 1) for lane in range(lanes)]
    return [part - (part >> (bits - 1) << bits) for part in parts]


def pack(values, bits):
    """The packed word of signed fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (lane * bits) for lane, value in enumerate(values))


def clears(tile):
    """The sweep after reset."""
    nothing = [0] * tile.array.lanes
    return [
        Visit(Op.CLEAR, row, group, nothing) for row in range(tile.array.rows) for group in range(tile.array.groups)
    ]


def random_visits(tile, count, seed, gaps):
    """Visits of every kind that meet the same group again and again."""
    rng = np.random.default_rng(seed)
    array, half = tile.array, 1 << (tile.formats.accumulator - 1)
    visits = []
    for _ in range(count):
        op = Op(rng.choice(5, p=[0.5, 0.3, 0.04, 0.08, 0.08]))
        if visits and rng.random() < 0.5:
            row, group = visits[-1 - int(rng.integers(min(3, len(visits))))].row, visits[-1].group
        else:
            row, group = int(rng.integers(array.rows)), int(rng.integers(array.groups))
        near = rng.integers(-20, 21, array.lanes)
        far = rng.choice([-half, half - 1, int(rng.integers(-half, half))], array.lanes)
        terms = np.where(rng.random(array.lanes) < 0.5, near, far)
        # An accumulate visit has zeros in the padding lanes; any other may carry anything there.
        used = array.columns - (array.groups - 1) * array.lanes if group == array.groups - 1 else array.lanes
        if op is Op.ACCUMULATE:
            terms[used:] = 0
        gap = int(rng.integers(1, 4)) if rng.random() < gaps else 0
        visits.append(Visit(op, row, group, terms.tolist(), int(rng.integers(2)), gap))
    return visits


class Reference:
    """The model, visit by visit; gives what must leave the hardware."""

    def __init__(self, tile, theta):
        self.tile, self.theta = tile, theta
        self.words = np.zeros((tile.array.rows, tile.array.groups, tile.array.lanes), np.int64)
        self.counts, self.reads, self.clips = [], [], []
        self.ledger = model.Ledger.of(self.words)

    def visit(self, visit):
        array = self.tile.array
        word = self.words[visit.row, visit.group]
        used = array.columns - visit.group * array.lanes
        before, place = word.copy(), (visit.row, visit.group)
        if visit.op is Op.ACCUMULATE:
            word[:], clipped = model.accumulate(self.tile, word, visit.terms)
            self.ledger.inputs[place] += visit.terms
            self.ledger.clipped[place] += clipped
            if clipped.any():
                self.clips.append(int(np.count_nonzero(clipped)))
        elif visit.op is Op.PROGRAM:
            p, word[:], left = threshold.compare(self.tile, word, self.theta)
            self.ledger.compared(place, before, p, self.theta, word)
            words = before.tolist() if self.tile.verified else []
            self.counts.append((visit.row, visit.group, visit.last, p.tolist(), int(left.any()), words))
        elif visit.op is Op.CLEAR:
            word[:] = 0
            self.ledger.written(place, before, word)
        elif visit.op is Op.READ:
            self.reads.append(word.tolist())
        else:
            word[:used] = visit.terms[:used]
            self.ledger.written(place, before, word)

    def totals(self):
        """Sums over all cells, by the hardware's names, modulo 2^64."""
        ledger = self.ledger
        cells = {"loaded": ledger.initial, "input": ledger.inputs, "programmed": ledger.programmed}
        cells |= {"cleared": ledger.cleared, "clipped": ledger.clipped}
        return {name: int(cell.sum()) % 2**64 for name, cell in cells.items()}


def simulate(tile, visits, theta):
    """Runs the hardware; returns what left it, the final words and the cycles that the visits took."""
    dut = Accumulator(tile)
    lanes, width = tile.array.lanes, tile.formats.accumulator
    seen = Reference(tile, theta)
    cycles = []

    async def drive(ctx):
        ctx.set(dut.theta, theta.bit_length() - 1 if tile.update.threshold_power_of_two else theta)
        for visit in visits:
            ctx.set(dut.a_valid, 0)
            await ctx.tick().repeat(visit.gap) if visit.gap else None
            ctx.set(dut.a_valid, 1)
            for name in ("op", "row", "group", "last"):
                ctx.set(getattr(dut, f"a_{name}"), int(getattr(visit, name)))
            ctx.set(dut.a_terms, pack(visit.terms, width))
            if tile.ledger:
                ctx.set(dut.a_uncounted, visit.uncounted)
            cycles.append(1)
            while not (await ctx.tick().sample(dut.a_ready))[2]:
                cycles[-1] += 1
                assert cycles[-1] < 5, f"{visit} waits for ever"
        ctx.set(dut.a_valid, 0)
        await ctx.tick().repeat(Accumulator.latency + AccumulatorLedger.latency)
        assert not ctx.get(dut.busy)
        if tile.ledger:
            seen.totals = {name: ctx.get(getattr(dut, f"total_{name}")) for name in TOTALS}
        for row in range(tile.array.rows):
            for group in range(tile.array.groups):
                word = ctx.get(dut.words[row * tile.array.groups + group])
                seen.words[row, group] = fields(word, lanes, width)

    async def watch(ctx):
        sampled = (
            dut.c_valid, dut.c_row, dut.c_group, dut.c_last, dut.c_counts, dut.c_left,
            dut.r_valid, dut.r_data, dut.clip_valid, dut.clip_count, *([dut.c_words] if tile.verified else []),
        )  # fmt: skip
        async for _, _, valid, row, group, last, counts, left, read, data, clip, clipped, *words in ctx.tick().sample(
            *sampled
        ):
            if valid:
                compared = fields(words[0], lanes, width) if tile.verified else []
                seen.counts.append((row, group, last, fields(counts, lanes, COUNT_BITS), left, compared))
            if read:
                seen.reads.append(fields(data, lanes, width))
            if clip:
                seen.clips.append(clipped)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return seen, cycles


def check(tile, visits, theta):
    """Hardware and model on the same visits; returns the model and the cycles of each visit."""
    visits = [*clears(tile), *visits]
    wanted = Reference(tile, theta)
    for visit in visits:
        wanted.visit(visit)
    seen, cycles = simulate(tile, visits, theta)
    assert seen.counts == wanted.counts
    assert seen.reads == wanted.reads
    assert seen.clips == wanted.clips
    assert np.array_equal(seen.words, wanted.words)
    assert not wanted.ledger.imbalance(wanted.words).any()
    if tile.ledger:
        assert seen.totals == wanted.totals()
    for before, visit, took in zip(visits, visits[1:], cycles[1:], strict=False):
        hazard = before.op is Op.PROGRAM and (before.row, before.group) == (visit.row, visit.group) and not visit.gap
        assert took == (2 if hazard else 1), f"{visit} after {before} took {took} cycles"
    return wanted, cycles


def test_the_sweep_after_reset_is_not_counted():
    """Words that hold anything at power-up are cleared without an entry; later sweeps count."""
    tile = CONFIGURATIONS["ledger"]
    garbage = [Visit(Op.WRITE, row, group, [3, -4, 5]) for row in range(2) for group in range(2)]
    first = [dataclasses.replace(visit, uncounted=1) for visit in clears(tile)]
    later = [Visit(Op.WRITE, 0, 0, [7, 7, 7]), *clears(tile)]
    seen, _ = simulate(tile, [*garbage, *first, *later], theta=5)
    assert seen.totals["loaded"] - seen.totals["cleared"] == 2 * (3 - 4 + 5 + 3 - 4)
    seen, _ = simulate(tile, [*garbage, *clears(tile), *later], theta=5)
    assert seen.totals["loaded"] - seen.totals["cleared"] == 0


@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_random_visits(name, gaps):
    tile = CONFIGURATIONS[name]
    theta = 8 if tile.update.threshold_power_of_two else 5
    wanted, _ = check(tile, random_visits(tile, 400, seed=len(name), gaps=gaps), theta)
    assert min(len(wanted.counts), len(wanted.reads), len(wanted.clips)) > 10
    if tile.ledger:
        assert all(wanted.totals()[total] or (total == "cleared") for total in TOTALS)


@pytest.mark.parametrize("name", ["1x1", "one-lane", "clear"])
def test_one_group_in_consecutive_cycles_saturates_both_ways(name):
    tile = CONFIGURATIONS[name]
    half = 1 << (tile.formats.accumulator - 1)
    steps = [half - 1, half - 1, 1, -half, -half, -half, -1, 3]
    visits = [Visit(Op.ACCUMULATE, 0, 0, [step] * tile.array.lanes) for step in steps]
    wanted, cycles = check(tile, visits, theta=half - 1)
    assert wanted.clips == [tile.array.lanes] * 5
    assert cycles == [1] * len(cycles)


@pytest.mark.parametrize("distance", [0, 1, 2, 3])
@pytest.mark.parametrize("second", list(Op))
@pytest.mark.parametrize("first", list(Op))
def test_every_pair_of_visits_at_every_distance(first, second, distance):
    """Filled up with visits of another group, then read back."""
    tile = CONFIGURATIONS["one-lane"]
    visits = [Visit(Op.WRITE, 1, 1, [57]), Visit(Op.WRITE, 1, 0, [-20])]
    visits += [Visit(Op.ACCUMULATE, 2, 0, [1])] * 4
    visits += [Visit(first, 1, 1, [30])]
    visits += [Visit(Op.ACCUMULATE, 1, 0, [1])] * distance
    visits += [Visit(second, 1, 1, [-7]), Visit(Op.READ, 1, 1, [99]), Visit(Op.READ, 1, 0, [99])]
    check(tile, visits, theta=5)


def test_host_words_lose_their_padding_lanes():
    tile = CONFIGURATIONS["13x7"]
    wanted, _ = check(tile, [Visit(Op.WRITE, 12, 2, [5, 6, 7]), Visit(Op.READ, 12, 2, [1, 1, 1])], theta=5)
    assert wanted.reads == [[5, 0, 0]]
