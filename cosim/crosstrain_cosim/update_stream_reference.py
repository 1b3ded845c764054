"""The model of the update stream beside its pins: beats become frames, frames become visits."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import unpacked
from crosstrain_model import update_stream as model
from crosstrain_model.frames import slot_bits
from crosstrain_model.outer_product import limits

STAGES = 2
"""Cycles that a beat is inside at least."""

Visit = tuple[int, int, list[int]]


class Reference:
    """What is due, from the beats that the pins show to be taken; and what comes."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        array = self.design.array
        self.dw, self.own = (np.zeros((array.rows, array.groups * array.lanes), np.int32) for _ in range(2))
        self.beats: list[int] = []
        self.due: deque[dict[str, Any]] = deque()
        self.seen: list[Visit] = []
        self.frames = self.errors_due = self.errors = 0
        self.sparse = self.under_way = self.still = 0

    def beat(self, seen: dict[str, int]) -> None:
        """A beat was taken."""
        harness.report.same("u_first", seen["first"], int(not self.beats), vector=self.frames)
        self.beats.append(seen["data"])
        self.sparse, self.under_way = seen["sparse"], STAGES
        if seen["last"]:
            self._end(seen["sparse"], cut=False)

    def token(self, seen: dict[str, int]) -> None:
        """A pass was asked for."""
        self.due.append({"visits": [], "null": 1, "program": 1})
        self.under_way = STAGES

    def edge(self) -> None:
        """Errors are counted; a drop ends the frame under way; what has not left is busy, and an empty end takes."""
        dut, drop = self.dut, int(self.dut.drop.value)
        self.errors += int(dut.frame_error.value)
        if drop and self.beats:
            self._end(self.sparse, cut=True)
        if self.under_way:
            self.under_way -= 1
            harness.report.same("busy", int(dut.busy.value), 1, vector=self.frames)
        self.still = 0 if drop or int(dut.v_valid.value) else self.still + 1
        if self.still > 1:  # of the cycles without a visit the first may be that of the end of a dropped frame
            harness.report.same("u_ready without a visit", int(dut.u_ready.value), 1, vector=self.frames)

    def _end(self, sparse: int, *, cut: bool) -> None:
        beats, self.beats = self.beats, []
        self.frames += 1
        visits, ends_with_one = self._cells(beats) if sparse else self._matrix(beats, cut)
        self.due.append({"visits": visits, "null": int(cut or not ends_with_one), "program": 0})

    def _cells(self, beats: list[int]) -> tuple[list[Visit], bool]:
        array, slot = self.design.array, slot_bits(self.design)
        cells = [(b >> slot + 16 & 0xFFFF, b >> slot & 0xFFFF, self._codes(b)[0]) for b in beats]
        added = model.add_cells(self.design, self.dw[:, : array.columns], *zip(*cells, strict=True))
        self.errors_due += added.wrong
        good = [(r, c, change) for r, c, change in cells if r < array.rows and c < array.columns]
        harness.report.same("visits of the model", len(good), added.visits, vector=self.frames)
        visits = []
        for row, column, change in good:
            group, lane = divmod(column, array.lanes)
            visits.append((row, group, [change * (place == lane) for place in range(array.lanes)]))
        return visits, bool(good) and cells[-1] == good[-1]

    def _matrix(self, beats: list[int], cut: bool) -> tuple[list[Visit], bool]:
        array = self.design.array
        whole = array.rows * array.groups
        self.errors_due += len(beats) > whole or (len(beats) < whole and not cut)
        words = np.zeros((whole, array.lanes), np.int64)
        for place, beat in enumerate(beats[:whole]):
            words[place] = self._codes(beat)
        changes = words.reshape(array.rows, -1)
        changes[:, array.columns :] = 0
        added = model.add_matrix(self.design, self.dw[:, : array.columns], changes[:, : array.columns])
        lists = changes.reshape(whole, array.lanes).tolist()
        visits = [(place // array.groups, place % array.groups, word) for place, word in enumerate(lists) if any(word)]
        harness.report.same("visits of the model", len(visits), added.visits, vector=self.frames)
        return visits, len(beats) <= whole and any(lists[len(beats) - 1])

    def _codes(self, beat: int) -> list[int]:
        slot, width = slot_bits(self.design), self.design.formats.accumulator
        return [unpacked(code, width, 1)[0] for code in unpacked(beat, slot, self.design.array.lanes)]

    def visit(self, seen: dict[str, int]) -> None:
        """Keep it, add it to the accumulators; at the end of its frame compare."""
        lanes, width = self.design.array.lanes, self.design.formats.accumulator
        if not seen["null"]:
            terms = unpacked(seen["terms"], width, lanes)
            self.seen.append((seen["row"], seen["group"], terms))
            low, high = limits(self.design)
            place = slice(seen["group"] * lanes, (seen["group"] + 1) * lanes)
            self.own[seen["row"], place] = np.clip(self.own[seen["row"], place].astype(np.int64) + terms, low, high)
        if not seen["last"]:
            return
        due = self.due.popleft() if self.due else {"visits": "none", "null": "none", "program": "none"}
        visits, self.seen = self.seen, []
        harness.report.same("visits", visits, due["visits"], vector=self.frames)
        for name in ("null", "program"):
            harness.report.same(f"v_{name}", seen[name], due[name], vector=self.frames)
