"""All lanes on one design and seed, held against each other and against the model.

Pins of Icarus = pins of Verilator = C++ host inside Verilator = compiled library = model.
"""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import scenario
from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.lane_arrays import conductances, hooks, lane_arrays
from crosstrain_cosim.model_driver import model_record
from crosstrain_cosim.native import simulation_model
from crosstrain_cosim.script import Script
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_cosim.simulators import Result, run_bench
from crosstrain_cosim.stations import Unit, controller_unit
from crosstrain_model.design import Design
from crosstrain_model.register_files import driver_module

LANES = ("model", "icarus", "verilator", "host", "compiled")
"""Lanes; "host" is the C++ host inside Verilator."""
BENCH = "crosstrain_cosim.bench_lanes"


def run_lane(lane: str, design: Design, *, seed: int, count: int, rtl: dict[str, str] | None = None) -> dict[str, Any]:
    """The record of one lane: events, reads, state, counters, weights."""
    if lane == "model":
        return model_record(design, seed, count)
    if lane == "compiled":
        return compiled_record(design, seed, count, rtl)
    unit = controller_unit(design, rtl, checked=lane != "host")
    result = run_simulated(lane, design, unit, seed=seed, count=count)
    if not result.ok:
        raise RuntimeError(f"lane {lane}: {'; '.join(result.messages)}")
    return result.payload


def run_simulated(lane: str, design: Design, unit: Unit, *, seed: int, count: int) -> Result:
    """One of the lanes inside a simulator."""
    model = simulation_model(design, unit.texts, unit.top) if lane == "host" else None
    settings = unit.settings(design, scenario={"seed": seed, "count": count})
    simulator = "icarus" if lane == "icarus" else "verilator"
    return run_bench(simulator, texts=unit.texts, top=unit.top, bench=BENCH, seed=seed, settings=settings, model=model)


def compiled_record(
    design: Design, seed: int, count: int, rtl: dict[str, str] | None = None, **options: int
) -> dict[str, Any]:
    """The record of the compiled lane, and `cycles`; options are those of `Native`."""
    unit = controller_unit(design, rtl, checked=False)
    arrays = lane_arrays(design, "numba")
    lane = Compiled(design, unit.texts, unit.top, hook=hooks(design, arrays), seed=seed, **options)
    try:
        transport = compiled_transport(lane)
        driver = driver_module(design).Driver(transport)
        lane.run(Script().reset())
        record = scenario.run(driver, design, seed, count)
        events = scenario.recorded(design, scenario.from_native(design, transport.events))
        more = {"slots": transport.all_slots(), "weights": conductances(arrays), "cycles": lane.cycles}
        return {**record, "events": events, **more}
    finally:
        lane.close()


def compare_lanes(design: Design, *, seed: int, count: int, lanes: tuple[str, ...] = LANES) -> tuple[int, list[str]]:
    """Number of events of the first lane, and how the others differ from it, each in one line."""
    records = {lane: run_lane(lane, design, seed=seed, count=count) for lane in lanes}
    first, *others = lanes
    found = []
    for other in others:
        difference = scenario.first_difference(records[first], records[other])
        if not difference and records[first]["weights"] != records[other]["weights"]:
            difference = "weights"
        if difference:
            found.append(f"lane {first} and lane {other}: {difference}")
    return len(records[first]["events"]), found
