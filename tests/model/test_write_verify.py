"""Write-verify's rule: against a loop over single devices, with devices that stick, reads that fail, and the twin."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_verify import Verify
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.write_verify import WriteVerify


def design(rows=2, columns=4, lanes=2, adc=8, fraction=4, **verify):
    levels = {"range": 2400, "base": 640, "window": 48, "set_margin": -16, "form_level": 1600}
    return Design(
        scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=adc, fraction=fraction), update=Update(max_pulses=1), verify=Verify(**{**levels, **verify}),
    )  # fmt: skip


class Scripted:
    """Devices whose codes are given: `codes` holds the row's [device columns] read by read, the last one for ever."""

    def __init__(self, tile, codes, *, fails=()):
        self.tile, self.codes, self.fails = tile, [np.asarray(code) for code in codes], set(fails)
        self.log, self.reads = [], 0

    def sense_row(self, row, groups):
        codes = self.codes[min(self.reads, len(self.codes) - 1)]
        self.log.append(("read", row, groups.astype(int).tolist()))
        self.reads += 1
        named = np.repeat(groups, 2 * self.tile.array.lanes)[: len(codes)]
        return None if self.reads - 1 in self.fails else np.where(named, codes, 0)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        told = np.asarray(amplitude).tolist()
        self.log.append(("pulse", row, np.flatnonzero(columns).tolist(), direction, told, form))

    @property
    def pulses(self):
        return [event[2:] for event in self.log if event[0] == "pulse"]


class Moving:
    """Devices that step by what `step` gives for (column, direction, amplitude); None: stuck."""

    def __init__(self, tile, start, step):
        self.tile, self.g, self.step, self.pulses = tile, np.array(start, float), step, []

    def sense_row(self, row, groups):
        codes = np.clip(np.rint(self.g), 0, (1 << self.tile.formats.adc) - 1).astype(int)
        return np.where(np.repeat(groups, 2 * self.tile.array.lanes)[: len(codes)], codes, 0)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        self.pulses.append((np.flatnonzero(columns).tolist(), direction, np.asarray(amplitude).tolist(), form))
        each = np.broadcast_to(amplitude, columns.shape)
        for column in np.flatnonzero(columns):
            self.g[column] += (1 if direction == SET else -1) * self.step(column, direction, each[column])


def program(tile, array, flagged, targets, row=0, **changes):
    """Programs one row; returns the state machine and the devices that were given up."""
    machine = WriteVerify(tile)
    machine.settings = dataclasses.replace(machine.settings, **changes)
    lost = machine.program(array, row, np.asarray(flagged, bool), np.asarray(targets))
    return machine, lost


def of_column(event, column):
    """Direction and amplitude of a pulse of one device."""
    _, direction, amplitude, _ = event
    return direction, amplitude[column] if isinstance(amplitude, list) else amplitude


