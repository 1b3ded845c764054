"""Data sets, split once and for all: the split does not depend on a run's seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import torch

SPLIT_SEED = 0
"""Seed of the one split into training and test samples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet:
    """Inputs are float32 in 0..1, shape (samples, features); labels int64, shape (samples,)."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    classes: int


def load_digits() -> DataSet:
    """The 1797 handwritten 8 x 8 digits that scikit-learn carries (UCI Optdigits): 1437 to train on, 360 to test."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(bunch.target))
    x = torch.from_numpy((bunch.data[order] / 16.0).astype(np.float32))
    y = torch.from_numpy(bunch.target[order].astype(np.int64))
    cut = len(order) * 4 // 5
    return DataSet(train_x=x[:cut], train_y=y[:cut], test_x=x[cut:], test_y=y[cut:], classes=10)


DATA_SETS = MappingProxyType[str, Callable[[], DataSet]]({"digits": load_digits})
"""Name -> loader; the keys are the legal values of `train.data`."""
