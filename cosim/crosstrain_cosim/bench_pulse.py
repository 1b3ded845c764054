"""Regression of pulse: rows of counts in, phases and their slots out, with their pace.

The model is fed with the counts that the pins show; every command and slot must come in its order and not too early.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Strobe, packed, unpacked
from crosstrain_model.pulse import PhaseCommand, PulseSettings, row_commands

ROWS = 60
COUNT_BITS = 5


class Reference:
    """The model beside the pins: counts become commands, commands become slots."""

    def __init__(self, dut: Any, loop: Loop):
        self.dut, self.loop, self.design = dut, loop, harness.design()
        self.settings = PulseSettings.of(self.design)
        self.counts: list[int] = []
        self.due: deque[tuple[int, PhaseCommand]] = deque()
        self.slots: deque[int] = deque()
        self.direction = 0
        self.rows = self.commands = 0
        self.not_before = 0
        self.ended = True
        self.where: dict[str, int] = {}

    def count(self, seen: dict[str, int]) -> None:
        """Counts of one group."""
        self.counts += unpacked(seen["counts"], COUNT_BITS, self.design.array.lanes)
        if seen["last"]:
            self.rows += 1
            counts, self.counts = self.counts[: self.design.array.columns], []
            commands = row_commands(self.design, seen["row"], counts, self.settings)
            self.due += [(self.rows, command) for command in commands]

    def command(self, seen: dict[str, int]) -> None:
        """A command was taken."""
        self.commands += 1
        if not self.due:
            harness.report.same("command", seen, "none", vector=self.rows)
            return
        number, due = self.due.popleft()
        self.where = {"vector": number, "row": due.row, "direction": due.direction}
        harness.report.same("slots left over", list(self.slots), [], **self.where)
        for name in ("row", "direction", "width", "amplitude", "pulses"):
            harness.report.same(f"t_{name}", seen[name], getattr(due, name), **self.where)
        dropped = int(self.dut.cancel.value)
        self.slots = deque([] if dropped else due.slot_masks)
        self.direction, self.ended = due.direction, bool(dropped)

    def slot(self, seen: dict[str, int]) -> None:
        """A slot was taken."""
        wanted = self.slots.popleft() if self.slots else None
        harness.report.same("slot_columns", seen["columns"], wanted, column=len(self.slots), **self.where)
        harness.report.same("slot_last", seen["last"], int(not self.slots), **self.where)
        self.not_before = self.loop.cycle + self.settings.spacing(self.direction)

    def edge(self) -> None:
        """Nothing is offered before its time; `over` ends the slots of a command."""
        dut = self.dut
        if int(dut.slot_valid.value):
            harness.report.same("slot offered early", self.loop.cycle < self.not_before, False, **self.where)
        queued = harness.design().pulsed  # commands are: the slots of the next one wait, not the command
        if int(dut.t_valid.value) and not int(dut.cancel.value) and not queued:
            harness.report.same("command offered early", self.loop.cycle < self.not_before, False, **self.where)

    def late_edge(self) -> None:
        """What ends a command acts after the slot of the same cycle."""
        if int(self.dut.over.value):
            self.slots.clear()


class _Late:
    def __init__(self, reference: Reference):
        self.edge = reference.late_edge


class Rows:
    """Sends rows of counts, a row only when there is room, words after random gaps."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.design = harness.design()
        self.queue: deque[tuple[int, list[int]]] = deque()
        self.words: deque[dict[str, int]] = deque()
        self.high = False
        self.pause = 0

    def edge(self) -> None:
        if self.high:
            self.dut.c_valid.value = 0
            self.high = False
        if not self.words:
            self.pause = max(0, self.pause - 1)
            if not self.queue or self.pause or not int(self.dut.pulse_free.value):
                return
            row, counts = self.queue.popleft()
            lanes, groups = self.design.array.lanes, self.design.array.groups
            padded = counts + [0] * (lanes * groups - len(counts))
            for group in range(groups):
                word = packed(padded[group * lanes : (group + 1) * lanes], COUNT_BITS)
                self.words.append({"c_row": row, "c_counts": word, "c_last": int(group + 1 == groups)})
            self.pause = 3  # until pulse_free tells of this row
        if self.rng.random() < self.gaps:
            return
        for name, value in self.words.popleft().items():
            getattr(self.dut, name).value = value
        self.dut.c_valid.value = 1
        self.high = True

    @property
    def waiting(self) -> int:
        return len(self.queue) + len(self.words) + self.high


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"rows {name}")
        self.loop = Loop(dut)
        self.reference = reference = Reference(dut, self.loop)
        self.loop.monitor(reference)
        fields = ("row", "direction", "width", "amplitude", "pulses")
        self.loop.monitor(Monitor(dut, "c", ("row", "counts", "last"), reference.count))
        self.loop.monitor(Monitor(dut, "slot", ("columns", "last"), reference.slot))
        self.loop.monitor(Monitor(dut, "t", fields, reference.command))
        self.loop.monitor(_Late(reference))
        rng = harness.generator(f"gaps {name}")
        self.rows = self.loop.driver(Rows(dut, rng, gaps))
        self.loop.driver(Sink(dut, "t", rng, gaps))
        self.loop.driver(Sink(dut, "slot", rng, gaps))
        self.strobe = self.loop.driver(Strobe(dut))

    async def begin(self) -> None:
        """Reset; the registers as the design says."""
        await harness.start(self.dut, **self._registers())

    def _registers(self) -> dict[str, int]:
        settings = dataclasses.asdict(self.reference.settings)
        return {name: value for name, value in settings.items() if name != "width_limit"}

    async def configure(self, **registers: int) -> None:
        """New register values, while empty."""
        await self.drain()
        self.reference.settings = dataclasses.replace(self.reference.settings, **registers)
        for name, value in registers.items():
            getattr(self.dut, name).value = value
        await self.loop.step()

    async def drain(self) -> None:
        """Until nothing waits; nothing may be missing."""
        await self.loop.until(lambda: not self.rows.waiting, what="room for rows")
        await self.loop.steps(10)
        await self.loop.until(lambda: int(self.dut.empty.value) == 1, what="empty")
        await self.loop.until(lambda: not int(self.dut.pacing.value), what="end of the last pulse")
        missing = len(self.reference.due) + len(self.reference.slots)
        harness.report.same("missing commands and slots", 0, missing, vector=self.reference.rows)

    def put(self, row: int, counts: list[int]) -> None:
        """Queue a row."""
        self.rows.queue.append((row, counts))

    def random_counts(self) -> list[int]:
        """Sparse or dense, of one sign or both."""
        rng, most = self.rng, self.design.update.max_pulses
        density, low, high = rng.choice((0.05, 0.3, 1.0)), *rng.choice(((-most, most), (0, most), (-most, 0), (-1, 1)))
        return [rng.randint(low, high) if rng.random() < density else 0 for _ in range(self.design.array.columns)]


