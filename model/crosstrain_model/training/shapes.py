"""Shapes of a network's layers, walked out of its torch modules, so that a layer is defined once."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from crosstrain_model.errors import UserError
from crosstrain_model.mapper import LayerShape


def walk(network: nn.Module, image: tuple[int, ...]) -> list[LayerShape]:
    """What the mapper must know of each convolution and dense layer, in the order in which an image meets them.

    network : built of `nn.Conv2d` and `nn.Linear` where it has weights (the golden network); left as it was
    image : shape of one image without the batch: (channels, height, width), or (features,)

    A zero image goes through; a layer that it meets twice has the positions of both times.
    """
    found: dict[str, LayerShape] = {}

    def meet(name: str, module: nn.Module, y: torch.Tensor) -> None:
        shape = _shape(name, module, y)
        if name in found:
            shape = dataclasses.replace(shape, positions=found[name].positions + shape.positions)
        found[name] = shape

    hooks = [
        module.register_forward_hook(lambda module, _, y, name=name: meet(name, module, y))
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    was_training = {module: module.training for module in network.modules()}
    try:
        network.eval()  # a zero image must not move the running means of a normalisation
        with torch.no_grad():
            network(torch.zeros(1, *image, device=_device(network)))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
    return list(found.values())


def _device(network: nn.Module) -> Any:
    """Where the network lives; on torch's device `meta` the walk computes nothing."""
    return next((parameter.device for parameter in network.parameters()), None)


def _shape(name: str, module: nn.Module, y: torch.Tensor) -> LayerShape:
    if isinstance(module, nn.Conv2d):
        if module.groups != 1:
            raise UserError(f"layer {name}: groups = {module.groups}: must be 1")
        height, width = module.kernel_size
        return LayerShape(
            name=name,
            channels=module.in_channels,
            window=height * width,
            outputs=module.out_channels,
            positions=y.shape[-2] * y.shape[-1],
        )
    assert isinstance(module, nn.Linear)
    return LayerShape(
        name=name,
        channels=module.in_features,
        outputs=module.out_features,
        positions=y.numel() // module.out_features,
    )
