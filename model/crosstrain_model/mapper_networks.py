"""Shapes of published networks, for the mapper: what can be mapped without PyTorch.

lenet-wu, vgg8 and resnet18 are those of Wu et al. 2023; `training/shapes.py` walks the same shapes out of torch
modules.  resnet32 is that of Joshi et al. 2021, at widths of 1 to 2; for the mapper alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MappingProxyType

from crosstrain_model.errors import UserError
from crosstrain_model.mapper import LayerShape
from crosstrain_model.nearest import nearest
from crosstrain_model.section import one_line


def _conv(name: str, channels: int, outputs: int, side: int, kernel: int = 3) -> LayerShape:
    """A convolution whose output is `side` x `side`."""
    return LayerShape(name=name, channels=channels, window=kernel**2, outputs=outputs, positions=side**2)


def _dense(name: str, inputs: int, outputs: int) -> LayerShape:
    return LayerShape(name=name, channels=inputs, outputs=outputs)


def lenet_wu() -> list[LayerShape]:
    """LeNet for 28 x 28 digits: 5 x 5 without padding 1-4, pool, 4-12, pool, dense 192-10: 3220 weights."""
    return [_conv("conv1", 1, 4, 24, 5), _conv("conv2", 4, 12, 8, 5), _dense("fc", 12 * 4 * 4, 10)]


def vgg8() -> list[LayerShape]:
    """VGG-8 for CIFAR-10: 3 x 3 with padding 1, 32-32-M-64-64-M-128-128-M, dense 2048-128-10: 549,984 weights."""
    shapes, channels = [], 3
    for index, (outputs, side) in enumerate([(32, 32), (32, 32), (64, 16), (64, 16), (128, 8), (128, 8)], 1):
        shapes.append(_conv(f"conv{index}", channels, outputs, side))
        channels = outputs
    return [*shapes, _dense("fc1", channels * 4 * 4, 128), _dense("fc2", 128, 10)]


def resnet18() -> list[LayerShape]:
    """ResNet-18 for CIFAR-10: stem 3 x 3, four stages of two blocks, 1 x 1 shortcuts, dense: 11,164,352 weights."""
    shapes, channels = [_conv("stem", 3, 64, 32)], 64
    for stage, (outputs, side) in enumerate([(64, 32), (128, 16), (256, 8), (512, 4)], 1):
        for block in (1, 2):
            name = f"stage{stage}.{block}"
            shapes += [_conv(f"{name}.conv1", channels, outputs, side), _conv(f"{name}.conv2", outputs, outputs, side)]
            if channels != outputs:
                shapes.append(_conv(f"{name}.shortcut", channels, outputs, side, 1))
            channels = outputs
    return [*shapes, _dense("fc", channels, 10)]


def resnet32(width: float = 1.0) -> list[LayerShape]:
    """ResNet-32 for CIFAR-10 (He et al. 2016): stem 3 x 3, three stages of five blocks, 16-32-64 channels times the
    width multiplier, dense: 461,872 weights at width 1.  Shortcuts are identities, which have no weights (assumed)."""
    wide = [round(width * plain) for plain in (16, 32, 64)]
    shapes, channels = [_conv("stem", 3, wide[0], 32)], wide[0]
    for stage, (outputs, side) in enumerate(zip(wide, (32, 16, 8), strict=True), 1):
        for block in range(1, 6):
            name = f"stage{stage}.{block}"
            shapes += [_conv(f"{name}.conv1", channels, outputs, side), _conv(f"{name}.conv2", outputs, outputs, side)]
            channels = outputs
    return [*shapes, _dense("fc", channels, 10)]


WIDTHS = (1.25, 1.5, 1.75, 2.0)
"""Width multipliers of resnet32 beside 1; its names end in them."""

NETWORK_SHAPES = MappingProxyType[str, Callable[[], list[LayerShape]]](
    {
        "lenet-wu": lenet_wu,
        "vgg8": vgg8,
        "resnet18": resnet18,
        "resnet32": resnet32,
        **{f"resnet32-{width:g}": functools.partial(resnet32, width) for width in WIDTHS},
    }
)
"""Name -> shapes, in the order in which the layers work."""


def network_shapes(name: str) -> list[LayerShape]:
    """The shapes of a network by name."""
    if name not in NETWORK_SHAPES:
        known = f"must be one of {', '.join(NETWORK_SHAPES)}; nearest is {nearest(name, list(NETWORK_SHAPES))}"
        raise UserError(f'map.network = "{one_line(name)}": {known}')
    return NETWORK_SHAPES[name]()
