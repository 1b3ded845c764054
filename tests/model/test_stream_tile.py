"""A tile whose changes come from the host: signed reads, the first copy, the range of its ADCs, passes, state."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.gradient_tile import model_tile
from crosstrain_model.stream_tile import VerifiedTile, range_of, read_out, read_signed
from crosstrain_model.twin.rram_tile import FORWARDS, ROW_READS, RramTile

QUIET = ["converters.adc_noise=0", "rram.write_error=0", "rram.sigma_cc=0", "rram.sigma_threshold=0"]


def tile_of(*settings, name="wu-8", seed=1):
    tile = VerifiedTile(load_design(name, [*settings]), seed=seed, tile=0)
    weights = np.random.default_rng(seed).uniform(-0.5, 0.5, (tile.array.rows, tile.array.columns))
    tile.array.load_weights(np.rint(weights * tile.array.weight_one).astype(np.int32))
    return tile


def codes_of(tile, vectors, low=-255, seed=2):
    return np.random.default_rng(seed).integers(low, 256, (vectors, tile.array.rows))


def test_vectors_with_negative_codes_are_read_twice():
    tile, twin = tile_of(), tile_of()
    codes = codes_of(tile, 6)
    codes[[1, 4]] = abs(codes[[1, 4]])
    parts = []
    for code in codes:
        plus = twin.array.forward(np.maximum(code, 0)[None, :])[0]
        minus = twin.array.forward(np.maximum(-code, 0)[None, :])[0] if (code < 0).any() else np.zeros_like(plus)
        parts.append((plus[0::2] - plus[1::2]) - (minus[0::2] - minus[1::2]))
    assert (tile.forward(codes) == np.array(parts)).all()
    assert tile.array.counters[FORWARDS] == twin.array.counters[FORWARDS] == 6 + 4
    assert (tile.forward(codes[:, :5], 3).shape) == (6, 3)
    assert (read_signed(tile.array, np.zeros((0, 8), np.int32)).shape) == (0, 8)


def test_rows_that_are_not_given_are_zero():
    one, other = tile_of(), tile_of()
    codes = codes_of(one, 3)
    codes[:, 5:] = 0
    assert (one.forward(codes) == other.forward(codes[:, :5])).all()


@pytest.mark.parametrize("headroom", [1.25, 2.0])
def test_the_range_is_that_of_the_largest_sum(headroom):
    tile = tile_of(*QUIET, f"converters.adc_headroom={headroom}")
    codes = codes_of(tile, 20)
    tile.calibrate(codes)
    assert tile.calibrated
    levels = tile.array.levels.astype(np.int64)
    largest = max((np.maximum(sign * codes, 0) @ levels).max() for sign in (1, -1))
    part = tile.array.forward_converter
    top = (largest * part.multiplier / 2**part.shift) * headroom
    assert abs(top - 255) < 0.01
    tile.forward(codes)
    assert tile.array.clipped == 0
    exact = codes @ (tile.array.weights / tile.array.weight_one)
    assert abs(tile.forward(codes) * part.lsb - exact).max() < 2 * part.lsb
    assert range_of(tile.array, np.zeros((2, 8), np.int64)) is None
    fresh = tile_of()
    fresh.calibrate(np.zeros((2, 8), np.int64))
    assert not fresh.calibrated


def test_the_copy_is_the_mean_of_sixteen_reads():
    tile, twin = tile_of("converters.adc_noise=2"), tile_of("converters.adc_noise=2")
    tile.read_copy()
    reads = np.array([[twin.array.sense_row(row) for _ in range(16)] for row in range(8)]).astype(np.int64).sum(axis=1)
    want = (((reads[:, 0::2] - reads[:, 1::2]) << 7) + 8) >> 4
    limit = tile.controller.limit
    assert (tile.copy() == np.clip(want, -limit, limit)).all()
    assert tile.array.counters[ROW_READS] == 8 * 16
    assert (read_out(tile.array, limit=5, reads=1).max(), read_out(tile.array, limit=5).min()) == (5, -5)
    unit = 1.25 / 256 / 128
    assert abs(tile.copy() * unit - tile.array.weights / tile.array.weight_one).max() < 0.02


def test_a_pass_moves_devices_to_the_copy():
    tile = tile_of("rram.write_error=0")
    tile.read_copy()
    theta, before = tile.design.update.threshold, tile.copy()
    nothing = tile.program()
    assert (nothing.commands, nothing.pulses) == (0, 0)
    changes = np.zeros((8, 8), np.int32)
    changes[2, 3], changes[5, 0], changes[5, 7] = theta, -theta, theta - 1
    tile.update(changes)
    done = tile.program()
    assert done.commands == 2
    assert done.pulses == tile.controller.verify.counts["sets"] + tile.controller.verify.counts["resets"] > 0
    moved = np.where(abs(changes) >= theta, changes, 0)
    assert (tile.copy() == np.clip(before + moved, -19584, 19584)).all()
    unit, window = 1.25 / 256 / 128, 2 * 640 + 2 * 128
    far = abs(tile.copy() * unit - tile.array.weights / tile.array.weight_one) / unit
    assert far[moved != 0].max() < window
    assert tile.updates == 3 * 4


def test_changes_beyond_the_accumulator_are_clipped_by_the_host():
    tile = tile_of()
    tile.update(np.full((8, 8), 2**31 - 1, np.int32))
    assert (tile.controller.dw == 2**15 - 1).all()


def test_the_digest_tells_passes_apart():
    tiles = [tile_of() for _ in range(3)]
    for tile, size in zip(tiles, (7000, 7000, 7001), strict=True):
        tile.read_copy()
        tile.update(np.full((8, 8), size, np.int32))
    digests = [tile.program().digest for tile in tiles]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 8


@pytest.mark.parametrize("name", ["wu-8", "wu-64", "wu-256x64"])
def test_a_restored_tile_continues_to_the_same_bits(name):
    tile = tile_of(name=name)
    tile.read_copy()
    tile.calibrate(codes_of(tile, 4))
    rng = np.random.default_rng(3)
    shape = tile.copy().shape
    few = np.arange(shape[0])[:, None] % 32 == 3  # write-verify of a whole tile takes its time
    tile.update(np.where(few, rng.integers(-9000, 9000, shape), 0))
    tile.program()
    other = VerifiedTile(tile.design, seed=1, tile=0)
    other.restore(tile.state())
    assert other.calibrated
    changes, codes = np.where(few, rng.integers(-9000, 9000, shape), 0), codes_of(tile, 3)
    for each in (tile, other):
        each.update(changes)
    assert tile.program() == other.program()
    assert (tile.forward(codes) == other.forward(codes)).all()
    assert (tile.copy() == other.copy()).all()
    one, two = tile.state(), other.state()
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[part], two[part]) for part in one)


def test_forming_counts_what_is_given_up():
    tile = tile_of("rram.stuck_low=1.0", "verify.form_level=9000")
    assert tile.form(range(2)) == 32
    assert tile.controller.counters()["gave_up"] == 32


def test_who_builds_it():
    tile = model_tile(load_design("wu-8"), 1, 0)
    assert isinstance(tile, VerifiedTile)
    assert isinstance(tile.array, RramTile)
    tile.configure(threshold=100, range=5000, cycles=5)
    assert (tile.controller.theta, tile.controller.limit, tile.controller.verify.settings.cycles) == (100, 5000, 5)


@pytest.mark.parametrize("name", ["wu-8", "wu-64", "wu-256x64"])
def test_presets_have_levels_of_their_devices(name):
    """theta is one level, BASE the bottom, RANGE the whole range, to a hundredth of a level."""
    design = load_design(name)
    unit = design.converters.adc_range_row / 2 ** (design.formats.adc + design.formats.fraction)
    level, verify = design.rram.level, design.verify
    for units, value in ((design.update.threshold, level), (verify.base, design.rram.low),
                         (verify.range, 1.0 - design.rram.low)):  # fmt: skip
        assert abs(units * unit - value) < 0.02 * level
    assert dataclasses.replace(design) == design
