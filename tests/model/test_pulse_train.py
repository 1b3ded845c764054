"""The rule of pulse trains: against plain loops over slots and lines, its corners, and its statistics."""

import dataclasses
import itertools

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_gradient import Random
from crosstrain_model.design_gradient import Train as TrainSection
from crosstrain_model.pulse_train import Train, draw, slot_masks, slots_of, train_bits
from crosstrain_model.random_streams import Stream, permutations
from crosstrain_model.scale import Scaled, thresholds


def design(rows=6, columns=5, polarity="mixed", random=None):
    return Design(
        scheme="agad", array=Array(rows=rows, columns=columns, lanes=1), formats=Formats(x=7, d=9),
        train=TrainSection(polarity=polarity, slots=63), random=Random(**random or {}),
    )  # fmt: skip


def factor(tile, codes, strength):
    """M that gives the largest code so much of 2^w."""
    return int(strength * 2 ** (tile.random.bits + 9) / max(1, np.abs(codes).max()))


def vectors(tile, rng):
    """Codes of both sides, at times of one sign or mostly zeros, and their multipliers."""
    x = rng.integers(-64, 64, tile.array.rows) * (rng.random(tile.array.rows) < rng.choice([0.2, 1.0]))
    d = rng.integers(-256, 256, tile.array.columns) * (rng.random(tile.array.columns) < rng.choice([0.2, 1.0]))
    x, d = (np.abs(v) * rng.choice([-1, 1]) if rng.random() < 0.3 else v for v in (x, d))
    slots = int(rng.integers(1, 9)) if x.any() and d.any() else 0
    return x, d, Scaled(slots=slots, m_x=factor(tile, x, rng.random()), m_d=factor(tile, d, 2 * rng.random()))


def by_hand(tile, scaled, x, d, row_words, column_words, chop_rows, chop_columns):
    """[(rows, columns, directions)] with plain integers, from the text of the rule."""
    tx, td = thresholds(tile, x, scaled.m_x), thresholds(tile, d, scaled.m_d)
    orders = {side: permutations(tile, side) for side in ("rows", "columns")}

    def seen(side, line, word):
        return sum((int(word) >> int(place) & 1) << bit for bit, place in enumerate(orders[side][line]))

    n = [(x[r] < 0) ^ bool(chop_rows[r]) for r in range(len(x))]
    slots = []
    directions = [None] if tile.train.polarity == "mixed" else [1, 0]
    for phase, only in itertools.product((0, 1), directions):
        raises = [(d[c] < 0) ^ bool(chop_columns[c]) ^ bool(phase) for c in range(len(d))]
        allowed = [only is None or raises[c] == bool(only) for c in range(len(d))]
        if not any(tx[r] > 0 and n[r] == bool(phase) for r in range(len(x))):
            continue
        if only is not None and not any(td[c] > 0 and allowed[c] for c in range(len(d))):
            continue
        for s in range(scaled.slots):
            rows = [n[r] == bool(phase) and seen("rows", r, row_words[s]) < tx[r] for r in range(len(x))]
            columns = [allowed[c] and seen("columns", c, column_words[s]) < td[c] for c in range(len(d))]
            slots.append((rows, columns, [fired and raised for fired, raised in zip(columns, raises, strict=True)]))
    return slots


