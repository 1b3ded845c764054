"""What a host can do about drift without a pulse: make the digital numbers beside the weights fit them again.

    sizes       of every layer on tiles, the root mean square of its products x W (or s x W) over samples of the
                training set, taken when the network is as it should be: one number a layer, which the host keeps
    gains       later, layer by layer in order, over the same samples: gain = gain * size then / size now;  each
                layer's products are multiplied by its gain (Joshi et al. 2020, global drift compensation)
    statistics  running means and variances of batch normalisation, taken anew over the samples
    ranges      tiles set those of their ADCs by the vectors that they read first

Reads of these samples are events of the arrays like any other; nothing is programmed.  Source of the idea: Joshi et al.
2021 for the statistics, reconstructed; Joshi et al. 2020, Nature Communications 11:2473 for the gains.
"""

from __future__ import annotations

import torch
from torch import nn

from crosstrain_model.training.layers import TiledLayer
from crosstrain_model.training.pair import CHUNK, Learner


def sizes(learner: Learner, x: torch.Tensor) -> list[float]:
    """The size of every layer's products, over samples x; of networks whose changes come from the host."""
    if any(layer.weight is None for layer in learner.layers):
        raise ValueError("recalibrate: needs a scheme whose changes come from the host (source stream)")
    return [_size(learner, x, layer) for layer in learner.layers]


def recalibrate(learner: Learner, x: torch.Tensor, wanted: list[float]) -> None:
    """Ranges, gains by `wanted`, what `sizes` gave for the same samples, and statistics; they stay until the next
    time."""
    ranges(learner)
    for layer, size in zip(learner.layers, wanted, strict=True):
        now = _size(learner, x, layer)
        if now > 0.0:
            layer.gain *= size / now
    statistics(learner, x)


def ranges(learner: Learner) -> None:
    """Tiles set the ranges of their ADCs anew."""
    for grid in learner.grids:
        grid.calibrate()


def statistics(learner: Learner, x: torch.Tensor) -> None:
    """Means and variances of batch normalisation are those of samples x; nothing without such layers."""
    normed = [module for module in learner.network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not normed:
        return
    momenta = [module.momentum for module in normed]
    learner.network.eval()
    for module in normed:
        module.reset_running_stats()
        module.momentum = None  # the mean over all chunks
        module.train()
    with torch.no_grad():
        for chunk in torch.split(x, CHUNK):
            learner.network(chunk)
    for module, momentum in zip(normed, momenta, strict=True):
        module.momentum = momentum
        module.eval()


def _size(learner: Learner, x: torch.Tensor, layer: TiledLayer) -> float:
    """Root mean square of the products of a layer, its bias left out."""
    squares, count = 0.0, 0

    def seen(product: torch.Tensor) -> None:
        nonlocal squares, count
        squares += float((product.double() ** 2).sum())
        count += product.numel()

    layer.watcher = seen
    learner.network.eval()
    with torch.no_grad():
        for chunk in torch.split(x, CHUNK):
            learner.network(chunk)
    layer.watcher = None
    return float((squares / max(count, 1)) ** 0.5)
