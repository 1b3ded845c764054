"""Regression of the controller at the edges of its number formats, and where work follows work most closely.

What random work meets too rarely: bounds of registers, ends of the shift, exact multiples of theta, counters that
saturate or wrap, and visits of one word of memory in consecutive cycles.
"""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.controller_bench import Bench
from crosstrain_model.frames import FrameOp, User
from crosstrain_model.outer_product import SHIFT_MAX, SHIFT_MIN, limits
from crosstrain_model.port import ABORT_TAG, LAST_TAG
from crosstrain_model.registers import register_table


@harness.bench()
async def register_bounds(dut: Any) -> None:
    """Every setting and window takes what fits and nothing else, and holds what it has taken."""
    bench = Bench(dut, "bounds", gaps=0.0)
    await bench.begin(program=False)
    await settings_and_windows(bench, others=("TOUCHED_DATA", "MEM_DATA"))
    await bench.call(bench.driver.clear, bench.polls)
    await bench.quiet()


async def settings_and_windows(bench: Any, *, others: tuple[str, ...]) -> None:
    """Bounds and bits of every setting and window but `others`, and one beyond; settings are then as after reset."""
    read, write, same = bench.transport.read_register, bench.transport.write_register, harness.report.same
    for register in register_table(bench.design):
        if register.kind not in ("setting", "window") or register.name in others:
            continue
        low, high = register.minimum, register.maximum
        beyond = (1 << bit for bit in range(max(0, high.bit_length() - 1), 32))
        words = {low - 1, low, low + 1, high - 1, high, high + 1, *beyond}
        words |= {field.maximum + more << field.low for field in register.fields for more in (0, 1)}
        held = await read(register.offset)
        for word in sorted({value & 0xFFFFFFFF for value in words}):
            if register.name == "MEM_ADDRESS" and register.fits(word) and _beyond(bench.design, word):
                continue
            refused = await bench.refused(bench.driver.write, register.name, word)
            same(f"0x{word:08x} in {register.name} is refused", refused, not register.fits(word))
            held = held if refused else word
            same(f"{register.name} after 0x{word:08x}", await read(register.offset), held)
        if register.kind == "setting":
            await write(register.offset, register.reset_word)


def _beyond(design: Any, word: int) -> bool:
    """Whether a MEM_ADDRESS is a padding lane of the last group."""
    return (word >> 8 & 0xFFF) * design.array.lanes + (word & 0xFF) >= design.array.columns


