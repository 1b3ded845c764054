"""The tile: both engines, any split, any order, the hook and a restored state give the same bits."""

import ctypes
import hashlib

import numpy as np
import pytest

from crosstrain_model.design import Array, Design
from crosstrain_model.design_device import Converters, Device
from crosstrain_model.twin import ArrayTile

PAIRS = ("single", "push-pull", "set-only")
FROZEN = "dfe85034948bd237f44409eecdbb9ee25f99d1bf082029cfda756e0c37d8eea6"
KINDS = ("ideal", "constant-step", "linear-step", "soft-bounds")


def sample(pair="single", kind="soft-bounds", noisy=True, rows=13, columns=7, **fields):
    device = {"sigma_dd": 0.3, "sigma_pm": 0.1, "sigma_b": 0.2, "sigma_cc": 0.3} if noisy else {}
    converters = Converters(adc_noise=1.0, dac_noise=0.01, read_noise=0.02) if noisy else Converters()
    array = Array(rows=rows, columns=columns, lanes=1, pair=pair)
    return Design(name="sample", array=array, device=Device(kind=kind, **(device | fields)), converters=converters)


def play(tile, steps=12, seed=4):
    """A mixed life of one tile; returns everything that it answered."""
    draw, heard = np.random.default_rng(seed), []
    rows, columns, wide = tile.rows, tile.columns, tile.device_columns
    tile.load_weights(draw.integers(-(2**19), 2**19, (rows, columns)))
    for _ in range(steps):
        heard.append(tile.forward(draw.integers(-128, 128, (int(draw.integers(1, 11)), rows))))
        heard.append(tile.backward(draw.integers(-128, 128, (3, columns))))
        heard.append(tile.read_row(int(draw.integers(rows))))
        counts = draw.integers(-4, 5, (rows, columns)) * (draw.random((rows, columns)) < 0.5)
        heard.append(tile.program_rows(draw.integers(0, rows, rows), counts))
        heard.append(tile.program_row(0, draw.integers(-255, 256, columns), update=int(draw.integers(2**40))))
        heard.append(tile.program_devices(rows - 1, draw.integers(0, 9, wide), draw.integers(0, 9, wide)))
        bits = draw.integers(0, 2**31, rows), draw.integers(0, 2**31, columns)
        heard.append(tile.pulse_train(*bits, draw.integers(-1, 2, rows), draw.integers(-1, 2, columns)))
        heard.append(tile.conductance)
    return [*heard, tile.counters.copy(), tile.pulses.copy()]


