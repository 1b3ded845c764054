"""The house is in order: lint, types, pins, papers, and everything a package holds goes into the wheel."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import crosstrain_model

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [Path(p) for p in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


def python(*args: object, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)


def canonical(name: str) -> str:
    """A distribution's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- lint and types -------------------------------------------------------------------------------


def test_lint():
    done = python("-m", "ruff", "check", "--output-format=concise", ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "rule"), [("import os\n", "F401"), ("x = 1  # " + 120 * "-" + "\n", "E501"), ("import re, ast\n", "E401")]
)
def test_lint_turns_red(text: str, rule: str):
    done = python("-m", "ruff", "check", "--output-format=concise", "--stdin-filename=model/x.py", "-", input=text)
    assert (done.returncode, rule in done.stdout) == (1, True), done.stdout


def test_types_of_the_model():
    done = python("-m", "mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_turn_red_without_annotations(tmp_path: Path):
    (tmp_path / "untyped.py").write_text("def rule(a, theta):\n    return a // theta\n")
    done = python("-m", "mypy", tmp_path / "untyped.py")
    assert (done.returncode, "[no-untyped-def]" in done.stdout) == (1, True), done.stdout


# --- pins -----------------------------------------------------------------------------------------


def requirement_lines() -> list[str]:
    """The lines of pyproject.toml that name a distribution we depend on."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    return [line for line in lines if re.match(r'    "[A-Za-z0-9_.-]+[><=]', line)]


def test_every_dependency_says_why_it_is_there():
    project = PYPROJECT["project"]
    named = project["dependencies"] + [name for extra in project["optional-dependencies"].values() for name in extra]
    assert len(requirement_lines()) == len([name for name in named if not name.startswith("crosstrain[")])
    assert [line for line in requirement_lines() if not re.search(r'",\s+# \S.{10}', line)] == []


def test_every_dependency_is_pinned_once_and_the_pin_is_installed():
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!-]+", pin)] == []
    pinned = {canonical(pin.split("==")[0]): pin.split("==")[1] for pin in pins}
    assert len(pinned) == len(pins)
    wanted = {canonical(re.match(r'    "([A-Za-z0-9_.-]+)', line)[1]) for line in requirement_lines()}
    assert wanted - set(pinned) == set()
    listed = [line.split("==") for line in python("-m", "pip", "list", "--format=freeze").stdout.split()]
    installed = {canonical(name): version.split("+")[0] for name, version in listed}
    assert {name: (installed.get(name), pinned[name]) for name in wanted if installed.get(name) != pinned[name]} == {}


# --- papers and the wheel -------------------------------------------------------------------------


def test_changelog_opens_with_what_is_unreleased():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heads[0] == "[Unreleased]"


def test_the_wheel_carries_every_file_of_the_packages(tmp_path: Path):
    """Built from a copy that also holds one file of each kind of package data, so that none can be forgotten later."""
    copy = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=ignore)
        for name in ("presets/a.toml", "build/b.sv", "lib/c.cpp", "data/d.h", "templates/e.j2", "runs/f.v"):
            (copy / package / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / package / name).write_text("\n")
    done = python("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=copy)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"crosstrain-{crosstrain_model.__version__}.dist-info"
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    files = {str(f.relative_to((copy / p).parent)) for p in PACKAGES for f in (copy / p).rglob("*") if f.is_file()}
    assert files - names == set()
    assert {name for name in names - files if not name.startswith(info)} == set()
    assert "crosstrain = crosstrain.__main__:main" in entry_points
    assert (metadata["Version"], metadata["License-Expression"]) == (crosstrain_model.__version__, "Apache-2.0")
    assert f"{info}/licenses/LICENSE" in names
