"""The schedule's rule."""

import numpy as np
import pytest

from crosstrain_model.design import Array, Design
from crosstrain_model.schedule import SINCE_LIMIT, Schedule


@pytest.fixture
def schedule():
    return Schedule.of(Design(name="a", array=Array(rows=40, columns=4, lanes=4)))


def rows(*numbers):
    flags = np.zeros(40, np.bool_)
    flags[list(numbers)] = True
    return flags


def test_a_pass_visits_touched_rows_once(schedule):
    assert schedule.vector(rows(39, 3), 0) is False
    assert schedule.vector(rows(3, 7), 0) is False
    order = schedule.begin_pass()
    assert order.tolist() == [3, 7, 39]
    schedule.end_pass(order, np.array([False, True, False]))
    assert schedule.begin_pass().tolist() == [7]
    assert schedule.begin_pass().tolist() == []


def test_every_k_vectors(schedule):
    due = [schedule.vector(rows(), 3) for _ in range(2)]
    assert due == [False, False]
    assert schedule.vector(rows(1), 3) is True
    schedule.begin_pass()
    assert schedule.since_pass == 0
    schedule.since_pass = 5  # the host may set it, and PROGRAM_EVERY lower than it
    assert schedule.vector(rows(), 3) is True


def test_since_pass_stops_at_its_limit(schedule):
    schedule.since_pass = SINCE_LIMIT - 1
    assert schedule.vector(rows(), 0) is False
    assert schedule.vector(rows(), 0) is False
    assert schedule.since_pass == SINCE_LIMIT
    assert schedule.vector(rows(), SINCE_LIMIT) is True


def test_touch_all_and_clear(schedule):
    schedule.touch_all()
    assert schedule.touched_words() == [0xFFFFFFFF, 0xFF]
    schedule.clear()
    assert schedule.touched_words() == [0, 0]
    schedule.vector(rows(0, 33), 0)
    assert schedule.touched_words() == [1, 2]
    schedule.clear()
    assert schedule.since_pass == 0
