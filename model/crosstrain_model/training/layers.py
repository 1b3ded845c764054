"""Torch modules whose weights live on tiles: dense layers and convolutions, read in the forward pass by the array.

Who makes the change of a weight is the scheme's choice, and there are two behaviours:

    outer products    the backward pass is a transposed read, and hands the vectors x and d to the tiles
    stream            the module holds the tiles' digital copy as a parameter: the backward pass is digital, the host's
                      optimiser changes the parameter, and the change goes to the tiles (`hand_over`).  Where tiles keep
                      no copy the parameter begins every batch at 0, and the backward pass is a transposed read

A convolution is a dense layer on unfolded inputs: row (channel, ky, kx) of the weights, and one vector per output
position, sample by sample and in each sample from left to right, then down.  In this order the tiles get them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from crosstrain_model.training.grid import TileGrid


class _OuterProduct(torch.autograd.Function):
    """y = x W + bias, both reads in the array; the backward pass hands the outer product of the update to the tiles.

    `anchor` is a tensor that needs a gradient: without it the first layer would have no backward pass.  With a bias it
    is that.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, anchor: torch.Tensor, biased: bool, grid: TileGrid, learn: bool
    ) -> torch.Tensor:
        bias = anchor.detach().numpy() if biased else None
        y, codes, exponents = grid.forward(x.detach().numpy(), bias)
        ctx.grid, ctx.read, ctx.learn, ctx.biased = grid, (codes, exponents), learn, biased
        return torch.from_numpy(y)

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        (d,) = gradients
        if ctx.needs_input_grad[0]:
            back, codes, exponents = ctx.grid.backward(d.numpy())
            dx = torch.from_numpy(back)
        else:  # the first layer needs no transposed read
            dx, (codes, exponents) = None, ctx.grid.error_codes(d.numpy())
        if ctx.learn:
            ctx.grid.accumulate(*ctx.read, codes, exponents)
        return dx, d.sum(0) if ctx.biased else None, None, None, None


class _CopiedProduct(torch.autograd.Function):
    """y = x W read in the array; the gradient of W digital, that of x too, with the copy of the weights (inputs,
    outputs), or by a transposed read where there is none."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, grid: TileGrid) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.grid = grid
        return torch.from_numpy(grid.forward(x.detach().numpy())[0])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        (d,) = gradients
        x, weight = ctx.saved_tensors
        dx = None
        if ctx.needs_input_grad[0]:  # the first layer needs none
            dx = d @ weight.T if ctx.grid.copied else torch.from_numpy(ctx.grid.backward(d.numpy())[0])
        dw = (d.T @ x).T if ctx.needs_input_grad[1] else None  # six times as fast as x.T @ d for few outputs
        return dx, dw, None


class _Unfold(torch.autograd.Function):
    """The windows of images (n, channels, height, width) as vectors, in the order told at the head of this file.

    `nn.functional.unfold` and its transposition take four times as long.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernel: int, stride: int, padding: int) -> torch.Tensor:
        ctx.shape, ctx.form = x.shape, (kernel, 1, padding, stride)
        if padding:
            x = nn.functional.pad(x, (padding,) * 4)
        windows = x.unfold(2, kernel, stride).unfold(3, kernel, stride)  # n, channels, y, x, ky, kx
        return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * kernel**2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (d,) = gradients
        columns = d.reshape(ctx.shape[0], -1, d.shape[1]).transpose(1, 2)
        return nn.functional.fold(columns, ctx.shape[2:], *ctx.form), None, None, None


class TiledLayer(nn.Module):
    """What dense layers and convolutions share: a grid of tiles, and a digital bias or scale (float32, the host's).

    Gradients that reach it are per sample (a loss summed over the batch).  After a backward pass in training mode and
    a step of the optimiser, `hand_over()`, `grid.program()` and `refresh()` are the weight update.
    """

    def __init__(self, grid: TileGrid, *, scaled: bool = False):
        super().__init__()
        self.grid = grid
        self.bias = None if scaled else nn.Parameter(torch.zeros(grid.outputs))
        self.scale = nn.Parameter(torch.ones(())) if scaled else None
        self.weight: nn.Parameter | None = None
        if grid.streamed:
            self.weight = nn.Parameter(torch.zeros(grid.inputs, grid.outputs))
        self._anchor = torch.zeros((), requires_grad=True)
        self.gain = 1.0
        """What the host multiplies products with (`recalibrate.py`); set between training and use."""
        self.watcher: Callable[[torch.Tensor], None] | None = None
        """Gets the products of every read, without bias, where somebody asks for them."""

    def product(self, x: torch.Tensor) -> torch.Tensor:
        """The layer for vectors x (vectors, inputs)."""
        bias, scale, weight = self.bias, self.scale, self.weight
        if weight is None:
            anchor, biased = (self._anchor, False) if bias is None else (bias, True)
            y = _OuterProduct.apply(x, anchor, biased, self.grid, self.training)  # type: ignore[no-untyped-call]
            scaled: torch.Tensor = y if scale is None else scale * y
            return scaled
        y = _CopiedProduct.apply(x, weight, self.grid)  # type: ignore[no-untyped-call]
        if self.gain != 1.0:
            y = self.gain * y
        y = y if scale is None else scale * y
        if self.watcher is not None:
            self.watcher(y.detach())
        product: torch.Tensor = y if bias is None else y + bias
        return product

    def hand_over(self) -> None:
        """Give the tiles what the optimiser changed; nothing where they got outer products."""
        if self.weight is not None:
            self.grid.update(self.weight.detach().numpy() - self.grid.copy())

    def refresh(self) -> None:
        """Make the parameter the tiles' digital copy again."""
        if self.weight is not None:
            self.weight.data = torch.from_numpy(self.grid.copy())


class TileLinear(TiledLayer):
    """Dense layer on a grid of tiles."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(x)


class TileConv2d(TiledLayer):
    """Convolution with square kernels on a grid of channels * kernel^2 inputs: (n, channels, height, width) to
    (n, outputs, height', width')."""

    def __init__(self, grid: TileGrid, kernel: int, *, stride: int = 1, padding: int = 0):
        super().__init__(grid, scaled=True)
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in x.shape[2:])
        vectors = _Unfold.apply(x, self.kernel, self.stride, self.padding)  # type: ignore[no-untyped-call]
        y = self.product(vectors).reshape(len(x), height, width, self.grid.outputs)
        return y.permute(0, 3, 1, 2)
