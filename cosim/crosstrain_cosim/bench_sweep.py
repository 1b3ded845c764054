"""Regression of the sweep: behind which vectors which rows are read, what tokens say, with which signs trains fire.

The bench stands for the pulse trains (`full`, `silent`, `t_taken`), for the dispatcher that takes reads and for the
station that takes tokens. The model counts the vectors that the pins show to be fired.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Strobe
from crosstrain_model.chopper import chopper_words
from crosstrain_model.sweep import LIMIT, Sweep, Token

VECTORS = 240
STATES = ("since", "row", "sweeps", "reads_in_period")


def bits(flags: Any) -> int:
    """Flags as the integer on the pins."""
    return sum(1 << place for place, flag in enumerate(flags) if flag)


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        self.model = Sweep(self.design)
        self.reads: deque[int] = deque()
        self.tokens: deque[Token] = deque()
        self.open = False
        """The command of the vector fired last is not taken."""

    @property
    def where(self) -> dict[str, int]:
        return {"vector": self.model.vectors, "row": self.model.row}

    def edge(self) -> None:
        """A vector is fired: everything of the one before must be over; signs are those of the model."""
        dut, same = self.dut, harness.report.same
        if self.design.transfers and (int(dut.read_valid.value) or int(dut.k_valid.value)):
            same("transfer before its train", self.open, False, **self.where)
        if self.open and (int(dut.t_taken.value) or int(dut.cancel.value)):
            self.open = False
        elif int(dut.fire.value):
            same("fire without full", int(dut.full.value), 1, **self.where)
            same("fire under hold", int(dut.hold.value), 0, **self.where)
            same("fire before", (self.open, len(self.reads), len(self.tokens)), (False, 0, 0), **self.where)
            same("chop_rows", int(dut.chop_rows.value), bits(self.model.chopper.rows), **self.where)
            same("chop_columns", int(dut.chop_columns.value), bits(self.model.chopper.columns), **self.where)
            token = self.model.vector()
            self.open = not (int(dut.silent.value) or int(dut.cancel.value))
            if token is not None:
                self.reads.append(token.row)
                self.tokens.append(token)

    def read(self, seen: dict[str, int]) -> None:
        """A read was taken."""
        harness.report.same("read_row", seen["row"], self.reads.popleft() if self.reads else None, **self.where)

    def token(self, seen: dict[str, int]) -> None:
        """A token was taken."""
        if not self.tokens:
            harness.report.same("token", seen, None, **self.where)
            return
        due = self.tokens.popleft()
        for name, value in seen.items():
            wanted = getattr(due, name)
            harness.report.same(f"k_{name}", value, bits(wanted) if name == "columns" else int(wanted), **self.where)


class Trains:
    """Stands for the pulse trains: complete vectors, some of them without a command, commands taken after a while."""

    def __init__(self, dut: Any, rng: Any, gaps: float):
        self.dut, self.rng, self.gaps = dut, rng, gaps
        self.left = 0
        self.silent_chance = 0.2
        self.take = True
        self._open = False

    def edge(self) -> None:
        dut = self.dut
        if int(dut.fire.value):
            self.left -= 1
            self._open = not (int(dut.silent.value) or int(dut.cancel.value))
        elif int(dut.t_taken.value) or int(dut.cancel.value):
            self._open = False
        ready = self.rng.random() >= self.gaps
        dut.full.value = int(self.left > 0 and not self._open and ready)
        dut.silent.value = int(self.rng.random() < self.silent_chance)
        dut.t_taken.value = int(self._open and self.take and ready)


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"vectors {name}")
        rng = harness.generator(f"gaps {name}")
        self.loop, self.reference = Loop(dut), Reference(dut)
        self.model = self.reference.model
        self.loop.monitor(self.reference)
        self.trains = self.loop.driver(Trains(dut, rng, gaps))
        self.strobe = self.loop.driver(Strobe(dut))
        if self.design.transfers:
            fields = ("row", "sign", "flip", "warm", *(("columns",) if hasattr(dut, "k_columns") else ()))
            self.loop.monitor(Monitor(dut, "read", ("row",), self.reference.read))
            self.loop.monitor(Monitor(dut, "k", fields, self.reference.token))
            self.loop.driver(Sink(dut, "read", rng, gaps))
            self.loop.driver(Sink(dut, "k", rng, gaps))

    async def begin(self) -> None:
        """Reset, the registers, and near the end of a sweep, so that it wraps."""
        await harness.start(self.dut, **self._registers())
        if self.design.transfers and self.design.array.rows > 8:
            await self.write(row=self.design.array.rows - 3)

    def _registers(self) -> dict[str, int]:
        settings = dataclasses.asdict(self.model.settings)
        return {name: value for name, value in settings.items() if hasattr(self.dut, name)}

    async def configure(self, **settings: int) -> None:
        """Other values of the registers."""
        self.model.settings = dataclasses.replace(self.model.settings, **settings)
        for name, value in self._registers().items():
            getattr(self.dut, name).value = value
        await self.loop.step()

    async def write(self, **state: int) -> None:
        """State, as the host writes it."""
        for name, value in state.items():
            self.strobe.fire(**{f"{name}_write": 1, "write_data": value})
            await self.loop.steps(2)
            setattr(self.model, name, value if name != "reads_in_period" or self.model.has_period else 0)

    async def vectors(self, count: int) -> None:
        """Some vectors, and then the state."""
        self.trains.left += count
        await self.loop.until(lambda: self.trains.left <= 0)
        await self.quiet()

    async def quiet(self) -> None:
        """Until nothing is under way; compare the state."""
        await self.loop.steps(3)
        await self.loop.until(lambda: int(self.dut.busy.value) == 0, what="end of the transfer")
        dut, model, same, where = self.dut, self.model, harness.report.same, self.reference.where
        same("reads and tokens missing", (len(self.reference.reads), len(self.reference.tokens)), (0, 0), **where)
        same("vectors", int(dut.vectors.value), model.vectors % 2**32, **where)
        same("transfers", int(dut.transfers.value), model.transfers % 2**32, **where)
        for name in STATES if self.design.transfers else ():
            same(name, int(getattr(dut, name).value), getattr(model, name), **where)
        for index, word in enumerate(model.chopper.words()):
            dut.chop_index.value = index
            await self.loop.steps(2)
            same("chop_word", int(dut.chop_word.value), word, index=index, **where)
        if model.chopper.stream is not None:
            state = b"".join(int(word).to_bytes(4, "little") for word in model.chopper.stream.state)
            same("choppers_state", int(dut.choppers_state.value), int.from_bytes(state, "little"), **where)


async def at_random(dut: Any, name: str, gaps: float) -> None:
    """The design's own settings, then others."""
    bench = Bench(dut, name, gaps)
    await bench.begin()
    await bench.vectors(harness.amount(VECTORS))
    if bench.design.transfers:
        for settings in (
            {"every": 1, "period": 2, "probability": 2**15, "warmup": 0},
            {"every": 7, "period": 3, "probability": 2**16, "warmup": LIMIT},
            {"every": 2, "period": 5, "probability": 0, "warmup": 3},
        ):
            await bench.configure(**settings)
            await bench.write(row=max(0, bench.design.array.rows - 2))
            await bench.vectors(harness.amount(VECTORS // 4, 20))


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """Everybody is ready at once."""
    await at_random(dut, "dense", 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Everybody takes his time."""
    await at_random(dut, "gaps", 0.6)


@harness.bench()
async def corners(dut: Any) -> None:
    """Limits of the counts, `every` below since, a period that has passed, words and stream of the host, clear."""
    bench = Bench(dut, "corners", 0.2)
    await bench.begin()
    await bench.vectors(3)
    if not bench.design.transfers:
        await host_counts(bench)
        return
    last = bench.design.array.rows - 1
    await bench.configure(every=LIMIT)
    await bench.write(since=LIMIT - 2)
    await bench.vectors(2)
    await bench.vectors(30)
    await bench.configure(every=1, period=LIMIT)
    await bench.write(sweeps=LIMIT - 1, reads_in_period=LIMIT - 1, row=last)
    for _ in range(3):
        await bench.vectors(1)
        await bench.write(row=last)
    await bench.configure(every=0, period=0)
    await bench.vectors(12)
    await host_state(bench)
    await bench.vectors(harness.amount(40))
    bench.strobe.fire(clear=1)
    bench.model.clear()
    await bench.quiet()
    await bench.vectors(4)
    await host_counts(bench)


async def host_state(bench: Bench) -> None:
    """Every word of chopper bits and of their stream is loaded."""
    dut, chopper = bench.dut, bench.model.chopper
    for index in range(chopper_words(bench.design)):
        word = bench.rng.getrandbits(32)
        bench.strobe.fire(chop_write=1, chop_data=word)
        dut.chop_index.value = index
        await bench.loop.steps(2)
        chopper.put_word(index, word)
    if chopper.stream is not None:
        words = [bench.rng.getrandbits(32) for _ in chopper.stream.state]
        for index, word in enumerate(words):
            bench.strobe.fire(choppers_load=1, choppers_load_data=word)
            dut.choppers_load_index.value = index
            await bench.loop.steps(2)
        chopper.stream.state = words
    await bench.quiet()


async def host_counts(bench: Bench) -> None:
    """The counters are cleared."""
    bench.strobe.fire(count_clear=1)
    bench.model.vectors = bench.model.transfers = 0
    await bench.quiet()
    await bench.vectors(5)


@harness.bench()
async def held_and_cancelled(dut: Any) -> None:
    """Under hold nothing fires and what was begun ends; commands that an abort drops are not waited for."""
    bench = Bench(dut, "held", 0.3)
    await bench.begin()
    for number in range(harness.amount(40, 8)):
        bench.trains.left = 1000
        await bench.loop.steps(bench.rng.randrange(1, 12))
        bench.trains.take = False
        await bench.loop.steps(bench.rng.randrange(1, 6))
        dut.hold.value = number % 2
        dut.cancel.value = 1
        await bench.loop.steps(bench.rng.randrange(1, 5))
        dut.cancel.value = 0
        bench.trains.take = True
        dut.hold.value = 1
        await bench.loop.until(lambda: int(dut.busy.value) == 0, what="end under hold")
        await bench.quiet()
        fired = bench.model.vectors
        await bench.loop.steps(8)
        harness.report.same("vectors fired under hold", bench.model.vectors - fired, 0)
        dut.hold.value = 0
        await bench.loop.step()
