"""Regression of a controller with write-verify when things go wrong: reads that fail, devices that stand still, ADCs
that clip, failing supplies, aborts and resets.

Everything is reported and counted, nothing hangs, and work goes on afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.controller_bench import TIMEOUT
from crosstrain_cosim.event import Event, Fault
from crosstrain_cosim.stream_bench import StreamBench
from crosstrain_model.port import Op, Status


def random_fault(rng: random.Random, share: float) -> Callable[[Event], Fault | None]:
    """Something wrong with a share of the commands."""

    def fault(command: Event) -> Fault | None:
        if rng.random() >= share:
            return None
        kind = rng.choice(("status", "status", "lost", "twice", "stray"))
        status = rng.choice((Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK))
        return Fault(kind=kind, status=status, after=rng.randrange(2))

    return fault


@harness.bench()
async def faulty_array(dut: Any) -> None:
    """Error statuses, lost, repeated and stray completions: devices are given up, pulses counted, nothing lost."""
    bench = StreamBench(dut, "faults", 0.2, fault=random_fault(harness.generator("faults"), 0.08))
    await bench.begin()
    bench.macro = False
    for _ in range(3):
        await bench.work(harness.amount(10, 4))
        await bench.call(bench.driver.program_pass)
        counters = await bench.quiet()
    bench.accounted(counters)
    harness.report.same("array_error", await bench.event("array_error"), True)
    if counters["gave_up"]:
        harness.report.same("gave_up", await bench.event("gave_up"), True)


@harness.bench()
async def read_timeouts(dut: Any) -> None:
    """Every read of write-verify is lost: the row is given up at once, with its devices; the next pass is good."""
    lost = {"now": True}

    def fault(event: Event) -> Fault | None:
        return Fault(kind="lost") if lost["now"] and event.op == Op.READ_ROW else None

    bench = StreamBench(dut, "timeouts", 0.1, fault=fault)
    await bench.begin()
    bench.macro = False
    same, theta, last = harness.report.same, bench.design.update.threshold, bench.design.array.rows - 1
    ends = dict.fromkeys(((0, 0), (last, bench.design.array.columns - 1)))  # one, where there is but one
    cells = [(*cell, theta * sign) for cell, sign in zip(ends, (1, -1), strict=False)]
    await bench.call(bench.driver.update_cells, cells)
    await bench.call(bench.driver.program_pass)
    counters = await bench.quiet()
    same("gave_up", counters["gave_up"], len(cells))
    same("no pulse was asked for", counters["issued"], 0)
    for event in ("timeout", "gave_up", "pass_done"):
        same(event, await bench.event(event), True)
    lost["now"] = False
    await bench.call(bench.driver.update_cells, cells)
    await bench.call(bench.driver.program_pass)
    counters = await bench.quiet()
    same("pulses then", counters["delivered"] > 0, True)


@harness.bench()
async def stuck_devices(dut: Any) -> None:
    """Devices that stay at the bottom or at the top are given up after their cycles; the others are not disturbed."""
    bench = StreamBench(dut, "stuck", 0.1)
    array = bench.array
    array.devices.stuck[:, 0::4], array.devices.stuck[:, 1::4] = -1, 1
    array.g[:, 1::4] = 1 << 20
    await bench.begin()
    for _ in range(2):
        await bench.call(bench.driver.update, bench.changes(rows=min(1.0, 4 / bench.design.array.rows), columns=1.0))
        await bench.call(bench.driver.program_pass)
    counters = await bench.quiet()
    harness.report.same("gave_up", counters["gave_up"] > 0, True)
    harness.report.same("gave_up event", await bench.event("gave_up"), True)
    harness.report.same("failed", counters["failed"] + counters["unknown"], 0)


@harness.bench()
async def saturating_reads(dut: Any) -> None:
    """ADCs at the top of their range: the status says so, and codes count all the same."""
    bench = StreamBench(dut, "saturated", 0.1)
    bench.array.full_range = 0.01
    array = bench.array
    array.g[:, 2::4] = 1 << 20  # beyond the range of a row read where that is made small
    array.row_converter = type(array.row_converter)(
        **{**vars(array.row_converter), "multiplier": min(2 * array.row_converter.multiplier, (1 << 22) - 1)}
    )
    await bench.begin()
    rows = bench.design.array.rows
    await bench.read(bench.driver.forward, [(1 << bench.design.formats.x) - 1] * rows)
    await bench.read(bench.driver.read_row, rows - 1)
    await bench.work(harness.amount(6, 3))
    await bench.call(bench.driver.program_pass)
    await bench.quiet()
    met = any(event.status == Status.SATURATED for event in bench.agent.events)
    harness.report.same("saturation was met", met, True)
    harness.report.same("array_error tells", await bench.event("array_error"), True)


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails drop in the middle of rows: the pin drops at once, every pulse is accounted for, rows go on afterwards."""
    bench = StreamBench(dut, "interlock", 0.1)
    await bench.begin()
    for number in range(harness.amount(5, 3)):
        await bench.call(bench.driver.update, bench.changes(rows=min(1.0, 3 / bench.design.array.rows)))
        await bench.call(bench.driver.program_pass)
        await Timer(bench.rng.randrange(1, 900) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(bench.rng.randrange(5, 200) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 1
        counters = await bench.quiet()
    bench.accounted(counters)


@harness.bench()
async def aborts(dut: Any) -> None:
    """The host aborts in the middle of rows: what was flagged is given up, rows that wait are dropped, work goes on."""
    bench = StreamBench(dut, "aborts", 0.1)
    await bench.begin()
    driver, call, same = bench.driver, bench.call, harness.report.same
    for number in range(harness.amount(5, 3)):
        await call(driver.update, bench.changes(rows=min(1.0, 4 / bench.design.array.rows)))
        await bench.quiet()
        before = await call(driver.counters)
        await call(driver.program_pass)
        await Timer(bench.rng.randrange(1, 1500) * harness.PERIOD_NS, unit="ns")
        await call(driver.abort, bench.polls)
        counters, state = await call(driver.counters), await bench.state()
        same("conserved", await call(driver.pulses_are_conserved), True, vector=number)
        moved = flagged(bench, state)
        ended = counters["passed"] + counters["gave_up"] - before["passed"] - before["gave_up"]
        if bench.whole:
            same("devices passed or given up", ended, moved, vector=number)
            dw, model = state["dW"], bench.reference.model
            same("dW is cleared or kept", all(dw[cell] in (0, int(model.dw[cell])) for cell in dw), True, vector=number)
        bench.reference.adopt(state, counters)
        if not bench.whole:
            await call(driver.clear, bench.polls)
    if not bench.whole:
        return
    await bench.work(harness.amount(6, 2))  # work goes on
    await call(driver.program_pass)
    counters = await bench.quiet()
    bench.accounted(counters)


def flagged(bench: StreamBench, state: dict[str, Any]) -> int:
    """Devices whose target changed, by the copies before and after."""
    total = 0
    for cell, after in state["W"].items():
        before = int(bench.reference.model.copy[cell])
        if before != after:
            total += 1 + (before * after < 0)
    return total


@harness.bench()
async def reset_in_mid_run(dut: Any) -> None:
    """Reset in a row: the pin drops at once, the old epoch never counts, the host restores its dump and goes on."""
    bench = StreamBench(dut, "reset", 0.1, latency=(5, 40))
    await bench.begin()
    pin, active = harness.reset_pin(dut)
    driver, call, same = bench.driver, bench.call, harness.report.same
    for number in range(harness.amount(2)):
        await bench.work(harness.amount(4, 1), reads=False)
        await call(driver.wait_idle, bench.polls)
        saved = await call(driver.state) if bench.whole else None
        await call(driver.update, bench.changes(rows=min(1.0, 4 / bench.design.array.rows)))
        await call(driver.program_pass)
        await Timer(bench.rng.randrange(0, 900) * harness.PERIOD_NS + 3, unit="ns")
        pin.value = active
        await Timer(1, unit="ns")
        same("prog_enable in reset", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(4 * harness.PERIOD_NS, unit="ns")
        pin.value = 1 - active
        await bench.come_back()
        await Timer(100 * harness.PERIOD_NS, unit="ns")  # what the macro still finishes belongs to no one
        bench.reference.reset()
        counters = await call(driver.counters)
        same("counters after reset", {k: v for k, v in counters.items() if v and k != "stray"}, {})
        cleared = await bench.state()
        for name in bench.module.MEMORIES:
            same(f"{name} after reset", [value for value in cleared[name].values() if value], [], vector=number)
        await (call(driver.restore, saved) if saved else call(driver.configure, **{**bench.quick, "timeout": TIMEOUT}))
        await call(driver.enable_programming)
        await bench.work(harness.amount(3, 1), reads=False)
        await bench.quiet(counts=False)
