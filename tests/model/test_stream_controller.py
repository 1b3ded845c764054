"""The whole digital half of a wu tile, against its rules taken one by one, and on the twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_device import Rram
from crosstrain_model.design_file import load_design
from crosstrain_model.design_verify import Verify
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.training.converters import copy_unit
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.weight_copy import devices_of


def design(rows=5, columns=3, lanes=2, **more):
    return Design(
        scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=8, accumulator=16, fraction=7), update=Update(max_pulses=1, threshold=6528), **more,
    )  # fmt: skip


class Perfect:
    """An array whose devices go where they are told at once: a pulse brings a device to `goal`."""

    def __init__(self, tile, controller):
        self.tile, self.controller = tile, controller
        self.g = np.full((tile.array.rows, tile.array.device_columns), controller.base, np.int64)
        self.rows = []

    def sense_row(self, row, groups):
        if not self.rows or self.rows[-1] != row:
            self.rows.append(row)
        named = np.repeat(groups, 2 * self.tile.array.lanes)[: self.g.shape[1]]
        return np.where(named, self.g[row] >> 7, 0)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        goal = devices_of(self.controller.copy[row].astype(np.int64), self.controller.base)
        self.g[row] = np.where(columns, goal, self.g[row])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_copy_and_accumulators_hold_all_changes(seed):
    """What was added is in W or in dW, cell by cell, unless a hit met RANGE; every device is in its window: reads
    round down, by less than a code."""
    tile = design()
    controller = StreamController(tile)
    array = Perfect(tile, controller)
    rng = np.random.default_rng(seed)
    total = np.zeros((5, 3), np.int64)
    for _ in range(4):
        changes = rng.integers(-3000, 3001, (5, 3)) * (rng.random((5, 3)) < 0.7)
        controller.update(changes)
        total += changes
        rows, columns = rng.integers(0, 5, 4), rng.integers(0, 3, 4)
        single = rng.integers(-5000, 5001, 4)
        controller.update_cells(rows, columns, single)
        np.add.at(total, (rows, columns), single)
        moved = controller.program(array)
        assert moved == sum(flagged.sum() for _, flagged, _ in controller.last)
    assert controller.clipped == 0
    if not controller.clamped:
        assert np.array_equal(controller.copy.astype(np.int64) + controller.dw, total)
    assert np.abs(controller.copy).max() <= tile.verify.range
    assert (np.abs(controller.dw) < controller.theta).all()
    goal = devices_of(controller.copy.astype(np.int64), controller.base)
    assert np.abs(array.g - goal).max() < tile.verify.window + (1 << tile.formats.fraction)
    assert controller.counters()["passed"] + controller.counters()["gave_up"] >= controller.counters()["rows"]
    assert controller.counters()["gave_up"] == 0


def test_rows_are_programmed_in_order_and_only_where_something_moves():
    tile = design()
    controller = StreamController(tile)
    array = Perfect(tile, controller)
    changes = np.zeros((5, 3), np.int64)
    changes[[1, 3, 4], [0, 2, 1]] = [7000, -6528, 6527]
    controller.update(changes)
    assert controller.program(array) == 2
    assert array.rows == [1, 3]
    assert controller.dw[4, 1] == 6527
    assert [(row, np.flatnonzero(flagged).tolist()) for row, flagged, _ in controller.last] == [(1, [0]), (3, [5])]
    assert controller.program(array) == 0


def test_a_hit_at_range_clears_and_programs_nothing():
    tile = design()
    controller = StreamController(tile)
    array = Perfect(tile, controller)
    controller.load(copy=np.full((5, 3), tile.verify.range))
    changes = np.zeros((5, 3), np.int64)
    changes[2, 1] = 9000
    controller.update(changes)
    assert controller.program(array) == 0
    assert controller.dw[2, 1] == 0
    assert controller.clamped == 1
    assert array.rows == []
    assert controller.counters()["rows"] == 0


def test_an_array_that_fails_leaves_the_copy_ahead():
    tile = design()
    controller = StreamController(tile)

    class Dead(Perfect):
        def sense_row(self, row, groups):
            return None

    controller.update(np.full((5, 3), -8000))
    assert controller.program(Dead(tile, controller)) == 15
    assert (controller.copy == -8000).all()
    assert controller.counters()["gave_up"] == 15
    assert controller.counters()["reads"] == 5


def test_stuck_devices_are_given_up_and_counted():
    tile = design(rows=8, columns=8, lanes=4, rram=Rram(stuck_low=0.2, stuck_high=0.1))
    controller, array = StreamController(tile), RramTile(tile, engine="numpy")
    stuck = array.devices.stuck.copy()
    controller.update(np.full((8, 8), 13000))
    controller.program(array)
    plus = stuck[:, 0::2] != 0
    lost = {(row, column) for row, _, gone in controller.last for column in np.flatnonzero(gone)}
    assert {(row, 2 * column) for row, column in np.argwhere(plus)} <= lost
    assert controller.counters()["gave_up"] == len(lost)


@pytest.mark.parametrize("write_error", [0.0, 0.3])
def test_continues_from_its_state_to_the_same_bits(write_error):
    tile = design(rram=Rram(write_error=write_error), verify=Verify(reads_log2=1, cell_bits=3))
    rng = np.random.default_rng(4)
    first, array = StreamController(tile), RramTile(tile, engine="numpy")
    first.configure(cycles=3, window=900, threshold=5000)
    for _ in range(3):
        first.update(rng.integers(-9000, 9001, (5, 3)))
        first.program(array)
    first.form(array, 2)
    second, other = StreamController(tile), RramTile(tile, engine="numpy")
    second.restore(first.state())
    other.restore(array.state())
    for _ in range(2):
        changes = rng.integers(-9000, 9001, (5, 3))
        for controller, devices in ((first, array), (second, other)):
            controller.update(changes)
            controller.program(devices)
    for name, value in first.state().items():
        assert np.array_equal(second.state()[name], value), name
    assert np.array_equal(array.g, other.g)
    assert first.counters() == second.counters()


def test_registers_are_bounded_and_known():
    controller = StreamController(design())
    with pytest.raises(ValueError, match="StreamController.cycles = 256: must be 1..255"):
        controller.configure(cycles=256)
    with pytest.raises(ValueError, match=r"StreamController.reads_log2 = 5: must be 0..4"):
        controller.configure(reads_log2=5, cycles=3)
    assert controller.verify.settings.cycles == 2
    with pytest.raises(KeyError):
        controller.configure(nonsense=1)
    with pytest.raises(ValueError, match="cells: must be integers of shape"):
        controller.restore(StreamController(design(verify=Verify(cell_bits=0))).state())


def test_the_bring_up_of_the_page():
    """docs/stream_controller.md: every device to BASE, wherever it was, then initial weights."""
    design = load_design("wu-8", ["verify.cycles=5", "rram.write_error=0.0"])
    controller, array = StreamController(design), RramTile(design)
    array.g[:] = np.random.default_rng(1).integers(array.devices.low, 1 << 20, array.g.shape)
    whole = np.full((8, 8), controller.limit)
    for copy in (whole, -whole):
        controller.load(copy=copy)
        controller.update(-copy)
        controller.program(array)
    assert not controller.copy.any()
    window = design.verify.window * copy_unit(design)
    assert abs(array.g / (1 << 20) - controller.base * copy_unit(design)).max() < window + 0.02
    weights = np.random.default_rng(2).integers(-controller.limit, controller.limit + 1, (8, 8))
    controller.configure(threshold=1)
    controller.update(weights)
    controller.program(array)
    assert (controller.copy == weights).all()
    assert controller.counters()["gave_up"] == 0
    assert abs(array.weights / (1 << 20) - weights * copy_unit(design)).max() < 2 * window + 0.04
