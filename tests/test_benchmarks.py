"""What benchmarks say of their bars: met, missed, or that a run is held to none."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A benchmark as a module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "common", raising=False)

    def load(name):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(
    ("ok", "unheld", "said"),
    [(True, "", "bar met"), (False, "", "BAR MISSED"), (True, "x", "no bar: x"), (False, "x", "FAILED (no bar: x)")],
)
def test_the_verdict(load, tmp_path, capsys, ok, unheld, said):
    assert load("common").report("any", {"figure": 1}, ok, str(tmp_path / "f.json"), unheld=unheld) == 1 - ok
    assert capsys.readouterr().out.splitlines()[-1] == said
    found = json.loads((tmp_path / "f.json").read_text())
    assert (found["ok"], found["figure"], found.get("bars")) == (ok, 1, 0 if unheld else None)


def test_a_reduced_run(load):
    reduced = load("common").reduced
    assert reduced(vectors=(1000, 150_000), seeds=(3, 3)) == "1,000 of 150,000 vectors"
    assert reduced(epochs=(2, 20), seeds=(1, 3)) == "2 of 20 epochs, 1 of 3 seeds"
    assert reduced(seeds=(4, 3)) == ""


def test_a_short_run_of_weight_programming_is_held_to_no_bar(load, tmp_path, capsys, monkeypatch):
    module = load("weight_programming")
    wanted = ["--scheme", "agad", "--states", "20", "--offset", "0.5", "--vectors", "50", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", ["weight_programming.py", *wanted, "--json", str(tmp_path / "f.json")])
    assert module.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no bar: 50 of 150,000 vectors"
    found = json.loads((tmp_path / "f.json").read_text())
    assert (found["bars"], found["ok"]) == (0, True)
