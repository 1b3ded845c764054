"""The dispatcher between stand-ins for trains and pulse, transfers, a host that reads, and the array agent."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.dispatcher_reference import Reference, Slot
from crosstrain_cosim.queue_agent import QueueAgent
from crosstrain_cosim.sequencer_bench import Pulse
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe, packed
from crosstrain_model import port
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.twin.tile import ArrayTile

TIMEOUT = 150
"""Cycles of silence before everything is given up."""
COUNTERS = ("issued", "delivered", "aborted", "failed", "unknown")


class Trains:
    """Stands for the trains: a command, then its slots, each ready two cycles after the one before was taken."""

    def __init__(self, dut: Any, rng: random.Random, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.queue: deque[list[Slot]] = deque()
        self.slots: deque[Slot] = deque()
        self.offered = self.slot_offered = False
        self.wait = 0

    @property
    def idle(self) -> bool:
        return not self.queue and not self.slots and not self.offered

    def edge(self) -> None:
        dut = self.dut
        self.wait = max(0, self.wait - 1)
        if self.slot_offered and int(dut.ns_ready.value):
            self.slots.popleft()
            self._hide(1)
        if int(dut.train_over.value):
            self.slots.clear()
            self._hide(1)
        if self.offered and int(dut.n_ready.value):
            taken = self.queue.popleft()
            self.offered, self.wait = False, 1
            dut.n_valid.value = 0
            self.slots = deque([] if int(dut.cancel.value) else taken)
        elif not self.offered and self.queue and not self.slots and not self.wait and self._go():
            dut.n_slots.value = len(self.queue[0])
            dut.n_valid.value = 1
            self.offered = True
        if self.slots and not self.slot_offered and not self.wait and self._go():
            for name, value in zip(("rows", "columns", "direction"), self.slots[0], strict=True):
                getattr(dut, f"ns_{name}").value = value
            dut.ns_last.value = int(len(self.slots) == 1)
            dut.ns_valid.value = 1
            self.slot_offered = True
        dut.in_trains.value = int(not self.idle)

    def _go(self) -> bool:
        return self.rng.random() >= self.gaps

    def _hide(self, wait: int) -> None:
        self.slot_offered, self.wait = False, wait
        self.dut.ns_valid.value = 0

    def reset(self) -> None:
        """What a reset does to them."""
        self.queue.clear()
        self.slots.clear()
        self.offered = self.slot_offered = False
        self.dut.n_valid.value = self.dut.ns_valid.value = 0


class Bench:
    """Pins, models and stimulus of one test."""

    def __init__(
        self,
        dut: Any,
        name: str,
        gaps: float,
        *,
        fault: Any = None,
        latency: tuple[int, int] = (0, 4),
        row_cycles: int = 0,
    ):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"commands {name}")
        self.loop, rng = Loop(dut), harness.generator(f"gaps {name}")
        arrays = {array: ArrayTile(self.design, array=array, engine="numpy") for array in (ArrayId.A, ArrayId.W)}
        if not self.design.transfers:
            del arrays[ArrayId.A]
        self.agent = QueueAgent(
            dut, self.design, arrays, rng, gaps=gaps, latency=latency, fault=fault, row_cycles=row_cycles
        )
        self.trains = Trains(dut, rng, gaps)
        self.pulse = Pulse(dut, rng, gaps, "p") if self.design.transfers else None
        self.reference = Reference(dut, self.trains, self.pulse)
        self._watch()
        self.loop.driver(self.trains)
        self.reads, self.codes = (self.loop.driver(Source(dut, prefix, rng, gaps)) for prefix in ("h", "dac"))
        self.rows = None
        if self.pulse is not None:
            self.loop.driver(self.pulse)
            self.rows = self.loop.driver(Source(dut, "q", rng, gaps))
            self.loop.driver(Sink(dut, "z", rng, gaps))
        for prefix in ("adc", "r"):
            self.loop.driver(Sink(dut, prefix, rng, gaps))
        self.strobe = self.loop.driver(Strobe(dut))
        self.loop.driver(self.agent)

    def _watch(self) -> None:
        reference = self.reference
        monitors: list[Any] = [("n", ("slots",), reference.train), ("h", ("op", "row", "tag"), reference.read)]
        if self.design.transfers:
            monitors.append(("p", ("row", "direction", "width", "amplitude", "pulses"), reference.program))
            monitors.append(("q", ("row",), reference.row))
        monitors += [
            ("arr_cmd", ("op", "array", "row", "width", "amplitude", "tag"), reference.command),
            ("arr_slot", ("rows", "columns", "direction", "last"), reference.slot),
            ("arr_adc", ("codes",), reference.word),
            ("arr_done", ("tag", "status", "pulses"), reference.done),
            ("adc", (), reference.output),
            ("r", ("op", "tag", "status"), reference.result),
        ]
        for prefix, fields, seen in monitors:
            self.loop.monitor(Monitor(self.dut, prefix, fields, seen))
        self.loop.monitor(reference)

    async def begin(self, **pins: int) -> None:
        """Reset; the array answers the ABORT that follows it."""
        pins = {"train_width": 3, "train_guard": 1, "train_amplitude": 0x4321, "timeout": TIMEOUT, **pins}
        empty = {"pulse_empty": 1} if self.design.transfers else {}
        await harness.start(self.dut, program_enable=1, arr_rails_ok=1, **pins, **empty)
        await self.loop.until(lambda: int(self.dut.ready.value) == 1, what="answer to the first ABORT")

    # ---- stimulus ----

    def put(self) -> None:
        """Anything at random."""
        kind = self.rng.random()
        if kind < 0.5:
            self.put_train()
        elif kind < 0.9 and self.design.transfers:
            self.put_row() if kind < 0.7 else self.put_program()
        else:
            self.put_read()

    def put_train(self, slots: int = 0) -> None:
        """A random train."""
        rng, array = self.rng, self.design.array
        train = []
        for _ in range(slots or rng.randrange(1, 7)):
            columns = rng.getrandbits(array.device_columns)
            train.append((rng.getrandbits(array.rows), columns, rng.getrandbits(array.device_columns) & columns))
        self.trains.queue.append(train)

    def put_program(self) -> None:
        """A random command of pulses of a row."""
        assert self.pulse is not None
        rng, columns = self.rng, self.design.array.device_columns
        slots, mask = [], (1 << columns) - 1
        for _ in range(rng.randrange(1, self.design.update.max_pulses + 1)):
            mask = (mask & rng.getrandbits(columns)) or mask & -mask
            slots.append(mask)
        self.pulse.put(rng.randrange(self.design.array.rows), rng.randrange(2), rng.randrange(1, 6), slots)

    def put_row(self) -> None:
        """The read of a random row for a transfer."""
        assert self.rows is not None
        self.rows.put(row=self.rng.randrange(self.design.array.rows))

    def put_read(self) -> None:
        """A read of the host with its words."""
        rng, array, formats = self.rng, self.design.array, self.design.formats
        op = rng.choice(port.READ_OPS)
        self.reads.put(op=op, row=rng.randrange(array.rows), tag=rng.randrange(256))
        bits = formats.x if op == Op.FORWARD else formats.d
        count = {Op.FORWARD: array.rows, Op.BACKWARD: array.columns}.get(op, 0)
        codes = [rng.randrange(-(1 << bits - 1), 1 << bits - 1) for _ in range(count)]
        for start in range(0, count, array.lanes):
            self.codes.put(codes=packed(codes[start : start + array.lanes], port.code_bits(self.design)))

    # ---- ends ----

    def _idle(self) -> bool:
        sources = [self.reads, self.codes, *([self.rows] if self.rows else [])]
        pulse = self.pulse is None or self.pulse.idle
        return self.trains.idle and pulse and not any(source.waiting for source in sources)

    async def quiet(self) -> None:
        """Until nothing is under way; compare the counters."""
        await self.loop.until(self._idle, what="idle")
        await self.loop.steps(6)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(3)
        reference, same = self.reference, harness.report.same
        prefixes = {"n": "train_", **({"p": ""} if self.design.transfers else {})}
        for kind, prefix in prefixes.items():
            ledger = reference.ledgers[kind]
            for name, value in ledger.wrapped().items():
                same(prefix + name, int(getattr(self.dut, prefix + name).value), value, command=reference.commands)
            same("balance", (ledger.balanced, ledger.open), (True, 0), command=reference.commands)
        same("commands", int(self.dut.commands.value), reference.commands)
        same("stray", int(self.dut.stray.value), reference.strays)
        same("missing", (len(reference.open), len(reference.results), len(reference.ended)), (0, 0, 0))

    def delivered(self) -> dict[str, int]:
        """Pulses and slots that the hardware counts as fired."""
        names = {Op.TRAIN: "train_delivered", **({Op.PROGRAM: "delivered"} if self.design.transfers else {})}
        return {op.name: int(getattr(self.dut, name).value) for op, name in names.items()}

    def fired(self) -> dict[str, int]:
        """Those that the agent fired."""
        ops = (Op.TRAIN, Op.PROGRAM) if self.design.transfers else (Op.TRAIN,)
        return {op.name: sum(event.pulses for event in self.agent.events if event.op == op) for op in ops}