def same(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pair", PAIRS)
def test_engines_agree(pair, kind, noisy):
    for rows, columns, base in ((13, 7, "step"), (1, 1, "zero"), (5, 70, "zero")):
        design = sample(pair, kind, noisy, rows, columns, noise_base=base)
        fast, plain = (ArrayTile(design, engine=engine, count_pulses=True) for engine in ("numba", "numpy"))
        assert same(play(fast, 4), play(plain, 4))
        assert fast.pulses.sum() > 0


def test_the_rule_is_frozen():
    """One life of one tile, digested: a change of any rule shows here and must be meant."""
    digest = hashlib.sha256()
    for part in play(ArrayTile(sample("push-pull"), engine="numpy", count_pulses=True)):
        digest.update(np.asarray(part, dtype="<i8").tobytes())
    assert digest.hexdigest() == FROZEN


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("pair", PAIRS)
def test_slots_and_packed_trains_are_one(pair, engine):
    """A train of two phases, slot by slot as at the port, against the packed words: same bits, same event number."""
    draw, slots = np.random.default_rng(6), 63
    whole, packed = (ArrayTile(sample(pair), engine=engine, count_pulses=True) for _ in range(2))
    for density in (0.02, 0.3, 1.0):
        x, d = draw.random((slots, 13)) < density, draw.random((slots, 7)) < density
        x_sign, d_sign = draw.integers(-1, 2, 13), draw.integers(-1, 2, 7)
        rows = np.concatenate([x & (x_sign > 0), x & (x_sign < 0)])
        counts = np.concatenate([np.where(d, -d_sign, 0), np.where(d, d_sign, 0)])
        sets, resets = whole.wiring.expand(counts)
        fired = whole.train_slots(rows, (sets + resets) > 0, sets > 0)
        bits = (side.T @ (1 << np.arange(slots, dtype=np.int64)) for side in (x, d))
        assert fired == packed.pulse_train(*bits, x_sign, d_sign)
        assert np.array_equal(whole.g, packed.g)
    assert np.array_equal(whole.pulses, packed.pulses)
    assert whole.counters.tolist() == packed.counters.tolist()


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
def test_sparse_and_dense_rows_of_a_train(pair, noisy):
    """Pulses that fill buffers, rows of few and of many pulses side by side: the definition's bits."""
    design, draw = sample(pair, noisy=noisy, rows=40, columns=150), np.random.default_rng(9)
    fast, plain = (ArrayTile(design, engine=engine, count_pulses=True) for engine in ("numba", "numpy"))
    for _ in range(3):
        fires = draw.random((63, 40)) < draw.choice([0.0, 0.02, 0.3, 1.0], 40)
        d = draw.random((63, 150)) < draw.random(150) ** 3
        bits = [side.T @ (1 << np.arange(63, dtype=np.int64)) for side in (fires, d)]
        signs = draw.integers(-9, 10, 40), draw.integers(-1, 2, 150, dtype=np.int8)
        assert fast.pulse_train(*bits, *signs) == plain.pulse_train(*bits, *signs) > 2000
        assert np.array_equal(fast.g, plain.g)
    assert np.array_equal(fast.levels, plain.levels)
    assert np.array_equal(fast.pulses, plain.pulses)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_more_than_63_slots_are_refused(engine):
    tile, one = ArrayTile(sample(), engine=engine), [np.ones(n, dtype=int) for n in (13, 7)]
    for wide in (np.full(13, 2**63, dtype=np.uint64), np.full(13, -1)):
        with pytest.raises(ValueError, match=r"x_bits = .*at most 63 slots"):
            tile.pulse_train(wide, one[1], *one)
    assert not tile.counters.any()


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_sets_come_first_in_any_train_of_slots(engine):
    """Columns that turn round within a train: counts per device, SET first, as one row program with that noise."""
    draw = np.random.default_rng(7)
    tile, quiet = ArrayTile(sample(), engine=engine), ArrayTile(sample(sigma_cc=0.0), engine=engine)
    rows, columns, rising = draw.random((255, 13)) < 0.3, *(draw.random((2, 255, 7)) < 0.3)
    hits = rows.T.astype(int)
    up, total = hits @ (columns & rising), hits @ columns
    for twin in (tile, quiet):
        assert twin.train_slots(rows, columns, rising) == total.sum()
        assert twin.train_slots(rows, columns & False, rising) == 0
        assert twin.counters.tolist() == [0, 0, 0, 0, 1]
    other = ArrayTile(sample(sigma_cc=0.0))
    for row in range(13):
        other.program_devices(row, up[row], (total - up)[row])
    assert np.array_equal(other.g, quiet.g)
    assert tile.train_slots(np.zeros((0, 13), bool), np.zeros((0, 7), bool), np.zeros((0, 7), bool)) == 0


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_batch_splits_give_the_same_codes(engine):
    design, draw = sample(rows=40, columns=30), np.random.default_rng(0)
    x, d = draw.integers(-128, 128, (23, 40)), draw.integers(-128, 128, (23, 30))
    answers = []
    for cuts in ([23], [1] * 23, [4, 4, 4, 11], [5, 18]):
        tile, start, parts = ArrayTile(design, engine=engine), 0, []
        tile.load_weights(np.arange(1200).reshape(40, 30) * 1000 - 600000)
        for size in cuts:
            chunk = slice(start, start + size)
            parts.append((tile.forward(x[chunk]), tile.backward(d[chunk])))
            start += size
        answers.append([np.concatenate(side) for side in zip(*parts, strict=True)])
    assert all(same(answers[0], other) for other in answers[1:])
    assert not np.array_equal(ArrayTile(design).forward(x[:1]), ArrayTile(design, tile=1).forward(x[:1]))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_row_batches_and_single_rows_are_one(engine):
    design, draw = sample("push-pull"), np.random.default_rng(2)
    rows, counts = np.array([3, 3, 0, 12, 5]), draw.integers(-15, 16, (5, 7))
    counts[2] = 0
    together, apart = ArrayTile(design, engine=engine), ArrayTile(design, engine=engine)
    delivered = together.program_rows(rows, counts)
    assert delivered.tolist() == [apart.program_row(int(r), c) for r, c in zip(rows, counts, strict=True)]
    assert delivered.tolist() == (2 * np.abs(counts).sum(axis=1)).tolist()
    assert np.array_equal(together.g, apart.g)
    # Two phases of each row are two events; the empty row is none.
    assert together.counters.tolist() == apart.counters.tolist() == [0, 0, 0, 8, 0]


def test_tiles_in_any_order_and_interleaved():
    design = sample()
    alone = [play(ArrayTile(design, tile=t), 2) for t in range(3)]
    tiles = {t: ArrayTile(design, tile=t) for t in (2, 0, 1)}
    assert all(same(play(tiles[t], 2), alone[t]) for t in (1, 2, 0))
    assert not same(alone[0], alone[1])


def test_the_number_of_an_update_is_its_noise():
    design = sample()
    first, second = ArrayTile(design), ArrayTile(design)
    counts = np.full(7, 3)
    first.program_row(1, counts)
    first.program_row(2, counts)
    second.program_row(2, counts, update=1)
    assert second.counters[3] == 0
    second.program_row(1, counts)
    assert np.array_equal(first.g, second.g)


@pytest.mark.parametrize("pair", PAIRS)
def test_restore_continues_to_the_same_bits(pair):
    design = sample(pair)
    tile = ArrayTile(design, seed=9, tile=1, array=2, count_pulses=True)
    play(tile, 2)
    saved, other = tile.state(), ArrayTile(design, seed=9, tile=1, array=2, engine="numpy", count_pulses=True)
    x = np.full((2, 13), 100)
    expected = tile.forward(x), tile.read_row(4), tile.program_row(3, np.arange(7)), tile.conductance, tile.pulses
    other.restore(saved)
    continued = other.forward(x), other.read_row(4), other.program_row(3, np.arange(7)), other.conductance, other.pulses
    assert same(expected, continued)
    with pytest.raises(ValueError, match=r"identity = \[9, 1, 2\]: must be \[9, 0, 2\]"):
        ArrayTile(design, seed=9, array=2, count_pulses=True).restore(saved)
    with pytest.raises(ValueError, match="pulses: must be an array"):
        ArrayTile(design, seed=9, tile=1, array=2).restore(saved)


@pytest.mark.parametrize("pair", PAIRS)
def test_hook_equals_methods(pair):
    """Called as C calls it; state changes through the hook are the tile's own."""
    design, draw = sample(pair), np.random.default_rng(8)
    hooked, direct = ArrayTile(design), ArrayTile(design, engine="numpy")
    address, user = hooked.hook_pointer()
    kinds = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, *[ctypes.c_void_p] * 4)
    hook = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(address)
    wide = hooked.device_columns
    for _ in range(20):
        row = int(draw.integers(13))
        sets, resets = (draw.integers(0, 16, wide).astype(np.uint8) for _ in range(2))
        done = hook(user, 0, 0, row, sets.ctypes.data, resets.ctypes.data, None, None)
        assert done == direct.program_devices(row, sets, resets) == int(sets.sum()) + int(resets.sum())
        for op, lines, outputs, read in ((1, 13, 7, direct.forward), (2, 7, 13, direct.backward)):
            codes, out = draw.integers(-128, 128, lines).astype(np.int32), np.zeros(outputs, dtype=np.int32)
            assert hook(user, op, 0, 0, None, None, codes.ctypes.data, out.ctypes.data) == 0
            assert np.array_equal(out, read(codes))
        out = np.zeros(7, dtype=np.int32)
        assert hook(user, 3, 0, row, None, None, None, out.ctypes.data) == 0
        assert np.array_equal(out, direct.read_row(row))
        count = int(draw.integers(1, 20))
        fired, hit, rising = (draw.random((count, n)) < 0.3 for n in (13, wide, wide))
        rows, columns = fired.astype(np.uint8), (hit * (1 + rising)).astype(np.uint8)
        done = hook(user, 4, 0, count, rows.ctypes.data, columns.ctypes.data, None, None)
        assert done == direct.train_slots(fired, hit, rising)
    assert np.array_equal(hooked.g, direct.g)
    assert np.array_equal(hooked.levels, direct.levels)
    assert np.array_equal(hooked.counters, direct.counters)
    before = hooked.state()
    full, bad = np.full(wide, 128, dtype=np.uint8), np.full(13, 128, dtype=np.int32)
    assert hook(user, 0, 0, 13, sets.ctypes.data, resets.ctypes.data, None, None) == -1
    assert hook(user, 0, 0, 0, full.ctypes.data, full.ctypes.data, None, None) == -1
    assert hook(user, 1, 0, 0, None, None, bad.ctypes.data, out.ctypes.data) == -1
    assert hook(user, 3, 0, 2**32 - 1, None, None, None, out.ctypes.data) == -1
    assert hook(user, 4, 0, 0, None, None, None, None) == 0
    rows, columns = np.ones((256, 13), dtype=np.uint8), np.full((256, wide), 2, dtype=np.uint8)
    assert hook(user, 4, 0, 256, rows.ctypes.data, columns.ctypes.data, None, None) == -1
    rows[0, 0], columns[1, 1] = 2, 3
    assert hook(user, 4, 0, 1, rows.ctypes.data, columns.ctypes.data, None, None) == -1
    rows[0, 0] = 1
    assert hook(user, 4, 0, 2, rows.ctypes.data, columns.ctypes.data, None, None) == -1
    assert hook(user, 5, 0, 0, None, None, None, None) == -1
    assert same(list(before.values()), list(hooked.state().values()))


