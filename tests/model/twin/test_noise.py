"""The hash, its keys, and the portable deviates."""

import math

import numpy as np
import pytest

from crosstrain_model.twin import kernels, noise

KNOWN_KEY = [2900574160, 1156234393]
KNOWN_WORDS = [388355982, 3380399740, 3351443155]
KNOWN_EXPONENTIALS = "b9188c8c0599f53f8e89a9782c62c73f"


def test_known_words():
    """The generator is a contract: these numbers never change."""
    key = noise.event_key(noise.base_key(1, 2, 3, noise.PROGRAM), np.array([5]), np.array([7]))
    assert noise.mix(np.array([0, 1, 0xFFFFFFFF], dtype=np.uint32)).tolist() == [0, 1753845952, 1734902346]
    assert [int(part[0]) for part in key] == KNOWN_KEY
    assert noise.words(key, np.arange(3)).tolist() == [KNOWN_WORDS]


def _plain_mix(h):
    h ^= h >> 16
    h = h * 0x7FEB352D & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 0x846CA68B & 0xFFFFFFFF
    return h ^ h >> 16


def _plain_key(values):
    a, b = 0x243F6A88, 0x85A308D3
    for w in values:
        a = _plain_mix(((a ^ w) + 0x9E3779B9) & 0xFFFFFFFF)
        b = _plain_mix(((b + w) & 0xFFFFFFFF) ^ 0x85EBCA6B)
    return a, b


@pytest.mark.parametrize("counter", [0, 1, 2**32 - 1, 2**32, 2**62 + 3])
def test_numpy_and_kernels_equal_python_integers(counter):
    seed, tile, array, kind, row = 0xFFFFFFFF, 0, 17, noise.TRAIN, 1023
    a, b = _plain_key((seed, tile, array, kind, counter & 0xFFFFFFFF, counter >> 32, row))
    base = noise.base_key(seed, tile, array, kind)
    key = noise.event_key(base, np.array([counter]), np.array([row]))
    assert [int(part[0]) for part in key] == [a, b]
    keys = np.zeros((noise.KINDS, 2), dtype=np.uint32)
    keys[kind] = base[0][0], base[1][0]
    assert [int(part) for part in kernels.event_key(keys, kind, counter, row)] == [a, b | 1]
    index = np.array([0, 1, 255, 2**20 - 1])
    expected = [_plain_mix((a + int(i) * (b | 1)) & 0xFFFFFFFF) for i in index]
    assert noise.words(key, index)[0].tolist() == expected
    z = [sum(word.to_bytes(4, "little")) - 510 for word in expected]
    assert noise.z_of(noise.words(key, index))[0].tolist() == z
    assert [int(kernels.z_of(np.uint32(word))) for word in expected] == z


def test_z_has_the_moments_it_claims():
    """A million z: mean, variance and fourth moment within five standard errors; neighbours uncorrelated."""
    key = noise.event_key(noise.base_key(3, 0, 0, 1), np.arange(1000), np.zeros(1000, dtype=np.int64))
    z = noise.z_of(noise.words(key, np.arange(1000))).astype(np.float64) / noise.Z_SIGMA
    n = z.size
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((z**4).mean() - (3 - 1.2 / 4)) < 5 * math.sqrt(80 / n)  # kurtosis of a sum of four uniforms
    for shifted in (z[:, 1:] * z[:, :-1], z[1:] * z[:-1]):
        assert abs(shifted.mean()) < 5 / math.sqrt(shifted.size)
    assert np.abs(z).max() <= noise.Z_LIMIT / noise.Z_SIGMA


def test_every_part_of_the_meaning_counts():
    """Changing any one word of an event's name gives another key."""
    names = [(1, 0, 0, 1, 0, 0)] + [tuple(int(i == j) * 9 + (1, 0, 0, 1, 0, 0)[i] for i in range(6)) for j in range(6)]
    keys = set()
    for seed, tile, array, kind, counter, row in names:
        key = noise.event_key(noise.base_key(seed, tile, array, kind), np.array([counter]), np.array([row]))
        keys.add((int(key[0][0]), int(key[1][0])))
    assert len(keys) == len(names)


def test_one_time_deviates():
    xi = noise.normal(noise.base_key(1, 0, 0, noise.DEVICE_STEP), 300, 200)
    assert np.array_equal(xi * 65536, np.rint(xi * 65536))
    assert np.abs(xi).max() <= 6
    assert abs(xi.mean()) < 5 / math.sqrt(xi.size)
    assert abs(xi.var() - 1) < 5 * math.sqrt(2 / xi.size)
    assert len(np.unique(xi)) > 0.75 * xi.size  # no two cells share their words


def test_exponential_is_close_and_portable():
    values = np.linspace(-8, 8, 1001)
    exact = np.array([math.exp(v) for v in values])
    assert np.max(np.abs(noise.exponential(values) / exact - 1)) < 1e-12
    assert noise.exponential(np.array([0.0]))[0] == 1.0
    assert noise.exponential(np.array([0.3, -1.7])).tobytes().hex() == KNOWN_EXPONENTIALS
