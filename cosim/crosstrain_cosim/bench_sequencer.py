"""Regression of the array sequencer between a stand-in for pulse, a host that reads, and the array agent.

The model is fed from the pins: commands handed over, commands offered to the array, completions taken. Every pulse is
accounted for by `model.pulse.PulseLedger`; the agent's own record of what was fired must agree with it.
"""

from __future__ import annotations

from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.event import Event, Fault
from crosstrain_cosim.sequencer_bench import TIMEOUT, Bench
from crosstrain_model import port
from crosstrain_model.port import LAST_TAG, Op, Status, adc_words

COMMANDS = 60


@harness.bench()
async def at_random(dut: Any) -> None:
    """Commands and reads, random gaps on every stream, a slow array: everything is delivered."""
    bench = Bench(dut, "random", 0.3, latency=(0, 20))
    await bench.begin()
    for _ in range(COMMANDS):
        bench.put_train() if bench.rng.random() < 0.6 else bench.put_read()
    await bench.quiet()
    harness.report.same("delivered", int(dut.delivered.value), bench.fired())
    harness.report.same("errors of the array", bench.reference.errors, bench.reference.saturated)
    harness.report.same("timeouts", bench.reference.timeouts, 0)
    harness.report.same("failed", int(dut.failed.value), 0)


@harness.bench()
async def tags_wrap(dut: Any) -> None:
    """More commands than tags, back to back."""
    bench = Bench(dut, "tags", 0.0)
    await bench.begin()
    for _ in range(LAST_TAG + 5):
        bench.pulse.put(0, 1, 1, [1])
    await bench.quiet()
    harness.report.same("commands", bench.reference.commands, LAST_TAG + 5)


