"""Regression of write-verify: rows of targets in, reads and pulses out, on devices that move, stick and fail.

Every read, its groups, every pulse with its mask and amplitude, all counters and all counts of pulses are the model's.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Source, Strobe, packed
from crosstrain_cosim.verify_bench import Fixed, Reference, Sequencer, Steps
from crosstrain_hdl.write_verify import settings
from crosstrain_model.port import WIDTH_BITS
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.write_verify import COUNTERS, Row

ROWS = 12
BLIND = ("form_width", "width_set", "width_reset", "guard")
"""Registers of which the model knows nothing."""
SHORT = {"set_step": 6000, "reset_step": 6000}
"""Trains of few pulses."""


class Rows:
    """Sends groups of rows, a row only when there is room, groups after random gaps."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.queue: deque[list[dict[str, int]]] = deque()
        self.groups: deque[dict[str, int]] = deque()
        self.high = False
        self.pause = 0

    def edge(self) -> None:
        if self.high:
            self.dut.t_valid.value = 0
            self.high = False
        if not self.groups:
            self.pause = max(0, self.pause - 1)
            if not self.queue or self.pause or not int(self.dut.pulse_free.value):
                return
            self.groups += self.queue.popleft()
            self.pause = 3  # until pulse_free tells of this row
        if self.rng.random() < self.gaps:
            return
        for name, value in self.groups.popleft().items():
            getattr(self.dut, f"t_{name}").value = value
        self.dut.t_valid.value = 1
        self.high = True

    @property
    def waiting(self) -> int:
        return len(self.queue) + len(self.groups) + self.high


class Pace:
    """No slot sooner than width and guard after the one before, and no command before that either."""

    def __init__(self, dut: Any, loop: Loop):
        self.dut, self.loop, self.not_before, self.width = dut, loop, 0, 1

    def command(self, form: bool, direction: int, seen: int) -> None:
        """A command was taken: its width."""
        name = "form_width" if form else "width_set" if direction else "width_reset"
        wanted = int(getattr(self.dut, name).value)
        self.width = min(max(wanted, 1), harness.design().pulse.width_limit)
        harness.report.same("p_width", seen, self.width)

    def edge(self) -> None:
        """Offers, and the slot taken."""
        dut, cycle = self.dut, self.loop.cycle
        for name in ("p_valid", "slot_valid"):
            if int(getattr(dut, name).value):
                harness.report.same(f"{name} early", cycle < self.not_before, False)
        if int(dut.slot_valid.value) and int(dut.slot_ready.value):
            self.not_before = cycle + self.width + int(dut.guard.value)


