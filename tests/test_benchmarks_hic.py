"""Benchmarks of hybrid weights, a few batches of each: what they find and keep, and bars they are not held to."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.hybrid_tile import HybridTile

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def run(monkeypatch, tmp_path, write_images):
    """Runs a benchmark on images made up here; returns its status and figures."""
    write_images(tmp_path / "data" / "mnist")
    monkeypatch.syspath_prepend(str(FOLDER))

    def run(name, *options):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        common = ["--data-dir", tmp_path / "data", "--network", "lenet", "--seeds", "1", "--epochs", "1"]
        given = [name, *common, "--batches", "2", "-o", tmp_path / "kept", *options, "--json", tmp_path / "f.json"]
        monkeypatch.setattr(sys, "argv", [str(word) for word in given])
        monkeypatch.setattr(module if name == "mnist_hic" else module.mnist_hic, "BATCH", 8)
        return module.main(), json.loads((tmp_path / "f.json").read_text())

    return run


def test_accuracy(run, tmp_path, capsys):
    status, figures = run("mnist_hic")
    assert (status, figures["bars"], figures["ok"]) == (0, 0, True)
    (row,) = figures["networks"]["lenet"]["seeds"]
    assert row["weights"] == 3220
    assert [part["devices"] for part in row["endurance"]] == [6440, *7 * [3220]]
    assert "no bar: 1 of 13 epochs, 1 of 5 seeds, 2 of 400 batches, 1 of 2 networks" in capsys.readouterr().out
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text(json.dumps(row | {"accuracy": 12.5}))  # so it is seen that the folder is believed
    assert run("mnist_hic")[1]["networks"]["lenet"]["accuracy"] == 12.5
    assert run("mnist_hic", "--ideal")[1]["networks"]["lenet"]["accuracy"] != 12.5
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_drift(run, tmp_path):
    status, figures = run("drift_hic", "--plot", tmp_path / "d.png", "--wear", tmp_path / "w.png")
    assert status == 0
    assert list(figures["networks"]["lenet"]["drift"]) == ["1 s", "1 hour", "1 day", "1 month", "1 year"]
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("d.png", "w.png"))


def test_the_sweep_has_all_rules(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    status, figures = run("mnist_hic", "--sweep", "--plot", tmp_path / "s.png")
    points = figures["sweep"]["lenet"]
    assert status == 0
    assert sorted({point["bits"] for point in points}) == list(range(4, 13))
    assert len(points) == 9 * 4
    assert (tmp_path / "s.png").stat().st_size > 1000


def test_a_host_that_rounds_leaves_nothing_to_chance(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("benchmark_mnist_hic", FOLDER / "mnist_hic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    design = load_design("hic-8", ["hybrid.cells=sram"])
    tile, random = module.nearest_tile(design, 1, 0), HybridTile(design, seed=1, tile=0)
    changes = np.random.default_rng(1).integers(-900, 900, (8, 8))
    for each in (tile, random):
        each.update(changes)
    assert np.array_equal(tile.controller.memory.held, np.floor(changes / 256 + 0.5))
    assert not np.array_equal(tile.controller.memory.held, random.controller.memory.held)
