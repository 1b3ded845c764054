"""Recalibration by the host: sizes of products come back after drift, statistics are those of the samples."""

import numpy as np
import pytest
import torch
from torch import nn

from crosstrain_model.design_file import load_design
from crosstrain_model.gradient_tile import model_tile
from crosstrain_model.training.layers import TileLinear
from crosstrain_model.training.pair import Learner, TileLayers
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.recalibrate import recalibrate, sizes, statistics
from crosstrain_model.training.run import Run

YEAR = 365 * 86400 * 10**9
X = torch.rand((200, 64), generator=torch.Generator().manual_seed(1))


def network(*middle, design="hic-64", changes=("hybrid.cells=sram",)):
    """64-32-10 on tiles, with biases that are not 0."""
    layers = TileLayers(load_design(design, [*changes]), Plan(), model_tile)
    made = nn.Sequential(layers.dense(64, 32), *middle, layers.dense(32, 10))
    learner = Learner(network=made, optimizer=torch.optim.SGD(made.parameters(), lr=0.1))
    rng = np.random.default_rng(3)
    for layer in learner.layers:
        layer.grid.load_weights(rng.uniform(-0.5, 0.5, (layer.grid.inputs, layer.grid.outputs)))
        layer.bias.data += 0.5
    return learner


def age(learner, now_ns):
    for grid in learner.grids:
        for tile in grid.tiles:
            tile.array.now_ns = now_ns


def loss(run):
    """Mean cross entropy on the test set."""
    run.tiles.network.eval()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(run.tiles.network(run.data.test_x), run.data.test_y))


def test_a_year_shrinks_products_and_gains_bring_them_back():
    learner = network(nn.Tanh())
    before = sizes(learner, X)
    age(learner, YEAR)
    drifted = sizes(learner, X)
    assert all(late < 0.6 * early for late, early in zip(drifted, before, strict=True))
    recalibrate(learner, X, before)
    assert np.allclose(sizes(learner, X), before, rtol=0.03)
    assert all(1.5 < layer.gain < 4 for layer in learner.layers)
    assert all(tile.calibrated for grid in learner.grids for tile in grid.tiles)
    recalibrate(learner, X, before)  # again: nothing is left to do
    assert np.allclose(sizes(learner, X), before, rtol=0.03)


def test_a_gain_multiplies_products_and_not_the_bias():
    learner = network()
    learner.network.eval()
    layer, seen = learner.layers[0], []
    assert isinstance(layer, TileLinear)
    layer.watcher = lambda product: seen.append(product)
    layer.gain = 3.0
    answer = layer(X)
    assert torch.equal(answer, seen[0] + layer.bias)
    assert sizes(learner, X)[0] == pytest.approx(3 * sizes(network(), X)[0], rel=0.02)


def test_statistics_are_those_of_the_samples():
    norm = nn.BatchNorm1d(32)
    learner = network(norm, nn.Tanh())
    norm.running_mean += 9.0
    seen = []
    norm.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach().clone()))
    statistics(learner, X)
    chunks = [(chunk.mean(dim=0), chunk.var(dim=0)) for chunk in seen]
    assert len(chunks) == 2
    assert torch.allclose(norm.running_mean, torch.stack([mean for mean, _ in chunks]).mean(dim=0), atol=1e-5)
    assert torch.allclose(norm.running_var, torch.stack([var for _, var in chunks]).mean(dim=0), atol=1e-5)
    assert (norm.momentum, norm.training) == (0.1, False)


def test_a_trained_network_is_as_sure_as_it_was():
    run = Run(load_design("hic-64", ["hybrid.cells=sram"]), Plan(epochs=6, rate=0.1), model_tile)
    run.learn()
    samples, learner = run.data.train_x[:300], run.tiles
    wanted = sizes(learner, samples)
    state = [tile.state() for grid in learner.grids for tile in grid.tiles]
    losses = [loss(run)]
    age(learner, 10 * YEAR)
    losses.append(loss(run))
    recalibrate(learner, samples, wanted)
    losses.append(loss(run))
    before, alone, better = losses
    assert abs(better - before) < 0.5 * abs(alone - before)
    assert learner.accuracy(run.data.test_x, run.data.test_y) > 88
    after = [tile.state() for grid in learner.grids for tile in grid.tiles]
    for one, other in zip(state, after, strict=True):  # nothing was programmed
        assert np.array_equal(one["array.g"], other["array.g"])
        assert np.array_equal(one["array.sets"], other["array.sets"])


def test_outer_products_are_refused():
    learner = network(design="mp-64", changes=())
    with pytest.raises(ValueError, match="recalibrate: needs a scheme whose changes come from the host"):
        sizes(learner, X)
