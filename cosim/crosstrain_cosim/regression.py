"""The regression of a design: every station and the controller, on one simulator or on all of them.

Icarus and Verilator run the same cocotb benches. The compiled lane runs the scenario of `scenario.py` on the shared
library against the model, with and without random gaps. `rtl` puts Verilog given from outside in the controller's
place; the stations' own benches do not apply to it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from crosstrain_cosim import scenario
from crosstrain_cosim.lanes import compiled_record
from crosstrain_cosim.model_driver import model_record
from crosstrain_cosim.simulators import SIMULATORS, Result, run_bench
from crosstrain_cosim.stations import Unit, controller_unit, station_unit, stations
from crosstrain_model.design import Design


def names(design: Design) -> tuple[str, ...]:
    """What `only` may name."""
    return (*stations(design), "controller")


CHOICES = (*SIMULATORS, "compiled", "all")

SMALL = 256
"""Accumulators up to which Icarus is quick enough to be the default."""

GAPS: tuple[dict[str, int], ...] = (
    {},
    {"latency": 7, "array_gaps": 30, "stream_gaps": 30, "result_gaps": 30},
    {"latency": 40, "array_gaps": 60, "result_gaps": 70},
)
"""Options of the compiled lane's runs."""


def default_simulator(design: Design) -> str:
    """Icarus for small designs, which need no compiler then; Verilator for the others."""
    return "icarus" if design.array.rows * design.array.columns <= SMALL else "verilator"


def run_regression(
    design: Design,
    *,
    simulator: str,
    seed: int = 1,
    only: str = "",
    waves: Path | None = None,
    rtl: dict[str, str] | None = None,
    listen: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Results of all benches, each told to `listen` as it comes.

    simulator : one of CHOICES
    only : one of `names(design)`, or empty for all
    waves : folder that gets the waves and logs of the cocotb benches
    rtl : {file name: Verilog} of a controller whose top is `design.top`
    """
    results = []
    chosen = (*SIMULATORS, "compiled") if simulator == "all" else (simulator,)
    for result in _benches(design, chosen, seed, only, waves, rtl):
        listen(result)
        results.append(result)
    return results


def _benches(
    design: Design, simulators: tuple[str, ...], seed: int, only: str, waves: Path | None, rtl: dict[str, str] | None
) -> Iterator[Result]:
    chosen = [only] if only else ["controller"] if rtl else list(names(design))
    for simulator in simulators:
        if simulator == "compiled":
            if "controller" in chosen:
                yield compiled_result(design, seed, rtl)
            continue
        for name in chosen:
            unit = controller_unit(design, rtl) if name == "controller" else station_unit(design, name)
            yield _cocotb_result(design, unit, simulator, seed, waves)


def _cocotb_result(design: Design, unit: Unit, simulator: str, seed: int, waves: Path | None) -> Result:
    settings = unit.settings(design)
    result = run_bench(
        simulator, texts=unit.texts, top=unit.top, bench=unit.bench, seed=seed, settings=settings,
        waves=waves / simulator if waves else None,
    )  # fmt: skip
    return dataclasses.replace(result, bench=unit.station)


def compiled_result(design: Design, seed: int, rtl: dict[str, str] | None = None, count: int = 60) -> Result:
    """The compiled lane against the model: events, reads, state, counters and weights."""
    tests = failed = stopped = events = mismatches = cycles = 0
    messages = []
    seconds = 0.0
    for number, options in enumerate(GAPS):
        wanted = model_record(design, seed + number, count)
        began = time.perf_counter()
        tests += 1
        try:
            record = compiled_record(design, seed + number, count, rtl, **options)
        except RuntimeError as error:
            failed, stopped = failed + 1, stopped + 1
            messages.append(f"compiled {options}: {error}")
            continue
        seconds += time.perf_counter() - began
        cycles += record["cycles"]
        events += len(wanted["events"]) + len(wanted["reads"]) + design.array.rows * design.array.columns
        difference = scenario.first_difference(record, wanted)
        if not difference and record["weights"] != wanted["weights"]:
            difference = "weights"
        if difference:
            failed, mismatches = failed + 1, mismatches + 1
            messages.append(f"compiled {options}, other is the model: {difference}")
    return Result(
        bench="controller", simulator="compiled", tests=tests, failed=failed, stopped=stopped, events=events,
        mismatches=mismatches, cycles=cycles, seconds=seconds, messages=tuple(messages),
    )  # fmt: skip
