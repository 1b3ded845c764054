"""A brought-up controller with everything around it: what the controller's benches share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge

from crosstrain_cosim import harness
from crosstrain_cosim.agent import Agent
from crosstrain_cosim.pace import Pace
from crosstrain_cosim.scenario import quick
from crosstrain_cosim.scoreboard import Reference
from crosstrain_cosim.script_transport import AccessError
from crosstrain_cosim.streams import Loop, Monitor
from crosstrain_cosim.transports import PinTransport
from crosstrain_model.port import Status
from crosstrain_model.port_rules import MACRO, RULES
from crosstrain_model.register_files import driver_module
from crosstrain_model.twin.tile import ArrayTile

TIMEOUT = 400
WHOLE = 1024
"""Accumulators up to which all are read in every comparison; of more, a sample."""
SAMPLE = 64


class Bench:
    """A brought-up controller with everything around it."""

    def __init__(self, dut: Any, name: str, gaps: float = 0.3, fault: Any = None, latency: tuple[int, int] = (0, 8)):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"work {name}")
        self.numbers = np.random.default_rng(self.rng.getrandbits(32))
        self.loop = Loop(dut)
        self.polls = harness.patience() // 5  # of STATUS, before a wait counts as hung
        pace = {"gaps": gaps, "latency": latency, "fault": fault}
        self.macro = True
        """Whether rules of the macro are checked too."""
        self._both_sides(dut, harness.generator(f"gaps {name}"), pace)
        self.transport = PinTransport(dut, self.design, lambda channel: pauses(f"{name} {channel}", gaps))
        self.module = driver_module(self.design)
        self.driver = self.module.Driver(self.transport)
        array = self.design.array
        self.whole = array.rows * array.columns <= WHOLE
        places = [(row, column) for row in range(array.rows) for column in range(array.columns)]
        self.places = places if self.whole else sorted(self.rng.sample(places, SAMPLE))
        self.quick = {**quick(self.design, width_set=3, width_reset=2), "timeout": TIMEOUT}
        self._watch()

    def _both_sides(self, dut: Any, rng: Any, pace: dict[str, Any]) -> None:
        """The array on the pins, and the model beside them."""
        self.array, self.twin = ArrayTile(self.design, engine="numpy"), ArrayTile(self.design, engine="numpy")
        self.agent = Agent(dut, self.design, self.array, rng, **pace)
        self.reference: Any = Reference(self.design, self.agent)

    def _watch(self) -> None:
        reference, registers = self.reference, self.reference.registers
        stream = ("tdata", "tuser", "tlast")
        watched: tuple[tuple[str, tuple[str, ...], Callable[[dict[str, int]], Any], str], ...] = (
            ("s_axil", ("awaddr",), registers.address, "aw"),
            ("s_axil", ("wdata",), registers.data, "w"),
            ("s_axil", ("araddr",), registers.read_address, "ar"),
            ("s_axil", ("bresp",), registers.written, "b"),
            ("s_axil", ("rresp",), registers.read, "r"),
            ("s_axis", stream, reference.frames.beat, "t"),
        )
        for prefix, fields, seen, letter in watched:
            self.loop.monitor(Monitor(self.dut, prefix, fields, seen, letter))
        self.loop.monitor(Pace(self.dut, reference))
        self.loop.driver(self.agent)
        self.loop.driver(reference)  # after the agent, which has just finished a command
        self.loop.driver(Monitor(self.dut, "m_axis", stream, reference.result, "t"))

    async def begin(self, program: bool = True, **settings: int) -> None:
        """Reset, bring-up, registers."""
        await harness.start(self.dut, arr_rails_ok=1)
        self._running = cocotb.start_soon(self._run())
        await self.call(self.driver.bring_up, self.polls)
        self.reference.compared = len(self.agent.events)
        await self.call(self.driver.configure, **{**self.quick, **settings})
        if program:
            await self.call(self.driver.enable_programming)

    async def come_back(self) -> None:
        """Bring-up after a reset in mid-work, of which the chip tells until the host has heard it."""
        harness.report.same("was_reset", "was_reset" in await self.call(self.driver.irq_status), True)
        await self.call(self.driver.bring_up, self.polls)
        harness.report.same("was_reset, heard", "was_reset" in await self.call(self.driver.irq_status), False)

    async def _run(self) -> None:
        while True:
            await self.loop.step()

    async def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A method of the driver, which knows nothing of simulations."""
        return await bridge(method)(*arguments, **named)

    async def refused(self, method: Callable[..., Any], *arguments: Any) -> bool:
        """Whether an access is answered with an error."""
        try:
            await self.call(method, *arguments)
        except (self.module.RefusedError, AccessError):
            return True
        return False

    def vector(self) -> tuple[list[int], int, list[int], int]:
        """A random vector pair whose terms are neither all lost nor all clipped."""
        array, formats = self.design.array, self.design.formats
        x, d = (self._codes(n, bits) for n, bits in ((array.rows, formats.x), (array.columns, formats.d)))
        middle = (formats.accumulator - 5 - formats.x - formats.d - self.design.reset_shift) // 2
        return x, middle + self.rng.randrange(-2, 4), d, middle + self.rng.randrange(-2, 3)

    def _codes(self, count: int, bits: int) -> list[int]:
        half = 1 << (bits - 1)
        dense = self.numbers.random(count) < self.rng.choice((0.0, 0.3, 0.7, 1.0, 1.0))
        return (self.numbers.integers(-half, half, count) * dense).tolist()

    async def work(self, count: int, reads: bool = True, passes: float = 0.25) -> None:
        """Random updates, passes and reads."""
        driver, array, formats = self.driver, self.design.array, self.design.formats
        for _ in range(count):
            kind = self.rng.random()
            if kind < passes:
                await self.call(driver.program_pass)
            elif not reads or kind < 0.7:
                await self.call(driver.update, *self.vector())
            elif kind < 0.8:
                await self.read(driver.forward, self._codes(array.rows, formats.x))
            elif kind < 0.9:
                await self.read(driver.backward, self._codes(array.columns, formats.d))
            else:
                await self.read(driver.read_row, self.rng.randrange(array.rows))

    async def read(self, method: Callable[..., Any], argument: Any) -> None:
        """A read; one that the array fails is an error of the driver and no more."""
        try:
            await self.call(method, argument)
        except self.module.ReadError as error:
            harness.report.same("status of the failed read", error.status == Status.OK, False)

    async def quiet(self, counts: bool = True) -> dict[str, int]:
        """Until idle; compare all state; returns the counters."""
        await self.call(self.driver.wait_idle, self.polls)
        counters = await self.call(self.driver.counters)
        self.reference.compare(await self.state(), counters, counts=counts)
        self.check_port(macro=self.macro)
        return counters

    async def state(self) -> dict[str, Any]:
        """Digital state as the driver reads it: all accumulators, or those of the sample."""
        if self.whole:
            rows = await self.call(self.driver.dump_accumulators)
            cells = {(r, c): value for r, row in enumerate(rows) for c, value in enumerate(row)}
        else:
            cells = {place: await self.call(self.driver.read_accumulator, *place) for place in self.places}
        touched = await self.call(self.driver.touched_rows)
        since_pass = await self.call(self.driver.read, "VECTORS_SINCE_PASS")
        return {"cells": cells, "touched": touched, "since_pass": since_pass}

    def check_port(self, macro: bool = True) -> None:
        """No rule of the port may have been broken; those of the macro only where its faults are not wanted."""
        broken = int(self.dut.broken.value)
        names = [r.name for r in RULES if broken >> (r.code - 1) & 1 and (macro or r.side != MACRO)]
        harness.report.same("broken rules of the port", names, [])


def pauses(name: str, gaps: float) -> Iterator[bool]:
    """Random pauses of one channel."""
    rng = harness.generator(f"pauses {name}")
    while True:
        yield rng.random() < gaps
