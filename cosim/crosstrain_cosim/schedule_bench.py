"""The schedule between vectors, accumulator and pulse, and its model beside the pins: what its bench works with."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe
from crosstrain_model.accumulator import Op
from crosstrain_model.pulse import row_buffers
from crosstrain_model.schedule import Schedule

LATENCY = 3
"""Cycles from a program visit to its `left`, as the accumulator has it."""


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        self.model = Schedule.of(self.design)
        self.due: deque[dict[str, int]] = deque()
        self.rows = np.zeros(self.design.array.rows, np.bool_)
        self.passing: list[int] = []
        self.begun: list[int] = []
        self.left: dict[int, bool] = {}
        self.vectors = self.visits = self.passes_due = self.passes = 0
        self.cancelled = False
        self.sweep()

    def sweep(self) -> None:
        """A clear is due: every word, in order."""
        self.model.clear()
        array = self.design.array
        self.due += [{"op": Op.CLEAR, "row": r, "group": g} for r in range(array.rows) for g in range(array.groups)]

    def vector(self, seen: dict[str, int]) -> None:
        """A visit or a marker of a vector was taken."""
        if not seen["null"]:
            self.due.append({"op": Op.ACCUMULATE, **{name: seen[name] for name in ("row", "group", "terms")}})
            self.rows[seen["row"]] = True
        token = seen["null"] and seen["program"]
        if not seen["last"] and not token:
            return
        follows = bool(token)
        if not token:
            self.vectors += 1
            follows = self.model.vector(self.rows, int(self.dut.program_every.value))
            self.rows = np.zeros_like(self.rows)
        if follows:
            self.passes_due += 1
            self.passing, self.begun, self.left = self.model.begin_pass().tolist(), [], {}
            groups = self.design.array.groups
            for row, group in itertools.product(self.passing, range(groups)):
                self.due.append({"op": Op.PROGRAM, "row": row, "group": group, "last": int(group + 1 == groups)})

    def visit(self, seen: dict[str, int]) -> None:
        """A visit was handed to the accumulator."""
        where = {"vector": self.vectors, "row": seen["row"], "group": seen["group"]}
        self.visits += seen["op"] == Op.ACCUMULATE
        if seen["op"] == Op.PROGRAM and seen["group"] == 0:
            self.begun.append(seen["row"])
        if not self.due:
            harness.report.same("visit", seen, "none", **where)
            return
        due = self.due.popleft()
        for name, value in due.items():
            harness.report.same(f"a_{name}", seen[name], int(value), **where)

    def edge(self) -> None:
        """The end of a pass: what is left stays touched, and so does what an abort left out."""
        if not int(self.dut.pass_ended.value):
            return
        self.passes += 1
        rows = np.array(self.begun, np.intp)
        self.model.end_pass(rows, np.array([self.left.get(row, False) for row in self.begun], np.bool_))
        skipped = [row for row in self.passing if row not in self.begun]
        harness.report.same("rows left out without an abort", bool(skipped) and not self.cancelled, False)
        self.model.touched[skipped] = True
        for _ in range(len(skipped) * self.design.array.groups):
            if self.due:
                self.due.popleft()
        harness.report.same("visits left of the pass", len(self.due), 0, vector=self.vectors)
        self.cancelled = False


class Array:
    """Accumulator and pulse: gives `left` back in order and tells how many rows fit."""

    def __init__(self, dut: Any, reference: Reference, rng: Any, strobe: Strobe):
        self.dut, self.reference, self.rng, self.strobe = dut, reference, rng, strobe
        self.pipeline: deque[dict[str, int] | None] = deque([None] * (LATENCY - 1))
        self.now: dict[str, int] | None = None
        self.capacity = row_buffers(harness.design())
        self.held = self.flying = 0
        self.drain_chance = 0.05

    def visit(self, seen: dict[str, int]) -> None:
        if seen["op"] == Op.PROGRAM:
            self.now = seen
            self.flying += seen["group"] == 0
            fits = self.held + self.flying <= self.capacity
            harness.report.same("room for the row", fits, True, row=seen["row"], group=seen["group"])

    def edge(self) -> None:
        self.pipeline.append(self.now)
        self.now = None
        out = self.pipeline.popleft()
        if out is not None:
            left = int(self.rng.random() < 0.15)
            self.reference.left[out["row"]] = self.reference.left.get(out["row"], False) or bool(left)
            self.strobe.fire(left_valid=1, left_row=out["row"], left=left, left_last=out["last"])
            if out["last"]:
                self.flying -= 1
                self.held += self.rng.random() < 0.7
        if self.held and self.rng.random() < self.drain_chance:
            self.held -= 1
        self.dut.pulse_free.value = self.capacity - self.held


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"vectors {name}")
        self.loop, self.reference = Loop(dut), Reference(dut)
        rng = harness.generator(f"gaps {name}")
        self.strobe = Strobe(dut)
        self.array = Array(dut, self.reference, rng, self.strobe)
        fields = ("row", "group", "terms", "null", "last", "program")
        self.loop.monitor(Monitor(dut, "v", fields, self.reference.vector))
        self.loop.monitor(Monitor(dut, "a", ("op", "row", "group", "terms", "last"), self._visit))
        self.loop.monitor(self.reference)
        self.vectors = self.loop.driver(Source(dut, "v", rng, gaps))
        self.host = self.loop.driver(Source(dut, "m", rng, gaps))
        self.loop.driver(Sink(dut, "a", rng, gaps))
        self.loop.driver(self.array)
        self.loop.driver(self.strobe)
        self.word = (1 << self.design.array.lanes * self.design.formats.accumulator) - 1

    def _visit(self, seen: dict[str, int]) -> None:
        self.reference.visit(seen)
        self.array.visit(seen)

    async def begin(self, program_every: int = 0) -> None:
        """Reset, then the sweep that follows it."""
        await harness.start(self.dut, program_every=program_every, pulse_free=self.array.capacity)
        await self.quiet()

    async def quiet(self) -> None:
        """Until nothing is under way; compare the state."""
        await self.loop.until(lambda: not self.vectors.waiting and not self.host.waiting)
        await self.loop.steps(3)
        await self.loop.until(lambda: int(self.dut.idle.value) == 1, what="idle")
        reference, same = self.reference, harness.report.same
        where = {"vector": reference.vectors}
        same("missing visits", 0, len(reference.due), **where)
        same("passes", reference.passes, reference.passes_due, **where)
        same("since_pass", int(self.dut.since_pass.value), reference.model.since_pass, **where)
        same("vectors", int(self.dut.vectors.value), reference.vectors, **where)
        same("visits", int(self.dut.visits.value), reference.visits, **where)
        for index, wanted in enumerate(reference.model.touched_words()):
            self.dut.touched_index.value = index
            await self.loop.steps(2)
            same("touched", int(self.dut.touched.value), wanted, index=index, **where)

    def put_vector(self, rows: list[int], groups: list[int]) -> None:
        """Queue a vector that visits these rows and groups."""
        places = [(row, group) for row in rows for group in groups]
        for number, (row, group) in enumerate(places):
            last = int(number + 1 == len(places))
            terms = self.rng.randrange(self.word + 1)
            self.vectors.put(row=row, group=group, terms=terms, null=0, last=last, program=0)
        if not places:
            self.vectors.put(null=1, last=1, program=0)

    def put_token(self) -> None:
        """Queue a PROGRAM frame."""
        self.vectors.put(null=1, last=1, program=1)

    def put_random(self) -> None:
        """A random vector, or a token."""
        rng, array = self.rng, self.design.array
        if rng.random() < 0.12:
            return self.put_token()
        chance = rng.choice((0.0, 0.2, 0.7, 1.0))
        rows = [row for row in range(array.rows) if rng.random() < chance]
        groups = [group for group in range(array.groups) if rng.random() < 0.6]
        return self.put_vector(rows, groups)

    async def strobed(self, **pins: int) -> None:
        """A strobe of the host, while idle."""
        self.strobe.fire(**pins)
        await self.loop.steps(2)
