"""Regression of a controller of hybrid weights when things go wrong: cells that do not take their pulse, reads that
fail, refreshes that are interrupted, failing supplies, aborts, and resets between a read and its write-back.

Everything is reported and counted, nothing hangs, and work goes on afterwards.  What a failed cell of L costs is told
by the hardware where there is a read-back, else by the model alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from crosstrain_cosim import harness
from crosstrain_cosim.controller_bench import TIMEOUT
from crosstrain_cosim.event import Event, Fault
from crosstrain_cosim.hybrid_bench import HybridBench
from crosstrain_cosim.hybrid_scoreboard import held_by
from crosstrain_model.frames import FrameOp, User, beat_bits, frame_beats, slot_bits
from crosstrain_model.port import ArrayId, Op, Status


def random_fault(rng: random.Random, share: float) -> Callable[[Event], Fault | None]:
    """Something wrong with a share of the commands."""

    def fault(command: Event) -> Fault | None:
        if rng.random() >= share:
            return None
        kind = rng.choice(("status", "status", "lost", "twice", "stray"))
        status = rng.choice((Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK))
        return Fault(kind=kind, status=status, after=rng.randrange(2))

    return fault


def few_rows(bench: HybridBench) -> float:
    """Share of the rows that makes a few."""
    return min(1.0, 4 / bench.design.array.rows)


@harness.bench()
async def faulty_arrays(dut: Any) -> None:
    """Error statuses, lost, repeated and stray completions, on both arrays: changes are dropped, devices given up, and
    what the macro did is what the model makes of it."""
    bench = HybridBench(dut, "faults", 0.2, fault=random_fault(harness.generator("faults"), 0.06))
    await bench.begin()
    bench.macro = False
    for _ in range(3):
        await bench.work(harness.amount(10, 4))
        await bench.call(bench.driver.program_pass)
        counters = await bench.quiet()
    bench.accounted(counters)
    bench.conserved()
    harness.report.same("array_error", await bench.event("array_error"), True)
    await bench.told(counters)


@harness.bench()
async def cells_that_fail(dut: Any) -> None:
    """Stuck cells of L: L is what they say, and goes on; L_FAILED counts them with a read-back, and only then."""
    bench = HybridBench(dut, "stuck cells", 0.1)
    if bench.cells is None:
        await bench.begin()
        return
    bench.cells.stuck[:, 0::5], bench.cells.stuck[:, 3::7] = -1, 1
    await bench.begin()
    bench.reference.take_l()
    disturbed = 0
    for _ in range(3):
        await bench.call(bench.driver.update, bench.changes(rows=1.0, columns=1.0))
        await bench.call(bench.driver.wait_idle, bench.polls)
        bench.reference.settle()
        disturbed += int((held_by(bench.design, bench.cells) != bench.reference.model.memory.held).sum())
        await bench.call(bench.driver.update, bench.changes(rows=few_rows(bench)))
        await bench.call(bench.driver.wait_idle, bench.polls)
        bench.reference.settle()
    counters = await bench.call(bench.driver.counters)
    same, read_back = harness.report.same, bench.design.hybrid.read_back
    for name, value in bench.reference.counters().items():
        same(name, counters[name], value % 2**32)
    same("some cells did not hold what was written", disturbed > 0, True)
    same("the model tells of them", bool(bench.reference.model.memory.ledger["disturbed"].any()), True)
    same("failed cells are counted with a read-back", counters["l_failed"] > 0, read_back)
    same("cell_failed", await bench.event("cell_failed"), read_back)
    await bench.told(counters)
    bench.conserved()
    bench.check_port()


@harness.bench()
async def refresh_reads_fail(dut: Any) -> None:
    """Reads of refreshes are lost: before the RESET the row is as it was, and counted; behind it devices are given
    up."""
    lost: dict[str, Any] = {"number": 0, "seen": 0}

    def fault(event: Event) -> Fault | None:
        if event.op != Op.READ_ROW or event.array != ArrayId.W:
            return None
        lost["seen"] += 1
        return Fault(kind="lost") if lost["seen"] == lost["number"] else None

    bench = HybridBench(dut, "refresh reads", 0.1, fault=fault)
    await bench.begin(refresh_every=0, saturation=0)
    bench.macro = False
    driver, call, same = bench.driver, bench.call, harness.report.same
    await call(driver.update, full(bench))
    await bench.quiet()
    await call(driver.configure, refresh_every=1)
    lost |= {"number": 1, "seen": 0}
    weights = bench.array.g.copy()
    await call(driver.program_pass)
    counters = await bench.quiet()
    same("rows whose read failed", counters["refresh_failed"], 1)
    same("nothing given up", counters["gave_up"], 0)
    same("the row is as it was", bool((bench.array.g[0] == weights[0]).all()), True)
    reads = 1 << bench.reference.model.verify.settings.reads_log2
    lost |= {"number": reads + 1, "seen": 0}  # the first of write-verify
    await call(driver.configure, saturation=0)
    await call(driver.program_pass)
    counters = await bench.quiet()
    same("rows whose read failed before the RESET", counters["refresh_failed"], 1)
    same("given up", counters["gave_up"] > 0, True)
    for event in ("timeout", "gave_up", "refresh_done"):
        same(event, await bench.event(event), True)
    await bench.work(harness.amount(4, 2))
    await bench.quiet()


def full(bench: HybridBench) -> list[list[int]]:
    """Changes that make a carry of every weight."""
    array, half = bench.design.array, 1 << bench.design.formats.accumulator - 1
    size = min(half - 1, bench.design.hybrid.scale << bench.design.formats.fraction)
    return [[size if (row + column) % 2 else -size for column in range(array.columns)] for row in range(array.rows)]


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails drop in the middle of rows: the pin drops at once, every pulse is accounted for, work goes on."""
    bench = HybridBench(dut, "interlock", 0.1)
    await bench.begin(saturation=0)
    for number in range(harness.amount(5, 3)):
        await bench.call(bench.driver.update, bench.changes(rows=few_rows(bench)))
        await bench.call(bench.driver.program_pass)
        await Timer(bench.rng.randrange(1, 900) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(bench.rng.randrange(5, 200) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 1
        await bench.call(bench.driver.wait_idle, bench.polls)
        await adopt_if_cells(bench)
        counters = await bench.quiet()
    bench.accounted(counters)


async def adopt_if_cells(bench: HybridBench) -> None:
    """What rails that fell did to cells of L is in the commands, which the model follows; devices say the same."""
    bench.reference.settle()
    bench.reference.take_l()


@harness.bench()
async def aborts(dut: Any) -> None:
    """The host aborts in the middle of rows: what is under way is given up, carries that wait are dropped and counted,
    no row is due, L goes on; work goes on afterwards."""
    bench = HybridBench(dut, "aborts", 0.1)
    await bench.begin(saturation=0, refresh_every=1)
    driver, call, same = bench.driver, bench.call, harness.report.same
    for number in range(harness.amount(6, 3)):
        await call(driver.update, bench.changes(rows=few_rows(bench)))
        await bench.quiet()
        await call(driver.update, full(bench))
        if number % 2:
            await call(driver.program_pass)
        await Timer(bench.rng.randrange(1, 1500) * harness.PERIOD_NS, unit="ns")
        begun = len(bench.agent.events)
        await call(driver.abort, bench.polls)
        late = [event for event in bench.agent.events[begun:] if event.array == ArrayId.W]
        visits = 0 if bench.cells is None else 3
        for what, op, most in (("refreshed", Op.READ_ROW, 2), ("carried", Op.PROGRAM, 3 + visits)):
            rows = {event.row for event in late if event.op == op}  # some before it; of visits that go on, some behind
            same(f"no row is {what} behind the abort", len(rows) <= most, True, vector=number)
        state, counters = await bench.state(), await call(driver.counters)
        same("conserved", await call(driver.pulses_are_conserved), True, vector=number)
        same("no row is due", (await call(driver.fields, "STATUS"))["in_pass"], 0, vector=number)
        bench.reference.adopt(state, counters)
    await abort_in_a_frame(bench)
    await bench.work(harness.amount(6, 2))
    counters = await bench.quiet()
    bench.accounted(counters)


async def abort_in_a_frame(bench: HybridBench) -> None:
    """An abort while an UPDATE comes: the rest of it is skipped, and the next frame begins with its first row."""
    design, call = bench.design, bench.call
    codes = [999] * (beat_bits(design) // slot_bits(design) * frame_beats(design, FrameOp.UPDATE))
    frame = cocotb.start_soon(bench.transport.send(codes, User(op=FrameOp.UPDATE).word()))
    await Timer(2 * design.array.groups * harness.PERIOD_NS, unit="ns")
    await call(bench.driver.abort, bench.polls)
    await frame
    await call(bench.driver.wait_idle, bench.polls)
    bench.reference.aborted = True  # the reader took the rest of the frame for one
    bench.reference.adopt(await bench.state(), await call(bench.driver.counters))
    await call(bench.driver.update, bench.changes(rows=1.0, columns=1.0))
    await bench.quiet()


@harness.bench()
async def reset_between_read_and_write(dut: Any) -> None:
    """Reset as soon as a visit has read its row, before it writes: L is as it was, nothing of the old epoch counts, and
    the same changes, given again, are done."""
    bench = HybridBench(dut, "reset", 0.0, latency=(0, 10))
    await bench.begin()
    pin, active = harness.reset_pin(dut)
    driver, call, same = bench.driver, bench.call, harness.report.same
    read = between = 0
    for number in range(harness.amount(3, 2)):
        await bench.work(harness.amount(3, 1), reads=False)
        await call(driver.wait_idle, bench.polls)
        bench.reference.settle()
        before = held_by(bench.design, bench.cells) if bench.cells is not None else None
        started = len(bench.agent.events)
        given = bench.changes(rows=1.0, columns=1.0)  # of the last row, whose visit begins when the frame is over
        changes = [[0] * len(row) for row in given[:-1]] + given[-1:]
        await call(driver.update, changes)
        if bench.cells is not None and any(map(any, changes)):
            for _ in range(harness.patience()):  # the read has come, and no pulse has
                if len(bench.agent.events) > started:
                    break
                await RisingEdge(dut.clk)
        else:
            await Timer(bench.rng.randrange(0, 300) * harness.PERIOD_NS + 3, unit="ns")
        pin.value = active
        await Timer(1, unit="ns")
        same("prog_enable in reset", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(4 * harness.PERIOD_NS, unit="ns")
        pin.value = 1 - active
        await bench.come_back()
        await Timer(100 * harness.PERIOD_NS, unit="ns")  # what the macro still finishes belongs to no one
        if before is not None:
            rest = [event for event in bench.agent.events[started:] if event.op == Op.PROGRAM and event.pulses]
            came = len(bench.agent.events) > started
            read, between = read + came, between + (came and not rest)
            if not rest:
                same("L after the reset", held_by(bench.design, bench.cells).tolist(), before.tolist(), vector=number)
        bench.reference.reset()
        counters = await call(driver.counters)
        same("counters after reset", {k: v for k, v in counters.items() if v and k != "stray"}, {})
        await call(driver.configure, **{**bench.quick, "timeout": TIMEOUT})
        await call(driver.enable_programming)
        await call(driver.update, changes)
        await bench.work(harness.amount(3, 1), reads=False)
        await bench.quiet(counts=False)
    same("a reset came before a write", between > 0, read > 0)


@harness.bench()
async def writes_cut_by_reset(dut: Any) -> None:
    """Resets at any time, also between SET and RESET: L is what its cells say, and goes on from there."""
    bench = HybridBench(dut, "cut", 0.1, latency=(5, 40))
    await bench.begin(saturation=0)
    pin, active = harness.reset_pin(dut)
    driver, call = bench.driver, bench.call
    for _ in range(harness.amount(4, 2)):
        await call(driver.update, bench.changes(rows=few_rows(bench), columns=1.0))
        await call(driver.program_pass)
        await Timer(bench.rng.randrange(0, 1200) * harness.PERIOD_NS + 3, unit="ns")
        pin.value = active
        await Timer(4 * harness.PERIOD_NS, unit="ns")
        pin.value = 1 - active
        await bench.come_back()
        await Timer(100 * harness.PERIOD_NS, unit="ns")
        bench.reference.reset()
        await call(driver.configure, **{**bench.quick, "timeout": TIMEOUT})
        await call(driver.enable_programming)
        await bench.work(harness.amount(3, 1), reads=False)
        await bench.quiet(counts=False)
