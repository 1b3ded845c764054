"""What the bench of write-verify puts around it: the model with an array, the sequencer's side, rows of targets.

The model is fed with the rows that the pins show, and programs its array at once; the reads and pulses that it did are
then what the hardware must ask for, in order, and the codes it read are what the hardware gets.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_cosim import harness
from crosstrain_cosim.event import amplitude_of, amplitude_on_pins
from crosstrain_cosim.streams import Source, Strobe, packed
from crosstrain_model.design import Design
from crosstrain_model.port import Op, Status
from crosstrain_model.write_verify import Amplitude, Row, WriteVerify

Masks = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]


class Steps:
    """Devices that move by random steps and are read with noise; some stand still."""

    def __init__(self, design: Design, seed: int, *, stuck: float = 0.05):
        self.design, self.rng = design, np.random.default_rng(seed)
        shape = (design.array.rows, design.array.device_columns)
        self.full = (1 << design.formats.adc) - 1
        self.g = self.rng.uniform(0.1, 0.5, shape) * self.full
        self.free: Masks = self.rng.random(shape) >= stuck

    def sense_row(self, row: int, groups: Masks) -> Codes | None:
        """One read."""
        codes = np.rint(self.g[row] + self.rng.normal(0.0, 0.5, self.g.shape[1]))
        named = np.repeat(groups, 2 * self.design.array.lanes)[: len(codes)]
        answer: Codes = np.where(named, np.clip(codes, 0, self.full), 0).astype(np.int32)
        return answer

    def pulse_row(
        self, row: int, columns: Masks, *, direction: int, amplitude: Amplitude, form: bool = False
    ) -> object:
        """One pulse."""
        size = self.rng.uniform(0.0, 0.06 * self.full, len(columns)) * (0.3 + amplitude / 65536.0)
        moved = np.where(columns & self.free[row], size if direction else -size, 0.0)
        self.g[row] = np.clip(self.g[row] + moved, 0, self.full)
        return None


class Fixed:
    """Devices with codes that somebody set, row by row; pulses do nothing."""

    def __init__(self, design: Design):
        self.design = design
        self.codes: Codes = np.zeros((design.array.rows, design.array.device_columns), np.int32)

    def sense_row(self, row: int, groups: Masks) -> Codes | None:
        """One read."""
        named = np.repeat(groups, 2 * self.design.array.lanes)[: self.codes.shape[1]]
        answer: Codes = np.where(named, self.codes[row], 0).astype(np.int32)
        return answer

    def pulse_row(
        self, row: int, columns: Masks, *, direction: int, amplitude: Amplitude, form: bool = False
    ) -> object:
        """Nothing."""
        return None


@dataclasses.dataclass(kw_only=True)
class Event:
    """A read or a pulse that the model did."""

    kind: str
    row: int
    named: int
    """Groups of a read, devices of a pulse, as bits."""
    codes: Codes | None = None
    direction: int = 0
    amplitude: int | tuple[int, ...] = 0
    form: bool = False
    comes: bool = True
    """A pulse; without it the command ends before its slot."""


class Reference:
    """The model beside the pins."""

    def __init__(self, array: Row, rng: Any, *, failing: float = 0.0):
        self.design = harness.design()
        self.model, self.array, self.rng, self.failing = WriteVerify(self.design), array, rng, failing
        self.events: deque[Event] = deque()
        self.rows = 0
        self._flags: list[int] = []
        self._targets: list[int] = []

    def group(self, seen: dict[str, int]) -> None:
        """A group of a row; the row is programmed with its last one."""
        devices, bits = 2 * self.design.array.lanes, self.design.copy_bits
        self._flags += [seen["flags"] >> place & 1 for place in range(devices)]
        self._targets += [seen["targets"] >> place * bits & ((1 << bits) - 1) for place in range(devices)]
        if seen["last"]:
            columns = self.design.array.device_columns
            flagged, targets = np.array(self._flags[:columns], bool), np.array(self._targets[:columns], np.int64)
            self._flags, self._targets = [], []
            if flagged.any():
                self.rows += 1
                self.model.program(self, seen["row"], flagged, targets)

    def form(self, row: int) -> None:
        """A row to form was taken."""
        self.rows += 1
        self.model.form(self, row)

    def sense_row(self, row: int, groups: Masks) -> Codes | None:
        """The array, with reads that fail, written down."""
        codes = self.array.sense_row(row, groups)
        if self.rng.random() < self.failing:
            codes = None
        self.events.append(Event(kind="read", row=row, named=packed(groups, 1), codes=codes))
        return codes

    def pulse_row(
        self, row: int, columns: Masks, *, direction: int, amplitude: Amplitude, form: bool = False
    ) -> object:
        """The array, with pulses that do not come, written down."""
        comes = self.rng.random() >= self.failing
        self.events.append(Event(kind="pulse", row=row, named=packed(columns, 1), direction=direction,
                                 amplitude=amplitude_of(amplitude), form=form, comes=comes))  # fmt: skip
        return comes and self.array.pulse_row(row, columns, direction=direction, amplitude=amplitude, form=form)


class Sequencer:
    """The sequencer's side: one read or command at a time, each taken and answered after random gaps."""

    def __init__(self, dut: Any, rng: Any, gaps: float, reference: Reference, strobe: Strobe):
        self.dut, self.rng, self.gaps, self.reference, self.strobe = dut, rng, gaps, reference, strobe
        self.design = harness.design()
        self.words, self.results = Source(dut, "qa", rng, gaps), Source(dut, "qr", rng, gaps)
        self.open: Event | None = None
        self.slot_taken = False
        self.status = 0
        self.count = 0
        self.aborting = False
        """Nothing is taken."""

    def _next(self, kind: str, row: int) -> Event:
        """The model's event, which must be of this kind; a bench that lost its way ends."""
        self.count += 1
        events = self.reference.events
        event = events.popleft() if events else Event(kind="nothing", row=-1, named=0)
        if not harness.report.same("event", (kind, row), (event.kind, event.row), vector=self.count):
            raise AssertionError(f"{kind} of row {row} where the model has {event.kind} of row {event.row}")
        return event

    def read(self, seen: dict[str, int]) -> None:
        """A read was taken: its words and its result are on their way."""
        self.open = event = self._next("read", seen["row"])
        harness.report.same("q_groups", seen["groups"], event.named, vector=self.count, row=event.row)
        array, adc = self.design.array, self.design.formats.adc
        failed = event.codes is None
        codes = [self.rng.getrandbits(adc) for _ in range(2 * array.lanes * array.groups)]  # also beyond the columns
        if event.codes is not None:
            codes[: array.device_columns] = event.codes.tolist()
        due = [group for group in range(array.groups) if event.named >> group & 1]
        if failed:
            due = due[: self.rng.randrange(len(due) + 1)]
        for group in due:
            word = packed(codes[2 * array.lanes * group : 2 * array.lanes * (group + 1)], adc)
            self.words.put(codes=word, last=int(group == due[-1]))
        bad = (Status.TIMEOUT, Status.ABORTED, Status.PROTOCOL, Status.VERIFY, Status.INTERLOCK)
        self.status = int(self.rng.choice(bad if failed else (Status.OK, Status.SATURATED)))

    def command(self, seen: dict[str, int]) -> None:
        """A pulse command was taken."""
        self.open = event = self._next("pulse", seen["row"])
        where = {"vector": self.count, "row": event.row}
        harness.report.same("p_direction", seen["direction"], event.direction, **where)
        told = amplitude_on_pins(self.design, seen["amplitude"])
        harness.report.same("p_amplitude", told, event.amplitude, **where)
        harness.report.same("p_op", seen["op"], int(Op.FORM if event.form else Op.PROGRAM), **where)
        harness.report.same("p_pulses", seen["pulses"], event.named.bit_count(), **where)
        self.slot_taken = False

    def slot(self, seen: dict[str, int]) -> None:
        """The slot was taken."""
        wanted = self.open.named if self.open and self.open.kind == "pulse" and not self.slot_taken else None
        harness.report.same("slot_columns", seen["columns"], wanted, vector=self.count)
        harness.report.same("slot_last", seen["last"], 1, vector=self.count)
        self.slot_taken = True

    def result(self, seen: dict[str, int]) -> None:
        """The result was taken."""
        self.open = None

    def abort(self) -> None:
        """The host's: what is open ends badly, and nothing more is taken."""
        self.aborting = True
        self.words.withdraw()
        self.status = int(Status.ABORTED)
        if self.open is not None and self.open.kind == "pulse":
            self.open.comes = False

    def edge(self) -> None:
        """Everything after random gaps."""
        event, dut = self.open, self.dut
        if event is not None and event.kind == "read" and not self.words.waiting and not self.results.waiting:
            self.results.put(status=self.status)
        self.words.edge()
        self.results.edge()
        pulsing = event is not None and event.kind == "pulse"
        if pulsing and event is not None and (self.slot_taken or not event.comes) and self.rng.random() >= self.gaps:
            self.strobe.fire(over=1)
            self.open, pulsing = None, False
        goes = pulsing and event is not None and event.comes and not self.slot_taken
        dut.slot_ready.value = int(goes and self.rng.random() >= self.gaps)
        free = self.open is None and not self.aborting and self.rng.random() >= self.gaps
        dut.q_ready.value = dut.p_ready.value = int(free)
