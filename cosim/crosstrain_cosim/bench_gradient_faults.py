"""Regression of a controller with in-memory gradients when things go wrong: faulty array, supplies, aborts, resets.

Whatever goes wrong at the port: choppers, schedule, means and every random stream stand where the vectors alone put
them, nothing is lost and nothing counted twice, and work goes on from what the memories hold.
"""

from __future__ import annotations

from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.bench_controller_faults import random_fault
from crosstrain_cosim.bench_gradient_controller import eager
from crosstrain_cosim.gradient_bench import GradientBench
from crosstrain_model.frames import FrameOp, User


async def settle(bench: GradientBench) -> dict[str, int]:
    """Until idle; compare what no fault may change; then take memories and arrays as they are."""
    await bench.call(bench.driver.wait_idle, bench.polls)
    counters = await bench.call(bench.driver.counters)
    state = await bench.state()
    bench.reference.compare(state, counters, counts=False)
    bench.check_ledger(counters)
    if bench.design.transfers:
        visits = (counters["transfers"] - counters["lost_reads"]) * bench.design.array.groups
        harness.report.same("visits of the reads that were not lost", counters["visits"], visits)
    if bench.whole:
        bench.reference.adopt(state, bench.arrays)
    else:
        bench.reference.forget()
    return counters


async def goes_on(bench: GradientBench) -> None:
    """Work without faults, compared to the last bit."""
    if not bench.whole:
        return
    bench.agent.fault = None
    bench.reference.tolerant = False
    await bench.work(harness.amount(12, 4))
    await bench.quiet(counts=False)


@harness.bench()
async def faulty_array(dut: Any) -> None:
    """Error statuses, lost, late, repeated and stray completions."""
    bench = GradientBench(dut, "faults", 0.2, fault=random_fault(harness.generator("faults")))
    bench.reference.tolerant = True
    bench.macro = False
    await bench.begin(**eager(bench.design))
    await bench.work(harness.amount(40, 8))
    counters = await settle(bench)
    bench.check_port(macro=False)
    kinds = [event.fault for event in bench.agent.events]
    events = await bench.call(bench.driver.irq_status)
    harness.report.same("array_error", "array_error" in events or "status" not in kinds, True)
    harness.report.same("stray", ("stray" in events) == (counters["stray"] > 0), True)
    await goes_on(bench)


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails drop under running trains: the pin drops at once, every slot is accounted for, work goes on afterwards."""
    bench = GradientBench(dut, "interlock", 0.1)
    bench.reference.tolerant = True
    await bench.begin(**eager(bench.design))
    for number in range(harness.amount(8)):
        await bench.work(harness.amount(4, 2), reads=False)
        await Timer(bench.rng.randrange(1, 120) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(bench.rng.randrange(5, 60) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 1
        await settle(bench)
        bench.check_port()
    await goes_on(bench)


@harness.bench()
async def aborts(dut: Any) -> None:
    """The host aborts under work: streams, choppers and schedule stand where vectors put them; a half one is lost."""
    bench = GradientBench(dut, "aborts", 0.1)
    bench.reference.tolerant = True
    await bench.begin(**eager(bench.design))
    driver, call = bench.driver, bench.call
    for number in range(harness.amount(8)):
        await bench.work(harness.amount(4, 2), reads=False)
        if number % 3 == 2:
            await bench.transport.send([1] * bench.design.array.rows, User(op=FrameOp.UPDATE_X).word())
        await Timer(bench.rng.randrange(1, 60) * harness.PERIOD_NS, unit="ns")
        await call(driver.abort, bench.polls)
        counters = await settle(bench)
        other = [counters.get(name, 0) for name in ("failed", "unknown", "train_failed", "train_unknown")]
        harness.report.same("slots that an abort lost without counting them as aborted", sum(other), 0, vector=number)
        harness.report.same("slots are conserved", await call(driver.slots_are_conserved), True, vector=number)
    bench.check_port()
    await goes_on(bench)


@harness.bench()
async def reset_in_mid_run(dut: Any) -> None:
    """Reset under work: the pin drops at once, the old epoch never counts, the host restores its state and goes on."""
    bench = GradientBench(dut, "reset", 0.1, latency=(5, 40))
    await bench.begin(**eager(bench.design))
    pin, active = harness.reset_pin(dut)
    driver, call = bench.driver, bench.call
    for number in range(harness.amount(4, 2)):
        await bench.work(harness.amount(4, 1), reads=False)
        await call(driver.wait_idle, bench.polls)
        saved = await call(driver.state) if bench.whole else None
        await bench.work(harness.amount(3, 1), reads=False)
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
        bench.reference.adopt({"cells": {}}, bench.arrays)
        await call(driver.enable_programming)
        await bench.work(harness.amount(4, 1), reads=False)
        await bench.quiet()
