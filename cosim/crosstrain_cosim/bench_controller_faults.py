"""Regression of the controller when things go wrong: a faulty array, failing supplies, aborts and resets.

Nothing may be lost and nothing counted twice, and work goes on afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.controller_bench import TIMEOUT, Bench
from crosstrain_cosim.event import Event, Fault
from crosstrain_model.frames import FrameOp, User
from crosstrain_model.outer_product import SHIFT_MAX
from crosstrain_model.port import Op, Status


def random_fault(rng: random.Random) -> Callable[[Event], Fault | None]:
    """Something wrong with every third command."""

    def fault(command: Event) -> Fault | None:
        if rng.random() < 0.65:
            return None
        kind = rng.choice(("status", "status", "lost", "late", "twice", "stray"))
        status = rng.choice((Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK))
        return Fault(kind=kind, status=status, after=rng.randrange(3), delay=rng.choice((20, TIMEOUT + 60)))

    return fault


@harness.bench()
async def faulty_array(dut: Any) -> None:
    """Error statuses, lost, late, repeated and stray completions: nothing is lost, nothing counted twice."""
    bench = Bench(dut, "faults", 0.2, fault=random_fault(harness.generator("faults")))
    await bench.begin()
    await bench.work(harness.amount(40, 8))
    await bench.call(bench.driver.wait_idle, bench.polls)
    counters = await bench.call(bench.driver.counters)
    bench.reference.compare(await bench.state(), counters)
    bench.check_port(macro=False)
    fired = sum(event.pulses for event in bench.agent.events)
    beyond = fired - counters["delivered"]
    harness.report.same("fired pulses are delivered or unknown", 0 <= beyond <= counters["unknown"], True)
    kinds = [event.fault for event in bench.agent.events]
    events = await bench.call(bench.driver.irq_status)
    harness.report.same("array_error", "array_error" in events or "status" not in kinds, True)
    harness.report.same("stray", ("stray" in events) == (counters["stray"] > 0), True)
    if len(kinds) > 20:
        harness.report.same("pulses failed", counters["failed"] + counters["unknown"] > 0, True)
        harness.report.same("strays came", counters["stray"] > 0, True)


def excess(event: Event) -> Fault | None:
    """Every train reports more pulses than it was given, by 1 and more."""
    return Fault(kind="excess", after=event.tag % 3 * 50) if event.op == Op.PROGRAM else None


@harness.bench()
async def excess_pulses(dut: Any) -> None:
    """An array that reports more pulses than it was given: no more than those count, and it is an error."""
    bench = Bench(dut, "excess", gaps=0.1, fault=excess)
    await bench.begin()
    array, formats, rest = bench.design.array, bench.design.formats, SHIFT_MAX - bench.design.reset_shift
    full = [-(1 << formats.x - 1)] * array.rows, rest // 2, [-(1 << formats.d - 1)] * array.columns, rest - rest // 2
    await bench.call(bench.driver.update, *full)
    await bench.call(bench.driver.program_pass)
    await bench.work(harness.amount(12), reads=False, passes=0.4)
    await bench.call(bench.driver.wait_idle, bench.polls)
    counters = await bench.call(bench.driver.counters)
    bench.reference.compare(await bench.state(), counters)
    fired = sum(event.pulses for event in bench.agent.events)
    harness.report.same("delivered", counters["delivered"], fired)
    harness.report.same("failed and unknown", counters["failed"] + counters["unknown"], 0)
    harness.report.same("array_error", "array_error" in await bench.call(bench.driver.irq_status), True)
    bench.check_port(macro=False)


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails drop under running trains: the pin drops at once, every pulse is accounted for, work goes on afterwards."""
    bench = Bench(dut, "interlock", 0.1)
    bench.reference.tolerant = True
    await bench.begin()
    for number in range(harness.amount(10)):
        await bench.work(harness.amount(4, 2), reads=False, passes=0.5)
        await Timer(bench.rng.randrange(1, 120) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(bench.rng.randrange(5, 60) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 1
        counters = await bench.quiet()
    harness.report.same("delivered", counters["delivered"], sum(event.pulses for event in bench.agent.events))


@harness.bench()
async def aborts(dut: Any) -> None:
    """The host aborts passes: whole rows only, the rest stays touched; a half vector is dropped; work goes on."""
    bench = Bench(dut, "aborts", 0.1)
    bench.reference.tolerant = True
    await bench.begin()
    driver, call = bench.driver, bench.call
    for number in range(harness.amount(8)):
        await bench.work(harness.amount(3, 1), reads=False, passes=0.0)
        await call(driver.wait_idle, bench.polls)
        before = await bench.state()
        await call(driver.program_pass)
        if number % 3 == 2:
            await bench.transport.send([1] * bench.design.array.rows, User(op=FrameOp.UPDATE_X).word())
        await Timer(bench.rng.randrange(1, 60) * harness.PERIOD_NS, unit="ns")
        await call(driver.abort, bench.polls)
        state, counters = await bench.state(), await call(driver.counters)
        harness.report.same("conserved", await call(driver.pulses_are_conserved), True, vector=number)
        for (row, column), value in state["cells"].items():
            programmed = int(bench.reference.model.chi[row, column])
            known = value in (before["cells"][row, column], programmed)
            touched = value == programmed or row in state["touched"]
            harness.report.same("cell is as before or programmed", known, True, vector=number, row=row, column=column)
            harness.report.same("rows left out are touched", touched, True, vector=number, row=row)
        bench.reference.adopt(state)
        if not bench.whole:
            await call(driver.clear, bench.polls)
    harness.report.same("delivered", counters["delivered"], sum(event.pulses for event in bench.agent.events))
    bench.check_port()


@harness.bench()
async def reset_in_mid_run(dut: Any) -> None:
    """Reset under work: the pin drops at once, the old epoch never counts, the host restores its dump and goes on."""
    bench = Bench(dut, "reset", 0.1, latency=(5, 40))
    await bench.begin()
    pin, active = harness.reset_pin(dut)
    driver, call = bench.driver, bench.call
    for number in range(harness.amount(5, 2)):
        await bench.work(harness.amount(4, 1), reads=False)
        await call(driver.wait_idle, bench.polls)
        saved = await call(driver.state) if bench.whole else None
        await bench.work(harness.amount(3, 1), reads=False, passes=0.6)
        await Timer(bench.rng.randrange(0, 60) * harness.PERIOD_NS + 3, unit="ns")
        pin.value = active
        await Timer(1, unit="ns")
        harness.report.same("prog_enable in reset", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(4 * harness.PERIOD_NS, unit="ns")
        bench.reference.reset()
        bench.reference.old_epoch = True
        pin.value = 1 - active
        await bench.come_back()
        bench.reference.old_epoch = False
        counters = await call(driver.counters)
        harness.report.same("counters after reset", {k: v for k, v in counters.items() if v and k != "stray"}, {})
        cleared = await bench.state()
        harness.report.same("memory after reset", [value for value in cleared["cells"].values() if value], [])
        await (call(driver.restore, saved) if saved else call(driver.configure, **bench.quick))
        await call(driver.enable_programming)
        await bench.work(harness.amount(4, 1), reads=False)
        await bench.quiet()