def one_device(s, fraction, reads, target, kept):
    """The rule for one device by itself: amplitudes of its pulses, and how it ends. `reads` gives its next sum; kept:
    it goes on from its last amplitudes."""
    k, pulses, latest = s.reads_log2, [], {}
    low, high = (target - s.window) << k, (target + s.window) << k
    enough = (target + max(s.set_margin, -s.window)) << k

    def side():
        return "below" if value < low else "above" if value > high else "passed"

    value = next(reads) << fraction
    state = side()
    for _ in range(s.cycles):
        for direction, start, step, stop, of in (
            (SET, s.set_start, s.set_step, s.set_stop, "below"),
            (RESET, s.reset_start, s.reset_step, s.reset_stop, "above"),
        ):
            amplitude = max(latest.get(direction, start) - step, start) if kept else start
            while state == of and amplitude <= stop:
                pulses.append((direction, amplitude))
                latest[direction] = amplitude
                value = next(reads) << fraction
                if value >= enough if direction == SET else value <= high:
                    state = side()
                    break
                amplitude += step
    return pulses, state


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_single_device_by_hand(data):
    draw = data.draw
    kept = draw(st.booleans())
    tile = design(1, 1, 1, amplitude="column" if kept else "common")
    k, window = draw(st.integers(0, 2)), draw(st.integers(0, 80))
    changes = {
        "window": window, "set_margin": draw(st.integers(-100, 100)),
        "reads_log2": k, "cycles": draw(st.integers(1, 4)),
        "set_start": draw(st.integers(0, 50)), "set_step": draw(st.integers(1, 40)),
        "set_stop": draw(st.integers(0, 99)),
        "reset_start": draw(st.integers(0, 50)), "reset_step": draw(st.integers(1, 40)),
        "reset_stop": draw(st.integers(0, 99)),
    }  # fmt: skip
    codes = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(85, 116, 400).tolist()
    target = draw(st.integers(1500, 1700))
    array = Scripted(tile, [[code, 0] for code in codes])
    machine, lost = program(tile, array, [1, 0], [target, 0], **changes)
    sums = (sum(codes[min(n, len(codes) - 1)] for n in range(i << k, (i + 1) << k)) for i in range(10**6))
    pulses, state = one_device(machine.settings, 4, sums, target, kept)
    assert [of_column(event, 0) for event in array.pulses] == pulses
    assert lost.tolist() == [state != "passed", False]
    assert machine.counts["passed"] == (state == "passed")
    assert machine.counts["reads"] == array.reads == (len(pulses) + 1) << k


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["common", "column"]))
def test_devices_of_a_row_do_not_disturb_each_other(seed, kind):
    """Each of a row gets the pulses, and ends as, it would alone: its answers, its judgement, its amplitudes."""
    tile = design(1, 4, 2, set_step=3000, reset_step=3000, amplitude=kind)
    rng = np.random.default_rng(seed)
    start, targets = rng.uniform(20, 180, 8), rng.integers(320, 2900, 8)
    flagged = rng.random(8) < 0.7
    sizes = rng.uniform(0.0, 9.0, 8)

    def step(column, direction, amplitude):
        return sizes[column] * (1.0 + amplitude / 20000.0)

    together = Moving(tile, start, step)
    machine, lost = program(tile, together, flagged, targets, cycles=3)
    for column in np.flatnonzero(flagged):
        alone = Moving(tile, start, step)
        _, gone = program(tile, alone, np.arange(8) == column, targets, cycles=3)
        mine = [of_column(event, column) for event in together.pulses if column in event[0]]
        assert mine == [of_column(event, column) for event in alone.pulses]
        assert gone[column] == lost[column]
    assert machine.counts["passed"] + machine.counts["gave_up"] == flagged.sum()
    untouched = ~flagged
    assert np.array_equal(together.g[untouched], start[untouched])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_what_passes_is_in_its_window(seed):
    tile = design(1, 4, 2)
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.0, 6.0, 8)
    targets = rng.integers(320, 2900, 8)
    array = Moving(tile, rng.uniform(20, 180, 8), lambda column, direction, amplitude: sizes[column])
    machine, lost = program(tile, array, np.ones(8), targets, set_step=2000, reset_step=2000, set_margin=-48)
    away = np.abs(np.rint(array.g).clip(0, 255) * 16 - targets)
    assert (away[~lost] <= 48).all()
    assert (away[lost] > 48).all()
    assert machine.counts["gave_up"] == lost.sum()
    assert machine.cells.sum() == machine.counts["sets"] + machine.counts["resets"]


def test_only_groups_of_the_mask_are_read():
    tile = design(2, 4, 2)
    array = Scripted(tile, [[50, 50, 50, 50, 100, 50, 50, 50]] * 2 + [[100] * 8])
    _, lost = program(tile, array, [1, 0, 0, 0, 1, 0, 0, 1], [1600] * 8, row=1)
    assert array.log[0] == ("read", 1, [1, 1])
    assert array.log[1] == ("pulse", 1, [0, 7], SET, 24576, False)
    assert array.log[2] == ("read", 1, [1, 1])
    assert len(array.log) == 5
    assert not lost.any()
    array = Scripted(tile, [[100, 50, 50, 50, 50, 50, 50, 100], [100] * 8])
    program(tile, array, [1, 0, 0, 0, 0, 1, 0, 1], [1600] * 8)
    assert array.log[1:] == [("pulse", 0, [5], SET, 24576, False), ("read", 0, [0, 1])]


