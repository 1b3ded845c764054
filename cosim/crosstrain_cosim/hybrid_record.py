"""The model's side of a lockstep with hybrid weights: a tile whose arrays keep what the controller tells them."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_cosim.event import Event
from crosstrain_model.design import Design
from crosstrain_model.hybrid_controller import Carry, HybridController
from crosstrain_model.hybrid_memory import COUNTERS as L_COUNTERS
from crosstrain_model.hybrid_tile import HybridTile
from crosstrain_model.port import ArrayId, Op, Status
from crosstrain_model.pulse import SET
from crosstrain_model.refresh import Refreshed
from crosstrain_model.registers_hybrid import L_COUNTERS as L_REGISTERS
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS

PLACE_LOW, LAST_LOW = 16, 31
"""Of `place` and `refreshed_last` in REFRESH_STATE."""
UNHARMED = dict.fromkeys(("aborted", "failed", "unknown", "stray"), 0)
"""Counters of a run without faults."""


def refresh_word(model: HybridController) -> int:
    """REFRESH_STATE, as the model has it."""
    return model.refresh.since | model.refresh.place << PLACE_LOW | int(model.refreshed_last) << LAST_LOW


def counters_of(model: HybridController, of_cells: bool) -> dict[str, int]:
    """Counters of the model that registers have, as the driver names them.

    of_cells : whether there is an array L, whose reads and pulses are counted
    """
    own = dict(model.counts) | {name: model.verify.counts[name] for name in VERIFY_COUNTERS}
    if of_cells:
        own |= {name.lower(): model.memory.counts[of] for name, of in zip(L_REGISTERS, L_COUNTERS, strict=True)}
    return own


class Recorder:
    """Stands before an array, and writes down the commands of the port that lead to what it is asked.

    array : a `PcmTile` or `PcmBinaryArray`; number : its number at the port
    controller : who asks, with the registers of pulses
    """

    def __init__(self, controller: HybridController, array: Any, number: ArrayId):
        self.controller, self.design, self.array, self.number = controller, controller.design, array, number
        self.events: list[Event] = []
        self._carry: Event | None = None
        self._may_carry = False

    def begin(self) -> None:
        """A row operation of the pairs begins: pulses without a read before them are slots of one command."""
        self._carry, self._may_carry = None, True

    def sense_row(self, row: int, groups: Any) -> Any:
        self._may_carry = False
        codes = self.array.sense_row(row, groups)
        event = self.event(Op.READ_ROW, row)
        event.codes = tuple(codes.tolist())
        if self.number == ArrayId.W and codes.max() == (1 << self.design.formats.adc) - 1:
            event.status = Status.SATURATED
        return codes

    def pulse_row(self, row: int, columns: Any, *, direction: int, amplitude: Any, form: bool = False) -> None:
        event = self._carry or self.event(Op.PROGRAM, row, self.controller.pulse.width(direction), amplitude)
        if self._may_carry:
            self._carry = event
        mine, none = columns.astype(np.int64), np.zeros(len(columns), np.int64)
        for name, given in (("set_counts", direction == SET), ("reset_counts", direction != SET)):
            before = getattr(event, name) or none
            setattr(event, name, tuple((np.array(before) + (mine if given else none)).tolist()))
        event.pulses += self.array.pulse_row(row, columns, direction=direction, amplitude=amplitude)

    def event(self, op: int, row: int, width: int = 0, amplitude: int = 0) -> Event:
        event = Event(op=op, array=self.number, row=row, tag=0, width=width, amplitude=amplitude)
        if op == Op.READ_ROW:
            event.set_counts = event.reset_counts = (0,) * self.array.device_columns
        self.events.append(event)
        return event


class RecordedTile(HybridTile):
    """A `HybridTile` whose arrays are watched: `pairs` and `cell_rows` are `Recorder`s."""

    pairs: Recorder
    cell_rows: Recorder | None

    def __init__(self, design: Design, *, seed: int, tile: int):
        super().__init__(design, seed=seed, tile=tile)
        self.pairs = Recorder(self.controller, self.array, ArrayId.W)
        self.cell_rows = None if self.cells is None else Recorder(self.controller, self.cells, ArrayId.L)

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        """Of the pairs, and of array L where there is one."""
        return (self.pairs,) if self.cell_rows is None else (self.pairs, self.cell_rows)

    def _drain(self) -> list[Carry | Refreshed]:
        done: list[Carry | Refreshed] = []
        self.pairs.begin()
        while (operation := self.controller.step(self.pairs)) is not None:
            done.append(operation)
            self.pairs.begin()
        return done
