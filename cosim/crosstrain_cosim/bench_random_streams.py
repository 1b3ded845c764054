"""Regression of one random stream: word and state in every cycle, under steps, replays and loads of any order.

The top's name ends in the name of the stream. The model does what the pins say.
"""

from __future__ import annotations

import os
import random
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, packed
from crosstrain_model.random_streams import STREAMS, Stream

CYCLES = 1000
STROBES = ("step", "save", "restore", "load")


def stream() -> Stream:
    """The model of the stream that is simulated."""
    top = os.environ["COCOTB_TOPLEVEL"]
    (name,) = (name for name in STREAMS if top.endswith(f"_{name}"))
    return Stream(harness.design(), name)


class Watch:
    """Compares in every cycle, then does to the model what the edge does to the hardware."""

    def __init__(self, dut: Any, model: Stream):
        self.dut, self.model = dut, model
        self.saved = model.state
        self.cycle = 0
        self.steps = 0
        self.off = False
        self.loaded = False  # in the last cycle: what counts as 1 may still be zeros

    def edge(self) -> None:
        if self.off:
            return
        dut, model, same = self.dut, self.model, harness.report.same
        strobes = {name: int(getattr(dut, name).value) if hasattr(dut, name) else 0 for name in STROBES}
        state = model.state
        if not (self.loaded and packed(state, 32) == 1):
            same("state", int(dut.state.value), packed(state, 32), cycle=self.cycle)
            following = Stream(model.design, model.name)
            following.state = state
            same("word", int(dut.word.value), int(following.draws(1)[0]), cycle=self.cycle)
        self.loaded = bool(strobes["load"])
        if strobes["load"]:
            model.load(int(dut.load_index.value), int(dut.load_data.value))
        elif strobes["restore"]:
            model.state = self.saved
        elif strobes["step"]:
            model.draws(1)
            self.steps += 1
        if strobes["save"]:
            self.saved = state
        self.cycle += 1


class Hands:
    """Drives strobes: each with its own probability, or what a test says for the next cycle."""

    def __init__(self, dut: Any, rng: random.Random):
        self.dut, self.rng = dut, rng
        self.chances: dict[str, float] = {}
        self.next: dict[str, int] = {}

    def edge(self) -> None:
        for name in STROBES:
            if hasattr(self.dut, name):
                getattr(self.dut, name).value = int(self.rng.random() < self.chances.get(name, 0.0))
        self.dut.load_index.value = self.rng.randrange(4)
        self.dut.load_data.value = self.rng.choice((1, 2**31 + 1, 2**32 - 1, self.rng.getrandbits(32) | 1))
        for name, value in self.next.items():
            if hasattr(self.dut, name):
                getattr(self.dut, name).value = value
        self.next = {}


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str):
        self.loop = Loop(dut)
        self.watch = self.loop.monitor(Watch(dut, stream()))
        self.hands = self.loop.driver(Hands(dut, harness.generator(f"random streams {name}")))
        self.dut = dut

    async def act(self, **pins: int) -> None:
        """These inputs in the next cycle, and what comes of them is compared."""
        self.hands.next = pins
        await self.loop.steps(2)

    async def load(self, words: list[int]) -> None:
        """The host writes the state."""
        for index, word in enumerate(words):
            await self.act(load=1, load_index=index, load_data=word)


@harness.bench()
async def at_random(dut: Any) -> None:
    """Strobes at any density, alone and together."""
    bench = Bench(dut, "random")
    await harness.start(dut)
    for chances in (
        {"step": 1.0},
        {"step": 0.5, "save": 0.05, "restore": 0.05},
        {"step": 0.9, "save": 0.3, "restore": 0.3, "load": 0.1},
        {"load": 0.9, "step": 0.5, "save": 0.2, "restore": 0.1},
    ):
        bench.hands.chances = chances
        await bench.loop.steps(CYCLES // 4)
    assert bench.watch.steps > CYCLES // 3


@harness.bench()
async def phases(dut: Any) -> None:
    """A train's use: every phase replays the same draws, and the last one leaves the stream behind them."""
    bench = Bench(dut, "phases")
    await harness.start(dut)
    for slots in (1, 2, 5, 31):
        before = bench.watch.model.state
        for phase in range(4 if hasattr(dut, "restore") else 1):
            await bench.act(**({"restore": 1} if phase else {"save": 1}))
            await bench.loop.step()
            if phase:
                harness.report.same("state of a replay", int(dut.state.value), packed(before, 32), slots=slots)
            bench.hands.chances = {"step": 1.0}
            await bench.loop.steps(slots)
            bench.hands.chances = {}
            await bench.loop.steps(2)
        past = stream()
        past.state = before
        past.jump(slots)
        harness.report.same("state after a train", int(dut.state.value), packed(past.state, 32), slots=slots)


@harness.bench()
async def corners(dut: Any) -> None:
    """Zeros, single bits and ones loaded; a stream of zeros runs like a stream of 1; reset brings the seed back."""
    bench = Bench(dut, "corners")
    await harness.start(dut)
    words = bench.watch.model.generator.words
    single = [[1 << bit if place == word else 0 for place in range(words)] for word in range(words) for bit in (0, 31)]
    for state in ([0] * words, [2**32 - 1] * words, *single, [0] * words):
        await bench.load(state)
        bench.hands.chances = {"step": 1.0}
        await bench.loop.steps(10)
        bench.hands.chances = {}
        await bench.act()
        await bench.act()
    one = stream()
    one.state = [1] + [0] * (words - 1)
    one.jump(10)
    harness.report.same("state from zeros", int(dut.state.value), packed(one.state, 32))
    bench.watch.off = True
    pin, active = harness.reset_pin(dut)
    pin.value = active
    await bench.loop.steps(2)
    harness.report.same("state in reset", int(dut.state.value), packed(stream().state, 32))
    pin.value = 1 - active
    await bench.act(step=1)
    await bench.act(restore=1)
    await bench.loop.step()
    following = stream()
    following.jump(0 if hasattr(dut, "restore") else 1)
    harness.report.same("state remembered since reset", int(dut.state.value), packed(following.state, 32))
