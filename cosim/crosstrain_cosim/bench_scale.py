"""Regression of scale: sizes and exponents of vectors in, train lengths and factors out, with the running means.

The model is fed with what the pins show; every train must come in its order, and the means be equal whenever nothing is
under way.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, Monitor, Sink, Source, Strobe
from crosstrain_model.scale import (
    EXPONENT_BITS,
    MANTISSA_BITS,
    MOMENTUM_LIMIT,
    RATE_BITS,
    Means,
    Scaled,
    ScaleSettings,
    scale,
)

VECTORS = 200
INTERVAL = 20
"""Most cycles between two vectors, if nothing holds them back."""
MEANS = {"mean_x": "m_x", "mean_x_exponent": "e_x", "mean_d": "m_d", "mean_d_exponent": "e_d"}
"""Port -> name in the model."""


def signed(value: int, bits: int) -> int:
    """The signed number in so many bits."""
    return (value & (1 << bits) - 1 ^ 1 << (bits - 1)) - (1 << (bits - 1))


class Reference:
    """The model beside the pins."""

    def __init__(self, loop: Loop):
        self.loop, self.design = loop, harness.design()
        self.settings, self.means = ScaleSettings.of(self.design), Means()
        self.due: deque[tuple[dict[str, int], Scaled]] = deque()
        self.vectors = 0
        self.taken: list[int] = []
        """Cycle in which each vector was taken."""

    def vector(self, seen: dict[str, int]) -> None:
        """A vector was taken."""
        where = {"x": seen["x"], "ex": signed(seen["ex"], 8), "d": seen["d"], "ed": signed(seen["ed"], 8)}
        scaled = scale(self.design, self.settings, self.means, where["x"], where["ex"], where["d"], where["ed"])
        self.due.append(({"vector": self.vectors, **where}, scaled))
        self.vectors += 1
        self.taken.append(self.loop.cycle)

    def train(self, seen: dict[str, int]) -> None:
        """A train left."""
        if not self.due:
            harness.report.same("train", seen, "none", vector=self.vectors)
            return
        where, due = self.due.popleft()
        for name, value in (("slots", due.slots), ("mx", due.m_x), ("md", due.m_d)):
            harness.report.same(f"g_{name}", seen[name], value, **where)


class Bench:
    """Pins, model and stimulus of one test."""

    def __init__(self, dut: Any, name: str, gaps: float):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"vectors {name}")
        self.loop = Loop(dut)
        self.reference = Reference(self.loop)
        self.loop.monitor(Monitor(dut, "s", ("x", "ex", "d", "ed"), self.reference.vector))
        self.loop.monitor(Monitor(dut, "g", ("slots", "mx", "md"), self.reference.train))
        rng = harness.generator(f"gaps {name}")
        self.source = self.loop.driver(Source(dut, "s", rng, gaps))
        self.loop.driver(Sink(dut, "g", rng, gaps))
        self.strobe = self.loop.driver(Strobe(dut))
        self.most = (1 << (self.design.formats.x - 1), 1 << (self.design.formats.d - 1))

    async def begin(self) -> None:
        """Reset; the registers as the design says."""
        await harness.start(self.dut, **self._registers())
        self.compare_means()

    def _registers(self) -> dict[str, int]:
        settings = dataclasses.asdict(self.reference.settings)
        return settings | {"rate": settings["rate"] & (1 << RATE_BITS) - 1}

    async def configure(self, **registers: int) -> None:
        """New register values, while nothing is under way."""
        await self.drain()
        self.reference.settings = dataclasses.replace(self.reference.settings, **registers)
        for name, value in self._registers().items():
            getattr(self.dut, name).value = value
        await self.loop.step()

    async def drain(self) -> None:
        """Until nothing is under way; nothing may be missing."""
        await self.loop.until(lambda: not self.source.waiting, what="room for vectors")
        await self.loop.steps(2)
        await self.loop.until(lambda: not int(self.dut.busy.value), what="end of busy")
        await self.loop.steps(2)
        harness.report.same("missing trains", 0, len(self.reference.due), vector=self.reference.vectors)
        self.compare_means()

    def compare_means(self) -> None:
        """The running means as the host sees them."""
        for port, name in MEANS.items():
            value = int(getattr(self.dut, port).value)
            seen = signed(value, EXPONENT_BITS) if name.startswith("e") else value
            harness.report.same(port, seen, getattr(self.reference.means, name), vector=self.reference.vectors)

    async def write(self, **means: int) -> None:
        """The host writes means."""
        await self.drain()
        for name, value in means.items():
            setattr(self.reference.means, MEANS[name], value)
            self.dut.write_data.value = value & 0xFFFF_FFFF
            self.strobe.fire(**{f"{name}_write": 1})
            await self.loop.steps(2)
        await self.loop.step()
        self.compare_means()

    async def clear(self) -> None:
        """Both means are forgotten."""
        await self.drain()
        self.reference.means.clear()
        self.strobe.fire(clear=1)
        await self.loop.steps(3)
        self.compare_means()

    def put(self, size_x: int, ex: int, size_d: int, ed: int) -> None:
        """Queue a vector."""
        self.source.put(x=size_x, ex=ex & 0xFF, d=size_d, ed=ed & 0xFF)

    def random(self, spread: int) -> None:
        """Queue a vector with exponents within +-spread."""
        sizes = [self.rng.choice((0, 1, most, *(self.rng.randint(1, most) for _ in range(12)))) for most in self.most]
        exponents = [max(-128, min(127, self.rng.randint(-spread, spread))) for _ in "xd"]
        self.put(sizes[0], exponents[0], sizes[1], exponents[1])


@harness.bench()
async def corners(dut: Any) -> None:
    """Unset means, zero vectors, extremes of codes, exponents and registers, in every order of them."""
    bench = Bench(dut, "corners", 0.0)
    await bench.begin()
    most_x, most_d = bench.most
    low, high = -(1 << (RATE_BITS - 1)), (1 << (RATE_BITS - 1)) - 1
    rates = (bench.reference.settings.rate, 0, low, high)
    for number, rate in enumerate(rates):
        for momentum in (0, 1, MOMENTUM_LIMIT):
            await bench.clear()
            await bench.configure(rate=rate, momentum=momentum, dynamic=(number + momentum) % 2)
            bench.put(0, 0, 1, 0)  # nothing, and the means stay unset
            bench.put(1, -128, most_d, 127)
            bench.put(most_x, 127, 1, -128)
            bench.put(most_x, 127, 0, 0)
            bench.put(most_x, 127, most_d, 127)
            bench.put(1, -128, 1, -128)
            bench.put(most_x, 0, most_d, 0)
    await bench.drain()


@harness.bench()
async def lengths(dut: Any) -> None:
    """Around the bounds of train lengths, dynamic and not; then small codes against a mean that hardly moves."""
    bench = Bench(dut, "lengths", 0.0)
    await bench.begin()
    most_x, most_d = bench.most
    centre = 1 << (MANTISSA_BITS - 1)
    last = bench.design.train.slots
    bounds = sorted({*range(1, min(last, 6) + 1), *range(13, last, 11), last - 1, last, last + 1} - {0})
    for dynamic in (1, 0):
        for n in bounds if dynamic else bounds[-1:]:
            for by in (-2, 0, 1):
                rate = round(256 * math.log2(n)) + by
                await bench.configure(rate=rate, momentum=0, dynamic=dynamic)
                bench.put(most_x, 3, most_d, -5)
    await bench.configure(rate=bench.reference.settings.rate, momentum=MOMENTUM_LIMIT, dynamic=1)
    await bench.write(mean_x=centre, mean_x_exponent=-20, mean_d=centre, mean_d_exponent=-20)
    for size_x in range(1, min(most_x, 24) + 1):
        bench.put(size_x, 0, 1 + size_x % most_d, 0)
    await bench.drain()


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random vectors and registers, random gaps everywhere."""
    bench = Bench(dut, "random", 0.2)
    await bench.begin()
    rng = bench.rng
    for number in range(VECTORS):
        if number % 25 == 0:
            rate = rng.choice((rng.randint(-2000, 2000), bench.reference.settings.rate))
            await bench.configure(rate=rate, momentum=rng.randint(0, MOMENTUM_LIMIT), dynamic=rng.randint(0, 1))
            spread = rng.choice((0, 1, 3, 30, 128))
        bench.random(spread)
    await bench.drain()


