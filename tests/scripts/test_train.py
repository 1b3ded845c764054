"""`crosstrain train` and `compare`, from the command line: figures, folders, resumption, refusals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crosstrain.cli import main

SHORT = ["mp-64", "--epochs", "1", "--samples", "60"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_figures_of_a_run(capsys):
    assert main(["train", *SHORT, "-o", "run", "--json", "r.json"]) == 0
    figures = json.loads(Path("r.json").read_text())
    assert figures["command"] == "train"
    assert figures["ok"] is True
    asked = {"scheme": "mp", "network": "mlp", "data": "digits", "through": "model"}
    assert asked.items() <= figures.items()
    for name in ("accuracy", "golden_accuracy", "samples_per_second"):
        assert figures[name] > 0
    assert figures["mismatches"] == 0
    assert figures["updates"] > 0
    files = ["checkpoint.safetensors", "curves.png", "design.toml", "plan.json", "result.json"]
    assert sorted(os.listdir("run")) == files
    assert "golden FP32" in capsys.readouterr().out


def test_hybrid_weights_tell_what_they_did_to_devices(capsys):
    fields = ("hybrid.refresh_every=1", "hybrid.saturation=150")
    changes = [word for field in fields for word in ("--set", field)]
    assert main(["train", "hic-64", *changes, "--epochs", "1", "--samples", "60", "--rate", "0.5", "-o", "run"]) == 0
    figures = json.loads(Path("run/result.json").read_text())
    assert figures["scheme"] == "hic"
    assert min(figures[name] for name in ("carries", "refreshed", "l_sets", "l_resets")) > 0
    worn = max(part["most"] for part in figures["endurance"])
    out, told = capsys.readouterr()
    assert f"carries    {figures['carries']:,}; pairs programmed anew {figures['refreshed']:,}\n" in out
    assert f"endurance  at most {worn:,} cycles of a device (" in out
    assert "mlp on 2 tiles of 64 x 64: pairs of phase-change devices, a SET pulse 0.125 of their range, 7 bits" in told


def test_a_run_through_verilog_equals_one_through_the_model():
    fields = ("array.rows=13", "array.columns=7", "array.lanes=3", "array.pair=push-pull", "converters.adc_noise=0.7")
    shape = [word for field in fields for word in ("--set", field)]
    short = ["mp-8", *shape, "--epochs", "1", "--samples", "40"]
    assert main(["train", *short, "-o", "model"]) == 0
    assert main(["train", *short, "-o", "rtl", "--through", "rtl"]) == 0
    assert main(["compare", "model", "rtl", "--json", "c.json"]) == 0
    assert json.loads(Path("c.json").read_text())["divergence"] is None


@pytest.mark.parametrize("cells", ["binary", "sram"])
def test_a_run_with_hybrid_weights_through_verilog_equals_one_through_the_model(cells, capsys):
    fields = (f"hybrid.cells={cells}", "hybrid.refresh_every=2", "hybrid.saturation=150", "array.rows=32",
              "array.columns=32", "array.lanes=8")  # fmt: skip
    shape = [word for field in fields for word in ("--set", field)]
    short = ["hic-8", *shape, "--epochs", "1", "--samples", "40", "--rate", "1.0"]
    assert main(["train", *short, "-o", "model"]) == 0
    assert main(["train", *short, "-o", "rtl", "--through", "rtl"]) == 0
    assert "lockstep   0 mismatches over all pulses, accumulators and weights\n" in capsys.readouterr().out
    figures = json.loads(Path("rtl/result.json").read_text())
    assert min(figures[name] for name in ("carries", "refreshed", "l_sets")) > 0
    assert main(["compare", "model", "rtl"]) == 0


def test_runs_that_differ(capsys):
    assert main(["train", *SHORT, "-o", "a"]) == 0
    assert main(["train", *SHORT, "-o", "b", "--seed", "9"]) == 0
    assert main(["compare", "a", "b"]) == 1
    assert "the runs were not asked the same: seed 1 and 9" in capsys.readouterr().out


def test_raised_epochs_are_kept():
    assert main(["train", *SHORT, "-o", "a"]) == 0
    assert main(["train", "mp-64", "-o", "a", "--resume", "--epochs", "2"]) == 0
    assert json.loads(Path("a/plan.json").read_text())["epochs"] == 2
    assert main(["train", "mp-64", "--epochs", "2", "--samples", "60", "-o", "b"]) == 0
    assert main(["compare", "a", "b"]) == 0


DYING = """
import os, signal, sys
from crosstrain.cli import main
from crosstrain_model.training import run
run.CHECKPOINT_SECONDS = 0.05
flush = os.fsync
def dying(descriptor):
    if os.path.exists("killed/checkpoint.safetensors"):
        os.kill(os.getpid(), signal.SIGKILL)
    flush(descriptor)
