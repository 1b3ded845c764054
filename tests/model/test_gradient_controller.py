"""The bit-true controller of in-memory gradients: compiled against plain, splits, state, order and conservation."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_device import Converters, Device, GradientDevice
from crosstrain_model.design_gradient import Random, Train, Transfer
from crosstrain_model.gradient_batch import run_closed, run_vectors
from crosstrain_model.gradient_controller import (
    GradientController,
    ProgramEvent,
    ReadEvent,
    TileArrays,
    TrainEvent,
)
from crosstrain_model.port import ArrayId
from crosstrain_model.training.converters import to_codes

DEVICE = {"states": 20, "sigma_dd": 0.3, "sigma_cc": 0.3, "sigma_pm": 0.1, "sigma_b": 0.3}


def sample(scheme, rows=13, columns=7, lanes=3, absolute=False, **sections):
    parts = {
        "array": Array(rows=rows, columns=columns, lanes=lanes),
        "formats": Formats(fraction=2, accumulator=12),
        "update": Update(threshold=150, max_pulses=1),
        "converters": Converters(reference_error=0.2, adc_range_row=2.0, adc_noise=0.5),
        "device": Device(**DEVICE, zero="symmetry"),
        "gradient_device": GradientDevice(**DEVICE, zero="absolute" if absolute else "symmetry"),
    }
    return Design(name="a", scheme=scheme, **{**parts, **sections})


DESIGNS = {
    "sgd": sample("sgd"),
    "ttv2": sample("ttv2"),
    "c-ttv2": sample("c-ttv2", transfer=Transfer(every=3, flip_probability=2**14)),
    "agad": sample("agad", absolute=True, transfer=Transfer(every=1, period=3, leak_log2=2)),
    "one cell": sample("agad", 1, 1, 1, transfer=Transfer(every=1, period=2)),
    "one row": sample(
        "c-ttv2", 1, 9, 4, formats=Formats(fraction=0, accumulator=8, adc=5), update=Update(threshold=3),
        converters=Converters(adc_range_row=0.25),
    ),
    "sgd, separate phases": sample(
        "sgd", 5, 3, 1, train=Train(slots=31, polarity="separate", dynamic=False), random=Random(columns="rows")
    ),
    "ttv2, keep, 15 pulses": sample(
        "ttv2", 4, 5, 5, update=Update(threshold=8, max_pulses=15, remainder="keep", threshold_power_of_two=True),
        transfer=Transfer(every=1, column_chopper="random", chopper="random"), train=Train(slots=63, eta_log2=512),
    ),
    "agad, beta = 1, truncate": sample(
        "agad", 6, 4, 2, formats=Formats(fraction=3, accumulator=20, adc=7, x=4, d=12, rounding="truncate"),
        transfer=Transfer(every=2, memory="last", reference="both", chopper="random", flip_probability=2**15, warmup=1),
        random=Random(generator="xoshiro128++", bits=10, permute=False), train=Train(slots=1, momentum_log2=0),
    ),
    "column choppers by period": sample(
        "ttv2", 3, 8, 8, transfer=Transfer(every=1, period=2, column_chopper="period", chopper="period"),
        random=Random(row_width=32, column_width=31, leap=9, columns="rows-reversed"),
        formats=Formats(x=12, d=2, fraction=2, accumulator=9), update=Update(threshold=20),
    ),
}  # fmt: skip


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def vectors(design, count, seed):
    """Codes with many zeros, some vectors all zero, sizes and exponents that wander."""
    rng = np.random.default_rng(seed)
    shape, formats = design.array, design.formats
    half_x, half_d = 1 << (formats.x - 1), 1 << (formats.d - 1)
    x = rng.integers(-half_x, half_x, (count, shape.rows)) * (rng.random((count, shape.rows)) < 0.6)
    d = rng.integers(-half_d, half_d, (count, shape.columns)) * (rng.random((count, shape.columns)) < 0.7)
    x >>= rng.integers(0, 3, (count, 1))
    d[rng.random(count) < 0.1] = 0
    return x, rng.integers(-9, -5, count), d, rng.integers(-3, 2, count)


def cut(batch, start, stop):
    return [part[start:stop] for part in batch]


def same_state(one, other):
    a, b = one.state(), other.state()
    assert a.keys() == b.keys()
    assert [name for name in a if not np.array_equal(a[name], b[name])] == []


def same_arrays(one, other):
    for name in ("w", "a"):
        first, second = getattr(one, name), getattr(other, name)
        if first is not None:
            assert np.array_equal(first.g, second.g)
            assert np.array_equal(first.levels, second.levels)
            assert np.array_equal(first.counters, second.counters)


def programs(events):
    return [(event.row, event.counts) for event in events if isinstance(event, ProgramEvent)]


def same_programs(ours, others):
    assert [row for row, _ in ours] == [row for row, _ in others]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(ours, others, strict=True))


def test_compiled_is_plain_at_any_split(design):
    plain, fast = GradientController(design, tile=3), GradientController(design, tile=3)
    here, there = TileArrays.of(design, tile=3, engine="numpy"), TileArrays.of(design, tile=3)
    batch = vectors(design, 160, 1)
    events = plain.update_vectors(*batch, here)
    told, pulses = [], 0
    for start, stop in ((0, 0), (0, 1), (1, 2), (2, 60), (60, 160)):
        done = run_vectors(fast, *cut(batch, start, stop), there)
        told += done.programs
        pulses += done.train_pulses
    same_state(plain, fast)
    same_arrays(here, there)
    same_programs(programs(events), told)
    assert pulses == sum(event.pulses for event in events if isinstance(event, TrainEvent)) > 0
    assert plain.counters()["vectors"] == 160
    if design.transfers:
        assert told
    assert plain.counters() == fast.counters()


def test_every_design_is_put_to_the_test():
    """Together the designs clip H and the ADC, are silent, and program in both directions."""
    counts = {}
    for design in DESIGNS.values():
        controller = GradientController(design)
        run_vectors(controller, *vectors(design, 300, 2), TileArrays.of(design))
        for name, value in controller.counters().items():
            counts[name] = counts.get(name, 0) + value
        assert 0 < controller.trains < 300
    assert counts.pop("lost_reads") == 0
    assert [name for name, value in counts.items() if not value] == []


def test_events_come_in_the_order_of_the_rule(design):
    controller, arrays = GradientController(design), TileArrays.of(design)
    before = controller.counters()
    for pair in zip(*vectors(design, 60, 3), strict=True):
        events = controller.update(*pair, arrays)
        assert [type(event) for event in events] in (
            [list(kinds) for kinds in ((), (TrainEvent,), (ReadEvent,), (TrainEvent, ReadEvent))]
            + [[ReadEvent, ProgramEvent], [TrainEvent, ReadEvent, ProgramEvent]]
        )
        for event in events:
            if isinstance(event, TrainEvent):
                assert event.array == (ArrayId.A if design.transfers else ArrayId.W)
                assert len(event.rows) == len(event.columns) == len(event.direction) > 0
                assert not (event.direction & ~event.columns).any()
    after = controller.counters()
    assert after["vectors"] - before["vectors"] == 60
    assert after["trains"] > 0


def test_trains_by_slot_are_trains_by_bits(design):
    """The slots of an event, given to an array as they cross the port, move it alike."""
    controller, arrays = GradientController(design), TileArrays.of(design, engine="numpy")
    by_slot = TileArrays.of(design, engine="numpy")
    for event in controller.update_vectors(*vectors(design, 40, 4), arrays):
        if isinstance(event, TrainEvent):
            assert by_slot.trained.train_slots(event.rows, event.columns, event.direction) == event.pulses
        elif isinstance(event, ReadEvent):
            assert np.array_equal(by_slot.read_row(event.row), event.codes)
        else:
            by_slot.program_row(event.row, event.counts)
    same_arrays(arrays, by_slot)


def test_state_continues_to_the_same_bits(design):
    batch = vectors(design, 80, 5)
    whole, arrays = GradientController(design), TileArrays.of(design)
    whole.configure(train_rate=500, train_momentum=3)
    run_vectors(whole, *cut(batch, 0, 37), arrays)
    later, other = GradientController(design, tile=9), TileArrays.of(design)
    later.restore(whole.state())
    same_state(whole, later)
    for name in ("w", "a"):
        if getattr(arrays, name) is not None:
            getattr(other, name).restore(getattr(arrays, name).state())
    run_vectors(whole, *cut(batch, 37, 80), arrays)
    run_vectors(later, *cut(batch, 37, 80), other)
    same_state(whole, later)
    same_arrays(arrays, other)


def test_tiles_have_streams_of_their_own(design):
    one, other = GradientController(design, tile=0), GradientController(design, tile=1)
    assert one.rows.state != other.rows.state
    assert one.columns.state != other.columns.state


def test_everything_is_accounted_for():
    for name, design in DESIGNS.items():
        if not design.transfers:
            continue
        controller, arrays = GradientController(design, ledger=True), TileArrays.of(design)
        fast, there = GradientController(design), TileArrays.of(design)
        batch = vectors(design, 150, 6)
        told = run_vectors(controller, *batch, arrays).programs
        same_programs(told, run_vectors(fast, *batch, there).programs)
        assert not controller.ledger.imbalance(controller.transfer.h).any(), name
        assert int(np.abs(controller.ledger.programmed).sum()) > 0
        again = GradientController(design, ledger=True)
        again.restore(controller.state())
        same_state(again, controller)
        controller.clear()
        assert not controller.ledger.imbalance(controller.transfer.h).any(), name


class Deaf:
    """Arrays whose reads fail now and then."""

    def __init__(self, arrays):
        self.arrays, self.reads = arrays, 0

    def train(self, *train):
        return self.arrays.train(*train)

    def read_row(self, row):
        self.reads += 1
        return self.arrays.read_row(row) if self.reads % 3 else None

    def program_row(self, row, counts):
        return self.arrays.program_row(row, counts)


def test_a_read_that_fails_is_no_visit():
    design = DESIGNS["agad"]
    controller = GradientController(design)
    events = controller.update_vectors(*vectors(design, 60, 7), Deaf(TileArrays.of(design)))
    failed = [event for event in events if isinstance(event, ReadEvent) and event.codes is None]
    assert controller.transfer.lost_reads == len(failed) == 20
    assert controller.transfer.visits == 40 * design.array.groups


@pytest.mark.parametrize("name", ["agad", "ttv2", "sgd"])
def test_a_closed_loop_is_its_recorded_vectors(name):
    """d follows from W, and the vectors that it made give the same again; they are what the converters would give."""
    design = DESIGNS[name]
    rng = np.random.default_rng(8)
    arrays, again = TileArrays.of(design), TileArrays.of(design)
    x, ex = to_codes(rng.standard_normal((120, design.array.rows)), design.formats.x)
    x[5] = 0
    target = np.rint(rng.standard_normal(arrays.w.g.shape) * 0.3 * arrays.w.weight_one).astype(np.int32)
    controller, other = GradientController(design), GradientController(design)
    batch, d, ed = run_closed(controller, x, ex, target, arrays)
    told = []
    for v in range(len(x)):
        gap = (again.w.weights.astype(np.int64) - target).T @ x[v].astype(np.int64)
        codes, exponents = to_codes(np.ldexp(gap.astype(np.float64), int(ex[v]) - 20)[None], design.formats.d)
        assert np.array_equal(codes[0], d[v])
        assert exponents[0] == ed[v]
        told += run_vectors(other, x[v : v + 1], ex[v : v + 1], codes, exponents, again).programs
    same_programs(batch.programs, told)
    same_state(controller, other)
    same_arrays(arrays, again)


def test_refusals():
    controller = GradientController(DESIGNS["agad"])
    for registers, said in (
        ({"threshold": 0}, "GradientController.threshold = 0: must be 1..2047"),
        ({"leak": 8}, "GradientController.leak = 8: must be 0..7"),
        ({"train_rate": 2**15}, "GradientController.train_rate = 32768: must be -32768..32767"),
        ({"flip_probability": 1}, "GradientController.flip_probability: is no register of this design"),
    ):
        before = controller.settings
        with pytest.raises(ValueError, match=said.replace(".", r"\.")):
            controller.configure(transfer_every=7, **registers)
        assert controller.settings is before
    controller.configure(threshold=99, leak=3, transfer_every=7, chopper_period=5, warmup=1, train_dynamic=0)
    assert controller.settings.transfer == dataclasses.replace(controller.settings.transfer, theta=99, leak=3)
    assert controller.sweep.settings.every == 7
    arrays, (x, ex, d, ed) = TileArrays.of(controller.design), vectors(controller.design, 3, 1)
    for bad, said in (
        ((x[:, 1:], ex, d, ed), r"run_vectors\.x has shapes"),
        ((x, ex, d, ed[1:]), r"run_vectors\.d has shapes"),
        ((x + 128, ex, d, ed), r"run_vectors\.x = .*: must be -128\.\.127"),
        ((x, ex + 200, d, ed), r"run_vectors\.ex = .*: must be -128\.\.127"),
        ((x[1:], ex[1:], d, ed), "2 vectors x and 3 vectors d"),
    ):
        with pytest.raises(ValueError, match=said):
            run_vectors(controller, *bad, arrays)
