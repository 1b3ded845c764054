"""The scenario of `scenario.py` inside a simulator: over the pins, or over the C++ host where the top is bulk.sv."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.task import bridge

from crosstrain_cosim import harness, scenario
from crosstrain_cosim.agent import Agent
from crosstrain_cosim.hybrid_agent import HybridAgent
from crosstrain_cosim.lane_arrays import Arrays, conductances, hooks, lane_arrays
from crosstrain_cosim.queue_agent import QueueAgent
from crosstrain_cosim.script import Script
from crosstrain_cosim.simulated import Simulated
from crosstrain_cosim.stream_agent import StreamAgent
from crosstrain_cosim.streams import Loop
from crosstrain_cosim.transports import PinTransport, simulated_transport
from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId
from crosstrain_model.register_files import driver_module


@harness.bench(timeout_us=1_000_000)
async def lane(dut: Any) -> None:
    """Run the scenario; the record goes into the report."""
    design = harness.design()
    record = await (over_host(dut, design) if hasattr(dut, "finished") else over_pins(dut, design))
    harness.report.same("events were recorded", len(record["events"]) > 0, True)
    harness.report.payload = record


async def over_pins(dut: Any, design: Design) -> dict[str, Any]:
    """Everything in Python, on the pins."""
    arrays = lane_arrays(design, "numpy")
    loop = Loop(dut)
    rng = harness.generator("lane")
    agent = loop.driver(macro(dut, design, arrays, rng))
    driver = driver_module(design).Driver(PinTransport(dut, design))
    await harness.start(dut, arr_rails_ok=1)

    async def forever() -> None:
        while True:
            await loop.step()

    cocotb.start_soon(forever())
    work = harness.settings()["scenario"]
    record: dict[str, Any] = await bridge(scenario.run)(driver, design, work["seed"], work["count"])
    events = scenario.recorded(design, scenario.from_agent(agent.events))
    more = {"slots": scenario.slots_from_agent(agent.events), "weights": conductances(arrays)}
    return {**record, "events": events, **more}


def macro(dut: Any, design: Design, arrays: Arrays, rng: random.Random) -> Any:
    """The arrays at the pins."""
    if design.pulsed:
        return QueueAgent(dut, design, arrays, rng)
    if design.carried:
        return HybridAgent(dut, design, arrays[ArrayId.W], arrays.get(ArrayId.L), rng)
    return (StreamAgent if design.streamed else Agent)(dut, design, arrays[ArrayId.W], rng)


async def over_host(dut: Any, design: Design) -> dict[str, Any]:
    """Host and array in C++, called by DPI."""
    arrays = lane_arrays(design, "numba")
    host = Simulated(dut, design, hooks(design, arrays))
    transport = simulated_transport(host)
    driver = driver_module(design).Driver(transport)
    await host.run(Script().reset())
    work = harness.settings()["scenario"]
    record: dict[str, Any] = await bridge(scenario.run)(driver, design, work["seed"], work["count"])
    harness.report.cycles = host.cycles
    events = scenario.recorded(design, scenario.from_native(design, transport.events))
    return {**record, "events": events, "slots": transport.all_slots(), "weights": conductances(arrays)}
