"""Devices that forget: the rule beside Python's integers, both engines, and the time constant."""

import numpy as np
import pytest

from crosstrain_model.design import Array, Design
from crosstrain_model.design_device import Device
from crosstrain_model.twin import ArrayTile
from crosstrain_model.twin.device import ONE
from crosstrain_model.twin.retention import decay


def sample(pair="single", **fields):
    device = Device(**({"sigma_dd": 0.3, "sigma_pm": 0.1, "sigma_b": 0.2, "sigma_cc": 0.3} | fields))
    return Design(name="sample", array=Array(rows=5, columns=6, lanes=2, pair=pair), device=device)


def _plain(g, rest, n):
    step = (abs(g - rest) + 2 ** (n - 1)) // 2**n
    return g - step if g > rest else g + step


@pytest.mark.parametrize("log2", [1, 6, 10])
def test_the_rule_beside_plain_integers(log2):
    edge = [0, 1, -1, 2 ** (log2 - 1), -(2 ** (log2 - 1)), 2**log2 - 1, 2**21 - 64, -(2**21) + 64]
    g = np.array([[a for a in edge for _ in edge]], dtype=np.int32)
    rest = np.array([[b for _ in edge for b in edge]], dtype=np.int32)
    expected = [_plain(a, b, log2) for a, b in zip(g[0].tolist(), rest[0].tolist(), strict=True)]
    decay(g, rest, log2)
    assert g[0].tolist() == expected


@pytest.mark.parametrize("zero", ["absolute", "symmetry"])
@pytest.mark.parametrize("pair", ["single", "push-pull", "set-only"])
def test_engines_agree_and_go_on_after_a_restore(pair, zero):
    design = sample(pair, decay_every=3, decay_log2=2, zero=zero)
    fast, plain = (ArrayTile(design, engine=engine) for engine in ("numba", "numpy"))
    draw, wide = np.random.default_rng(3), fast.device_columns
    for step in range(11):
        bits = draw.integers(0, 2**10, 5), draw.integers(0, 2**10, 6)
        signs = draw.integers(-1, 2, 5), draw.integers(-1, 2, 6)
        slots = draw.random((4, 5)) < 0.5, *(draw.random((2, 4, wide)) < 0.5)
        for tile in (fast, plain):
            tile.pulse_train(*bits, *signs)
            tile.train_slots(*slots)
            tile.program_row(step % 5, np.ones(6, dtype=int))
        assert np.array_equal(fast.g, plain.g)
        assert np.array_equal(fast.levels, plain.levels)
        if step == 5:
            fresh = ArrayTile(design)
            fresh.restore(fast.state())
            fast = fresh


def test_only_every_kth_train_with_pulses_counts():
    """One device is pulsed, all the others decay; trains without a coincidence are no trains."""
    tile = ArrayTile(sample(kind="ideal", decay_every=2, decay_log2=3))
    tile.load_weights(np.full((5, 6), ONE // 2))
    one, none = [np.eye(1, n, dtype=int)[0] for n in (5, 6)], [np.zeros(n, dtype=int) for n in (5, 6)]
    signs = [np.ones(n, dtype=int) for n in (5, 6)]
    for bits, weight in ((one, 8), (none, 8), (none, 8), (one, 7), (one, 7), (none, 7), (one, 7 * 7 / 8)):
        tile.pulse_train(*bits, *signs)
        assert tile.weights[4, 5] == ONE * weight / 16


@pytest.mark.parametrize("zero", ["absolute", "symmetry"])
def test_the_time_constant_is_the_stated_one(zero):
    tile = ArrayTile(sample(decay_every=1, decay_log2=5, zero=zero))
    tile.load_weights(np.full((5, 6), ONE // 4))
    start = tile.weights[1:, 1:].copy()
    for _ in range(64):
        tile.train_slots(*(np.eye(1, n, dtype=bool) for n in (5, 6, 6)))
    assert np.abs(tile.weights[1:, 1:] / start - (1 - 1 / 32) ** 64).max() < 1e-3
    for _ in range(800):
        tile.train_slots(*(np.eye(1, n, dtype=bool) for n in (5, 6, 6)))
    assert np.abs(tile.weights[1:, 1:]).max() < 16
