"""Regression of a controller with in-memory gradients at the edges of its number formats and registers.

What random work meets too rarely: bounds of registers, both ends of H, P and P_ref, settings far from their reset
values, counters at their ends, every word of the random streams, and where the slots of each kind of end are counted.
"""

from __future__ import annotations

from typing import Any

from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.bench_controller_edges import settings_and_windows
from crosstrain_cosim.bench_gradient_controller import eager
from crosstrain_cosim.bench_gradient_faults import settle
from crosstrain_cosim.controller_bench import TIMEOUT
from crosstrain_cosim.event import Event, Fault
from crosstrain_cosim.gradient_bench import GradientBench
from crosstrain_model.port import Op, Status
from crosstrain_model.pulse import PulseLedger
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.reference import reference_bits
from crosstrain_model.registers import register_table
from crosstrain_model.registers_gradient import STREAM_WORDS

ENDS = ("delivered", "aborted", "failed", "unknown")
FAULTS = (
    Fault(kind="status", status=Status.VERIFY, after=0),
    Fault(kind="status", status=Status.VERIFY, after=1),
    Fault(kind="status", status=Status.INTERLOCK, after=1),
    Fault(kind="excess", after=3),
    Fault(kind="lost"),
    Fault(kind="late", delay=TIMEOUT + 60),
)


async def begun(dut: Any, name: str, fault: Any = None) -> GradientBench:
    """A bench that is up, without gaps, whose arrays hold random weights; transfers come soon, and W is written."""
    bench = GradientBench(dut, name, 0.0, latency=(0, 2), fault=fault)
    await bench.begin(**_there(bench, **{**eager(bench.design), "warmup": 0}))
    shape = bench.design.array.rows, bench.design.array.columns
    for array in ("w", "a"):
        weights = bench.numbers.integers(-(2**12), 2**12, shape)
        for side in (bench.arrays, bench.reference.arrays):
            if getattr(side, array) is not None:
                getattr(side, array).load_weights(weights)
    return bench


def _there(bench: GradientBench, **settings: int) -> dict[str, int]:
    """Those settings that the design has."""
    names = {register.name.lower() for register in register_table(bench.design)}
    return {name: value for name, value in settings.items() if name in names}


async def _write(bench: GradientBench, **values: int) -> None:
    """Registers by name in lower case, where the design has them."""
    for name, value in _there(bench, **values).items():
        await bench.call(bench.driver.write, name.upper(), value)


async def _nothing(bench: GradientBench) -> None:
    """A vector pair of zeros: no train, but it counts."""
    array = bench.design.array
    await bench.call(bench.driver.update, [0] * array.rows, 0, [0] * array.columns, 0)


async def _strong(bench: GradientBench) -> None:
    """A vector pair of the largest codes: a train of all slots."""
    array, formats = bench.design.array, bench.design.formats
    x, d = (1 << formats.x - 1) - 1, -(1 << formats.d - 1)
    await bench.call(bench.driver.update, [x] * array.rows, 2, [d] * array.columns, 2)


@harness.bench()
async def register_bounds(dut: Any) -> None:
    """Every setting and window takes what fits and nothing else, and holds what it has taken."""
    bench = GradientBench(dut, "bounds", 0.0)
    await bench.begin(program=False)
    await settings_and_windows(bench, others=("MEM_DATA", "STREAM_DATA", "CHOPPER_DATA"))
    await bench.call(bench.driver.clear, bench.polls)
    await bench.quiet()


