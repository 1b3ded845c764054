"""A layer split over tiles equals the same layer on one exact matrix."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model import gradient_tile
from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_device import Converters, Device
from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.tile import ModelTile
from crosstrain_model.training.converters import to_codes
from crosstrain_model.training.grid import TileGrid


def model_tile(design, seed, tile):
    return ModelTile(design, seed=seed, tile=tile)


def grid(rows, columns, lanes, inputs, outputs):
    design = Design(
        array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(adc=18),
        device=Device(kind="ideal", states=64),
        converters=Converters(adc_range=64.0, adc_range_backward=64.0),
    )
    return TileGrid(design, inputs, outputs, scale=1.0, seed=1, first=0, factory=model_tile)


@pytest.mark.parametrize("shape", [(8, 8, 4, 8, 8), (8, 8, 4, 20, 11), (13, 7, 3, 30, 8), (16, 16, 16, 3, 2)])
def test_reads_are_the_matrix_products(shape):
    layer = grid(*shape)
    inputs, outputs = layer.inputs, layer.outputs
    rng = np.random.default_rng(1)
    weights = rng.integers(-32, 33, (inputs, outputs)) / 64
    layer.load_weights(weights)
    assert (layer.weights() == weights * layer.tiles[0].array.weight_one).all()
    x = rng.integers(-127, 128, (5, inputs)) / 128
    x[:, 0] = 127 / 128
    y, codes, exponents = layer.forward(x)
    assert (exponents == -7).all()
    assert (codes == x * 128).all()
    lsb = layer.tiles[0].array.forward_converter.lsb / 128
    assert np.abs(y - x @ weights).max() <= lsb * layer.row_blocks  # half a code per partial sum, and a reading's own
    d = rng.integers(-127, 128, (5, outputs)) / 128
    d[:, 0] = -127 / 128
    back, _, _ = layer.backward(d)
    assert np.abs(back - d @ weights.T).max() <= lsb * layer.column_blocks


def test_updates_reach_the_right_tiles_and_padding_stays_untouched():
    layer = grid(8, 8, 4, 11, 9)
    layer.configure(rate=0.1)
    x, ex = to_codes(np.eye(11)[[0, 10]], 8)
    d, ed = to_codes(np.eye(9)[[8, 0]] * -4.0, 8)
    layer.accumulate(x, ex, d, ed)
    passes = layer.program()
    moved = layer.weights()
    assert {tuple(at) for at in np.argwhere(moved)} == {(0, 8), (10, 0)}
    assert [p.pulses for p in passes] == [0, 3, 3, 0]
    for tile, rows, columns in layer.blocks():
        used = np.zeros((8, 8), dtype=bool)
        used[: rows.stop - rows.start, : columns.stop - columns.start] = True
        assert not tile.array.weights[~used].any()


def test_equal_digests_stand_for_equal_passes():
    first, second, third = (grid(8, 8, 4, 8, 8) for _ in range(3))
    for layer, gain in ((first, 1.0), (second, 1.0), (third, -1.0)):
        layer.configure(rate=0.1)
        x, ex = to_codes(np.ones((1, 8)), 8)
        d, ed = to_codes(np.full((1, 8), gain), 8)
        layer.accumulate(x, ex, d, ed)
    a, b, c = (layer.program()[0] for layer in (first, second, third))
    assert dataclasses.asdict(a) == dataclasses.asdict(b)
    assert a.digest != c.digest


def test_a_vector_of_zeros_gives_zeros_whatever_the_noise():
    """Its exponent is 0, not that of its neighbours: noise of the ADC would come out 2^7 times as large."""
    design = Design(array=Array(rows=8, columns=8, lanes=4), converters=Converters(adc_noise=3.0))
    layer = TileGrid(design, 12, 10, scale=1.0, seed=1, first=0, factory=model_tile)
    x, d = np.full((3, 12), 0.01, np.float32), np.full((3, 10), 0.01, np.float32)
    x[1], d[1] = 0, 0
    for y in (layer.forward(x)[0], layer.backward(d)[0]):
        assert not y[1].any()
        assert 0 < np.abs(y).max() < 0.1


NOISY = Converters(adc_range=4.0, dac_noise=0.01, read_noise=0.02, adc_noise=0.5)


@pytest.mark.parametrize("converters", [Converters(adc_range=4.0), NOISY])
@pytest.mark.parametrize("shape", [(16, 16, 4, 16, 16), (16, 12, 4, 40, 11), (8, 8, 4, 8, 20), (13, 7, 3, 30, 9)])
def test_reads_in_one_call_are_the_plain_ones(converters, shape):
    """Every grid, a bias or none, vectors of zeros, arrays that are not contiguous, and events counted alike."""
    rows, columns, lanes, inputs, outputs = shape
    design = Design(array=Array(rows=rows, columns=columns, lanes=lanes), converters=converters)
    fast, plain = (TileGrid(design, inputs, outputs, scale=0.7, seed=1, first=0, factory=model_tile) for _ in range(2))
    assert fast.reads is not None
    plain.reads = None
    rng = np.random.default_rng(2)
    weights = rng.uniform(-0.7, 0.7, (inputs, outputs)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    fast.load_weights(weights)
    plain.load_weights(weights)
    for vectors in (1, 7, 40):
        x = rng.normal(size=(inputs, vectors)).astype(np.float32).T * (rng.random((vectors, inputs)) < 0.3)
        d = rng.normal(size=(vectors, outputs)).astype(np.float32)
        x[0], d[-1] = 0.0, 0.0
        given = [(grid.forward(x), grid.forward(x, bias), grid.backward(d)) for grid in (fast, plain)]
        for mine, defined in zip(*given, strict=True):
            for a, b in zip(mine, defined, strict=True):
                assert a.dtype == b.dtype
                assert np.array_equal(a, b)
    for mine, defined in zip(fast.tiles, plain.tiles, strict=True):
        assert mine.array.counters.tolist() == defined.array.counters.tolist()
    with pytest.raises(UserError, match="diverged"):
        fast.forward(np.full((1, inputs), np.nan, np.float32))


def test_tiles_with_reads_of_their_own_are_read_themselves():
    class Other(ModelTile):
        reads_array = False

    design = Design(array=Array(rows=8, columns=8, lanes=4))
    layer = TileGrid(design, 8, 8, scale=1.0, seed=1, first=0, factory=lambda d, s, t: Other(d, seed=s, tile=t))
    assert layer.reads is None


def test_the_mean_of_reads_has_less_noise():
    design = load_design("wu-8", ["converters.adc_noise=4"])
    x = np.random.default_rng(1).random((400, 8)).astype(np.float32)
    results = {}
    for count in (1, 4, 16):
        layer = TileGrid(design, 8, 8, scale=1.0, seed=1, first=0, factory=gradient_tile.model_tile, averaged=count)
        layer.load_weights(np.random.default_rng(2).uniform(-0.5, 0.5, (8, 8)).astype(np.float32))
        exact = x @ (layer.weights() / layer.tiles[0].array.weight_one)
        results[count] = np.std(layer.forward(x)[0] - exact)
    assert results[1] / results[4] == pytest.approx(2.0, rel=0.1)
    assert results[1] / results[16] == pytest.approx(4.0, rel=0.15)
