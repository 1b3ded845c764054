"""What a lockstep with hybrid weights compares, frame by frame and when the state is taken; `hybrid_lockstep` says what
that is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_cosim.hybrid_record import UNHARMED, RecordedTile, Recorder, counters_of, refresh_word
from crosstrain_cosim.lane_arrays import lane_arrays
from crosstrain_cosim.lockstep import Lockstep
from crosstrain_cosim.native import Gathered
from crosstrain_cosim.script import Script
from crosstrain_model.design import Design
from crosstrain_model.hybrid_cells import CellMemory
from crosstrain_model.hybrid_controller import HybridController
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.registers import find, register_table
from crosstrain_model.tile import Ints

FIELDS = ("row", "op", "width", "amplitude", "status", "pulses")


class HybridSides(Lockstep):
    """Both sides of a tile of hybrid weights.

    array, cells : pairs and array L of the Verilog, None where L is a memory; those of the model are `side`'s
    """

    def __init__(self, design: Design, *, seed: int, tile: int, rtl: dict[str, str] | None = None):
        arrays = lane_arrays(design, "numba", seed=seed, tile=tile)
        self.cells: Any = arrays.get(ArrayId.L)
        self.side = RecordedTile(design, seed=seed, tile=tile)
        self.clipped = 0
        """Weights of which the model's clamp took something."""
        self._offset: dict[str, int] = {}
        """Counters of the model when the Verilog's were 0, where that is not 0."""
        self.pulses = 0
        """That the model's commands asked for."""
        self._worn: dict[str, Any] = self._wear()
        """Pulses of array L when the Verilog counted none."""
        super().__init__(design, arrays, tile=tile, rtl=rtl)

    @property
    def controller(self) -> HybridController:
        """The model's, with which the Verilog's is compared."""
        return self.side.controller

    def _rounding(self) -> list[int]:
        """Words of the stream of rounding."""
        return [int(word) for word in self.controller.rounding.state]

    def _arrays(self) -> dict[str, Any]:
        """The Verilog's, by the names that they have in states."""
        return {"array": self.array, **({} if self.cells is None else {"cells": self.cells})}

    def _compare_told(self, gathered: Gathered) -> None:
        """The commands at the port, array by array: no order is promised across arrays."""
        codes = _codes(gathered, {ArrayId.W: self.array, ArrayId.L: self.cells})
        known = np.isin(gathered.events["array"], [one.number for one in self.side.recorders])
        self._compare("array of a command", np.ones(len(known)), known)
        for recorder in self.side.recorders:
            mine = gathered.events["array"] == recorder.number
            told = [one for one, chosen in zip(codes, mine, strict=True) if chosen]
            self._compare_array(recorder, gathered.events[mine], told)
            self.pulses += sum(event.pulses for event in recorder.events)
            recorder.events.clear()

    def _compare_array(self, recorder: Recorder, events: Any, codes: list[Ints]) -> None:
        due, name = recorder.events, recorder.number.name
        counts, width = (len(due), len(events)), recorder.array.device_columns
        due, events = due[: min(counts)], events[: min(counts)]
        for field in FIELDS:
            wanted = np.array([int(getattr(one, field)) for one in due])
            self._compare(f"{field} of {name}", wanted, events[field].astype(np.int64))
        for field, seen in (("set_counts", "set"), ("reset_counts", "reset")):
            wanted = np.array([getattr(one, field) for one in due]).reshape(-1, width)
            self._compare(f"{seen} pulses of {name}", wanted, events[seen][:, :width].astype(np.int64))
        for one, seen in zip(due, codes, strict=False):
            if one.op == Op.READ_ROW and len(seen):
                self._compare(f"codes of {name}", np.array(one.codes), seen, one.row)
        self._compare(f"commands of {name}", np.array([counts[0]]), np.array([counts[1]]))

    def _compare_all(self) -> None:
        """What holds while the controller is idle, and is at hand."""
        shadows = {"array": self.side.array, "cells": self.side.cells}
        for part, array in self._arrays().items():
            model, verilog = shadows[part].state(), array.state()
            for name, value in model.items():
                self._compare(f"{name} of {part}", value, verilog[name])
        if self.cells is None:
            self._compare("L", self.controller.memory.held, self._dump_l())
        self._compare("rounding", np.array(self._rounding()), np.array(self.driver.streams()["rounding"]))
        self._compare(
            "refresh", np.array([refresh_word(self.controller)]), np.array([self.driver.read("REFRESH_STATE")])
        )
        self._compare_counters()

    def _compare_counters(self) -> None:
        for name, value in self._counters().items():
            seen = self.driver.read(name.upper()) + self._offset.get(name, 0)
            self._compare(f"counter {name}", np.array([value % 2**32]), np.array([seen % 2**32]))

    def _counters(self) -> dict[str, int]:
        """The model's, as the driver names them."""
        counted = counters_of(self.controller, self.cells is not None)
        return counted | UNHARMED | {"clipped": self.clipped, "issued": self.pulses, "delivered": self.pulses}

    # ---- memories ----

    def _compare_memories(self) -> None:
        """L as the host reads it; and what no frame shows: counts of pulses of devices, and wear of array L."""
        self._compare("L", *self._read_l())
        cells = self.controller.verify.cells
        for half, name in enumerate(("plus", "minus") if cells.size else ()):
            self._compare(name, cells[:, half::2], np.array(self.driver.dump_memory(name), np.int64))
        if self.cells is None:
            return
        for name, parts in self.driver.wear().items():
            wanted = self._wear()[name] - self._worn[name]
            self._compare(f"wear of {name}", wanted % 2**32, np.array(parts))

    def _read_l(self) -> tuple[Ints, Ints]:
        """L of the model and of the Verilog.  In devices this is reads of array L, of which nothing stays."""
        memory, array = self.controller.memory, self.design.array
        if not isinstance(memory, CellMemory):
            return memory.held, self._dump_l()
        arrays, counts = (self.cells, self.side.cells), dict(memory.counts)
        before = [one.state() for one in arrays]
        groups = [[memory.read_group(row, group, self.side.cell_rows) for group in range(array.groups)]
                  for row in range(array.rows)]  # fmt: skip
        found = self._dump_l()
        for one, state in zip(arrays, before, strict=True):
            one.restore(state)
        self._compare_counters()
        memory.counts = counts
        self._align()
        return np.array(groups).reshape(array.rows, -1)[:, : array.columns], found

    def _dump_l(self) -> Ints:
        """L [rows, columns] through MEM_DATA, in one script; MEM_SELECT is at L."""
        array, table = self.design.array, register_table(self.design)
        script = Script().write(find(table, "MEM_ADDRESS").offset, 0)
        data = find(table, "MEM_DATA").offset
        for _ in range(array.rows * array.columns):
            script.read(data)
        gathered = self.transport.run(script)
        self._compare_told(gathered)
        words = gathered.answers[1::2].view(np.int32).astype(np.int64)
        return words.reshape(array.rows, array.columns)

    def _wear(self) -> dict[str, Ints]:
        """Pulses of device columns and of rows of array L [SET or RESET, place], as the model counts them."""
        memory = self.controller.memory
        return {"columns": np.stack(memory.column_pulses), "rows": np.stack(memory.row_pulses)}

    def _align(self) -> None:
        """From here on counters that differ are taken to have begun apart."""
        counted = {name: value - self.driver.read(name.upper()) for name, value in self._counters().items()}
        self._offset = {name: value for name, value in counted.items() if value}


def _codes(gathered: Gathered, arrays: dict[int, Any]) -> list[Ints]:
    """Codes of single devices of every command, in order; none of those that are no row read."""
    found, place = [], 0
    for op, number in zip(gathered.events["op"].tolist(), gathered.events["array"].tolist(), strict=True):
        array = arrays.get(number)
        count = array.device_columns if op == Op.READ_ROW and array is not None else 0
        found.append(gathered.reads[place : place + count])
        place += count
    return found
