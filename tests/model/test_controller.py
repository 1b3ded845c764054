"""The bit-true controller: batches against single vectors, passes, state, and the conservation of everything."""

import numpy as np
import pytest

from crosstrain_model.controller import Controller
from crosstrain_model.design import Array, Design, Formats, Update

DESIGNS = {
    "tiny": Design(
        name="a", array=Array(rows=1, columns=1, lanes=1), formats=Formats(accumulator=8), update=Update(threshold=3)
    ),
    "saturates": Design(
        name="a",
        array=Array(rows=5, columns=7, lanes=3, pair="push-pull"),
        formats=Formats(accumulator=8, fraction=2),
        update=Update(threshold=20, max_pulses=2),
    ),
    "clear": Design(
        name="a", array=Array(rows=8, columns=8, lanes=4), update=Update(remainder="clear", program_every=3)
    ),
    "wide": Design(
        name="a",
        array=Array(rows=9, columns=4, lanes=2, pair="set-only"),
        formats=Formats(accumulator=32, rounding="truncate"),
        update=Update(threshold=2**20, threshold_power_of_two=True, max_pulses=15),
    ),
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def vectors(design, count, seed):
    """Codes with many zeros, exponents around what the shift expects."""
    rng = np.random.default_rng(seed)
    shape = design.array
    half_x, half_d = 1 << (design.formats.x - 1), 1 << (design.formats.d - 1)
    x = rng.integers(-half_x, half_x, (count, shape.rows)) * (rng.random((count, shape.rows)) < 0.5)
    d = rng.integers(-half_d, half_d, (count, shape.columns)) * (rng.random((count, shape.columns)) < 0.7)
    exponent = -(design.reset_shift // 2) - 3
    return x, rng.integers(exponent, exponent + 4, count), d, rng.integers(exponent, exponent + 4, count)


def same(programs, others):
    assert [row for row, _ in programs] == [row for row, _ in others]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(programs, others, strict=True))


def test_a_batch_is_its_vectors_one_by_one(design):
    one, many = Controller(design, ledger=True), Controller(design)
    batch = vectors(design, 40, 1)
    singly = []
    for x, ex, d, ed in zip(*batch, strict=True):
        singly += one.update(x, ex, d, ed)
    same(singly, many.update_vectors(*batch))
    same(one.program(), many.program())
    assert np.array_equal(one.dump(), many.dump())
    assert one.counters() == many.counters()
    assert one.vectors == 40
    assert one.visits > 0
    assert not one.ledger.imbalance(one.dump()).any()


def test_everything_is_accounted_for(design):
    controller = Controller(design, ledger=True)
    rng = np.random.default_rng(2)
    half = 1 << (design.formats.accumulator - 1)
    issued = 0
    for round_ in range(12):
        programs = controller.update_vectors(*vectors(design, 5, round_))
        programs += controller.program()
        devices = 2 if design.array.pair == "push-pull" else 1  # pulsed for each pulse of a weight
        issued += devices * sum(int(np.abs(counts.astype(int)).sum()) for _, counts in programs)
        if round_ == 5:
            controller.clear()
        if round_ == 8:
            controller.load(rng.integers(-half, half, controller.chi.shape))
        if round_ == 9:
            controller.configure(threshold=1 if round_ % 2 else 2)
        assert not controller.ledger.imbalance(controller.dump()).any()
    assert controller.issued == issued > 0
    if design is DESIGNS["saturates"]:
        assert controller.clipped > 0
        assert controller.term_clipped > 0


def test_state_continues_to_the_same_bits(design):
    first = Controller(design, ledger=True)
    first.configure(threshold=2, shift=design.reset_shift - 1, program_every=4)
    first.update_vectors(*vectors(design, 10, 5))
    second = Controller(design, ledger=True)
    second.restore(first.state())
    for seed in (6, 7):
        same(first.update_vectors(*vectors(design, 7, seed)), second.update_vectors(*vectors(design, 7, seed)))
    state, other = first.state(), second.state()
    assert state.keys() == other.keys()
    assert all(np.array_equal(state[name], other[name]) for name in state)


def test_a_new_threshold_and_a_load_touch_every_row():
    design = DESIGNS["clear"]
    controller = Controller(design)
    assert controller.program() == []
    chi = np.zeros((8, 8), int)
    chi[3, 2] = -300
    controller.load(chi)
    assert controller.schedule.touched.all()
    ((row, counts),) = controller.program()
    assert (row, counts[2], np.abs(counts).sum()) == (3, -1, 1)
    assert not controller.dump().any()
    controller.configure(threshold=5)
    assert controller.schedule.touched.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 0}, "Controller.threshold = 0: must be 1..32767"),
        ({"threshold": 32768}, "Controller.threshold = 32768: must be 1..32767"),
        ({"shift": 128}, "Controller.shift = 128: must be -128..127"),
        ({"program_every": -1}, "Controller.program_every = -1: must be 0..65535"),
    ],
)
def test_what_a_register_would_refuse(change, message):
    controller = Controller(Design(name="a"))
    before = controller.state()
    with pytest.raises(ValueError) as caught:
        controller.configure(**change)
    assert str(caught.value) == message
    after = controller.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_bad_loads():
    controller = Controller(Design(name="a"))
    with pytest.raises(ValueError, match="shape is"):
        controller.load(np.zeros((8, 7), int))
    with pytest.raises(ValueError, match="must be -32768..32767"):
        controller.load(np.full((8, 8), 32768))
