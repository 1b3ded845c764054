"""Accumulator rule: saturation, ledger, and the compiled path against the plain definition."""

import numpy as np
import pytest

from crosstrain_model import accumulator, threshold
from crosstrain_model.accumulator import Ledger
from crosstrain_model.design import Array, Design, Formats, Update


def design(rows, columns, lanes, **formats):
    return Design(
        array=Array(rows=rows, columns=columns, lanes=lanes), formats=Formats(**formats), update=Update(threshold=5)
    )


CASES = {
    "13x7": design(13, 7, 3),
    "tiny": design(1, 1, 1, x=2, d=2, accumulator=8),
    "saturating": design(4, 5, 2, x=12, d=12, accumulator=8),
    "wide": design(3, 9, 4, x=12, d=12, accumulator=32, rounding="truncate"),
    "odd": design(7, 6, 6, x=5, d=9, accumulator=23, rounding="truncate"),
}


def batch(tile, count, seed):
    """Vectors with zeros among rows, groups and whole vectors, extremes, and every shift."""
    rng = np.random.default_rng(seed)
    sides = []
    for codes, bits in ((tile.array.rows, tile.formats.x), (tile.array.columns, tile.formats.d)):
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        side = rng.integers(low, high + 1, (count, codes))
        side = np.where(rng.random(side.shape) < 0.2, rng.choice([low, high], side.shape), side)
        side[rng.random(side.shape) < 0.4] = 0
        side[rng.random(count) < 0.1] = 0
        sides.append(side)
    return *sides, np.arange(count) % 47 - 31


def test_saturation_twice_running_clips_the_excess():
    tile = design(1, 3, 3, accumulator=8)
    a, clipped = accumulator.accumulate(tile, [[100, -100, 0]], [[100, -100, 127]])
    assert (a.tolist(), clipped.tolist()) == ([[127, -128, 127]], [[73, -72, 0]])
    a, clipped = accumulator.accumulate(tile, a, [[1, -128, -128]])
    assert (a.tolist(), clipped.tolist()) == ([[127, -128, -1]], [[1, -128, 0]])


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("with_ledger", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_compiled_equals_plain(name, with_ledger, dtype):
    tile = CASES[name]
    x, d, s = batch(tile, 300, seed=len(name))
    fast, plain = np.zeros((2, tile.array.rows, tile.array.columns), dtype)
    ledgers = [Ledger.of(fast) if with_ledger else None for _ in range(2)]
    got = accumulator.accumulate_vectors(tile, fast, x, d, s, ledgers[0])
    wanted = accumulator.accumulate_plain(tile, plain, x, d, s, ledgers[1])
    assert np.array_equal(fast, plain)
    assert (got.visits, got.term_clips, got.clips) == (wanted.visits, wanted.term_clips, wanted.clips)
    assert np.array_equal(got.touched, wanted.touched)
    assert got.visits > 0
    if with_ledger:
        for field in ("initial", "inputs", "clipped"):
            assert np.array_equal(getattr(ledgers[0], field), getattr(ledgers[1], field))
        assert not ledgers[0].imbalance(fast).any()


@pytest.mark.parametrize("used", [0, 1, 4, 6])
@pytest.mark.parametrize("with_ledger", [False, True])
def test_columns_that_no_vector_changes(used, with_ledger):
    tile = CASES["13x7"]
    x, d, s = batch(tile, 100, seed=used)
    d[:, used:] = 0
    start = np.random.default_rng(1).integers(-9, 9, (2, 13, 7))[0].astype(np.int32)
    fast, plain = start.copy(), start.copy()
    ledgers = [Ledger.of(start) if with_ledger else None for _ in range(2)]
    got = accumulator.accumulate_vectors(tile, fast, x, d, s, ledgers[0])
    wanted = accumulator.accumulate_plain(tile, plain, x, d, s, ledgers[1])
    assert np.array_equal(fast, plain)
    assert (got.visits, got.term_clips, got.clips) == (wanted.visits, wanted.term_clips, wanted.clips)
    assert np.array_equal(got.touched, wanted.touched)
    if with_ledger:
        for name in ("initial", "inputs", "programmed", "cleared", "clipped"):
            assert np.array_equal(getattr(ledgers[0], name), getattr(ledgers[1], name))


def test_saturating_case_saturates():
    """The case above must reach what it is named for."""
    tile = CASES["saturating"]
    result = accumulator.accumulate_vectors(tile, np.zeros((4, 5), np.int32), *batch(tile, 300, seed=10))
    assert result.clips > 100
    assert result.term_clips > 100


def test_batches_split_anywhere_give_the_same():
    tile = CASES["13x7"]
    x, d, s = batch(tile, 60, seed=3)
    whole, split = np.zeros((2, 13, 7), np.int32)
    accumulator.accumulate_vectors(tile, whole, x, d, s)
    for part in (slice(0, 1), slice(1, 1), slice(1, 40), slice(40, 60)):
        accumulator.accumulate_vectors(tile, split, x[part], d[part], s[part])
    assert np.array_equal(whole, split)


@pytest.mark.parametrize("remainder", ["keep", "clear"])
def test_ledger_balances_through_every_kind_of_visit(remainder):
    tile = Design(
        array=Array(rows=4, columns=5, lanes=2),
        formats=Formats(x=12, d=12, accumulator=8),
        update=Update(threshold=5, max_pulses=3, remainder=remainder),
    )
    rng = np.random.default_rng(8)
    chi = rng.integers(-128, 128, (4, 5))
    ledger = Ledger.of(chi)
    for round_ in range(20):
        accumulator.accumulate_vectors(tile, chi, *batch(tile, 10, seed=round_), ledger)
        rows = np.flatnonzero(rng.random(4) < 0.6)
        before = chi[rows]
        theta_used = int(rng.integers(1, 128))
        p, after, _ = threshold.compare(tile, before, theta_used)
        ledger.compared(rows, before, p, theta_used, after)
        chi[rows] = after
        cell = (int(rng.integers(4)), slice(0, 2))
        new = rng.integers(-128, 128, 2) if round_ % 2 else np.zeros(2, np.int64)
        ledger.written(cell, chi[cell], new)
        chi[cell] = new
        assert not ledger.imbalance(chi).any()
    chi[2, 3] += 1
    assert np.count_nonzero(ledger.imbalance(chi)) == 1


def test_wrong_shapes_and_types_are_refused():
    tile = CASES["13x7"]
    x, d, s = batch(tile, 2, seed=1)
    with pytest.raises(ValueError, match=r"^accumulate_vectors.d has shape \(2, 6\): must be \(2, 7\)$"):
        accumulator.accumulate_vectors(tile, np.zeros((13, 7), np.int32), x, d[:, :6], s)
    with pytest.raises(ValueError, match="^accumulate_vectors.chi is int16"):
        accumulator.accumulate_vectors(tile, np.zeros((13, 7), np.int16), x, d, s)
