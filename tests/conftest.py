"""Fixtures of several folders."""

import gzip

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.load_profile("same")  # the same examples in every run: what turned red stays red
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx(array):
    """An array of bytes as an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def write_images():
    """Writes a small data set in the four files of MNIST to a folder, which it makes; returns the arrays."""

    def write(folder, *, train=96, test=40, side=28, zipped=True):
        folder.mkdir(parents=True)
        rng = np.random.default_rng(5)
        arrays = []
        for count in (train, test):
            labels = np.arange(count) % 10
            images = rng.integers(0, 60, (count, side, side))
            for image, label in zip(images, labels, strict=True):  # the place of a bright square is the label
                y, x = divmod(int(label), 4)
                image[2 + 8 * y : 8 + 8 * y, 1 + 6 * x : 6 + 6 * x] = 255
            arrays += [images.astype(np.uint8), labels.astype(np.uint8)]
        for name, array in zip(NAMES, arrays, strict=True):
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(_idx(array), mtime=0) if zipped else _idx(array))
        return arrays

    return write