@harness.bench()
async def corners(dut: Any) -> None:
    """Extremes, single columns, empty rows, and widths at and beyond their bounds."""
    bench = Bench(dut, "corners", 0.0)
    await bench.begin()
    array, most = bench.design.array, bench.design.update.max_pulses
    limit = bench.design.pulse.width_limit
    await bench.configure(width_set=1, width_reset=2, guard=0)
    for row in (0, array.rows - 1):
        for value in (most, -most, 0, 1, -1):
            bench.put(row, [value] * array.columns)
        for column in {0, array.columns - 1, min(array.lanes, array.columns - 1)}:
            for value in (most, -1):
                bench.put(row, [value * (c == column) for c in range(array.columns)])
        bench.put(row, [most if c % 2 else -most for c in range(array.columns)])
    await bench.configure(width_set=0, width_reset=3, guard=3, amplitude_set=0xFFFF, amplitude_reset=1)
    bench.put(0, [1, *[-1] * (array.columns - 1)])
    bench.put(0, [-most] * array.columns)
    if limit < 1000:
        await bench.configure(width_set=limit + 1, width_reset=limit, guard=0)
        bench.put(0, [2 % (most + 1), *[-1] * (array.columns - 1)])
    await bench.drain()


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random rows and registers, random gaps everywhere."""
    bench = Bench(dut, "random", 0.3)
    await bench.begin()
    for number in range(ROWS):
        if number % 15 == 0:
            widths = {"width_set": bench.rng.randrange(1, 9), "width_reset": bench.rng.randrange(1, 9)}
            await bench.configure(guard=bench.rng.randrange(4), **widths)
        bench.put(bench.rng.randrange(bench.design.array.rows), bench.random_counts())
    await bench.drain()


@harness.bench()
async def ended_early(dut: Any) -> None:
    """Commands that end before their slots, and rows that are dropped while `cancel` is high."""
    bench = Bench(dut, "early", 0.2)
    await bench.begin()
    reference, rng = bench.reference, bench.rng
    await bench.configure(width_set=2, width_reset=2, guard=1)
    for number in range(ROWS // 2):
        bench.put(rng.randrange(bench.design.array.rows), bench.random_counts())
        await bench.loop.steps(rng.randrange(1, 40))
        if reference.slots and rng.random() < 0.5:
            bench.strobe.fire(over=1)
            await bench.loop.steps(2)
        if number % 10 == 9:
            await bench.loop.until(lambda: not bench.rows.words and not bench.rows.high, what="end of the row")
            bench.strobe.fire(over=int(bool(reference.slots)))
            dut.cancel.value = 1
            await bench.loop.steps(3)
            await bench.loop.until(lambda: int(dut.empty.value) == 1, what="empty under cancel")
            harness.report.same("missing commands", 0, len(reference.due), vector=reference.rows)
            dut.cancel.value = 0
            await bench.loop.steps(2)
    await bench.drain()
