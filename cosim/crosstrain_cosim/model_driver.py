"""The bit-true model behind the driver's methods: the lane without hardware, which all others must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain_cosim import scenario
from crosstrain_cosim.event import Event
from crosstrain_cosim.gradient_driver import GradientDriver
from crosstrain_cosim.hybrid_driver import HybridDriver
from crosstrain_cosim.lane_arrays import conductances, lane_arrays
from crosstrain_cosim.stream_driver import StreamDriver
from crosstrain_model import port
from crosstrain_model.controller import Controller
from crosstrain_model.design import Design
from crosstrain_model.gradient_controller import TileArrays
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.pulse import SET, PulseSettings, row_commands
from crosstrain_model.registers import settings_at_reset
from crosstrain_model.twin.tile import ArrayTile


class ModelDriver:
    """What `scenario.run` needs of a driver, answered by `Controller` and `ArrayTile`."""

    def __init__(self, design: Design, array: ArrayTile):
        self.design, self.array = design, array
        self.controller = Controller(design)
        self.events: list[Event] = []
        self._settings = settings_at_reset(design)
        self._commands = self._delivered = 0

    def bring_up(self) -> None:
        """Nothing to wait for."""

    wait_idle = enable_programming = bring_up

    def configure(self, **settings: int) -> None:
        """Registers of pulses; those of the controller's model are not used here."""
        self._settings |= settings

    def update(self, x: Sequence[int], ex: int, d: Sequence[int], ed: int) -> None:
        self._program(self.controller.update(np.array(x), ex, np.array(d), ed))

    def program_pass(self) -> None:
        self._program(self.controller.program())

    def _program(self, programs: list[tuple[int, Any]]) -> None:
        names = ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset")
        chosen = {name: self._settings[name] for name in names}
        settings = PulseSettings(**chosen, width_limit=self.design.pulse.width_limit)
        for row, counts in programs:
            for command in row_commands(self.design, row, counts, settings):
                none = np.zeros_like(command.counts)
                both = (command.counts, none) if command.direction == SET else (none, command.counts)
                self._delivered += self.array.program_devices(row, *both)
                event = self._event(Op.PROGRAM, row, width=command.width, amplitude=command.amplitude)
                event.pulses = command.pulses
                event.set_counts, event.reset_counts = (tuple(part.tolist()) for part in both)

    def forward(self, codes: Sequence[int]) -> list[int]:
        self._event(Op.FORWARD, 0)
        return self.array.forward(np.array([codes]))[0].tolist()

    def backward(self, codes: Sequence[int]) -> list[int]:
        self._event(Op.BACKWARD, 0)
        return self.array.backward(np.array([codes]))[0].tolist()

    def read_row(self, row: int) -> list[int]:
        self._event(Op.READ_ROW, row)
        return self.array.read_row(row).tolist()

    def _event(self, op: int, row: int, width: int = 0, amplitude: int = 0) -> Event:
        tag = self._commands % (port.LAST_TAG + 1)
        event = Event(op=op, array=port.WEIGHTS, row=row, tag=tag, width=width, amplitude=amplitude)
        self._commands += 1
        self.events.append(event)
        return event

    def state(self) -> dict[str, Any]:
        schedule = self.controller.schedule
        return {
            "accumulators": self.controller.dump().tolist(),
            "touched": np.flatnonzero(schedule.touched).tolist(),
            "since_pass": schedule.since_pass,
            "settings": dict(self._settings),
        }

    def counters(self) -> dict[str, int]:
        model = self.controller
        return {
            "vectors": model.vectors, "visits": model.visits, "commands": self._commands, "issued": model.issued,
            "delivered": self._delivered, "aborted": 0, "failed": 0, "unknown": 0, "stray": 0, "clipped": model.clipped,
        }  # fmt: skip


def model_record(design: Design, seed: int, count: int) -> dict[str, Any]:
    """The record of the lane without hardware."""
    arrays = lane_arrays(design, "numba")
    driver: Any
    if design.carried:
        driver = HybridDriver(design, arrays[ArrayId.W], arrays.get(ArrayId.L))
    elif design.streamed:
        driver = StreamDriver(design, arrays[ArrayId.W])
    elif design.pulsed:
        driver = GradientDriver(design, TileArrays(w=arrays[ArrayId.W], a=arrays.get(ArrayId.A)))
    else:
        driver = ModelDriver(design, arrays[ArrayId.W])
    record = scenario.run(driver, design, seed, count)
    events = scenario.recorded(design, scenario.from_agent(driver.events))
    more = {"slots": scenario.slots_from_agent(driver.events), "weights": conductances(arrays)}
    return {**record, "events": events, **more}