@harness.bench()
async def shifts(dut: Any) -> None:
    """Every shift from below the lower clamp to above the upper one, with products of both signs and all sizes."""
    bench = Bench(dut, "shifts", gaps=0.0)
    await bench.begin(program=False)
    array, formats = bench.design.array, bench.design.formats
    low_x, low_d, high_d = -(1 << formats.x - 1), -(1 << formats.d - 1), (1 << formats.d - 1) - 1
    wide = [low_d, high_d, 1, -1, high_d // 2, low_d // 2 + 1, 3, -3]
    for number, total in enumerate(range(SHIFT_MIN - 2, SHIFT_MAX + 3)):
        row, x = number % array.rows, -low_x - 1 if number % 3 == 1 else low_x
        d = [wide[(column + number) % len(wide)] for column in range(array.columns)]
        await _term(bench, row, x, d, total)
        if row == array.rows - 1:
            await bench.quiet()
            await bench.call(bench.driver.clear, bench.polls)
    await bench.quiet()
    await _exact_end(bench)


async def _term(bench: Bench, row: int, x: int, d: list[int], total: int) -> None:
    """One row's worth of terms with a given sum of exponents and SHIFT."""
    codes = [x if index == row else 0 for index in range(bench.design.array.rows)]
    rest = total - bench.design.reset_shift
    ex = min(max(rest // 2 + bench.rng.randrange(-9, 10), rest - 127), rest + 128)
    ex = min(max(ex, -128), 127)
    await bench.call(bench.driver.update, codes, ex, d, rest - ex)


async def _exact_end(bench: Bench) -> None:
    """A term of exactly the least accumulator is not clamped, its negative is, and so is one more."""
    design, model = bench.design, bench.reference.model
    formats = design.formats
    shift = formats.accumulator - 1 - (formats.x - 2) - (formats.d - 2)
    x, d = 1 << formats.x - 2, 1 << formats.d - 2
    while shift > SHIFT_MAX or shift < 0:  # keep x * d << shift = 2^(W - 1) where the formats allow it
        if shift > SHIFT_MAX or x * d == 1:
            return
        x, d, shift = (x >> 1, d, shift + 1) if x > 1 else (x, d >> 1, shift + 1)
    places = [(row, column) for row in (0, design.array.rows - 1) for column in range(design.array.columns)]
    for row, column in places if bench.whole else places[:: len(places) // 8]:
        for code in (d, -d, d + 1):
            await bench.call(bench.driver.clear, bench.polls)
            await bench.call(bench.driver.irq_clear)
            before = model.term_clipped
            await _term(bench, row, x, [code if index == column else 0 for index in range(design.array.columns)], shift)
            await bench.call(bench.driver.wait_idle, bench.polls)
            clipped = "term_clipped" in await bench.call(bench.driver.irq_status)
            where = {"row": row, "column": column, "code": code}
            harness.report.same("term_clipped", clipped, model.term_clipped > before, **where)
            value = await bench.call(bench.driver.read_accumulator, row, column)
            harness.report.same("accumulator", value, int(model.chi[row, column]), **where)


@harness.bench()
async def multiples_of_theta(dut: Any) -> None:
    """Accumulators at and beside exact multiples of theta, one per row: pulses, what is left, what stays touched."""
    bench = Bench(dut, "multiples", gaps=0.0)
    await bench.begin()
    design, driver, call = bench.design, bench.driver, bench.call
    most, (low, high), lanes = design.update.max_pulses, limits(design), design.array.lanes
    theta = 1 << max(0, (high // (most + 1)).bit_length() - 1)  # a power of two, for those who have no other
    if not design.update.threshold_power_of_two:
        theta = max(1, high // (most + 1) - 1)
    await call(driver.set_threshold, theta)
    sizes = ((most + 1) * theta, most * theta, most * theta + theta - 1, (most + 1) * theta + 1, theta, theta - 1)
    values = [min(max(sign * size, low), high) for size in sizes for sign in (1, -1)]
    cells = list(itertools.product([*values, low, high], range(lanes)))
    rows = design.array.rows
    for start in range(0, len(cells), rows)[: harness.amount(1000)]:
        for row, (value, lane) in enumerate(cells[start : start + rows]):
            columns = range(lane, design.array.columns, lanes)
            await call(driver.write_accumulator, row, columns[(row + start) % len(columns)], value)
        for _ in range(2):
            await call(driver.program_pass)
            await bench.quiet()
        await call(driver.clear, bench.polls)


@harness.bench()
async def pass_counts(dut: Any) -> None:
    """PROGRAM_EVERY counts exactly; the count of vectors stops at its end, and vectors without visits count."""
    bench = Bench(dut, "counts", gaps=0.0)
    await bench.begin()
    driver, call, array = bench.driver, bench.call, bench.design.array
    nothing = [0] * array.rows, 0, [0] * array.columns, 0
    for every in (1, 2, 3):
        await call(driver.set_program_every, every)
        for number in range(2 * every + 1):
            await call(driver.update, *(nothing if number % 2 else bench.vector()))
            await bench.quiet()
        await call(driver.program_pass)
        await bench.quiet()
    for every, since in ((0, 65535), (0, 65534), (65535, 65533), (65535, 65534), (65535, 65535), (7, 9)):
        await call(driver.set_program_every, every)
        await call(driver.write, "VECTORS_SINCE_PASS", since)
        for _ in range(2):
            await call(driver.update, *bench.vector())
            await bench.quiet()


@harness.bench()
async def window_under_work(dut: Any) -> None:
    """MEM_DATA goes on from where it was, with what work has made of the memory meanwhile."""
    bench = Bench(dut, "window", gaps=0.0)
    await bench.begin()
    driver, call, design = bench.driver, bench.call, bench.design
    position = bench.reference.registers
    half = 1 << design.formats.accumulator - 1
    full = [-(1 << design.formats.x - 1)] * design.array.rows, [-(1 << design.formats.d - 1)] * design.array.columns
    middle = design.formats.accumulator - 4 - design.formats.x - design.formats.d - design.reset_shift
    works = (
        lambda: driver.update(full[0], middle, full[1], 0),
        lambda: driver.program_pass(),
        lambda: driver.clear(bench.polls),
        lambda: driver.write("MEM_DATA", bench.rng.randrange(-half, half)),
    )
    for turn in range(harness.amount(24, 8)):
        row = turn % design.array.rows
        await call(driver.read_accumulator, row, bench.rng.randrange(design.array.columns))
        for work in (works[0], works[turn % 4], works[0]):
            await call(work)
            await call(driver.wait_idle, bench.polls)
            where = {"row": position.row, "column": position.column}
            model = int(bench.reference.model.chi[position.row, position.column])
            harness.report.same("MEM_DATA after work", await call(driver.read, "MEM_DATA"), model, turn=turn, **where)
    await bench.quiet()


@harness.bench()
async def same_word_in_a_row(dut: Any) -> None:
    """Vectors of one cell, group or row, queued behind a pass or a full vector: their visits follow cycle by cycle."""
    bench = Bench(dut, "row", gaps=0.0, latency=(0, 0))
    await bench.begin(program=False)
    array, formats = bench.design.array, bench.design.formats
    for turn in range(harness.amount(24, 6)):
        behind = [-(1 << formats.x - 1)] * array.rows, [-(1 << formats.d - 1)] * array.columns
        frames = [(*behind, formats.accumulator - formats.x - formats.d)]
        row, group = bench.rng.randrange(array.rows), bench.rng.randrange(array.groups)
        for number in range(9):
            if turn % 3 == 2 and number % 2:
                row = bench.rng.randrange(array.rows)
            x = [int(index == row) for index in range(array.rows)]
            here = [turn % 3 == 1 or column // array.lanes == group for column in range(array.columns)]
            frames.append((x, [bench.rng.choice((-2, -1, 1)) * inside for inside in here], 0))
        sending = cocotb.start_soon(_send(bench, frames, blocked=turn % 2 == 0))
        if turn % 2 == 0:
            await Timer(harness.PERIOD_NS * (60 + array.rows * array.groups), unit="ns")
            await bench.call(bench.driver.enable_programming)
        await sending
        await bench.quiet()
        await bench.call(bench.driver.enable_programming, False)
        await bench.call(bench.driver.clear, bench.polls)


async def _send(bench: Bench, vectors: list[tuple[list[int], list[int], int]], *, blocked: bool) -> None:
    """Frames without a pause; blocked: a pass that waits for programming comes behind the first vector."""
    send = bench.transport.send
    for number, (x, d, total) in enumerate(vectors):
        rest = total - bench.design.reset_shift
        await send(x, User(op=FrameOp.UPDATE_X, exponent=rest // 2).word())
        await send(d, User(op=FrameOp.UPDATE_D, exponent=rest - rest // 2).word())
        if blocked and number == 0:
            await send([], User(op=FrameOp.PROGRAM).word())


@harness.bench()
async def tags_wrap(dut: Any) -> None:
    """More commands than there are tags: they count from 0 to the last, and ABORT's is never given."""
    bench = Bench(dut, "tags", gaps=0.0, latency=(0, 0))
    await bench.begin()
    for number in range(ABORT_TAG + 10):
        await bench.read(bench.driver.read_row, number % bench.design.array.rows)
    await bench.work(3)
    await bench.quiet()
    for number, event in enumerate(bench.agent.events):
        harness.report.same("tag", event.tag, number % (LAST_TAG + 1), command=number)
