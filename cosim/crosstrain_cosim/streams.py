"""Streams of a bench: one loop per clock edge, in which monitors look first and drivers move afterwards.

    bench = Loop(dut)
    bench.monitor(Monitor(dut, "v", ("row", "group"), seen))      # calls seen({"row": 3, "group": 0}) per transfer
    source = bench.driver(Source(dut, "a", generator("a"), gaps=0.3))
    source.put(op=1, row=2)
    await bench.until(lambda: not source.waiting)

What a rising edge sees is what was there before it. A value with an unknown bit raises: unknowns fail a test.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from cocotb.triggers import RisingEdge

from crosstrain_cosim import harness


class Part(Protocol):
    """Something that acts once per rising edge."""

    def edge(self) -> None: ...


class Loop:
    """Calls monitors, then drivers, at every rising edge of `dut.clk`."""

    def __init__(self, dut: Any):
        self.dut = dut
        self.cycle = 0
        self.patience = harness.patience()
        self._monitors: list[Part] = []
        self._drivers: list[Part] = []

    def monitor(self, part: Any) -> Any:
        """Add a monitor; returns it."""
        self._monitors.append(part)
        return part

    def driver(self, part: Any) -> Any:
        """Add a driver; returns it."""
        self._drivers.append(part)
        return part

    async def step(self) -> None:
        """One clock cycle."""
        await RisingEdge(self.dut.clk)
        self.cycle += 1
        for part in self._monitors:
            part.edge()
        for part in self._drivers:
            part.edge()

    async def steps(self, count: int) -> None:
        """Some clock cycles."""
        for _ in range(count):
            await self.step()

    async def until(self, done: Callable[[], bool], what: str = "end of the stimulus") -> None:
        """Cycles until `done()`; an error when patience ends."""
        for _ in range(self.patience):
            if done():
                return
            await self.step()
        raise AssertionError(f"no {what} after {self.patience} cycles")


class Monitor:
    """Sees transfers of one stream.

    prefix : of the pins `<prefix>_valid`, `<prefix>_ready` (may be missing: never held back), `<prefix>_<field>`
    fields : payload; those of no pin must not be asked for
    seen : called with {field: int} for every transfer
    letter : before valid and ready: "t" where they are called tvalid and tready
    """

    def __init__(
        self, dut: Any, prefix: str, fields: Iterable[str], seen: Callable[[dict[str, int]], Any], letter: str = ""
    ):
        self._valid = getattr(dut, f"{prefix}_{letter}valid")
        self._ready = getattr(dut, f"{prefix}_{letter}ready", None)
        self._fields = [(name, getattr(dut, f"{prefix}_{name}")) for name in fields]
        self._seen = seen
        self.count = 0

    def edge(self) -> None:
        if int(self._valid.value) and (self._ready is None or int(self._ready.value)):
            self.count += 1
            self._seen({name: int(pin.value) for name, pin in self._fields})


class Source:
    """Offers queued transfers on one stream, each after a random gap, and keeps it stable until it is taken."""

    def __init__(self, dut: Any, prefix: str, rng: random.Random, gaps: float = 0.0):
        self._dut, self._prefix, self._rng = dut, prefix, rng
        self._valid = getattr(dut, f"{prefix}_valid")
        self._ready = getattr(dut, f"{prefix}_ready")
        self._queue: deque[dict[str, int]] = deque()
        self.gaps = gaps
        self.offered = False

    def put(self, **payload: int) -> None:
        """Queue one transfer."""
        self._queue.append(payload)

    @property
    def waiting(self) -> int:
        """Transfers not yet taken."""
        return len(self._queue)

    def edge(self) -> None:
        if self.offered and int(self._ready.value):
            self._queue.popleft()
            self.offered = False
            if not self._begins():
                self._valid.value = 0
        elif not self.offered:
            self._begins()

    def _begins(self) -> bool:
        if not self._queue or self._rng.random() < self.gaps:
            return False
        for name, value in self._queue[0].items():
            getattr(self._dut, f"{self._prefix}_{name}").value = value
        self._valid.value = 1
        self.offered = True
        return True

    def withdraw(self) -> None:
        """Forget everything, as a reset does."""
        self._queue.clear()
        self.offered = False
        self._valid.value = 0


class Sink:
    """Is ready at random."""

    def __init__(self, dut: Any, prefix: str, rng: random.Random, gaps: float = 0.0):
        self._ready = getattr(dut, f"{prefix}_ready")
        self._rng = rng
        self._now: int | None = None
        self.gaps = gaps

    def edge(self) -> None:
        ready = int(self._rng.random() >= self.gaps)
        if ready != self._now:
            self._ready.value = self._now = ready


class Strobe:
    """Drives single-cycle inputs: `fire(clear=1)` is 1 for the next cycle, then 0."""

    def __init__(self, dut: Any):
        self._dut = dut
        self._next: dict[str, int] = {}
        self._high: set[str] = set()

    def fire(self, **pins: int) -> None:
        self._next.update(pins)

    def edge(self) -> None:
        for name in self._high - set(self._next):
            getattr(self._dut, name).value = 0
        for name, value in self._next.items():
            getattr(self._dut, name).value = value
        self._high = {name for name, value in self._next.items() if value}
        self._next = {}


def packed(values: Sequence[int], bits: int) -> int:
    """Numbers side by side, the first in the lowest bits; negative ones in two's complement."""
    mask = (1 << bits) - 1
    word = 0
    for place, value in enumerate(values):
        word |= (int(value) & mask) << place * bits
    return word


def unpacked(word: int, bits: int, count: int) -> list[int]:
    """The signed numbers in a word."""
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    return [(((word >> place * bits) & mask) ^ half) - half for place in range(count)]
