"""Responses of phase-change devices: what is plotted is what arrays do, by their definition in numpy."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin import noise
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_bit_response import bit_errors, bit_response
from crosstrain_model.twin.pcm_drift import ONE
from crosstrain_model.twin.pcm_response import AGES_NS, DAY, LEVELS, YEAR, one_lane, pcm_response
from crosstrain_model.twin.pcm_tile import PcmTile

DEVICES, PULSES = 30, 6
HIC = load_design("hic-8")
BITS = HIC.hybrid.bits


def having(**fields):
    return dataclasses.replace(HIC, pcm=dataclasses.replace(HIC.pcm, **fields))


def binary(**fields):
    return dataclasses.replace(HIC, binary_pcm=dataclasses.replace(HIC.binary_pcm, **fields))


DESIGNS = [
    HIC,
    having(step=0.05, slope=0.9, reset_level=0.2),
    having(programming_noise=3.0, drift=0.3),
    dataclasses.replace(HIC, seed=5, pulse=dataclasses.replace(HIC.pulse, amplitude_set=0x2345)),
]


@pytest.mark.parametrize("design", DESIGNS)
def test_pulses_are_the_rule_of_a_pulse_on_the_noise_of_the_array(design):
    tile = PcmTile(one_lane(design, 1, DEVICES), engine="numpy")
    g, expected = tile.g[0], []
    for number, direction in enumerate([RESET] + PULSES * [SET]):
        amplitude = design.pulse.amplitude_set
        g = tile.constants.pulse(g, direction, amplitude, tile.z(noise.PROGRAM, number, 0))
        expected.append(g[0::2] / ONE)
    found = pcm_response(design, DEVICES, PULSES)
    assert np.array_equal(found.trace, expected)
    assert found.amplitude == design.pulse.amplitude_set


@pytest.mark.parametrize("design", DESIGNS)
def test_levels_settle_and_drift_by_the_rules_of_the_array(design):
    tile = PcmTile(one_lane(design, len(LEVELS), DEVICES), engine="numpy")
    found = pcm_response(design, DEVICES, 1)
    for row, level in enumerate(LEVELS):
        exact = np.full(tile.device_columns, level)
        g = tile.constants.settle(exact, tile.z(noise.RELAX, row, row))
        assert np.array_equal(found.errors[row], g[0::2] / ONE - level / ONE)
        for place, age in enumerate(AGES_NS):
            seen = tile.aging.drifted(g, tile.xi[row], np.full(g.shape, age))
            assert np.array_equal(found.aged[row, place], seen[0::2] / ONE), (level, age)


def test_an_exact_device_that_keeps_what_it_holds():
    found = pcm_response(having(slope=0.0, sigma_cc=0.0, programming_noise=0.0, drift=0.0, reset_noise=0.0), 2, 9)
    assert np.allclose(found.trace[:, 0], np.minimum(0.004 + 0.125 * np.arange(10), 1.0), atol=1e-5)
    assert not found.errors.any()
    assert (found.aged == found.levels[:, None, None]).all()


def test_ages_reach_from_a_second_to_a_year():
    assert (AGES_NS[0], AGES_NS[-1]) == (10**9, YEAR)
    assert {DAY, 20 * 10**9} < set(AGES_NS.tolist())
    found = pcm_response(HIC, DEVICES, 1)
    for level, place in ((0.52, 10), (0.9, 18)):
        assert np.array_equal(found.level(level), found.aged[place])
        assert np.array_equal(found.after(level, DAY), found.aged[place, AGES_NS.tolist().index(DAY)])


@pytest.mark.parametrize("design", [HIC, binary(set_level=0.6, level_noise=0.2, error_set=0.2, drift=2.0)])
def test_bits_are_what_an_array_of_them_holds(design):
    array = PcmBinaryArray(one_lane(design, 1, -(-DEVICES // BITS)), engine="numpy")
    picked = np.arange(array.device_columns) < DEVICES
    found = bit_response(design, DEVICES, 2)
    expected = [array.g[0, picked]]
    for direction in (SET, RESET, SET, RESET):
        array.pulse_row(0, picked, direction=direction)
        expected.append(array.g[0, picked])
    assert np.array_equal(found.trace, np.array(expected) / ONE)
    assert found.rising.tolist() == [True, False, True, False]
    assert (found.stuck, found.threshold) == (0, array.threshold / ONE)
    for aged, direction in zip(found.aged, (None, SET), strict=True):
        if direction is not None:
            array.pulse_row(0, picked, direction=direction)
        start = array.now_ns
        for place, age in enumerate(AGES_NS.tolist()):
            array.now_ns = start + age
            assert np.array_equal(aged[place], array.drifted(0)[picked] / ONE)


def test_stuck_devices_are_left_out():
    found = bit_response(binary(stuck_low=0.3, stuck_high=0.2), 1000, 1)
    assert abs(found.stuck - 500) < 80
    assert found.trace.shape[1] == found.aged.shape[2] == 1000 - found.stuck
    with pytest.raises(UserError, match="all of 4 devices are stuck"):
        bit_response(binary(stuck_low=1.0), 4, 1)


def test_errors_of_bits_are_those_of_the_design():
    fine = bit_errors(HIC)
    assert (fine.after_set, fine.after_reset, fine.ones_lost, fine.zeros_lost) == (0.0, 0.0, 0.0, 0.0)
    assert fine.devices >= 64_000
    wrong = bit_errors(binary(error_set=0.1, error_reset=0.05))
    assert abs(wrong.after_set - 0.1) < 0.005
    assert abs(wrong.after_reset - 0.05) < 0.005
    stuck = bit_errors(binary(stuck_low=0.04, stuck_high=0.02))
    assert abs(stuck.after_set - 0.04) < 0.004
    assert abs(stuck.after_reset - 0.02 / 0.96) < 0.003
    late = bit_errors(binary(read_level=0.4))
    assert (late.after_set, late.after_reset) == (0.0, 0.0)
    assert 0.3 < late.ones_lost < 0.7
    lost = bit_errors(binary(reset_level=0.02, read_level=0.021, drift=0.0, read_noise=2.0))
    assert 0.0 < lost.zeros_lost < 0.5
