"""Shapes walked out of torch modules are those that the mapper has by name."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from crosstrain_model.errors import UserError
from crosstrain_model.mapper import LayerShape
from crosstrain_model.mapper_networks import network_shapes
from crosstrain_model.training.network import NETWORKS, GoldenLayers
from crosstrain_model.training.shapes import walk


def nameless(shapes: list[LayerShape]) -> list[LayerShape]:
    return [dataclasses.replace(shape, name="") for shape in shapes]


@pytest.mark.parametrize("name", ["lenet-wu", "vgg8", "resnet18"])
def test_the_mapper_has_the_networks_that_are_trained(name):
    """The mapper's list needs no torch; here it is held to the one definition of the network."""
    network = NETWORKS[name]
    built = network.build(GoldenLayers(), math.prod(network.image), 10)
    assert nameless(walk(built, network.image)) == nameless(network_shapes(name))



class Block(nn.Module):
    """A residual block with a shortcut, as it stands where a stage of ResNet-18 begins; one layer works twice."""

    def __init__(self) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(64, 128, 1, stride=2)  # defined first, works last
        self.conv1, self.conv2 = nn.Conv2d(64, 128, 3, 2, 1), nn.Conv2d(128, 128, 3, 1, 1)
        self.norm = nn.BatchNorm2d(128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv2(self.conv2(self.conv1(x))))
        return y + self.shortcut(x)


def test_layers_come_in_the_order_in_which_they_work():
    network = Block()
    network.norm.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    named = {"conv1": (64, 9, 256), "conv2": (128, 9, 512), "shortcut": (64, 1, 256)}
    assert walk(network, (64, 32, 32)) == [
        LayerShape(name=name, channels=channels, window=window, outputs=128, positions=positions)
        for name, (channels, window, positions) in named.items()
    ]
    assert (network.training, network.norm.training) == (True, False)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_without_storage_is_walked_too():
    with torch.device("meta"):
        network = Block()
    assert walk(network, (64, 8, 8)) == walk(Block(), (64, 8, 8))


def test_grouped_convolutions_are_refused():
    with pytest.raises(UserError, match=r"^layer 0: groups = 2: must be 1$"):
        walk(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), (4, 8, 8))
