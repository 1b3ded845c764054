"""Device parameters and the pulse rule, beside arithmetic that cannot wrap."""

import dataclasses
import itertools

import numpy as np
import pytest

from crosstrain_model.design import Array, Design
from crosstrain_model.design_device import Device
from crosstrain_model.twin import ArrayTile, device, noise, pulse_response
from crosstrain_model.twin.device import ONE, Devices
from crosstrain_model.twin.pulses import pulse_row


def small(pair="single", rows=6, columns=5, **device_fields):
    array = Array(rows=rows, columns=columns, lanes=1, pair=pair)
    return Design(name="sample", array=array, device=Device(**device_fields))


def _plain_pulse(g, a, k, rising, low, high, exponent, strength, of_step, z):
    """The rule in Python's unbounded integers."""
    step = a - ((k * (g >> 6) + 8192) >> 14)
    step = max(step, 0) if rising else min(step, 0)
    if strength:
        zs = (z * strength) >> 6
        step += ((step if of_step else a) * zs + 2048) >> 12
    return min(max(g + (step << exponent), low << 6), high << 6)


@pytest.mark.parametrize("of_step", [True, False])
@pytest.mark.parametrize("z", [-510, 510, 3])
@pytest.mark.parametrize("exponent", [0, 7])
def test_no_corner_of_the_parameters_wraps(monkeypatch, z, exponent, of_step):
    """Every corner of int16 parameters, state, noise and exponent, against unbounded integers; both directions."""
    monkeypatch.setattr(noise, "z_of", lambda words: np.full(words.shape, z, dtype=np.int32))
    states = (-(2**21) + 64, -(2**20), -1, 0, 63, 2**20, 2**21 - 64)
    cells = list(itertools.product(states, (0, 1, 32767), (0, 1, 32767), (1774, 0)))
    for rising in (True, False):
        for strength in (0, 1774):
            g = np.array([[cell[0] for cell in cells]], dtype=np.int32)
            a = np.array([[cell[1] if rising else -cell[1] for cell in cells]], dtype=np.int16)
            k = np.array([[cell[2] for cell in cells]], dtype=np.int16)
            zero, limit = np.zeros_like(a), np.full_like(a, 32767)
            up, down = ((a, k), (zero, zero)) if rising else ((zero, zero), (a, k))
            parts = Devices(
                step_up=up[0],
                slope_up=up[1],
                step_down=down[0],
                slope_down=down[1],
                low=-limit,
                high=limit,
                exponent=exponent,
                noise=strength,
                noise_of_step=of_step,
            )
            expected = [
                _plain_pulse(*cell, rising, -32767, 32767, exponent, strength, of_step, z)
                for cell in zip(g[0].tolist(), a[0].tolist(), k[0].tolist(), strict=True)
            ]
            one = np.ones(g.size, dtype=np.int32)
            key = (np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.uint32))
            pulse_row(g, parts, 0, one * rising, one, key)
            assert g[0].tolist() == expected


@pytest.mark.parametrize("kind", ["ideal", "constant-step", "linear-step", "soft-bounds"])
@pytest.mark.parametrize("states", [2, 3, 64, 10000])
def test_legal_extremes_make_legal_devices(kind, states):
    """`make` asserts its premises; here at the corners of what a design may say."""
    for sigma in (0.0, 1.0):
        fields = dict.fromkeys(("sigma_dd", "sigma_pm", "sigma_b", "sigma_cc"), sigma)
        fields |= {"slope_up": 0.99, "slope_down": 0.99}
        parts = device.make(small(rows=40, columns=40, kind=kind, states=states, **fields), seed=1, tile=0, array=0)
        assert parts.noise == (0 if kind == "ideal" else round(sigma * 2**18 / 147.8005) if sigma else 0)
        g = np.full((40, 40), 2**30, dtype=np.int64)
        assert parts.clamp(g).max() <= 2**21 - 64


