"""Data sets, split once and for all: the split does not depend on a run's seed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from crosstrain_model.errors import UserError
from crosstrain_model.training.download import data_files
from crosstrain_model.training.idx import Bytes, read_idx

SPLIT_SEED = 0
"""Seed of the one split into training and test samples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet:
    """Inputs are float32 in 0..1, shape (samples, features) or (samples, channels, height, width); labels int64,
    shape (samples,)."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    classes: int
    digest: str
    """SHA-256 over everything: a run goes on only with the data it began with."""


def load_digits(folder: Path | None = None) -> DataSet:
    """The 1797 handwritten 8 x 8 digits that scikit-learn carries (UCI Optdigits): 1437 to train on, 360 to test."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(bunch.target))
    x = torch.from_numpy((bunch.data[order] / 16.0).astype(np.float32))
    y = torch.from_numpy(bunch.target[order].astype(np.int64))
    cut = len(order) * 4 // 5
    return DataSet(
        train_x=x[:cut],
        train_y=y[:cut],
        test_x=x[cut:],
        test_y=y[cut:],
        classes=10,
        digest=_digest(x.numpy(), y.numpy()),
    )


def load_idx(name: str, url: str, sums: Mapping[str, str], folder: Path | None = None) -> DataSet:
    """One of the sets in the four files of MNIST: 60,000 grey images of 28 x 28 to train on, 10,000 to test.

    name, url, sums, folder : as `download.data_files` takes them
    """
    files = data_files(name, url, sums, folder)
    (train_x, train_y), (test_x, test_y) = (_read_part(files[FILES[k]], files[FILES[k + 1]]) for k in (0, 2))
    return DataSet(
        train_x=_pixels(train_x),
        train_y=torch.from_numpy(train_y.astype(np.int64)),
        test_x=_pixels(test_x),
        test_y=torch.from_numpy(test_y.astype(np.int64)),
        classes=10,
        digest=_digest(train_x, train_y, test_x, test_y),
    )


def _read_part(images: Path, labels: Path) -> tuple[Bytes, Bytes]:
    """Images (n, height, width) and labels (n,) that fit each other."""
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if not x.size:
        raise UserError(f"{images}: holds no pixels {x.shape}: must hold some")
    if len(x) != len(y):
        raise UserError(f"{labels}: has {len(y)} labels: must be {len(x)}, one per image")
    if y.max() > 9:
        raise UserError(f"{labels}: has a label {y.max()}: must be 0..9")
    return x, y


def _pixels(images: Bytes) -> torch.Tensor:
    """float32 (n, 1, height, width) in 0..1."""
    return torch.from_numpy(images[:, None].astype(np.float32) / np.float32(255.0))


def _digest(*arrays: npt.NDArray[np.generic]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""Names of the files of a set."""

MNIST = dict(
    zip(
        FILES,
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        strict=True,
    )
)
"""SHA-256 of the gzip files."""

FASHION_MNIST = dict(
    zip(
        FILES,
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        strict=True,
    )
)

DATA_SETS = MappingProxyType[str, Callable[[Path | None], DataSet]](
    {
        "digits": load_digits,
        "mnist": functools.partial(
            load_idx, "mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/", MNIST
        ),
        "fashion-mnist": functools.partial(
            load_idx, "fashion-mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", FASHION_MNIST
        ),
    }
)
"""Name -> loader, which takes the user's data folder or None; the keys are the legal values of `train.data`."""
