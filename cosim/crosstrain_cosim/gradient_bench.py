"""A brought-up controller with in-memory gradients, and everything around it: what its benches share."""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness, scenario
from crosstrain_cosim.controller_bench import Bench
from crosstrain_cosim.gradient_scoreboard import GradientReference
from crosstrain_cosim.queue_agent import QueueAgent
from crosstrain_model.gradient_controller import TileArrays
from crosstrain_model.port import ArrayId


def twins(design: Any) -> TileArrays:
    """The arrays of a tile, by the definition."""
    return TileArrays.of(design, engine="numpy")


class GradientBench(Bench):
    """A `Bench` with two arrays behind the port; see there."""

    def _both_sides(self, dut: Any, rng: Any, pace: dict[str, Any]) -> None:
        self.arrays = twins(self.design)
        arrays = {ArrayId.W: self.arrays.w}
        if self.arrays.a is not None:
            arrays[ArrayId.A] = self.arrays.a
        self.agent: Any = QueueAgent(dut, self.design, arrays, rng, **pace)
        self.reference = GradientReference(self.design, self.agent, twins(self.design))

    def vector(self) -> tuple[list[int], int, list[int], int]:
        return scenario.vector(self.rng, self.design)

    async def work(self, count: int, reads: bool = True, passes: float = 0.0) -> None:
        """Random updates and reads."""
        for _ in range(count):
            if reads and self.rng.random() < 0.15:
                await self.one_read()
            else:
                await self.call(self.driver.update, *self.vector())

    async def one_read(self) -> None:
        """One read of W."""
        driver, array, formats = self.driver, self.design.array, self.design.formats
        kind = self.rng.randrange(3)
        if kind == 0:
            await self.read(driver.forward, self._codes(array.rows, formats.x))
        elif kind == 1:
            await self.read(driver.backward, self._codes(array.columns, formats.d))
        else:
            await self.read(driver.read_row, self.rng.randrange(array.rows))

    async def quiet(self, counts: bool = True) -> dict[str, int]:
        counters = await super().quiet(counts)
        if not self.reference.tolerant:
            self.reference.compare_arrays(self.arrays)
        return counters

    async def state(self) -> dict[str, Any]:
        """Digital state as the driver reads it: all cells of all memories, or those of the sample."""
        cells: dict[tuple[str, int, int], int] = {}
        for name in self.module.MEMORIES if self.design.transfers else ():
            cells |= await self._cells(name)
        windows = {name: await self.call(self.driver.read, name) for name in self.module.STATE_WINDOWS}
        return {
            "cells": cells,
            "streams": await self.call(self.driver.streams),
            "choppers": await self.call(self.driver.choppers),
            "windows": windows,
        }

    async def _cells(self, name: str) -> dict[tuple[str, int, int], int]:
        driver = self.driver
        if self.whole:
            dump = driver.dump_accumulators if name == "H" else lambda: driver.dump_memory(name)
            rows = await self.call(dump)
            return {(name, r, c): value for r, row in enumerate(rows) for c, value in enumerate(row)}
        read = driver.read_accumulator if name == "H" else lambda *place: driver.read_cell(name, *place)
        return {(name, *place): await self.call(read, *place) for place in self.places}

    def check_ledger(self, counters: dict[str, int]) -> None:
        """Slots that the array fired are those that were delivered, or nobody knows."""
        fired = sum(len(event.slots) for event in self.agent.events)
        beyond = fired - counters["train_delivered"]
        harness.report.same("fired slots are delivered or unknown", 0 <= beyond <= counters["train_unknown"], True)