def test_over_reset_waits_for_the_next_set_train():
    """Above, one RESET too far, then below: its SET comes in the next cycle, from the start of the ramp."""
    tile = design(1, 1, 1, cycles=2)
    array = Scripted(tile, [[130, 0], [80, 0], [100, 0]])
    machine, lost = program(tile, array, [1, 0], [1600, 0])
    assert [event[1:3] for event in array.pulses] == [(RESET, 24576), (SET, 24576)]
    assert not lost.any()
    _, lost = program(tile, Scripted(tile, [[130, 0], [80, 0], [100, 0]]), [1, 0], [1600, 0], cycles=1)
    assert lost.tolist() == [True, False]
    assert machine.counts == {"rows": 1, "sets": 1, "resets": 1, "passed": 1, "gave_up": 0, "reads": 3}


def test_over_set_goes_into_the_reset_train_of_the_same_cycle():
    array = Scripted(design(1, 1, 1), [[50, 0], [130, 0], [101, 0]])
    program(array.tile, array, [1, 0], [1600, 0], cycles=1)
    assert [event[1] for event in array.pulses] == [SET, RESET]


def test_cycles_are_used_up_by_stuck_devices():
    tile = design(1, 2, 2, cycles=3, set_start=1000, set_step=500, set_stop=2499, reset_start=7, reset_stop=7)
    array = Moving(tile, [50, 150, 100, 0], lambda column, direction, amplitude: 0.0)
    machine, lost = program(tile, array, [1, 1, 1, 0], [1600] * 4)
    ramp = [([0], SET, a, False) for a in (1000, 1500, 2000)] + [([1], RESET, 7, False)]
    assert array.pulses == ramp * 3
    assert lost.tolist() == [True, True, False, False]
    assert machine.counts == {"rows": 1, "sets": 9, "resets": 3, "passed": 1, "gave_up": 2, "reads": 13}


def test_a_sign_change_moves_both_devices():
    tile = design(1, 1, 1)
    array = Moving(tile, [100, 40], lambda column, direction, amplitude: 20.0)
    _, lost = program(tile, array, [1, 1], [640, 1600])
    assert {tuple(columns): direction for columns, direction, *_ in array.pulses} == {(0,): RESET, (1,): SET}
    assert not lost.any()
    assert np.abs(array.g * 16 - [640, 1600]).max() <= 48


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_read_that_fails_gives_up_what_is_left(number):
    """Also the second of two that are summed: nothing is judged by them; what passed before has passed."""
    tile = design(1, 2, 1)
    codes = [[100, 50, 50, 50]] * 2 + [[100] * 4] * 9
    array = Scripted(tile, codes, fails=[number])
    machine, lost = program(tile, array, [1, 1, 0, 0], [1600] * 4, reads_log2=1)
    assert array.reads == number + 1
    assert lost.tolist() == [number < 2, True, False, False]
    assert machine.counts["passed"] == (number >= 2)
    assert machine.counts["gave_up"] == 2 - (number >= 2)
    assert machine.cells.sum() == len(array.pulses) == (number >= 2)


def test_a_failure_is_over_with_its_row():
    tile = design(1, 1, 1)
    array = Scripted(tile, [[100, 100]], fails=[0])
    machine, lost = program(tile, array, [1, 1], [1600] * 2)
    assert lost.all()
    again = machine.program(array, 0, np.ones(2, bool), np.full(2, 1600))
    assert not again.any()
    assert machine.counts["gave_up"] == 2
    assert machine.counts["passed"] == 2


def test_amplitudes_stop_and_a_ramp_that_never_starts():
    tile = design(1, 1, 1, cycles=1)
    table = ((10, 7, 24, [10, 17, 24]), (10, 7, 23, [10, 17]), (10, 7, 9, []), (65535, 1, 65535, [65535]))
    for start, step, stop, wanted in table:
        array = Scripted(tile, [[50, 0]])
        _, lost = program(tile, array, [1, 0], [1600, 0], set_start=start, set_step=step, set_stop=stop)
        assert [event[2] for event in array.pulses] == wanted
        assert lost[0]


def test_bounds_of_the_window():
    """S 2^F against (t +- WINDOW) 2^k: equality is inside."""
    tile = design(1, 1, 1)
    for k in (0, 1, 4):
        for away in (-49, -48, 48, 49):
            array = Scripted(tile, [[100, 0]])
            machine, _ = program(tile, array, [1, 0], [1600 + away, 0], reads_log2=k, cycles=1, set_margin=-48)
            assert machine.counts["passed"] == (abs(away) == 48), (k, away)
            assert machine.counts["reads"] % (1 << k) == 0


