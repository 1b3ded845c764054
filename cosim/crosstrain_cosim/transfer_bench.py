"""What the benches of the transfer station share: model, dispatcher and Pulse at its pins.

The model is fed with the tokens, words and ends of reads that the pins show; every group of counts must come in its
order, and all memories, counters and totals must be the model's whenever nothing is under way.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Source, Strobe, packed, unpacked
from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_model.accumulator import Ledger
from crosstrain_model.chopper import row_choppers
from crosstrain_model.outer_product import words
from crosstrain_model.pulse import row_buffers
from crosstrain_model.registers_gradient import MEMORIES, cell_bits
from crosstrain_model.sweep import Token
from crosstrain_model.transfer import TransferSettings, TransferState, visit_row

COUNT_BITS = 5


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        self.model, self.settings = TransferState(self.design), TransferSettings.of(self.design)
        self.ledger = Ledger.of(self.model.h)
        self.tokens: deque[Token] = deque()
        self.words: list[list[int]] = []
        self.due: deque[dict[str, Any]] = deque()
        self.rows: set[int] = set()
        """Rows that a visit or the host has touched."""
        self.reads = self.clips = self.lost = self.ends = 0
        self.due_ends = 0
        """Groups of which a code is at an end of the ADC's range; `ends` is how many the hardware told of."""

    def token(self, seen: dict[str, int]) -> None:
        """A token was taken."""
        columns = None
        if "columns" in seen:
            columns = np.array([seen["columns"] >> column & 1 for column in range(self.design.array.columns)], np.bool_)
        flags = {name: bool(seen[name]) for name in ("sign", "flip", "warm")}
        self.tokens.append(Token(row=seen["row"], columns=columns, **flags))

    def word(self, seen: dict[str, int]) -> None:
        """A word was taken."""
        self.words.append(unpacked(seen["codes"], self.design.formats.adc, self.design.array.lanes))

    def end(self) -> None:
        """A read ends: its row is visited, or it is lost."""
        if not int(self.dut.z_end.value):
            return
        self.reads += 1
        token, sent, self.words = self.tokens.popleft(), self.words, []
        if not int(self.dut.z_good.value):
            self.model.lose()
            return
        array = self.design.array
        codes = [code for word in sent for code in word][: array.columns]
        where = {"vector": self.reads, "row": token.row}
        counts = visit_row(self.design, self.settings, self.model, token, codes, self.ledger)
        self.rows.add(token.row)
        half = 1 << (self.design.formats.adc - 1)
        for group, word in enumerate(words(counts, array.lanes).tolist()):
            given = codes[group * array.lanes : (group + 1) * array.lanes]
            self.due_ends += -half in given or half - 1 in given
            self.due.append({"row": token.row, "counts": word, "last": int(group + 1 == array.groups),
                             "where": {**where, "column": group * array.lanes}})  # fmt: skip

    def counts(self, seen: dict[str, int]) -> None:
        """Counts of a group leave."""
        same = harness.report.same
        if not self.due:
            same("counts", seen, "none", vector=self.reads)
            return
        due = self.due.popleft()
        same("c_counts", unpacked(seen["counts"], COUNT_BITS, self.design.array.lanes), due["counts"], **due["where"])
        for name in ("row", "last"):
            same(f"c_{name}", seen[name], due[name], **due["where"])

    def edge(self) -> None:
        """Ends of reads, and strobes of events."""
        self.end()
        self.lost += int(self.dut.lost.value)
        self.ends += int(self.dut.adc_clip.value)
        if int(self.dut.clip_valid.value):
            self.clips += int(self.dut.clip_count.value)


class Reads:
    """Stands for the dispatcher: words of reads, each read ended behind its last word."""

    def __init__(self, dut: Any, reference: Reference, rng: Any, gaps: float):
        self.dut, self.reference, self.rng, self.gaps = dut, reference, rng, gaps
        self.queue: deque[dict[str, Any]] = deque()
        self._offered = self._ends = False

    def edge(self) -> None:
        dut = self.dut
        if self._ends:
            dut.z_end.value = 0
            self._ends = False
            self.queue.popleft()
        if self._offered and int(dut.z_ready.value):
            self.queue[0]["words"].popleft()
            dut.z_valid.value = 0
            self._offered = False
        if not self.queue or self._offered or self.rng.random() < self.gaps:
            return
        read = self.queue[0]
        if read["words"]:
            dut.z_codes.value = read["words"][0]
            dut.z_valid.value = 1
            self._offered = True
        elif self.reference.tokens:
            dut.z_end.value = 1
            dut.z_good.value = int(read["good"])
            self._ends = True


