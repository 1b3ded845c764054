"""The golden network and the network on tiles, side by side, stepped by the same code."""

from __future__ import annotations

import dataclasses
import functools

import torch
from torch import nn

from crosstrain_model.design import Design
from crosstrain_model.tile import Programmed
from crosstrain_model.training.data import DataSet
from crosstrain_model.training.grid import TileFactory, TileGrid
from crosstrain_model.training.layers import TileConv2d, TiledLayer, TileLinear
from crosstrain_model.training.network import NETWORKS, GoldenLayers, initial_scaled, initial_weights
from crosstrain_model.training.optimizer import forget, make_optimizer, step
from crosstrain_model.training.plan import Plan

CHUNK = 128
"""Samples tested at once: a convolution unfolds each into as many vectors as it has output positions."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learner:
    """One network with the optimiser of what the host trains: everything in the golden network; on tiles biases and
    scales, and the copies of weights where their changes come from the host."""

    network: nn.Module
    optimizer: torch.optim.Optimizer

    @functools.cached_property
    def layers(self) -> list[TiledLayer]:
        """The layers on tiles, in the order they were built; none in the golden network."""
        return [module for module in self.network.modules() if isinstance(module, TiledLayer)]

    @property
    def grids(self) -> list[TileGrid]:
        """Their tiles."""
        return [layer.grid for layer in self.layers]

    def step(self, x: torch.Tensor, y: torch.Tensor) -> list[Programmed]:
        """Learn one batch; what the program pass of every tile did."""
        if not self.network.training:  # walks through all modules
            self.network.train()
        forget(self.optimizer)
        nn.functional.cross_entropy(self.network(x), y, reduction="sum").backward()  # type: ignore[no-untyped-call]
        step(self.optimizer)
        programmed = []
        for layer in self.layers:
            layer.hand_over()
            programmed += layer.grid.program()
            layer.refresh()
        return programmed

    def accuracy(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Correct answers in percent."""
        self.network.eval()
        correct = 0
        with torch.no_grad():
            for chunk, labels in zip(torch.split(x, CHUNK), torch.split(y, CHUNK), strict=True):
                correct += int((self.network(chunk).argmax(dim=1) == labels).sum())
        return 100.0 * correct / len(y)


class TileLayers:
    """Builds layers on tiles, which are numbered through the network."""

    def __init__(self, design: Design, plan: Plan, factory: TileFactory):
        self.design, self.plan, self.factory = design, plan, factory
        self.first = 0

    def dense(self, inputs: int, outputs: int, *, scaled: bool = False) -> nn.Module:
        return TileLinear(self._grid(inputs, outputs), scaled=scaled)

    def conv(self, channels: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
        return TileConv2d(self._grid(channels * kernel**2, outputs), kernel, stride=stride, padding=padding)

    def _grid(self, inputs: int, outputs: int) -> TileGrid:
        plan, first = self.plan, self.first
        grid = TileGrid(
            self.design, inputs, outputs, scale=plan.weight_scale, seed=plan.seed, first=first, factory=self.factory,
            averaged=plan.averaged,
        )  # fmt: skip
        self.first += len(grid.tiles)
        return grid


def build(design: Design, plan: Plan, data: DataSet, factory: TileFactory) -> tuple[Learner, Learner]:
    """(golden, on tiles): the same initial weights, as far as the devices can hold them."""
    features, network = data.train_x[0].numel(), NETWORKS[plan.network]
    golden = network.build(GoldenLayers(), features, data.classes)
    tiles = network.build(TileLayers(design, plan, factory), features, data.classes)
    generator = torch.Generator().manual_seed(plan.seed)
    for plain, tiled in zip(golden.modules(), tiles.modules(), strict=True):
        if isinstance(tiled, TiledLayer):
            assert isinstance(plain, (nn.Linear, nn.Conv2d))
            _initialise(plain, tiled, plan, generator)
    learners = [Learner(network=n, optimizer=make_optimizer(n, plan)) for n in (golden, tiles)]
    return learners[0], learners[1]


def _initialise(plain: nn.Linear | nn.Conv2d, tiled: TiledLayer, plan: Plan, generator: torch.Generator) -> None:
    """Draw the weights of a layer for both networks, and tell its tiles the rate."""
    inputs, outputs = tiled.grid.inputs, tiled.grid.outputs
    with torch.no_grad():
        if tiled.scale is None:
            weight = initial_weights(inputs, outputs, plan.weight_scale, generator)
        else:
            weight, scale = initial_scaled(inputs, outputs, plan.weight_scale, generator)
            tiled.scale.fill_(scale)
            assert isinstance(plain.scale, nn.Parameter)
            plain.scale.fill_(scale)
        plain.weight.copy_(weight.reshape(plain.weight.shape))
        if plain.bias is not None:
            plain.bias.zero_()
    tiled.grid.load_weights(weight.numpy().T)
    tiled.refresh()
    tiled.grid.configure(plan.rate / plan.batch)  # losses are summed over a batch