def test_where_set_trains_stop():
    tile = design(1, 1, 1, cycles=1, set_step=1)
    for margin, last in ((-4000, 97), (-48, 97), (-16, 99), (0, 100), (48, 103), (64, 104)):
        array = Moving(tile, [50, 0], lambda column, direction, amplitude: 1.0)
        program(tile, array, [1, 0], [1600, 0], set_margin=margin, reset_stop=0)
        assert array.g[0] == last, margin


def column_tile(**verify):
    """Amplitudes by column, ramps 1000, 1500, .. 3000 and 100, 110, .. 150."""
    ramps = {"set_start": 1000, "set_step": 500, "set_stop": 3000,
             "reset_start": 100, "reset_step": 10, "reset_stop": 150}  # fmt: skip
    return design(1, 2, 2, amplitude="column", **{**ramps, **verify})


def test_a_later_train_begins_one_step_below_the_last_pulse():
    """Column 0 needs three SET pulses, is reset twice too far, and goes on at the second of its amplitudes; column 1
    starts late, and from its own start."""
    tile = column_tile(cycles=3)
    low, high, in_it = 50, 130, 100
    codes = [[low, high], [low, 0], [low, 0], [high, 0], [high, high], [low, low], [low, low], [in_it, in_it]]
    array = Scripted(tile, [[*pair, 0, 0] for pair in codes])
    _, lost = program(tile, array, [1, 1, 0, 0], [1600] * 4)
    assert [event[1:3] for event in array.pulses] == [
        (SET, [1000, 0, 0, 0]), (SET, [1500, 0, 0, 0]), (SET, [2000, 0, 0, 0]),
        (RESET, [100, 100, 0, 0]), (RESET, [110, 110, 0, 0]),
        (SET, [1500, 1000, 0, 0]), (SET, [2000, 1500, 0, 0]),
    ]  # fmt: skip
    assert not lost.any()


def test_a_device_at_the_end_of_its_ramp_leaves_the_mask_and_stays_below():
    """Column 0 never moves, column 1 comes later: the second train takes it to the end, while column 0 tries twice."""
    tile = column_tile(cycles=2, set_step=1000)
    codes = [[50, 130, 0, 0]] * 4 + [[50, 50, 0, 0]]
    array = Scripted(tile, codes)
    machine, lost = program(tile, array, [1, 1, 0, 0], [1600] * 4)
    assert [event[:3] for event in array.pulses] == [
        ([0], SET, [1000, 0, 0, 0]), ([0], SET, [2000, 0, 0, 0]), ([0], SET, [3000, 0, 0, 0]),
        ([1], RESET, [0, 100, 0, 0]),
        ([0, 1], SET, [2000, 1000, 0, 0]), ([0, 1], SET, [3000, 2000, 0, 0]), ([1], SET, [0, 3000, 0, 0]),
    ]  # fmt: skip
    assert lost.tolist() == [True, True, False, False]
    assert machine.counts["sets"] == 8


def test_a_row_begins_with_the_start_of_its_ramps():
    tile = column_tile(cycles=2)
    array = Scripted(tile, [[50] * 4])
    machine, _ = program(tile, array, [1, 0, 0, 0], [1600] * 4)
    first = array.pulses
    array.log.clear()
    machine.program(array, 0, np.array([1, 0, 0, 0], bool), np.full(4, 1600))
    assert array.pulses == first
    assert first[0][2] == [1000, 0, 0, 0]


def test_one_cycle_is_the_same_with_both_kinds_of_amplitude():
    """What is kept is only seen in a second cycle; forming has one train."""
    rng = np.random.default_rng(4)
    start, targets, sizes = rng.uniform(20, 180, 8), rng.integers(320, 2900, 8), rng.uniform(1.0, 9.0, 8)
    logs = []
    for kind in ("common", "column"):
        tile = design(1, 4, 2, set_step=3000, reset_step=3000, amplitude=kind, form_level=2000)
        array = Moving(tile, start, lambda column, direction, amplitude: sizes[column] * (1.0 + amplitude / 20000.0))
        machine, _ = program(tile, array, np.ones(8), targets, cycles=1)
        array.g[:] = start
        machine.form(array, 0)
        logs.append([(event[0], [of_column(event, column) for column in event[0]]) for event in array.pulses])
    assert logs[0] == logs[1]
    for columns, _, amplitudes, _ in array.pulses:
        assert np.flatnonzero(amplitudes).tolist() == columns


