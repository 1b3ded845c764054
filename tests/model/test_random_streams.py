"""Random streams: periods proven, jumps exact, seeds and permutations as the rule says them."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model import gf2
from crosstrain_model.design import Array, Design
from crosstrain_model.design_gradient import Random
from crosstrain_model.random_streams import (
    MASKS,
    STREAMS,
    Generator,
    Stream,
    column_draws,
    generator,
    permutations,
    permuted,
    reversed_bits,
    seed_words,
    states_at,
)

PRIMES = {
    8: (3, 5, 17),
    31: (2**31 - 1,),
    32: (3, 5, 17, 257, 65537),
    128: (3, 5, 17, 257, 641, 65537, 274177, 6700417, 67280421310721),
}
"""Width -> prime factors of 2^width - 1."""


def design(shape=(8, 8, 4), **random):
    rows, columns, lanes = shape
    return Design(scheme="agad", array=Array(rows=rows, columns=columns, lanes=lanes), random=Random(**random))


DESIGNS = {
    "default": design(),
    "xoshiro": design(generator="xoshiro128++", bits=10),
    "eight": design(row_width=8, column_width=8, leap=1, bits=4),
    "long leap": design(row_width=32, column_width=31, leap=32, bits=10),
}


def galois(state, width):
    """One step of the LFSR as the rule says it."""
    out = state & 1
    state >>= 1
    return state ^ MASKS[width] if out else state


def slow(name, made, state, count):
    """Draws one step at a time, in plain integers."""
    words = []
    for _ in range(count):
        if made.leap:
            for _ in range(made.leap):
                state = galois(state, made.width)
            words.append(state & (1 << made.bits) - 1)
        else:
            words.append(made.draw(state))
            state = made.step(state)
    return words, state


# --- periods --------------------------------------------------------------------------------------


def test_the_primes_are_all_of_them():
    for width, primes in PRIMES.items():
        order, left = 2**width - 1, 2**width - 1
        for prime in primes:
            assert order % prime == 0
            while left % prime == 0:
                left //= prime
        assert left == 1


@pytest.mark.parametrize("width", PRIMES)
def test_the_period_is_two_to_the_width_less_one(width):
    """T^(2^n - 1) = I, and no proper divisor does it: every state but 0 lies on one cycle."""
    made = Generator(width=width, leap=0 if width == 128 else 1, bits=8)
    one_step, one = gf2.matrix(made.step, width), gf2.identity(width)
    order = 2**width - 1
    assert gf2.power(one_step, order) == one
    for prime in PRIMES[width]:
        assert gf2.power(one_step, order // prime) != one


def test_a_wrong_mask_has_a_shorter_period():
    wrong = gf2.matrix(lambda state: state >> 1 ^ 0xB9 * (state & 1), 8)
    assert gf2.power(wrong, 255) != gf2.identity(8)


def test_eight_bits_by_counting():
    state, seen = 1, set()
    while state not in seen:
        seen.add(state)
        state = galois(state, 8)
    assert len(seen) == 255


# --- draws and jumps ------------------------------------------------------------------------------


def test_xoshiro_is_that_of_its_authors():
    """First words from the state 1, 2, 3, 4, as every implementation publishes them."""
    stream = Stream(DESIGNS["xoshiro"], "rows")
    stream.generator = dataclasses.replace(stream.generator, bits=32)
    stream.state = [1, 2, 3, 4]
    assert stream.draws(10).tolist() == [
        641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732, 1355841295, 495546011, 621204420,
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 5, 24, 25, 200])
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("key", DESIGNS)
def test_draws_are_those_of_single_steps(key, name, count):
    stream = Stream(DESIGNS[key], name)
    made = stream.generator
    wanted, after = slow(name, made, made.integer(stream.state), count)
    draws = stream.draws(count)
    assert draws.dtype == np.uint32
    assert draws.tolist() == wanted
    assert stream.state == made.split(after)


@pytest.mark.parametrize("name", ["rows", "choppers"])
@pytest.mark.parametrize("key", DESIGNS)
def test_jumps_are_draws_that_nobody_takes(key, name):
    walker, jumper = Stream(DESIGNS[key], name), Stream(DESIGNS[key], name)
    start = walker.state
    offsets = [0, 1, 2, 3, 31, 32, 1000]
    at, states = 0, []
    for offset in offsets:
        walker.draws(offset - at)
        jumper.jump(offset - at)
        at = offset
        assert jumper.state == walker.state
        states.append(walker.state)
    order = [6, 0, 3, 1, 5, 2, 4, 4]
    found = states_at(DESIGNS[key], name, start, np.array(offsets)[order])
    assert (found.dtype, found.shape) == (np.uint32, (8, generator(DESIGNS[key], name).words))
    assert found.tolist() == [states[place] for place in order]


@pytest.mark.parametrize("key", DESIGNS)
def test_far_jumps(key):
    """A whole period is no move at all; 2^62 draws are two times 2^61."""
    stream = Stream(DESIGNS[key], "columns")
    start = stream.state
    stream.jump(2**stream.generator.width - 1)
    assert stream.state == start
    stream.jump(2**61)
    half = states_at(DESIGNS[key], "columns", start, [2**61])[0].tolist()
    assert stream.state == half
    assert states_at(DESIGNS[key], "columns", half, [2**61]).tolist() == states_at(
        DESIGNS[key], "columns", start, [2**62]
    ).tolist()


def test_nothing_goes_backwards():
    stream = Stream(DESIGNS["default"], "rows")
    with pytest.raises(ValueError, match="must be 0 or more"):
        stream.jump(-1)
    with pytest.raises(ValueError, match="must be 0 or more"):
        states_at(DESIGNS["default"], "rows", stream.state, [3, -1])
    assert states_at(DESIGNS["default"], "rows", stream.state, []).shape == (0, 1)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="must be one of rows, columns, choppers, rounding"):
        Stream(DESIGNS["default"], "row")
    with pytest.raises(ValueError, match="must be one of rows, columns, lanes"):
        permutations(DESIGNS["default"], "row")


# --- states and seeds -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", DESIGNS)
def test_zeros_count_as_one(key):
    stream = Stream(DESIGNS[key], "rows")
    words = stream.generator.words
    stream.state = [0] * words
    assert stream.state == [1] + [0] * (words - 1)
    other = Stream(DESIGNS[key], "rows")
    other.state = [1] + [0] * (words - 1)
    assert stream.draws(50).tolist() == other.draws(50).tolist()
    assert states_at(DESIGNS[key], "rows", [0] * words, [7]).tolist() == states_at(
        DESIGNS[key], "rows", stream.generator.split(1), [7]
    ).tolist()


def test_loading_word_by_word_keeps_zeros_until_the_last():
    stream = Stream(DESIGNS["xoshiro"], "rows")
    stream.state = [7, 0, 0, 0]
    for index, word in enumerate([0, 0, 0, 5]):
        stream.load(index, word)
    assert stream.state == [0, 0, 0, 5]


def test_bits_beyond_the_state_are_dropped():
    stream = Stream(DESIGNS["default"], "rows")
    stream.state = [2**32 - 1]
    assert stream.state == [2**31 - 1]
    stream.load(0, 2**31)
    assert stream.state == [1]
    stream.load(1, 5)
    assert stream.state == [1]
    with pytest.raises(ValueError, match="must have 1 words, not 2"):
        stream.state = [1, 2]


def test_seeds_differ_by_stream_tile_word_and_seed():
    tiles = [design(generator=kind, seed=seed) for kind in ("lfsr", "xoshiro128++") for seed in (0, 1, 2**32 - 1)]
    for kind in (tiles[:3], tiles[3:]):
        states = [seed_words(tile, name, number) for tile in kind for name in STREAMS for number in (0, 1, 2)]
        words = [word for state in states for word in state]
        assert len(set(words)) == len(words)
        assert all(0 <= word < 2**32 for word in words)
    assert all(seed_words(design(seed=seed, row_width=8), "rows") != [0] for seed in range(2000))


def test_seeds_of_the_default_never_change():
    """A run of last year must give the same bits."""
    assert [seed_words(Design(), name) for name in STREAMS] == [[0x628195DD], [0xC1D0439C], [0x75693551], [0xAC00E8F0]]


# --- columns and permutations ---------------------------------------------------------------------


def test_column_draws_by_kind():
    draws = {}
    for kind in ("own", "rows", "rows-reversed"):
        tile = design(columns=kind)
        columns = Stream(tile, "columns")
        rows = Stream(tile, "rows").draws(40)
        draws[kind] = column_draws(tile, rows, columns)
        assert (columns.state == Stream(tile, "columns").state) == (kind != "own")
    assert draws["own"].tolist() == Stream(design(), "columns").draws(40).tolist()
    assert draws["rows"].tolist() == rows.tolist()
    assert draws["rows-reversed"].tolist() == [int(f"{word:08b}"[::-1], 2) for word in rows.tolist()]
    assert reversed_bits(draws["rows-reversed"], 8).tolist() == rows.tolist()


@pytest.mark.parametrize("side", ["rows", "columns", "lanes"])
def test_permutations_are_permutations_and_the_table_follows_them(side):
    tile = design((9, 7, 3), bits=6)
    orders, seen = permutations(tile, side), permuted(tile, side)
    lines, bits = {"rows": (9, 6), "columns": (7, 6), "lanes": (3, 16)}[side]
    assert (orders.dtype, orders.shape) == (np.int8, (lines, bits))
    assert (seen.dtype, seen.shape) == (np.uint16, (2**bits, lines))
    assert (np.sort(orders, axis=1) == np.arange(bits)).all()
    assert len({tuple(order) for order in orders.tolist()}) == lines
    assert (np.sort(seen, axis=0) == np.arange(2**bits)[:, None]).all()
    for draw in (0, 1, 2**bits - 1, 2 ** (bits - 1), 37):
        for line in range(lines):
            word = sum((draw >> int(orders[line, place]) & 1) << place for place in range(bits))
            assert seen[draw, line] == word


def test_permutations_of_a_line_do_not_depend_on_how_many_there_are_nor_on_the_seed():
    small, large = permutations(design((3, 8, 4)), "rows"), permutations(design((100, 8, 4), seed=9), "rows")
    assert (large[:3] == small).all()
    assert large[0].tolist() == [7, 5, 1, 6, 0, 4, 3, 2]


def test_without_permutation_all_lines_see_the_draw():
    tile = design(permute=False)
    assert (permutations(tile, "rows") == np.arange(8)).all()
    assert (permuted(tile, "columns") == np.arange(256)[:, None]).all()
