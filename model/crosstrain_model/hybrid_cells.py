"""L in binary devices behind the array port: rows are read, and cells whose bit changes are written.

Of each row with groups to be read, in the order of `hybrid`: one row read of the groups, one command of SET pulses and
one of RESET pulses, each only where a cell needs it, and, with `hybrid.read_back` and after a command, one more row
read.  A read that fails (the array answers None) ends the visit: its rounded changes are `dropped`, and nothing is
written.  A read-back that fails counts all cells of its groups as failed.

The host reads and writes L by groups: a row read of the group, and for a write the pulses that bring it to its word, as
in a visit.  Where the read fails nothing is written.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.hybrid import Int64, Masks, decode, encode, visited_groups
from crosstrain_model.hybrid_memory import SramMemory
from crosstrain_model.pulse import RESET, SET, PulseSettings
from crosstrain_model.write_verify import Row


def make(design: Design, *, count_cells: bool = False) -> SramMemory:
    """The memory that `hybrid.cells` names; count_cells: also one in SRAM counts what binary devices would wear."""
    if design.hybrid.cells == "binary":
        return CellMemory(design)
    return SramMemory(design, count_cells=count_cells)


class CellMemory(SramMemory):
    """L of one tile in binary devices.

    held : what was last written or loaded; the devices hold it while none fails
    pulse : registers of pulses
    """

    def __init__(self, design: Design):
        super().__init__(design, count_cells=True)
        self.pulse = PulseSettings.of(design)

    def add_rows(self, rows: npt.NDArray[np.intp], q: Int64, array: Row | None) -> Int64:
        assert array is not None
        carries = np.zeros(q.shape, np.int64)
        groups = visited_groups(self.design, q)
        for place in np.flatnonzero(groups.any(axis=1)).tolist():
            carries[place] = self._visit(int(rows[place]), q[place], groups[place], array)
        return carries

    def _visit(self, row: int, q: Int64, groups: Masks, array: Row) -> Int64:
        """The steps `read` to `back` of one row; the carries [columns]."""
        carries, columns = np.zeros(q.shape, np.int64), self.columns_of(groups)
        cells = self._sense(row, groups, array, "reads")
        if cells is None:
            self.counts["dropped"] += int(np.count_nonzero(q))
            return carries
        carries[columns] = self.add((row, columns), decode(self.hybrid, cells)[columns], q[columns]).carries
        self._write(row, groups, cells, array)
        return carries

    def load(self, values: npt.ArrayLike, array: Row | None) -> None:
        """Group by group, each written as by a visit; one whose read fails keeps what it holds."""
        assert array is not None
        lanes = self.design.array.lanes
        for row, wanted in enumerate(self.checked(values)):
            for group in range(self.design.array.groups):
                self.load_group(row, group, wanted[group * lanes :], array)

    def load_group(self, row: int, group: int, values: Int64, array: Row) -> None:
        """The host writes a group; values [lanes] of it, those beyond the last column are ignored."""
        groups, columns = self._one(group)
        cells = self._sense(row, groups, array, "reads")
        if cells is not None:
            wanted = np.asarray(values, np.int64)[: int(columns.sum())]
            self.ledger["initial"][row, columns] += wanted - self.held[row, columns]
            self.held[row, columns] = wanted
            self._write(row, groups, cells, array)

    def read_group(self, row: int, group: int, array: Row) -> Int64 | None:
        """L [lanes] of a group as the host reads it, 0 beyond the last column; None: the read failed."""
        groups, columns = self._one(group)
        cells = self._sense(row, groups, array, "reads")
        if cells is None:
            return None
        found = np.zeros(self.design.array.lanes, np.int64)
        found[: int(columns.sum())] = decode(self.hybrid, cells)[columns]
        return found

    def _one(self, group: int) -> tuple[Masks, Masks]:
        """Masks of one group [groups] and of its columns [columns]."""
        groups: Masks = np.arange(self.design.array.groups) == group
        return groups, self.columns_of(groups)

    def _sense(self, row: int, groups: Masks, array: Row, counter: str) -> Masks | None:
        """Cells [columns, bits] of a row; those of groups that are not read are 0."""
        self.counts[counter] += 1
        codes = array.sense_row(row, groups)
        return None if codes is None else np.asarray(codes.reshape(-1, self.hybrid.bits) == 1)

    def _write(self, row: int, groups: Masks, cells: Masks, array: Row) -> None:
        """Brings a row from the cells [columns, bits] that were read to what is held, and checks it where wanted."""
        named = self.columns_of(groups)[:, None]
        wanted = encode(self.hybrid, self.held[row])
        changed = (wanted != cells) & named
        kinds = ((SET, wanted, self.sets, "set_commands"), (RESET, ~wanted, self.resets, "reset_commands"))
        for direction, side, pulses, counter in kinds:
            mask = changed & side
            if mask.any():
                amplitude = self.pulse.amplitude(direction)
                array.pulse_row(row, mask.reshape(-1), direction=direction, amplitude=amplitude)
                pulses[row] += mask
                self.counts[counter] += 1
        if self.hybrid.read_back and changed.any():
            found = self._sense(row, groups, array, "read_backs")
            wrong = named if found is None else named & (found != wanted)
            self.counts["failed"] += int(np.broadcast_to(wrong, wanted.shape).sum())