@harness.bench()
async def far_settings(dut: Any) -> None:
    """Ends of LEAK, TRAIN_MOMENTUM and TRAIN_RATE; three amplitudes; the least and the largest widths of a train."""
    bench = await begun(dut, "far")
    await _write(bench, amplitude_set=0x1234, amplitude_reset=0xEDCB, train_amplitude=0x0F5A)
    cases = (
        {"leak": 0, "train_momentum": 0, "train_rate": -300, "train_width": 1},
        {"leak": 3, "train_momentum": 12, "train_rate": 900, "train_dynamic": 0},
        {"leak": 7, "train_momentum": 8, "train_rate": -1, "train_dynamic": 1, "train_width": 2},
        {"leak": 2, "train_momentum": 1, "train_rate": 32767},
        {"leak": 5, "train_momentum": 11, "train_rate": -32768},
    )
    for case in cases:
        await _write(bench, **case)
        for _ in range(4):
            await bench.call(bench.driver.update, *bench.vector())
        await bench.quiet()
    await _write(bench, train_rate=-2000, train_width=bench.design.pulse.width_limit)
    await _write(bench, train_width=min(40, bench.design.pulse.width_limit))
    await bench.call(bench.driver.update, *bench.vector())
    await bench.quiet()


@harness.bench()
async def both_ends(dut: Any) -> None:
    """H, P and P_ref at and beside both ends in every lane, then a transfer of the row: what is clamped, and that it
    is told."""
    bench = await begun(dut, "ends")
    design, call, same = bench.design, bench.call, harness.report.same
    if not design.transfers:
        await bench.quiet()
        return
    top = design.formats.accumulator - 2
    await call(bench.driver.set_threshold, 1 << top)
    for turn in range(harness.amount(2 * design.array.rows, 6)):
        row = turn % design.array.rows
        for select, name in enumerate(bench.module.MEMORIES):
            if turn % 2 and name != "H":
                continue
            bits = design.formats.accumulator if name == "H" else reference_bits(design)
            await _write(bench, mem_select=select, mem_address=row << 20)
            for column in range(min(design.array.columns, 2 * design.array.lanes)):
                near, half = bench.rng.choice((0, 0, 1, 2)), 1 << bits - 1
                high = (column + column // design.array.lanes + turn) % 2
                await call(bench.driver.write, "MEM_DATA", half - 1 - near if high else near - half)
        await _write(bench, mem_select=0, sweep_row=row)
        counts = bench.reference.model.transfer
        before = counts.clipped, counts.adc_clipped
        await call(bench.driver.irq_clear)
        await _nothing(bench)
        await bench.quiet()
        events = await call(bench.driver.irq_status)
        same("clipped", "clipped" in events, counts.clipped > before[0], turn=turn)
        same("adc_clipped", "adc_clipped" in events, counts.adc_clipped > before[1], turn=turn)


@harness.bench()
async def sweep_counts(dut: Any) -> None:
    """SWEEPS stops at its end; flips and transfers by the last values of SWEEP_READS and SINCE_TRANSFER."""
    bench = await begun(dut, "sweeps")
    if not bench.design.transfers:
        await bench.quiet()
        return
    last = 0xFFFF
    cases = (
        {"sweeps": last, "sweep_reads": last, "chopper_period": last},
        {"sweeps": last - 1, "sweep_reads": last - 2, "chopper_period": last, "warmup": last},
        {"sweeps": last - 1, "sweep_reads": last - 1, "chopper_period": 2, "warmup": last - 1},
        {"sweeps": last, "sweep_reads": 1, "chopper_period": 3, "warmup": last},
        {"since_transfer": last - 2, "transfer_every": last},
        {"since_transfer": last, "transfer_every": last},
        {"since_transfer": last, "transfer_every": 1},
    )
    for case in cases:
        await _write(bench, sweep_row=bench.design.array.rows - 1, **case)
        for _ in range(2):
            await _nothing(bench)
            await bench.quiet()
            await _write(bench, sweep_row=bench.design.array.rows - 1)


@harness.bench()
async def stream_words(dut: Any) -> None:
    """A random word at every index of the random streams: those that are not there are neither kept nor mixed up."""
    bench = await begun(dut, "words")
    call, model = bench.call, bench.reference.model
    last = STREAM_WORDS * len(STREAMS)
    for index in bench.rng.sample(range(last), last):
        await call(bench.driver.write, "STREAM_INDEX", index)
        await call(bench.driver.write, "STREAM_DATA", bench.rng.randrange(1, 1 << 32))
    await call(bench.driver.write, "STREAM_INDEX", 0)
    for index in range(last):
        stream = model.streams().get(STREAMS[index // STREAM_WORDS])
        words = [] if stream is None else list(stream.state)
        wanted = words[index % STREAM_WORDS] if index % STREAM_WORDS < len(words) else 0
        word = await call(bench.driver.read, "STREAM_DATA") & 0xFFFFFFFF
        harness.report.same("STREAM_DATA", word, wanted, index=index)
    for _ in range(2):
        await call(bench.driver.update, *bench.vector())
    await bench.quiet()


@harness.bench()
async def ends_of_slots(dut: Any) -> None:
    """Commands that end in every way, one vector at a time: each slot of a train and each pulse is counted under the
    one end that it had."""
    plan: dict[int, Fault] = {}
    bench = await begun(dut, "slots", lambda event: plan.get(event.op))
    bench.macro = False
    if bench.design.transfers:
        await _write(bench, transfer_every=0xFFFF)
    await _ends(bench, plan, Op.TRAIN, "train_")
    if bench.design.transfers:
        await settle(bench)
        bench.reference.adopt({"cells": {}}, bench.arrays)  # trains failed: A is not what the model made of it
        await _write(bench, transfer_every=1)
        await _ends(bench, plan, Op.PROGRAM, "")
    bench.check_port(macro=False)


async def _ends(bench: GradientBench, plan: dict[int, Fault], op: Op, prefix: str) -> None:
    """Every fault in turn with all commands of one kind; the counters of their slots after each."""
    ledger, model, design = PulseLedger(), bench.reference.model, bench.design
    some = min(3 * model.settings.transfer.theta, (1 << design.formats.accumulator - 1) - 1)
    for fault in (None, *FAULTS, None):
        plan.clear()
        if fault is not None:
            plan[op] = fault
        before, seen = getattr(model, prefix + "issued"), len(bench.agent.events)
        if op == Op.TRAIN:
            await _strong(bench)
        else:
            row = await bench.call(bench.driver.read, "SWEEP_ROW")
            for column in range(min(design.array.columns, 2 * design.array.lanes)):
                await bench.call(bench.driver.write_accumulator, row, column, bench.rng.choice((-some, some)))
            await _nothing(bench)
        await bench.call(bench.driver.wait_idle, bench.polls)
        _count(ledger, fault, getattr(model, prefix + "issued") - before, _of(bench.agent.events[seen:], op))
        counters = await bench.call(bench.driver.counters)
        for name in ENDS:
            harness.report.same(prefix + name, counters[prefix + name], getattr(ledger, name), fault=fault)


def _of(events: list[Event], op: Op) -> list[Event]:
    return [event for event in events if event.op == op]


def _count(ledger: PulseLedger, fault: Fault | None, slots: int, events: list[Event]) -> None:
    """Commands of one vector, all of which met the same fault."""
    ledger.issue(slots)
    if fault is not None and fault.kind in ("lost", "late"):
        ledger.lose(slots)
        return
    status = fault.status if fault is not None and any(event.status != Status.OK for event in events) else Status.OK
    ledger.complete(slots, status, sum(event.pulses for event in events))


@harness.bench()
async def dropped_reads(dut: Any) -> None:
    """The host aborts while rows that were read wait for slow programming: those are lost reads too."""
    bench = await begun(dut, "dropped")
    design, driver, call = bench.design, bench.driver, bench.call
    bench.reference.tolerant = True
    width = min(90 // design.update.max_pulses, design.pulse.width_limit)
    await _write(bench, width_set=width, width_reset=width)
    if design.transfers:  # no reference follows the reads: nearly every visit has pulses
        await _write(bench, chopper_period=0xFFFF, flip_probability=0)
        await call(driver.set_threshold, 1)
    for number in range(harness.amount(6)):
        for _ in range(28):
            await _nothing(bench)
        await Timer((20 + 23 * number) * harness.PERIOD_NS, unit="ns")
        await call(driver.abort, bench.polls)
        counters = await settle(bench)
        kept = [counters.get(name, 0) for name in ("failed", "unknown", "train_failed", "train_unknown")]
        harness.report.same("slots that failed or are unknown", sum(kept), 0, abort=number)
    bench.check_port()
