"""Update stream hardware against the model, in amaranth.sim: order, terms, markers, errors, and no bubble."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.update_stream import UpdateStream
from crosstrain_model import update_stream as model
from crosstrain_model.design import Array, Design, Formats, Update, Verify
from crosstrain_model.frames import beat_bits, pack, slot_bits

SMALL = Verify(range=100, base=50, window=5, set_margin=0, form_level=50)


def design(rows, columns, lanes, accumulator=16, profile="fpga"):
    return Design(
        name="wu", scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=8, accumulator=accumulator, fraction=4), update=Update(max_pulses=1, threshold=100),
        verify=SMALL, profile=profile,
    )  # fmt: skip


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, 8),
    "8x8": design(8, 8, 4),
    "13x7": design(13, 7, 3, 11),
    "one-lane": design(3, 5, 1, 32),
    "one-group": design(9, 4, 4, 17),
    "wide": design(2, 1024, 60, 9),
}


def matrix_beats(tile, rng, changes, cut, extra):
    """Beats of an UPDATE of changes [rows, columns], the first `cut` of them and `extra` more; garbage where it is
    ignored."""
    array, slot, width = tile.array, slot_bits(tile), tile.formats.accumulator
    beats = []
    for row in changes.tolist():
        for group in range(array.groups):
            codes = row[group * array.lanes : (group + 1) * array.lanes]
            word = pack(codes, per_beat=array.lanes, bits=slot)[0]
            used = sum(((1 << width) - 1) << slot * lane for lane in range(len(codes)))
            noise = int.from_bytes(rng.bytes(beat_bits(tile) // 8 + 1), "little") & ((1 << beat_bits(tile)) - 1)
            beats.append(word & used | noise & ~used)
    noise = [int(rng.integers(1, 1 << 16)) for _ in range(extra)]
    return beats[: len(beats) - cut] + noise


def sparse_beats(tile, rng, cells):
    """Beats of a SPARSE frame of (row, column, change)."""
    slot, width = slot_bits(tile), tile.formats.accumulator
    mask, top = (1 << width) - 1, beat_bits(tile) - slot - 32
    return [
        change & mask | int(rng.integers(1 << slot)) >> width << width | column << slot | row << slot + 16
        | (int(rng.integers(1 << min(top, 30))) if top else 0) << slot + 32
        for row, column, change in cells
    ]  # fmt: skip


class Expected:
    """Visits as the rule has them: (row, group, terms), or None, then last and program; errors, and dW."""

    def __init__(self, tile):
        self.tile, self.visits, self.errors = tile, [], 0
        self.dw = np.zeros((tile.array.rows, tile.array.columns), np.int32)

    def matrix(self, changes, cut, extra):
        array = self.tile.array
        groups = array.rows * array.groups
        padded = np.zeros((array.rows, array.groups * array.lanes), np.int64)
        padded[:, : array.columns] = changes
        words = padded.reshape(groups, array.lanes)
        words[groups - cut :] = 0
        came = padded[:, : array.columns]
        added = model.add_matrix(self.tile, self.dw, came)
        visits = [(place // array.groups, place % array.groups, words[place].tolist())
                  for place in range(groups) if words[place].any()]  # fmt: skip
        assert added.visits == len(visits)
        whole = bool(visits) and words[groups - cut - 1].any() and not extra
        self._frame(visits, whole)
        self.errors += bool(cut or extra)

    def cells(self, cells):
        array = self.tile.array
        good = [(row, column, change) for row, column, change in cells if row < array.rows and column < array.columns]
        added = model.add_cells(self.tile, self.dw, *zip(*cells, strict=True))
        assert (added.visits, added.wrong) == (len(good), len(cells) - len(good))
        visits = []
        for row, column, change in good:
            terms = [0] * array.lanes
            terms[column % array.lanes] = change
            visits.append((row, column // array.lanes, terms))
        self._frame(visits, bool(good) and cells[-1] == good[-1])
        self.errors += added.wrong

    def _frame(self, visits, ends_with_one):
        for place, visit in enumerate(visits):
            self.visits.append((visit, int(ends_with_one and place == len(visits) - 1), 0))
        if not ends_with_one:
            self.visits.append((None, 1, 0))


def drawn(rng, tile, shape):
    low, high = model.limits(tile)
    changes = rng.integers(low, high + 1, shape)
    corners = rng.choice([low, high, 1, -1], shape)
    changes = np.where(rng.random(shape) < 0.3, corners, changes)
    return np.where(rng.random(shape) < rng.choice([0.0, 0.5, 0.9, 1.0]), 0, changes)


def random_frames(tile, rng, count, expected):
    """Jobs: (sparse, beats), None for a token."""
    array, jobs = tile.array, []
    groups = array.rows * array.groups
    for _ in range(count):
        kind = rng.random()
        if kind < 0.15:
            jobs.append(None)
            expected.visits.append((None, 1, 1))
        elif kind < 0.6:
            cut = int(rng.integers(groups)) if rng.random() < 0.3 else 0
            extra = int(rng.integers(1, 4)) if not cut and rng.random() < 0.3 else 0
            changes = drawn(rng, tile, (array.rows, array.columns))
            jobs.append((0, matrix_beats(tile, rng, changes, cut, extra)))
            expected.matrix(changes, cut, extra)
        else:
            size = int(rng.integers(1, 12))
            rows = rng.choice([0, array.rows - 1, array.rows, 65535, *rng.integers(0, array.rows, 4)], size)
            columns = rng.choice([0, array.columns - 1, array.columns, 65535, *rng.integers(0, array.columns, 4)], size)
            changes = drawn(rng, tile, size)
            cells = [tuple(int(v) for v in cell) for cell in zip(rows, columns, changes, strict=True)]
            jobs.append((1, sparse_beats(tile, rng, cells)))
            expected.cells(cells)
    return jobs


class Run:
    """One simulation: `jobs` in, `visits` out with the cycle of each."""

    def __init__(self, tile, jobs, *, seed, gaps, stalls, drop_after=None):
        self.tile, self.jobs, self.gaps, self.stalls = tile, jobs, gaps, stalls
        self.drop_after = drop_after
        self.rng = np.random.default_rng(seed)
        self.dut = UpdateStream(tile)
        self.visits, self.cycles, self.beats, self.errors = [], [], [], 0
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._feed)
        simulator.add_testbench(self._take, background=True)
        simulator.add_testbench(self._errors, background=True)
        simulator.run()
        self.terms = [visit for visit, _, _ in self.visits]

    async def _offer(self, ctx, valid, ready):
        ctx.set(valid, 1)
        await ctx.tick().until(ready)
        ctx.set(valid, 0)
        while self.rng.random() < self.gaps:
            await ctx.tick()

    async def _feed(self, ctx):
        dut = self.dut
        for job in self.jobs:
            if job is None:
                await self._offer(ctx, dut.p_valid, dut.p_ready)
                continue
            sparse, beats = job
            ctx.set(dut.u_sparse, sparse)
            for place, beat in enumerate(beats):
                ctx.set(dut.u_data, beat)
                ctx.set(dut.u_first, place == 0)
                ctx.set(dut.u_last, place == len(beats) - 1)
                await self._offer(ctx, dut.u_valid, dut.u_ready)
                if place + 1 == self.drop_after:
                    ctx.set(dut.drop, 1)
                    await ctx.tick()
                    ctx.set(dut.drop, 0)
                    break
        for _ in range(60):
            await ctx.tick()
        assert ctx.get(dut.busy) == 0

    async def _take(self, ctx):
        dut, array, ready, cycle, before = self.dut, self.tile.array, 0, 0, None
        names = ("row", "group", "terms", "null", "last", "program")
        pins = [getattr(dut, f"v_{name}") for name in names]
        async for *_, valid, taken, row, group, terms, null, last, program in ctx.tick().sample(
            dut.v_valid, dut.u_valid & dut.u_ready, *pins
        ):
            cycle += 1
            seen = (row, group, terms, null, last, program)
            assert before is None or (valid and seen == before), "a visit does not stay"
            if taken:
                self.beats.append(cycle)
            if valid and ready:
                width = self.tile.formats.accumulator
                codes = [(terms >> lane * width) & ((1 << width) - 1) for lane in range(array.lanes)]
                codes = [(code ^ 1 << width - 1) - (1 << width - 1) for code in codes]
                self.visits.append((None if null else (row, group, codes), last, program))
                self.cycles.append(cycle)
            before = seen if valid and not ready else None
            ready = int(self.rng.random() >= self.stalls)
            ctx.set(dut.v_ready, ready)

    async def _errors(self, ctx):
        async for *_, error in ctx.tick().sample(self.dut.frame_error):
            self.errors += error


@pytest.mark.parametrize(("gaps", "stalls"), [(0.0, 0.0), (0.4, 0.4)])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_random_frames(name, gaps, stalls):
    tile, rng = CONFIGURATIONS[name], np.random.default_rng(4)
    expected = Expected(tile)
    jobs = random_frames(tile, rng, 40, expected)
    run = Run(tile, jobs, seed=5, gaps=gaps, stalls=stalls)
    assert run.visits == expected.visits
    assert run.errors == expected.errors > 0


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_group_every_cycle_without_a_bubble(name):
    tile, rng = CONFIGURATIONS[name], np.random.default_rng(6)
    expected = Expected(tile)
    changes = np.ones((tile.array.rows, tile.array.columns), np.int64)
    jobs = []
    for _ in range(3):
        jobs.append((0, matrix_beats(tile, rng, changes, 0, 0)))
        expected.matrix(changes, 0, 0)
    run = Run(tile, jobs, seed=5, gaps=0.0, stalls=0.0)
    assert run.visits == expected.visits
    count = 3 * tile.array.rows * tile.array.groups
    assert run.cycles == list(range(run.cycles[0], run.cycles[0] + count))
    assert run.cycles[0] - run.beats[0] == UpdateStream.latency
    assert run.errors == 0


def test_a_sparse_beat_every_cycle():
    tile, rng = CONFIGURATIONS["13x7"], np.random.default_rng(7)
    expected = Expected(tile)
    cells = [(n % 13, (5 * n) % 7, n - 20) for n in range(40)]
    expected.cells(cells)
    run = Run(tile, [(1, sparse_beats(tile, rng, cells))], seed=5, gaps=0.0, stalls=0.0)
    assert run.visits == expected.visits
    assert run.cycles == list(range(run.cycles[0], run.cycles[0] + 40))


@pytest.mark.parametrize("stalls", [0.0, 0.7])
@pytest.mark.parametrize("beats", [1, 4, 15])
def test_a_frame_that_is_cut_ends_where_it_is_and_the_next_is_whole(beats, stalls):
    tile, rng = CONFIGURATIONS["8x8"], np.random.default_rng(8)
    expected = Expected(tile)
    changes = np.ones((8, 8), np.int64)
    frame = matrix_beats(tile, rng, changes, 0, 0)
    expected.visits += [((place // 2, place % 2, [1] * 4), 0, 0) for place in range(beats)] + [(None, 1, 0)]
    expected.matrix(changes[:, :], 0, 0)
    run = Run(tile, [(0, frame[:beats]), (0, frame)], seed=5, gaps=0.0, stalls=stalls, drop_after=None)
    assert run.errors == 1  # the frame was short
    cut = Run(tile, [(0, frame), (0, frame)], seed=5, gaps=0.0, stalls=stalls, drop_after=beats)
    assert cut.visits == expected.visits[: beats + 1] * 2
    assert cut.errors == 0


def test_a_cut_between_frames_changes_nothing():
    tile, rng = CONFIGURATIONS["8x8"], np.random.default_rng(9)
    frame = matrix_beats(tile, rng, np.ones((8, 8), np.int64), 0, 0)
    run = Run(tile, [(0, frame), None], seed=5, gaps=0.0, stalls=0.0, drop_after=len(frame))
    assert run.visits[-2:] == [((7, 1, [1] * 4), 1, 0), (None, 1, 1)]
    assert len(run.visits) == 17


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_it_is_verilog(profile):
    tile = design(13, 7, 3, 11, profile)
    assert emit(UpdateStream(tile), name="update_stream", profile=profile)["update_stream.v"]


def test_rows_of_hybrid_weights_end_where_they_end():
    """Of an UPDATE with its last group, visited or not, or where it is cut; of a SPARSE with every beat."""
    tile = Design(
        name="hic", scheme="hic", array=Array(rows=5, columns=7, lanes=3, pair="set-only"),
        formats=Formats(accumulator=16, fraction=8), update=Update(threshold=1),
    )  # fmt: skip
    rng = np.random.default_rng(9)
    changes = rng.integers(-9, 10, (5, 7)) * (rng.random((5, 7)) < 0.3)
    changes[1] = 0
    frame = matrix_beats(tile, rng, changes, 0, 0)
    cells = [(2, 1, 5), (2, 1, 0), (9, 0, 1), (2, 6, 7)]
    dut, rows, open_row, wrong = UpdateStream(tile), [], [], 0
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def feed(ctx):
        for sparse, beats in ((0, frame), (1, sparse_beats(tile, rng, cells)), (0, frame[:4])):
            ctx.set(dut.u_sparse, sparse)
            for place, beat in enumerate(beats):
                ctx.set(dut.u_data, beat)
                ctx.set(dut.u_first, place == 0)
                ctx.set(dut.u_last, place == len(beats) - 1)
                ctx.set(dut.u_valid, 1)
                await ctx.tick().until(dut.u_ready)
                ctx.set(dut.u_valid, 0)
        await ctx.tick().repeat(8)

    async def take(ctx):
        nonlocal open_row, wrong
        ctx.set(dut.v_ready, 1)
        pins = (dut.v_valid, dut.v_row, dut.v_group, dut.v_null, dut.v_row_end, dut.wrong_beat)
        async for *_, valid, row, group, null, end, beat in ctx.tick().sample(*pins):
            wrong += beat
            if valid and not null:
                open_row.append((row, group))
            if valid and end and open_row:
                rows.append(open_row)
                open_row = []

    simulator.add_testbench(feed)
    simulator.add_testbench(take, background=True)
    simulator.run()
    padded = np.zeros((5, 9), np.int64)
    padded[:, :7] = changes
    named = [[(row, group) for group in range(3) if padded[row, 3 * group :][:3].any()] for row in range(5)]
    sparse = [[(2, 0)], [(2, 0)], [(2, 2)]]
    cut = [named[0], named[1][:1]]
    assert rows == [row for row in named + sparse + cut if row]
    assert open_row == []
    assert wrong == 1
