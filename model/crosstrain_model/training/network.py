"""Networks, each defined once: the golden run and the tiles differ only in the layers they are built from.

A layer with weights has either a bias, y = W x + b, or a scale, y = s * (W x): one trainable number per layer, with
which small weights of a large layer use the whole range of the devices.  Both are float32 and the host's to train.

    mlp         features-32-classes, tanh, biases: any vectors
    mlp-mnist   784-256-128-classes, tanh, biases: 28 x 28 images as vectors
    lenet-wu    5 x 5 1-4, pool, 5 x 5 4-12, pool, dense 192-classes, scales: 1 x 28 x 28       Wu et al. 2023
    vgg8        3 x 3 32-32-M-64-64-M-128-128-M, dense 2048-128-classes, scales: 3 x 32 x 32    Wu et al. 2023
    resnet18    3 x 3 64, four stages of two residual blocks 64-128-256-512, scales: 3 x 32 x 32
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import MappingProxyType
from typing import Protocol

import torch
from torch import nn

from crosstrain_model.section import refuse
from crosstrain_model.training.residual import ResidualBlock


class Layers(Protocol):
    """Builds the layers that have weights: torch's own for the golden run, or layers on tiles."""

    def dense(self, inputs: int, outputs: int, *, scaled: bool = False) -> nn.Module:
        """A dense layer with a bias, or with a scale in its place."""

    def conv(self, channels: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
        """A convolution with square kernels and a scale."""


class ScaledLinear(nn.Linear):
    """y = scale * (W x)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(x)


class ScaledConv2d(nn.Conv2d):
    """The same for a convolution."""

    def __init__(self, channels: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0):
        super().__init__(channels, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(x)


class GoldenLayers:
    """Layers of the golden run."""

    def dense(self, inputs: int, outputs: int, *, scaled: bool = False) -> nn.Module:
        return ScaledLinear(inputs, outputs) if scaled else nn.Linear(inputs, outputs)

    def conv(self, channels: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
        return ScaledConv2d(channels, outputs, kernel, stride=stride, padding=padding)


def mlp(layers: Layers, features: int, classes: int) -> nn.Module:
    """features-32-classes perceptron with tanh, 64-32-10 on digits."""
    return nn.Sequential(layers.dense(features, 32), nn.Tanh(), layers.dense(32, classes))


def mlp_mnist(layers: Layers, features: int, classes: int) -> nn.Module:
    """features-256-128-classes perceptron with tanh, 784-256-128-10 on MNIST."""
    hidden = (layers.dense(features, 256), nn.Tanh(), layers.dense(256, 128), nn.Tanh())
    return nn.Sequential(*hidden, layers.dense(128, classes))


def lenet_wu(layers: Layers, features: int, classes: int) -> nn.Module:
    """LeNet of Wu et al. 2023 for 1 x 28 x 28: 100 + 1200 + 1920 weights, no biases."""
    return nn.Sequential(
        layers.conv(1, 4, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        layers.conv(4, 12, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        layers.dense(12 * 4 * 4, classes, scaled=True),
    )


def vgg8(layers: Layers, features: int, classes: int) -> nn.Module:
    """VGG-8 for 3 x 32 x 32: 549,984 weights."""
    modules: list[nn.Module] = []
    channels = 3
    for outputs in (32, 64, 128):
        for inputs in (channels, outputs):
            modules += [layers.conv(inputs, outputs, 3, padding=1), nn.ReLU()]
        modules.append(nn.MaxPool2d(2))
        channels = outputs
    modules += [nn.Flatten(), layers.dense(128 * 4 * 4, 128, scaled=True), nn.ReLU()]
    return nn.Sequential(*modules, layers.dense(128, classes, scaled=True))


def resnet18(layers: Layers, features: int, classes: int) -> nn.Module:
    """ResNet-18 as it is used for 3 x 32 x 32 (a 3 x 3 stem, no pool): 11,164,352 weights; normalisation is digital."""
    modules: list[nn.Module] = [layers.conv(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()]
    channels = 64
    for outputs in (64, 128, 256, 512):
        for inputs in (channels, outputs):
            modules.append(ResidualBlock(layers.conv, inputs, outputs, stride=1 if outputs in (64, inputs) else 2))
        channels = outputs
    modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*modules, layers.dense(512, classes, scaled=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """One entry of the table."""

    build: Callable[[Layers, int, int], nn.Module]
    """(layers, features of an input, classes) -> the network; the same modules whatever the layers are."""
    image: tuple[int, ...] | None = None
    """Shape of an input without the batch, (channels, height, width) or (features,); None: vectors of any length."""


NETWORKS = MappingProxyType[str, Network](
    {
        "mlp": Network(build=mlp),
        "mlp-mnist": Network(build=mlp_mnist, image=(784,)),
        "lenet-wu": Network(build=lenet_wu, image=(1, 28, 28)),
        "vgg8": Network(build=vgg8, image=(3, 32, 32)),
        "resnet18": Network(build=resnet18, image=(3, 32, 32)),
    }
)
"""Name -> network; the keys are the legal values of `train.network`."""


def golden_network(name: str, features: int, classes: int = 10) -> nn.Module:
    """The golden network of a name, untrained; `features` counts only where inputs may have any length."""
    return NETWORKS[name].build(GoldenLayers(), features, classes)


def as_inputs(name: str, x: torch.Tensor) -> torch.Tensor:
    """Samples (n, ...) in the shape that network `name` takes; `UserError` where they have another size."""
    image = NETWORKS[name].image
    if image is None or (len(image) == 1 and x[0].numel() == image[0]):
        return x.flatten(1)
    if tuple(x.shape[1:]) != image:
        takes, are = (" x ".join(str(size) for size in shape) for shape in (image, x.shape[1:]))
        raise refuse("train.network", name, f"takes inputs of {takes}, those of train.data are {are}")
    return x


def initial_weights(inputs: int, outputs: int, limit: float, generator: torch.Generator) -> torch.Tensor:
    """Uniform +-sqrt(6 / inputs) (He et al. 2015), clipped to +-limit; float32 of shape (outputs, inputs)."""
    bound = he_bound(inputs)
    weight = (torch.rand((outputs, inputs), generator=generator) * 2.0 - 1.0) * bound
    return torch.clamp(weight, -limit, limit)


def initial_scaled(
    inputs: int, outputs: int, limit: float, generator: torch.Generator
) -> tuple[torch.Tensor, float]:
    """Weights uniform over +-limit / 2, so that they use the devices and can grow, and the scale that makes the layer
    what `initial_weights` makes it."""
    weight = (torch.rand((outputs, inputs), generator=generator) - 0.5) * limit
    return weight, 2.0 * he_bound(inputs) / limit


def he_bound(inputs: int) -> float:
    """Bound of uniform weights that keep the size of activations through ReLUs."""
    return float((6.0 / inputs) ** 0.5)
