"""Update stream: what frames add, touch, count and refuse."""

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats, Update, Verify
from crosstrain_model.outer_product import limits
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.update_stream import add_cells, add_matrix, check_changes

VERIFY = Verify(range=100, base=50, window=5, set_margin=0, form_level=50)
TILE = Design(
    scheme="wu", array=Array(rows=5, columns=7, lanes=3, pair="one-sided"),
    formats=Formats(adc=8, accumulator=10, fraction=4), update=Update(max_pulses=1, threshold=100), verify=VERIFY,
)  # fmt: skip
LOW, HIGH = limits(TILE)


def memory(fill=0):
    return np.full((5, 7), fill, np.int32)


def test_a_matrix_is_added_and_its_groups_that_are_not_zero_are_visited():
    changes = np.zeros((5, 7), np.int64)
    changes[1, 0], changes[1, 6], changes[4, 2], changes[4, 1] = 3, -4, 5, 6
    dw = memory(10)
    added = add_matrix(TILE, dw, changes)
    assert np.array_equal(dw, 10 + changes)
    assert (added.visits, added.clips, added.wrong) == (3, 0, 0)
    assert added.touched.tolist() == [False, True, False, False, True]


def test_zeros_are_no_visit():
    added = add_matrix(TILE, memory(), np.zeros((5, 7)))
    assert (added.visits, added.touched.any()) == (0, False)


def test_a_matrix_that_ends_early_adds_what_came():
    dw = memory()
    added = add_matrix(TILE, dw, np.full((2, 7), 9))
    assert (dw[:2] == 9).all()
    assert not dw[2:].any()
    assert (added.visits, added.touched.tolist()) == (6, [True, True, False, False, False])


def test_accumulators_saturate_and_every_cell_counts():
    dw = memory()
    dw[0, :3], dw[1, 0] = HIGH, LOW
    changes = np.zeros((5, 7), np.int64)
    changes[0, :3], changes[1, 0], changes[1, 1] = 1, -1, LOW
    added = add_matrix(TILE, dw, changes)
    assert added.clips == 4
    assert (dw[0, :3] == HIGH).all()
    assert dw[1, :2].tolist() == [LOW, LOW]


def test_cells_are_visits_of_their_own_in_order():
    dw = memory()
    added = add_cells(TILE, dw, [2, 2, 0, 2], [6, 6, 0, 6], [HIGH, 1, 0, -3])
    assert (dw[2, 6], added.visits, added.clips) == (HIGH - 3, 4, 1)  # saturated before the last was added
    assert added.touched.tolist() == [True, False, True, False, False]


@pytest.mark.parametrize(("row", "column"), [(5, 0), (0, 7), (65535, 65535), (-1, 0)])
def test_a_cell_that_is_not_there_is_dropped_and_the_next_counts(row, column):
    dw = memory()
    added = add_cells(TILE, dw, [row, 3], [column, 3], [8, 9])
    assert (added.wrong, added.visits, dw[3, 3], dw.sum()) == (1, 1, 9, 9)


@pytest.mark.parametrize("change", [LOW - 1, HIGH + 1])
def test_a_change_without_a_code_is_refused(change):
    with pytest.raises(ValueError, match="formats.accumulator"):
        check_changes(TILE, [0, change])


@pytest.mark.parametrize("shape", [(6, 7), (5, 6), (5,)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match="must be"):
        add_matrix(TILE, memory(), np.zeros(shape))


def test_a_matrix_of_single_changes_is_the_same_as_an_update_where_nothing_saturates():
    rng = np.random.default_rng(1)
    changes = rng.integers(-50, 51, (5, 7))
    one, two = memory(), memory()
    add_matrix(TILE, one, changes)
    rows, columns = np.indices(changes.shape)
    add_cells(TILE, two, rows.ravel(), columns.ravel(), changes.ravel())
    assert np.array_equal(one, two)


def test_a_frame_counts_as_a_vector():
    controller = StreamController(TILE)
    controller.update(np.ones((5, 7), np.int64))
    controller.update_cells([0], [0], [2])
    counts = controller.counters()
    assert (counts["vectors"], counts["visits"]) == (2, 16)
    assert controller.schedule.touched.all()
