"""The rule of scale: its tables, its means, its corners, and its distance from the equations that it stands for."""

import math
from fractions import Fraction

import numpy as np
import pytest

from crosstrain_model import scale as rule
from crosstrain_model.design import Design, Formats
from crosstrain_model.design_gradient import Random, Train
from crosstrain_model.scale import Means, Scaled, ScaleSettings, scale, thresholds

TOP = 1 << 23


def design(x=8, d=8, slots=5, bits=8, **train):
    return Design(
        scheme="agad", formats=Formats(x=x, d=d), train=Train(slots=slots, **train), random=Random(bits=bits)
    )


CONFIGURATIONS = {
    "as presets": design(),
    "tiny": design(x=2, d=2, slots=1, bits=4),
    "wide": design(x=12, d=12, slots=63, bits=10),
    "uneven": design(x=3, d=11, slots=31, bits=10),
    "coarse": design(x=12, d=12, slots=5, bits=4),
}


def settings(rate=0, momentum=0, dynamic=1):
    return ScaleSettings(rate=rate, momentum=momentum, dynamic=dynamic)


def fixed(m=TOP, e=-23):
    """Both means 1, if nothing else is said."""
    return Means(m_x=m, e_x=e, m_d=m, e_d=e)


# --- logarithms -----------------------------------------------------------------------------------


def test_powers_of_two_are_exact():
    assert [rule.lg(1 << n) for n in range(24)] == [4096 * n for n in range(24)]


def test_logarithms_of_all_codes_and_of_means():
    rng = np.random.default_rng(1)
    values = [*range(1, 2049), *rng.integers(TOP, 2 * TOP, 20000).tolist(), TOP, TOP + 1, 2 * TOP - 1, 2 * TOP - 2]
    errors = [rule.lg(v) - 4096 * math.log2(v) for v in values]
    assert max(map(abs, errors)) < 2.2
    assert max(abs(error) for error in errors[:2048]) < 1.4
    assert rule.lg(2 * TOP - 1) == 4096 * 24  # rounds up, with a carry


def test_logarithms_never_fall():
    values = [rule.lg(v) for v in range(1, 2049)] + [rule.lg(v) for v in range(TOP, 2 * TOP, 499)]
    assert values == sorted(values)


def test_the_levels_are_exact():
    for n, level in enumerate(rule.levels(design(slots=63))[1:], 1):
        assert 2**level <= n**4096 < 2 ** (level + 1)
    assert rule.levels(design(slots=4)) == (0, 0, 4096, 6492, 8192)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_antilogarithms(name):
    tile = CONFIGURATIONS[name]
    full = 1 << (rule.factor_bits(tile) - 1)
    assert rule.antilog(tile, 0) == full
    for z in [*range(-200000, 0, 97), *range(-300, 0), -4096, -4097, -(1 << 23)]:
        wanted = full * 2 ** (z / 4096)
        assert abs(rule.antilog(tile, z) - wanted) <= 0.5 + 1.4 / 4096 * wanted, z
    assert rule.antilog(tile, -(1 << 23)) == 0


# --- means ----------------------------------------------------------------------------------------


def test_an_unset_mean_becomes_what_comes_first():
    assert rule.update_mean(0, 0, 100, 5, 12) == (100 << 17, 5 - 17)
    assert rule.update_mean(TOP - 1, 300, 1, -128, 3) == (TOP, -128 - 23)


@pytest.mark.parametrize("exponents", [(-128, 127), (127, -128), (0, 0)])
def test_without_momentum_the_mean_is_the_vector(exponents):
    m, e = rule.update_mean(0, 0, 77, exponents[0], 0)
    assert rule.update_mean(m, e, 2048, exponents[1], 0) == (TOP, exponents[1] - 12)


@pytest.mark.parametrize("momentum", range(1, 13))
def test_means_follow_the_real_ones(momentum):
    """Against exact fractions: the error of a step is at most that of the shifts and one rounding."""
    rng = np.random.default_rng(momentum)
    m, e = 0, 0
    for number in range(400):
        size, exponent = int(rng.integers(1, 2049)), int(rng.choice([0, 0, 1, -1, *rng.integers(-128, 128, 1)]))
        before, value = Fraction(m) * Fraction(2) ** e, Fraction(size) * Fraction(2) ** exponent
        wanted = before + (value - before) / 2**momentum if number else value
        m, e = rule.update_mean(m, e, size, exponent, momentum)
        assert TOP <= m < 2 * TOP
        assert -164 <= e <= 127
        got = Fraction(m) * Fraction(2) ** e
        common = Fraction(2) ** math.floor(math.log2(max(before, value)) - 23) if number else 0
        assert abs(got - wanted) <= 2 * common


def test_a_mean_shrinks_and_grows_over_the_whole_range():
    for first, then in (((1, -128), (2048, 127)), ((2048, 127), (1, -128))):
        m, e = rule.update_mean(0, 0, *first, 4)
        for _ in range(8000):
            m, e = rule.update_mean(m, e, *then, 4)
            assert TOP <= m < 2 * TOP
        assert abs(m * 2.0**e / (then[0] * 2.0 ** then[1]) - 1) < 1e-5


# --- trains ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size_x", "size_d"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_changes_nothing(size_x, size_d):
    means = Means(m_x=TOP + 5, e_x=3, m_d=0, e_d=9)
    assert scale(design(), settings(), means, size_x, 1, size_d, 2) == Scaled(slots=0, m_x=0, m_d=0)
    assert means == Means(m_x=TOP + 5, e_x=3, m_d=0, e_d=9)


