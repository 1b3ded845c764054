"""A C++ compiler, whichever there is: g++ from the system or ziglang (clang) from pip.

ziglang makes the faster code, half as fast again, and is the compiled lane's first choice; a simulation that cocotb
joins wants the system's C++ library and so g++.  `CROSSTRAIN_CXX` overrides both: `g++` (or any compiler command that
takes its options) or `ziglang`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crosstrain_cosim.cache import build_once, digest
from crosstrain_hdl.tools import ToolError, verilator_root

ZIG = (sys.executable, "-m", "ziglang", "c++", "-fno-sanitize=undefined")


@functools.cache
def compiler(*, library: bool) -> tuple[str, ...]:
    """Command of the compiler, for a library that Python loads or for a simulation of its own."""
    choice = os.environ.get("CROSSTRAIN_CXX", "")
    zig, gcc = importlib.util.find_spec("ziglang") is not None, shutil.which("g++") is not None
    if not choice:
        choice = "ziglang" if zig and (library or not gcc) else "g++"
    if choice == "ziglang" and zig:
        return ZIG
    if choice == "ziglang" or (choice == "g++" and not gcc):
        raise ToolError("no C++ compiler: install g++ or `pip install ziglang`")
    command = shlex.split(choice)
    if shutil.which(command[0]) is None:
        raise ToolError(f"no C++ compiler: {command[0]} is not in the path")
    return tuple(command)


@functools.cache
def compiler_version(command: tuple[str, ...]) -> str:
    """First line that the compiler says of itself; part of every build's key."""
    return run([*command, "--version"]).splitlines()[0]


def run(argv: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run a tool to its end; its output, or ToolError with the last of it."""
    done = subprocess.run(list(argv), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"{Path(argv[0]).name} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def defines(command: tuple[str, ...], *, timing: bool, trace: bool) -> list[str]:
    """Options that Verilator's C++ wants from every compilation."""
    root = verilator_root()
    flags = {"VERILATOR": 1, "VM_COVERAGE": 0, "VM_SC": 0, "VM_TIMING": timing, "VM_TRACE": trace}
    flags["VM_TRACE_VCD"] = trace
    standard = ["-std=gnu++20", "-fcoroutines"] if timing else ["-std=gnu++17"]
    if timing and command == ZIG:
        standard = ["-std=gnu++20"]  # clang has them without asking
    return [
        "-I.", f"-I{root}/include", f"-I{root}/include/vltstd", "-fPIC", "-w", "-pthread",
        *(f"-D{name}={int(value)}" for name, value in flags.items()), *standard,
    ]  # fmt: skip


def compile_objects(command: tuple[str, ...], jobs: Sequence[tuple[Path, Path, list[str]]]) -> None:
    """Compile (source, object, options) jobs, two at a time."""

    def one(job: tuple[Path, Path, list[str]]) -> None:
        source, target, options = job
        run([*command, "-c", *options, "-o", str(target), str(source)], cwd=source.parent)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, jobs))


def runtime_objects(command: tuple[str, ...], names: Sequence[str], *, timing: bool, trace: bool) -> list[Path]:
    """Verilator's own library, compiled once for all models: objects of `include/<name>.cpp`."""
    root = verilator_root()
    options = ["-O2", *defines(command, timing=timing, trace=trace)]

    def build(name: str, folder: Path) -> None:
        compile_objects(command, [(root / "include" / f"{name}.cpp", folder / f"{name}.o", options)])

    def one(name: str) -> Path:
        text = (root / "include" / f"{name}.cpp").read_text()
        key = digest(name, text, options, command, compiler_version(command))
        return build_once("runtime", key, functools.partial(build, name)) / f"{name}.o"

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, names))
