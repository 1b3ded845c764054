"""Where L is held, as its visits see it: a memory of the controller, and what both kinds of memory account for.

`hybrid` has the rule of a visit; `hybrid_cells` the memory of binary devices.  The two give the same L and carries
while no cell fails.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.hybrid import Int64, Masks, Visit, add, encode, visited_groups
from crosstrain_model.section import refuse
from crosstrain_model.write_verify import Row

COUNTERS = ("reads", "set_commands", "reset_commands", "read_backs", "failed", "dropped")
"""Row reads and commands of array L; cells that a read-back found wrong; changes that a failed read dropped.  All 0
where L is in SRAM."""
LEDGER = ("initial", "inputs", "disturbed", "programmed", "cleared", "clipped")
"""Parts of the ledger of `hybrid`, each int64 [rows, columns]."""
State = dict[str, npt.NDArray[Any]]


class SramMemory:
    """L of one tile in a memory of the controller.

    held : int64 [rows, columns], L; where devices hold it, what was last written or loaded
    ledger : name in LEDGER -> int64 [rows, columns]; parts : the same, one after the other
    sets, resets : int64 [rows, columns, bits], pulses that the cells of binary devices would have been given, if
        count_cells; of CellMemory those that were asked for
    """

    def __init__(self, design: Design, *, count_cells: bool = False):
        if not design.carried:
            raise refuse("scheme", design.scheme, "must be one with hybrid weights: hic")
        self.design, self.hybrid = design, design.hybrid
        shape = (design.array.rows, design.array.columns)
        self.held: Int64 = np.zeros(shape, np.int64)
        self.parts: Int64 = np.zeros((len(LEDGER), *shape), np.int64)
        self.ledger: dict[str, Int64] = dict(zip(LEDGER, self.parts, strict=True))
        self.counts = dict.fromkeys(COUNTERS, 0)
        cells = (*shape, self.hybrid.bits) if count_cells else (0, 0, 0)
        self.sets: Int64 = np.zeros(cells, np.int64)
        self.resets: Int64 = np.zeros(cells, np.int64)

    def add_rows(self, rows: npt.NDArray[np.intp], q: Int64, array: Row | None) -> Int64:
        """The steps from `read` to `back` of the rule for rounded changes q [k, columns] of rows [k], which are
        distinct and come in that order; array: array L, where it holds L.  Returns the carries [k, columns].

        `hybrid_batch` does the same, compiled where that is possible.
        """
        where = np.zeros(self.held.shape, np.bool_)
        where[rows] = self.columns_of(visited_groups(self.design, q))
        changes = np.zeros(self.held.shape, np.int64)
        changes[rows] = q
        carries, before = np.zeros(self.held.shape, np.int64), self.held[where]
        visit = self.add(where, before, changes[where])
        carries[where] = visit.carries
        self._count_cells(where, before, visit.after)
        return carries[rows]

    def _count_cells(self, where: Masks, before: Int64, after: Int64) -> None:
        if self.sets.size:
            old, new = encode(self.hybrid, before), encode(self.hybrid, after)
            self.sets[where] += new & ~old
            self.resets[where] += old & ~new

    def add(self, where: Any, before: Int64, q: Int64) -> Visit:
        """The step `add` for the cells `where` (an index), in which `before` was read, and its ledger."""
        visit = add(self.design, before, q)
        parts = {
            "inputs": q,
            "disturbed": before - self.held[where],
            "programmed": visit.carries * self.hybrid.scale,
            "cleared": visit.cleared,
            "clipped": visit.clipped,
        }
        for name, value in parts.items():
            self.ledger[name][where] += value
        self.held[where] = visit.after
        return visit

    def columns_of(self, groups: Masks) -> Masks:
        """Columns [..., columns] of groups [..., groups]."""
        return np.repeat(groups, self.design.array.lanes, axis=-1)[..., : self.design.array.columns]

    def load(self, values: npt.ArrayLike, array: Row | None) -> None:
        """The host writes L [rows, columns]."""
        given = self.checked(values)
        self._count_cells(np.ones(given.shape, np.bool_), self.held.reshape(-1), given.reshape(-1))
        self.ledger["initial"] += given - self.held
        self.held[...] = given

    def checked(self, values: npt.ArrayLike) -> Int64:
        """L of a host [rows, columns]; raises ValueError for what is no L."""
        given = np.asarray(values, np.int64)
        low, high = -self.hybrid.scale, self.hybrid.scale - 1
        if given.shape != self.held.shape or given.min() < low or given.max() > high:
            raise ValueError(f"hybrid L: must be {low}..{high} (hybrid.bits) in the shape {self.held.shape}")
        return given

    @property
    def column_pulses(self) -> tuple[Int64, Int64]:
        """SET and RESET pulses of every device column of L [columns * bits], over all rows."""
        return self.sets.sum(axis=0).reshape(-1), self.resets.sum(axis=0).reshape(-1)

    @property
    def row_pulses(self) -> tuple[Int64, Int64]:
        """SET and RESET pulses of every row [rows]."""
        return self.sets.sum(axis=(1, 2)), self.resets.sum(axis=(1, 2))

    def imbalance(self) -> Int64:
        """The ledger's left side less its right [rows, columns]: all 0, or something was lost."""
        part = self.ledger
        came = part["initial"] + part["inputs"] + part["disturbed"]
        return came - part["programmed"] - part["cleared"] - part["clipped"] - self.held

    def state(self) -> State:
        return {
            "held": self.held.copy(),
            "ledger": self.parts.copy(),
            "counts": np.array([self.counts[name] for name in COUNTERS], np.int64),
            "sets": self.sets.copy(),
            "resets": self.resets.copy(),
        }

    def restore(self, state: State) -> None:
        where = type(self).__name__ + ".restore"
        held = state_checks.signed(where, state, "held", self.held.shape, self.hybrid.bits)
        ledger = state_checks.integers(where, state, "ledger", (len(LEDGER), *held.shape), state_checks.TOTAL)
        counts = state_checks.counters(where, state, "counts", COUNTERS)
        sets, resets = (
            state_checks.integers(where, state, name, self.sets.shape, state_checks.COUNTER)
            for name in ("sets", "resets")
        )
        self.held[...], self.sets[...], self.resets[...], self.parts[...] = held, sets, resets, ledger
        self.counts = counts
