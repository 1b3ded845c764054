"""The regression of a design: every station and the controller, on one simulator or on all of them.

Icarus and Verilator run the same cocotb benches. The compiled lane runs the scenario of `scenario.py` on the shared
library against the model, with and without random gaps. `rtl` puts Verilog given from outside in the controller's
place; the stations' own benches do not apply to it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from crosstrain_cosim import scenario
from crosstrain_cosim.lanes import compiled_record
from crosstrain_cosim.model_driver import model_record
from crosstrain_cosim.selection import GAPS, Part
from crosstrain_cosim.simulators import SIMULATORS, Result
from crosstrain_cosim.stations import controller_unit, station_unit, stations
from crosstrain_model.design import Design


def names(design: Design) -> tuple[str, ...]:
    """What `only` may name."""
    return (*stations(design), "controller")


CHOICES = (*SIMULATORS, "compiled", "all")

SMALL = 256
"""Accumulators up to which Icarus is quick enough to be the default."""


def default_simulator(design: Design) -> str:
    """Icarus for small designs, which need no compiler then; Verilator for the others."""
    return "icarus" if design.array.rows * design.array.columns <= SMALL else "verilator"


def run_regression(
    design: Design,
    parts: list[Part],
    *,
    seed: int = 1,
    waves: Path | None = None,
    rtl: dict[str, str] | None = None,
    listen: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Results of all benches, each told to `listen` as it comes.

    parts : what to run, of `selection.parts`
    waves : folder that gets the waves and logs of the cocotb benches
    rtl : {file name: Verilog} of a controller whose top is `design.top`
    """
    results = []
    for part in parts:
        if part.simulator == "compiled":
            result = compiled_result(design, seed, rtl, tests=part.tests)
        else:
            result = _cocotb_result(design, part, seed, waves, rtl)
        listen(result)
        results.append(result)
    return results


def _cocotb_result(design: Design, part: Part, seed: int, waves: Path | None, rtl: dict[str, str] | None) -> Result:
    controller = part.station == "controller"
    unit = controller_unit(design, rtl) if controller else station_unit(design, part.station)
    result = unit.run(
        design, part.simulator, seed=seed, only=part.only, waves=waves / part.simulator if waves else None,
        timeout_s=limit_s(design),
    )  # fmt: skip
    return complete(dataclasses.replace(result, bench=unit.station), part)


def limit_s(design: Design) -> float:
    """Seconds after which a bench counts as hung: a quarter of an hour up to 64 x 64, longer as tiles are larger."""
    return 900.0 * max(1.0, design.array.rows * design.array.columns / 4096)


def complete(result: Result, part: Part) -> Result:
    """The same result; a failure if it looks good and other tests ran than were meant to: "3 of 54" would not be so."""
    if not result.ok or result.tests == len(part.tests):
        return result
    message = f"{result.tests} tests ran, not the {len(part.tests)} that were to run: {', '.join(part.tests)}"
    return dataclasses.replace(result, failed=1, stopped=1, messages=(*result.messages, message))


def compiled_result(
    design: Design,
    seed: int,
    rtl: dict[str, str] | None = None,
    count: int = 60,
    tests: tuple[str, ...] = tuple(GAPS),
) -> Result:
    """The compiled lane against the model: events, reads, state, counters and weights; `tests` are keys of GAPS."""
    ran = failed = stopped = events = mismatches = cycles = 0
    messages = []
    seconds = 0.0
    for number, (name, options) in enumerate(GAPS.items()):
        if name not in tests:
            continue
        wanted = model_record(design, seed + number, count)
        began = time.perf_counter()
        ran += 1
        try:
            record = compiled_record(design, seed + number, count, rtl, **options)
        except RuntimeError as error:
            failed, stopped = failed + 1, stopped + 1
            messages.append(f"{name}: {error}")
            continue
        seconds += time.perf_counter() - began
        cycles += record["cycles"]
        events += len(wanted["events"]) + len(wanted["reads"]) + design.array.rows * design.array.columns
        difference = scenario.first_difference(record, wanted)
        if not difference and record["weights"] != wanted["weights"]:
            difference = "weights"
        if difference:
            failed, mismatches = failed + 1, mismatches + 1
            messages.append(f"{name}: other is the model: {difference}")
    return Result(
        bench="controller", simulator="compiled", tests=ran, failed=failed, stopped=stopped, events=events,
        mismatches=mismatches, cycles=cycles, seconds=seconds, messages=tuple(messages),
    )  # fmt: skip
