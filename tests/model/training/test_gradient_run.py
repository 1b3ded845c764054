"""Training with in-memory gradients: the contract of a tile, registers of a rate, resume to the same bits, learning."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.gradient_tile import GradientTile, batch_digest, model_tile
from crosstrain_model.tile import ModelTile
from crosstrain_model.training import run as run_module
from crosstrain_model.training.compare import compare
from crosstrain_model.training.converters import GAMMA0, registers_of_rate
from crosstrain_model.training.folder import RunFolder
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

SCHEMES = ("sgd", "ttv2", "c-ttv2", "agad")
PLAN = Plan(epochs=2, samples=60, batch=10, seed=3)
QUICK = ["converters.adc_noise=0.5", "gradient_device.states=200"]


def finished(path, design, plan=PLAN):
    folder = RunFolder(path)
    folder.create(design, plan)
    run = Run(design, plan, model_tile, folder)
    run.learn()
    return run


def small(scheme):
    """Transfers after every vector and no warm-up, so that few vectors do much."""
    return load_design(f"{scheme}-64", [*QUICK, "transfer.every=1", "transfer.warmup=0", "transfer.period=2"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, monkeypatch, scheme):
    design = small(scheme)
    whole = finished(tmp_path / "whole", design)
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)
    folder = RunFolder(tmp_path / "cut")
    folder.create(design, PLAN)

    class Killed(BaseException):
        """Stands for a kill."""

    def kill(run):
        if run.history.batches == 8:
            raise Killed

    with pytest.raises(Killed):
        Run(design, PLAN, model_tile, folder).learn(kill)
    again = Run(design, PLAN, model_tile, folder)
    assert again.history.batches == 7
    again.learn()
    a, b = whole.arrays(), again.arrays()
    assert [name for name in a if name != "history.seconds" and not np.array_equal(a[name], b[name])] == []
    assert compare(RunFolder(tmp_path / "whole"), folder).divergence is None
    assert whole.history.pulses > 0
    assert whole.updates > 0
    names = {name.split(".")[2] for name in a if name.startswith("layer0")}
    assert names == {"controller", "array", *(() if scheme == "sgd" else ("gradient",))}


def test_tiles_of_a_run_differ_in_devices_and_streams():
    first, second = (GradientTile(load_design("agad-8"), seed=1, tile=tile) for tile in (0, 1))
    assert first.controller.rows.state != second.controller.rows.state
    assert not np.array_equal(first.arrays.a.devices.step_up, second.arrays.a.devices.step_up)
    assert not np.array_equal(first.arrays.w.devices.step_up, first.arrays.a.devices.step_up)


def test_who_builds_which_tile():
    assert isinstance(model_tile(load_design("mp-8"), 1, 0), ModelTile)
    assert isinstance(model_tile(load_design("sgd-8"), 1, 0), GradientTile)


def test_the_digest_tells_trains_and_programs():
    row = (3, np.array([1, -1], np.int8))
    digests = [batch_digest([], 0), batch_digest([], 1), batch_digest([row], 1), batch_digest([row, row], 1)]
    assert len({*digests}) == 4
    assert all(len(digest) == 8 for digest in digests)


def test_registers_of_a_rate():
    design = load_design("agad-64")
    rate = 0.01 / (5 * 0.1) * 2 * 64 / (GAMMA0 * 0.1)  # lambda_H of a unit of A
    assert registers_of_rate(design, 0.1, 1.0, 0.01) == {"threshold": round(16 / (rate * 2.0 / 256))}
    twice = registers_of_rate(design, 0.1, 1.0, 0.02)["threshold"]
    assert abs(2 * twice - registers_of_rate(design, 0.1, 1.0, 0.01)["threshold"]) <= 1
    assert registers_of_rate(load_design("sgd-64"), 0.1, 1.0, 0.1) == {"train_rate": 0}
    assert registers_of_rate(load_design("sgd-64"), 0.1, 0.5, 0.1) == {"train_rate": 256}
    assert registers_of_rate(load_design("mp-64"), 0.1, 1.0, 0.01).keys() == {"threshold", "shift"}
    with pytest.raises(UserError, match="theta = "):
        registers_of_rate(design, 0.1, 1.0, 1e-6)


def test_what_a_batch_did():
    design = small("c-ttv2")
    tile = GradientTile(design, seed=1, tile=0)
    tile.configure(threshold=500)
    rng = np.random.default_rng(1)
    x, d = rng.integers(-127, 128, (200, 64)), rng.integers(-127, 128, (200, 64))
    tile.accumulate(x, np.full(200, -7), d, np.full(200, -7))
    done = tile.program()
    assert 0 < done.commands <= 200
    assert done.pulses == tile.controller.issued > 0
    nothing = tile.program()
    assert (nothing.commands, nothing.pulses, nothing.digest) == (0, 0, batch_digest([], 0))
    assert tile.updates == 200 * 64


def test_agad_learns_where_the_reference_is_wrong():
    """A short run; benchmarks and docs/figures.md have the whole."""
    plan = Plan(epochs=5, seed=1)
    accuracy = {}
    for scheme in ("agad", "ttv2"):
        run = Run(load_design(f"{scheme}-64", ["transfer.every=1", "transfer.period=5"]), plan, model_tile)
        run.learn()
        accuracy[scheme] = run.figures()["accuracy"]
    assert accuracy["agad"] > 90
    assert accuracy["ttv2"] < accuracy["agad"] - 3


def test_plans_are_as_for_other_schemes(tmp_path):
    run = finished(tmp_path / "a", small("agad"))
    other = finished(tmp_path / "b", small("agad"), dataclasses.replace(PLAN, seed=4))
    assert compare(RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b")).divergence is not None
    assert len(run.history.digests) == run.batches == other.batches
