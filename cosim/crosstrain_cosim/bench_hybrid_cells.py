"""Regression of L in binary devices: visits of rows in, reads, pulses and carries out, on cells that stick and fail.

The model is fed with the visits that the pins show; every read, pulse, carry and count must be its own, in order.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe, packed, unpacked
from crosstrain_hdl.hybrid_ports import q_bits
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.hybrid_cells import CellMemory
from crosstrain_model.hybrid_memory import COUNTERS
from crosstrain_model.port import Status
from crosstrain_model.pulse import SET

ROWS = 30
PULSES = {"width_set": 7, "width_reset": 11, "guard": 2, "amplitude_set": 0x5000, "amplitude_reset": 0xA000}
"""Registers of pulses: SET and RESET differ in all that they may."""
BAD = (Status.TIMEOUT, Status.ABORTED, Status.PROTOCOL, Status.VERIFY)


class Devices:
    """Binary devices, what they were asked and what came of it: the model asks first, then the hardware the same."""

    def __init__(self, rng: Any, *, stuck: float, failing: float):
        design = harness.design()
        numbers = np.random.default_rng(rng.getrandbits(32))
        shape = (design.array.rows, design.array.columns * design.hybrid.bits)
        self.cells, self.groups = design.array.lanes * design.hybrid.bits, design.array.groups
        self.bits, self.free = numbers.random(shape) < 0.5, numbers.random(shape) >= stuck
        self.rng, self.failing = rng, failing
        self.events: deque[tuple[Any, ...]] = deque()

    def sense_row(self, row: int, groups: Any) -> Any:
        """None where it fails."""
        fails = self.rng.random() < self.failing
        bits = np.zeros(self.cells * self.groups, np.int64)
        bits[: self.bits.shape[1]] = self.bits[row]
        self.events.append(("read", row, packed(groups, 1), bits.tolist(), fails))
        return None if fails else bits[: self.bits.shape[1]] * np.repeat(groups, self.cells)[: self.bits.shape[1]]

    def pulse_row(self, row: int, columns: Any, *, direction: int, amplitude: Any, form: bool = False) -> None:
        """One pulse, which may not come."""
        comes = self.rng.random() >= self.failing
        self.events.append(("pulse", row, packed(columns, 1), direction, comes))
        if comes:
            self.bits[row] = np.where(columns & self.free[row], bool(direction), self.bits[row])


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float, *, stuck: float = 0.0, failing: float = 0.0):
        self.dut, self.design, self.rng, self.gaps = dut, harness.design(), harness.generator(f"visits {name}"), gaps
        self.devices = Devices(harness.generator(f"devices {name}"), stuck=stuck, failing=failing)
        self.model, self.loop, self.strobe = CellMemory(self.design), Loop(dut), Strobe(dut)
        rng = harness.generator(f"gaps {name}")
        self.gap = rng
        array = self.design.array
        self.q = np.zeros(array.groups * array.lanes, np.int64)
        self.row = 0
        self.due: deque[tuple[int, list[int]]] = deque()
        self.carries = np.zeros_like(self.q)
        self.clips = self.clipped = self.told = 0
        self.waits = False
        self.paces = self.taken = 0  # cycles for which `pacing` is due
        self.open: tuple[Any, ...] | None = None
        self.slot_taken = False
        for part in (
            Monitor(dut, "r", ("row", "group", "q", "visit", "row_end"), self._visit),
            Monitor(dut, "q", ("row", "groups"), self._read),
            Monitor(dut, "p", ("row", "direction", "width", "amplitude", "pulses"), self._command),
            Monitor(dut, "slot", ("columns", "last"), self._slot),
            Monitor(dut, "qr", ("status",), self._over),
            self,
        ):
            self.loop.monitor(part)
        self.visits = self.loop.driver(Source(dut, "r", rng, gaps))
        self.words, self.results = Source(dut, "qa", rng, gaps), Source(dut, "qr", rng, gaps)
        self.loop.driver(Sink(dut, "w", rng, gaps))
        for driver in (self.words, self.results, Hand(self), self.strobe):
            self.loop.driver(driver)

    def _visit(self, seen: dict[str, int]) -> None:
        """A visit was taken: the model visits the row with its end."""
        lanes = self.design.array.lanes
        if seen["visit"]:
            part = slice(seen["group"] * lanes, (seen["group"] + 1) * lanes)
            self.q[part], self.row = unpacked(seen["q"], q_bits(self.design), lanes), seen["row"]
        if seen["row_end"] and self.q.any():
            columns, clipped = self.design.array.columns, self.model.ledger["clipped"]
            before = clipped.copy()
            carries = self.model.add_rows(np.array([self.row]), self.q[None, :columns].copy(), self.devices)[0]
            self.clips += int(np.count_nonzero(clipped != before))
            if carries.any():
                self.due.append((self.row, carries.tolist()))
            self.q[:] = 0

    def _next(self, kind: str, row: int) -> tuple[Any, ...]:
        events = self.devices.events
        event = events.popleft() if events else ("nothing", -1)
        if not harness.report.same("event", (kind, row), event[:2]):
            raise AssertionError(f"{kind} of row {row} where the model has {event[0]} of row {event[1]}")
        return event

    def _read(self, seen: dict[str, int]) -> None:
        self.open = event = self._next("read", seen["row"])
        harness.report.same("q_groups", seen["groups"], event[2], row=seen["row"])
        cells = self.devices.cells
        due = [group for group in range(self.design.array.groups) if event[2] >> group & 1]
        due = due[: self.rng.randrange(len(due) + 1)] if event[4] else due
        for group in due:
            self.words.put(cells=packed(event[3][cells * group : cells * (group + 1)], 1))
        self.status = int(self.rng.choice(BAD if event[4] else (Status.OK, Status.SATURATED)))

    def _command(self, seen: dict[str, int]) -> None:
        self.open = event = self._next("pulse", seen["row"])
        self.slot_taken = False
        kind = "set" if event[3] == SET else "reset"
        due = {"direction": event[3], "pulses": event[2].bit_count()}
        due |= {name: PULSES[f"{name}_{kind}"] for name in ("width", "amplitude")}
        for name, value in due.items():
            harness.report.same(f"p_{name}", seen[name], value, row=seen["row"])

    def _slot(self, seen: dict[str, int]) -> None:
        assert self.open is not None
        harness.report.same("slot_columns", seen["columns"], self.open[2])
        self.slot_taken = True
        self.taken = PULSES["width_set" if self.open[3] == SET else "width_reset"] + PULSES["guard"]

    def _over(self, seen: dict[str, int]) -> None:
        self.open = None

    def edge(self) -> None:
        """Carries, the end of their row, rows that are dropped, clips, events of cells that failed; busy all along."""
        dut, lanes = self.dut, self.design.array.lanes
        if int(dut.w_valid.value):
            group = int(dut.w_group.value)
            self.carries[group * lanes : (group + 1) * lanes] = unpacked(int(dut.w_word.value), COUNT_BITS, lanes)
            self.carried_row = int(dut.w_row.value)
        if int(dut.w_drop.value):
            self.carries[:] = 0
        if int(dut.clip_valid.value):
            self.clipped += int(dut.clip_count.value)
        self.told += int(dut.failed_event.value)
        if self.waits and not int(dut.busy.value):
            harness.report.same("busy while a row waits", 0, 1)
        self.waits = bool(self.devices.events)
        if self.paces and not int(dut.pacing.value):
            harness.report.same("pacing behind a slot", 0, 1)
        self.paces, self.taken = self.taken - 1 if self.taken else max(0, self.paces - 1), 0
        if int(dut.w_end.value) and self.carries.any():
            due = self.due.popleft() if self.due else None
            seen = (self.carried_row, self.carries[: self.design.array.columns].tolist())
            harness.report.same("carries", seen, due)
            self.carries[:] = 0

    async def begin(self) -> None:
        """Reset, and the sweep of the counts behind it."""
        await harness.start(self.dut, **PULSES)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of the sweep")

    def put_row(self) -> None:
        """A row at random."""
        rng, array, bits = self.rng, self.design.array, q_bits(self.design)
        row, half = rng.randrange(array.rows), 1 << (bits - 1)
        shift = rng.randrange(bits)
        last = array.columns - (array.groups - 1) * array.lanes
        for group in range(array.groups):
            lanes = last if group == array.groups - 1 else array.lanes
            q = [rng.randrange(-half, half) >> shift if rng.random() < 0.5 else 0 for _ in range(lanes)]
            end = int(group == array.groups - 1)
            if any(q):
                self.visits.put(row=row, group=group, q=packed(q, bits), visit=1, row_end=end)
            elif end:
                self.visits.put(row=row, group=group, q=0, visit=0, row_end=1)

    async def drain(self) -> None:
        """Until nothing waits; nothing may be missing, and all that is counted is equal."""
        busy = self.dut.busy
        await self.loop.until(lambda: not self.visits.waiting and not int(busy.value), what="end of the visits")
        await self.loop.steps(4)
        await self.loop.until(lambda: not int(busy.value), what="rest")
        same = harness.report.same
        same("missing reads and pulses", 0, len(self.devices.events))
        same("missing carries", 0, len(self.due))
        same("clips", self.clipped, self.clips)
        same("failed_event", self.told > 0, self.model.counts["failed"] > 0)
        for name in COUNTERS:
            same(name, int(getattr(self.dut, name).value), self.model.counts[name])
        for pulses, rows in ((self.model.column_pulses, False), (self.model.row_pulses, True)):
            for place in range(0, len(pulses[0]), max(1, len(pulses[0]) // 40)):
                await self._wear(place, rows, [int(part[place]) for part in pulses])

    async def _wear(self, place: int, rows: bool, wanted: list[int]) -> None:
        """Counts of pulses, read by the host."""
        dut, bits, lanes = self.dut, self.design.hybrid.bits, self.design.array.lanes
        column = 0 if rows else place // bits
        where = {"of_row": int(rows), "row": place if rows else 0, "group": column // lanes, "lane": column % lanes,
                 "bit": 0 if rows else place % bits}  # fmt: skip
        for name, value in where.items():
            getattr(dut, f"x_{name}").value = value
        self.strobe.fire(x_valid=1)
        await self.loop.until(lambda: int(dut.y_valid.value) == 1, what="counts of pulses")
        seen = [int(dut.y_sets.value), int(dut.y_resets.value)]
        harness.report.same("SET and RESET pulses", seen, wanted, row=int(rows), column=place)
        await self.loop.step()


class Hand:
    """The sequencer's side: takes reads and commands one at a time, after random gaps."""

    def __init__(self, bench: Bench):
        self.bench = bench

    def edge(self) -> None:
        bench, dut = self.bench, self.bench.dut
        event, lucky = bench.open, bench.gap.random() >= bench.gaps
        if event is not None and event[0] == "read" and not bench.words.waiting and not bench.results.waiting:
            bench.results.put(status=bench.status)
        pulsing = event is not None and event[0] == "pulse"
        if pulsing and event is not None and (bench.slot_taken or not event[4]) and lucky:
            bench.strobe.fire(over=1)
            bench.open, pulsing = None, False
        goes = pulsing and event is not None and event[4] and not bench.slot_taken and lucky
        dut.slot_ready.value = int(goes)
        dut.q_ready.value = dut.p_ready.value = int(bench.open is None and lucky)