def test_ideal_devices_take_exact_steps():
    tile = ArrayTile(small(kind="ideal", states=64, sigma_cc=1.0, sigma_dd=1.0))
    counts = np.array([3, -2, 0, 15, -15])
    assert tile.program_row(2, counts) == 35
    assert np.array_equal(tile.weights[2], counts * (2 * ONE // 64))
    assert not tile.weights[[0, 1, 3, 4, 5]].any()


def test_soft_bounds_follow_the_closed_form():
    """Without noise g after n pulses is high - (high - low) (1 - a)^n, to within half a unit of rounding per pulse."""
    trace = pulse_response(small(kind="soft-bounds", states=64), 200, 200)[:, 0] / ONE
    decay = (1 - 2 / 64) ** np.arange(201)
    assert np.max(np.abs(trace[:201] - (1 - 2 * decay))) < 200 * 2**-19
    assert np.max(np.abs(trace[200:] - (-1 + (trace[200] + 1) * decay))) < 200 * 2**-19


def test_a_bound_of_zero_is_reached_and_kept():
    """sigma_b may put a bound at zero: the device still moves between its bounds, and never beyond."""
    design = small(rows=30, columns=30, kind="soft-bounds", sigma_b=1.0, states=8)
    tile = ArrayTile(design)
    low, high = tile.devices.low.astype(int) << 6, tile.devices.high.astype(int) << 6
    assert (high == 0).any()
    tile.program_rows(np.repeat(np.arange(30), 6), np.full((180, 30), 15))
    assert np.array_equal(tile.g[high == 0], high[high == 0])
    assert ((tile.g >= low) & (tile.g <= high)).all()


def test_symmetry_point_balances_up_and_down():
    """There, a mean up step and a mean down step cancel to within rounding of the parameters."""
    design = small(rows=20, columns=20, kind="soft-bounds", sigma_dd=0.3, sigma_pm=0.1, sigma_b=0.2, states=64)
    tile = ArrayTile(design)
    tile.conductance = tile.symmetry
    before = tile.conductance
    tile.program_rows(np.arange(20), np.ones((20, 20), dtype=int))
    up = tile.conductance - before
    tile.conductance = before
    tile.program_rows(np.arange(20), -np.ones((20, 20), dtype=int))
    down = tile.conductance - before
    assert np.abs(up + down).max() <= 8 << tile.devices.exponent
    assert np.abs(up).min() > 100


@pytest.mark.parametrize("base", ["step", "zero"])
def test_cycle_noise_has_its_mean_and_sigma(base):
    """40000 pulses from one conductance: mean and sigma within five standard errors (plus rounding to the unit)."""
    sigma, rows = 0.3, 200
    design = small(rows=rows, columns=200, kind="soft-bounds", states=64, sigma_cc=sigma, noise_base=base)
    tile = ArrayTile(design)
    tile.conductance = np.full((rows, 200), ONE // 2)
    tile.program_rows(np.arange(rows), np.ones((rows, 200), dtype=int))
    steps = (tile.conductance - ONE // 2) / (2 * ONE / 64)
    spread = sigma * (0.5 if base == "step" else 1.0)
    assert abs(steps.mean() - 0.5) < 5 * spread / 200 + 1e-3
    assert abs(steps.std() - spread) < 5 * spread / np.sqrt(2 * steps.size) + 1e-3


def test_variation_has_its_sigma():
    design = small(rows=100, columns=100, kind="constant-step", states=64, sigma_dd=0.3)
    parts = device.make(design, seed=5, tile=0, array=0)
    logs = np.log((parts.step_up.astype(int) << parts.exponent) / (2 * ONE / 64))
    assert abs(logs.mean()) < 0.3 * 5 / 100 + 1e-3
    assert abs(logs.std() - 0.3) < 0.3 * 5 / np.sqrt(2e4) + 1e-3


def test_devices_belong_to_seed_tile_and_array():
    design = small(sigma_dd=0.3)
    first = device.make(design, seed=1, tile=0, array=0)
    assert np.array_equal(first.step_up, device.make(design, seed=1, tile=0, array=0).step_up)
    for seed, tile, array in ((2, 0, 0), (1, 1, 0), (1, 0, 1)):
        assert not np.array_equal(first.step_up, device.make(design, seed=seed, tile=tile, array=array).step_up)


def test_linear_step_never_turns_round():
    """A slope near one with a bound beyond one: the mean step stops at zero instead of changing sign."""
    design = small(rows=30, columns=30, kind="linear-step", slope_up=0.99, slope_down=0.99, sigma_b=0.5, states=16)
    tile = ArrayTile(design)
    tile.load_weights(np.full((30, 30), 2**21))
    before = tile.conductance
    assert before.max() > 1.1 * ONE
    tile.program_rows(np.arange(30), np.ones((30, 30), dtype=int))
    assert (tile.conductance >= before).all()


def test_response_of_both_engines():
    design = dataclasses.replace(small(sigma_cc=0.3, sigma_dd=0.3, sigma_b=0.3))
    fast, plain = (pulse_response(design, 20, 30, devices=9, engine=engine) for engine in ("numba", "numpy"))
    assert fast.shape == (51, 9)
    assert np.array_equal(fast, plain)
