"""The controller of a tile whose changes come from the host, bit-true: update stream, accumulators, copy, write-verify.

    UPDATE, SPARSE   changes of `update_stream`, added to dW; their rows are touched (`schedule`)
    PROGRAM          a pass over the touched rows, ascending: `threshold` (max_pulses 1, remainder "clear"), then
                     `weight_copy`; a row with flagged devices goes to `write_verify`, in order, before the next
    FORM             forming of a row by `write_verify`

The array hears of a row only in its turn, so its events come in the order of the rows.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks, threshold, update_stream, weight_copy
from crosstrain_model.design import Design
from crosstrain_model.registers import find, register_table
from crosstrain_model.schedule import Schedule
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS
from crosstrain_model.write_verify import Row, VerifySettings, WriteVerify
from crosstrain_model.write_verify_batch import program_row

COUNTERS = ("vectors", "visits", "clipped", "clamped")
"""Names of the counters beside those of write-verify, unbounded here; registers show them modulo 2^32."""
State = dict[str, npt.NDArray[Any]]


class StreamController:
    """One tile's digital half.

    dw, copy : int32 [rows, columns], accumulators and digital weights
    verify : the state machine, with its settings, counters and counts of pulses
    """

    def __init__(self, design: Design):
        self.design = design
        self._table = register_table(design)
        shape = (design.array.rows, design.array.columns)
        self.dw, self.copy = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self.schedule = Schedule.of(design)
        self.verify = WriteVerify(design)
        self.theta, self.limit, self.base = design.update.threshold, design.verify.range, design.verify.base
        self.vectors = self.visits = self.clipped = self.clamped = 0
        self.last: list[tuple[int, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]] = []
        """Of the last pass: row, devices flagged, devices given up."""

    def configure(self, **registers: int) -> None:
        """Write registers by their names in lower case; `threshold` is theta itself, and touches all rows.

        Raises ValueError for what a register would refuse, KeyError for one that is not there.
        """
        own = {"threshold": "theta", "range": "limit", "base": "base"}
        for name, value in registers.items():
            low, high = self._bounds(name)
            if not low <= value <= high:
                raise ValueError(f"StreamController.{name} = {value}: must be {low}..{high}")
        for name, value in registers.items():
            if name in own:
                setattr(self, own[name], value)
            elif name in {field.name for field in dataclasses.fields(VerifySettings)}:
                self.verify.settings = dataclasses.replace(self.verify.settings, **{name: value})
        if "threshold" in registers:
            self.schedule.touch_all()

    def update(self, changes: npt.ArrayLike) -> None:
        """An UPDATE frame: changes [k, columns] of the first k rows."""
        self._count(update_stream.add_matrix(self.design, self.dw, changes))

    def update_cells(self, rows: npt.ArrayLike, columns: npt.ArrayLike, changes: npt.ArrayLike) -> None:
        """A SPARSE frame: rows, columns, changes [n]."""
        self._count(update_stream.add_cells(self.design, self.dw, rows, columns, changes))

    def _count(self, added: update_stream.Added) -> None:
        self.vectors += 1
        self.visits += added.visits
        self.clipped += added.clips
        self.schedule.vectors(added.touched, 1, 0)

    def program(self, array: Row) -> int:
        """A program pass; how many devices moved or were given up."""
        rows = self.schedule.begin_pass()
        self.last = []
        if not len(rows):
            return 0
        before = self.dw[rows]
        p, after, left = threshold.compare(self.design, before, self.theta)
        self.dw[rows] = after
        self.schedule.end_pass(rows, np.asarray(left.any(axis=1)))
        for row, dw, counts in zip(rows, before, p, strict=True):
            if not counts.any():
                continue
            asked = weight_copy.hit(self.copy[row], dw, counts, limit=self.limit, base=self.base)
            self.copy[row] = asked.copy
            self.clamped += asked.clamped
            if asked.flagged.any():
                lost = program_row(self.verify, array, int(row), asked.flagged, asked.targets)
                self.last.append((int(row), asked.flagged, lost))
        return sum(int(flagged.sum()) for _, flagged, _ in self.last)

    def form(self, array: Row, row: int) -> int:
        """A FORM frame; how many devices were given up."""
        return int(self.verify.form(array, row).sum())

    def load(self, *, dw: npt.ArrayLike | None = None, copy: npt.ArrayLike | None = None) -> None:
        """Write all accumulators, or the whole copy, [rows, columns]; accumulators touch all rows."""
        if copy is not None:
            self.copy[:] = np.asarray(copy)
        if dw is not None:
            self.dw[:] = np.asarray(dw)
            self.schedule.touch_all()

    def counters(self) -> dict[str, int]:
        """Every counter by its name."""
        return {name: int(getattr(self, name)) for name in COUNTERS} | self.verify.counts

    def state(self) -> State:
        """All that the future depends on, and the counters, as arrays."""
        settings = [self.theta, self.limit, self.base, *dataclasses.astuple(self.verify.settings)]
        return {
            "dw": self.dw.copy(),
            "copy": self.copy.copy(),
            "cells": self.verify.cells.copy(),
            "touched": self.schedule.touched.copy(),
            "since_pass": np.array(self.schedule.since_pass, np.int64),
            "settings": np.array(settings, np.int64),
            "counters": np.array([*self.counters().values()], np.int64),
        }

    def restore(self, state: State) -> None:
        """Continue from `state()` of an equal controller, to the same bits."""
        where, design = "StreamController.restore", self.design
        dw = state_checks.signed(where, state, "dw", self.dw.shape, design.formats.accumulator)
        copy = state_checks.signed(where, state, "copy", self.copy.shape, design.copy_bits)
        cells = self.verify.cells
        cells = state_checks.integers(where, state, "cells", cells.shape, (0, (1 << design.verify.cell_bits) - 1))
        fields = ("range", "base", *(field.name for field in dataclasses.fields(VerifySettings)))
        bounds = {"theta": (1, threshold.theta_limit(design)), **{name: self._bounds(name) for name in fields}}
        settings = state_checks.numbers(where, state, "settings", bounds)
        counts = state_checks.counters(where, state, "counters", (*COUNTERS, *VERIFY_COUNTERS))
        self.schedule.restore(where, state)
        self.dw[:], self.copy[:], self.verify.cells[...] = dw, copy, cells
        self.theta, self.limit, self.base = (settings.pop(name) for name in ("theta", "range", "base"))
        self.verify.settings = VerifySettings(**settings)
        for name in COUNTERS:
            setattr(self, name, counts.pop(name))
        self.verify.counts = counts

    def _bounds(self, name: str) -> tuple[int, int]:
        """What the register of a setting takes."""
        register = find(self._table, name.upper())
        return register.minimum, register.maximum