async def at_random(dut: Any, name: str, gaps: float, **faults: float) -> CellMemory:
    """Rows at random."""
    bench = Bench(dut, name, gaps, **faults)
    await bench.begin()
    for _ in range(2):
        for _ in range(harness.amount(ROWS, 8)):
            bench.put_row()
        await bench.drain()
    harness.report.same("imbalance of L", int(np.abs(bench.model.imbalance()).max()), 0)
    return bench.model


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps."""
    model = await at_random(dut, "dense", 0.0)
    harness.report.same("failed cells", model.counts["failed"], 0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps on every stream; carries are held back."""
    await at_random(dut, "gaps", 0.5)


@harness.bench()
async def cells_that_keep_their_bit(dut: Any) -> None:
    """L goes on from what they say; a read-back counts them."""
    model = await at_random(dut, "stuck", 0.1, stuck=0.3)
    harness.report.same("counted", model.counts["failed"] > 0, harness.design().hybrid.read_back)


@harness.bench()
async def reads_and_pulses_that_fail(dut: Any) -> None:
    """Changes are dropped with a read; a pulse that does not come is a failed cell."""
    model = await at_random(dut, "faults", 0.2, failing=0.15)
    harness.report.same("changes were dropped", model.counts["dropped"] > 0, True)
