"""Logarithms and powers in integers against exact arithmetic on Python's integers, at the corners and in order."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.twin.powers import HIGH, LOW, log2, power

LARGE = 2**63 - 1


def floor_log2(n: int) -> int:
    """floor(2^16 log2(n)), exact: the bits of the logarithm of n^(2^16)."""
    return (n ** (1 << 16)).bit_length() - 1


def below(value: int, e: int) -> bool:
    """value <= 2^30 2^(-e / 2^16), exact for the e below 2^16 that are tried."""
    return value ** (1 << 16) <= 1 << (30 * (1 << 16) - e)


@pytest.mark.parametrize("n", [1, 2, 3, 500, 20 * 10**9, 2**32 - 1, 2**32, 2**32 + 1, 2**62, LARGE])
def test_a_logarithm_is_at_most_a_unit_below_its_floor(n):
    assert floor_log2(n) - 1 <= int(log2(n)) <= floor_log2(n)


def test_powers_of_two_have_exact_logarithms():
    assert log2(2 ** np.arange(63)).tolist() == [k << 16 for k in range(63)]


@given(st.lists(st.integers(1, LARGE), min_size=2, max_size=50))
def test_logarithms_grow_with_their_numbers_and_have_no_order_of_their_own(numbers):
    numbers.sort()
    together = log2(numbers).tolist()
    assert together == sorted(together)
    assert together == [int(log2(n)) for n in numbers]


@pytest.mark.parametrize("e", [0, 1, 255, 256, 257, 1 << 15, (1 << 16) - 1, 24321, 777])
def test_a_power_is_within_two_units(e):
    value = int(power(e))
    assert below(value - 2, e)
    assert not below(value + 2, e)


def test_tables_are_the_nearest_integers():
    for table, divisions in ((HIGH, 1 << 8), (LOW, 1 << 16)):
        for i in random.Random(1).sample(range(256), 12):
            e = i * (65536 // divisions)
            assert (2 * int(table[i]) - 1) ** (1 << 16) <= 1 << (31 * (1 << 16) - e)
            assert (2 * int(table[i]) + 1) ** (1 << 16) >= 1 << (31 * (1 << 16) - e)


def test_powers_fall_and_whole_exponents_shift():
    e = np.arange(4 << 16)
    values = power(e)
    assert (np.diff(values) <= 0).all()
    assert np.array_equal(values[1 << 16 : 2 << 16], values[: 1 << 16] >> 1)
    assert power([30 << 16, 31 << 16, 62 << 16, 5000 << 16]).tolist() == [1, 0, 0, 0]


def test_what_has_no_value_is_refused():
    with pytest.raises(ValueError, match=r"log2.n = 0: must be 1 or more"):
        log2([5, 0])
    with pytest.raises(ValueError, match=r"power.e = -1: must be 0 or more"):
        power(-1)
