"""Runs a cocotb bench on Verilog: Icarus or Verilator, the same bench on both.

    result = run_bench("icarus", texts={"lane.v": "module lane ..."}, top="lane", bench="my_package.bench_lane", seed=1)

The simulation is a process of its own. What the bench needs to know goes in as JSON (`settings`), what it counted comes
out as JSON (`harness.Report`). A run without a single test is a failure, and so is a simulation that dies.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

from crosstrain_cosim.cache import build_once, digest
from crosstrain_cosim.cxx import run
from crosstrain_cosim.failures import failure, stopped
from crosstrain_cosim.verilate import Model, executable
from crosstrain_hdl.tools import ToolError
from crosstrain_model.errors import UserError

SIMULATORS = ("icarus", "verilator")
"""Simulators that cocotb benches run on."""

TIMESCALE = "1ns/1ps"

DUMP = """\
module waves;
  string path;
  initial if ($value$plusargs("waves=%s", path)) begin
    $dumpfile(path);
    $dumpvars(0, {top});
  end
endmodule
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What one bench did on one simulator."""

    bench: str
    simulator: str
    tests: int
    failed: int
    stopped: int = 0
    """Of the failed ones, those that an error stopped; the others ended, and found differences."""
    events: int = 0
    """Comparisons made: every one is an equality of integers."""
    mismatches: int = 0
    cycles: int = 0
    seconds: float = 0.0
    """Of the simulation, without the build."""
    messages: tuple[str, ...] = ()
    """First divergences, then a line for each test that failed."""
    log: str = ""
    """Path of the simulation's log, where it was kept."""
    payload: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What else the bench reported."""

    @property
    def ok(self) -> bool:
        """Tests ran, compared something, and none failed."""
        return self.tests > 0 and self.failed == 0 and self.mismatches == 0 and self.events > 0


def run_bench(
    simulator: str,
    *,
    texts: dict[str, str],
    top: str,
    bench: str,
    seed: int = 1,
    settings: dict[str, Any] | None = None,
    only: str = "",
    effort: float = 1.0,
    waves: Path | None = None,
    model: Model | None = None,
    timeout_s: float = 900.0,
) -> Result:
    """Build (once) and run one bench.

    texts : {file name: text} of the Verilog
    bench : dotted name of the module with cocotb tests, importable with this process' `sys.path`
    settings : what the bench reads with `harness.settings()`
    only : regular expression on test names
    effort : share of their work that benches do, see `harness.amount`
    waves : folder that gets `<top>.fst` (Icarus) or `<top>.vcd` (Verilator) and keeps the log
    model : for Verilator, a build other than the plain one of `texts` and `top`
    """
    command = _command(simulator, texts, top, seed, waves, model)
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as name:
        folder = Path(name)
        (folder / "settings.json").write_text(json.dumps({**(settings or {}), "effort": effort}))
        environment = _environment(folder, model.top if model else top, bench, seed, only)
        # Verilator applies written values when it should by itself; Icarus would let them race with the clock.
        environment["COCOTB_TRUST_INERTIAL_WRITES"] = str(int(simulator == "verilator"))
        began = time.perf_counter()
        with (folder / "log").open("w") as log:
            try:
                done = subprocess.run(
                    command, cwd=folder, env=environment, stdout=log, stderr=log, check=False, timeout=timeout_s
                )
                status = f"exit status {done.returncode}" if done.returncode else ""
            except subprocess.TimeoutExpired:
                status = f"no end after {timeout_s:g} s"
        seconds = time.perf_counter() - began
        if waves:
            shutil.copy(folder / "log", Path(waves) / f"{top}.log")
        result = _read(folder, bench, simulator, seconds, status)
        return dataclasses.replace(result, log=str(Path(waves) / f"{top}.log")) if waves else result


def _command(
    simulator: str, texts: dict[str, str], top: str, seed: int, waves: Path | None, model: Model | None
) -> list[str]:
    """Command line of the simulation, built first where needed."""
    if waves:
        Path(waves).mkdir(parents=True, exist_ok=True)
    if simulator == "icarus":
        vvp = _icarus(texts, top, dump=waves is not None)
        library = cocotb_tools.config.lib_entry("vpi", "icarus")
        extra = ["-fst", f"+waves={Path(waves).resolve() / top}.fst"] if waves else ["-none"]
        return ["vvp", "-m", library, str(vvp), *extra]
    if simulator != "verilator":
        raise UserError(f'simulator = "{simulator}": must be one of {", ".join(SIMULATORS)}')
    if model is None:
        model = station_model(texts, top)
    if waves:
        model = dataclasses.replace(model, trace=True)
    extra = ["--trace", "--trace-file", f"{Path(waves).resolve() / top}.vcd"] if waves else []
    # Registers and memories start with random contents: nothing may depend on them.
    return [str(executable(model)), *extra, f"+verilator+seed+{seed % 2**31 or 1}", "+verilator+rand+reset+2"]


def station_model(texts: dict[str, str], top: str) -> Model:
    """Verilator build in which cocotb sees the ports of the top, and nothing else: that keeps it fast."""
    control = f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n'
    return Model(texts={"public.vlt": control, **texts}, top=top, optimise="-O1", options=("--x-initial", "unique"))


def _icarus(texts: dict[str, str], top: str, *, dump: bool) -> Path:
    """Compiled `sim.vvp`, from the cache if it is there."""
    if shutil.which("iverilog") is None:
        raise ToolError("no iverilog: install Icarus Verilog (apt install iverilog)")
    whole = {**texts, "waves.sv": DUMP.format(top=top)} if dump else dict(texts)
    version = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False).stdout.splitlines()[0]

    def build(folder: Path) -> None:
        for name, text in whole.items():
            (folder / name).write_text(text)
        (folder / "time.f").write_text(f"+timescale+{TIMESCALE}\n")
        tops = ["-s", top, *(["-s", "waves"] if dump else [])]
        run(["iverilog", "-g2012", "-o", "sim.vvp", "-f", "time.f", *tops, *whole], cwd=folder)

    return build_once("icarus", digest(whole, top, version), build) / "sim.vvp"


def _environment(folder: Path, top: str, bench: str, seed: int, only: str) -> dict[str, str]:
    """What cocotb wants to know, and where our own files are."""
    library = find_libpython.find_libpython()
    if library is None:
        raise ToolError("cocotb needs a shared libpython: install it (apt install libpython3-dev)")
    environment = {
        **os.environ,
        "PATH": os.environ.get("PATH", "") + os.pathsep + str(cocotb_tools.config.libs_dir),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{library};{cocotb_tools.config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": bench,
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_ANSI_OUTPUT": "0",
        "TOPLEVEL_LANG": "verilog",
        "CROSSTRAIN_BENCH": str(folder),
    }
    environment.pop("COCOTB_TEST_FILTER", None)
    if only:
        environment["COCOTB_TEST_FILTER"] = only
    return environment


def _read(folder: Path, bench: str, simulator: str, seconds: float, status: str) -> Result:
    """Test results and the bench's own counts, as one object."""
    counts: dict[str, Any] = {"events": 0, "mismatches": 0, "cycles": 0, "messages": [], "payload": {}, "unknown": {}}
    if (folder / "report.json").is_file():
        counts.update(json.loads((folder / "report.json").read_text()))
    messages = list(counts["messages"])
    tests = failed = halted = 0
    if (folder / "results.xml").is_file():
        for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
            if case.find("skipped") is not None:
                continue
            tests += 1
            for kind in ("failure", "error"):
                if (found := case.find(kind)) is not None:
                    failed += 1
                    name = case.get("name", "")
                    line = failure(found.get("message") or "", found.text or "", counts["unknown"].get(name))
                    halted += stopped(line)
                    messages.append(f"{name}: {line}")
                    break
    if tests == 0 or status:
        tail = (folder / "log").read_text()[-1500:]
        messages.append(f"simulation ended abnormally ({status or 'no test ran'}):\n{tail}")
        failed, halted = failed + 1, halted + 1
    return Result(
        bench=bench, simulator=simulator, tests=tests, failed=failed, stopped=halted, seconds=seconds,
        events=counts["events"], mismatches=counts["mismatches"], cycles=counts["cycles"], messages=tuple(messages),
        payload=counts["payload"],
    )  # fmt: skip
