"""What reads subtract: symmetry points and their error, which device an array is made of, and wide row reads."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats, Transfer
from crosstrain_model.design_device import Converters, Device, GradientDevice
from crosstrain_model.port import ArrayId
from crosstrain_model.twin import ArrayTile
from crosstrain_model.twin.device import ONE

VARIED = {"sigma_dd": 0.3, "sigma_pm": 0.1, "sigma_b": 0.3, "states": 20}


def sample(scheme="ttv2", error=0.0, reference="scheme", pair="single", adc=12, **device):
    return Design(
        name="sample",
        scheme=scheme,
        array=Array(rows=9, columns=6, lanes=3, pair=pair),
        formats=Formats(adc=adc, fraction=4),
        transfer=Transfer(reference=reference),
        device=Device(**({"states": 100} | device)),
        gradient_device=GradientDevice(**VARIED),
        converters=Converters(reference_error=error, adc_range_row=8.0),
    )


@pytest.mark.parametrize(("scheme", "array"), [("mp", 0), ("mp", 1), ("sgd", 0), ("sgd", 1), ("ttv2", 1), ("agad", 1)])
def test_only_the_gradient_array_of_a_transfer_is_made_of_gradient_devices(scheme, array):
    fraction = {"formats": Formats(fraction=4)}
    tile = ArrayTile(Design(name="s", scheme=scheme, device=Device(states=100), **fraction), array=array)
    assert tile.device.states == 100
    assert tile.pulse_step == 2 / 100
    assert tile.reference is None
    assert ArrayTile(sample("agad"), array=ArrayId.A).device.states == 20


def test_a_new_section_changes_nothing_of_an_old_design():
    """Mixed precision on array 0, as it always was: `gradient_device` and the reference's error do not matter."""
    plain, other = (ArrayTile(sample("mp", error), array=0) for error in (0.0, 1.0))
    assert np.array_equal(plain.devices.step_up, other.devices.step_up)
    assert other.reference is None


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_a_static_reference_is_the_symmetry_point_and_its_error(error):
    tile = ArrayTile(sample(error=error), array=ArrayId.A)
    off = (tile.reference - tile.symmetry) / ONE
    assert off.any() == (error > 0)
    big = ArrayTile(dataclasses.replace(sample(error=error), array=Array(rows=200, columns=200)), array=ArrayId.A)
    off = (big.reference - big.symmetry) / ONE
    assert abs(off.mean()) <= 5 * error / 200
    assert abs(off.std() - error) <= 5 * error / np.sqrt(2 * off.size)
    assert ArrayTile(sample("agad", error), array=ArrayId.A).reference is None
    assert np.array_equal(ArrayTile(sample("agad", error, "both"), array=ArrayId.A).reference, tile.reference)


@pytest.mark.parametrize("pair", ["single", "push-pull"])
def test_weights_are_relative_to_the_symmetry_point(pair):
    scheme = "ttv2" if pair == "single" else "mp"
    design = sample(scheme, pair=pair, zero="symmetry", **VARIED | {"sigma_b": 0.1})
    tile = ArrayTile(design, array=ArrayId.W)
    assert not tile.weights.any()
    assert np.array_equal(tile.conductance, tile.symmetry)
    target = np.random.default_rng(1).integers(-(2**18), 2**18, (9, 6))
    assert tile.load_weights(target) == 0
    assert np.array_equal(tile.weights, target)
    shift = 6 if pair == "single" else 7
    assert np.array_equal(tile.levels, (target + (1 << shift - 1)) >> shift)
    other = ArrayTile(design, array=ArrayId.W, engine="numpy")
    other.restore(tile.state())
    assert np.array_equal(other.weights, target)
    assert tile.program_weights(np.zeros((9, 6), dtype=int)) > 0
    assert np.abs(tile.weights).max() < tile.weight_one // 4


def play(tile):
    """Reads and pulses of one tile; all that it answers."""
    draw, heard = np.random.default_rng(2), []
    for step in range(6):
        heard.append(tile.train_slots(draw.random((11, 9)) < 0.4, *(draw.random((2, 11, 6)) < 0.4)))
        signs = draw.integers(-1, 2, 9), draw.integers(-1, 2, 6)
        heard.append(tile.pulse_train(draw.integers(0, 2**63, 9), draw.integers(0, 2**63, 6), *signs))
        heard += [tile.forward(draw.integers(-128, 128, (5, 9))), tile.backward(draw.integers(-128, 128, (5, 6)))]
        heard += [tile.program_row(step, draw.integers(-3, 4, 6)), tile.read_row(step), tile.conductance]
        heard += [tile.levels.copy(), tile.weights]
    return heard


@pytest.mark.parametrize("error", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("array", [ArrayId.A, ArrayId.W])
def test_engines_agree_below_a_reference(array, error):
    design = sample(error=error, zero="symmetry", sigma_cc=0.3, **VARIED)
    answers = [play(ArrayTile(design, array=array, engine=engine)) for engine in ("numpy", "numba")]
    assert all(np.array_equal(a, b) for a, b in zip(*answers, strict=True))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_row_reads_do_not_wrap_or_clamp(engine):
    """A reference far beyond the weights: row reads give the nearest code, other reads clamp a weight at twice full."""
    tile = ArrayTile(sample(error=4.0, adc=18), array=ArrayId.A, engine=engine)
    assert np.abs(tile.reference).max() > 4 * ONE
    part = tile.row_converter
    for row in range(9):
        level = (tile.weights[row].astype(int) + 32) >> 6
        exact = (level * 128 * part.multiplier * 2 + (1 << part.shift)) >> (part.shift + 1)
        assert np.array_equal(tile.read_row(row), np.clip(exact, -(2**17), 2**17 - 1))
    assert np.abs(tile.levels).max() == 32767
