"""Regression of the dispatcher between stand-ins for trains, pulse and transfers, a reading host, and the array agent.

The model is fed from the pins. Commands, slots and words pass in order; every pulse and every slot is accounted for,
and the agent's own record of what was fired must agree.
"""

from __future__ import annotations

from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.dispatcher_bench import TIMEOUT, Bench
from crosstrain_cosim.event import Event, Fault
from crosstrain_model import port
from crosstrain_model.port import LAST_TAG, Status

COMMANDS = 80


@harness.bench()
async def at_random(dut: Any) -> None:
    """Everything at once, random gaps on every stream, a slow array: all of it is delivered."""
    bench = Bench(dut, "random", 0.3, latency=(0, 20))
    await bench.begin()
    for _ in range(COMMANDS):
        bench.put()
    await bench.quiet()
    harness.report.same("delivered", bench.delivered(), bench.fired())
    harness.report.same("errors of the array", bench.reference.errors, 0)
    harness.report.same("timeouts", bench.reference.timeouts, 0)


@harness.bench()
async def without_a_bubble(dut: Any) -> None:
    """Pulses of 5 cycles without guard, and reads of 40 among them: the analog half always works."""
    bench = Bench(dut, "bubble", 0.0, latency=(0, 0), row_cycles=40)
    await bench.begin(train_width=5, train_guard=0)
    for number in range(COMMANDS // 2):
        bench.put_train()
        if bench.design.transfers and number % 3 == 1:
            bench.put_row()
            await bench.loop.until(lambda: bench.rows is not None and not bench.rows.waiting, what="read of a row")
    await bench.quiet()
    analog = bench.agent.analog
    harness.report.same("idle cycles", analog["last"] - analog["first"] - analog["pulses"] - analog["reads"], 0)


@harness.bench()
async def tags_wrap(dut: Any) -> None:
    """More commands than tags, back to back."""
    bench = Bench(dut, "tags", 0.0)
    await bench.begin()
    for _ in range(LAST_TAG + 5):
        bench.put_train(slots=1)
    await bench.quiet()
    harness.report.same("commands", bench.reference.commands, LAST_TAG + 5)


@harness.bench()
async def faults(dut: Any) -> None:
    """Error statuses, lost, late, repeated and stray completions: nothing is lost, nothing counted twice."""
    rng = harness.generator("faults")

    def fault(command: Event) -> Fault | None:
        if rng.random() < 0.6:
            return None
        kind = rng.choice(("status", "status", "lost", "late", "twice", "stray"))
        statuses = [Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK]
        if command.op not in port.READ_OPS:  # a read that says so, but gave too few words, is reported as PROTOCOL
            statuses.append(Status.SATURATED)
        status = rng.choice(statuses)
        return Fault(kind=kind, status=status, after=rng.randrange(3), delay=rng.choice((20, TIMEOUT + 40)))

    bench = Bench(dut, "faults", 0.2, fault=fault)
    await bench.begin()
    for _ in range(COMMANDS):
        bench.put()
    await bench.quiet()
    harness.report.same("timeouts were met", bench.reference.timeouts > 0, True)
    harness.report.same("strays were met", bench.reference.strays > 0, True)


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails and the program switch drop at any time: no pulse without them, the rest waits or is accounted for."""
    bench = Bench(dut, "interlock", 0.1)
    await bench.begin()
    for number in range(COMMANDS // 2):
        for _ in range(bench.rng.randrange(1, 4)):
            bench.put()
        await bench.loop.steps(bench.rng.randrange(1, 30))
        pin = dut.arr_rails_ok if number % 2 else dut.program_enable
        pin.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails or switch", int(dut.arr_prog_enable.value), 0)
        await bench.loop.steps(port.INTERLOCK_CYCLES + bench.rng.randrange(20))
        slots = bench.reference.slots
        await bench.loop.steps(10)
        harness.report.same("slots while disabled", bench.reference.slots, slots)
        pin.value = 1
        await bench.loop.steps(3)
    await bench.quiet()
    harness.report.same("delivered", bench.delivered(), bench.fired())


@harness.bench()
async def aborts(dut: Any) -> None:
    """Aborts of the host at any time; none of them is an error of the array."""
    bench = Bench(dut, "aborts", 0.2, latency=(0, 15))
    await bench.begin()
    for _ in range(COMMANDS // 2):
        for _ in range(bench.rng.randrange(5)):
            bench.put()
        await bench.loop.steps(bench.rng.randrange(1, 50))
        bench.strobe.fire(host_abort=1)
        await bench.loop.steps(bench.rng.randrange(2, 20))
    await bench.quiet()
    harness.report.same("delivered", bench.delivered(), bench.fired())
    harness.report.same("aborts were met", bench.reference.aborts > 5, True)
    harness.report.same("errors of the array", bench.reference.errors, 0)


@harness.bench()
async def reset_in_mid_run(dut: Any) -> None:
    """Reset under whatever is open: the pin drops at once, old completions and words never count."""
    bench = Bench(dut, "reset", 0.1, latency=(5, 30))
    await bench.begin()
    pin, active = harness.reset_pin(dut)
    for _ in range(10):
        for _ in range(bench.rng.randrange(1, 5)):
            bench.put()
        await bench.loop.steps(bench.rng.randrange(3, 60))
        pin.value = active
        await Timer(1, unit="ns")
        harness.report.same("prog_enable in reset", int(dut.arr_prog_enable.value), 0)
        for source in (bench.reads, bench.codes, bench.rows, bench.trains, bench.pulse):
            if source is not None:
                source.withdraw() if hasattr(source, "withdraw") else source.reset()
        await bench.loop.steps(3)
        bench.reference.reset()
        pin.value = 1 - active
        await bench.loop.until(lambda: int(dut.ready.value) == 1, what="answer to ABORT after reset")
        bench.put_train()
        await bench.quiet()
        harness.report.same("issued since reset", int(dut.train_issued.value), int(dut.train_delivered.value))