@pytest.mark.parametrize("pair", PAIRS)
def test_load_weights_is_exact_within_bounds(pair):
    tile, draw = ArrayTile(sample(pair)), np.random.default_rng(5)
    target = draw.integers(-tile.weight_one // 4, tile.weight_one // 4, (13, 7))
    assert tile.load_weights(target) == 0
    assert np.array_equal(tile.weights, target)
    assert tile.load_weights(np.full((13, 7), 2**23)) == 91
    low, high = tile.devices.low.astype(int) << 6, tile.devices.high.astype(int) << 6
    most = high if pair == "single" else high[:, 0::2] - low[:, 1::2]
    assert np.array_equal(tile.weights, most)


@pytest.mark.parametrize("pair", PAIRS)
def test_program_weights_comes_near(pair):
    """Quiet devices: the last error is at most the mean step at zero, and the pulses are counted."""
    tile, draw = ArrayTile(sample(pair, noisy=False), count_pulses=True), np.random.default_rng(5)
    target = draw.integers(-tile.weight_one // 4, tile.weight_one // 4, (13, 7))
    delivered = tile.program_weights(target)
    assert delivered == tile.pulses.sum() > 0
    assert np.abs(tile.weights - target).max() <= 2 * tile.weight_one // 64


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pulse_moves_a_weight_its_way(pair):
    tile = ArrayTile(sample(pair, noisy=False))
    start = tile.weights
    tile.program_row(2, np.array([2, -2, 0, 1, -1, 15, -15]))
    assert np.sign(tile.weights - start)[2].tolist() == [1, -1, 0, 1, -1, 1, -1]
    tile.load_weights(np.zeros((13, 7), dtype=int))
    x_bits, d_bits = np.zeros(13, dtype=int), np.full(7, 0b101)
    x_bits[3:5], x_sign, d_sign = 0b111, np.ones(13, dtype=int), np.array([1, -1, 0, 1, -1, 0, 1])
    x_sign[4] = -1
    pulses = tile.pulse_train(x_bits, d_bits, x_sign, d_sign)
    assert pulses == 2 * 2 * 5 * (2 if pair == "push-pull" else 1)
    assert np.array_equal(np.sign(tile.weights)[3], -d_sign)
    assert np.array_equal(np.sign(tile.weights)[4], d_sign)
    assert not tile.weights[[0, 1, 2, 5]].any()


def test_wrong_arguments_are_named():
    tile = ArrayTile(sample())
    for call, text in (
        (lambda: ArrayTile(sample(), engine="gpu"), 'engine = "gpu": must be one of numba, numpy'),
        (lambda: ArrayTile(sample(), seed=-1), "seed = -1: must be 0..4294967295"),
        (lambda: tile.read_row(13), "row = 13: must be 0..12"),
        (lambda: tile.program_row(-1, np.zeros(7, dtype=int)), "row = -1: must be 0..12"),
        (lambda: tile.program_row(0, np.full(7, 256)), "counts = 256..256: must be -255..255"),
        (lambda: tile.program_row(0, np.zeros(7)), "counts = float64"),
        (lambda: tile.program_devices(0, np.full(7, 200), np.full(7, 56)), "= 256: must be 0..255"),
        (lambda: tile.program_rows(np.array([13]), np.zeros((1, 7), dtype=int)), "rows: must be"),
        (lambda: tile.pulse_train(np.full(13, 2**31), *[np.ones(7, dtype=int)] * 3), "x_sign"),
        (lambda: tile.pulse_train(np.full(13, -1), *[np.ones(n, dtype=int) for n in (7, 13, 7)]), "x_bits"),
        (lambda: tile.train_slots(np.ones((2, 13)), *[np.ones((2, 7), bool)] * 2), "train_slots rows = float64"),
        (lambda: tile.train_slots(np.ones((2, 13), bool), *[np.ones((3, 7), bool)] * 2), "train_slots columns"),
        (lambda: tile.train_slots(np.ones((256, 13), bool), *[np.ones((256, 7), bool)] * 2), "at most 255"),
        (lambda: tile.forward(np.zeros((2, 14), dtype=int)), "forward x_codes"),
        (lambda: setattr(tile, "conductance", np.full((13, 7), 2**21)), "its bounds"),
        (lambda: ArrayTile(sample(), engine="numpy").hook_pointer(), "the hook needs"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    assert not tile.counters.any()
