"""Pins, model and stimulus of the bench of write-verify; arrays and the sequencer's side are in `verify_bench`."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Source, Strobe, packed
from crosstrain_cosim.verify_bench import Reference, Sequencer
from crosstrain_hdl.write_verify import settings
from crosstrain_model.write_verify import COUNTERS, Row

BLIND = ("form_width", "width_set", "width_reset", "guard")
"""Registers of which the model knows nothing."""


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
            self.dut.t_row.value = self.rng.randrange(harness.design().array.rows)  # it counts with t_valid alone
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
        """Offers, and the slot taken; what is not empty is busy."""
        dut, cycle = self.dut, self.loop.cycle
        harness.report.same("busy where not empty", int(dut.busy.value) | int(dut.empty.value), 1)
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
        if self.cells:  # the sweep clears, whatever the host's word is
            values["w_data"] = self.rng.getrandbits(2 * self.design.array.lanes * self.design.verify.cell_bits)
        await harness.start(self.dut, **values)
        self.dut.cycles.value = cycles
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the sweep")
        await self.compare_cells()

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
