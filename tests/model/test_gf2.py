"""Maps over GF(2) against doing the step again and again."""

import random

import numpy as np
import pytest

from crosstrain_model import gf2


def rotate(width):
    """A step that is easy to foresee: rotation to the left by one."""
    return lambda state: (state << 1 | state >> (width - 1)) & (1 << width) - 1


@pytest.mark.parametrize("width", [1, 2, 8, 31, 32, 33, 128])
def test_powers_are_repeated_steps(width):
    rng = random.Random(width)
    columns = [rng.getrandbits(width) for _ in range(width)]
    state = rng.getrandbits(width)
    for count in range(12):
        assert gf2.apply(gf2.power(columns, count), state) == again(columns, state, count)
    assert gf2.power(columns, 0) == gf2.identity(width)
    assert gf2.product(columns, gf2.identity(width)) == columns


def again(columns, state, count):
    """The map applied one time after another."""
    for _ in range(count):
        state = gf2.apply(columns, state)
    return state


@pytest.mark.parametrize("width", [5, 31, 128])
def test_a_rotation_comes_round(width):
    turn = gf2.matrix(rotate(width), width)
    assert gf2.power(turn, width) == gf2.identity(width)
    assert gf2.power(turn, width - 1) != gf2.identity(width)
    assert gf2.apply(gf2.power(turn, 10**30), 1) == 1 << 10**30 % width


@pytest.mark.parametrize("width", [1, 8, 9, 31, 32, 33, 128])
def test_tables_do_the_same_to_many(width):
    rng = random.Random(width)
    columns = [rng.getrandbits(width) for _ in range(width)]
    states = [0, (1 << width) - 1, *(rng.getrandbits(width) for _ in range(20))]
    words = -(-width // 32)
    rows = np.array([[state >> 32 * word & 2**32 - 1 for word in range(words)] for state in states], np.uint32)
    table = gf2.tables(columns)
    assert table.shape == (-(-width // 8), 256, words)
    images = gf2.apply_tables(table, rows)
    seen = [sum(int(word) << 32 * place for place, word in enumerate(row)) for row in images]
    assert seen == [gf2.apply(columns, state) for state in states]
