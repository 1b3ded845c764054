"""Data sets in IDX files: from the user's folder, or fetched once and checked; everything else is one line."""

import dataclasses
import gzip
import hashlib
import urllib.error

import numpy as np
import pytest
import torch

from crosstrain_model.errors import UserError
from crosstrain_model.files import FileError
from crosstrain_model.training import download
from crosstrain_model.training.data import DATA_SETS, FASHION_MNIST, FILES, MNIST, load_digits, load_idx
from crosstrain_model.training.download import data_files, data_folder, fetch

URL = "https://example.org/set/"


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No folder or cache of the user's, and no network."""
    monkeypatch.delenv("CROSSTRAIN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def offline(url, timeout):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(download.urllib.request, "urlopen", offline)


@pytest.fixture
def served(tmp_path, write_images, monkeypatch):
    """A set behind `fetch`: (SHA-256 sums, addresses asked for)."""
    write_images(tmp_path / "served" / "set")
    files = {name: (tmp_path / "served" / "set" / f"{name}.gz").read_bytes() for name in FILES}
    asked = []

    def serve(name, url):
        asked.append(url)
        return files[url.removeprefix(URL).removesuffix(".gz")]

    monkeypatch.setattr(download, "fetch", serve)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}, asked


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_folder_of_files(tmp_path, write_images, name, zipped):
    train, labels, test, test_labels = write_images(tmp_path / name, zipped=zipped)
    data = DATA_SETS[name](tmp_path)
    assert data.train_x.shape == (96, 1, 28, 28)
    assert data.test_x.shape == (40, 1, 28, 28)
    assert data.train_x.dtype == torch.float32
    assert (data.train_x.numpy()[:, 0] == train / np.float32(255)).all()
    assert (data.test_x.numpy()[:, 0] == test / np.float32(255)).all()
    assert (data.train_x.min(), data.train_x.max()) == (0, 1)
    assert (data.train_y.tolist(), data.test_y.tolist()) == (labels.tolist(), test_labels.tolist())
    assert data.classes == 10


def test_the_digest_follows_the_data(tmp_path, write_images):
    for folder, count in (("a", 96), ("b", 96), ("c", 95)):
        write_images(tmp_path / folder / "mnist", train=count, zipped=folder == "a")
    a, b, c = (DATA_SETS["mnist"](tmp_path / folder).digest for folder in "abc")
    assert a == b != c
    assert load_digits().digest == load_digits().digest


def test_the_folder_is_an_argument_or_a_variable(tmp_path, monkeypatch):
    assert data_folder(None) is None
    monkeypatch.setenv("CROSSTRAIN_DATA", str(tmp_path / "variable"))
    assert data_folder(None) == tmp_path / "variable"
    assert data_folder(tmp_path / "argument") == tmp_path / "argument"


def test_files_are_fetched_once(tmp_path, served):
    sums, asked = served
    data = load_idx("set", URL, sums)
    assert asked == [f"{URL}{name}.gz" for name in FILES]
    again = load_idx("set", URL, sums)
    assert len(asked) == 4
    assert dataclasses.astuple(again)[-1] == data.digest
    cache = tmp_path / "cache" / "crosstrain" / "data" / "set"
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in FILES)
    damaged = cache / f"{FILES[1]}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert load_idx("set", URL, sums).digest == data.digest
    assert asked[4:] == [f"{URL}{FILES[1]}.gz"]


def test_a_wrong_checksum_is_refused_and_nothing_kept(tmp_path, served):
    sums, _ = served
    wrong = sums | {FILES[0]: "0" * 64}
    with pytest.raises(UserError, match=rf"^{URL}{FILES[0]}.gz: has SHA-256 {sums[FILES[0]]}: must be 0+$"):
        load_idx("set", URL, wrong)
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_without_network_or_files_there_is_one_line(tmp_path):
    with pytest.raises(UserError) as caught:
        DATA_SETS["mnist"](None)
    told = str(caught.value)
    assert told.startswith('train.data = "mnist": https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz')
    assert "Name or service not known" in told
    assert "--data-dir" in told
    assert "\n" not in told
    with pytest.raises(UserError, match=r"mnist/train-images-idx3-ubyte: does not exist, nor with \.gz"):
        DATA_SETS["mnist"](tmp_path)


def test_a_cache_that_cannot_be_made(tmp_path, served):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(FileError, match="crosstrain/data/set"):
        load_idx("set", URL, served[0])


def test_what_a_server_answers_is_the_content(monkeypatch):
    class Answer:
        """Of an opened address."""

        def __enter__(self):
            return self

        def __exit__(self, *what):
            return None

        def read(self):
            return b"content"

    monkeypatch.setattr(download.urllib.request, "urlopen", lambda url, timeout: Answer())
    assert fetch("mnist", URL) == b"content"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: content[:-3], r"idx3-ubyte: has \d+ bytes: must be \d+ for \(96, 28, 28\)"),
        (lambda content: b"\0\0\x0d" + content[3:], "idx3-ubyte: begins with 0x00000d03: must be 0x00000803"),
        (lambda content: b"", "idx3-ubyte: begins with 0x: must be 0x00000803"),
        (lambda content: content[:6], r"idx3-ubyte: has 6 bytes: must be \d+"),
        (lambda content: gzip.compress(content)[:-9], "idx3-ubyte: cannot be read: "),
        (lambda content: b"\x1f\x8b" + content, "idx3-ubyte: cannot be read: "),
        (lambda content: bytes((0, 0, 8, 3)) + bytes(12), r"idx3-ubyte: holds no pixels \(0, 0, 0\)"),
        (lambda content: bytes((0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9)), "has 96 labels: must be 1"),
    ],
)
def test_damaged_files_are_named(tmp_path, write_images, damage, told):
    write_images(tmp_path / "mnist", zipped=False)
    images = tmp_path / "mnist" / FILES[0]
    images.write_bytes(damage(images.read_bytes()))
    with pytest.raises(UserError, match=told) as caught:
        DATA_SETS["mnist"](tmp_path)
    assert "\n" not in str(caught.value)


def test_labels_out_of_range(tmp_path, write_images):
    write_images(tmp_path / "mnist", zipped=False)
    labels = tmp_path / "mnist" / FILES[3]
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0a")
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte: has a label 10: must be 0\.\.9"):
        DATA_SETS["mnist"](tmp_path)


def test_every_file_has_a_checksum():
    assert tuple(MNIST) == tuple(FASHION_MNIST) == FILES
    assert all(len(digest) == 64 for digest in (*MNIST.values(), *FASHION_MNIST.values()))
    data_files("mnist", URL, {}, None)