def test_the_first_vector_is_as_usual():
    """Unset means: k is the rate itself, whatever codes and exponents."""
    tile = design(slots=31)
    for n in range(1, 32):
        rate = math.floor(256 * math.log2(n))
        for size in (1, 77, 128):
            assert scale(tile, settings(rate, 4), Means(), size, -128, 128, 127).slots == n
        assert scale(tile, settings(rate + 1, 4), Means(), 3, 0, 3, 0).slots == min(n + 1, 31)


def test_the_means_move_first():
    means = fixed()
    scaled = scale(design(slots=63), settings(rate=0, momentum=1), means, 3, 0, 1, 0)
    assert (means.m_x * 2.0**means.e_x, means.m_d * 2.0**means.e_d) == (2.0, 1.0)
    assert scaled.slots == 2  # k = 3 / 2


def test_fixed_length():
    tile = design(slots=31, bits=10)
    for rate in (-32768, -2560, 0, 256 * 5, 32767):
        assert scale(tile, settings(rate, 4, 0), Means(), 100, 0, 100, 0).slots == 31
    scaled = scale(tile, settings(-512, 4, 0), Means(), 128, 0, 64, 0)
    assert thresholds(tile, [128, 64], scaled.m_x).tolist() == [round(1024 * math.sqrt(1 / 4 / 31)), 46]
    assert thresholds(tile, [-64, 32], scaled.m_d).tolist() == [round(1024 * math.sqrt(1 / 4 / 31)), 46]


def test_beyond_the_longest_train_columns_saturate_and_rows_do_not():
    tile = design(slots=5)
    scaled = scale(tile, settings(round(256 * math.log2(20)), 4), Means(), 128, 0, 128, 0)
    assert scaled.slots == 5
    assert thresholds(tile, [-128, 64, 1], scaled.m_x).tolist() == [256, 128, 2]
    assert thresholds(tile, [-128, 64, 33, 31, 16, 1, 0], scaled.m_d).tolist() == [256, 256, 256, 248, 128, 8, 0]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_extreme_registers(name):
    tile = CONFIGURATIONS[name]
    most = [1 << (bits - 1) for bits in (tile.formats.x, tile.formats.d)]
    strong = scale(tile, settings(32767), Means(), most[0], 0, most[1], 0)
    assert strong.slots == tile.train.slots
    assert thresholds(tile, [1, -most[1]], strong.m_d).tolist() == [1 << tile.random.bits] * 2
    weak = scale(tile, settings(-32768), Means(), most[0], 127, most[1], -128)
    assert weak == Scaled(slots=1, m_x=0, m_d=0)


def real(tile, registers, means, size_x, ex, size_d, ed, slots):
    """k and the two q of the equations, with these means, for a train of so many slots."""
    k = 2 ** (registers.rate / 256) * (size_x * 2.0 ** (ex - means.e_x) / means.m_x)
    k *= size_d * 2.0 ** (ed - means.e_d) / means.m_d
    most = tile.train.slots
    return (k, math.sqrt(min(k / slots, 1)), math.sqrt(k / slots)) if k <= most else (k, 1.0, k / most)


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("dynamic", [0, 1])
def test_distance_from_the_equations(name, dynamic):
    """BL differs only where k is next to an integer; no threshold is far from its real value."""
    tile = CONFIGURATIONS[name]
    rng = np.random.default_rng(7)
    most = [1 << (bits - 1) for bits in (tile.formats.x, tile.formats.d)]
    full, means = 1 << tile.random.bits, Means()
    for _ in range(1500):
        registers = settings(int(rng.integers(-2000, 2500)), int(rng.integers(0, 13)), dynamic)
        sizes, exponents = [int(rng.integers(1, size + 1)) for size in most], rng.integers(-3, 4, 2).tolist()
        vector = (sizes[0], exponents[0], sizes[1], exponents[1])
        scaled = scale(tile, registers, means, *vector)
        k, *q = real(tile, registers, means, *vector, scaled.slots)
        if dynamic:
            nearest = {min(math.ceil(k * by), tile.train.slots) for by in (0.998, 1, 1.002)}
            assert scaled.slots in nearest, (k, scaled)
        for size, share, m in zip(sizes, q, (scaled.m_x, scaled.m_d), strict=True):
            codes = np.unique(np.linspace(1, size, 9).astype(int))
            wanted = np.minimum(share * codes / size, 1) * full
            assert np.abs(thresholds(tile, codes, m) - wanted).max() < 1.6, (k, scaled)


@pytest.mark.parametrize("bits", [4, 8, 10])
def test_thresholds_are_whole_and_symmetric(bits):
    tile = design(bits=bits)
    codes = np.arange(-128, 128)
    for m in (0, 1, 3, 1 << bits, (1 << (bits + 8)) - 1, 1 << (bits + 8)):
        t = thresholds(tile, codes, m)
        assert t.dtype == np.int32
        assert t.tolist() == [min((abs(int(v)) * m + 128) >> 8, 1 << bits) for v in codes]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vector", [(129, 0, 1, 0), (1, 0, 129, 0), (-1, 0, 1, 0), (1, 128, 1, 0), (1, 0, 1, -129)]
)
def test_sizes_and_exponents_are_checked(vector):
    with pytest.raises(AssertionError):
        scale(design(), settings(), Means(), *vector)


@pytest.mark.parametrize("register", [{"rate": 32768}, {"rate": -32769}, {"momentum": 13}, {"dynamic": 2}])
def test_registers_are_checked(register):
    with pytest.raises(ValueError, match="beyond its register"):
        settings(**register)


def test_settings_come_from_the_design():
    tile = design(slots=31, eta_log2=-300, momentum_log2=7, dynamic=False)
    assert ScaleSettings.of(tile) == ScaleSettings(rate=round(256 * math.log2(31)) - 300, momentum=7, dynamic=0)


def test_clear():
    means = fixed()
    means.clear()
    assert means == Means()
