"""Regression of the transfer station: rows that were read in, counts out, with what they leave in H, P and P_ref."""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.transfer_bench import Bench
from crosstrain_model.registers_gradient import MEMORIES
from crosstrain_model.threshold import theta_limit

READS = 60


def ends(bench: Bench) -> tuple[int, int]:
    """Least and greatest ADC code."""
    half = 1 << (bench.design.formats.adc - 1)
    return -half, half - 1


@harness.bench()
async def corners(dut: Any) -> None:
    """Extremes twice running with both signs, on the first and the last row; flips and warm-up at each."""
    bench = Bench(dut, "corners", 0.0)
    await bench.begin()
    array, limit, (low, high) = bench.design.array, theta_limit(bench.design), ends(bench)
    columns = (1 << array.columns) - 1
    for theta in (limit, max(1, limit // 3), 1):
        await bench.configure(theta, bench.rng.randrange(8))
        for row in {0, array.rows - 1}:
            for code in (high, high, low, low, low, 0, -1, 1 if high else 0):
                for flip in (0, 1):
                    bench.put([code] * array.columns, row=row, flip=flip, warm=int(code == 0))
            for code in (low, high, low):
                bench.put([code] * array.columns, row=row, sign=1, columns=columns)
                bench.put([code] * array.columns, row=row, sign=1, flip=1, warm=1)
                bench.put([code if c % 2 else 0 for c in range(array.columns)], row=row, columns=columns // 3)
        await bench.compare_memories()


async def at_random(dut: Any, name: str, gaps: float) -> None:
    """Random reads of a few rows, the last among them; some fail. Registers change now and then."""
    bench = Bench(dut, name, gaps)
    await bench.begin()
    rng, array, (low, high) = bench.rng, bench.design.array, ends(bench)
    rows = sorted({0, array.rows - 1, *(rng.randrange(array.rows) for _ in range(4))})
    for number in range(harness.amount(READS, 12)):
        if number % 12 == 0:
            await bench.quiet()
            shift = rng.randrange(bench.design.formats.accumulator - 1)
            await bench.configure(max(1, theta_limit(bench.design) >> shift), rng.randrange(8))
        if rng.random() < 0.15:
            bench.put_failed()
        size = 1 << rng.randrange(bench.design.formats.adc)
        codes = [min(high, max(low, rng.randint(-size, size))) for _ in range(array.columns)]
        bench.put(codes, row=rng.choice(rows), sign=rng.randrange(2), flip=rng.randrange(2),
                  warm=int(rng.random() < 0.2), columns=rng.getrandbits(array.columns))  # fmt: skip
    await bench.compare_memories()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """Everything at once: eight tokens and two rows wait."""
    await at_random(dut, "dense", 0.0)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Gaps everywhere, and a Pulse that is mostly full."""
    await at_random(dut, "gaps", 0.4)


@harness.bench()
async def met_again(dut: Any) -> None:
    """Two visits of one row directly behind each other, after they have waited for room."""
    bench = Bench(dut, "again", 0.0)
    await bench.begin()
    await bench.configure(theta_limit(bench.design), 1)
    array, (low, high) = bench.design.array, ends(bench)
    for number in range(6):
        bench.room.gaps, bench.room.free = 1.0, 0
        await bench.loop.steps(2)
        for _ in range(2):
            code = bench.rng.randint(low, high)
            bench.put([code] * array.columns, row=array.rows - 1, flip=number % 2)
        await bench.loop.until(lambda: not bench.reads.queue, what="end of the reads")
        bench.room.gaps, bench.room.free = 0.0, min(2, bench.room.most)
        await bench.quiet()
    await bench.compare_memories()


@harness.bench()
async def host(dut: Any) -> None:
    """The host writes and reads all memories; counters are cleared; a clear leaves nothing."""
    bench = Bench(dut, "host", 0.2)
    await bench.begin()
    rng, array = bench.rng, bench.design.array
    for _ in range(30):
        select = rng.randrange(len(MEMORIES)) if hasattr(dut, "m_select") else 0
        cells = [rng.randrange(-(2**31), 2**31) for _ in range(array.lanes)]
        row, group = rng.choice((0, array.rows - 1, rng.randrange(array.rows))), rng.randrange(array.groups)
        await bench.access(select, row, group, cells)
    for row in sorted(bench.reference.rows):
        bench.put([1 if ends(bench)[1] else -1] * array.columns, row=row, flip=rng.randrange(2))
    await bench.compare_memories()
    bench.strobe.fire(count_clear=1)
    await bench.loop.steps(3)
    for name in bench.reference.model.counters():
        setattr(bench.reference.model, name, 0)
    bench.reference.clips = bench.reference.lost = 0
    bench.strobe.fire(clear=1)
    await bench.loop.steps(3)
    bench.reference.model.clear(bench.reference.ledger)
    await bench.compare_memories()


@harness.bench()
async def cancelled(dut: Any) -> None:
    """Rows that wait when an abort comes are dropped, those that have begun end."""
    bench = Bench(dut, "cancel", 0.0)
    await bench.begin()
    array = bench.design.array
    bench.room.gaps, bench.room.free = 1.0, 0
    await bench.loop.steps(2)
    for row in range(2):
        bench.put([1 if ends(bench)[1] else -1] * array.columns, row=row % array.rows)
    before, due = bench.reference.model.state(), bench.reference.due_ends
    await bench.loop.until(lambda: not bench.reads.queue, what="end of the reads")
    await bench.loop.steps(array.groups + 8)
    harness.report.same("counts without room", len(bench.reference.due), 2 * array.groups)
    dut.cancel.value = 1
    await bench.loop.steps(4)
    dut.cancel.value = 0
    bench.reference.due.clear()
    bench.reference.model.restore(before)  # as if they had failed
    bench.reference.due_ends = due
    bench.reference.ledger = type(bench.reference.ledger).of(bench.reference.model.h)
    bench.reference.model.lost_reads += 2
    bench.room.gaps = 0.0
    for row in range(min(2, array.rows)):
        bench.put([-1] * array.columns, row=row, flip=1)
    await bench.compare_memories()
