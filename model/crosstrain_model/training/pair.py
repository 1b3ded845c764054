"""The golden network and the network on tiles, side by side, stepped by the same code."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from crosstrain_model.design import Design
from crosstrain_model.tile import Programmed
from crosstrain_model.training.data import DataSet
from crosstrain_model.training.grid import TileFactory, TileGrid
from crosstrain_model.training.layers import TileLinear
from crosstrain_model.training.network import NETWORKS, initial_weights
from crosstrain_model.training.plan import Plan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learner:
    """One network with the optimiser of what the host trains: everything in the golden network, biases on tiles."""

    network: nn.Sequential
    optimizer: torch.optim.SGD

    @property
    def grids(self) -> list[TileGrid]:
        """The tiles of every layer, first layer first; none in the golden network."""
        return [layer.grid for layer in self.network if isinstance(layer, TileLinear)]

    def step(self, x: torch.Tensor, y: torch.Tensor) -> list[Programmed]:
        """Learn one batch; what the program pass of every tile did."""
        self.network.train()
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.network(x), y, reduction="sum").backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return [programmed for grid in self.grids for programmed in grid.program()]

    def accuracy(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Correct answers in percent."""
        self.network.eval()
        with torch.no_grad():
            correct = int((self.network(x).argmax(dim=1) == y).sum())
        return 100.0 * correct / len(y)


def build(design: Design, plan: Plan, data: DataSet, factory: TileFactory) -> tuple[Learner, Learner]:
    """(golden, on tiles): the same initial weights, as far as the devices can hold them."""
    features = data.train_x.shape[1]
    rate = plan.rate / plan.batch  # losses are summed over a batch
    golden = NETWORKS[plan.network](nn.Linear, features, data.classes)
    first = 0

    def on_tiles(inputs: int, outputs: int) -> TileLinear:
        nonlocal first
        grid = TileGrid(design, inputs, outputs, scale=plan.weight_scale, seed=plan.seed, first=first, factory=factory)
        first += len(grid.tiles)
        return TileLinear(grid)

    tiles = NETWORKS[plan.network](on_tiles, features, data.classes)
    generator = torch.Generator().manual_seed(plan.seed)
    for plain, tiled in zip(golden, tiles, strict=True):
        if isinstance(plain, nn.Linear) and isinstance(tiled, TileLinear):
            weight = initial_weights(plain.in_features, plain.out_features, plan.weight_scale, generator)
            with torch.no_grad():
                plain.weight.copy_(weight)
                plain.bias.zero_()
            tiled.grid.load_weights(weight.numpy().T)
            tiled.grid.configure(rate)
    return (
        Learner(network=golden, optimizer=torch.optim.SGD(golden.parameters(), lr=rate)),
        Learner(network=tiles, optimizer=torch.optim.SGD(tiles.parameters(), lr=rate)),
    )
