"""A run continues to the same bits wherever it was cut, and two runs are compared down to the first difference."""

import dataclasses

import numpy as np
import pytest
import torch

from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.tile import ModelTile
from crosstrain_model.training import run as run_module
from crosstrain_model.training.compare import compare
from crosstrain_model.training.folder import RunError, RunFolder
from crosstrain_model.training.optimizer import make_optimizer, optimizer_arrays, restore_optimizer
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

PLAN = Plan(epochs=2, samples=60, batch=10, seed=3)


@pytest.fixture
def design():
    return load_design("mp-64", ["converters.adc_noise=0.5", "converters.read_noise=0.01"])


def model_tile(design, seed, tile):
    return ModelTile(design, seed=seed, tile=tile)


def finished(path, design, plan=PLAN):
    folder = RunFolder(path)
    folder.create(design, plan)
    run = Run(design, plan, model_tile, folder)
    run.learn()
    return run


def differing(a, b):
    return [n for n in a if n != "history.seconds" and not np.array_equal(a[n], b[n])]


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


@pytest.mark.parametrize("after", [1, 5, 6, 7, 11])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, design, monkeypatch, after):
    whole = finished(tmp_path / "whole", design)
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)
    folder = RunFolder(tmp_path / "cut")
    folder.create(design, PLAN)

    def kill(run):
        if run.history.batches == after + 1:  # the batch after the last checkpoint is lost
            raise Killed

    with pytest.raises(Killed):
        Run(design, PLAN, model_tile, folder).learn(kill)
    again = Run(design, PLAN, model_tile, folder)
    assert again.history.batches == after
    again.learn()
    assert differing(whole.arrays(), again.arrays()) == []
    assert compare(RunFolder(tmp_path / "whole"), folder).divergence is None


def test_both_networks_learn(tmp_path, design):
    run = finished(tmp_path / "run", design, Plan(epochs=3, seed=1))
    accuracy, golden = run.history.rows[-1][:2]
    assert accuracy > 90
    assert golden > 90
    assert run.history.rows[0][0] < accuracy
    assert run.history.pulses > 1000
    assert run.updates > 0
    assert len(run.history.digests) == run.batches


def test_seeds_differ_and_the_comparison_says_where(tmp_path, design):
    finished(tmp_path / "a", design)
    finished(tmp_path / "b", design, dataclasses.replace(PLAN, seed=4))
    found = compare(RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b"))
    assert found.divergence == f"batch {found.batch}, tile {found.tile}: the program passes differ"
    assert found.batch is not None
    assert found.batch < 3  # pulses come from the third batch at the latest
    assert found.weights_differing > 0


def test_one_changed_conductance_is_found(tmp_path, design):
    run = finished(tmp_path / "a", design)
    finished(tmp_path / "b", design)
    arrays = run.arrays()
    arrays["layer1.tile0.array.g"] = arrays["layer1.tile0.array.g"].copy()
    arrays["layer1.tile0.array.g"][4, 2] += 1
    RunFolder(tmp_path / "b").write_checkpoint(arrays)
    found = compare(RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b"))
    assert found.divergence is not None
    assert found.divergence.startswith("layer1.tile0.array.g[4, 2]: ")
    assert (found.weights_differing, found.largest_weight_gap) == (1, 1)


def test_a_batch_larger_than_the_set_is_refused(design):
    with pytest.raises(UserError, match=r"train\.batch = 70: must be at most the 60 training samples"):
        Run(design, dataclasses.replace(PLAN, batch=70), model_tile)


def test_folders_that_are_no_runs_are_named(tmp_path, design):
    with pytest.raises(RunError, match="is no run folder"):
        RunFolder(tmp_path).read_request()
    folder = RunFolder(tmp_path / "run")
    folder.create(design, PLAN)
    assert folder.read_request() == (design, PLAN)
    with pytest.raises(RunError, match="holds a run already"):
        folder.create(design, PLAN)
    folder.checkpoint.write_bytes(b"\x00" * 40)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
        folder.read_checkpoint()


def test_a_checkpoint_of_another_run_is_refused(tmp_path, design):
    folder = finished(tmp_path / "a", design).folder
    for other in ((load_design("mp-8"), PLAN), (design, dataclasses.replace(PLAN, batch=5))):
        with pytest.raises(RunError, match="belongs to another design, plan or data set"):
            Run(*other, model_tile, folder)


def test_epochs_may_be_raised_but_not_below_what_is_learnt(tmp_path, design):
    folder = finished(tmp_path / "a", design).folder
    more = Run(design, dataclasses.replace(PLAN, epochs=3), model_tile, folder)
    assert (more.history.batches, more.batches) == (12, 18)
    with pytest.raises(RunError, match=r"train\.epochs = 1: must be at least the 2"):
        Run(design, dataclasses.replace(PLAN, epochs=1), model_tile, folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 90_000, "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "must hold the fields of a plan"),
        ("{}", "must hold the fields of a plan"),
        ('"epochs"', "must hold the fields of a plan"),
    ],
)
def test_damaged_plans_are_named(tmp_path, design, text, told):
    folder = RunFolder(tmp_path / "a")
    folder.create(design, PLAN)
    folder.plan.write_text(text)
    with pytest.raises(RunError, match=told):
        folder.read_request()


def test_a_plan_out_of_bounds_is_named(tmp_path, design):
    folder = RunFolder(tmp_path / "a")
    folder.create(design, PLAN)
    folder.plan.write_text(folder.plan.read_text().replace('"batch": 10', '"batch": 0'))
    with pytest.raises(RunError, match=r"plan\.json: train\.batch = 0: must be 1\.\.4096"):
        folder.read_request()


def test_a_folder_of_somebody_else_is_not_touched(tmp_path, design):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "design.toml").write_text("mine")
    with pytest.raises(OSError, match="is not empty"):
        RunFolder(tmp_path / "mine").create(design, PLAN)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["design.toml"]


