"""Regression of the threshold comparator: corners of a and theta, then random words, against `model.threshold`."""

from __future__ import annotations

from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.streams import packed, unpacked
from crosstrain_model import threshold as model

ROUNDS = 400
COUNT_BITS = 5


async def compare(dut: Any, values: list[int], theta: int, vector: int) -> None:
    """Put one group and a theta on the pins; compare what comes out with what the pins say went in."""
    design = harness.design()
    width, lanes = design.formats.accumulator, design.array.lanes
    dut.a.value = packed(values, width)
    dut.theta.value = theta.bit_length() - 1 if design.update.threshold_power_of_two else theta
    await Timer(1, unit="ns")
    code = int(dut.theta.value)
    theta_seen = 1 << code if design.update.threshold_power_of_two else code
    seen = unpacked(int(dut.a.value), width, lanes)
    counts, after, left = model.compare(design, seen, theta_seen)
    p, a_next = unpacked(int(dut.p.value), COUNT_BITS, lanes), unpacked(int(dut.a_next.value), width, lanes)
    for lane in range(lanes):
        where = {"vector": vector, "lane": lane, "a": seen[lane], "theta": theta_seen}
        harness.report.same("p", p[lane], int(counts[lane]), **where)
        harness.report.same("a_next", a_next[lane], int(after[lane]), **where)
    harness.report.same("left", int(dut.left.value), int(left.any()), vector=vector, theta=theta_seen)


def thetas() -> list[int]:
    """Corners of theta."""
    limit = model.theta_limit(harness.design())
    if harness.design().update.threshold_power_of_two:
        return [1 << shift for shift in range(limit.bit_length())]
    return sorted({1, 2, 3, limit // 15 or 1, limit // 3, limit // 2, limit - 1, limit})


@harness.bench()
async def corners(dut: Any) -> None:
    """Both extremes, zero, and one to each side of every multiple of theta up to the clamp."""
    design = harness.design()
    limit, lanes = model.theta_limit(design), design.array.lanes
    for number, theta in enumerate(thetas()):
        steps = {k * theta + around for k in range(design.update.max_pulses + 2) for around in (-1, 0, 1)}
        values = sorted(v for s in steps | {0, limit, limit + 1} for v in (s, -s) if -limit - 1 <= v <= limit)
        for start in range(0, len(values), lanes):
            group = values[start : start + lanes]
            await compare(dut, group + [0] * (lanes - len(group)), theta, number)


@harness.bench()
async def at_random(dut: Any) -> None:
    """Random words and thresholds, small ones as often as large ones."""
    design, rng = harness.design(), harness.generator("threshold")
    limit, lanes = model.theta_limit(design), design.array.lanes
    for vector in range(ROUNDS):
        theta = min(limit, rng.randrange(1, 2 ** rng.randrange(1, limit.bit_length() + 1) + 1))
        if design.update.threshold_power_of_two:
            theta = 1 << rng.randrange(limit.bit_length())
        size = 1 << rng.randrange(1, design.formats.accumulator)
        await compare(dut, [rng.randrange(-size, size) for _ in range(lanes)], theta, vector)
