"""Regression of write-verify: rows of targets in, reads and pulses out, on devices that move, stick and fail.

Every read, its groups, every pulse with its mask and amplitude, all counters and all counts of pulses are the model's.
"""

from __future__ import annotations

from typing import Any

from crosstrain_cosim import harness
from crosstrain_cosim.streams import packed
from crosstrain_cosim.verify_bench import Fixed, Steps
from crosstrain_cosim.verify_pins import Bench
from crosstrain_model.port import WIDTH_BITS
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.write_verify import COUNTERS, Row

ROWS = 12
SHORT = {"set_step": 6000, "reset_step": 6000, "cycles": 2, "reads_log2": 0}
"""Rows of few pulses and reads, whatever the design's registers begin with."""


@harness.bench()
async def corners(dut: Any) -> None:
    """Sums at and beside both bounds of the window and the bound of SET trains; ramps at their ends; all cycles."""
    design = harness.design()
    array = Fixed(design)
    bench = Bench(dut, "corners", 0.0, array)
    await bench.begin()
    columns, unit = design.array.device_columns, 1 << design.formats.fraction
    middle = ((1 << design.formats.adc) // 2) * unit
    window = min(3 * unit, middle // 4)
    ramps = {f"{kind}_{part}": value for kind in ("set", "reset")
             for part, value in (("start", 65000), ("step", 400), ("stop", 65535))}  # fmt: skip
    await bench.configure(window=window, set_margin=-window, cycles=2, reads_log2=0, **ramps)
    array.codes[:] = middle // unit
    offsets = [sign * (window + beside) for sign in (1, -1) for beside in (-1, 0, 1)] + [0, 1, -1]
    for row in {0, design.array.rows - 1}:
        for first in range(len(offsets)):
            targets = [middle + offsets[(first + column) % len(offsets)] for column in range(columns)]
            bench.put(row, [1] * columns, targets)
        bench.put(row, [0] * columns, [0] * columns)
        for column in {0, columns - 1, columns // 2}:
            bench.put(row, [int(c == column) for c in range(columns)], [0] * columns)
    changes: list[dict[str, int]] = [
        {"set_margin": min(window - 1, unit)}, {"set_margin": -(1 << design.copy_bits - 1)}, {"reads_log2": 2},
        {"cycles": 5}, {"set_stop": 65400, "reset_stop": 65399}, {"set_start": 100, "set_stop": 200},
        {"set_start": 65535, "set_stop": 65534}, {"reset_step": 65535, "cycles": 1, "window": 0},
        {"reads_log2": 3, "window": window}, {"reads_log2": 4},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        await bench.configure(**change)
        for first in (number, number + 4):  # no device stands at one offset in all of them
            targets = [middle + offsets[(first + column) % len(offsets)] for column in range(columns)]
            bench.put(0, [1] * columns, targets)
    await bench.drain()
    await bench.compare_cells()


@harness.bench()
async def forming(dut: Any) -> None:
    """Rows formed and programmed in turn; devices are formed already, go far above the level, or stay below it.

    A row that comes while another is being formed waits for it, and so does one to form for those that wait.
    """
    design, limit = harness.design(), harness.design().pulse.width_limit
    bench = Bench(dut, "forming", 0.2, Steps(design, bench_seed("forming")))
    await bench.begin()
    level = ((1 << design.formats.adc) - 1 << design.formats.fraction) * 2 // 5
    ramp = {"form_start": 30000, "form_step": 3000, "form_stop": 50000}
    await bench.configure(**SHORT, **ramp, form_level=level, form_width=7, window=0, set_margin=0)
    widths = (limit, limit + 1, (1 << WIDTH_BITS) - 1) if limit < 99 else (1, 0, 2)
    for number in range(6):
        bench.forms.put(row=bench.rng.randrange(design.array.rows))
        await bench.loop.until(lambda: not bench.forms.waiting, what="a row to form taken")
        bench.random_row()
        if number % 2:
            await bench.loop.until(lambda: not bench.rows.waiting, what="room for a row")
            bench.forms.put(row=bench.rng.randrange(design.array.rows))
        await bench.drain()
        width = widths[number % len(widths)]
        await bench.configure(reads_log2=number % 2, form_width=width, width_set=width, width_reset=width)
    harness.report.same("devices were formed", int(dut.passed.value) > 0, True)
    await bench.compare_cells()


def bench_seed(name: str) -> int:
    """A seed of an array."""
    return harness.generator(f"array {name}").getrandbits(32)


async def at_random(dut: Any, name: str, gaps: float, failing: float, array: Row | None = None) -> None:
    """Random rows and registers."""
    design = harness.design()
    bench = Bench(dut, name, gaps, array or Steps(design, bench_seed(name)), failing=failing)
    await bench.begin()
    rng, unit = bench.rng, 1 << design.formats.fraction
    top = (1 << design.copy_bits - 1) - 1
    amount = harness.amount(ROWS, 6)
    for number in range(amount):
        if number % 4 == 0:
            await bench.configure(
                window=min(top, rng.randrange(4 * unit)), set_margin=rng.randrange(-2 * unit, 2 * unit),
                set_step=rng.randrange(2000, 9000), reset_step=rng.randrange(2000, 9000),
                reads_log2=rng.choice((0, 0, 1, 2)), cycles=rng.randrange(1, 4), guard=rng.randrange(4),
                width_set=rng.randrange(1, 6), width_reset=rng.randrange(1, 6),
            )  # fmt: skip
        bench.random_row()
    await bench.drain()
    await bench.compare_cells()


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """Everything as soon as it may be, on the twin's devices."""
    twin = RramTile(harness.design(), seed=bench_seed("eager"), engine="numpy")
    await at_random(dut, "eager", 0.0, 0.0, twin)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Random gaps everywhere."""
    await at_random(dut, "gaps", 0.4, 0.0)


@harness.bench()
async def full_buffers(dut: Any) -> None:
    """Rows come as long as there is room, each with another number than the one before, and leave in their order."""
    design = harness.design()
    bench = Bench(dut, "full", 0.0, Steps(design, bench_seed("full")))
    await bench.begin()
    await bench.configure(**{**SHORT, "cycles": 1})
    columns, unit = design.array.device_columns, 1 << design.formats.fraction
    for number in range(harness.amount(20, 10)):
        place = bench.rng.randrange(columns)
        targets = [bench.rng.randrange(unit << design.formats.adc - 1) * (c == place) for c in range(columns)]
        bench.put(number % design.array.rows, [int(c == place) for c in range(columns)], targets)
    await bench.drain()
    await bench.compare_cells()


@harness.bench()
async def small_windows(dut: Any) -> None:
    """Windows that devices jump over: trains of both kinds again and again, some to the end of their ramp."""
    design = harness.design()
    bench = Bench(dut, "small", 0.0, Steps(design, bench_seed("small")))
    await bench.begin()
    columns, unit = design.array.device_columns, 1 << design.formats.fraction
    for step in (9000, 4000):
        await bench.configure(window=unit // 2, set_margin=0, cycles=4, reads_log2=0, set_step=step, reset_step=step)
        for _ in range(harness.amount(2, 1)):
            targets = [bench.rng.randrange(unit << design.formats.adc - 1) for _ in range(columns)]
            bench.put(bench.rng.randrange(design.array.rows), [1] * columns, targets)
    await bench.drain()
    await bench.compare_cells()


@harness.bench()
async def failing_array(dut: Any) -> None:
    """Reads that fail, with words or without, and pulses that do not come."""
    await at_random(dut, "failing", 0.2, 0.15)


@harness.bench()
async def aborts(dut: Any) -> None:
    """Whatever is under way when `cancel` rises is given up, rows that wait are dropped, and work goes on behind it."""
    design = harness.design()
    bench = Bench(dut, "aborts", 0.2, Steps(design, bench_seed("aborts")))
    await bench.begin()
    await bench.configure(**SHORT, window=min(design.verify.window, 3 << design.formats.fraction))
    columns, rng = design.array.device_columns, bench.rng
    for _ in range(6):
        for _ in range(3):
            bench.put(rng.randrange(design.array.rows), [1] * columns, [rng.randrange(1 << design.copy_bits)] * columns)
        wanted = bench.sequencer.count + rng.randrange(1, 8)
        await bench.loop.until(lambda wanted=wanted: bench.sequencer.count >= wanted, what="work to abort")
        await bench.loop.until(lambda: not bench.rows.groups and not bench.rows.high, what="end of the row")
        await bench.loop.steps(rng.randrange(1, 9))
        bench.rows.queue.clear()
        bench.sequencer.abort()
        dut.cancel.value = 1
        await bench.loop.steps(2)
        harness.report.same("pulse_free", int(dut.pulse_free.value), 0)
        await bench.finish()
        ended = int(dut.passed.value) + int(dut.gave_up.value)
        harness.report.same("devices", ended % columns, 0)
        counted = int(dut.sets.value) + int(dut.resets.value)
        if bench.cells and counted < 1 << design.verify.cell_bits:
            harness.report.same("sum of the counts", await bench.compare_cells(), counted)
        dut.cancel.value = 0
        bench.sequencer.aborting = False
        bench.reference.events.clear()
    bench.strobe.fire(count_clear=1)
    await bench.loop.steps(2)
    bench.reference.model.counts = dict.fromkeys(COUNTERS, 0)
    for _ in range(3):
        bench.random_row()
    await bench.drain()


@harness.bench()
async def abort_before_a_read(dut: Any) -> None:
    """Sums of the row before, which would do for this one, are not taken for its own: nothing passes."""
    design = harness.design()
    array = Fixed(design)
    bench = Bench(dut, "before", 0.0, array)
    await bench.begin()
    columns, good = design.array.device_columns, (1 << design.formats.adc) // 2
    array.codes[:] = good
    for number, row in enumerate((0, design.array.rows - 1)):
        bench.put(row, [1] * columns, [good << design.formats.fraction] * columns)
        if number:
            bench.sequencer.aborting = True
            await bench.loop.until(lambda: int(dut.q_valid.value) == 1, what="read of a row")
            dut.cancel.value = 1
        await bench.finish()
    harness.report.same("passed", int(dut.passed.value), columns)
    harness.report.same("gave_up", int(dut.gave_up.value), columns)


@harness.bench()
async def host_visits(dut: Any) -> None:
    """Counts of pulses as the host reads and writes them, also amid work."""
    design = harness.design()
    bench = Bench(dut, "host", 0.1, Steps(design, bench_seed("host")))
    await bench.begin()
    await bench.configure(**SHORT)
    array, bits = design.array, design.verify.cell_bits
    if not bits:
        harness.report.same("counts of pulses", hasattr(dut, "w_valid"), False)
        return
    for number in range(array.rows * array.groups):
        row, group = divmod(number, array.groups)
        start = 2 * array.lanes * group
        top = (1 << bits) - 1  # where counts stay, so a row programmed below must leave them there
        cells = [(top if bench.rng.random() < 0.5 else bench.rng.randrange(top + 1))
                 * (start + place < array.device_columns) for place in range(2 * array.lanes)]  # fmt: skip
        bench.reference.model.cells[row, start : start + 2 * array.lanes] = cells[: array.device_columns - start]
        bench.host.put(write=1, row=row, group=group, data=packed(cells, bits))
    await bench.loop.until(lambda: not bench.host.waiting, what="written counts")
    await bench.compare_cells()
    for _ in range(4):
        bench.random_row()
    for _ in range(40):
        bench.host.put(write=0, row=bench.rng.randrange(array.rows), group=0, data=0)
    await bench.drain()
    await bench.loop.until(lambda: not bench.host.waiting, what="counts amid work")
    await bench.loop.steps(2)  # the last of them is answered a cycle after it was taken
    await bench.compare_cells()
