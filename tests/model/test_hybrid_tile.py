"""A tile of hybrid weights: reads of a part, ranges of its ADCs, changes that reach the pairs, time, and state."""

import numpy as np
import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.gradient_tile import model_tile
from crosstrain_model.hybrid_tile import HybridTile
from crosstrain_model.twin.pcm_drift import ONE

QUIET = ["converters.adc_noise=0", "pcm.sigma_cc=0", "pcm.slope=0", "pcm.read_noise=0", "pcm.reset_level=0",
         "pcm.reset_noise=0", "pcm.programming_noise=0", "pcm.drift=0"]  # fmt: skip


def tile_of(*settings, name="hic-8", seed=1):
    tile = HybridTile(load_design(name, [*settings]), seed=seed, tile=0)
    weights = np.random.default_rng(seed).uniform(-0.5, 0.5, (tile.array.rows, tile.array.columns))
    tile.array.load_weights(np.rint(weights * tile.array.weight_one).astype(np.int32))
    return tile


def codes_of(tile, vectors, seed=2):
    return np.random.default_rng(seed).integers(-128, 128, (vectors, tile.array.rows))


@pytest.mark.parametrize("settings", [[], ["converters.dac_noise=0.01", "converters.read_noise=0.01"]])
def test_what_is_left_out_of_a_read_changes_no_bit(settings):
    tiles = [tile_of(*settings) for _ in range(2)]
    for tile in tiles:
        tile.array.now_ns = 10**9
    codes = codes_of(tiles[0], 4)
    codes[:, 5:] = 0
    for read in ("forward", "backward"):
        whole, part = (getattr(tile, read) for tile in tiles)
        answers = whole(codes)
        assert np.array_equal(part(codes[:, :5], 3), answers[:, :3])
        assert len(np.unique(answers)) > 5
    assert np.array_equal(*(tile.array.counters for tile in tiles))


@pytest.mark.parametrize("headroom", [1.0, 2.0])
def test_ranges_are_those_of_the_largest_sums(headroom):
    tile = tile_of(*QUIET, f"converters.adc_headroom={headroom}")
    codes = codes_of(tile, 20)
    for calibrate, read, matrix in (
        (tile.calibrate, tile.forward, tile.array.levels),
        (tile.calibrate_backward, tile.backward, tile.array.levels.T),
    ):
        exact = codes @ matrix
        calibrate(codes)
        assert np.abs(read(codes) - exact / np.abs(exact).max() * 255 / headroom).max() <= 0.51
    assert tile.calibrated
    assert tile.calibrated_backward
    fresh = tile_of()
    fresh.calibrate(np.zeros((3, 8), int))  # tells nothing
    assert not fresh.calibrated


@pytest.mark.parametrize("cells", ["binary", "sram"])
def test_changes_reach_the_pairs_or_stay_in_l(cells):
    tile = tile_of(*QUIET, f"hybrid.cells={cells}", "hybrid.refresh_every=0")
    before, step = tile.array.weights.copy(), ONE // 8
    whole = np.random.default_rng(1).integers(-100, 100, (8, 8))
    tile.update(whole << 8)
    carries = np.sign(whole) * (abs(whole) // 64)
    assert np.array_equal(tile.array.weights - before, carries * step)
    assert np.array_equal(tile.controller.memory.held, whole - 64 * carries)
    done = tile.program()
    assert (done.pulses, done.commands) == (abs(carries).sum(), carries.any(axis=1).sum())
    assert tile.updates == 64
    again = tile.program()
    assert (again.pulses, again.commands) == (0, 0)


def test_changes_beyond_the_accumulator_are_clipped():
    one, other = tile_of(), tile_of()
    one.update(np.full((8, 8), 10**6))
    other.update(np.full((8, 8), 2**15 - 1))
    assert np.array_equal(one.array.g, other.array.g)


def test_a_batch_ends_with_its_refreshes_and_time_passes():
    tile = tile_of("hybrid.refresh_every=2", "pcm.batch_ns=7", "pcm.drift=0")
    tile.array.g[3, :2] = ONE, ONE // 2  # above G_sat
    assert tile.program().commands == 0
    done = tile.program()
    assert done.commands == 1
    assert tile.array.resets[3].tolist() == [1, 1, *14 * [0]]
    assert tile.array.g[3, 1] < ONE // 50
    assert done.pulses == tile.array.sets[3, 0] + 2
    assert (tile.array.now_ns, tile.cells.now_ns) == (14, 14)


def test_digests_stand_for_what_happened():
    tiles = [tile_of(*QUIET) for _ in range(3)]
    for tile, size in zip(tiles, (9 << 8, 9 << 8, 10 << 8), strict=True):
        tile.update(np.full((8, 8), size))  # no carry: L alone differs
    digests = [tile.program().digest for tile in tiles]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 8


@pytest.mark.parametrize("settings", [[], ["hybrid.cells=sram"], ["hybrid.code=gray", "hybrid.read_back=true"]])
def test_a_restored_tile_continues_to_the_same_bits(settings):
    tile, rng = tile_of("hybrid.refresh_every=1", "hybrid.saturation=150", *settings), np.random.default_rng(3)
    tile.calibrate(codes_of(tile, 4))
    for _ in range(3):
        tile.update(rng.integers(-30000, 30000, (8, 8)))
        tile.program()
    other = HybridTile(tile.design, seed=1, tile=0)
    other.restore(tile.state())
    assert (other.calibrated, other.calibrated_backward) == (True, False)
    codes, changes = codes_of(tile, 3), rng.integers(-30000, 30000, (8, 8))
    for each in (tile, other):
        each.update(changes)
    assert tile.program() == other.program()
    for read in ("forward", "backward"):
        assert np.array_equal(*(getattr(each, read)(codes) for each in (tile, other)))
    one, two = tile.state(), other.state()
    assert [name for name in one if not np.array_equal(one[name], two[name])] == []
    assert one.keys() == two.keys()
    assert tile.controller.counts["refreshed"] > 3


def test_a_state_that_does_not_fit_is_named():
    tile = tile_of()
    for name, value, told in (
        ("calibrated", np.zeros(3, bool), "tile calibrated"),
        ("array.ranges", np.array([1.0, 0.0]), r"PcmTile.restore ranges = \[1.0, 0.0\]: must be more than 0"),
    ):
        with pytest.raises(ValueError, match=told):
            tile_of().restore(tile.state() | {name: value})


def test_who_builds_it():
    tile = model_tile(load_design("hic-8"), 1, 0)
    assert isinstance(tile, HybridTile)
    tile.configure(refresh_every=3, cycles=5)
    assert (tile.controller.refresh_every, tile.controller.verify.settings.cycles) == (3, 5)
    assert model_tile(load_design("hic-8", ["hybrid.cells=sram"]), 1, 0).cells is None


@pytest.mark.parametrize("name", ["hic-8", "hic-64", "hic-256"])
def test_presets_can_refresh(name):
    """The window is wider than what a RESET pulse leaves, G_sat below the top, a small SET pulse below the window."""
    design = load_design(name)
    codes = 2**design.formats.adc / design.converters.adc_range_row
    window = design.verify.window / 2**design.formats.fraction
    assert window > (design.pcm.reset_level + design.pcm.reset_noise) * codes * 0.99
    assert design.hybrid.saturation < 0.9 * codes
    assert design.pcm.step * design.verify.set_start / 2**15 * codes < 2 * window
    assert design.verify.reset_start == design.verify.reset_stop
