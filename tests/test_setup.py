"""The scripts that a stranger runs first: set-up does its work once, and says in one line what it lacks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*args: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False, **options)


def test_both_scripts_stand_on_the_one_set_up():
    assert "constraints.txt" in (ROOT / "scripts/setup").read_text()
    assert re.search(r"^scripts/setup$", (ROOT / "scripts/test").read_text(), re.M)
    assert re.search(r"^exec scripts/test ", (ROOT / ".ci/run").read_text(), re.M)
    assert "\n    scripts/test\n" in (ROOT / "README.md").read_text()
    for script in ("scripts/setup", "scripts/test", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK), script
        assert run("bash", "-n", ROOT / script).returncode == 0, script


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout without .venv; `bin` links what a minimal system has, `fakes` comes before it on the path.

    Two folders, because writing a fake where a link stands would write through it into the system's own tool.
    """
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "fakes").mkdir()
    for tool in ("bash", "env", "dirname", "cat", "sha256sum", "cut", "mkdir", "grep", "find", "rm"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def fake(bare: Path, tool: str, text: str) -> None:
    path = bare / "fakes" / tool
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def set_up(bare: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{bare / 'fakes'}:{bare / 'bin'}"
    return run(bare / "scripts/setup", *args, cwd=bare, env={"PATH": path, **environment})


def test_setup_names_what_it_cannot_install(bare: Path):
    (bare / "bin/python3").symlink_to(sys.executable)
    done = set_up(bare)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: missing: iverilog g++ make")
    assert done.stderr.count("\n") == 1


def test_setup_refuses_an_interpreter_that_does_not_fit(bare: Path):
    fake(bare, "oldpython", "exit 1")
    done = set_up(bare, PYTHON="oldpython")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("setup: PYTHON=oldpython does not fit: Python 3.11 or later")


def test_setup_reports_a_failed_step_in_one_line_with_the_log(bare: Path):
    (bare / "bin/python3").symlink_to(sys.executable)
    for tool in ("iverilog", "g++", "make"):
        fake(bare, tool, "exit 0")
    fake(bare, "find", "echo the disk is on fire >&2; exit 1")
    done = set_up(bare)
    assert done.returncode == 1
    assert re.fullmatch(r"setup: failed: virtual environment .*; see \S+/setup\.log\n", done.stderr)
    assert "the disk is on fire" in (bare / ".venv/setup.log").read_text()
    assert not (bare / ".venv/.setup-stamp").exists()


def test_setup_refuses_unknown_arguments(bare: Path):
    done = set_up(bare, "--fast")
    assert (done.returncode, done.stderr) == (1, "setup: unknown argument --fast: only --check is known\n")


def test_setup_is_up_to_date_until_something_it_stands_on_changes(bare: Path):
    """The stamp is the one a complete set-up would leave; each input, and each tool, makes it stale."""
    for tool in ("iverilog", "g++", "make"):
        fake(bare, tool, "exit 0")
    fake(bare, "tool", "exit 0")
    (bare / ".venv/bin").mkdir(parents=True)
    assert set_up(bare, "--check").returncode == 1
    shutil.copy(bare / "fakes/tool", bare / ".venv/bin/python")
    inputs = ("pyproject.toml", "constraints.txt", "scripts/setup")
    text = f"{bare.resolve()}\n" + "".join((bare / name).read_text() for name in inputs)
    stamp = run("sha256sum", input=text).stdout.split()[0]
    (bare / ".venv/.setup-stamp").write_text(stamp + "\n")
    assert [set_up(bare, "--check").returncode, set_up(bare).returncode, set_up(bare).stdout] == [0, 0, ""]
    for name in inputs:
        before = (bare / name).read_text()
        (bare / name).write_text(before + "# changed\n")
        assert set_up(bare, "--check").returncode == 1, name
        (bare / name).write_text(before)
        assert set_up(bare, "--check").returncode == 0, name
    (bare / "fakes/iverilog").unlink()
    assert set_up(bare, "--check").returncode == 1
