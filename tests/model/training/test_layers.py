"""Layers on tiles are their torch layers, as far as converters let them: outputs, gradients, what tiles are given."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_device import Converters, Device
from crosstrain_model.tile import ModelTile
from crosstrain_model.training.converters import copy_unit, to_codes, to_units
from crosstrain_model.training.grid import TileGrid
from crosstrain_model.training.layers import TileConv2d, TileLinear

FINE = Design(
    array=Array(rows=16, columns=8, lanes=4),
    formats=Formats(adc=18, x=12, d=12),
    device=Device(kind="ideal", states=64),
    converters=Converters(adc_range=64.0, adc_range_backward=64.0),
)


class Recorder(ModelTile):
    """Keeps what it is given to accumulate."""

    def accumulate(self, x, ex, d, ed):
        self.given = x, ex, d, ed
        super().accumulate(x, ex, d, ed)


def grid(inputs, outputs, design=FINE, factory=None):
    factory = factory or (lambda design, seed, tile: Recorder(design, seed=seed, tile=tile))
    return TileGrid(design, inputs, outputs, scale=1.0, seed=1, first=0, factory=factory)


def pair_of_convolutions(channels, outputs, kernel, stride, padding, **on):
    """A torch convolution and one on tiles, with the same weights."""
    plain = nn.Conv2d(channels, outputs, kernel, stride=stride, padding=padding, bias=False)
    weight = torch.randint(-32, 33, plain.weight.shape, generator=torch.Generator().manual_seed(2)) / 64
    plain.weight.data = weight
    tiled = TileConv2d(grid(channels * kernel**2, outputs, **on), kernel, stride=stride, padding=padding)
    tiled.grid.load_weights(weight.reshape(outputs, -1).numpy().T)
    tiled.refresh()
    return plain, tiled


def ran(layer, x, d):
    """(output, gradient of the input) for gradient d of the output."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(d)
    return y.detach(), x.grad


@pytest.mark.parametrize("shape", [(1, 4, 5, 1, 0), (3, 9, 3, 1, 1), (2, 5, 3, 2, 1), (5, 3, 1, 2, 0)])
def test_a_convolution_on_tiles(shape):
    plain, tiled = pair_of_convolutions(*shape)
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(2, shape[0], 9, 8, generator=generator)
    d = torch.randn(plain(x).shape, generator=generator)
    (y, dx), (want_y, want_dx) = ran(tiled, x, d), ran(plain, x, d)
    assert y.shape == want_y.shape
    assert (y - want_y).abs().max() < 0.01
    assert (dx - want_dx).abs().max() < 0.05
    assert want_y.abs().max() > 0.2


def test_the_order_of_outer_products():
    """Rows are (channel, ky, kx); vectors go sample by sample, down the rows of positions and along each."""
    _, tiled = pair_of_convolutions(2, 3, 2, 1, 0)
    x, d = torch.rand(2, 2, 3, 4), torch.randn(2, 3, 2, 3)
    ran(tiled, x, d)
    places = [(n, i, j) for n in range(2) for i in range(2) for j in range(3)]
    windows = np.stack([x[n, :, i : i + 2, j : j + 2].reshape(-1).numpy() for n, i, j in places])
    errors = np.stack([d[n, :, i, j].numpy() for n, i, j in places])
    (tile,) = tiled.grid.tiles
    for given, values, lines in ((tile.given[:2], windows, 8), (tile.given[2:], errors, 3)):
        codes, exponents = to_codes(values, 12)
        assert (given[0][:, :lines] == codes).all()
        assert not given[0][:, lines:].any()
        assert (given[1] == exponents).all()


def test_nothing_is_given_to_tiles_in_a_test():
    _, tiled = pair_of_convolutions(1, 2, 3, 1, 0)
    ran(tiled.eval(), torch.rand(1, 1, 4, 4), torch.ones(1, 2, 2, 2))
    assert not hasattr(tiled.grid.tiles[0], "given")


def test_a_scale_multiplies_outputs_and_errors():
    layer = TileLinear(grid(6, 5), scaled=True)
    weight = np.random.default_rng(1).integers(-32, 33, (6, 5)) / 64
    layer.grid.load_weights(weight)
    layer.scale.data.fill_(0.25)
    x, d = torch.rand(4, 6), torch.randn(4, 5)
    y, dx = ran(layer, x, d)
    product = x @ torch.from_numpy(weight).float()
    assert (y - product * 0.25).abs().max() < 0.01
    assert (dx - 0.25 * d @ torch.from_numpy(weight.T).float()).abs().max() < 0.01
    assert abs(layer.scale.grad - (d * product).sum()) < 0.05
    assert (layer.grid.tiles[0].given[2][:, :5] == to_codes(0.25 * d.numpy(), 12)[0]).all()
    assert [name for name, _ in layer.named_parameters()] == ["scale"]


def test_a_streamed_layer_is_digital_on_its_way_back(streamed):
    made, factory = streamed
    plain, tiled = pair_of_convolutions(2, 5, 3, 1, 1, design=made("formats.adc=12"), factory=factory)
    assert torch.equal(tiled.weight.data, plain.weight.detach().reshape(5, 18).T)
    x, d = torch.rand(3, 2, 6, 6), torch.randn(3, 5, 6, 6)
    (y, dx), (want_y, want_dx) = ran(tiled, x, d), ran(plain, x, d)
    assert 0 < (y - want_y).abs().max() < 0.1  # read in the array
    assert (dx - want_dx).abs().max() < 1e-5
    assert (tiled.weight.grad - plain.weight.grad.reshape(5, 18).T).abs().max() < 1e-4


def test_what_the_optimiser_changes_goes_to_the_tiles(streamed):
    made, factory = streamed
    layer = TileLinear(grid(70, 65, made(), factory), scaled=True)
    start = np.zeros((70, 65), np.float32)
    layer.grid.load_weights(start)
    unit = copy_unit(layer.grid.design)
    change = np.random.default_rng(1).integers(-200, 200, start.shape)
    layer.weight.data += torch.from_numpy((change * unit).astype(np.float32))
    layer.hand_over()
    chi = np.zeros(start.shape, np.int64)
    for tile, rows, columns in layer.grid.blocks():
        chi[rows, columns] = tile.chi[: rows.stop - rows.start, : columns.stop - columns.start]
    assert (chi == change).all()
    assert not layer.grid.copy().any()  # nothing moves before the pass
    layer.grid.program()
    layer.refresh()
    moved = np.where(abs(change) >= factory.THRESHOLD, change, 0)
    assert (layer.weight.data.numpy() == (moved * unit).astype(np.float32)).all()
    layer.hand_over()  # nothing was changed since
    kept = sum(int(abs(tile.chi).sum()) for tile in layer.grid.tiles)
    assert kept == abs(change - moved).sum()


def test_changes_in_units():
    assert to_units(np.array([0.5, 1.5, -2.5, 1e30, -1e30], np.float32), 1.0).tolist() == [
        0, 2, -2, 2**31 - 1, -(2**31) + 1,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="not finite"):
        to_units(np.array([np.nan], np.float32), 1.0)
    design = dataclasses.replace(FINE, formats=Formats(adc=9, fraction=8))
    assert copy_unit(design) == 2.0**-16