class Bench:
    """Pins, model, array and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float, array: Row, *, failing: float = 0.0):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"rows {name}")
        self.loop = Loop(dut)
        rng = harness.generator(f"gaps {name}")
        self.reference = reference = Reference(array, harness.generator(f"faults {name}"), failing=failing)
        self.strobe = Strobe(dut)
        self.sequencer = sequencer = Sequencer(dut, rng, gaps, reference, self.strobe)
        self.pace = Pace(dut, self.loop)
        self.events = 0
        command = ("op", "row", "direction", "width", "amplitude", "pulses")
        for part in (
            self.pace,
            Monitor(dut, "t", ("row", "flags", "targets", "last"), reference.group),
            Monitor(dut, "f", ("row",), lambda seen: reference.form(seen["row"])),
            Monitor(dut, "q", ("row", "groups"), sequencer.read),
            Monitor(dut, "p", command, self._command),
            Monitor(dut, "slot", ("columns", "last"), sequencer.slot),
            Monitor(dut, "qr", ("status",), sequencer.result),
        ):
            self.loop.monitor(part)
        self.rows = self.loop.driver(Rows(dut, rng, gaps))
        self.forms = self.loop.driver(Source(dut, "f", rng, gaps))
        self.loop.driver(sequencer)
        self.loop.driver(self.strobe)
        self.cells = bool(self.design.verify.cell_bits)
        if self.cells:
            self.host = self.loop.driver(Source(dut, "w", rng, 0.0))

    def _command(self, seen: dict[str, int]) -> None:
        self.sequencer.command(seen)
        self.pace.command(seen["op"] == 5, seen["direction"], seen["width"])

    async def begin(self) -> None:
        """Reset; the registers as the design says; the sweep behind it."""
        names = settings(self.design)
        values = {name: getattr(self.design.verify, name) for name in names if hasattr(self.design.verify, name)}
        values |= {name: getattr(self.design.pulse, name) for name in BLIND[1:]}
        values["set_margin"] &= (1 << self.design.copy_bits) - 1
        cycles = values.pop("cycles")  # the harness takes that word for cycles of reset
        await harness.start(self.dut, **values)
        self.dut.cycles.value = cycles
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the sweep")

    async def configure(self, **registers: int) -> None:
        """Other registers, while nothing is under way."""
        await self.drain()
        own = {name: value for name, value in registers.items() if name not in BLIND}
        model = self.reference.model
        model.settings = dataclasses.replace(model.settings, **own)
        if "set_margin" in registers:
            registers["set_margin"] &= (1 << self.design.copy_bits) - 1
        for name, value in registers.items():
            getattr(self.dut, name).value = value
        await self.loop.step()

    def put(self, row: int, flags: list[int], targets: list[int]) -> None:
        """Queue a row."""
        array = self.design.array
        spare = [0] * (2 * array.lanes * array.groups - len(flags))
        flags, targets = flags + spare, targets + spare
        parts = [slice(start, start + 2 * array.lanes) for start in range(0, len(flags), 2 * array.lanes)]
        self.rows.queue.append([
            {"row": row, "group": group, "flags": packed(flags[part], 1), "last": int(group + 1 == array.groups),
             "targets": packed(targets[part], self.design.copy_bits)}
            for group, part in enumerate(parts)
        ])  # fmt: skip

    def random_row(self) -> None:
        """Few devices or all; targets within reach, or anywhere."""
        rng, array = self.rng, self.design.array
        full = ((1 << self.design.formats.adc) - 1) << self.design.formats.fraction
        density, high = rng.choice((0.0, 0.1, 0.5, 1.0)), rng.choice((full // 2, full // 2, 2 * full))
        flags = [int(rng.random() < density) for _ in range(array.device_columns)]
        self.put(rng.randrange(array.rows), flags, [rng.randrange(high + 1) * flag for flag in flags])

    async def finish(self) -> None:
        """Until nothing waits."""
        await self.loop.until(lambda: not self.rows.waiting and not self.forms.waiting, what="room for rows")
        await self.loop.steps(8)
        await self.loop.until(lambda: int(self.dut.empty.value) == 1, what="empty")
        await self.loop.until(lambda: not int(self.dut.pacing.value), what="end of the last pulse")
        await self.loop.steps(4)

    async def drain(self) -> None:
        """Until nothing waits; nothing may be missing, and all that is counted is equal."""
        await self.finish()
        reference = self.reference
        harness.report.same("missing reads and pulses", 0, len(reference.events), vector=reference.rows)
        for name in COUNTERS:
            seen = int(getattr(self.dut, name).value)
            harness.report.same(name, seen, reference.model.counts[name], vector=reference.rows)

    async def compare_cells(self) -> int:
        """Counts of pulses, read by the host; gives their sum."""
        if not self.cells:
            return 0
        array, bits, total = self.design.array, self.design.verify.cell_bits, 0
        places = [(row, group) for row in range(array.rows) for group in range(array.groups)]
        for row, group in places:
            seen: list[int] = []
            self.host.put(write=0, row=row, group=group, data=0)
            for _ in range(40):
                await self.loop.step()
                if int(self.dut.r_valid.value):
                    word = int(self.dut.r_data.value)
                    seen = [word >> place * bits & ((1 << bits) - 1) for place in range(2 * array.lanes)]
                    break
            start = 2 * array.lanes * group
            due = self.reference.model.cells[row, start : start + 2 * array.lanes].tolist()
            due += [0] * (2 * array.lanes - len(due))
            if not self.sequencer.aborting:
                harness.report.same("counts of pulses", seen, due, row=row, column=group * array.lanes)
            total += sum(seen)
        return total


@harness.bench()
async def corners(dut: Any) -> None:
    """Sums at and beside both bounds of the window and the bound of SET trains; ramps at their ends; all cycles."""
    design = harness.design()
    array = Fixed(design)
    bench = Bench(dut, "corners", 0.0, array)
    await bench.begin()
    columns, unit = design.array.device_columns, 1 << design.formats.fraction
    middle = ((1 << design.formats.adc) // 2) * unit
    window = min(3 * unit, middle // 4)
    ramps = {f"{kind}_{part}": value for kind in ("set", "reset")
             for part, value in (("start", 65000), ("step", 400), ("stop", 65535))}  # fmt: skip
    await bench.configure(window=window, set_margin=-window, cycles=2, reads_log2=0, **ramps)
    array.codes[:] = middle // unit
    offsets = [sign * (window + beside) for sign in (1, -1) for beside in (-1, 0, 1)] + [0, 1, -1]
    for row in {0, design.array.rows - 1}:
        for first in range(len(offsets)):
            targets = [middle + offsets[(first + column) % len(offsets)] for column in range(columns)]
            bench.put(row, [1] * columns, targets)
        bench.put(row, [0] * columns, [0] * columns)
        for column in {0, columns - 1, columns // 2}:
            bench.put(row, [int(c == column) for c in range(columns)], [0] * columns)
    changes: list[dict[str, int]] = [
        {"set_margin": min(window - 1, unit)}, {"set_margin": -(1 << design.copy_bits - 1)}, {"reads_log2": 2},
        {"cycles": 5}, {"set_start": 65535, "set_stop": 65534}, {"reset_step": 65535, "cycles": 1, "window": 0},
    ]  # fmt: skip
    for change in changes:
        await bench.configure(**change)
        targets = [middle + offsets[column % len(offsets)] for column in range(columns)]
        bench.put(0, [1] * columns, targets)
    await bench.drain()
    await bench.compare_cells()


@harness.bench()
async def forming(dut: Any) -> None:
    """Rows are formed, then programmed, then formed again."""
    design = harness.design()
    bench = Bench(dut, "forming", 0.2, Steps(design, bench_seed("forming")))
    await bench.begin()
    level = ((1 << design.formats.adc) - 1 << design.formats.fraction) * 2 // 3
    await bench.configure(form_level=level, form_start=30000, form_step=3000, form_stop=50000, form_width=7)
    for number in range(4):
        bench.forms.put(row=bench.rng.randrange(design.array.rows))
        await bench.drain()
        if number == 1:
            bench.random_row()
            await bench.drain()
            widest = (1 << WIDTH_BITS) - 1 if design.pulse.width_limit < 99 else 1
            await bench.configure(reads_log2=1, form_width=widest)
    await bench.compare_cells()


def bench_seed(name: str) -> int:
    """A seed of an array."""
    return harness.generator(f"array {name}").getrandbits(32)


async def at_random(dut: Any, name: str, gaps: float, failing: float, array: Row | None = None) -> None:
    """Random rows and registers."""
    design = harness.design()
    bench = Bench(dut, name, gaps, array or Steps(design, bench_seed(name)), failing=failing)
    await bench.begin()
    rng, unit = bench.rng, 1 << design.formats.fraction
    top = (1 << design.copy_bits - 1) - 1
    amount = harness.amount(ROWS, 6)
    for number in range(amount):
        if number % 4 == 0:
            await bench.configure(
                window=min(top, rng.randrange(4 * unit)), set_margin=rng.randrange(-2 * unit, 2 * unit),
                set_step=rng.randrange(2000, 9000), reset_step=rng.randrange(2000, 9000),
                reads_log2=rng.choice((0, 0, 1, 2)), cycles=rng.randrange(1, 4), guard=rng.randrange(4),
                width_set=rng.randrange(1, 6), width_reset=rng.randrange(1, 6),
            )  # fmt: skip
        bench.random_row()
    await bench.drain()
    await bench.compare_cells()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """Everything as soon as it may be, on the twin's devices."""
    twin = RramTile(harness.design(), seed=bench_seed("eager"), engine="numpy")
    await at_random(dut, "eager", 0.0, 0.0, twin)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps everywhere."""
    await at_random(dut, "gaps", 0.4, 0.0)


@harness.bench()
async def failing_array(dut: Any) -> None:
    """Reads that fail, with words or without, and pulses that do not come."""
    await at_random(dut, "failing", 0.2, 0.15)


@harness.bench()
async def aborts(dut: Any) -> None:
    """Whatever is under way when `cancel` rises is given up, rows that wait are dropped, and work goes on behind it."""
    design = harness.design()
    bench = Bench(dut, "aborts", 0.2, Steps(design, bench_seed("aborts")))
    await bench.begin()
    await bench.configure(**SHORT)
    columns, rng = design.array.device_columns, bench.rng
    for _ in range(6):
        for _ in range(3):
            bench.put(rng.randrange(design.array.rows), [1] * columns, [rng.randrange(1 << design.copy_bits)] * columns)
        wanted = bench.sequencer.count + rng.randrange(1, 8)
        await bench.loop.until(lambda wanted=wanted: bench.sequencer.count >= wanted, what="work to abort")
        await bench.loop.until(lambda: not bench.rows.groups and not bench.rows.high, what="end of the row")
        await bench.loop.steps(rng.randrange(1, 9))
        bench.rows.queue.clear()
        bench.sequencer.abort()
        dut.cancel.value = 1
        await bench.loop.steps(2)
        harness.report.same("pulse_free", int(dut.pulse_free.value), 0)
        await bench.finish()
        ended = int(dut.passed.value) + int(dut.gave_up.value)
        harness.report.same("devices", ended % columns, 0)
        counted = int(dut.sets.value) + int(dut.resets.value)
        if bench.cells and counted < 1 << design.verify.cell_bits:
            harness.report.same("sum of the counts", await bench.compare_cells(), counted)
        dut.cancel.value = 0
        bench.sequencer.aborting = False
        bench.reference.events.clear()
    bench.strobe.fire(count_clear=1)
    await bench.loop.steps(2)
    bench.reference.model.counts = dict.fromkeys(COUNTERS, 0)
    for _ in range(3):
        bench.random_row()
    await bench.drain()


@harness.bench()
async def host_visits(dut: Any) -> None:
    """Counts of pulses as the host reads and writes them, also amid work."""
    design = harness.design()
    bench = Bench(dut, "host", 0.1, Steps(design, bench_seed("host")))
    await bench.begin()
    await bench.configure(**SHORT)
    array, bits = design.array, design.verify.cell_bits
    if not bits:
        harness.report.same("counts of pulses", hasattr(dut, "w_valid"), False)
        return
    for number in range(array.rows * array.groups):
        row, group = divmod(number, array.groups)
        start = 2 * array.lanes * group
        cells = [bench.rng.randrange(1 << bits) * (start + place < array.device_columns)
                 for place in range(2 * array.lanes)]  # fmt: skip
        bench.reference.model.cells[row, start : start + 2 * array.lanes] = cells[: array.device_columns - start]
        bench.host.put(write=1, row=row, group=group, data=packed(cells, bits))
    await bench.loop.until(lambda: not bench.host.waiting, what="written counts")
    await bench.compare_cells()
    for _ in range(4):
        bench.random_row()
    for _ in range(40):
        bench.host.put(write=0, row=bench.rng.randrange(array.rows), group=0, data=0)
    await bench.drain()
    await bench.loop.until(lambda: not bench.host.waiting, what="counts amid work")
    await bench.compare_cells()
