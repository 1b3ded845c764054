"""Drift and read noise: the rule beside Python's integers, its meaning beside the published formulas, and time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.twin.pcm_drift import ONE, SECOND, TIME_LIMIT, Aging
from crosstrain_model.twin.powers import log2, power

AGING = Aging.of(drift=1.0, read_noise=1.0)
YEAR = 365 * 24 * 3600 * SECOND
G = st.integers(0, ONE)
XI = st.integers(-6 << 16, 6 << 16)
T = st.integers(0, TIME_LIMIT - 1)


def clamp(value, low, high):
    return min(max(value, low), high)


def plain(g, xi, t):
    """nu, g(t) and s(t) of one device, in Python's integers."""
    depth = (20 << 16) - int(log2(max(g, 1)))
    mu = clamp((11266 * depth + 32768 >> 16) + 25585, 51380, 104858)
    sigma = clamp((9085 * depth + 32768 >> 16) - 6187, 8389, 47186)
    nu = abs(mu + (sigma * xi + 32768 >> 16))
    age = max(int(log2(max(t, 1))) - int(log2(20 * 10**9)), 0)
    seen = g * int(power(nu * age + 2**19 >> 20)) + 2**29 >> 30
    q = int(power(max(447498 - (42598 * depth + 32768 >> 16), 152170)))
    ln = 45426 * max(int(log2(t + 250)) - int(log2(500)), 0) + 32768 >> 16
    root = math.isqrt(ln << 16)
    return nu, seen, (((seen * q >> 20) * root >> 14) * 2**16 + 2**31) >> 32


def parts(g, xi, t):
    g, xi, t = (np.array(value, np.int64) for value in (g, xi, t))
    seen = AGING.drifted(g, xi, t)
    return AGING.exponent(g, xi), seen, AGING.deviation(g, seen, t)


@given(st.lists(st.tuples(G, XI, T), min_size=1, max_size=20))
def test_the_rule_beside_plain_integers(devices):
    nu, seen, deviation = parts(*zip(*devices, strict=True))
    assert list(zip(nu.tolist(), seen.tolist(), deviation.tolist(), strict=True)) == [plain(*d) for d in devices]


def test_corners():
    for g in (0, 1, ONE - 1, ONE):
        for xi in (-6 << 16, 0, 6 << 16):
            for t in (0, 1, 249, 250, 251, 20 * SECOND, TIME_LIMIT - 1):
                assert tuple(int(part) for part in parts(g, xi, t)) == plain(g, xi, t)


@pytest.mark.parametrize("relative", [1.0, 0.5, 0.1, 0.01])
@pytest.mark.parametrize("seconds", [1, 20, 3600, 86400, 30 * 86400, 365 * 86400])
@pytest.mark.parametrize("xi", [-1.5, 0.0, 2.0])
def test_the_integers_are_the_published_formulas(relative, seconds, xi):
    g = round(relative * ONE)
    mu = clamp(-0.0155 * math.log(relative) + 0.0244, 0.049, 0.1)
    sigma = clamp(-0.0125 * math.log(relative) - 0.0059, 0.008, 0.045)
    nu = abs(mu + sigma * xi)
    seen = relative * max(seconds / 20, 1) ** -nu
    noise = seen * min(0.0088 / relative**0.65, 0.2) * math.sqrt(math.log((seconds + 250e-9) / 500e-9))
    found = parts(g, round(xi * 2**16), seconds * SECOND)
    assert int(found[0]) / 2**20 == pytest.approx(nu, abs=3e-6)
    assert int(found[1]) / ONE == pytest.approx(seen, rel=1e-4, abs=1e-6)
    assert int(found[2]) / 2**16 == pytest.approx(noise, rel=1e-3, abs=1e-5)


@given(G, XI, st.lists(T, min_size=2, max_size=20))
def test_conductances_only_fall_and_not_before_twenty_seconds(g, xi, times):
    times = sorted(times)
    seen = AGING.drifted(np.full(len(times), g), np.full(len(times), xi), np.array(times)).tolist()
    assert seen == sorted(seen, reverse=True)
    assert all(value == g for value, t in zip(seen, times, strict=True) if t <= 20 * SECOND)


def test_a_year_takes_a_half_of_an_average_device():
    seen = AGING.drifted(np.array([ONE]), np.array([0]), np.array([YEAR]))
    assert int(seen[0]) / ONE == pytest.approx((YEAR / SECOND / 20) ** -0.049, rel=1e-3)
    assert 0.49 < int(seen[0]) / ONE < 0.51


def test_scales():
    none, twice = Aging.of(drift=0.0, read_noise=0.0), Aging.of(drift=2.0, read_noise=2.0)
    g, xi, t = np.array([ONE // 2]), np.array([3 << 14]), np.array([YEAR])
    assert none.drifted(g, xi, t).tolist() == g.tolist()
    assert none.deviation(g, g, t).tolist() == [0]
    assert twice.exponent(g, xi).tolist() == (2 * AGING.exponent(g, xi)).tolist()
    assert abs(int(twice.deviation(g, g, t)[0]) - 2 * int(AGING.deviation(g, g, t)[0])) <= 1