@harness.bench()
async def faults(dut: Any) -> None:
    """Error statuses, lost, late, repeated and stray completions: nothing is lost, nothing counted twice."""
    rng = harness.generator("faults")
    reads: list[int] = []

    def fault(command: Event) -> Fault | None:
        if command.op in port.READ_OPS:
            reads.append(command.tag)
            if len(reads) == 1:  # there are few reads, and one in seven faults is this one
                return Fault(kind="mark")
        if rng.random() < 0.4:
            return None
        kind = rng.choice(("status", "status", "lost", "late", "twice", "stray", "mark"))
        statuses = [Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK]
        if command.op not in port.READ_OPS:  # a read that says so, but gave too few words, is reported as PROTOCOL
            statuses.append(Status.SATURATED)
        status = rng.choice(statuses)
        return Fault(kind=kind, status=status, after=rng.randrange(3), delay=rng.choice((20, TIMEOUT + 40)))

    bench = Bench(dut, "faults", 0.2, fault=fault)
    await bench.begin()
    for _ in range(COMMANDS):
        bench.put_train() if bench.rng.random() < 0.7 else bench.put_read()
    await bench.quiet()
    for _ in range(100):  # few commands are reads, and few of those have their words marked wrongly
        if bench.reference.mistaken:
            break
        bench.put_read()
        await bench.quiet()
    harness.report.same("timeouts were met", bench.reference.timeouts > 0, True)
    harness.report.same("strays were met", bench.reference.strays > 0, True)
    harness.report.same("words marked wrongly were met", bench.reference.mistaken > 0, True)
    known = bench.fired() - int(dut.delivered.value)
    harness.report.same("fired pulses beyond delivered and unknown", 0 <= known <= int(dut.unknown.value), True)


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails and the program switch drop at any time: no pulse without them, the rest waits or is accounted for."""
    bench = Bench(dut, "interlock", 0.1)
    await bench.begin()
    for number in range(COMMANDS // 2):
        bench.put_train()
        await bench.loop.steps(bench.rng.randrange(1, 30))
        pin = dut.arr_rails_ok if number % 2 else dut.program_enable
        pin.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails or switch", int(dut.arr_prog_enable.value), 0)
        await bench.loop.steps(port.INTERLOCK_CYCLES + bench.rng.randrange(40))
        await bench.loop.until(lambda: not int(dut.arr_cmd_valid.value), what="end of the offer that was there before")
        commands = bench.reference.commands
        await bench.loop.steps(10)
        harness.report.same("commands while disabled", bench.reference.commands, commands)
        pin.value = 1
        await bench.loop.steps(3)
    await bench.quiet()
    harness.report.same("delivered", int(dut.delivered.value), bench.fired())


@harness.bench()
async def aborts(dut: Any) -> None:
    """Aborts of the host at any time, in trains and in reads; none of them is an error of the array."""
    bench = Bench(dut, "aborts", 0.2, latency=(0, 15))
    await bench.begin()
    for _ in range(COMMANDS // 2):
        for _ in range(bench.rng.randrange(3)):
            bench.put_train() if bench.rng.random() < 0.6 else bench.put_read()
        await bench.loop.steps(bench.rng.randrange(1, 50))
        bench.strobe.fire(host_abort=1)
        await bench.loop.steps(bench.rng.randrange(2, 20))
    await bench.quiet()
    harness.report.same("delivered", int(dut.delivered.value), bench.fired())
    harness.report.same("aborts were met", bench.reference.aborts > 5, True)
    harness.report.same("errors of the array", bench.reference.errors, bench.reference.saturated)


@harness.bench()
async def aborts_of_lost_commands(dut: Any) -> None:
    """The array forgets the command that it should abort: its ABORT alone ends it, and says so at once."""
    bench = Bench(dut, "forgotten", 0.2, fault=lambda command: Fault(kind="lost"))
    await bench.begin()
    reference = bench.reference
    for number in range(COMMANDS // 3):
        commands, losses = reference.commands, reference.ledger.wrapped()["unknown"]
        bench.put_train() if number % 2 else bench.put_read()
        await bench.loop.until(lambda at=commands: reference.commands > at, what="command")  # type: ignore[misc]
        await bench.loop.steps(bench.rng.randrange(20))
        bench.strobe.fire(host_abort=1)
        await bench.quiet()
        lost = reference.ledger.wrapped()["unknown"] > losses
        harness.report.same("pulses of an unknown fate", lost, bool(number % 2), command=number)
    harness.report.same("timeouts", reference.timeouts, 0)


@harness.bench()
async def slow_words(dut: Any) -> None:
    """Reads far longer than TIMEOUT whose words keep coming are not silent."""
    bench = Bench(dut, "slow", 0.8)
    await bench.begin(timeout=60)
    bench.codes.gaps = 0.0  # where the host is awaited, the array is not silent anyway
    for _ in range(COMMANDS // 3):
        bench.put_read(Op.FORWARD)
    await bench.quiet()
    harness.report.same("timeouts", bench.reference.timeouts, 0)
    harness.report.same("errors of the array", bench.reference.errors, bench.reference.saturated)


@harness.bench()
async def aborts_in_the_words_of_a_read(dut: Any) -> None:
    """The array finishes a read before it takes the ABORT and says OK, but words of it were dropped: it is aborted."""
    bench = Bench(dut, "words", 0.5)
    await bench.begin()
    reference = bench.reference
    near = max(0, adc_words(bench.design, Op.READ_ROW) - 2)  # the array must have no more than a few words left
    for _ in range(10 * COMMANDS):
        commands = reference.commands
        bench.put_read(Op.READ_ROW)
        await bench.loop.until(lambda at=commands: reference.commands > at, what="read")  # type: ignore[misc]
        await bench.loop.until(lambda: len(reference.words) >= near, what="words of a read")
        await bench.loop.steps(bench.rng.randrange(3))
        bench.strobe.fire(host_abort=1)
        await bench.quiet()
        if reference.cut == 5:
            break
    harness.report.same("reads that lost words and were completed as good", reference.cut, 5)
    harness.report.same("errors of the array", reference.errors, reference.saturated)


@harness.bench()
async def reset_in_mid_run(dut: Any) -> None:
    """Reset under a train and under a read: the pin drops at once, old completions and words never count."""
    bench = Bench(dut, "reset", 0.1, latency=(5, 30))
    await bench.begin()
    pin, active = harness.reset_pin(dut)
    for number in range(10):
        bench.put_train() if number % 3 else bench.put_read()
        await bench.loop.steps(bench.rng.randrange(3, 60))
        pin.value = active
        await Timer(1, unit="ns")
        harness.report.same("prog_enable in reset", int(dut.arr_prog_enable.value), 0)
        for source in (bench.reads, bench.codes):
            source.withdraw()
        bench.pulse.reset()
        await bench.loop.steps(3)
        bench.reference.reset()
        pin.value = 1 - active
        await bench.loop.until(lambda: int(dut.ready.value) == 1, what="answer to ABORT after reset")
        bench.put_train()
        await bench.quiet()
        harness.report.same("issued since reset", int(dut.issued.value), int(dut.delivered.value))
