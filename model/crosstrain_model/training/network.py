"""Networks, each defined once: the golden run and the tiles differ only in the layer they are built from."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import nn

LinearFactory = Callable[[int, int], nn.Module]
"""Builds a dense layer from its numbers of inputs and outputs: `nn.Linear`, or one on tiles."""


def mlp(linear: LinearFactory, features: int, classes: int) -> nn.Sequential:
    """features-32-classes perceptron with tanh, 64-32-10 on digits."""
    return nn.Sequential(linear(features, 32), nn.Tanh(), linear(32, classes))


NETWORKS = MappingProxyType[str, Callable[[LinearFactory, int, int], nn.Sequential]]({"mlp": mlp})
"""Name -> builder; the keys are the legal values of `train.network`."""


def initial_weights(inputs: int, outputs: int, limit: float, generator: torch.Generator) -> torch.Tensor:
    """Uniform +-sqrt(6 / inputs) (He et al. 2015), clipped to +-limit; float32 of shape (outputs, inputs)."""
    bound = (6.0 / inputs) ** 0.5
    weight = (torch.rand((outputs, inputs), generator=generator) * 2.0 - 1.0) * bound
    return torch.clamp(weight, -limit, limit)
