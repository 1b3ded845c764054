"""The weight copy's rule against plain integers, weight by weight: sums, RANGE, and the devices of the pair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.weight_copy import devices_of, hit

WEIGHTS = st.integers(-5000, 5000)
CHANGES = st.integers(-40000, 40000)


def by_hand(w, dw, p, limit, base):
    """New weight, its flagged devices with their targets, whether it met RANGE: one weight."""
    if p == 0:
        return w, {}, False
    total = w + dw
    new = limit if total > limit else -limit if total < -limit else total
    moved = {}
    for place, carries in enumerate((1, -1)):
        before, after = (base + carries * v if carries * v > 0 else base for v in (w, new))
        if before != after:
            moved[place] = after
    return new, moved, abs(total) > limit


@given(
    st.lists(st.tuples(WEIGHTS, CHANGES, st.integers(-1, 1)), min_size=1, max_size=9),
    st.integers(1, 6000),
    st.integers(0, 6000),
)
def test_every_weight_by_hand(cells, limit, base):
    w, dw, p = zip(*cells, strict=True)
    asked = hit(w, dw, p, limit=limit, base=base)
    wanted = [by_hand(*cell, limit, base) for cell in cells]
    assert asked.copy.tolist() == [new for new, _, _ in wanted]
    assert asked.clamped == sum(met for _, _, met in wanted)
    for place, (_, moved, _) in enumerate(wanted):
        for side in range(2):
            assert asked.flagged[2 * place + side] == (side in moved)
            assert asked.targets[2 * place + side] == moved.get(side, 0)


def test_one_device_moves_and_both_where_the_sign_changes():
    table = {  # w, dw: devices flagged
        (100, 30): (1, 0),
        (100, -30): (1, 0),
        (-100, 30): (0, 1),
        (0, 40): (1, 0),
        (0, -40): (0, 1),
        (40, -40): (1, 0),
        (40, -90): (1, 1),
        (-40, 90): (1, 1),
        (500, 30): (0, 0),  # at RANGE already
        (500, 0): (0, 0),
        (-500, 700): (1, 1),
    }
    for (w, dw), flagged in table.items():
        asked = hit([w], [dw], [1], limit=500, base=60)
        assert tuple(asked.flagged.astype(int)) == flagged, (w, dw)
        assert asked.targets[0] in (0, 60 + max(int(asked.copy[0]), 0))


def test_without_a_hit_nothing_moves_not_even_a_weight_beyond_range():
    asked = hit([900, -3], [5000, 7], [0, 0], limit=500, base=60)
    assert asked.copy.tolist() == [900, -3]
    assert not asked.flagged.any()
    assert asked.clamped == 0


def test_a_host_weight_beyond_range_comes_back_with_its_first_hit():
    asked = hit([900], [1], [1], limit=500, base=60)
    assert (asked.copy[0], asked.clamped, asked.targets.tolist()) == (500, 1, [560, 0])


def test_matrices_and_their_devices():
    w = np.array([[3, -4, 0], [-1, 2, 5]])
    assert devices_of(w, 10).tolist() == [[13, 10, 10, 14, 10, 10], [10, 11, 12, 10, 15, 10]]
    asked = hit(w, -2 * w, np.ones((2, 3), int), limit=50, base=10)
    assert asked.flagged.shape == (2, 6)
    assert asked.copy.tolist() == (-w).tolist()