def test_forming():
    tile = design(2, 2, 1, form_start=100, form_step=50, form_stop=1000, form_level=1600)
    array = Moving(tile, [0, 100, 90, 0], lambda column, direction, amplitude: 0.0 if column == 3 else amplitude / 10)
    machine = WriteVerify(tile)
    lost = machine.form(array, 1)
    assert lost.tolist() == [False, False, False, True]
    assert array.pulses[0] == ([0, 2, 3], SET, 100, True)
    assert array.pulses[-1] == ([3], SET, 1000, True)
    assert machine.counts["passed"] == 3
    assert machine.counts["rows"] == 1
    assert machine.cells[1].tolist() == [5, 0, 1, 19]


def test_counts_of_pulses_saturate():
    tile = design(1, 1, 1, cell_bits=2, cycles=9)
    machine, _ = program(tile, Scripted(tile, [[0, 0]]), [1, 0], [1600, 0], set_stop=24576)
    assert machine.counts["sets"] == 9
    assert machine.cells.tolist() == [[3, 0]]
    assert WriteVerify(design(cell_bits=0)).cells.size == 0


def test_on_the_twin_nearly_all_devices_come_into_their_window():
    """The twin's default device, 4 levels; the window is two thirds of a level to each side."""
    tile = Design(
        scheme="wu", array=Array(rows=16, columns=16, lanes=4, pair="one-sided"),
        formats=Formats(adc=8, fraction=7), update=Update(max_pulses=1), verify=Verify(cycles=5),
    )  # fmt: skip
    array, machine = RramTile(tile, seed=1, engine="numpy"), WriteVerify(tile)
    rng = np.random.default_rng(1)
    targets = 8160 + rng.integers(0, 4, (16, 32)) * 6528
    for row in range(16):
        machine.program(array, row, np.ones(32, bool), targets[row])
    assert machine.counts["passed"] + machine.counts["gave_up"] == 512
    assert machine.counts["gave_up"] <= 10
    assert machine.cells.sum() == machine.counts["sets"] + machine.counts["resets"]


def test_amplitudes_by_column_need_fewer_pulses_and_reads():
    """In a window so small that many devices go through several trains."""
    counts = {}
    for kind in ("common", "column"):
        tile = Design(
            scheme="wu", array=Array(rows=8, columns=16, lanes=4, pair="one-sided"),
            formats=Formats(adc=8, fraction=7), update=Update(max_pulses=1),
            verify=Verify(cycles=5, window=160, set_margin=-160, amplitude=kind),
        )  # fmt: skip
        array, machine = RramTile(tile, seed=1, engine="numpy"), WriteVerify(tile)
        rng = np.random.default_rng(1)
        for row in range(8):
            machine.program(array, row, np.ones(32, bool), 8160 + rng.integers(0, 4, 32) * 6528)
        counts[kind] = machine.counts | {"pulses": machine.counts["sets"] + machine.counts["resets"]}
    assert counts["column"]["reads"] < 0.5 * counts["common"]["reads"]
    assert counts["column"]["pulses"] < 0.8 * counts["common"]["pulses"]
    assert counts["column"]["gave_up"] <= counts["common"]["gave_up"] + 2


def test_the_twin_takes_an_amplitude_for_each_device():
    """As if every device had had a pulse of its own amplitude; one that gets none stays as it is."""
    tile = design(2, 4, 2, amplitude="column")
    amplitudes = np.array([30000, 0, 45000, 28000, 0, 40000, 33000, 0])
    for direction, level in ((SET, 300000), (RESET, 900000)):
        twins = [RramTile(tile, seed=3, engine="numpy") for _ in range(1 + len(amplitudes))]
        for twin in twins:
            twin.g[:] = level
        given = twins[0].pulse_row(1, amplitudes > 0, direction=direction, amplitude=amplitudes)
        assert given == 5
        for column, amplitude in enumerate(amplitudes.tolist()):
            alone = twins[1 + column]
            alone.pulse_row(1, np.ones(8, bool), direction=direction, amplitude=amplitude)
            assert twins[0].g[1, column] == (alone.g[1, column] if amplitude else level)
        assert (twins[0].g[0] == level).all()
    with pytest.raises(ValueError, match=r"pulse_row amplitude = int64 \(3,\): must be integers \(8,\)"):
        twins[0].pulse_row(0, np.ones(8, bool), direction=SET, amplitude=np.zeros(3, np.int64))
