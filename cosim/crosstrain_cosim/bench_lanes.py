"""The scenario of `scenario.py` inside a simulator: over the pins, or over the C++ host where the top is bulk.sv."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.task import bridge

from crosstrain_cosim import harness, scenario
from crosstrain_cosim.agent import Agent
from crosstrain_cosim.script import Script
from crosstrain_cosim.simulated import Simulated
from crosstrain_cosim.streams import Loop
from crosstrain_cosim.transports import PinTransport, simulated_transport
from crosstrain_model.design import Design
from crosstrain_model.register_files import driver_module
from crosstrain_model.twin.tile import ArrayTile


@harness.bench(timeout_us=1_000_000)
async def lane(dut: Any) -> None:
    """Run the scenario; the record goes into the report."""
    design = harness.design()
    record = await (over_host(dut, design) if hasattr(dut, "finished") else over_pins(dut, design))
    harness.report.same("events were recorded", len(record["events"]) > 0, True)
    harness.report.payload = record


async def over_pins(dut: Any, design: Design) -> dict[str, Any]:
    """Everything in Python, on the pins."""
    array = ArrayTile(design, engine="numpy")
    loop = Loop(dut)
    agent = loop.driver(Agent(dut, design, array, harness.generator("lane")))
    driver = driver_module(design).Driver(PinTransport(dut, design))
    await harness.start(dut, arr_rails_ok=1)

    async def forever() -> None:
        while True:
            await loop.step()

    cocotb.start_soon(forever())
    work = harness.settings()["scenario"]
    record: dict[str, Any] = await bridge(scenario.run)(driver, design, work["seed"], work["count"])
    weights = array.conductance.tolist()
    return {**record, "events": scenario.from_agent(agent.events), "weights": weights}


async def over_host(dut: Any, design: Design) -> dict[str, Any]:
    """Host and array in C++, called by DPI."""
    array = ArrayTile(design, engine="numba")
    host = Simulated(dut, design, array.hook_pointer())
    transport = simulated_transport(host)
    driver = driver_module(design).Driver(transport)
    await host.run(Script().reset())
    work = harness.settings()["scenario"]
    record: dict[str, Any] = await bridge(scenario.run)(driver, design, work["seed"], work["count"])
    harness.report.cycles = host.cycles
    return {**record, "events": scenario.from_native(transport.events), "weights": array.conductance.tolist()}
