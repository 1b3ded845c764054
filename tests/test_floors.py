"""The house stands: imports run down the floors, close no circle, and torch and Amaranth stay on their sides.

Read from the source with `ast`, so that an import counts wherever it stands: inside a function, under
`if TYPE_CHECKING`, behind `try`. A deferred import is still a dependency: generation runs functions too, and a circle
that only works because one arrow is postponed is a circle. `importlib.import_module("name")` with a literal counts.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"crosstrain_model": 0, "crosstrain_hdl": 1, "crosstrain_cosim": 2, "crosstrain": 3}
FOLDERS = {"crosstrain_model": "model", "crosstrain_hdl": "hdl", "crosstrain_cosim": "cosim", "crosstrain": "scripts"}
TRAINING_ROOM = "crosstrain_model.training"


def read_house(root: Path) -> dict[str, tuple[ast.Module, bool]]:
    """Every module of the four packages below `root`: dotted name -> (syntax tree, whether it is a package)."""
    modules = {}
    for package, folder in FOLDERS.items():
        base = root / folder
        for path in sorted((base / package).rglob("*.py")):
            parts = list(path.relative_to(base).with_suffix("").parts)
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            modules[name] = (ast.parse(path.read_text(), str(path)), is_package)
    return modules


def imported_names(tree: ast.Module, module: str, is_package: bool) -> list[tuple[int, str, list[str]]]:
    """The imports of one module: (line, absolute dotted name, names taken from it)."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".") if is_package else module.split(".")[:-1]
                parents = here[: len(here) - (node.level - 1)]
                base = ".".join([*parents, base] if base else parents)
            found.append((node.lineno, base, [alias.name for alias in node.names]))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                found.append((node.lineno, node.args[0].value, []))
    return found


def read_arrows(house: dict[str, tuple[ast.Module, bool]]) -> dict[str, list[tuple[int, str]]]:
    """Module -> (line, what it imports): a module of the house where there is one, else the outside name."""
    arrows: dict[str, list[tuple[int, str]]] = {}
    for module, (tree, is_package) in house.items():
        arrows[module] = []
        for line, base, names in imported_names(tree, module, is_package):
            if base not in house or not names:
                arrows[module].append((line, base))
            # `from package import name` is a module where one has that name, else something inside the package.
            targets = {f"{base}.{name}" if f"{base}.{name}" in house else base for name in names if base in house}
            arrows[module] += [(line, target) for target in sorted(targets)]
    return arrows


def upward(arrows: dict[str, list[tuple[int, str]]]) -> list[str]:
    """Arrows that run up a floor."""
    def floor(name: str) -> int:
        return FLOORS.get(name.split(".")[0], -1)

    return [f"{module}:{line}: imports {target}: up a floor"
            for module, out in arrows.items() for line, target in out if floor(target) > floor(module)]


def trespassing(arrows: dict[str, list[tuple[int, str]]]) -> list[str]:
    """torch in hdl or in the model outside the training room; Amaranth in the model."""
    wrong = []
    for module, out in arrows.items():
        in_training = module == TRAINING_ROOM or module.startswith(TRAINING_ROOM + ".")
        for line, target in out:
            top = target.split(".")[0]
            if top == "torch" and FLOORS[module.split(".")[0]] <= 1 and not in_training:
                wrong.append(f"{module}:{line}: imports torch")
            if top == "amaranth" and module.split(".")[0] == "crosstrain_model":
                wrong.append(f"{module}:{line}: imports amaranth")
    return wrong


