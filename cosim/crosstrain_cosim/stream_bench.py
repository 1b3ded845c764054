"""A brought-up controller whose changes come from the host, and everything around it: what its benches share."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.controller_bench import Bench
from crosstrain_cosim.stream_agent import StreamAgent
from crosstrain_cosim.stream_scoreboard import StreamReference
from crosstrain_model.twin.rram_tile import RramTile


class StreamBench(Bench):
    """A `Bench` with an array of one-sided pairs behind the port; see there."""

    def _both_sides(self, dut: Any, rng: Any, pace: dict[str, Any]) -> None:
        self.array: Any = RramTile(self.design, engine="numpy")
        self.agent: Any = StreamAgent(dut, self.design, self.array, rng, **pace)
        self.reference = StreamReference(self.design, self.agent)
        self.polls *= 4  # a row takes its pulses and reads

    def changes(self, rows: float = 0.3, columns: float = 0.4) -> list[list[int]]:
        """Random changes: few rows move, some of their weights, by up to two thresholds."""
        array, theta = self.design.array, self.design.update.threshold
        top = (1 << self.design.formats.accumulator - 1) - 1
        size = min(2 * theta, top)
        shape = (array.rows, array.columns)
        values = self.numbers.integers(-size, size + 1, shape)
        dense = (self.numbers.random((array.rows, 1)) < rows) & (self.numbers.random(shape) < columns)
        return np.where(dense, values, 0).tolist()

    def some_cells(self) -> list[tuple[int, int, int]]:
        """A few changes of single weights."""
        array, theta = self.design.array, self.design.update.threshold
        top = min(theta, (1 << self.design.formats.accumulator - 1) - 1)
        count = self.rng.randrange(1, 9)
        place = self.rng.randrange
        return [(place(array.rows), place(array.columns), place(-top, top + 1)) for _ in range(count)]

    async def work(self, count: int, reads: bool = True, passes: float = 0.25) -> None:
        """Random updates, passes, reads; a row is formed now and then."""
        driver, array = self.driver, self.design.array
        few = min(1.0, 4 / array.rows)
        for _ in range(count):
            kind = self.rng.random()
            if kind < passes:
                await self.call(driver.program_pass)
            elif kind < passes + 0.3:
                await self.call(driver.update, self.changes(rows=few))
            elif not reads or kind < passes + 0.45:
                await self.call(driver.update_cells, self.some_cells())
            elif kind < 0.86:
                codes = self.numbers.integers(0, 1 << self.design.formats.x, array.rows).tolist()
                await self.read(driver.forward, codes)
            elif kind < 0.96:
                await self.read(driver.read_row, self.rng.randrange(array.rows))
            else:
                await self.call(driver.form, self.rng.randrange(array.rows))

    async def state(self) -> dict[str, Any]:
        """Digital state as the driver reads it: all cells of all memories, or those of the sample."""
        driver = self.driver
        found: dict[str, Any] = {}
        for name in self.module.MEMORIES:
            if self.whole:
                dump = driver.dump_accumulators if name == "dW" else lambda name=name: driver.dump_memory(name)
                rows = await self.call(dump)
                found[name] = {(r, c): value for r, row in enumerate(rows) for c, value in enumerate(row)}
                continue
            found[name] = {place: await self.call(driver.read_cell, name, *place) for place in self.places}
        touched = await self.call(driver.touched_rows)
        return {**found, "touched": touched, "since_pass": await self.call(driver.read, "VECTORS_SINCE_PASS")}

    async def event(self, name: str) -> bool:
        """Whether an event has happened since they were cleared."""
        return name in await self.call(self.driver.irq_status)

    def accounted(self, counters: dict[str, int], before: int = 0) -> None:
        """Every pulse that the macro fired is delivered or of unknown fate."""
        fired = sum(event.pulses for event in self.agent.events[before:])
        beyond = fired - counters["delivered"]
        harness.report.same("fired pulses are delivered or unknown", 0 <= beyond <= counters["unknown"], True)
