"""What tests of the command line share."""

import argparse
import sys
import types

import pytest

from crosstrain import cli
from crosstrain.options import add_command


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
