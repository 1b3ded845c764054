"""Regression of a refresh: rows in, reads and pulses out, on devices that move, stick and fail.

Every read, the RESET of the pairs that are due, every pulse of write-verify behind it and all counters are the model's.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Strobe
from crosstrain_cosim.verify_bench import Fixed, Reference, Sequencer, Steps
from crosstrain_hdl.refresh import COUNTERS, refresh_settings
from crosstrain_model.port import Op
from crosstrain_model.refresh import refresh_row
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS
from crosstrain_model.write_verify import Row

ROWS = 10


class Bench:
    """Pins, model, array and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float, array: Row, *, failing: float = 0.0):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"rows {name}")
        self.loop, self.gaps = Loop(dut), gaps
        rng = harness.generator(f"gaps {name}")
        self.reference = Reference(array, harness.generator(f"faults {name}"), failing=failing)
        self.strobe = Strobe(dut)
        self.sequencer = sequencer = Sequencer(dut, rng, gaps, self.reference, self.strobe)
        self.queue: deque[int] = deque()
        self.saturation = 0
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.paces = self.width = self.guard = self.taken = 0  # cycles for which `pacing` is due; of the last command
        command = ("row", "direction", "width", "amplitude", "pulses")
        for part in (
            Monitor(dut, "q", ("row", "groups"), sequencer.read),
            Monitor(dut, "p", command, self._command),
            Monitor(dut, "slot", ("columns", "last"), self._slot),
            Monitor(dut, "qr", ("status",), sequencer.result),
        ):
            self.loop.monitor(part)
        self.loop.driver(sequencer)
        self.loop.driver(self)
        self.loop.driver(self.strobe)

    def _command(self, seen: dict[str, int]) -> None:
        self.width = seen["width"]
        self.sequencer.command({**seen, "op": int(Op.PROGRAM)})

    def _slot(self, seen: dict[str, int]) -> None:
        self.taken = self.width + self.guard
        self.sequencer.slot(seen)

    def _watch_pace(self) -> None:
        """Width and guard of any slot are told, from the cycle behind it on."""
        if self.paces and not int(self.dut.pacing.value):
            harness.report.same("pacing behind a slot", 0, 1, vector=self.reference.rows)
        self.paces = self.taken - 1 if self.taken else max(0, self.paces - 1)
        self.taken = 0

    def edge(self) -> None:
        """The next row, once the one before is done."""
        self._watch_pace()
        if self.queue and int(self.dut.rest.value) and not int(self.dut.go.value) and self.rng.random() >= self.gaps:
            row = self.queue.popleft()
            self.strobe.fire(go=1, row=row)
            done = refresh_row(self.reference.model, self.reference, row, self.saturation)  # type: ignore[arg-type]
            self.reference.rows += 1
            for name, value in zip(COUNTERS, (1, int(done.pairs.sum()), int(done.failed)), strict=True):
                self.counts[name] += value

    async def begin(self, saturation: int, **registers: int) -> None:
        """Reset; the registers as the design says, but for those given; the sweep behind it."""
        design = self.design
        values = {name: getattr(design.verify, name, 0) for name in refresh_settings(design)}
        values |= {name: getattr(design.pulse, name) for name in values if hasattr(design.pulse, name)}
        own = {name: value for name, value in registers.items() if hasattr(design.verify, name)}
        model = self.reference.model
        model.settings = dataclasses.replace(model.settings, **own)
        values |= {**registers, "saturation": saturation}
        values["set_margin"] &= (1 << design.copy_bits) - 1
        self.saturation, self.guard = saturation, values["guard"]
        cycles = values.pop("cycles")  # the harness takes that word for cycles of reset
        await harness.start(self.dut, **values)
        self.dut.cycles.value = cycles
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the sweep")

    async def drain(self) -> None:
        """Until nothing waits; nothing may be missing, and all that is counted is equal."""
        await self.loop.until(lambda: not self.queue and not int(self.dut.busy.value) and not int(self.dut.go.value))
        await self.loop.steps(4)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the last row")
        await self.loop.steps(2)
        reference = self.reference
        harness.report.same("missing reads and pulses", 0, len(reference.events), vector=reference.rows)
        for name in (*COUNTERS, *VERIFY_COUNTERS):
            wanted = self.counts.get(name, reference.model.counts.get(name))
            harness.report.same(name, int(getattr(self.dut, name).value), wanted, vector=reference.rows)


def wide(design: Any) -> dict[str, int]:
    """Registers of rows of few pulses and reads."""
    top = (1 << design.formats.adc) - 1
    return {"window": max(1, top // 16) << design.formats.fraction, "set_margin": 0, "set_start": 20000,
            "set_step": 3000, "set_stop": 60000, "reset_start": 30000, "reset_step": 5000, "reset_stop": 60000,
            "cycles": 2}  # fmt: skip


@harness.bench()
async def corners(dut: Any) -> None:
    """Sums at and beside G_sat on either device, both, and none; all numbers of reads."""
    design = harness.design()
    array = Fixed(design)
    bench = Bench(dut, "corners", 0.0, array)
    top, rows = (1 << design.formats.adc) - 1, design.array.rows
    middle = top // 2
    codes = (middle, middle + 1, middle - 1, 0, top)
    for row in range(rows):
        for column in range(design.array.device_columns):
            array.codes[row, column] = codes[(column + column // 2 * (row + 1)) % len(codes)]
    await bench.begin(middle, **wide(design))
    for reads_log2 in (0, 1, 4):
        dut.reads_log2.value = reads_log2
        bench.reference.model.settings = dataclasses.replace(bench.reference.model.settings, reads_log2=reads_log2)
        for row in range(min(rows, harness.amount(rows, 4))):
            bench.queue.append(row)
            await bench.drain()
    for saturation in (top, 0):
        dut.saturation.value = bench.saturation = saturation
        for row in (0, rows - 1):
            bench.queue.append(row)
            await bench.drain()


async def at_random(dut: Any, name: str, gaps: float, failing: float = 0.0, **registers: int) -> None:
    """Rows at random, of devices that move by random steps."""
    design = harness.design()
    bench = Bench(dut, name, gaps, Steps(design, 5, stuck=0.1), failing=failing)
    await bench.begin(((1 << design.formats.adc) - 1) // 3, **{**wide(design), **registers})
    for _ in range(2):
        for _ in range(harness.amount(ROWS, 4) // 2):
            bench.queue += [bench.rng.randrange(design.array.rows) for _ in range(2)]
            await bench.drain()
    harness.report.same("pairs were programmed anew", bench.counts["refreshed"] > 0, True)


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps."""
    await at_random(dut, "dense", 0.0, reads_log2=1)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps on every stream."""
    await at_random(dut, "gaps", 0.4)


@harness.bench()
async def reads_and_pulses_that_fail(dut: Any) -> None:
    """Before the RESET the row is left, behind it devices are given up."""
    await at_random(dut, "faults", 0.2, failing=0.05)
