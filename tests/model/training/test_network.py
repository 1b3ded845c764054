"""Networks: their weights, shapes and initial values, and the same modules for both runs."""

import pytest
import torch
from torch import nn

from crosstrain_model.errors import UserError
from crosstrain_model.training.network import (
    NETWORKS,
    ScaledConv2d,
    ScaledLinear,
    as_inputs,
    golden_network,
    initial_scaled,
    initial_weights,
)
from crosstrain_model.training.optimizer import forget, step

WEIGHTS = {
    "mlp": 64 * 32 + 32 * 10,
    "mlp-mnist": 784 * 256 + 256 * 128 + 128 * 10,
    "lenet-wu": 3220,
    "vgg8": 549_984,
    "resnet18": 11_164_352,
}


def layers(network):
    return [module for module in network.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_and_outputs(name):
    assert NETWORKS.keys() == WEIGHTS.keys()
    image = NETWORKS[name].image or (64,)
    with torch.device("meta"):
        network = golden_network(name, 64 if name == "mlp" else 784)
        assert network(torch.zeros(2, *image)).shape == (2, 10)
    assert sum(layer.weight.numel() for layer in layers(network)) == WEIGHTS[name]
    for layer in layers(network):
        scaled = isinstance(layer, (ScaledLinear, ScaledConv2d))
        assert scaled == (layer.bias is None)
        assert scaled == (not name.startswith("mlp"))


def test_lenet_has_a_scale_per_layer_and_nothing_else():
    network = golden_network("lenet-wu", 784)
    assert [tuple(layer.weight.shape) for layer in layers(network)] == [(4, 1, 5, 5), (12, 4, 5, 5), (10, 192)]
    assert sum(parameter.numel() for parameter in network.parameters()) == 3220 + 3
    layer = layers(network)[1]
    x = torch.rand(2, 4, 12, 12)
    with torch.no_grad():
        plain = layer(x)
        layer.scale.fill_(0.5)
        assert torch.equal(layer(x), plain * 0.5)


def test_resnet_works_in_the_order_of_its_layers():
    network, met = golden_network("resnet18", 0), []
    for layer in layers(network):
        layer.register_forward_hook(lambda module, x, y: met.append((module, y.shape[2:].numel())))
    network.eval()(torch.zeros(1, 3, 32, 32))
    assert [module for module, _ in met] == layers(network)
    assert sum(positions for _, positions in met) == 6801  # Wu et al. 2023: operations in sequence per image


def test_initial_weights():
    weight = initial_weights(25, 4000, 0.3, torch.Generator().manual_seed(1))
    assert weight.shape == (4000, 25)
    assert weight.abs().max() == 0.3  # clipped: the bound is 0.49
    weight, scale = initial_scaled(150, 4000, 0.8, torch.Generator().manual_seed(1))
    assert 0.39 < weight.abs().max() <= 0.4
    assert abs(scale * 0.4 - 0.2) < 1e-9  # sqrt(6 / 150)


def test_inputs_take_the_shape_of_a_network():
    images = torch.rand(3, 1, 28, 28)
    assert as_inputs("lenet-wu", images) is images
    assert torch.equal(as_inputs("mlp", images), images.reshape(3, 784))
    assert torch.equal(as_inputs("mlp-mnist", images), images.reshape(3, 784))
    for name, x, told in (
        ("lenet-wu", torch.rand(3, 64), "takes inputs of 1 x 28 x 28, those of train.data are 64"),
        ("mlp-mnist", torch.rand(3, 64), "takes inputs of 784, those of train.data are 64"),
        ("vgg8", images, "takes inputs of 3 x 32 x 32, those of train.data are 1 x 28 x 28"),
    ):
        with pytest.raises(UserError, match=f'train.network = "{name}": {told}'):
            as_inputs(name, x)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}, {"weight_decay": 0.1}])
def test_a_step_is_that_of_torch(settings):
    """Plain SGD is done by hand, everything else by torch; a parameter without a gradient stays."""
    generator = torch.Generator().manual_seed(1)
    start, slope = (torch.randn(50, generator=generator) for _ in range(2))
    pairs = [[nn.Parameter(start.clone()), nn.Parameter(torch.ones(3))] for _ in range(2)]
    mine, theirs = (torch.optim.SGD(pair, lr=0.03, **settings) for pair in pairs)
    for _ in range(3):
        for pair in pairs:
            (pair[0] * slope).sum().backward()
        step(mine)
        theirs.step()
        forget(mine)
        theirs.zero_grad()
        assert pairs[0][0].grad is None
    for a, b in zip(*pairs, strict=True):
        assert torch.equal(a, b)
