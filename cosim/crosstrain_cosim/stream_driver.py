"""The bit-true model behind the driver's methods, where changes come from the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain_cosim.event import Event, amplitude_of, amplitude_on_pins
from crosstrain_model import port
from crosstrain_model.design import Design
from crosstrain_model.port import Op, Status
from crosstrain_model.pulse import SET
from crosstrain_model.registers import settings_at_reset
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.write_verify import Amplitude


class StreamDriver:
    """What `scenario.run` needs of a driver, answered by `StreamController` and `RramTile`."""

    def __init__(self, design: Design, array: RramTile):
        self.design, self.array = design, array
        self.controller = StreamController(design)
        self.events: list[Event] = []
        self._settings = settings_at_reset(design)

    def bring_up(self) -> None:
        """Nothing to wait for."""

    wait_idle = enable_programming = bring_up

    def configure(self, **settings: int) -> None:
        """Registers; the controller's model has no widths."""
        self._settings |= settings

    def update(self, changes: Sequence[Sequence[int]]) -> None:
        self.controller.update(changes)

    def update_cells(self, cells: Sequence[tuple[int, int, int]]) -> None:
        self.controller.update_cells(*zip(*cells, strict=True))

    def program_pass(self) -> None:
        self.controller.program(self)

    def form(self, row: int) -> None:
        self.controller.form(self, row)

    # ---- the array as the model sees it ----

    def sense_row(self, row: int, groups: Any) -> Any:
        codes = self.array.sense_row(row, groups)
        self._read(Op.READ_ROW, row, codes)
        return codes

    def pulse_row(self, row: int, columns: Any, *, direction: int, amplitude: Amplitude, form: bool = False) -> None:
        width = self._settings["form_width" if form else "width_set" if direction == SET else "width_reset"]
        event = self._event(Op.FORM if form else Op.PROGRAM, row, width=width)
        event.amplitude = amplitude_of(amplitude)
        counts, none = tuple(columns.astype(int).tolist()), (0,) * len(columns)
        event.set_counts, event.reset_counts = (counts, none) if direction == SET else (none, counts)
        event.pulses = self.array.pulse_row(row, columns, direction=direction, amplitude=amplitude, form=form)

    # ---- reads ----

    def forward(self, codes: Sequence[int]) -> list[int]:
        answer = self.array.forward(np.array([codes]))[0]
        self._read(Op.FORWARD, 0, answer)
        return answer.tolist()

    def read_row(self, row: int) -> list[int]:
        answer = self.array.sense_row(row)
        self._read(Op.READ_ROW, row, answer)
        return answer.tolist()

    def _read(self, op: int, row: int, codes: Any) -> None:
        top = int(codes.max()) == (1 << self.design.formats.adc) - 1
        self._event(op, row).status = Status.SATURATED if top else Status.OK

    def _event(self, op: int, row: int, width: int = 0) -> Event:
        tag = len(self.events) % (port.LAST_TAG + 1)
        none = amplitude_on_pins(self.design, 0)
        event = Event(op=op, array=port.WEIGHTS, row=row, tag=tag, width=width, amplitude=none)
        self.events.append(event)
        return event

    def state(self) -> dict[str, Any]:
        model = self.controller
        counts = {name: model.verify.cells[:, half::2].tolist() for half, name in enumerate(("plus", "minus"))}
        return {
            "accumulators": model.dw.tolist(),
            "W": model.copy.tolist(),
            **(counts if model.verify.cells.size else {}),
            "touched": np.flatnonzero(model.schedule.touched).tolist(),
            "since_pass": model.schedule.since_pass,
            "settings": dict(self._settings),
        }

    def counters(self) -> dict[str, int]:
        model = self.controller.counters()
        issued = model["sets"] + model["resets"]
        return {
            "vectors": model["vectors"], "visits": model["visits"], "commands": len(self.events), "issued": issued,
            "delivered": issued, "aborted": 0, "failed": 0, "unknown": 0, "stray": 0, "clipped": model["clipped"],
            **{name: model[name] for name in ("rows", "sets", "resets", "passed", "gave_up", "reads", "clamped")},
        }  # fmt: skip
