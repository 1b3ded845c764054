"""Regression of the schedule: which visits reach the accumulator, in which order, and what stays touched.

The model is fed with the vectors that the pins show to be taken and with the `left` that the bench gave back. The bench
stands for accumulator (visits back after a few cycles) and pulse (row buffers that empty at random).
"""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.schedule_bench import Bench
from crosstrain_model.accumulator import Op

VECTORS = 60


@harness.bench()
async def corners(dut: Any) -> None:
    """Every row, no row, the last row; passes with nothing to do; loads, clears and the host's state."""
    bench = Bench(dut, "corners", 0.0)
    await bench.begin()
    array, reference = bench.design.array, bench.reference
    everything = list(range(array.rows)), list(range(array.groups))
    bench.put_token()
    bench.put_vector(*everything)
    bench.put_vector([], [])
    bench.put_token()
    await bench.quiet()
    bench.put_vector([array.rows - 1], [array.groups - 1])
    bench.put_token()
    bench.put_vector([0], [0])
    await bench.quiet()
    await bench.strobed(touch_all=1)
    reference.model.touch_all()
    await bench.quiet()
    bench.put_token()
    await bench.quiet()
    dut.m_hold.value = 1
    for write in (1, 0):
        reference.due.append({"op": Op.WRITE if write else Op.READ, "row": array.rows - 1, "group": array.groups - 1})
        bench.host.put(write=write, row=array.rows - 1, group=array.groups - 1, data=bench.word)
        if write:
            reference.due[-1]["terms"] = bench.word
            reference.model.touch_all()
    await bench.loop.until(lambda: not bench.host.waiting)
    dut.m_hold.value = 0
    await bench.quiet()
    await bench.strobed(since_write=1, since_data=0xFFFF)
    reference.model.since_pass = 0xFFFF
    bench.put_vector([0], [0])
    await bench.quiet()
    reference.sweep()
    await bench.strobed(clear=1)
    await bench.quiet()
    await bench.strobed(touched_write=1, touched_data=1)
    reference.model.touched[0] = True  # touched_index is that of the last word; see `quiet`
    if array.rows > 32:
        reference.model.touched[0], reference.model.touched[(array.rows - 1) // 32 * 32] = False, True
    await bench.quiet()


async def at_random(dut: Any, name: str, gaps: float, every: int) -> None:
    """Random vectors with passes between them."""
    bench = Bench(dut, name, gaps)
    await bench.begin(program_every=every)
    for number in range(harness.amount(VECTORS)):
        bench.put_random()
        if number % harness.amount(20) == 2:
            await bench.quiet()
    await bench.quiet()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps; a pass only when a token says so."""
    await at_random(dut, "dense", 0.0, 0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps on every stream, and a pass after every third vector."""
    await at_random(dut, "gaps", 0.4, 3)


@harness.bench()
async def every_vector(dut: Any) -> None:
    """A pass after every vector, and row buffers that hardly ever empty."""
    bench = Bench(dut, "every", 0.1)
    bench.array.drain_chance = 0.02
    await bench.begin(program_every=1)
    for _ in range(harness.amount(8)):
        bench.put_random()
    await bench.quiet()


@harness.bench()
async def cancelled(dut: Any) -> None:
    """Passes that an abort ends: whole rows only, and the rest stays touched."""
    bench = Bench(dut, "cancel", 0.2)
    await bench.begin()
    array = bench.design.array
    for _ in range(harness.amount(12)):
        bench.put_vector(list(range(array.rows)), list(range(array.groups)))
        bench.put_token()
        passes = bench.reference.passes
        await bench.loop.until(lambda: int(dut.in_pass.value) == 1, what="pass")
        await bench.loop.steps(bench.rng.randrange(1, 6 + 2 * array.rows))
        if bench.reference.passes == passes:
            bench.reference.cancelled = True
        bench.strobe.fire(cancel=1)
        await bench.quiet()
