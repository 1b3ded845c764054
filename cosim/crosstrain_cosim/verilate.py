"""Verilator, from Verilog text to linked code: an executable with cocotb inside, or a shared library.

Verilator writes C++; we compile it ourselves and link it with Verilator's own library, which is compiled once for all
models. No make, no perl. All of a model is one file for the compiler, for reading the headers takes most of its time:
first what runs every cycle, optimised, then what runs once, not.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
from pathlib import Path

import cocotb_tools.config

from crosstrain_cosim.cache import build_once, digest
from crosstrain_cosim.cxx import compile_objects, compiler, compiler_version, defines, run, runtime_objects
from crosstrain_hdl.tools import ToolError, verilator_command

SPEEDS = ("FAST", "SLOW")
INCLUDE = '#include "{}"'.format
NOT_OPTIMISED = ("#ifdef __clang__", "#pragma clang optimize off", "#else", '#pragma GCC optimize ("O0")', "#endif")

MODEL_OPTIONS = ("-O3", "-fno-split", "-Wno-fatal", "-Wno-DECLFILENAME")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """What is verilated: everything here is part of the build's key.

    texts : {file name: Verilog or control file text}
    top : module name
    sources : {file name: C++ text} that are compiled beside the model
    options : further options of Verilator
    flags : further options of the compiler
    optimise : -O level of the code that runs every cycle
    timing : the Verilog has delays (a clock of its own)
    trace : waves can be recorded
    """

    texts: dict[str, str]
    top: str
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    optimise: str = "-O2"
    timing: bool = False
    trace: bool = False

    def key(self, kind: str) -> str:
        """Hash of the model, the tools and what is made of it."""
        tools = (verilator_version(), compiler(), compiler_version(compiler()), cocotb_tools.config.libs_dir)
        return digest(kind, dataclasses.asdict(self), MODEL_OPTIONS, tools)


@functools.cache
def verilator_version() -> str:
    """What Verilator says of itself."""
    argv, _ = verilator_command(["--version"])
    return run(argv).strip()


def translate(model: Model, folder: Path, extra: list[str]) -> list[str]:
    """Verilog to C++ in `folder`; the names of Verilator's own sources that the model needs."""
    names = []
    for name, text in model.texts.items():
        (folder / name).write_text(text)
        if not name.endswith(".vh"):
            names.append(name)
    argv, env = verilator_command(
        [
            "--cc", "--exe", "--prefix", "Vtop", "-Mdir", ".", "--top-module", model.top, "--timescale", "1ns/1ps",
            "--timing" if model.timing else "--no-timing", *(["--trace-vcd"] if model.trace else []),
            *MODEL_OPTIONS, *model.options, *extra, *sorted(names, key=lambda name: not name.endswith(".vlt")),
        ]
    )  # fmt: skip
    run_in(argv, env, folder)
    classes = (folder / "Vtop_classes.mk").read_text()
    return [*listed(classes, "VM_GLOBAL_FAST"), *listed(classes, "VM_GLOBAL_SLOW")]


def run_in(argv: list[str], env: dict[str, str], folder: Path) -> None:
    """Run Verilator; its errors without its warnings."""
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith(("%Error", "   "))]
        raise ToolError("verilator failed:\n" + "\n".join(errors or [done.stderr])[:4000])


def listed(makefile: str, name: str) -> list[str]:
    """Words of `NAME += a \\ b \\` in a make file."""
    found = re.search(rf"^{name} \+=((?:.*\\\n)*)", makefile, re.MULTILINE)
    return found[1].replace("\\\n", " ").split() if found else []


def objects(model: Model, folder: Path) -> list[str]:
    """Compile what `translate` wrote and the model's own sources, as one file; paths of the objects."""
    classes = (folder / "Vtop_classes.mk").read_text()
    kinds = ("CLASSES", "SUPPORT")
    names = {speed: [name for kind in kinds for name in listed(classes, f"VM_{kind}_{speed}")] for speed in SPEEDS}
    for name, text in model.sources.items():
        (folder / name).write_text(text)
    fast = [*(f"{name}.cpp" for name in names["FAST"]), *(name for name in model.sources if name.endswith(".cpp"))]
    slow = [f"{name}.cpp" for name in names["SLOW"]]
    source = folder / "all.cpp"
    source.write_text("\n".join([*map(INCLUDE, fast), *NOT_OPTIMISED, *map(INCLUDE, slow), ""]))
    always = [*defines(timing=model.timing, trace=model.trace), *model.flags]
    compile_objects([(source, source.with_suffix(".o"), [model.optimise, *always])])
    return [str(source.with_suffix(".o"))]


def executable(model: Model) -> Path:
    """A simulation that starts cocotb: path of the executable, built if it is not in the cache."""
    libs = cocotb_tools.config.libs_dir
    driver = (cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp").read_text()
    whole = dataclasses.replace(model, sources={**model.sources, "cocotb_main.cpp": driver})

    def build(folder: Path) -> None:
        library = translate(whole, folder, ["--vpi"])
        made = objects(whole, folder)
        runtime = runtime_objects(library, trace=model.trace)
        run(
            [*compiler(), "-rdynamic", "-o", str(folder / "simulation"), *made, *map(str, runtime),
             f"-L{libs}", f"-Wl,-rpath,{libs}", "-lcocotbvpi_verilator", "-pthread", "-ldl"]
        )  # fmt: skip
        _keep_only(folder, "simulation")

    return build_once("verilator", whole.key("executable"), build) / "simulation"


def library(model: Model) -> Path:
    """A shared library without cocotb: path of it, built if it is not in the cache."""

    def build(folder: Path) -> None:
        needed = translate(model, folder, [])
        made = objects(model, folder)
        runtime = runtime_objects(needed, trace=model.trace)
        run([*compiler(), "-shared", "-o", str(folder / "model.so"), *made, *map(str, runtime), "-pthread"])
        _keep_only(folder, "model.so")

    return build_once("compiled", model.key("library"), build) / "model.so"


def _keep_only(folder: Path, *names: str) -> None:
    """Drop what was only needed to build."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
