"""The bit-true model of in-memory gradients behind the driver's methods: the lane without hardware."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain_cosim.event import Event
from crosstrain_model.design import Design
from crosstrain_model.gradient_controller import GradientController, ProgramEvent, ReadEvent, TileArrays, TrainEvent
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.pulse import SET, PulseSettings, row_commands
from crosstrain_model.registers import register_table, settings_at_reset
from crosstrain_model.registers_gradient import STATE_WINDOWS

ROW_PULSES = ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset")


class GradientDriver:
    """What `scenario.run` needs of a driver, answered by `GradientController` and its arrays."""

    def __init__(self, design: Design, arrays: TileArrays):
        self.design, self.arrays = design, arrays
        self.controller = GradientController(design)
        self.events: list[Event] = []
        self._settings = settings_at_reset(design)
        self._delivered = 0

    def bring_up(self) -> None:
        """Nothing to wait for."""

    wait_idle = enable_programming = bring_up

    def configure(self, **settings: int) -> None:
        """Registers of pulses; those of the controller's model are not used here."""
        self._settings |= settings

    def update(self, x: Sequence[int], ex: int, d: Sequence[int], ed: int) -> None:
        for event in self.controller.update(np.array(x), ex, np.array(d), ed, self.arrays):
            if isinstance(event, TrainEvent):
                self._train(event)
            elif isinstance(event, ReadEvent):
                self._event(Op.READ_ROW, ArrayId.A, event.row)
            else:
                self._program(event)

    def _train(self, event: TrainEvent) -> None:
        settings = self._settings
        found = self._event(Op.TRAIN, event.array, width=settings["train_width"], amplitude=settings["train_amplitude"])
        found.pulses = len(event.rows)
        found.slots = [(event.rows[s], event.columns[s], event.direction[s]) for s in range(len(event.rows))]

    def _program(self, event: ProgramEvent) -> None:
        chosen = {name: self._settings[name] for name in ROW_PULSES}
        settings = PulseSettings(**chosen, width_limit=self.design.pulse.width_limit)
        for command in row_commands(self.design, event.row, event.counts, settings):
            none = np.zeros_like(command.counts)
            both = (command.counts, none) if command.direction == SET else (none, command.counts)
            found = self._event(Op.PROGRAM, ArrayId.W, event.row, width=command.width, amplitude=command.amplitude)
            found.pulses = command.pulses
            found.set_counts, found.reset_counts = (tuple(part.tolist()) for part in both)
            self._delivered += command.pulses

    def forward(self, codes: Sequence[int]) -> list[int]:
        self._event(Op.FORWARD, ArrayId.W)
        return self.arrays.w.forward(np.array([codes]))[0].tolist()

    def backward(self, codes: Sequence[int]) -> list[int]:
        self._event(Op.BACKWARD, ArrayId.W)
        return self.arrays.w.backward(np.array([codes]))[0].tolist()

    def read_row(self, row: int) -> list[int]:
        self._event(Op.READ_ROW, ArrayId.W, row)
        return self.arrays.w.read_row(row).tolist()

    def _event(self, op: int, array: int, row: int = 0, width: int = 0, amplitude: int = 0) -> Event:
        event = Event(op=op, array=array, row=row, tag=0, width=width, amplitude=amplitude)
        self.events.append(event)
        return event

    def state(self) -> dict[str, Any]:
        """As the generated driver gives it."""
        return {**digital_state(self.controller), "settings": dict(self._settings)}

    def counters(self) -> dict[str, int]:
        """As the generated driver gives them, from a run without faults."""
        model = self.controller
        counts = model.counters()
        ended = dict.fromkeys(("aborted", "failed", "unknown"), 0)
        found = {
            "vectors": counts["vectors"],
            "commands": len(self.events),
            "stray": 0,
            "train_issued": counts["train_issued"],
            "train_delivered": counts["train_issued"],
            **{f"train_{name}": 0 for name in ended},
        }
        if model.transfer is not None:
            found |= {"issued": counts["issued"], "delivered": self._delivered, **ended}
            found |= {name: counts[name] for name in ("visits", "clipped", "adc_clipped", "lost_reads", "transfers")}
        return found


def digital_state(model: GradientController) -> dict[str, Any]:
    """All state of a controller but its settings, as the generated driver gives it."""
    memories = {} if model.transfer is None else model.transfer.memories()
    cells = {"accumulators" if name == "H" else name: memory.tolist() for name, memory in memories.items()}
    there = {register.name for register in register_table(model.design)}
    return {
        **cells,
        "streams": {name: stream.state for name, stream in model.streams().items()},
        "choppers": model.sweep.chopper.words(),
        "windows": {name: value for name, value in state_windows(model).items() if name in there},
    }


def state_windows(model: GradientController) -> dict[str, int]:
    """Windows of a single word, those that a design has not too."""
    means, sweep = model.means, model.sweep
    sizes = (means.m_x, means.e_x, means.m_d, means.e_d)
    places = (sweep.since, sweep.row, sweep.reads_in_period, sweep.sweeps)
    return dict(zip(STATE_WINDOWS, (*sizes, *places), strict=True))
