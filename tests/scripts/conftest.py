"""What tests of the command line share."""

import argparse
import importlib.util
import os
import sys
import types
from pathlib import Path

import pytest

from crosstrain import cli
from crosstrain.options import add_command


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _processes_run_this_checkout(monkeypatch):
    """An installed package may be of another checkout: a run begun there would not be one that can be resumed here."""
    names = ("crosstrain", "crosstrain_cosim", "crosstrain_hdl", "crosstrain_model")
    places = [str(Path(importlib.util.find_spec(name).origin).parents[1]) for name in names]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])]))


@pytest.fixture
def command(monkeypatch):
    """Installs a command `fake` that does what the test says; returns the arguments it was run with."""
    seen: list[argparse.Namespace] = []

    def install(work, *, design=True):
        def run(args):
            seen.append(args)
            return work()

        module = types.ModuleType("crosstrain.command_fake")
        module.add = lambda subparsers: add_command(subparsers, "fake", help="be tested", design=design)
        module.run = run
        monkeypatch.setitem(sys.modules, "crosstrain.command_fake", module)
        monkeypatch.setattr(cli, "command_names", lambda: ["fake", "presets"])
        return seen

    return install
