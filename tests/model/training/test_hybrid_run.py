"""Runs with hybrid weights: they learn, go on to the same bits, and tell what they did to their devices."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.gradient_tile import model_tile
from crosstrain_model.training import run as run_module
from crosstrain_model.training.folder import RunFolder
from crosstrain_model.training.hybrid_figures import hybrid_figures, used, wear
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

FAST = ["hybrid.refresh_every=2", "hybrid.saturation=200"]
PLAN = Plan(epochs=2, samples=60, rate=0.3, seed=3)


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


@pytest.mark.parametrize("changes", [[], ["hybrid.cells=sram"], ["hybrid.code=gray", "hybrid.bits=4"]])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, monkeypatch, changes, optimizer):
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)
    design = load_design("hic-64", [*FAST, *changes])
    plan = dataclasses.replace(PLAN, optimizer=optimizer, rate=0.3 if optimizer == "sgd" else 0.02)
    whole = Run(design, plan, model_tile)
    whole.learn()
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")

    def kill(run):
        if run.history.batches == 8:
            raise Killed

    with pytest.raises(Killed):
        Run(design, plan, model_tile, folder).learn(kill)
    again = Run(design, plan, model_tile, folder)
    assert again.history.batches == 7
    again.learn()
    a, b = whole.arrays(), again.arrays()
    assert a.keys() == b.keys()
    assert [n for n in a if n != "history.seconds" and not np.array_equal(a[n], b[n])] == []
    assert whole.history.pulses > 100


def test_digits_are_learnt():
    run = Run(load_design("hic-64", ["hybrid.cells=sram"]), Plan(epochs=4, rate=0.1), model_tile)
    run.learn()
    accuracy, golden = run.history.rows[-1][:2]
    assert golden > 93
    assert accuracy > golden - 4
    assert all(tile.calibrated and tile.calibrated_backward for grid in run.tiles.grids[1:] for tile in grid.tiles)
    for layer in run.tiles.layers:
        assert not layer.weight.data.any()  # it is the change of a batch, not a weight


def test_devices_or_sram_are_equal_while_no_cell_fails():
    runs = [
        Run(load_design("hic-64", [*FAST, f"hybrid.cells={cells}"]), PLAN, model_tile) for cells in ("binary", "sram")
    ]
    for run in runs:
        run.learn()
    one, other = (run.arrays() for run in runs)
    both = [name for name in one if name in other and ".memory.counts" not in name and name != "request"]
    assert [n for n in both if n != "history.seconds" and not np.array_equal(one[n], other[n])] == []
    assert {name.split(".")[2] for name in one if name not in other} == {"cells"}


def test_figures_are_those_of_the_tiles():
    run = Run(load_design("hic-64", FAST), PLAN, model_tile)
    run.learn()
    figures, grids = hybrid_figures(run.tiles.grids), run.tiles.grids
    shapes = [(rows, columns) for _, rows, columns in used(grids)]
    assert shapes == [(64, 32), (32, 10)]
    pairs, sets, resets = wear(grids)
    assert (len(pairs), sets.shape, resets.shape) == (2368, (2368, 7), (2368, 7))
    tiles = [tile for tile, _, _ in used(grids)]
    assert figures["carries"] == sum(tile.controller.counts["carry_pulses"] for tile in tiles) > 0
    resets_of_verify = sum(tile.controller.verify.counts["resets"] for tile in tiles)
    assert figures["refreshed"] * 2 + resets_of_verify == pairs.sum() > 100
    assert figures["l_sets"] == sum(tile.controller.memory.sets.sum() for tile in tiles)
    assert figures["l_resets"] == sum(tile.cells.resets.sum() for tile in tiles) > 0
    names = [part["name"] for part in figures["endurance"]]
    assert names == ["multi-level", *(f"L bit {bit}" for bit in range(7))]
    assert [part["devices"] for part in figures["endurance"]] == [4736, *7 * [2368]]
    assert figures["endurance"][1]["most"] == resets[:, 0].max()


def test_weights_without_a_copy_do_not_decay():
    with pytest.raises(UserError, match=r"train.weight_decay = 0.1: must be 0.0 \(scheme hic keeps no copy of the w"):
        Run(load_design("hic-64"), Plan(optimizer="adamw", weight_decay=0.1), model_tile)
