"""The sweep's rule: when rows are transferred, in which order, and what the tokens say."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.chopper import Chopper
from crosstrain_model.design import Array, Design, Random, Transfer
from crosstrain_model.random_streams import Stream, permuted
from crosstrain_model.sweep import LIMIT, Sweep, SweepSettings

ALWAYS = 2**16


def design(scheme="agad", rows=4, columns=5, lanes=2, **transfer):
    transfer = {"every": 2, "period": 3} | transfer
    array = Array(rows=rows, columns=columns, lanes=lanes)
    return Design(name="a", scheme=scheme, array=array, transfer=Transfer(**transfer), random=Random(seed=5))


def flat(token):
    """A token as something that compares."""
    if token is None:
        return None
    columns = None if token.columns is None else tuple(token.columns.tolist())
    return token.row, token.sign, columns, token.flip, token.warm


def plain(made, settings, count):
    """The head of `sweep.py` and `chopper.py`, line by line: (signs at fire, token) per vector."""
    array, stream = made.array, Stream(made, "choppers")
    by_row, by_column = made.row.chopper, made.transfer.column_chopper
    chop_rows, chop_columns = [False] * array.rows, [False] * array.columns
    since = r = reads_in_period = sweeps = 0
    out = []
    for _ in range(count):
        signs, token = (list(chop_rows), list(chop_columns)), None
        since += 1
        if since >= settings.every:
            since = 0
            ends = reads_in_period >= 1 and reads_in_period + 1 >= settings.period
            draw = int(stream.draws(1)[0]) if by_row == "random" else 0
            flip = {"none": False, "period": ends, "random": draw < settings.probability}[by_row]
            columns = None if by_column == "none" else tuple(chop_columns)
            token = (r, chop_rows[r], columns, flip, sweeps < settings.warmup)
            chop_rows[r] ^= flip
            r += 1
            if r == array.rows:
                r, sweeps = 0, min(sweeps + 1, LIMIT)
                reads_in_period = 0 if ends else reads_in_period + 1
                for group in range(array.groups):
                    lanes = range(group * array.lanes, min((group + 1) * array.lanes, array.columns))
                    draw = int(stream.draws(1)[0]) if by_column == "random" else 0
                    for lane, column in enumerate(lanes):
                        word = int(permuted(made, "lanes")[draw, lane])
                        flips = {"none": False, "period": ends, "random": word < settings.probability}
                        chop_columns[column] ^= flips[by_column]
        out.append((signs, token))
    return out


DESIGNS = {
    "agad": design(),
    "one row": design(rows=1, columns=1, lanes=1, every=1, period=2),
    "c-ttv2": design("c-ttv2", flip_probability=20000),
    "always": design("c-ttv2", flip_probability=ALWAYS, column_chopper="random"),
    "never": design("c-ttv2", flip_probability=0, column_chopper="random", warmup=3),
    "ttv2": design("ttv2", every=5),
    "columns": design("ttv2", column_chopper="random", flip_probability=30000, every=1),
    "rows by period": design("c-ttv2", chopper="period", column_chopper="random", lanes=5, every=1),
    "columns by period": design("c-ttv2", column_chopper="period", every=3),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_vector_after_vector(name):
    made = DESIGNS[name]
    sweep = Sweep(made)
    for number, ((rows, columns), token) in enumerate(plain(made, sweep.settings, 300)):
        assert (sweep.chopper.rows.tolist(), sweep.chopper.columns.tolist()) == (rows, columns), number
        assert flat(sweep.vector()) == token, number
    assert (sweep.vectors, sweep.transfers) == (300, 300 // made.transfer.every)


@pytest.mark.parametrize("name", DESIGNS)
def test_many_at_once_are_the_same(name):
    one, many = Sweep(DESIGNS[name]), Sweep(DESIGNS[name])
    for count in (0, 1, 2, 40, 0, 7, 100):
        tokens = [one.vector() for _ in range(count)]
        wanted = [(place, flat(token)) for place, token in enumerate(tokens) if token is not None]
        assert [(place, flat(token)) for place, token in many.run(count)] == wanted
        assert {name: value.tolist() for name, value in one.state().items()} == {
            name: value.tolist() for name, value in many.state().items()
        }


def test_agad_flips_at_the_last_read_of_every_period_and_warms_up_for_one_sweep_more():
    sweep = Sweep(design(rows=2, every=1, period=4))
    tokens = [token for _, token in sweep.run(2 * 13)]
    assert [token.row for token in tokens] == [0, 1] * 13
    of_row = tokens[::2]
    assert [token.flip for token in of_row] == [False, False, False, True] * 3 + [False]
    assert [token.sign for token in of_row] == [False] * 4 + [True] * 4 + [False] * 4 + [True]
    assert [token.warm for token in of_row] == [True] * 5 + [False] * 8


def test_a_row_in_flight_keeps_its_sign_and_the_next_train_has_the_new_one():
    sweep = Sweep(design("c-ttv2", rows=1, every=1, flip_probability=ALWAYS))
    for number in range(4):
        assert sweep.chopper.rows[0] == number % 2
        token = sweep.vector()
        assert (token.sign, token.flip) == (number % 2, True)


def test_columns_of_a_token_are_those_before_the_wrap():
    sweep = Sweep(design("ttv2", rows=2, every=1, period=2, column_chopper="period"))
    tokens = [token.columns.tolist() for _, token in sweep.run(9)]
    assert [any(columns) for columns in tokens] == [False] * 4 + [True] * 4 + [False]
    assert all(any(columns) == all(columns) for columns in tokens)


def test_every_at_or_below_since_gives_a_transfer_behind_the_next_vector():
    sweep = Sweep(design(every=50))
    assert sweep.run(30) == []
    sweep.settings = dataclasses.replace(sweep.settings, every=4)
    assert [place for place, _ in sweep.run(11)] == [0, 4, 8]
    assert sweep.since == 2
    sweep.settings = dataclasses.replace(sweep.settings, every=3)
    assert sweep.vector() is not None
    sweep.settings = dataclasses.replace(sweep.settings, every=0)
    assert [place for place, _ in sweep.run(3)] == [0, 1, 2]


def test_a_period_that_has_passed_ends_with_this_sweep():
    sweep = Sweep(design(rows=2, every=1, period=100))
    sweep.run(2 * 10 + 1)
    sweep.settings = dataclasses.replace(sweep.settings, period=4)
    assert sweep.vector().flip
    assert sweep.reads_in_period == 0
    assert sweep.chopper.rows.tolist() == [False, True]
    assert not any(token.flip for _, token in sweep.run(2 * 3))
    assert all(token.flip for _, token in sweep.run(2))


@pytest.mark.parametrize("period", [0, 1, 2])
def test_no_period_is_shorter_than_two(period):
    settings = dataclasses.replace(SweepSettings.of(design(every=1)), period=period)
    sweep = Sweep(design(rows=1, every=1), settings)
    assert [token.flip for _, token in sweep.run(6)] == [False, True] * 3


def test_counts_stop_at_their_limit():
    sweep = Sweep(design(rows=1, every=1, period=LIMIT, warmup=LIMIT))
    sweep.sweeps, sweep.reads_in_period = LIMIT - 1, LIMIT - 2
    assert [(token.warm, token.flip) for _, token in sweep.run(3)] == [(True, False), (False, True), (False, False)]
    assert (sweep.sweeps, sweep.reads_in_period) == (LIMIT, 1)


def test_sgd_counts_and_no_more():
    sweep = Sweep(design("sgd"))
    assert sweep.run(7) == []
    assert sweep.vector() is None
    assert sweep.counters() == {"vectors": 8, "transfers": 0}
    assert not any(sweep.state()["sweep"][:4])


def test_clear_and_resume():
    made = DESIGNS["always"]
    sweep, other = Sweep(made), Sweep(made)
    sweep.run(77)
    other.restore(sweep.state())
    first, second = [[(place, flat(token)) for place, token in one.run(50)] for one in (sweep, other)]
    assert first == second
    stream = sweep.chopper.state()["choppers"].tolist()
    sweep.clear()
    assert sweep.state()["sweep"].tolist() == [0, 0, 0, 0, 127, 63]
    assert not any(sweep.chopper.words())
    assert sweep.state()["choppers"].tolist() == stream
    assert other.state()["sweep"].tolist() == [1, 3, 0, 15, 127, 63]


def test_the_advance_of_the_stream_follows_from_the_count_alone():
    made = DESIGNS["always"]
    sweep = Sweep(made)
    sweep.run(123)
    stream = Stream(made, "choppers")
    transfers, rows = 123 // made.transfer.every, made.array.rows
    stream.draws(transfers + transfers // rows * made.array.groups)
    assert np.array_equal(sweep.chopper.state()["choppers"], np.array(stream.state, np.uint32))
    assert isinstance(sweep.chopper, Chopper)
