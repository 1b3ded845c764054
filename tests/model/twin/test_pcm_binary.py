"""Binary phase-change devices: what is written is read, how often not, what sticks, and what a year leaves."""

import numpy as np
import pytest

from crosstrain_model.design import Array, Design
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_pcm import BinaryPcm
from crosstrain_model.errors import UserError
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_drift import ONE, SECOND


def sample(bits=7, rows=40, columns=50, seed=1, **fields):
    design = Design(
        name="sample", array=Array(rows=rows, columns=columns, lanes=4, pair="set-only"), hybrid=Hybrid(bits=bits),
        binary_pcm=BinaryPcm(**fields),
    )  # fmt: skip
    return PcmBinaryArray(design, seed=seed)


def write(array, bits):
    """All devices to bits [rows, device columns]."""
    for row in range(array.rows):
        array.pulse_row(row, bits[row], direction=SET)
        array.pulse_row(row, ~bits[row], direction=RESET)


def read(array):
    return np.array([array.sense_row(row) for row in range(array.rows)]) == 1


def pattern(array, seed=3):
    return np.random.default_rng(seed).random((array.rows, array.device_columns)) < 0.5


@pytest.mark.parametrize("seconds", [0, 1, 3600, 365 * 86400])
def test_what_is_written_is_read_for_a_year(seconds):
    array = sample()
    assert not read(array).any()
    bits = pattern(array)
    write(array, bits)
    array.now_ns = seconds * SECOND
    assert np.array_equal(read(array), bits)
    write(array, ~bits)
    assert np.array_equal(read(array), ~bits)


def test_conductances_lie_about_their_levels():
    array = sample()
    bits = pattern(array)
    write(array, bits)
    ones, zeros = array.g[bits] / ONE, array.g[~bits] / ONE
    assert (ones.mean(), ones.std()) == (pytest.approx(0.8, abs=0.002), pytest.approx(0.04, rel=0.03))
    assert (zeros.mean(), zeros.std()) == (pytest.approx(0.02, abs=0.0001), pytest.approx(0.001, rel=0.03))


@pytest.mark.parametrize(("direction", "field"), [(SET, "error_set"), (RESET, "error_reset")])
def test_so_many_pulses_fail_and_leave_a_device_as_it_was(direction, field):
    array = sample(**{field: 0.1})
    start = np.full((array.rows, array.device_columns), direction == RESET)
    if direction == RESET:
        write(array, start)
    before, since = array.g.copy(), array.since_ns.copy()
    array.now_ns = 10
    for row in range(array.rows):
        assert array.pulse_row(row, np.ones_like(start[row]), direction=direction) == array.device_columns
    failed = read(array) == start
    assert failed.mean() == pytest.approx(0.1, abs=0.01)
    assert np.array_equal(array.g[failed], before[failed])
    assert np.array_equal(array.since_ns, np.where(failed, since, 10))
    assert ((array.sets if direction == SET else array.resets) >= 1).all()  # failed pulses wear too


def test_none_and_all_fail():
    array = sample(error_set=1.0)
    array.pulse_row(0, np.ones(array.device_columns, bool), direction=SET)
    assert not array.sense_row(0).any()
    assert (array.sets[0] == 1).all()
    written = sample()
    written.pulse_row(0, np.ones(written.device_columns, bool), direction=SET)
    assert written.sense_row(0).all()


def test_stuck_devices_give_their_bit_whatever_is_done():
    array = sample(stuck_low=0.05, stuck_high=0.1)
    assert (array.stuck == -1).mean() == pytest.approx(0.05, abs=0.006)
    assert (array.stuck == 1).mean() == pytest.approx(0.1, abs=0.008)
    for bits in (pattern(array), ~pattern(array)):
        write(array, bits)
        assert np.array_equal(read(array), np.where(array.stuck == 0, bits, array.stuck > 0))


def test_a_threshold_amid_the_noise_errs():
    """Not a constant: the read compares a noisy conductance."""
    array = sample(read_level=0.79)
    write(array, np.ones((array.rows, array.device_columns), bool))
    array.now_ns = SECOND
    one, two = read(array), read(array)
    assert 0.3 < one.mean() < 0.9
    assert not np.array_equal(one, two)


def test_groups_and_columns_that_are_left_out():
    array = sample(rows=2, columns=5, bits=4)
    assert array.pulse_row(1, np.ones(20, bool), direction=SET) == 20
    assert array.sense_row(1, np.array([False, True])).tolist() == 16 * [0] + 4 * [1]
    assert array.sense_row(1, np.array([True, False])).tolist() == 16 * [1] + 4 * [0]
    before = array.state()
    assert array.pulse_row(1, np.zeros(20, bool), direction=RESET) == 0
    assert all(np.array_equal(value, before[name]) for name, value in array.state().items())
    array.pulse_row(1, np.arange(20) == 4, direction=RESET)
    assert np.flatnonzero(array.sense_row(1) == 0).tolist() == [4]
    assert (array.cycles.sum(), array.sets.sum()) == (1, 20)


def test_a_checkpoint_continues_to_the_same_bits():
    one, two = sample(error_set=0.2, seed=5), sample(error_set=0.2, seed=5)
    write(one, pattern(one))
    one.now_ns = 77
    two.restore(one.state())
    for array in (one, two):
        write(array, pattern(array, 9))
    assert all(np.array_equal(value, two.state()[name]) for name, value in one.state().items())
    with pytest.raises(ValueError, match="PcmBinaryArray.restore identity"):
        sample(seed=6).restore(one.state())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"read_level": 0.9}, r"binary_pcm.read_level = 0.9: must be between 0.02 \(reset_level\) and 0.8 \("),
        ({"stuck_low": 0.7, "stuck_high": 0.5}, "binary_pcm.stuck_high = 0.5: must be at most 0.3"),
        ({"error_set": -0.1}, "binary_pcm.error_set = -0.1: must be 0.0..1.0"),
    ],
)
def test_bad_input_is_one_line(fields, message):
    with pytest.raises(UserError, match=message):
        BinaryPcm(**fields)