@harness.bench()
async def means_of_the_host(dut: Any) -> None:
    """Means that the host writes, odd ones too: without its top bit a mantissa is no mean."""
    bench = Bench(dut, "host", 0.1)
    await bench.begin()
    rng, top = bench.rng, 1 << (MANTISSA_BITS - 1)
    half = 1 << (EXPONENT_BITS - 1)
    await bench.configure(rate=0, momentum=3, dynamic=1)
    for mantissa in (top, 2 * top - 1, top - 1, 0, rng.randrange(top), top + rng.randrange(top)):
        for exponent in (-half, half - 1, -23, rng.randint(-150, 150)):
            exponents = {"mean_x_exponent": exponent, "mean_d_exponent": rng.randint(-half, half - 1)}
            await bench.write(mean_x=mantissa, mean_d=top + rng.randrange(top), **exponents)
            bench.random(128)
            bench.random(3)
    await bench.clear()
    bench.random(3)
    await bench.drain()


@harness.bench()
async def pace(dut: Any) -> None:
    """Vectors one behind the other: never more than 20 cycles between two."""
    bench = Bench(dut, "pace", 0.0)
    await bench.begin()
    for dynamic in (0, 1):
        await bench.configure(dynamic=dynamic)
        bench.reference.taken.clear()
        for _ in range(30):
            bench.put(bench.rng.randint(1, bench.most[0]), 0, bench.rng.randint(1, bench.most[1]), 0)
        await bench.drain()
        taken = bench.reference.taken
        gaps = [late - early for early, late in zip(taken, taken[1:], strict=False)]
        harness.report.same("more than 20 cycles", [gap for gap in gaps if gap > INTERVAL], [])
        harness.report.payload["interval"] = max(gaps[2:])