def circles(arrows: dict[str, list[tuple[int, str]]]) -> list[str]:
    """One line for each group of modules that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for _, target in arrows[module]:
            if target not in arrows:
                continue
            if target == module:
                found.append(f"circle: {module} imports itself")
            elif target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            group = stack[stack.index(module):]
            del stack[stack.index(module):]
            if len(group) > 1:
                found.append("circle: " + " <-> ".join(sorted(group)))

    for module in arrows:
        if module not in index:
            visit(module)
    return found


def closure(arrows: dict[str, list[tuple[int, str]]], package: str) -> dict[str, str]:
    """Everything `package` can reach, each with the module that brought it in; a module brings its packages along."""
    seen = {module: "" for module in arrows if module.split(".")[0] == package}
    todo = list(seen)
    while todo:
        module = todo.pop()
        for _, target in arrows.get(module, []):
            parts = target.split(".")
            for name in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):
                if name not in seen:
                    seen[name] = module
                    todo.append(name)
    return seen


def test_no_import_runs_up_a_floor_or_trespasses():
    arrows = read_arrows(read_house(ROOT))
    assert {name.split(".")[0] for name in arrows} == set(FLOORS)
    assert upward(arrows) + trespassing(arrows) == []


def test_no_circles():
    assert circles(read_arrows(read_house(ROOT))) == []


def test_nothing_that_generates_hardware_reaches_torch():
    reached = closure(read_arrows(read_house(ROOT)), "crosstrain_hdl")
    assert "torch" not in reached, f"torch comes in by {reached['torch']}"
    assert TRAINING_ROOM not in reached, f"the training room comes in by {reached[TRAINING_ROOM]}"


@pytest.mark.parametrize(
    ("package", "banned"), [("crosstrain_hdl", {"torch"}), ("crosstrain_model", {"torch", "amaranth"})]
)
def test_importing_a_floor_loads_nothing_foreign(package: str, banned: set[str]):
    """The same at run time, where third parties' own imports count: all modules of a floor in one fresh interpreter."""
    wanted = [name for name in read_house(ROOT) if name.split(".")[0] == package and not name.startswith(TRAINING_ROOM)]
    code = (
        "import importlib, sys\n"
        f"for name in {wanted!r}: importlib.import_module(name)\n"
        f"print(*sorted(set(sys.modules) & {banned!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in FOLDERS.values())}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


FAKE_HOUSE = {
    "model/crosstrain_model/__init__.py": "",
    "model/crosstrain_model/rule.py": "import torch.nn\nfrom amaranth.hdl import Module\n",
    "model/crosstrain_model/upward.py": "def late():\n    from crosstrain_hdl import chip\n    return chip\n",
    "model/crosstrain_model/training/__init__.py": "",
    "model/crosstrain_model/training/golden.py": "import torch\n",
    "hdl/crosstrain_hdl/__init__.py": "from .ring_a import a\n",
    "hdl/crosstrain_hdl/chip.py": "def late():\n    import crosstrain_model.training.golden\n",
    "hdl/crosstrain_hdl/ring_a.py": "from crosstrain_hdl import ring_b\na = 1\n",
    "hdl/crosstrain_hdl/ring_b.py": "def late():\n    from . import ring_a, a\n    return ring_a, a\n",
    "hdl/crosstrain_hdl/sly.py": "import importlib\nimportlib.import_module('torch')\n",
    "cosim/crosstrain_cosim/__init__.py": "import torch\nimport crosstrain_model.rule\nimport crosstrain\n",
    "scripts/crosstrain/__init__.py": "import crosstrain_cosim, crosstrain_hdl.chip, crosstrain_model\n",
}


@pytest.fixture
def fake_arrows(tmp_path: Path) -> dict[str, list[tuple[int, str]]]:
    """A house with every fault that the rules name, beside imports that are in order."""
    for name, text in FAKE_HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_arrows(read_house(tmp_path))


def test_the_test_sees_upward_imports(fake_arrows):
    assert upward(fake_arrows) == [
        "crosstrain_model.upward:2: imports crosstrain_hdl.chip: up a floor",
        "crosstrain_cosim:3: imports crosstrain: up a floor",
    ]


def test_the_test_sees_trespassers(fake_arrows):
    assert trespassing(fake_arrows) == [
        "crosstrain_model.rule:1: imports torch",
        "crosstrain_model.rule:2: imports amaranth",
        "crosstrain_hdl.sly:2: imports torch",
    ]


def test_the_test_sees_circles_inside_and_between_packages(fake_arrows):
    assert sorted(circles(fake_arrows)) == [
        "circle: crosstrain <-> crosstrain_cosim",
        "circle: crosstrain_hdl <-> crosstrain_hdl.ring_a <-> crosstrain_hdl.ring_b",
    ]


def test_the_test_sees_torch_at_the_end_of_a_chain(fake_arrows):
    reached = closure(fake_arrows, "crosstrain_hdl")
    assert reached[TRAINING_ROOM] == "crosstrain_hdl.chip"
    assert reached["torch"] in {"crosstrain_model.training.golden", "crosstrain_hdl.sly"}
    without_sly = {module: out for module, out in fake_arrows.items() if not module.endswith(".sly")}
    assert closure(without_sly, "crosstrain_hdl")["torch"] == "crosstrain_model.training.golden"
