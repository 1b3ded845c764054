"""Outer product rule: shifts, rounding, clamping, order of visits, against fractions and by hand."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from crosstrain_model import outer_product
from crosstrain_model.design import Array, Design, Formats, Update


def design(rows=13, columns=7, lanes=3, **formats):
    array = Array(rows=rows, columns=columns, lanes=lanes)
    return Design(array=array, formats=Formats(**formats), update=Update(threshold=1))


def by_fractions(t, s, rounding):
    """The rule as it is written, in exact arithmetic."""
    exact = abs(t) * Fraction(2) ** s
    return (1 if t > 0 else -1) * floor(exact + (Fraction(1, 2) if rounding == "nearest" else 0))


def test_shift_clamps_at_both_ends():
    assert outer_product.shift_of(-128, -128, -31) == -31
    assert outer_product.shift_of(127, 127, 46) == 15
    assert outer_product.shift_of(-20, -18, 7) == -31
    assert outer_product.shift_of(-20, -18, 8) == -30
    assert outer_product.shift_of(3, -5, 17) == 15
    assert outer_product.shift_of(3, -5, 1) == -1


@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
@pytest.mark.parametrize("s", range(-31, 16))
def test_shift_term_is_the_rule(s, rounding):
    rng = np.random.default_rng(s + 100)
    corners = [-(2**22), 2**22 - 1, -1, 0, 1]
    if s < 0:
        half = 1 << (-s - 1)
        around = [base + by for base in (half, 3 * half, -half, -3 * half) for by in (-1, 0, 1)]
        corners += [value for value in around if abs(value) < 2**22]
    values = np.array([*corners, *rng.integers(-(2**22), 2**22, 50)])
    got = outer_product.shift_term(values, s, rounding)
    assert got.tolist() == [by_fractions(int(t), s, rounding) for t in values]


def test_halves_go_away_from_zero_or_toward_it():
    assert outer_product.shift_term([3, -3, 1, -1, 5, -5], -1, "nearest").tolist() == [2, -2, 1, -1, 3, -3]
    assert outer_product.shift_term([3, -3, 1, -1, 5, -5], -1, "truncate").tolist() == [1, -1, 0, 0, 2, -2]


def test_step_is_downhill():
    terms, clipped = outer_product.terms(design(rows=2, columns=2, lanes=1), [3, -2], [5, -7], 0)
    assert terms.tolist() == [[-15, 21], [10, -14]]
    assert clipped == 0


def test_extremes_clamp_on_both_sides():
    tile = design(rows=2, columns=2, lanes=2, x=12, d=12, accumulator=16)
    terms, clipped = outer_product.terms(tile, [-2048, 2047], [-2048, 2047], 0)
    assert terms.tolist() == [[-32768, 32767], [32767, -32768]]
    assert clipped == 4
    exact, clipped = outer_product.terms(tile, [-2048, 2047], [-2048, 2047], -8)
    assert exact.tolist() == [[-16384, 16376], [16376, -16368]]
    assert clipped == 0


def test_a_term_at_the_limit_is_not_clipped():
    tile = design(rows=1, columns=2, lanes=2, x=8, d=8, accumulator=8)
    terms, clipped = outer_product.terms(tile, [127], [1, -1], 0)
    assert (terms.tolist(), clipped) == ([[-127, 127]], 0)
    terms, clipped = outer_product.terms(tile, [-128], [1, -1], 0)
    assert (terms.tolist(), clipped) == ([[127, -128]], 1)


def test_visits_skip_zero_rows_and_groups_in_order():
    tile = design(rows=5, columns=7, lanes=3)
    x = [0, 4, 0, -1, 0]
    assert outer_product.visits(tile, x, [0, 0, 1, 0, 0, 0, 9]) == [(1, 0), (1, 2), (3, 0), (3, 2)]
    assert outer_product.visits(tile, x, [0] * 7) == []
    assert outer_product.visits(tile, [0] * 5, [1] * 7) == []
    assert outer_product.visits(tile, [1] * 5, [1] * 7) == [(r, g) for r in range(5) for g in range(3)]


def test_words_pad_the_last():
    assert outer_product.words([1, 2, 3, 4, 5, 6, 7], 3).tolist() == [[1, 2, 3], [4, 5, 6], [7, 0, 0]]
