"""The digital half of a hybrid tile: nothing is lost in whatever order things come; turns, checkpoints, learning."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_device import Converters
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_pcm import IDEAL, Pcm
from crosstrain_model.design_verify import Verify
from crosstrain_model.hybrid import visited_groups
from crosstrain_model.hybrid_controller import Carry, HybridController
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.refresh import Refreshed
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_drift import ONE
from crosstrain_model.twin.pcm_tile import PcmTile

STEP = 8
"""Codes that a SET pulse of a carry raises a device by; one of write-verify raises it by one."""
EXACT = Verify(window=0, set_margin=0, set_start=1, set_step=1, set_stop=4096, reset_start=1, reset_stop=1)
FINE = Verify(window=4 << 8, set_margin=0, set_start=2048, set_step=1, set_stop=4096, reset_start=1, reset_stop=1)


def tile(rows=6, columns=5, lanes=2, verify=EXACT, pulses=2, fraction=8):
    return Design(
        name="sample", scheme="hic", array=Array(rows=rows, columns=columns, lanes=lanes, pair="set-only"),
        formats=Formats(fraction=fraction, adc=9), update=Update(max_pulses=pulses), verify=verify,
        converters=Converters(adc_range=4.0),
    )  # fmt: skip


def of(hybrid, design, remainder="keep"):
    """A design with this section."""
    return dataclasses.replace(
        design, hybrid=hybrid, update=dataclasses.replace(design.update, remainder=remainder)
    )


class Pairs:
    """Devices that answer exactly; g : int [rows, device columns], in codes."""

    def __init__(self, design):
        self.design = design
        self.g = np.zeros((design.array.rows, design.array.device_columns), np.int64)
        self.row = self.carried = None

    def sense_row(self, row, groups):
        return np.where(np.repeat(groups, 2 * self.design.array.lanes)[: self.g.shape[1]], self.g[row], 0)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        step = STEP if amplitude == self.design.pulse.amplitude_set else 1
        self.g[row] = np.where(columns, self.g[row] + step if direction == SET else 0, self.g[row])

    @property
    def weights(self):
        return self.g[:, 0::2] - self.g[:, 1::2]


def some(rng, design, density=0.4, size=2**12):
    shape = (design.array.rows, design.array.columns)
    return rng.integers(-size, size + 1, shape) * (rng.random(shape) < density)


EVENTS = st.lists(st.sampled_from(["update", "sparse", "batch", "step", "step", "step"]), max_size=40)


# --- nothing is lost --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(EVENTS, st.sampled_from([4, 5, 8]), st.sampled_from(["keep", "clear"]), st.sampled_from(["binary", "sram"]),
       st.integers(0, 2**32 - 1))  # fmt: skip
def test_every_change_is_in_the_pairs_the_queue_or_l(events, bits, remainder, cells, seed):
    """Whatever comes when: weight + carries that wait + L + what was cleared and clipped are the rounded changes."""
    design = tile()
    design = of(Hybrid(bits=bits, cells=cells, refresh_every=2, saturation=3 * STEP), tile(), remainder)
    controller = HybridController(design)
    pairs, lsb = Pairs(design), PcmBinaryArray(design)
    rng, done, s = np.random.default_rng(seed), [], controller.hybrid.scale
    for event in [*events, "drain"]:
        match event:
            case "update":
                controller.update(some(rng, design), lsb)
            case "sparse":
                places = rng.integers(0, [[6], [5]], (2, 3))
                controller.update_cells(*places, rng.integers(-(2**12), 2**12, 3), lsb)
            case "batch":
                controller.batch()
            case "step":
                done.append(controller.step(pairs))
            case "drain":
                done += controller.drain(pairs)
        part = controller.memory.ledger
        waiting = np.zeros((6, 5), int)
        for carry in controller.waiting:
            waiting[carry.row] += carry.counts
        assert np.array_equal(pairs.weights + STEP * waiting, STEP * part["programmed"] // s)
        assert not controller.memory.imbalance().any()
    assert not any(item.lost.any() for item in done if isinstance(item, Refreshed))
    assert not controller.waiting
    assert not controller.refresh.due.any()
    total = s * pairs.weights // STEP + part["cleared"] + part["clipped"] + controller.memory.held
    assert np.array_equal(total, part["inputs"])
    carries = [item for item in done if isinstance(item, Carry)]
    assert controller.counts["carry_rows"] == len(carries)
    assert controller.counts["carry_pulses"] == sum(np.abs(item.counts).sum() for item in carries)


def test_a_carry_that_arrives_during_a_refresh_comes_on_top_of_it():
    design = of(Hybrid(refresh_every=1, saturation=20, cells="sram"), tile())
    controller, pairs = HybridController(design), Pairs(design)
    pairs.g[3, :4] = [30, 10, 0, 25]
    controller.batch()
    rows = [controller.step(pairs).row for _ in range(2)]
    changes = np.zeros((6, 5), int)
    changes[3, 0], changes[3, 1] = 64 << 8, -(64 << 8)
    controller.update(changes)
    order = [(type(item).__name__, item.row) for item in controller.drain(pairs)]
    assert rows == [0, 1]
    assert order == [("Carry", 3), ("Refreshed", 2), ("Refreshed", 3), ("Refreshed", 4), ("Refreshed", 5)]
    assert pairs.g[3, :4].tolist() == [30 + STEP - 10, 0, 0, 25 + STEP]
    controller.update(changes)
    controller.drain(pairs)
    assert pairs.g[3, :4].tolist() == [30 + 2 * STEP - 10, 0, 0, 25 + 2 * STEP]


# --- turns ------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(EVENTS, st.integers(0, 2**32 - 1))
def test_carries_and_refreshes_take_turns(events, seed):
    """A carry waits for no more refreshes than carries before it and itself; a row for no more carries than `rows`."""
    design = tile()
    controller = HybridController(of(Hybrid(refresh_every=1, saturation=3 * STEP, cells="sram"), design))
    pairs, rng = Pairs(design), np.random.default_rng(seed)
    places, refreshes, carried, due = [], [], [], {}
    for event in [*events, *["step"] * 200]:
        if event in ("update", "sparse"):
            controller.update(some(rng, design, size=2**15 - 1))
            while len(places) < len(controller.waiting):
                places.append(len(places) + 1)
                refreshes.append(0)
        elif event == "batch":
            controller.batch()
            due |= {row: (0, 0) for row in range(6) if row not in due}
        else:
            both = bool(controller.waiting) and bool(due)
            item = controller.step(pairs)
            if item is None:
                assert not controller.waiting
                assert not due
            elif isinstance(item, Carry):
                assert refreshes.pop(0) <= places.pop(0)
                due = {row: (others, carries + 1) for row, (others, carries) in due.items()}
            else:
                others, carries = due.pop(item.row)
                assert others <= 5
                assert carries <= 6
                refreshes = [n + 1 for n in refreshes]
                due = {row: (others + 1, carries) for row, (others, carries) in due.items()}
            carried = [*carried, isinstance(item, Carry)] if both else []
            assert all(a != b for a, b in zip(carried, carried[1:], strict=False))
    assert not places
    assert not due


def test_a_long_queue_does_not_starve_the_refresh_nor_the_refresh_the_queue():
    design = tile()
    controller, pairs = HybridController(of(Hybrid(refresh_every=1, cells="sram"), design)), Pairs(design)
    for _ in range(3):
        controller.update(np.full((6, 5), 2**15 - 1))
    controller.batch()
    kinds = [type(item).__name__ for item in controller.drain(pairs)]
    assert kinds == ["Refreshed", "Carry"] * 6 + ["Carry"] * 12


def test_the_oldest_carry_comes_first():
    design = tile()
    controller = HybridController(of(Hybrid(refresh_every=0, cells="sram"), design))
    for rows in ([4, 1, 4], [0, 4]):
        controller.update_cells(rows, [0] * len(rows), [64 << 8] * len(rows))
    assert [item.row for item in controller.drain(Pairs(design))] == [4, 1, 4, 0, 4]


def test_whose_turn_it_is_survives_a_checkpoint():
    design = tile()
    one, pairs = HybridController(of(Hybrid(refresh_every=1, cells="sram"), design)), Pairs(design)
    one.update(np.full((6, 5), 64 << 8))
    one.batch()
    for kind in (Refreshed, Carry, Refreshed, Carry):
        two = HybridController(one.design)
        two.restore(one.state())
        assert type(two.step(pairs)) is kind
        assert type(one.step(pairs)) is kind


# --- frames -----------------------------------------------------------------------------------------------------------


def test_frames_count_and_round_one_draw_a_group():
    design = tile()
    one, two = (HybridController(of(Hybrid(cells="sram"), design)) for _ in range(2))
    changes = some(np.random.default_rng(3), design)
    one.update(changes)
    assert one.counts["visits"] == visited_groups(design, changes).sum()
    two.rounding.jump(one.counts["visits"])
    assert one.rounding.state == two.rounding.state
    one.update_cells([0, 9, 5, 0], [4, 0, -1, 4], [0, 1, 1, 300])
    two.rounding.jump(2)
    assert one.rounding.state == two.rounding.state  # a change of 0 is a visit, what is not there is none
    assert (one.counts["vectors"], one.counts["wrong"]) == (2, 2)


def test_a_short_update_is_of_the_first_rows():
    design = tile()
    controller = HybridController(of(Hybrid(cells="sram"), design))
    controller.update(np.full((2, 5), 5 << 8))
    assert controller.memory.held.tolist() == [[5] * 5] * 2 + [[0] * 5] * 4
    for shape in ((7, 5), (2, 4), (5,)):
        with pytest.raises(ValueError, match="update has shape"):
            controller.update(np.zeros(shape, int))
    with pytest.raises(ValueError, match="formats.accumulator"):
        controller.update(np.full((6, 5), 2**15))


def test_pulses_of_a_carry_come_slot_by_slot_as_set_alone():
    design, asked = tile(), []

    class Listener(Pairs):
        def pulse_row(self, row, columns, *, direction, amplitude, form=False):
            asked.append((row, direction, amplitude, np.flatnonzero(columns).tolist()))

    controller = HybridController(of(Hybrid(bits=4, cells="sram", refresh_every=0), design))
    changes = np.zeros((6, 5), int)
    changes[2] = np.array([8, -16, 0, 17, 7]) << 8
    controller.update(changes)
    controller.drain(Listener(design))
    assert asked == [(2, SET, 0x8000, [0, 3, 6]), (2, SET, 0x8000, [3, 6])]
    assert controller.memory.held[2].tolist() == [0, 0, 0, 1, 7]


class Asked(Pairs):
    """Devices that write down direction and amplitude of every pulse."""

    def __init__(self, design):
        super().__init__(design)
        self.asked = []

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        self.asked.append((direction, amplitude))
        super().pulse_row(row, columns, direction=direction, amplitude=amplitude)


class AskedBits(PcmBinaryArray):
    """The same of array L."""

    asked = ()

    def pulse_row(self, row, columns, *, direction, amplitude=0, form=False):
        self.asked = (*self.asked, (direction, amplitude))
        return super().pulse_row(row, columns, direction=direction)


def test_amplitudes_that_the_host_writes_are_those_of_carries_refreshes_and_l():
    design = of(Hybrid(bits=4, refresh_every=1, saturation=100), tile(verify=FINE))
    controller = HybridController(design)
    for up, down in ((0x8000, 0x8000), (0x1234, 0x4321)):
        pairs, cells = Asked(design), AskedBits(design)
        pairs.g[:, 0] = 200
        controller.configure(amplitude_set=up, amplitude_reset=down)
        controller.update(np.full((6, 5), 17 << 8), cells)  # carries, and bits of L that rise and fall
        controller.update(np.full((6, 5), -1 << 8), cells)
        while controller.waiting:
            controller.step(pairs, refreshes=False)
        assert set(pairs.asked) == {(SET, up)}
        pairs.asked.clear()
        controller.batch()
        controller.step(pairs, refreshes=True)
        assert pairs.asked[0] == (RESET, down)
        assert all(amplitude != down for _, amplitude in pairs.asked[1:])  # the ramps of write-verify
        assert set(cells.asked) == {(SET, up), (RESET, down)}
        controller.refresh.due[:] = False


def test_a_carry_moves_devices_in_proportion_to_the_amplitude_that_was_written():
    design = dataclasses.replace(of(Hybrid(bits=4, cells="sram", refresh_every=0), tile()), pcm=IDEAL)
    weights = []
    for amplitude in (0x8000, 0x2000):
        controller, pairs = HybridController(design), PcmTile(design)
        controller.configure(amplitude_set=amplitude)
        controller.update(np.full((6, 5), 8 << 8))
        controller.drain(pairs)
        weights.append(pairs.weights / ONE)
    assert (weights[0] == 0.125).all()
    assert (weights[1] == 0.125 / 4).all()


def test_tiles_have_rounding_of_their_own():
    streams = [HybridController(of(Hybrid(), tile()), tile=n).rounding.state for n in (0, 1)]
    assert streams[0] != streams[1]


# --- checkpoints ------------------------------------------------------------------------------------------------------


def busy(controller, pairs, lsb, rng, steps):
    for step in range(steps):
        controller.update(some(rng, controller.design, size=2**15 - 1), lsb)
        controller.batch()
        for _ in range(4 * (step % 3)):
            controller.step(pairs)


@pytest.mark.parametrize("cells", ["binary", "sram"])
def test_a_checkpoint_continues_to_the_same_bits(cells):
    design = tile(verify=FINE)
    hybrid = Hybrid(refresh_every=2, saturation=150, cells=cells)
    one, two = (HybridController(of(hybrid, design)) for _ in range(2))
    twins = [(PcmTile(design), PcmBinaryArray(design)) for _ in range(2)]
    one.saturation = 140
    one.configure(cycles=3, amplitude_set=0x5000, amplitude_reset=0x6000)
    busy(one, *twins[0], np.random.default_rng(1), 12)
    assert one.waiting
    assert one.refresh.due.any()
    two.restore(one.state())
    for mine, other in zip(*twins, strict=True):
        other.restore(mine.state())
    for controller, (pairs, lsb) in zip((one, two), twins, strict=True):
        busy(controller, pairs, lsb, np.random.default_rng(2), 6)
        controller.drain(pairs)
    assert all(np.array_equal(value, two.state()[name]) for name, value in one.state().items())
    assert np.array_equal(twins[0][0].g, twins[1][0].g)
    assert one.counts["refreshed"] > 0
    assert (two.pulse.amplitude_set, two.memory.pulse if cells == "binary" else two.pulse) == (0x5000, one.pulse)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory.held", np.full((6, 5), 64)),
        ("waiting_rows", np.array([6])),
        ("waiting_counts", np.full((1, 5), 3)),
        ("due", np.zeros(5, bool)),
        ("refresh", np.array([6, 0])),
        ("settings", np.array([1, 512, 0])),
        ("verify_settings", np.zeros(14, int)),
        ("pulse_settings", np.array([10, 10, 2, 0, 2**16])),
        ("rounding", np.zeros(2, int)),
        ("counters", np.zeros(3, int)),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(name, value):
    controller = HybridController(of(Hybrid(), tile()))
    changes = np.zeros((6, 5), int)
    changes[1] = 64 << 8
    controller.update(changes, PcmBinaryArray(tile()))
    state = controller.state()
    with pytest.raises(ValueError, match="restore"):
        HybridController(of(Hybrid(), tile())).restore(state | {name: value})



# --- on the twin ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("device", "bound"), [(IDEAL, 0.06), (Pcm(), 0.12)])
def test_weights_come_to_a_target_by_its_gradient(device, bound):
    """Batches of x through the array, changes of -(W - target) x x^T: learning in place, with refreshes.  Weights of
    ideal devices have steps of 0.125 and stay within one of the target."""
    design = tile(rows=12, columns=8, lanes=4, verify=FINE, pulses=3)
    controller = HybridController(of(Hybrid(refresh_every=20, saturation=300), design))
    pairs, lsb = PcmTile(dataclasses.replace(design, pcm=device)), PcmBinaryArray(design)
    rng = np.random.default_rng(4)
    target = rng.uniform(-0.6, 0.6, (12, 8))
    lsb_worth = 0.125 / controller.hybrid.scale
    errors = []
    for _ in range(90):
        x = rng.integers(-127, 128, (8, 12))
        y = pairs.forward(x) * pairs.forward_converter.lsb / 127
        gradient = (x / 127).T @ (y - x / 127 @ target) / 8
        wanted = np.rint(-0.4 * gradient / lsb_worth * 2**8)
        controller.update(np.clip(wanted, -(2**15), 2**15 - 1).astype(int), lsb)
        controller.batch()
        controller.drain(pairs)
        errors.append(np.sqrt(np.mean((pairs.weights / ONE - target) ** 2)))
    assert errors[0] > 0.3
    assert np.mean(errors[-20:]) < bound
    assert controller.counts["refreshed"] > 5
    assert not controller.memory.imbalance().any()
    assert pairs.sets.sum() > pairs.resets.sum() > 0
    assert int(lsb.sets.sum()) == int(controller.memory.sets.sum())



# --- registers --------------------------------------------------------------------------------------------------------


def test_registers():
    controller = HybridController(tile())
    controller.configure(refresh_every=3, saturation=77, cycles=5, window=9, width_set=20)
    settings = controller.verify.settings
    assert (controller.refresh_every, controller.saturation, settings.cycles, settings.window) == (3, 77, 5, 9)
    before = controller.state()
    refused = (("saturation", 512, "0..511"), ("refresh_every", -1, "0..65535"), ("cycles", 0, "1..255"))
    for name, value, bound in refused:
        with pytest.raises(ValueError, match=f"HybridController.{name} = {value}: must be {bound}"):
            controller.configure(**{"refresh_every": 9, name: value})
    with pytest.raises(KeyError):
        controller.configure(threshold=1)
    assert all(np.array_equal(value, before[name]) for name, value in controller.state().items())
