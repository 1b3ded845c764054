"""A C++ compiler, whichever there is: ziglang (clang) from pip, whose code is half as fast again, or the system's g++.

`CROSSTRAIN_CXX` chooses: `ziglang`, `g++`, or any compiler command that takes its options.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crosstrain_cosim.cache import build_once, digest
from crosstrain_hdl.tools import ToolError, verilator_root

ZIG = (sys.executable, "-m", "ziglang", "c++", "-fno-sanitize=undefined")


@functools.cache
def compiler() -> tuple[str, ...]:
    """Command of the compiler."""
    choice = os.environ.get("CROSSTRAIN_CXX", "")
    zig, gcc = importlib.util.find_spec("ziglang") is not None, shutil.which("g++") is not None
    if not choice:
        choice = "ziglang" if zig else "g++"
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


def first_start() -> None:
    """Link an empty program: ziglang builds its C++ library before the first, which takes a minute, once per user."""
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as name:
        source = Path(name) / "empty.cpp"
        source.write_text("int main() {}\n")
        run([*compiler(), "-o", str(source.with_suffix("")), str(source), "-pthread"])


def run(argv: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run a tool to its end; its output, or ToolError with the last of it."""
    done = subprocess.run(list(argv), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"{Path(argv[0]).name} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def defines(*, timing: bool, trace: bool) -> list[str]:
    """Options that Verilator's C++ wants from every compilation."""
    root = verilator_root()
    flags = {"VERILATOR": 1, "VM_COVERAGE": 0, "VM_SC": 0, "VM_TIMING": timing, "VM_TRACE": trace}
    flags["VM_TRACE_VCD"] = trace
    standard = ["-std=gnu++20", "-fcoroutines"] if timing else ["-std=gnu++17"]
    if timing and compiler() == ZIG:
        standard = ["-std=gnu++20"]  # clang has them without asking
    return [
        "-I.", f"-I{root}/include", f"-I{root}/include/vltstd", "-fPIC", "-w", "-pthread",
        *(f"-D{name}={int(value)}" for name, value in flags.items()), *standard,
    ]  # fmt: skip


def compile_objects(jobs: Sequence[tuple[Path, Path, list[str]]]) -> None:
    """Compile (source, object, options) jobs, two at a time."""
    command = compiler()

    def one(job: tuple[Path, Path, list[str]]) -> None:
        source, target, options = job
        run([*command, "-c", *options, "-o", str(target), str(source)], cwd=source.parent)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, jobs))


def runtime_objects(names: Sequence[str], *, trace: bool) -> list[Path]:
    """Verilator's own library, compiled once for all models: objects of `include/<name>.cpp`.

    Delays change nothing in it, so models with and without share it.
    """
    root = verilator_root()
    options = ["-O2", *defines(timing=True, trace=trace)]

    def build(name: str, folder: Path) -> None:
        compile_objects([(root / "include" / f"{name}.cpp", folder / f"{name}.o", options)])

    def one(name: str) -> Path:
        text = (root / "include" / f"{name}.cpp").read_text()
        key = digest(name, text, options, compiler(), compiler_version(compiler()))
        return build_once("runtime", key, functools.partial(build, name)) / f"{name}.o"

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, names))
