"""The residual block of ResNet-18, with convolutions of whoever builds it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn


class ConvFactory(Protocol):
    """`Layers.conv`."""

    def __call__(
        self, channels: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
    ) -> nn.Module: ...


class ResidualBlock(nn.Module):
    """relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)); a 1 x 1 convolution is the shortcut where shapes change.

    The shortcut is computed last: convolutions work in the order in which they stand here.
    """

    def __init__(self, conv: ConvFactory, channels: int, outputs: int, *, stride: int):
        super().__init__()
        self.conv1 = conv(channels, outputs, 3, stride=stride, padding=1)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if channels != outputs or stride != 1:
            self.shortcut = nn.Sequential(conv(channels, outputs, 1, stride=stride), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x))
