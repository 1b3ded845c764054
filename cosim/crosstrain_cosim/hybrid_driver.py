"""The bit-true model behind the driver's methods, where weights are hybrid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from crosstrain_cosim.event import Event
from crosstrain_cosim.hybrid_record import UNHARMED, Recorder, counters_of, refresh_word
from crosstrain_model.design import Design
from crosstrain_model.hybrid_cells import CellMemory
from crosstrain_model.hybrid_controller import HybridController
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.registers import settings_at_reset


class HybridDriver:
    """What `scenario.run` needs of a driver, answered by `HybridController` and its arrays.

    pairs : a `PcmTile`; cells : a `PcmBinaryArray`, None where L is in SRAM
    """

    def __init__(self, design: Design, pairs: Any, cells: Any):
        self.design, self.array = design, pairs
        self.controller = HybridController(design)
        self.pairs = Recorder(self.controller, pairs, ArrayId.W)
        self.cells = None if cells is None else Recorder(self.controller, cells, ArrayId.L)
        self.clipped = 0
        self._settings = settings_at_reset(design)

    @property
    def events(self) -> list[Event]:
        """Array by array."""
        return self.pairs.events + ([] if self.cells is None else self.cells.events)

    def bring_up(self) -> None:
        """Nothing to wait for."""

    enable_programming = bring_up

    def wait_idle(self) -> None:
        """All that waits for the pairs is done."""
        self.pairs.begin()
        while self.controller.step(self.pairs) is not None:
            self.pairs.begin()

    def configure(self, **settings: int) -> None:
        """Registers; some of them are the port's alone."""
        self._settings |= settings
        self.controller.configure(**settings)

    def update(self, changes: Sequence[Sequence[int]]) -> None:
        self._visit(lambda: self.controller.update(changes, self.cells))

    def update_cells(self, cells: Sequence[tuple[int, int, int]]) -> None:
        for row, column, change in cells:  # beat by beat, so that each that saturates is counted
            self._visit(lambda r=row, c=column, v=change: self.controller.update_cells([r], [c], [v], self.cells))
        self.controller.counts["vectors"] -= len(cells) - 1

    def _visit(self, work: Callable[[], None]) -> None:
        before = self.controller.memory.ledger["clipped"].copy()
        work()
        self.clipped += int(np.count_nonzero(self.controller.memory.ledger["clipped"] != before))

    def program_pass(self) -> None:
        self.controller.batch()

    # ---- reads: what waits for the pairs comes first ----

    def forward(self, codes: Sequence[int]) -> list[int]:
        self.wait_idle()
        self.pairs.event(Op.FORWARD, 0)
        return self.array.forward(np.array([codes]))[0].tolist()

    def backward(self, codes: Sequence[int]) -> list[int]:
        self.wait_idle()
        self.pairs.event(Op.BACKWARD, 0)
        return self.array.backward(np.array([codes]))[0].tolist()

    def read_row(self, row: int) -> list[int]:
        self.wait_idle()
        return self.pairs.sense_row(row, np.ones(self.design.array.groups, bool)).tolist()

    # ---- state ----

    def state(self) -> dict[str, Any]:
        model = self.controller
        counts = {name: model.verify.cells[:, half::2].tolist() for half, name in enumerate(("plus", "minus"))}
        words = [int(word) for word in model.rounding.state]
        return {
            "accumulators": self._l().tolist(),
            **(counts if model.verify.cells.size else {}),
            "streams": {"rounding": words},
            "windows": {"REFRESH_STATE": refresh_word(model)},
            "settings": dict(self._settings),
        }

    def _l(self) -> Any:
        """L as the host reads it: in devices, group by group."""
        memory, array = self.controller.memory, self.design.array
        if not isinstance(memory, CellMemory):
            return memory.held
        places = np.ndindex(array.rows, array.groups)
        groups = [memory.read_group(row, group, self.cells) for row, group in places]
        return np.array(groups).reshape(array.rows, -1)[:, : array.columns]

    def wear(self) -> dict[str, Any]:
        """As the generated driver gives it."""
        memory = self.controller.memory
        pulses = {"columns": memory.column_pulses, "rows": memory.row_pulses}
        return {name: [part.tolist() for part in parts] for name, parts in pulses.items()}

    def counters(self) -> dict[str, int]:
        """As the generated driver gives them, from a run without faults."""
        counted = counters_of(self.controller, self.cells is not None)
        return {
            **counted,
            **UNHARMED,
            "clipped": self.clipped,
            "commands": len(self.events),
            **dict.fromkeys(("issued", "delivered"), sum(event.pulses for event in self.events)),
        }