@pytest.mark.parametrize("polarity", ["mixed", "separate"])
@pytest.mark.parametrize("random", [{}, {"permute": False}, {"generator": "xoshiro128++", "bits": 5}])
def test_slots_are_those_of_plain_loops(polarity, random):
    tile = design(polarity=polarity, random=random)
    rng = np.random.default_rng(4)
    rows, columns = Stream(tile, "rows"), Stream(tile, "columns")
    lengths = set()
    for _ in range(60):
        x, d, scaled = vectors(tile, rng)
        words = draw(tile, rows, columns, scaled.slots)
        chop_rows, chop_columns = rng.random(x.size) < 0.3, rng.random(d.size) < 0.3
        train = Train.of(tile, scaled, x, d, *words)
        got = slots_of(tile, train, chop_rows, chop_columns)
        want = by_hand(tile, scaled, x, d, *words, chop_rows, chop_columns)
        assert [tuple(part[s].tolist() for part in got) for s in range(len(got[0]))] == want
        lengths.add(len(want) // max(1, scaled.slots))
    assert lengths == ({0, 1, 2} if polarity == "mixed" else {0, 1, 2, 4})


def test_bits_and_slots_give_the_same_pulses():
    """Coincidences of bits, by sign of -x d, are what all slots together pulse; so is what the twin is told."""
    rng = np.random.default_rng(8)
    for polarity in ("mixed", "separate"):
        tile = design(polarity=polarity)
        streams = Stream(tile, "rows"), Stream(tile, "columns")
        for _ in range(20):
            x, d, scaled = vectors(tile, rng)
            words = draw(tile, *streams, scaled.slots)
            x_bits, d_bits, x_negative, d_negative = train_bits(tile, scaled, x, d, *words)
            both = np.bitwise_count(x_bits[:, None] & d_bits[None, :]).astype(int)
            up = both * (x_negative[:, None] ^ d_negative[None, :])
            rows, columns, raises = slots_of(tile, Train.of(tile, scaled, x, d, *words))
            pulses = np.einsum("sr,sc->rc", rows.astype(int), columns.astype(int))
            assert (pulses == both).all()
            assert (np.einsum("sr,sc->rc", rows.astype(int), raises.astype(int)) == up).all()
            assert np.array_equal(np.where(up, -1, 1)[both > 0], np.sign(np.outer(x, d))[both > 0])


def test_a_chopper_is_a_change_of_sign():
    tile = design()
    x, d = np.array([5, -6, 0, 63, -64, 1]), np.array([-256, 255, 1, 0, -9])
    scaled = Scaled(slots=40, m_x=factor(tile, x, 0.9), m_d=factor(tile, d, 0.9))
    words = draw(tile, Stream(tile, "rows"), Stream(tile, "columns"), 40)
    chop_rows, chop_columns = np.array([0, 1, 1, 0, 1, 1], bool), np.array([1, 1, 0, 0, 1], bool)
    chopped = slots_of(tile, Train.of(tile, scaled, x, d, *words), chop_rows, chop_columns)
    negated = np.where(chop_rows, -x, x), np.where(chop_columns, -d, d)
    plain = slots_of(tile, Train.of(tile, scaled, *negated, *words))
    for one, other in zip(chopped, plain, strict=True):
        assert (one == other).all()


def test_corners():
    tile = design(rows=3, columns=2)
    words = np.array([0, 255, 17], np.uint32), np.array([255, 0, 3], np.uint32)
    always = 1 << (tile.random.bits + 9)
    full = Scaled(slots=3, m_x=always, m_d=always)
    rows, columns, raises = slots_of(tile, Train.of(tile, full, [-64, 1, 0], [-256, 1], *words))
    assert rows.tolist() == [[False, True, False]] * 3 + [[True, False, False]] * 3  # a threshold of 2^w always fires
    assert columns.all()
    assert raises.tolist() == [[True, False]] * 3 + [[False, True]] * 3  # the weight moves by -x d
    never = dataclasses.replace(full, m_d=0)
    rows, columns, _ = slots_of(tile, Train.of(tile, never, [-64, 0, 0], [-256, 1], *words))
    assert (rows.shape, columns.any()) == ((3, 3), False)  # slots that hit nothing are fired
    separate = design(rows=3, columns=2, polarity="separate")
    assert len(slots_of(separate, Train.of(separate, never, [-64, 0, 0], [-256, 1], *words))[0]) == 0
    none = Train.of(tile, dataclasses.replace(full, m_x=0), [-64, 1, 0], [-256, 1], *words)
    assert [part.shape for part in slots_of(tile, none)] == [(0, 3), (0, 2), (0, 2)]
    empty = Train.of(tile, Scaled(slots=0, m_x=0, m_d=0), [0, 0, 0], [1, 1], [], [])
    assert [part.shape for part in slots_of(tile, empty)] == [(0, 3), (0, 2), (0, 2)]
    assert (empty.x_bits.tolist(), empty.d_bits.tolist()) == ([0, 0, 0], [0, 0])
    with pytest.raises(ValueError, match=r"row_words: must be \[3\]"):
        Train.of(tile, full, [1, 1, 1], [1, 1], words[0][:2], words[1])


def test_all_slots_of_the_longest_train():
    tile = design(rows=2, columns=1)
    words = np.arange(63, dtype=np.uint32), np.arange(63, dtype=np.uint32)
    always = Scaled(slots=63, m_x=1 << 17, m_d=1 << 17)
    x_bits, d_bits, *_ = train_bits(tile, always, [1, -1], [1], *words)
    assert (x_bits.tolist(), d_bits.tolist()) == ([2**63 - 1] * 2, [2**63 - 1])
    assert len(slots_of(tile, Train.of(tile, always, [1, -1], [1], *words))[0]) == 126


@pytest.mark.parametrize("columns", ["own", "rows", "rows-reversed"])
def test_draws_of_both_sides(columns):
    tile = design(random={"columns": columns})
    streams = [Stream(tile, side) for side in ("rows", "columns")]
    before = streams[1].state
    row_words, column_words = draw(tile, *streams, 7)
    fresh = Stream(tile, "rows").draws(7).tolist()
    assert row_words.tolist() == fresh
    if columns == "own":
        assert column_words.tolist() == Stream(tile, "columns").draws(7).tolist()
    else:
        step = -1 if columns == "rows-reversed" else 1
        assert column_words.tolist() == [int(f"{word:08b}"[::step], 2) for word in fresh]
        assert streams[1].state == before
    again = draw(tile, *streams, 0)
    assert [part.size for part in again] == [0, 0]


def test_masks_have_line_0_lowest():
    slots = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0]], bool)
    assert list(slot_masks(slots)) == [0b100000001, 0b10]


@pytest.mark.parametrize("polarity", ["mixed", "separate"])
def test_pulses_on_average(polarity):
    """E = BL tx td / 4^w for every cell, within four standard deviations of 2000 trains of 5 slots."""
    tile = design(rows=12, columns=9, polarity=polarity)
    rng = np.random.default_rng(1)
    x, d = rng.integers(-64, 64, 12), rng.integers(-256, 256, 9)
    scaled = Scaled(slots=5, m_x=factor(tile, x, 0.8), m_d=factor(tile, d, 0.9))
    streams = Stream(tile, "rows"), Stream(tile, "columns")
    total, trains = np.zeros((12, 9)), 2000
    for _ in range(trains):
        x_bits, d_bits, *_ = train_bits(tile, scaled, x, d, *draw(tile, *streams, 5))
        total += np.bitwise_count(x_bits[:, None] & d_bits[None, :])
    p = np.outer(thresholds(tile, x, scaled.m_x), thresholds(tile, d, scaled.m_d)) / 2**16
    sigma = np.sqrt(p * (1 - p) / (5 * trains))
    assert (np.abs(total / (5 * trains) - p) <= 4 * sigma + 0.004).all()
