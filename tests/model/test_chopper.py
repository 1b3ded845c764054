"""The choppers' rule: which signs flip when, from which draws."""

import numpy as np
import pytest

from crosstrain_model.chopper import Chopper, chopped, chopper_words, column_choppers, row_choppers
from crosstrain_model.design import Array, Design, Random, Transfer
from crosstrain_model.random_streams import Stream, permuted

ALWAYS = 2**16


def design(scheme="c-ttv2", rows=5, columns=7, lanes=3, seed=1, **transfer):
    array = Array(rows=rows, columns=columns, lanes=lanes)
    return Design(name="a", scheme=scheme, array=array, transfer=Transfer(**transfer), random=Random(seed=seed))


@pytest.mark.parametrize(
    ("scheme", "chosen", "kinds", "words"),
    [
        ("mp", {}, ("none", "none"), 0),
        ("sgd", {"chopper": "random", "column_chopper": "random"}, ("none", "none"), 0),
        ("ttv2", {}, ("none", "none"), 0),
        ("ttv2", {"column_chopper": "period"}, ("none", "period"), 1),
        ("c-ttv2", {}, ("random", "none"), 2),
        ("c-ttv2", {"chopper": "period", "column_chopper": "random"}, ("period", "random"), 3),
        ("agad", {}, ("period", "none"), 2),
    ],
)
def test_what_a_design_has(scheme, chosen, kinds, words):
    made = design(scheme, rows=33, columns=32, **chosen)
    assert (row_choppers(made), column_choppers(made)) == kinds
    assert chopper_words(made) == words == len(Chopper(made).words())
    assert [chopped(made, how) for how in ("period", "random")] == [how in kinds for how in ("period", "random")]
    names = {name for name, kind in zip(("chop_rows", "chop_columns"), kinds, strict=True) if kind != "none"}
    assert set(Chopper(made).state()) == names | ({"choppers"} if "random" in kinds else set())
    assert (Chopper(made).stream is None) == ("random" not in kinds)


def test_rows_flip_below_the_probability():
    chopper, stream = Chopper(design()), Stream(design(), "choppers")
    draws = chopper.draws(2000, 400)
    assert draws.tolist() == stream.draws(2000).tolist()
    assert draws.max() < ALWAYS
    flips = [chopper.flips(False, 6554, draws[place:]) for place in range(len(draws))]
    assert flips == (draws < 6554).tolist()
    assert 150 < sum(flips) < 250
    word = draws[:1]
    assert [chopper.flips(True, probability, word) for probability in (0, int(word[0]), int(word[0]) + 1, ALWAYS)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_by_period_all_rows_flip_where_the_sweep_ends_one():
    chopper = Chopper(design("agad"))
    assert len(chopper.draws(5, 1)) == 0
    assert [chopper.flips(ends, ALWAYS, chopper.draws(1, 0)) for ends in (False, True)] == [False, True]


@pytest.mark.parametrize("lanes", [1, 3, 7])
def test_random_columns_take_a_draw_per_group_and_a_permutation_per_lane(lanes):
    made = design(lanes=lanes, column_chopper="random")
    chopper = Chopper(made)
    groups, table = made.array.groups, permuted(made, "lanes")
    draws = chopper.draws(3, 2)
    assert len(draws) == 3 + 2 * groups
    draws, wanted = draws[1 : groups + 3], np.zeros(7, np.bool_)
    for column in range(7):
        wanted[column] = table[draws[column // lanes], column % lanes] < 30000
    assert chopper.wrap(False, 30000, draws).tolist() == draws[groups:].tolist()
    assert chopper.columns.tolist() == wanted.tolist()
    chopper.wrap(False, 30000, draws)
    assert not chopper.columns.any()
    chopper.wrap(False, ALWAYS, draws)
    assert chopper.columns.all()
    chopper.wrap(True, 0, draws)
    assert chopper.columns.all()


def test_columns_by_period_flip_together():
    chopper = Chopper(design(column_chopper="period"))
    draws = chopper.draws(0, 1)
    for ends, all_set in ((False, False), (True, True), (False, True), (True, False)):
        assert chopper.wrap(ends, ALWAYS, draws).tolist() == []
        assert chopper.columns.all() == chopper.columns.any() == all_set


def test_words_and_state():
    made = design(rows=33, columns=40, lanes=8, column_chopper="random")
    chopper, other = Chopper(made), Chopper(made)
    for index, word in enumerate((0x80000001, 0xFFFFFFFF, 0x12345678, 0xFF00)):
        chopper.put_word(index, word)
    assert chopper.words() == [0x80000001, 1, 0x12345678, 0]
    assert np.flatnonzero(chopper.rows).tolist() == [0, 31, 32]
    chopper.draws(7, 3)
    other.restore(chopper.state())
    assert other.words() == chopper.words()
    assert other.draws(4, 4).tolist() == chopper.draws(4, 4).tolist()
    before = chopper.state()["choppers"].tolist()
    chopper.clear()
    assert chopper.words() == [0, 0, 0, 0]
    assert chopper.state()["choppers"].tolist() == before
    assert other.words() == [0x80000001, 1, 0x12345678, 0]