os.fsync = dying
sys.exit(main(sys.argv[1:]))
"""
"""The command line, killed while it writes its second checkpoint, however slow the machine."""


def test_kill_and_resume():
    long = ["mp-64", "--epochs", "6", "--samples", "1400"]
    process = subprocess.run([sys.executable, "-c", DYING, "train", *long, "-o", "killed"], check=False)
    assert process.returncode == -signal.SIGKILL
    assert [name for name in os.listdir("killed") if name.startswith(".checkpoint")] != []  # cut short there
    assert not os.path.exists("killed/result.json")
    assert main(["train", "mp-64", "-o", "killed", "--resume"]) == 0
    assert main(["train", *long, "-o", "whole"]) == 0
    assert main(["compare", "killed", "whole"]) == 0


LENET = [
    "mp-64", "--set", "device.states=600", "--network", "lenet-wu", "--data", "mnist", "--batch", "8", "--rate", "0.3",
]  # fmt: skip


def test_convolutions_on_images_from_files(tmp_path, write_images):
    write_images(tmp_path / "data" / "mnist")
    wanted = [*LENET, "--data-dir", "data", "--batches", "4", "--schedule", "cosine", "--epochs", "2"]
    assert main(["train", *wanted, "-o", "a", "--json", "a.json"]) == 0
    figures = json.loads(Path("a.json").read_text())
    assert (figures["network"], figures["data"]) == ("lenet-wu", "mnist")
    assert figures["pulses"] > 0
    plan = json.loads(Path("a/plan.json").read_text())
    assert (plan["batches"], plan["schedule"], plan["optimizer"], plan["weight_decay"]) == (4, "cosine", "sgd", 0.0)
    assert main(["train", *wanted, "-o", "b"]) == 0
    assert main(["compare", "a", "b"]) == 0


def test_a_resumed_run_finds_its_data(tmp_path, write_images, monkeypatch, capsys):
    write_images(tmp_path / "data" / "fashion-mnist", train=40)
    wanted = ["mp-64", "--network", "mlp", "--data", "fashion-mnist", "--epochs"]
    monkeypatch.setenv("CROSSTRAIN_DATA", "data")
    assert main(["train", *wanted, "1", "-o", "a"]) == 0
    assert main(["train", *wanted, "2", "-o", "a", "--resume"]) == 0
    assert main(["train", *wanted, "2", "-o", "b"]) == 0
    assert main(["compare", "a", "b"]) == 0
    write_images(tmp_path / "other" / "fashion-mnist", train=41)
    assert main(["train", *wanted, "3", "-o", "a", "--resume", "--data-dir", "other"]) == 2
    assert "belongs to another design, plan or data set" in capsys.readouterr().err


def test_epochs_of_a_falling_rate_stay(capsys):
    assert main(["train", *SHORT, "--schedule", "cosine", "-o", "a"]) == 0
    assert main(["train", "mp-64", "-o", "a", "--resume", "--epochs", "2"]) == 2
    assert "a: was started with epochs = 1, not 2" in capsys.readouterr().err


def test_without_data_there_is_one_line(capsys, monkeypatch, tmp_path):
    from crosstrain_model.training import download

    def offline(url, timeout):
        raise OSError("Network is unreachable")

    monkeypatch.delenv("CROSSTRAIN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(download.urllib.request, "urlopen", offline)
    assert main(["train", *LENET, "-o", "run"]) == 2
    said = capsys.readouterr().err
    assert said.startswith('crosstrain: train.data = "mnist": https://')
    assert "(Network is unreachable)" in said
    assert said.count("\n") == 1
    assert os.listdir(".") == []


REFUSALS = [
    (["train", "mp-8", "--epochs", "0"], "train.epochs = 0: must be 1..10000"),
    (["train", "mp-8", "--batch", "0"], "train.batch = 0: must be 1..4096"),
    (["train", "mp-8", "--rate", "nan"], "train.rate = nan: must be 1e-09..1000.0"),
    (["train", "mp-8", "--network", "nope"], 'train.network = "nope": must be one of mlp'),
    (["train", "mp-8", "--data", "nope"], 'train.data = "nope": must be one of digits'),
    (["train", "mp-8", "--data", "mnist", "--data-dir", "no"], "no/mnist/train-images-idx3-ubyte: does not exist"),
    (["train", "mp-8", "--data-dir", ""], "train: argument --data-dir: must name a file or folder"),
    (["train", "mp-8", "--network", "vgg8"], 'train.network = "vgg8": takes inputs of 3 x 32 x 32, those of'),
    (["train", "mp-8", "--batches", "-1"], "train.batches = -1: must be 0..1000000"),
    (["train", "mp-8", "--batches", "200"], "train.batches = 200: must be at most 143, the batches of 10 in 1437"),
    (["train", "mp-8", "--optimizer", "adam"], 'train.optimizer = "adam": must be one of sgd, adamw'),
    (["train", "mp-8", "--optimizer", "adamw"], 'train.optimizer = "adamw": must be sgd (scheme mp makes its updates'),
    (["train", "sgd-8", "--weight-decay", "0.1"], "train.weight_decay = 0.1: must be 0 (scheme sgd makes its updates"),
    (["train", "mp-8", "--schedule", "step"], 'train.schedule = "step": must be one of constant, cosine'),
    (["train", "mp-8", "--through", "air"], 'train.through = "air": must be one of model, rtl'),
    (["train", "mp-8", "--resume"], "--resume needs the folder of the run: -o RUN"),
    (["train", "mp-8", "--resume", "-o", "none"], "none: is no run folder (no plan.json)"),
    (["train", "mp-8", "-o", ""], "train: argument -o/--output: must name a file or folder"),
    (["train", "mp-8", "-o", "no/such/run"], "no/such/run: "),
    (["compare", "none", "none"], "none: is no run folder (no plan.json)"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSALS)
def test_refusals(capsys, arguments, line):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"crosstrain: {line}")
    assert said.count("\n") == 1
    assert os.listdir(".") == []


def test_a_refused_run_leaves_nothing_behind(capsys):
    assert main(["train", "mp-8", "--samples", "5", "-o", "run"]) == 2
    assert "train.batch = 10: must be at most the 5 training samples" in capsys.readouterr().err
    assert os.listdir(".") == []


def test_a_resumed_run_keeps_its_plan(capsys):
    assert main(["train", *SHORT, "-o", "a"]) == 0
    for option, value in (("--batch", "5"), ("--rate", "0.2")):
        assert main(["train", "mp-64", "-o", "a", "--resume", option, value]) == 2
        assert f"a: was started with {option[2:]} = " in capsys.readouterr().err
    assert main(["train", "mp-8", "-o", "a", "--resume"]) == 2
    told = 'a: was started with another design than mp-8: name = "mp-64", not "mp-8"'
    assert capsys.readouterr().err == f"crosstrain: {told}\n"
    for option, value, differs in (
        ("--seed", "4", "seed = 1, not 4"), ("--set", "update.max_pulses=2", "update.max_pulses = 3, not 2"),
    ):  # fmt: skip
        assert main(["train", "mp-64", "-o", "a", "--resume", option, value]) == 2
        told = f"a: was started with another design than mp-64: {differs}"
        assert capsys.readouterr().err == f"crosstrain: {told}\n"


def test_a_damaged_checkpoint_is_one_line(capsys):
    assert main(["train", *SHORT, "-o", "a"]) == 0
    capsys.readouterr()
    content = bytearray(Path("a/checkpoint.safetensors").read_bytes())
    content[-100] ^= 1
    Path("a/checkpoint.safetensors").write_bytes(content)
    line = "crosstrain: a/checkpoint.safetensors: is damaged: its content does not have the digest stored with it\n"
    for arguments in (["train", "mp-64", "-o", "a", "--resume"], ["compare", "a", "a"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err == line


def test_what_write_verify_did_is_told_layer_by_layer(capsys):
    asked = ["train", "wu-64", "--set", "rram.stuck_low=0.05", "--epochs", "1", "--samples", "400", "--rate", "1"]
    assert main([*asked, "-o", "a"]) == 0
    layers = json.loads(Path("a/result.json").read_text())["layers"]
    assert len(layers) == 2
    for layer in layers:
        assert 0 < layer["gave_up"] < layer["writes"]
        assert layer["writes_per_weight"] == layer["writes"] / layer["weights"]
        assert layer["pulses_per_write"] > 1
        assert 0 < layer["error_levels"] < 3
    rates = ", ".join(f"{layer['writes_per_weight']:.1f}" for layer in layers)
    writes, lost = (sum(layer[name] for layer in layers) for name in ("writes", "gave_up"))
    told = f"writes     {rates} devices per weight, layer by layer; {lost:,} of {writes:,} given up\n"
    assert told in capsys.readouterr().out


def test_a_run_that_moves_nothing_says_so(capsys):
    assert main(["train", "wu-8", "--epochs", "1", "--samples", "20"]) == 0
    assert "no device was pulsed: no change reached the threshold" in capsys.readouterr().err
    assert main(["train", "mp-8", "--epochs", "1", "--samples", "200", "--rate", "1"]) == 0
    assert "no device was pulsed" not in capsys.readouterr().err
