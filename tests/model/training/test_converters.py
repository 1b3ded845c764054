"""Floats become integers in one place: every code is checked against the rule in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.design import Design, Formats, Update
from crosstrain_model.errors import UserError
from crosstrain_model.training import converters
from crosstrain_model.training.converters import from_codes, rate_registers, to_codes


def test_corners():
    values = np.array([[0.0, 0.0], [1.0, -1.0], [127.0, -127.0], [128.0, 0.0], [127.0 / 64, 1.0 / 64]])
    codes, exponents = to_codes(values, 8)
    assert exponents.tolist() == [0, -6, 0, 1, -6]
    assert codes.tolist() == [[0, 0], [64, -64], [127, -127], [64, 0], [127, 1]]


def test_halves_go_to_even():
    codes, exponents = to_codes(np.array([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5]]), 8)
    assert exponents.tolist() == [0]
    assert codes.tolist() == [[127, 0, 2, 2, 0, -2]]


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9),
    st.integers(2, 12),
)
def test_every_code_is_the_nearest_and_the_exponent_the_smallest(values, bits):
    q = 2 ** (bits - 1) - 1
    codes, exponents = to_codes(np.array([values]), bits)
    largest = max(abs(Fraction(v)) for v in values)
    e = int(exponents[0])
    if largest == 0:
        assert e == 0
        return
    if e > -128:
        assert largest <= q * Fraction(2) ** e
        assert largest > q * Fraction(2) ** (e - 1)
    for code, value in zip(codes[0].tolist(), values, strict=True):
        assert code == round(Fraction(value) / Fraction(2) ** e)  # halves to even, as np.rint


def test_values_that_are_not_finite_stop_the_run():
    with pytest.raises(UserError, match="diverged"):
        to_codes(np.array([[1.0, np.nan]]), 8)


def test_codes_back_to_floats_are_exact_for_powers_of_two():
    back = from_codes(np.array([[3, -5], [7, 0]]), np.array([-2, 3], dtype=np.int16), 0.5)
    assert back.tolist() == [[0.375, -0.625], [28.0, 0.0]]
    assert back.dtype == np.float32


def test_compiled_conversions_are_the_definition(monkeypatch):
    """Every magnitude of float32, rows of zeros and of one value, exact powers of two, and the clamped exponents."""
    draw = np.random.default_rng(1)
    values = np.ldexp(draw.standard_normal((400, 13)), draw.integers(-150, 120, (400, 1))).astype(np.float32)
    values[:4] = [[0.0], [-0.0], [127.0], [-128.0]]
    values[4:7] = [[np.finfo(np.float32).max], [np.finfo(np.float32).tiny], [np.finfo(np.float32).smallest_subnormal]]
    values[7:200] *= draw.random((193, 13)) < 0.3
    sums, powers = draw.integers(-(2**40), 2**40, (400, 13)), draw.integers(-128, 80, 400).astype(np.int16)
    assert converters.COMPILED
    for bits in (2, 8, 12):
        made = to_codes(values, bits)
        back = from_codes(sums, powers, 0.3 / 2**20)
        with monkeypatch.context() as plain:
            plain.setattr(converters, "COMPILED", False)
            wanted = to_codes(values, bits)
            assert np.array_equal(back, from_codes(sums, powers, 0.3 / 2**20))
        assert [a.dtype for a in made] == [a.dtype for a in wanted] == [np.int16, np.int16]
        assert all(np.array_equal(a, b) for a, b in zip(made, wanted, strict=True))
    for bad in (np.nan, np.inf, -np.inf):
        values[399, 12] = bad
        with pytest.raises(UserError, match="diverged"):
            to_codes(values, 8)


@pytest.mark.parametrize("accumulator", [8, 16, 32])
@pytest.mark.parametrize("worth", [2.0**-20, 0.031, 0.999999, 1.0, 1.5, 2.0, 777.0])
def test_theta_and_shift_realise_the_rate(accumulator, worth):
    design = Design(formats=Formats(accumulator=accumulator), update=Update(threshold=1))
    theta, shift = rate_registers(design, 1.0, worth, 1.0)
    assert 2 ** (accumulator - 5) <= theta <= 2 ** (accumulator - 4)
    assert theta == round(Fraction(worth) * Fraction(2) ** shift)


def test_power_of_two_threshold_is_one():
    design = Design(update=Update(threshold=256, threshold_power_of_two=True))
    theta, _ = rate_registers(design, 0.03, 1.0, 0.01)
    assert theta & (theta - 1) == 0


def test_a_rate_out_of_reach_names_it():
    with pytest.raises(UserError, match=r"train\.rate = 1e-60: needs a shift of -"):
        rate_registers(Design(), 1.0, 1.0, 1e-60)
