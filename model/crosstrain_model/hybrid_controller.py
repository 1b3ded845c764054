"""The digital half of a tile of hybrid weights, bit-true: update stream, L, carries, refresh.

    UPDATE, SPARSE   changes of the host: visits of `hybrid`, row by row; the carries p of a row go to the queue
    PROGRAM          ends a batch: `refresh` counts it, and may find all rows due

The array of the pairs does one row operation at a time, on a row of its own choice among two:

    carry            the oldest row of the queue: SET pulses as `pulse` has them for set-only pairs, slot by slot
    refresh          the next row that is due, from its read to the end of its write-verify

    order            if both wait: the kind that was not done last, so carry and refresh take turns; refresh first
                     after reset

A carry never meets a row between its read and the end of its refresh, and is never lost: it waits in the queue, and
its pulses come on top of what the refresh left.  Visits do not wait for refreshes, as they use array L alone, unless
the queue is full in hardware.  So

    the n-th row of the queue is done after n carries and at most n refreshes
    a row that is due is refreshed after at most `rows` refreshes and as many carries

The model's queue has no end; what it did, and in what order, hardware must be asked for: its array answers in its time.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.design_verify import Verify
from crosstrain_model.hybrid import Int64, Masks, round_changes, visited_groups
from crosstrain_model.hybrid_batch import add_rows
from crosstrain_model.hybrid_cells import CellMemory, make
from crosstrain_model.pulse import PulseSettings, row_commands
from crosstrain_model.random_streams import Stream, restored_words
from crosstrain_model.refresh import Refreshed, RefreshQueue, refresh_row
from crosstrain_model.registers import find, register_table
from crosstrain_model.update_stream import check_changes
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS
from crosstrain_model.write_verify import Row, VerifySettings, WriteVerify

COUNTERS = ("vectors", "visits", "wrong", "carry_rows", "carry_pulses", "refresh_rows", "refreshed", "refresh_failed")
"""Frames; groups that frames visited; SPARSE beats dropped; rows and SET pulses of carries that were done; rows that
were refreshed, pairs that were programmed anew, rows whose read failed."""
PULSES = ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset")
"""Registers of pulses: of carries, of the RESETs of a refresh, and of L in devices."""
State = dict[str, npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Carry:
    """A row of carries."""

    row: int
    counts: Int64
    """[columns] Signed pulses: on G+ where positive, on G- where negative."""


class HybridController:
    """One tile's digital half; `hybrid_cells.make` makes what holds its L.

    design : of a scheme with hybrid weights; it has the reset values of the registers
    waiting : carries that are not done yet, oldest first
    refreshed_last : whether the last row operation was a refresh
    pulse : registers of pulses
    count_cells : also an L in SRAM counts the pulses that binary devices would have been given
    """

    def __init__(self, design: Design, *, tile: int = 0, count_cells: bool = False):
        self.design, self.hybrid = design, design.hybrid
        self.memory = make(design, count_cells=count_cells)
        self.rounding = Stream(design, "rounding", tile)
        self.verify = WriteVerify(design)
        self.refresh = RefreshQueue(design.array.rows)
        self.refresh_every, self.saturation = self.hybrid.refresh_every, self.hybrid.saturation
        self.waiting: collections.deque[Carry] = collections.deque()
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.refreshed_last = False
        self._set_pulse(PulseSettings.of(design))
        self._table = register_table(design)

    def _set_pulse(self, pulse: PulseSettings) -> None:
        self.pulse = pulse
        if isinstance(self.memory, CellMemory):
            self.memory.pulse = pulse

    def configure(self, **registers: int) -> None:
        """Write registers by their names in lower case.

        Raises ValueError for what a register would refuse, KeyError for one that is not there.
        """
        for name, value in registers.items():
            register = find(self._table, name.upper())
            if not register.minimum <= value <= register.maximum:
                raise ValueError(f"HybridController.{name} = {value}: must be {register.minimum}..{register.maximum}")
        self.refresh_every = registers.get("refresh_every", self.refresh_every)
        self.saturation = registers.get("saturation", self.saturation)
        fields = {field.name for field in dataclasses.fields(VerifySettings)}
        own = {name: value for name, value in registers.items() if name in fields}
        self.verify.settings = dataclasses.replace(self.verify.settings, **own)
        pulses = {name: value for name, value in registers.items() if name in PULSES}
        self._set_pulse(dataclasses.replace(self.pulse, **pulses))

    # ---- frames ----

    def update(self, changes: npt.ArrayLike, cells: Row | None = None) -> None:
        """An UPDATE frame: changes [k, columns] of the first k rows; cells: array L, where it holds L."""
        given, array = check_changes(self.design, changes), self.design.array
        if given.ndim != 2 or given.shape[1] != array.columns or len(given) > array.rows:
            raise ValueError(f"update has shape {given.shape}: must be [0..{array.rows}, {array.columns}]")
        self._visit(np.arange(len(given)), given, visited_groups(self.design, given), cells)
        self.counts["vectors"] += 1

    def update_cells(
        self, rows: npt.ArrayLike, columns: npt.ArrayLike, changes: npt.ArrayLike, cells: Row | None = None
    ) -> None:
        """A SPARSE frame: rows, columns, changes [n], in order, each a visit of its group."""
        array = self.design.array
        given = check_changes(self.design, changes).tolist()
        for row, column, change in zip(np.asarray(rows).tolist(), np.asarray(columns).tolist(), given, strict=True):
            if not (0 <= row < array.rows and 0 <= column < array.columns):
                self.counts["wrong"] += 1
                continue
            line = np.zeros((1, array.columns), np.int64)
            line[0, column] = change
            group = np.arange(array.groups)[None, :] == column // array.lanes
            self._visit(np.array([row]), line, group, cells)
        self.counts["vectors"] += 1

    def _visit(self, rows: npt.NDArray[np.intp], changes: Int64, groups: Masks, cells: Row | None) -> None:
        self.counts["visits"] += int(groups.sum())
        carries = add_rows(self.memory, rows, round_changes(self.design, changes, groups, self.rounding), cells)
        for place in np.flatnonzero(carries.any(axis=1)).tolist():
            self.waiting.append(Carry(row=int(rows[place]), counts=carries[place]))

    def batch(self) -> None:
        """A PROGRAM frame."""
        self.refresh.batch(self.refresh_every)

    # ---- the array of the pairs ----

    def step(self, pairs: Row, *, refreshes: bool | None = None) -> Carry | Refreshed | None:
        """The next row operation on the array of the pairs; None: nothing waits.  refreshes: whether it is a refresh,
        as hardware was seen to choose, whose queue holds fewer rows; None: as the rule has it."""
        carries = bool(self.waiting) and (self.refreshed_last or not self.refresh.due.any())
        if carries if refreshes is None else not refreshes:
            self.refreshed_last = False
            return self._carry(pairs, self.waiting.popleft())
        row = self.refresh.next_row()
        if row is None:
            return None
        self.refreshed_last = True
        done = refresh_row(self.verify, pairs, row, self.saturation, self.pulse)
        self.counts["refresh_rows"] += 1
        self.counts["refreshed"] += int(done.pairs.sum())
        self.counts["refresh_failed"] += done.failed
        return done

    def drain(self, pairs: Row) -> list[Carry | Refreshed]:
        """Row operations until nothing waits, in their order."""
        done: list[Carry | Refreshed] = []
        while (operation := self.step(pairs)) is not None:
            done.append(operation)
        return done

    def _carry(self, pairs: Row, carry: Carry) -> Carry:
        self.counts["carry_rows"] += 1
        for command in row_commands(self.design, carry.row, carry.counts, self.pulse):
            self.counts["carry_pulses"] += command.pulses
            for slot in command.slots:
                pairs.pulse_row(carry.row, slot, direction=command.direction, amplitude=command.amplitude)
        return carry

    # ---- checkpoints ----

    def state(self) -> State:
        """All that the future depends on, and the counters, as arrays."""
        rows = np.array([carry.row for carry in self.waiting], np.int64)
        counts = np.array([carry.counts for carry in self.waiting], np.int64)
        return {
            **{f"memory.{name}": value for name, value in self.memory.state().items()},
            **self.refresh.state(),
            "rounding": np.array(self.rounding.state, np.int64),
            "waiting_rows": rows,
            "waiting_counts": counts.reshape(len(rows), self.design.array.columns),
            "cells": self.verify.cells.copy(),
            "settings": np.array([self.refresh_every, self.saturation, self.refreshed_last], np.int64),
            "verify_settings": np.array(dataclasses.astuple(self.verify.settings), np.int64),
            "pulse_settings": _pulses(self.pulse),
            "counters": np.array([*self.counts.values()], np.int64),
            "verify_counters": np.array([*self.verify.counts.values()], np.int64),
        }

    def restore(self, state: State) -> None:
        """Continue from `state()` of an equal controller, to the same bits."""
        where, design = "HybridController.restore", self.design
        most, size = design.update.max_pulses, len(state.get("waiting_rows", ()))
        rows = state_checks.integers(where, state, "waiting_rows", (size,), (0, design.array.rows - 1))
        counts = state_checks.integers(where, state, "waiting_counts", (size, design.array.columns), (-most, most))
        top = (1 << design.verify.cell_bits) - 1
        cells = state_checks.integers(where, state, "cells", self.verify.cells.shape, (0, top))
        bounds = {"every": (0, 2**16 - 1), "saturation": (0, (1 << design.formats.adc) - 1), "refreshed_last": (0, 1)}
        settings = state_checks.numbers(where, state, "settings", bounds)
        fields = {field.name: field.metadata for field in dataclasses.fields(Verify)}
        verify_bounds = {
            name: (fields[name]["low"], fields[name]["high"])
            for name in (field.name for field in dataclasses.fields(VerifySettings))
        }
        verify_settings = VerifySettings(**state_checks.numbers(where, state, "verify_settings", verify_bounds))
        registers = {name: find(self._table, name.upper()) for name in PULSES}
        pulse_bounds = {name: (register.minimum, register.maximum) for name, register in registers.items()}
        pulses = state_checks.numbers(where, state, "pulse_settings", pulse_bounds)
        counters = state_checks.counters(where, state, "counters", COUNTERS)
        verify_counters = state_checks.counters(where, state, "verify_counters", VERIFY_COUNTERS)
        words = restored_words(where, state, "rounding", design)
        self.memory.restore({n.removeprefix("memory."): v for n, v in state.items() if n.startswith("memory.")})
        self.refresh.restore(where, state)
        self.rounding.state = words
        self.waiting = collections.deque(Carry(row=int(r), counts=p) for r, p in zip(rows, counts, strict=True))
        self.verify.cells[...], self.verify.settings = cells, verify_settings
        self._set_pulse(dataclasses.replace(self.pulse, **pulses))
        self.refresh_every, self.saturation = settings["every"], settings["saturation"]
        self.refreshed_last = bool(settings["refreshed_last"])
        self.counts, self.verify.counts = counters, verify_counters


def _pulses(pulse: PulseSettings) -> Int64:
    """Of the registers in `PULSES`, as a state has them."""
    return np.array([getattr(pulse, name) for name in PULSES], np.int64)