def test_a_foreign_checkpoint_is_no_run(tmp_path, design):
    finished(tmp_path / "a", design)
    folder = finished(tmp_path / "b", design).folder
    folder.write_checkpoint({"weights": np.zeros(3)})
    with pytest.raises(RunError, match=r"b/checkpoint\.safetensors: holds no run"):
        compare(RunFolder(tmp_path / "a"), folder)


def test_a_flipped_byte_is_found_wherever_it_is(tmp_path, design):
    folder = RunFolder(tmp_path / "a")
    (tmp_path / "a").mkdir()
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(7), "c": np.zeros((0, 3), np.uint64)}
    folder.write_checkpoint(arrays)
    assert differing(arrays, folder.read_checkpoint()) == []
    whole = folder.checkpoint.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        if bytes(content[place : place + 1]).isspace() and whole[place : place + 1].isspace():
            continue  # padding of the header stays padding
        folder.checkpoint.write_bytes(content)
        with pytest.raises(RunError, match=r"a/checkpoint\.safetensors: is (damaged|no checkpoint): ") as caught:
            folder.read_checkpoint()
        assert "\n" not in str(caught.value)


def damaged(array):
    """An array as no run writes it."""
    yield np.array(np.nan)
    yield np.full(array.shape, np.nan)
    yield np.zeros(0, array.dtype)
    yield np.zeros((), array.dtype) if array.shape else np.zeros(1, array.dtype)
    yield np.zeros((3, *array.shape), array.dtype)


def test_arrays_that_do_not_fit_are_named(tmp_path, design):
    run = finished(tmp_path / "a", design)
    arrays = run.arrays()
    for name, array in arrays.items():
        for other in [None, *damaged(array)]:
            changed = {**arrays, name: other} if other is not None else {n: a for n, a in arrays.items() if n != name}
            with pytest.raises(RunError, match=r"a/checkpoint\.safetensors: ") as caught:
                run.restore(changed)
            assert "\n" not in str(caught.value), name
    run.restore(arrays)
    assert differing(arrays, run.arrays()) == []


def test_an_optimizer_takes_what_it_remembers():
    plan = Plan(optimizer="adamw", seed=1)
    network = torch.nn.Linear(3, 2)
    optimizer = make_optimizer(network, plan)
    network(torch.ones(3)).sum().backward()
    optimizer.step()
    arrays = optimizer_arrays(optimizer)
    restore_optimizer(optimizer, arrays)
    assert differing(arrays, optimizer_arrays(optimizer)) == []
    for name, array in arrays.items():
        for other in [None, *damaged(array)]:
            if other is not None and other.shape == array.shape and other.dtype == array.dtype:
                continue
            changed = {**arrays, name: other} if other is not None else {n: a for n, a in arrays.items() if n != name}
            with pytest.raises(ValueError, match="^optimizer "):
                restore_optimizer(optimizer, changed)
    plain = make_optimizer(network, Plan())
    for name in ("0.step", "9.step", "0.momentum"):
        with pytest.raises(ValueError, match="has nothing of that name"):
            restore_optimizer(plain if name == "0.step" else optimizer, {name: np.zeros((), np.float32)})