class Room:
    """Stands for `Pulse`: takes rows, is done with them at random."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.most = self.free = row_buffers(harness.design())

    def edge(self) -> None:
        if int(self.dut.c_valid.value) and int(self.dut.c_last.value):
            harness.report.same("a row of counts without room", self.free > 0, True)
            self.free -= 1
        if self.free < self.most and self.rng.random() >= self.gaps:
            self.free += 1
        self.dut.pulse_free.value = self.free


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"rows {name}")
        rng = harness.generator(f"gaps {name}")
        self.loop, self.reference = Loop(dut), Reference(dut)
        self.columns = hasattr(dut, "k_columns")
        fields = ("row", "sign", "flip", "warm", *(("columns",) if self.columns else ()))
        self.loop.monitor(Monitor(dut, "c", ("row", "counts", "last"), self.reference.counts))
        self.loop.monitor(Monitor(dut, "z", ("codes",), self.reference.word))
        self.loop.monitor(self.reference)
        self.loop.monitor(Monitor(dut, "k", fields, self.reference.token))
        self.tokens = self.loop.driver(Source(dut, "k", rng, gaps))
        self.reads = self.loop.driver(Reads(dut, self.reference, rng, gaps))
        self.room = self.loop.driver(Room(dut, rng, 0.95 if gaps else 0.0))
        self.strobe = self.loop.driver(Strobe(dut))

    async def begin(self) -> None:
        """Reset, registers, and the sweep after reset."""
        await harness.start(self.dut, pulse_free=self.room.free, **self._registers())
        await self.quiet()

    def _registers(self) -> dict[str, int]:
        theta = self.reference.settings.theta
        log2 = self.design.update.threshold_power_of_two
        registers = {"theta": theta.bit_length() - 1 if log2 else theta}
        return registers | ({"leak": self.reference.settings.leak} if hasattr(self.dut, "leak") else {})

    async def configure(self, theta: int, leak: int) -> None:
        """Other registers, while nothing is under way; theta rounded down to what there is."""
        theta = 1 << (theta.bit_length() - 1) if self.design.update.threshold_power_of_two else theta
        self.reference.settings = TransferSettings(theta=theta, leak=leak)
        for name, value in self._registers().items():
            getattr(self.dut, name).value = value
        await self.loop.step()

    def put(self, codes: list[int], *, row: int, sign: int = 0, flip: int = 0, warm: int = 0, columns: int = 0) -> None:
        """Queue a read that ends well, with its token."""
        array, adc = self.design.array, self.design.formats.adc
        padded = [*codes, *(self.rng.getrandbits(adc) for _ in range(array.groups * array.lanes - array.columns))]
        self._token(row=row, sign=sign, flip=flip, warm=warm, columns=columns)
        parts = [padded[group * array.lanes : (group + 1) * array.lanes] for group in range(array.groups)]
        self.reads.queue.append({"words": deque(packed(part, adc) for part in parts), "good": True})

    def put_failed(self) -> None:
        """Queue a read that fails behind any number of words."""
        array, adc = self.design.array, self.design.formats.adc
        self._token(row=self.rng.randrange(array.rows), sign=0, flip=1, warm=0, columns=0)
        sent = self.rng.randrange(array.groups + 1)
        given = deque(self.rng.getrandbits(array.lanes * adc) for _ in range(sent))
        self.reads.queue.append({"words": given, "good": False})

    def _token(self, **fields: int) -> None:
        if not self.columns:
            del fields["columns"]
        fields["sign"] &= row_choppers(self.design) != "none"
        self.tokens.put(**fields)

    async def quiet(self) -> None:
        """Until nothing is under way; nothing may be missing, counters and totals must be the model's."""
        dut, model, same = self.dut, self.reference.model, harness.report.same
        await self.loop.until(lambda: not self.tokens.waiting and not self.reads.queue, what="end of the reads")
        await self.loop.steps(3)
        await self.loop.until(lambda: not int(dut.busy.value) and not int(dut.clearing.value), what="quiet")
        await self.loop.step()
        where = {"vector": self.reference.reads}
        same("missing counts", 0, len(self.reference.due), **where)
        for name, count in model.counters().items():
            same(name, int(getattr(dut, name).value), count % 2**32, **where)
        same("clips as strobes", self.reference.clips, model.clipped, **where)
        same("lost reads as strobes", self.reference.lost, model.lost_reads, **where)
        same("groups with ends as strobes", self.reference.ends, self.reference.due_ends, **where)
        if self.design.ledger:
            ledger = self.reference.ledger
            cells = dict(zip(TOTALS, (ledger.initial, ledger.inputs, ledger.programmed, ledger.cleared, ledger.clipped),
                             strict=True))  # fmt: skip
            for name, cell in cells.items():
                same(f"total_{name}", int(getattr(dut, f"total_{name}").value), int(cell.sum()) % 2**64, **where)

    async def access(self, select: int, row: int, group: int, cells: list[int] | None = None) -> list[int]:
        """The host writes `cells`, or reads; returns what it read."""
        dut, lanes, size = self.dut, self.design.array.lanes, cell_bits(self.design)
        data = packed(cells or [0] * lanes, size)
        given = {"write": int(cells is not None), "row": row, "group": group, "data": data}
        given |= {"select": select} if hasattr(dut, "m_select") else {}
        for name, value in given.items():
            getattr(dut, f"m_{name}").value = value
        dut.m_valid.value = 1
        await self.loop.step()
        await self.loop.until(lambda: bool(int(dut.m_ready.value)), what="access of the host")
        dut.m_valid.value = 0
        for lane, cell in enumerate(cells or []):
            if group * lanes + lane < self.design.array.columns:
                self.reference.model.write(select, row, group * lanes + lane, cell, self.reference.ledger)
                self.reference.rows.add(row)
        await self.loop.step()
        where = {"row": row, "column": group * lanes}
        harness.report.same("r_valid behind m_ready", int(dut.r_valid.value), int(cells is None), **where)
        return unpacked(int(dut.r_data.value), size, lanes) if cells is None else []

    async def compare_memories(self) -> None:
        """The host reads every row that anything has touched."""
        await self.quiet()
        array, model = self.design.array, self.reference.model
        for row in sorted(self.reference.rows):
            for select in range(len(MEMORIES) if hasattr(self.dut, "m_select") else 1):
                for group in range(array.groups):
                    seen = await self.access(select, row, group)
                    columns = range(group * array.lanes, (group + 1) * array.lanes)
                    wanted = [model.read(select, row, c) if c < array.columns else 0 for c in columns]
                    harness.report.same(MEMORIES[select], seen, wanted, row=row, column=group * array.lanes)
