"""Torch modules whose weights live on tiles: read in forward and backward, updated by the tiles themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from crosstrain_model.training.grid import TileGrid


class _TileProduct(torch.autograd.Function):
    """y = x W + b, both reads in the array; the backward pass hands the outer product of the update to the tiles."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, bias: torch.Tensor, grid: TileGrid, learn: bool) -> torch.Tensor:
        y, codes, exponents = grid.forward(x.detach().numpy())
        ctx.grid, ctx.read, ctx.learn = grid, (codes, exponents), learn
        return torch.from_numpy(y) + bias

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor, None, None]:
        (d,) = gradients
        if ctx.needs_input_grad[0]:
            back, codes, exponents = ctx.grid.backward(d.numpy())
            dx = torch.from_numpy(back)
        else:  # the first layer needs no transposed read
            dx, (codes, exponents) = None, ctx.grid.error_codes(d.numpy())
        if ctx.learn:
            ctx.grid.accumulate(*ctx.read, codes, exponents)
        return dx, d.sum(dim=0), None, None


class TileLinear(nn.Module):
    """Dense layer on a grid of tiles with a digital bias (float32, trained by the host).

    Gradients that reach it are per sample (a loss summed over the batch); each backward pass in training mode
    accumulates its batch, and `grid.program()` after it is the weight update.
    """

    def __init__(self, grid: TileGrid):
        super().__init__()
        self.grid = grid
        self.bias = nn.Parameter(torch.zeros(grid.outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = _TileProduct.apply(x, self.bias, self.grid, self.training)  # type: ignore[no-untyped-call]
        return y
