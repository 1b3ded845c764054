"""Multi-level phase-change devices: pulses beside Python's integers, accumulation, reads, time, and checkpoints."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_device import Converters
from crosstrain_model.design_pcm import IDEAL, Pcm
from crosstrain_model.errors import UserError
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin import noise
from crosstrain_model.twin.pcm import NOMINAL, PcmConstants
from crosstrain_model.twin.pcm_drift import ONE, SECOND
from crosstrain_model.twin.pcm_reads import product
from crosstrain_model.twin.pcm_tile import PcmTile

PART = Pcm()
G = st.integers(0, ONE)
Z = st.integers(-510, 510)


def sample(pair="set-only", rows=5, columns=6, lanes=2, converters=None, pcm=PART, **formats):
    return Design(
        name="sample", array=Array(rows=rows, columns=columns, lanes=lanes, pair=pair), formats=Formats(**formats),
        converters=converters or Converters(adc_range=4.0, adc_range_backward=4.0), pcm=pcm,
    )  # fmt: skip


def mask(tile, *columns):
    return np.isin(np.arange(tile.device_columns), columns)


def everything(tile):
    return np.ones(tile.device_columns, np.bool_)


# --- a pulse ----------------------------------------------------------------------------------------------------------


def plain_set(part, g, amplitude, z):
    step, slope = round(part.step * 2**20), round(part.slope * part.step * 2**20)
    noise = round(part.sigma_cc * 2**18 / math.sqrt(21845))
    mean = max(step - (slope * g >> 20), 0)
    mean = mean * amplitude + 2**14 >> 15
    return min(g + max(mean + (mean * (z * noise >> 6) + 2048 >> 12), 0), ONE)


def plain_settle(part, g, z):
    first, second, third = (
        round(part.programming_noise * 2**28 / math.sqrt(21845) / 25 * c) for c in (0.26348, 1.9650, 1.1731)
    )
    error = first + (second * g - (third * g >> 20) * g >> 20)
    return min(max(g + (z * error + 128 >> 8), 0), ONE)


@given(st.lists(st.tuples(G, st.integers(0, 65535), Z), min_size=1, max_size=20), st.sampled_from([PART, IDEAL]))
def test_pulses_beside_plain_integers(devices, part):
    constants = PcmConstants.of(part)
    g, amplitude, z = (np.array(values, np.int64) for values in zip(*devices, strict=True))
    assert constants.pulse(g, SET, amplitude, z).tolist() == [plain_set(part, *device) for device in devices]
    assert constants.settle(g, z).tolist() == [plain_settle(part, d[0], d[2]) for d in devices]
    bottom, spread = round(part.reset_level * 2**20), round(part.reset_noise * 2**28 / math.sqrt(21845))
    wanted = [min(max(bottom + (d[2] * spread + 128 >> 8), 0), ONE) for d in devices]
    assert constants.pulse(g, RESET, amplitude, z).tolist() == wanted


def test_a_set_pulse_never_lowers_and_never_passes_the_top():
    constants = PcmConstants.of(Pcm(sigma_cc=1.0))
    z = np.array([-510, -510, 510])
    assert constants.pulse(np.array([0, ONE, ONE]), SET, 65535, z).tolist() == [0, ONE, ONE]


def test_accumulation_is_nonlinear():
    """Without noise pulse after pulse follows G = (1 - (1 - slope step)^n) / slope up to the top."""
    tile = PcmTile(sample(pcm=Pcm(sigma_cc=0.0, drift=0.0, reset_level=0.0)))
    for n in range(1, 14):
        tile.pulse_row(0, everything(tile), direction=SET, amplitude=NOMINAL)
        exact = min((1 - (1 - 0.6 * 0.125) ** n) / 0.6, 1.0)
        assert np.abs(tile.g[0] / ONE - exact).max() < 1e-5
    assert tile.sets.sum() == 13 * 12


def test_pulses_vary_as_they_are_said_to():
    tile = PcmTile(sample(rows=64, columns=64, pcm=Pcm(reset_level=0.0)))
    for row in range(64):
        tile.pulse_row(row, everything(tile), direction=SET, amplitude=NOMINAL)
    assert tile.g.mean() / ONE == pytest.approx(0.125, rel=0.02)
    assert tile.g.std() / ONE == pytest.approx(0.4 * 0.125, rel=0.03)


# --- rows, time, settling ---------------------------------------------------------------------------------------------


def test_no_pulse_is_no_event_and_devices_beside_it_keep_what_they_hold():
    tile = PcmTile(sample())
    before = tile.state()
    assert tile.pulse_row(2, mask(tile), direction=SET, amplitude=NOMINAL) == 0
    assert all(np.array_equal(value, before[name]) for name, value in tile.state().items())
    assert tile.pulse_row(2, mask(tile, 3, 7), direction=SET, amplitude=NOMINAL) == 2
    changed = tile.g != before["g"]
    assert [tuple(place) for place in np.argwhere(changed)] == [(2, 3), (2, 7)]


def test_a_reprogrammed_row_settles_once_when_something_else_happens():
    tile = PcmTile(sample(pcm=Pcm(drift=0.0, read_noise=0.0)))
    tile.pulse_row(1, mask(tile, 0), direction=RESET, amplitude=0)
    tile.pulse_row(1, mask(tile, 5), direction=RESET, amplitude=0)
    tile.pulse_row(1, mask(tile, 0, 4), direction=SET, amplitude=NOMINAL)
    tile.sense_row(1)
    held = tile.g.copy()
    tile.pulse_row(1, mask(tile, 8), direction=SET, amplitude=NOMINAL)
    assert np.array_equal(np.delete(tile.g[1], 8), np.delete(held[1], 8))
    held = tile.g.copy()
    tile.forward(np.zeros((1, 5), int))
    wanted = held.copy()
    z = tile.z(noise.RELAX, 0, 1)
    for column in (0, 5):  # 4 and 8 had SET pulses alone
        assert z[column] != 0
        wanted[1, column] = plain_settle(PART, int(held[1, column]), int(z[column]))
    assert np.array_equal(tile.g, wanted)
    assert not np.array_equal(tile.g, held)
    tile.sense_row(0)
    assert np.array_equal(tile.g, wanted)


@pytest.mark.parametrize("event", ["time", "other row", "other pulse", "backward", "load"])
def test_what_closes_a_row(event):
    tile = PcmTile(sample())
    tile.pulse_row(1, mask(tile, 0), direction=RESET, amplitude=0)
    assert tile.open_row == 1
    match event:
        case "time":
            tile.now_ns = 5
        case "other row":
            tile.sense_row(0)
        case "other pulse":
            tile.pulse_row(3, mask(tile, 0), direction=SET, amplitude=NOMINAL)
        case "backward":
            tile.backward(np.zeros((1, 6), int))
        case "load":
            tile.load_weights(np.zeros((5, 6), int))
    assert (tile.open_row, tile.counters.tolist()[-1], tile.fresh.any()) == (-1, 1, False)


def test_what_is_seen_is_a_function_of_the_time_alone():
    """Weights at any times, asked for in any order, with reads between, are those of a twin that was asked once."""
    target = np.random.default_rng(2).integers(-ONE, ONE + 1, (5, 6))
    times = [SECOND, 3600 * SECOND, 86400 * SECOND, 30 * 86400 * SECOND, 365 * 86400 * SECOND]
    asked = PcmTile(sample(), seed=9)
    asked.load_weights(target)
    wanted = {}
    for t in times:
        once = PcmTile(sample(), seed=9)
        once.load_weights(target)
        once.now_ns = t
        wanted[t] = once.weights
    for t in [times[i] for i in (4, 0, 3, 3, 1, 2, 4, 0)]:
        asked.now_ns = t
        asked.forward(np.ones((3, 5), int))
        asked.sense_row(2)
        assert np.array_equal(asked.weights, wanted[t])
    assert np.array_equal(wanted[times[0]], target)
    assert (np.abs(wanted[times[4]]) <= np.abs(wanted[times[1]])).all()


def test_a_pulse_goes_on_from_where_a_device_drifted_to():
    tile = PcmTile(sample(pcm=Pcm(sigma_cc=0.0, slope=0.0, read_noise=0.0)))
    tile.load_weights(np.full((5, 6), ONE // 2))
    tile.now_ns = 10**6 * SECOND
    before = tile.seen()[0].copy()
    assert (before[:, 0::2] < ONE // 2).all()
    tile.pulse_row(1, mask(tile, 2, 4), direction=SET, amplitude=NOMINAL)
    assert tile.g[1, [2, 4]].tolist() == (before[1, [2, 4]] + ONE // 8).tolist()
    assert np.array_equal(np.delete(tile.seen()[0], [2, 4], axis=1), np.delete(before, [2, 4], axis=1))
    tile.now_ns += 20 * SECOND
    assert tile.seen()[0][1, 2] == tile.g[1, 2]  # drift begins anew


def test_time_before_the_last_pulse_is_refused():
    tile = PcmTile(sample())
    tile.now_ns = 100
    tile.pulse_row(0, mask(tile, 0), direction=SET, amplitude=NOMINAL)
    tile.now_ns = 500
    with pytest.raises(ValueError, match=r"PcmTile.now_ns = 99: must be 100 \(last pulse\).."):
        tile.now_ns = 99
    tile.now_ns = 100


# --- reads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
def test_ideal_reads_are_exact_products(transposed):
    tile = PcmTile(sample(adc=16, pcm=IDEAL))
    tile.load_weights(np.random.default_rng(3).integers(-(2**14), 2**14 + 1, (5, 6)) << 6)
    w = tile.weights >> 6
    codes = np.random.default_rng(4).integers(-128, 128, (7, 6 if transposed else 5))
    sums = codes @ (w.T if transposed else w)
    answers = tile.backward(codes) if transposed else tile.forward(codes)
    wanted = [[(s * 2**15 // (128 * 2**14 * 4) * 2 + 1) // 2 for s in row] for row in sums.tolist()]
    assert np.abs(answers - np.array(wanted)).max() <= 1  # the ADC rounds to nearest
    nearest = [[math.floor(s / 2**8 + 0.5) for s in row] for row in sums.tolist()]
    assert answers.tolist() == nearest


def test_batches_split_anywhere():
    noisy = Converters(adc_range=4.0, adc_noise=0.5, read_noise=0.01, dac_noise=0.01)
    one, two = (PcmTile(sample(converters=noisy), seed=4) for _ in range(2))
    codes = np.random.default_rng(5).integers(-128, 128, (9, 5))
    for tile in (one, two):
        tile.load_weights(np.full((5, 6), ONE // 3))
        tile.now_ns = 40 * SECOND
    whole = one.forward(codes)
    parts = np.concatenate([two.forward(codes[:2]), two.forward(codes[2:3]), two.forward(codes[3:])])
    assert np.array_equal(whole, parts)
    assert len({tuple(row) for row in one.forward(np.tile(codes[:1], (8, 1))).tolist()}) > 1


@pytest.mark.parametrize("transposed", [False, True])
def test_the_noise_of_a_line_is_that_of_its_devices(transposed):
    """The spread of many reads is the root of the summed variances of all devices on the line."""
    tile = PcmTile(sample(rows=24, columns=24, adc=18))
    tile.load_weights(np.random.default_rng(6).integers(-ONE, ONE + 1, (24, 24)))
    tile.now_ns = 3600 * SECOND
    codes = np.random.default_rng(7).integers(-128, 128, 24)
    answers = (tile.backward if transposed else tile.forward)(np.tile(codes, (4000, 1)))
    s = tile.seen()[1].astype(float) / 2**16
    variance = s[:, 0::2] ** 2 + s[:, 1::2] ** 2
    wanted = np.sqrt(codes.astype(float) ** 2 @ (variance.T if transposed else variance)) * 2**17 / (128 * 4)
    assert np.abs(answers.std(axis=0) / wanted - 1).max() < 0.06


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("dac_noise", [0.0, 0.02])
def test_row_reads_give_single_devices(dac_noise, engine):
    """DACs that are noisy change nothing: one line is on, at full scale."""
    part = Converters(adc_range=4.0, adc_range_backward=4.0, dac_noise=dac_noise)
    tile = PcmTile(sample(adc=10, converters=part, pcm=Pcm(read_noise=0.0, drift=0.0)), engine=engine)
    tile.load_weights(np.array([[ONE, -ONE, ONE // 2, 0, -ONE // 4, 1]] * 5))
    assert tile.sense_row(3).tolist() == [1023, 0, 0, 1023, 512, 0, 0, 0, 0, 256, 0, 0]
    named = tile.sense_row(3, np.array([False, True, False])).tolist()
    assert named == [0, 0, 0, 0, 512, 0, 0, 0, 0, 0, 0, 0]


def test_row_reads_have_the_noise_of_their_devices():
    tile = PcmTile(sample(adc=16))
    tile.load_weights(np.full((5, 6), ONE // 2))
    tile.now_ns = 1000 * SECOND
    codes = np.array([tile.sense_row(0) for _ in range(3000)]) / 2**16
    seen, deviation = (part[0, 0::2] for part in tile.seen())
    assert np.abs(codes.mean(axis=0)[0::2] - seen / ONE).max() < 0.002
    assert np.abs(codes.std(axis=0)[0::2] / (deviation / 2**16) - 1).max() < 0.06


@pytest.mark.parametrize("scale", [1, 2**24])
def test_products_are_exact_on_either_way(scale):
    rng = np.random.default_rng(8)
    left, right = rng.integers(-(2**20), 2**20, (3, 64)), rng.integers(-(2**7), 2**7, (64, 4)) * scale
    wanted = [[sum(int(a) * int(b) for a, b in zip(row, column, strict=True)) for column in right.T] for row in left]
    assert product(left, right).tolist() == wanted


# --- checkpoints and bad input ----------------------------------------------------------------------------------------


def work(tile, steps):
    for step in steps:
        tile.now_ns += step * SECOND
        tile.pulse_row(step % 5, mask(tile, step % 12, (step + 3) % 12), direction=SET, amplitude=NOMINAL)
        if step % 3 == 0:
            tile.pulse_row(step % 5, mask(tile, step % 12), direction=RESET, amplitude=0)
            tile.sense_row(step % 5)
        if step % 4 == 1:
            tile.forward(np.full((2, 5), step))
    return tile.state() | {"codes": tile.forward(np.full((3, 5), 77)), "row": tile.sense_row(1)}


def test_a_checkpoint_continues_to_the_same_bits():
    one, two = (PcmTile(sample(), seed=3, tile=2) for _ in range(2))
    work(one, range(10))
    tile = PcmTile(sample(), seed=3, tile=2)
    work(tile, range(7))
    tile.pulse_row(2, mask(tile, 1), direction=RESET, amplitude=0)  # within an open row
    saved = tile.state()
    two.restore(saved)
    assert two.open_row == 2
    a, b = work(tile, range(7, 20)), work(two, range(7, 20))
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identity": np.array([3, 0, 1])}, r"identity = \[3, 0, 1\]: must be \[3, 2, 1\]"),
        ({"g": np.full((5, 12), ONE + 1)}, "g: values"),
        ({"since_ns": np.full((5, 12), 7)}, "since_ns: values 7..7: must be 0..0"),
        ({"open_row": np.array(5)}, "open_row"),
        ({"fresh": np.zeros(3, bool)}, "fresh"),
    ],
)
def test_other_checkpoints_are_refused_and_change_nothing(change, message):
    tile = PcmTile(sample(), seed=3, tile=2)
    before = tile.state()
    with pytest.raises(ValueError, match=message):
        tile.restore(before | change)
    assert all(np.array_equal(value, before[name]) for name, value in tile.state().items())


def test_tiles_differ_by_seed_and_by_number():
    tiles = [PcmTile(sample(), seed=s, tile=t) for s, t in ((1, 0), (1, 1), (2, 0))]
    for tile in tiles:
        tile.pulse_row(0, everything(tile), direction=SET, amplitude=NOMINAL)
    assert len({tuple(tile.g[0].tolist()) for tile in tiles} | {tuple(tile.xi[0].tolist()) for tile in tiles}) == 6


def test_bad_input_is_one_line():
    with pytest.raises(UserError, match=r"array.pair = .single.: must be set-only"):
        PcmTile(sample("single"))
    with pytest.raises(UserError, match=r"pcm.slope = 2.0: must be 0.0..1.0"):
        Pcm(slope=2.0)
    tile = PcmTile(sample())
    with pytest.raises(ValueError, match=r"PcmTile.forward x_codes \(2, 6\): must be \[B, 5\]"):
        tile.forward(np.zeros((2, 6), int))
    with pytest.raises(ValueError, match="codes must be -128..127"):
        tile.forward(np.full((2, 5), 128))
    assert tile.load_weights(np.full((5, 6), -ONE - 1)) == 30
    assert (tile.weights == -ONE).all()
