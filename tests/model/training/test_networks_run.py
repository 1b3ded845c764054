"""Runs with convolutions, host-made updates, AdamW and falling rates: they learn, and go on to the same bits."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.gradient_tile import model_tile
from crosstrain_model.training import run as run_module
from crosstrain_model.training.data import DataSet
from crosstrain_model.training.folder import RunError, RunFolder
from crosstrain_model.training.network import golden_network
from crosstrain_model.training.optimizer import make_optimizer, rate_of
from crosstrain_model.training.pair import build
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

LENET = Plan(network="lenet-wu", data="mnist", epochs=2, batches=3, batch=8, rate=0.02, seed=3)
ADAM = dataclasses.replace(LENET, optimizer="adamw", rate=0.01, weight_decay=0.01, schedule="cosine")


@pytest.fixture(autouse=True)
def _images(tmp_path, monkeypatch, write_images):
    write_images(tmp_path / "data" / "mnist")
    monkeypatch.setenv("CROSSTRAIN_DATA", str(tmp_path / "data"))


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


def cut_and_resumed(path, design, plan, factory, after):
    """A run killed in the batch after its last checkpoint, and continued to its end."""
    folder = RunFolder(path)
    path.mkdir()

    def kill(run):
        if run.history.batches == after + 1:
            raise Killed

    with pytest.raises(Killed):
        Run(design, plan, factory, folder).learn(kill)
    again = Run(design, plan, factory, folder)
    assert again.history.batches == after
    again.learn()
    return again


def check_resumes(tmp_path, monkeypatch, design, plan, factory):
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)
    whole = Run(design, plan, factory)
    whole.learn()
    a = whole.arrays()
    for after in (1, 3, 4):
        b = cut_and_resumed(tmp_path / f"cut{after}", design, plan, factory, after).arrays()
        assert a.keys() == b.keys()
        assert [n for n in a if n != "history.seconds" and not np.array_equal(a[n], b[n])] == []
    assert whole.history.pulses > 0
    return a


@pytest.mark.parametrize("scheme", ["mp-64", "sgd-64", "ttv2-64", "agad-64"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_convolutions_resume_to_the_same_bits(tmp_path, monkeypatch, scheme, schedule):
    gradients = ["transfer.warmup=0", "transfer.every=1", "transfer.period=2", "gradient_device.states=200"]
    settings = ["device.states=600"] if scheme == "mp-64" else ["converters.adc_noise=0.5", *gradients]
    plan = dataclasses.replace(LENET, schedule=schedule, rate=0.3)
    arrays = check_resumes(tmp_path, monkeypatch, load_design(scheme, settings), plan, model_tile)
    assert {n for n in arrays if n.startswith("tiles.")} == {"tiles.0.scale", "tiles.3.scale", "tiles.7.scale"}
    assert not [n for n in arrays if "optimizer" in n]


@pytest.mark.parametrize("plan", [ADAM, dataclasses.replace(ADAM, optimizer="sgd", rate=0.05)])
def test_streamed_updates_resume_to_the_same_bits(tmp_path, monkeypatch, streamed, plan):
    design, factory = streamed
    arrays = check_resumes(tmp_path, monkeypatch, design(), plan, factory)
    kept = {n for n in arrays if n.startswith("tiles_optimizer.")}
    assert len(kept) == (3 * 6 if plan.optimizer == "adamw" else 0)  # step and two moments of 3 weights and 3 scales


def test_streamed_updates_learn(streamed):
    design, factory = streamed
    plan = dataclasses.replace(ADAM, epochs=5, batches=0, schedule="constant")
    run = Run(design(), plan, factory)
    run.learn()
    accuracy, golden = run.history.rows[-1][:2]
    assert accuracy > 80
    assert golden > 80
    for layer in run.tiles.layers:
        assert (layer.weight.data.numpy() == layer.grid.copy()).all()


@pytest.mark.parametrize(("calibrate", "due"), [(0, [0]), (1, [0, 1, 2, 3, 4, 5]), (4, [0, 4])])
def test_adc_ranges_are_set_again(streamed, calibrate, due):
    design, factory = streamed
    run, batches = None, []

    def watched(*args):
        tile = factory(*args)
        original = tile.calibrate
        tile.calibrate = lambda codes: (batches.append(run.history.batches), original(codes))
        return tile

    run = Run(design(), dataclasses.replace(ADAM, calibrate=calibrate), watched)
    run.learn()
    tiles = sum(len(grid.tiles) for grid in run.tiles.grids)
    assert batches == [batch for batch in due for _ in range(tiles)]


def test_convolutions_learn_by_outer_products():
    plan = dataclasses.replace(LENET, epochs=8, batches=0, rate=0.05)
    run = Run(load_design("mp-64", ["device.states=600", "formats.adc=12"]), plan, model_tile)
    run.learn()
    assert run.history.rows[-1][0] > 80
    assert run.history.rows[-1][1] > 80


def test_both_networks_begin_alike():
    run = Run(load_design("mp-64", ["device.kind=ideal"]), LENET, model_tile)
    plain = [m for m in run.golden.network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer, golden in zip(run.tiles.layers, plain, strict=True):
        weight = golden.weight.detach().reshape(layer.grid.outputs, -1).numpy().T
        assert abs(layer.grid.weights() / 2**20 - weight).max() < 1e-6
        assert torch.equal(layer.scale, golden.scale)


def test_batches_of_an_epoch_are_random_and_counted():
    run = Run(load_design("mp-64"), dataclasses.replace(LENET, epochs=1), model_tile)
    assert (run.epoch_batches, run.batches) == (3, 3)
    run.learn()
    assert run.history.batches == 3
    with pytest.raises(UserError, match=r"train\.batches = 13: must be at most 12, the batches of 8 in 96"):
        Run(load_design("mp-64"), dataclasses.replace(LENET, batches=13), model_tile)


@pytest.mark.parametrize("scheme", ["mp", "sgd", "agad"])
@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("optimizer", "adamw", '"adamw": must be sgd'),
        ("weight_decay", 0.1, r"0\.1: must be 0"),
        ("averaged", 2, "2: must be 1"),
    ],
)
def test_outer_products_know_a_rate_alone(scheme, field, value, told):
    with pytest.raises(UserError, match=rf"train\.{field} = {told} \(scheme {scheme} makes its updates on the tiles\)"):
        Run(load_design(f"{scheme}-64"), dataclasses.replace(LENET, **{field: value}), model_tile)


def test_a_network_that_does_not_fit_the_data():
    with pytest.raises(UserError, match='train.network = "lenet-wu": takes inputs of 1 x 28 x 28'):
        Run(load_design("mp-64"), dataclasses.replace(LENET, data="digits"), model_tile)


def test_a_run_goes_on_with_its_own_data(tmp_path, write_images, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    Run(load_design("mp-64"), LENET, model_tile, folder).learn()
    write_images(tmp_path / "other" / "mnist", train=97)
    with pytest.raises(RunError, match="belongs to another design, plan or data set"):
        Run(load_design("mp-64"), LENET, model_tile, folder, data_dir=tmp_path / "other")
    assert Run(load_design("mp-64"), dataclasses.replace(LENET, epochs=3), model_tile, folder).history.batches == 6


def test_epochs_that_rates_depend_on_stay(tmp_path):
    folder, plan = RunFolder(tmp_path / "run"), dataclasses.replace(LENET, schedule="cosine", epochs=1)
    folder.path.mkdir()
    Run(load_design("mp-64"), plan, model_tile, folder).learn()
    with pytest.raises(RunError, match="belongs to another design, plan or data set"):
        Run(load_design("mp-64"), dataclasses.replace(plan, epochs=2), model_tile, folder)


def test_rates():
    plan = Plan(rate=0.4, epochs=4)
    assert [rate_of(plan, epoch) for epoch in range(4)] == [0.4] * 4
    falling = dataclasses.replace(plan, schedule="cosine")
    wanted = [0.2 * (1 + math.cos(math.pi * part)) for part in (0, 0.25, 0.5, 0.75)]
    assert np.allclose([rate_of(falling, epoch) for epoch in range(4)], wanted)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_optimiser_acts_on_the_mean_of_a_batch(optimizer):
    """One step on a loss summed over 8 samples equals torch's own on their mean."""
    plan = dataclasses.replace(LENET, optimizer=optimizer, weight_decay=0.1)
    ours, theirs = (golden_network("mlp", 6) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    weights, biases = [p for p in theirs.parameters() if p.dim() == 2], [p for p in theirs.parameters() if p.dim() == 1]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    made = (torch.optim.AdamW if optimizer == "adamw" else torch.optim.SGD)(groups, lr=plan.rate)
    x, y = torch.rand(8, 6), torch.arange(8)
    for network, step, reduction in ((ours, make_optimizer(ours, plan), "sum"), (theirs, made, "mean")):
        for _ in range(3):
            step.zero_grad()
            nn.functional.cross_entropy(network(x), y, reduction=reduction).backward()
            step.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_sgd_divides_the_rate_of_a_scale():
    optimizer = make_optimizer(golden_network("lenet-wu", 784), LENET)
    rates = {group["params"][0].shape: group["lr"] for group in optimizer.param_groups[1:2]}
    assert list(rates.values()) == [LENET.rate / LENET.batch]
    scales = [group["lr"] * LENET.batch / LENET.rate for group in optimizer.param_groups[2:]]
    assert np.allclose(scales, [1 / 100, 1 / 1200, 1 / 1920])


def test_vgg8_takes_a_step_on_tiles(streamed):
    """With two samples; there is no data set of their size here."""
    design, factory = streamed
    large = design("array.rows=512", "array.columns=512")
    x, y = torch.rand(2, 3, 32, 32), torch.tensor([1, 2])
    data = DataSet(train_x=x, train_y=y, test_x=x, test_y=y, classes=10, digest="")
    golden, tiles = build(large, dataclasses.replace(ADAM, network="vgg8"), data, factory)
    for learner in (golden, tiles):
        learner.step(x, y)
    assert len(tiles.grids) == 8
    assert all(p.grad is not None and p.grad.any() for p in tiles.network.parameters())


def test_the_end_of_a_run_counts_what_an_audit_finds(streamed):
    design, factory = streamed

    def audited(*args):
        tile = factory(*args)
        tile.audit = lambda: 2
        return tile

    run = Run(design(), dataclasses.replace(ADAM, epochs=1), audited)
    run.learn()
    assert run.figures()["mismatches"] == 2 * sum(len(grid.tiles) for grid in run.tiles.grids)
