"""A brought-up controller of hybrid weights, and everything around it: what its benches share."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.hybrid_agent import HybridAgent
from crosstrain_cosim.hybrid_scoreboard import HybridReference, held_by
from crosstrain_cosim.stream_bench import StreamBench
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_tile import PcmTile

EVENTS = {"clipped": "clipped", "gave_up": "gave_up", "stray": "stray", "refresh_done": "refresh_rows",
          "cell_failed": "l_failed"}  # fmt: skip
"""Event of IRQ_STATUS -> the counter that moves with it."""


class HybridBench(StreamBench):
    """A `StreamBench` with pairs, and array L where there is one, behind the port; see there."""

    def _both_sides(self, dut: Any, rng: Any, pace: dict[str, Any]) -> None:
        design = self.design
        self.array: Any = PcmTile(design, engine="numpy")
        self.cells: Any = PcmBinaryArray(design, engine="numpy") if design.cells_array else None
        self.agent: Any = HybridAgent(dut, design, self.array, self.cells, rng, **pace)
        self.reference: Any = HybridReference(design, self.agent)
        self.polls *= 8  # a row takes its pulses and reads, a refresh many

    def changes(self, rows: float = 0.3, columns: float = 0.4) -> list[list[int]]:
        """Random changes: few rows move, some of their weights; some by carries, some by less than a unit of L."""
        array, numbers = self.design.array, self.numbers
        shape = (array.rows, array.columns)
        half = 1 << self.design.formats.accumulator - 1
        values = numbers.integers(-half, half, shape) >> numbers.integers(0, 12, shape)
        dense = (numbers.random((array.rows, 1)) < rows) & (numbers.random(shape) < columns)
        return np.where(dense, values, 0).tolist()

    def some_cells(self) -> list[tuple[int, int, int]]:
        """A few changes of single weights, some of the same."""
        array, half = self.design.array, 1 << self.design.formats.accumulator - 1
        place = self.rng.randrange
        found = [(place(array.rows), place(array.columns), place(-half, half)) for _ in range(self.rng.randrange(1, 7))]
        return found + found[:1]

    def carrying(self, sign: int = 1) -> list[tuple[int, int, int]]:
        """Changes of the first weight that make a carry whatever L is."""
        top = (1 << self.design.formats.accumulator - 1) - 1
        beats = (2 * self.design.hybrid.scale << self.design.formats.fraction) // top + 1
        return [(0, 0, sign * top)] * beats

    async def work(self, count: int, reads: bool = True, passes: float = 0.25) -> None:
        """Random updates, ends of batches, reads."""
        driver, array, formats = self.driver, self.design.array, self.design.formats
        few = min(1.0, 4 / array.rows)
        for _ in range(count):
            kind = self.rng.random()
            if kind < passes:
                await self.call(driver.program_pass)
            elif kind < passes + 0.35:
                await self.call(driver.update, self.changes(rows=few))
            elif not reads or kind < passes + 0.5:
                await self.call(driver.update_cells, self.some_cells())
            elif kind < 0.86:
                await self.read(driver.forward, self._codes(array.rows, formats.x))
            elif kind < 0.94:
                await self.read(driver.backward, self._codes(array.columns, formats.d))
            else:
                await self.read(driver.read_row, self.rng.randrange(array.rows))

    async def state(self) -> dict[str, Any]:
        """Digital state as the driver reads it; L in devices is what these hold, of which no event comes."""
        driver, call = self.driver, self.call
        found: dict[str, Any] = {}
        for number, name in enumerate(self.module.MEMORIES):
            if name == "L" and self.cells is not None:
                rows = held_by(self.design, self.cells).tolist()
            elif self.whole:
                dump = driver.dump_accumulators if not number else lambda name=name: driver.dump_memory(name)
                rows = await call(dump)
            else:
                read = driver.read_accumulator if not number else functools.partial(driver.read_cell, name)
                found[name] = {place: await call(read, *place) for place in self.places}
                continue
            found[name] = {(r, c): value for r, row in enumerate(rows) for c, value in enumerate(row)}
        place = await call(driver.fields, "REFRESH_STATE")
        streams = await call(driver.streams)
        found |= {name: place[name] for name in ("since", "place", "refreshed_last")}
        found["rounding"] = streams["rounding"]
        if self.cells is not None:
            wear = await call(driver.wear)
            found["wear"] = {name: tuple(list(part) for part in parts) for name, parts in wear.items()}
        return found

    async def told(self, counters: dict[str, int]) -> None:
        """Of all that was counted since the bring-up there was an event, and of nothing else; no refresh is cut off."""
        events = await self.call(self.driver.irq_status)
        for event, counter in EVENTS.items():
            if counter in counters:
                harness.report.same(f"event {event}", event in events, counters[counter] > 0)

    def conserved(self) -> None:
        """The ledger of L, cell by cell."""
        memory = self.reference.model.memory
        harness.report.same("imbalance of L", int(np.abs(memory.imbalance()).max()), 0)
