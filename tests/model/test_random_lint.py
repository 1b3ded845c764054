"""The linter accepts streams that are good enough, and refuses those that were measured to be wrong."""

import dataclasses
import time

import numpy as np
import pytest

from crosstrain_model import random_lint
from crosstrain_model.design import Array, Design
from crosstrain_model.design_gradient import Random
from crosstrain_model.errors import UserError
from crosstrain_model.random_lint import NAMES, check, faults, measure, statistics
from crosstrain_model.random_streams import permuted


def design(**random):
    return Design(scheme="agad", random=Random(**random))


@pytest.mark.parametrize(
    "random",
    [
        {},
        {"permute": False},
        {"seed": 12345},
        {"generator": "xoshiro128++"},
        {"generator": "xoshiro128++", "permute": False, "leap": 1, "row_width": 8, "bits": 10},
        {"bits": 4, "leap": 4},
        {"bits": 10, "leap": 16},
    ],
)
def test_good_streams_are_accepted(random):
    seen = check(design(**random))
    assert faults(seen) == []
    assert seen.bias < 0.0085
    assert 0.95 < seen.variance < 1.05


@pytest.mark.parametrize("permute", [True, False])
@pytest.mark.parametrize(
    ("random", "message"),
    [
        ({"columns": "rows"}, 'random.columns = "rows": must be own, .*: bias of a coincidence rate 0.2'),
        ({"columns": "rows-reversed"}, 'random.columns = "rows-reversed": must be own, .*: bias .* 0.[012]'),
        ({"row_width": 8, "column_width": 8}, "random.row_width = 8: must be 31 or 32, .*: bias .* 0.0[12]"),
        ({"column_width": 8}, "random.column_width = 8: must be 31 or 32, .*: correlation of a line .* 0.4"),
        ({"leap": 1}, r"random.leap = 1: must be 8..32 \(random.bits\), words share bits .*: variance .* 1.[57]"),
        ({"leap": 7}, r"random.leap = 7: must be 8..32 \(random.bits\), words share bits .*: variance"),
        ({"bits": 10}, r"random.leap = 8: must be 10..32 \(random.bits\), words share bits .*: variance"),
        ({"generator": "xoshiro128++", "columns": "rows"}, 'random.columns = "rows": must be own'),
    ],
)
def test_wrong_streams_are_refused_in_one_line(permute, random, message):
    with pytest.raises(UserError, match=f"^{message}") as caught:
        check(design(permute=permute, **random))
    assert "\n" not in str(caught.value)


def test_statistics_alone_tell_the_wrong_ones():
    """Not by name: what `faults` says of the bits."""
    assert any(NAMES["bias"] in fault for fault in faults(measure(design(columns="rows"))))
    assert any(NAMES["crossing"] in fault for fault in faults(measure(design(columns="rows-reversed", permute=False))))
    assert any(NAMES["bias"] in fault for fault in faults(measure(design(row_width=8, column_width=8))))
    assert any(NAMES["variance"] in fault for fault in faults(measure(design(leap=1))))
    assert faults(measure(design(columns="rows", permute=False)))[0] == (
        f"bias of a coincidence rate {measure(design(columns='rows', permute=False)).bias:.4f}, must be at most 0.0085"
    )


def test_streams_with_a_fault_of_no_known_cause_are_refused_too(monkeypatch):
    bad = dataclasses.replace(measure(design()), crossing=0.1)
    monkeypatch.setattr(random_lint, "_measured", lambda random: bad)
    with pytest.raises(UserError, match='^random.generator = "lfsr": must have .*: correlation of a row .* 0.1'):
        check(design())


def test_permutation_loosens_neighbours():
    assert measure(design(permute=False)).lines > 0.85
    assert measure(design()).lines < 0.35


def test_a_measurement_is_quick_and_made_once():
    measure(design())
    began = time.process_time()
    measure(design(seed=2))
    assert time.process_time() - began < 1.0
    first = measure(design(seed=2))
    assert measure(Design(scheme="sgd", array=Array(rows=3, columns=5, lanes=1), random=Random(seed=2))) is first


def ideal(seed, trains, slots, lines, permute):
    """Line bits from independent words, with thresholds spread over the range."""
    rng = np.random.default_rng(seed)
    tile = Design(array=Array(rows=lines, columns=lines, lanes=1), random=Random(permute=permute))
    thresholds = (np.arange(lines) + 1) * 256 // (lines + 1)
    sides = [
        (permuted(tile, side)[rng.integers(0, 256, trains * slots)] < thresholds).reshape(trains, slots, lines)
        for side in ("rows", "columns")
    ]
    return *sides, thresholds / 256, thresholds / 256


@pytest.mark.parametrize(("trains", "slots", "lines"), [(50, 5, 4), (400, 31, 16), (2000, 5, 8)])
def test_ideal_words_have_no_faults_at_any_sample(trains, slots, lines):
    for seed in range(10):
        assert faults(statistics(*ideal(seed, trains, slots, lines, bool(seed % 2)))) == []


def test_statistics_by_hand():
    """Two trains of two slots, one line each side."""
    rows = np.array([[[1], [1]], [[0], [1]]], bool)
    columns = np.array([[[1], [0]], [[1], [1]]], bool)
    seen = statistics(rows, columns, [0.5], [0.5])
    assert (seen.trains, seen.slots, seen.lines) == (2, 2, 0.0)
    assert seen.bias == 0.25  # coincidences 1, 0 | 0, 1: a rate of 2 / 4 in place of 1 / 4
    assert seen.variance == 0.0  # one in each train
    assert seen.crossing == 0.0  # x = 1 1 -1 1, d = 1 -1 1 1
    assert seen.lag == 1.0  # of d three slots later


def test_lines_that_never_or_always_fire_are_left_out_of_correlations():
    rng = np.random.default_rng(1)
    rows, columns = rng.random((100, 7, 3)) < [0.0, 0.5, 1.0], rng.random((100, 7, 2)) < [1.0, 0.25]
    assert faults(statistics(rows, columns, [0.0, 0.5, 1.0], [1.0, 0.25])) == []
    rows[3, 2, 0] = True  # one that never should, did
    assert statistics(rows, columns, [0.0, 0.5, 1.0], [1.0, 0.25]).bias > 0


def test_samples_that_say_nothing_are_refused():
    bits = np.ones((3, 2, 1), bool)
    with pytest.raises(ValueError, match="a line that neither always nor never fires"):
        statistics(bits, bits, [1.0], [0.5])
    with pytest.raises(ValueError, match="do not match"):
        statistics(bits, bits, [0.5, 0.5], [0.5])
