"""The frame of the command line: bad input is one line, the JSON result, presets, quick starts."""

import importlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest

import crosstrain_model
from crosstrain.cli import command_names, main
from crosstrain.result import to_json
from crosstrain_model.design_file import design_hash, load_design, preset_names

PYTHON = [sys.executable, "-m", "crosstrain"]


def shell(*args: str, **options) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "check": False} | options
    return subprocess.run([*PYTHON, *args], **options)


# --- bad input: one line, exit status 2 ------------------------------------------------------------------------

BAD = [
    (["fake", "mp-9"], "mp-9: no such preset or file; nearest preset is mp-8 (of 21)"),
    (["fake", "none.toml"], "none.toml: No such file or directory"),
    (["fake", "bad.toml"], "bad.toml: line 1: Expected '=' after a key in a key/value pair"),
    (["fake", "mp-8", "--set", "array.lanes=9"], "mp-8: array.lanes = 9: must be 1..8 (array.columns)"),
    (["fake", "mp-8", "--set", "formats.x=99"], "mp-8: formats.x = 99: must be 2..12"),
    (["fake", "mp-8", "--set", "update.threshold=0"], "mp-8: update.threshold = 0: must be 1..2147483647"),
    (["fake", "mp-8", "--set", "array.lane=2"], "--set array.lane=2: unknown key; nearest is array.lanes"),
    (
        ["fake", "mp-8", "--set", "pulse.width_set=2000000"],
        "mp-8: pulse.width_set = 2000000: must be 1..1048576 (pulse.width_limit)",
    ),
    (
        ["fake", "mp-8", "--set", "pulse.width_set=500", "--set", "pulse.timeout=100"],
        "mp-8: pulse.timeout = 100: must be more than 502, the longest pulse (pulse.width_*) and pulse.guard",
    ),
    (["fake", "mp-8", "--seed", "-1"], "mp-8: seed = -1: must be 0..4294967295"),
    (["fake", "mp-8", "--seed", "x"], "fake: argument --seed: invalid int value: 'x' (see crosstrain fake --help)"),
    (["fake"], "fake: the following arguments are required: DESIGN (see crosstrain fake --help)"),
    (["fake", "mp-8", "--sed", "3"], "unrecognized arguments: --sed 3 (see crosstrain --help)"),
    (["fake", "mp-8", "--json"], "fake: argument --json: expected one argument (see crosstrain fake --help)"),
    (["fake", "mp-8", "--json", "."], ".: is a folder: must be a file"),
    (["fake", "mp-8", "--json", "a\0b"], "a\\x00b: embedded null byte"),
    (["fale"], "fale: no such command; nearest is fake (see crosstrain --help)"),
    (["a\nb"], "a\\nb: no such command; nearest is "),
    ([], "no command given: fake, presets (see crosstrain --help)"),
    (["--nothing"], "the following arguments are required: COMMAND (see crosstrain --help)"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: " ".join(value)[:40] if value else "-")
def test_bad_input(command, capsys, tmp_path, arguments, message):
    seen = command(lambda: pytest.fail("started with bad input"))
    (tmp_path / "bad.toml").write_text("nonsense\n")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    line = f"crosstrain: {message}"
    assert err.startswith(line) if message.endswith("is ") else err == line + "\n"
    assert not seen


def test_a_result_that_cannot_be_written_is_said_before_the_work(command, capsys, tmp_path):
    seen = command(dict)
    for place, reason in {
        "no/r.json": f"the folder {tmp_path}/no does not exist",
        "mp/r.json": "Not a directory",
    }.items():
        (tmp_path / "mp").touch()
        assert main(["fake", "mp-8", "--json", place]) == 2
        assert capsys.readouterr().err == f"crosstrain: {place}: {reason}\n"
    assert not seen
    assert [p.name for p in tmp_path.iterdir()] == ["mp"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["presets", "mp-9"], "mp-9: no such preset or file; nearest preset is mp-8 (of 21)"),
        (["presets", "--json", "no/r.json"], "no/r.json: the folder {folder}/no does not exist"),
        (["presets", "--json", "/dev/full"], "/dev/full: No space left on device"),
        (["bogus"], "bogus: no such command; nearest is "),
    ],
)
def test_bad_input_in_a_process_of_its_own(tmp_path, arguments, message):
    done = shell(*arguments)
    line = "crosstrain: " + message.format(folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(line) if message.endswith("is ") else done.stderr == line + "\n"
    assert list(tmp_path.iterdir()) == []


# --- results ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("result", "status"), [({}, 0), ({"ok": True}, 0), ({"ok": False}, 1), ({"ok": np.False_}, 1)])
def test_the_result(command, tmp_path, result, status):
    seen = command(lambda: {"figures": np.arange(3), "mean": np.float32(0.5), "none": float("nan")} | result)
    arguments = ["fake", "mp-8", "--set", "array.rows=13", "--seed", "5", "--json", "r.json", "-v"]
    assert main(arguments) == status
    design = load_design("mp-8", ["array.rows=13", "seed=5"])
    assert (seen[0].design, seen[0].source, seen[0].seed, seen[0].verbose) == (design, "mp-8", 5, 1)
    told = json.loads((tmp_path / "r.json").read_text())
    assert told.pop("seconds") >= 0
    assert told == {
        "command": "fake",
        "version": crosstrain_model.__version__,
        "design": "mp-8",
        "design_hash": design_hash(design),
        "ok": status == 0,
        "figures": [0, 1, 2],
        "mean": 0.5,
        "none": None,
    }
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_a_command_may_name_the_design_itself(command, tmp_path):
    command(lambda: {"design": "other", "design_hash": "abc", "seconds": 7}, design=False)
    assert main(["fake", "--json", "r.json"]) == 0
    told = json.loads((tmp_path / "r.json").read_text())
    assert (told["design"], told["design_hash"], told["seconds"]) == ("other", "abc", 7)


def test_what_json_cannot_say_is_refused():
    assert json.loads(to_json({"a": (1, np.int64(2)), 3: [float("inf"), {"b": np.float64("nan")}]})) == {
        "a": [1, 2],
        "3": [None, {"b": None}],
    }
    with pytest.raises(TypeError):
        to_json({"set": {1, 2}})


HEADINGS = [
    "bits of x/d/ADC", "bits kept per weight", "weight memory bits", "an update is", "cycles per update",
    "row transfer every",
]  # fmt: skip


# --- presets ---------------------------------------------------------------------------------------------------


def test_presets(capsys, tmp_path):
    assert main(["presets", "--json", "r.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = json.loads((tmp_path / "r.json").read_text())
    assert (told["command"], told["ok"], told["design"]) == ("presets", True, None)
    assert [preset["name"] for preset in told["presets"]] == preset_names() == [line.split()[0] for line in lines[1:]]
    assert told["presets"][preset_names().index("mp-64")] == {
        "name": "mp-64",
        "scheme": "mp",
        "rows": 64,
        "columns": 64,
        "lanes": 16,
        "x": 8,
        "d": 8,
        "adc": 9,
        "accumulator": 16,
        "cells": {"chi": 16},
        "memory_bits": 65536,
        "update": "vector pair",
        "cycles_per_update": 256,
        "transfer_every": None,
    }
    assert "65,536" in lines[1 + preset_names().index("mp-64")]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mp-8", ["8/8/9", "chi 16", "1,024", "vector pair", "16", "-"]),
        ("wu-8", ["8/-/8", "dW 16, W 16, plus 8, minus 8", "3,072", "all weights", "16", "-"]),
        ("sgd-8", ["8/8/9", "-", "0", "train on W, 5 slots", "50", "-"]),
        ("ttv2-8", ["8/8/9", "H 18", "1,152", "train on A, 5 slots", "50", "2 updates"]),
        ("c-ttv2-8", ["8/8/9", "H 18", "1,152", "train on A, 5 slots", "50", "2 updates"]),
        ("agad-8", ["8/8/9", "H 18, P 13, P_ref 13", "2,816", "train on A, 5 slots", "50", "2 updates"]),
    ],
)
def test_headings_hold_for_every_scheme(capsys, name, shown):
    """What a scheme has not is a dash: no accumulators with in-memory SGD, no d where changes come from the host."""
    assert main(["presets"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    assert re.split(r"  +", head)[4:] == HEADINGS
    assert re.split(r"  +", line)[4:] == shown


def test_a_file_can_be_started_from_a_preset(capsys, tmp_path):
    assert main(["presets", "mp-64"]) == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out)
    assert load_design("mine.toml") == load_design("mp-64")


# --- starting --------------------------------------------------------------------------------------------------


def test_the_registry_finds_every_command():
    names = command_names()
    assert names[0] == "presets"
    assert len(set(names)) == len(names)
    for name in names:
        module = importlib.import_module(f"crosstrain.command_{name.replace('-', '_')}")
        assert callable(module.add)
        assert callable(module.run)


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"    {name}" in out for name in command_names())
    for name in command_names():
        assert main([name, "--help"]) == 0
        out = capsys.readouterr().out
        assert all(option in out for option in ("--json FILE", "--seed N", "--verbose"))


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"crosstrain {crosstrain_model.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["presets"], ["nothing"]])
def test_quick_starts_import_nothing_heavy(arguments):
    program = (
        "import sys\nfrom crosstrain.cli import main\n"
        f"main({arguments!r})\n"
        "heavy = {'torch', 'amaranth', 'numba', 'numpy', 'cocotb', 'sklearn', 'matplotlib', 'rich'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
