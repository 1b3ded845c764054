"""Regression of the reference: corners of codes, P and P_ref at every leak, then random groups, one per cycle.

The model is fed with the groups that the pins show.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.streams import Loop, packed, unpacked
from crosstrain_model import reference as model

GROUPS = 400
LATENCY = 2


class Reference:
    """The model beside the pins."""

    def __init__(self, dut: Any):
        self.dut, self.design = dut, harness.design()
        self.bits = model.reference_bits(self.design)
        self.due: deque[dict[str, Any] | None] = deque([None] * LATENCY)
        self.groups = 0

    def _numbers(self, name: str, bits: int) -> Any:
        return np.array(unpacked(int(getattr(self.dut, name).value), bits, self.design.array.lanes), np.int64)

    def edge(self) -> None:
        """What went in LATENCY cycles ago comes out; what goes in now is kept."""
        due = self.due.popleft()
        if due is not None:
            lanes, same = self.design.array.lanes, harness.report.same
            same("z", unpacked(int(self.dut.z.value), self.bits + 1, lanes), due["z"], **due["where"])
            if self.design.dynamic_reference:
                same("newest", unpacked(int(self.dut.newest.value), self.bits, lanes), due["newest"], **due["where"])
        self.due.append(self._group() if int(self.dut.valid.value) else None)

    def _group(self) -> dict[str, Any]:
        design, dut = self.design, self.dut
        self.groups += 1
        o = model.read_out(design, self._numbers("codes", design.formats.adc))
        negative = self._numbers("negative", 1) != 0 if hasattr(dut, "negative") else False
        p_ref = self._numbers("p_ref", self.bits) if design.dynamic_reference else None
        newest = o
        if model.has_mean(design):
            newest = model.leaked(design, self._numbers("p", self.bits), o, int(dut.leak.value))
        z = model.demodulated(o, p_ref, negative)
        return {"z": z.tolist(), "newest": newest.tolist(), "where": {"vector": self.groups}}


class Bench:
    """Pins and stimulus of one test."""

    def __init__(self, dut: Any, name: str):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(name)
        self.loop, self.reference = Loop(dut), Reference(dut)
        self.loop.monitor(self.reference)
        bits = self.reference.bits
        widths = {"codes": self.design.formats.adc, "p": bits, "p_ref": bits, "negative": 1}
        self.widths = {name: width for name, width in widths.items() if hasattr(dut, name)}

    async def give(self, **lanes: list[int]) -> None:
        """One group; what is not given is random."""
        for name, width in self.widths.items():
            values = lanes.get(name) or [self.rng.getrandbits(width) for _ in range(self.design.array.lanes)]
            getattr(self.dut, name).value = packed(values, width)
        self.dut.valid.value = 1
        await self.loop.step()

    async def leak(self, leak: int) -> None:
        """Another leak, when no group is under way."""
        self.dut.valid.value = 0
        await self.loop.steps(LATENCY + 1)
        if hasattr(self.dut, "leak"):
            self.dut.leak.value = leak
        await self.loop.step()


@harness.bench()
async def corners(dut: Any) -> None:
    """Both ends and zero of all numbers, all lanes alike, with both signs and every leak."""
    bench = Bench(dut, "corners")
    await harness.start(dut)
    lanes = bench.design.array.lanes
    ends = {name: (0, -1, 1, 1 << (width - 1), (1 << (width - 1)) - 1) for name, width in bench.widths.items()}
    for leak in range(8 if hasattr(dut, "leak") else 1):
        await bench.leak(leak)
        for code in ends["codes"]:
            for other in range(5):
                for negative in (0, 1):
                    values = {name: ends[name][other] for name in ("p", "p_ref") if name in ends}
                    values |= {"codes": code, "negative": negative}
                    await bench.give(**{name: [value] * lanes for name, value in values.items()})
    await bench.leak(0)


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random groups, small numbers as often as large ones, with gaps."""
    bench = Bench(dut, "random")
    await harness.start(dut)
    rng, lanes = bench.rng, bench.design.array.lanes
    for number in range(GROUPS):
        if number % 40 == 0:
            await bench.leak(rng.randrange(8))
        sizes = {name: rng.randrange(1, width + 1) for name, width in bench.widths.items()}
        await bench.give(**{name: [rng.getrandbits(size) - (1 << (size - 1)) for _ in range(lanes)]
                            for name, size in sizes.items()})  # fmt: skip
        if rng.random() < 0.3:
            dut.valid.value = 0
            await bench.loop.steps(rng.randrange(1, 4))
    await bench.leak(0)
