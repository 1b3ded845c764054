"""The model of a controller of hybrid weights beside its pins: frames in, commands and results out.

As with write-verify (`stream_scoreboard`) the model follows the hardware: frames are kept until all work is done, then
the model does them, and where it asks an array for a read or a pulse it gets the next command that the macro has
finished on that array.  No order is promised across arrays; on the array of the pairs the commands tell which came
first, a carry or a refresh, and the model is told.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.event import Event
from crosstrain_cosim.hybrid_agent import HybridAgent
from crosstrain_cosim.hybrid_record import counters_of
from crosstrain_cosim.hybrid_watch import HybridRegisters
from crosstrain_cosim.scoreboard import READS
from crosstrain_cosim.stream_reader import StreamReader
from crosstrain_cosim.stream_scoreboard import GOOD, Finished, StreamReference
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp
from crosstrain_model.hybrid import decode
from crosstrain_model.hybrid_controller import COUNTERS, HybridController
from crosstrain_model.hybrid_memory import COUNTERS as L_COUNTERS
from crosstrain_model.port import ArrayId, Op, Status
from crosstrain_model.pulse import SET
from crosstrain_model.registers_hybrid import L_COUNTERS as L_REGISTERS
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS


class Replay:
    """One array as the model sees it: what the macro did there, command by command."""

    def __init__(self, reference: HybridReference, array: int):
        self.reference, self.array = reference, array
        self.events: deque[Event] = deque()

    def next(self, op: int, row: int) -> Event:
        """The next command that was finished, which must be this one."""
        if not self.events:
            raise Finished
        event, where = self.events.popleft(), self.reference.where(row)
        for name, value in (("op", int(op)), ("row", row)):
            harness.report.same(name, getattr(event, name), value, array=self.array, **where)
        return event

    def sense_row(self, row: int, groups: Any) -> Any:
        event = self.next(Op.READ_ROW, row)
        mask = sum(int(bit) << place for place, bit in enumerate(groups))
        harness.report.same("groups", event.groups, mask, array=self.array, **self.reference.where(row))
        return np.array(event.codes, np.int32) if self.reference.came(event) else None

    def pulse_row(self, row: int, columns: Any, *, direction: int, amplitude: Any, form: bool = False) -> None:
        self.compare(row, columns.astype(int), direction, amplitude)

    def compare(self, row: int, counts: Any, direction: int, amplitude: int) -> None:
        """A PROGRAM of so many pulses for each device column; one that ended early has fired its first slots."""
        event = self.next(Op.PROGRAM, row)
        same, where = harness.report.same, {**self.reference.where(row), "array": self.array}
        same("amplitude", event.amplitude, amplitude, **where)
        same("width", event.width, self.reference.settings.width(direction), **where)
        fired, others = (np.array(part) for part in (event.set_counts, event.reset_counts))
        if direction != SET:
            fired, others = others, fired
        same("pulses of the other direction", int(others.sum()), 0, **where)
        fired = fired[: len(counts)]
        slots = int(counts.max()) if event.status in GOOD else int(fired.max(initial=0))
        same("pulses", fired.tolist(), np.minimum(counts, slots).tolist(), **where)


class Slots:
    """The slots of a carry, added up: the macro is given one command for all."""

    def __init__(self, columns: int):
        self.counts, self.amplitude = np.zeros(columns, np.int64), 0

    def sense_row(self, row: int, groups: Any) -> Any:
        raise AssertionError("a carry reads nothing")

    def pulse_row(self, row: int, columns: Any, *, direction: int, amplitude: Any, form: bool = False) -> None:
        assert direction == SET
        self.counts += columns
        self.amplitude = amplitude


class HybridReference(StreamReference):
    """The model, and what came."""

    model: Any

    def __init__(self, design: Design, agent: HybridAgent):
        self.pairs, self.cells_array = Replay(self, ArrayId.W), Replay(self, ArrayId.L)
        super().__init__(design, agent)  # type: ignore[arg-type]
        calls = {"update": self.update, "cells": self.cells, "program": self.program}
        self.frames = StreamReader(design, read=self.read, **calls)
        self.registers: Any = HybridRegisters(self)

    def reset(self) -> None:
        """Power-up; devices keep what they hold."""
        super().reset()
        self.model = HybridController(self.design)
        self.settings: Any = self.model.pulse
        self.clipped = 0
        self.free = False
        """The host is at L in devices: what it does there is adopted, not followed."""
        self.pairs.events.clear()
        self.cells_array.events.clear()
        self.take_l()

    def take_l(self) -> None:
        """L is what its devices say, as if the host had loaded it."""
        cells, memory = self.agent.cells, self.model.memory
        if cells is not None:
            found = held_by(self.design, cells)
            memory.ledger["initial"] += found - memory.held
            memory.held[...] = found

    def where(self, row: int) -> dict[str, int]:
        """Where in the work we are."""
        return {"vector": self.number, "row": row}

    # ---- what goes in ----

    def update(self, changes: list[list[int]]) -> None:
        self.todo.append(lambda: self._visit(lambda array: self.model.update(changes, array)))

    def cells(self, rows: list[int], columns: list[int], changes: list[int]) -> None:
        self.todo.append(lambda: self._sparse(rows, columns, changes))

    def _sparse(self, rows: list[int], columns: list[int], changes: list[int]) -> None:
        """Beat by beat, so that each that saturates is counted."""
        for row, column, change in zip(rows, columns, changes, strict=True):
            self._visit(lambda array, r=row, c=column, v=change: self.model.update_cells([r], [c], [v], array))
        self.model.counts["vectors"] -= len(rows) - 1

    def _visit(self, work: Any) -> None:
        memory = self.model.memory
        before = memory.ledger["clipped"].copy()
        work(self.cells_array if self.agent.cells is not None else None)
        self.clipped += int(np.count_nonzero(memory.ledger["clipped"] != before))

    def program(self) -> None:
        self.todo.append(self._batch)

    def _batch(self) -> None:
        """A batch ends when no row is due any more."""
        while self.model.refresh.due.any():
            self._step()
        self.model.batch()

    def command(self, word: int) -> None:
        if word & 1:
            self.frames.reset()
            self.aborted = True
        if word & 2:
            self.settle()
            model = self.model
            if self.agent.cells is None:
                model.memory.held[:] = 0
            model.memory.sets[...] = model.memory.resets[...] = 0
            model.refresh.due[:], model.refresh.since = False, 0
        if word & 4:
            self.settle()
            self._count_anew()

    def _count_anew(self) -> None:
        self.clipped = 0
        self.model.counts = dict.fromkeys(COUNTERS, 0)
        self.model.memory.counts = dict.fromkeys(L_COUNTERS, 0)
        self.model.verify.counts = dict.fromkeys(VERIFY_COUNTERS, 0)

    # ---- the arrays ----

    def settle(self) -> None:
        if self.aborted:
            self._forget()
            return
        for event in self.agent.events[self.compared :]:
            (self.cells_array if event.array == ArrayId.L else self.pairs).events.append(event)
        self.compared = len(self.agent.events)
        if self.free:
            self.cells_array.events.clear()
        try:
            while self.todo:
                self.number += 1
                self.todo.popleft()()
            self._drain()
        except Finished:
            harness.report.same("command", "none", "one more", vector=self.number)
            self.todo.clear()
        for replay in (self.pairs, self.cells_array):
            rest = [(event.op, event.row) for event in replay.events]
            harness.report.same("commands that were not due", rest, [], vector=self.number, array=replay.array)
            replay.events.clear()

    def _drain(self) -> None:
        while self.model.waiting or self.model.refresh.due.any():
            self._step()

    def _step(self) -> None:
        """A carry or a refresh: what the next command on the pairs says."""
        if not self.pairs.events:
            raise Finished
        refreshes = self.pairs.events[0].op == Op.READ_ROW
        possible = self.model.refresh.due.any() if refreshes else bool(self.model.waiting)
        if not harness.report.same("a carry or refresh is due", bool(possible), True, vector=self.number):
            raise Finished
        if refreshes:
            self.model.step(self.pairs, refreshes=True)
            return
        slots = Slots(self.design.array.device_columns)
        carry = self.model.step(slots, refreshes=False)
        self.pairs.compare(carry.row, slots.counts, SET, slots.amplitude)

    def _host_read(self, op: FrameOp, codes: tuple[int, ...], tag: int, row: int) -> None:
        self._drain()
        event = self.pairs.next(READS[op], row)
        same, where = harness.report.same, {"vector": self.number, "tag": tag}
        if op == FrameOp.READ_ROW:
            same("groups", event.groups, (1 << self.design.array.groups) - 1, **where)
        result = self.results.popleft() if self.results else {}
        same("result op", result.get("op"), int(op), **where)
        same("result tag", result.get("tag"), tag, **where)
        if event.status not in GOOD or self.came(event):
            same("result status", result.get("status"), int(event.status), **where)
        else:
            same("result status", result.get("status"), int(Status.TIMEOUT), **where)
        if self.came(event):
            same("codes into the array", event.codes[: len(codes)], codes, **where)
            wanted = list(event.codes[len(codes) :])
            same("result codes", self._result_codes(op, result.get("codes", []))[: len(wanted)], wanted, **where)

    def _result_codes(self, op: FrameOp, codes: list[int]) -> list[int]:
        """Unsigned of devices, or signed of weights, which are in the lower half of each beat."""
        if op == FrameOp.READ_ROW:
            return codes
        lanes, half = self.design.array.lanes, 1 << (self.design.formats.adc - 1)
        return [((code & (2 * half - 1)) ^ half) - half for at, code in enumerate(codes) if at % (2 * lanes) < lanes]

    # ---- state ----

    def compare(self, state: dict[str, Any], counters: dict[str, int], *, counts: bool = True) -> None:
        same, model = harness.report.same, self.model
        self.settle()
        for (row, column), value in state["L"].items():
            same("L", value, int(model.memory.held[row, column]), vector=self.number, row=row, column=column)
        for name, part in (("plus", 0), ("minus", 1)):
            for (row, column), value in state.get(name, {}).items():
                same(name, value, int(model.verify.cells[row, 2 * column + part]), vector=self.number, row=row)
        same("rounding", state["rounding"], list(model.rounding.state)[: len(state["rounding"])], vector=self.number)
        same("since", state["since"], model.refresh.since, vector=self.number)
        same("place", state["place"], model.refresh.place, vector=self.number)
        same("refreshed_last", state["refreshed_last"], int(model.refreshed_last), vector=self.number)
        if "wear" in state:
            pulses = {"columns": model.memory.column_pulses, "rows": model.memory.row_pulses}
            wanted = {name: tuple(part.tolist() for part in parts) for name, parts in pulses.items()}
            same("wear", state["wear"], wanted, vector=self.number)
        if counts:
            for name, value in self.counters().items():
                same(name, counters[name], value % 2**32, vector=self.number)
        ended = sum(counters[name] for name in ("delivered", "aborted", "failed", "unknown"))
        same("issued pulses accounted for", ended % 2**32, counters["issued"], vector=self.number)

    def counters(self) -> dict[str, int]:
        """The model's, as the driver names them."""
        return counters_of(self.model, self.agent.cells is not None) | {"clipped": self.clipped}

    def adopt(self, state: dict[str, Any], counters: dict[str, int]) -> None:
        """Take the hardware's state as the model's, after what no rule foresees to the cycle (aborts)."""
        model = self.model
        for cell, value in state["L"].items():
            model.memory.ledger["initial"][cell] += value - model.memory.held[cell]
            model.memory.held[cell] = value
        model.waiting.clear()
        model.refresh.due[:] = False
        model.refresh.since, model.refresh.place = state["since"], state["place"]
        model.refreshed_last = bool(state["refreshed_last"])
        model.rounding.state = [*state["rounding"], *model.rounding.state[len(state["rounding"]) :]]
        for name in COUNTERS:
            model.counts[name] = counters[name]
        model.verify.counts = {name: counters[name] for name in VERIFY_COUNTERS}
        if self.agent.cells is not None:
            model.memory.counts = {of: counters[own.lower()] for of, own in zip(L_COUNTERS, L_REGISTERS, strict=True)}
            self._adopt_wear(state["wear"])
        self.clipped = counters["clipped"]
        self._forget()
        self.aborted = self.free = False

    def _adopt_wear(self, wear: Any) -> None:
        """Sums alone are known: they are put where no sum of the others changes."""
        memory = self.model.memory
        for place, pulses in ((0, memory.sets), (1, memory.resets)):
            pulses[...] = transported(np.array(wear["rows"][place]), np.array(wear["columns"][place]), pulses.shape)

    def _forget(self) -> None:
        super()._forget()
        self.pairs.events.clear()
        self.cells_array.events.clear()


def held_by(design: Design, cells: Any) -> Any:
    """L as the devices of an array are, without an event of the array."""
    bits = (cells.g > cells.threshold) & (cells.stuck >= 0) | (cells.stuck > 0)
    return decode(design.hybrid, bits.reshape(design.array.rows, design.array.columns, -1))


def transported(rows: Any, columns: Any, shape: tuple[int, ...]) -> Any:
    """Counts [rows, columns, bits] with these sums of rows and of device columns, which have one total."""
    left_rows, left, made = rows.copy(), columns.copy(), np.zeros((len(rows), len(columns)), np.int64)
    for row in range(len(rows)):
        for column in range(len(columns)):
            part = min(left_rows[row], left[column])
            made[row, column] = part
            left_rows[row] -= part
            left[column] -= part
    return made.reshape(shape)
