"""Regression of the whole controller: the generated driver on the buses, an array agent on the port, the model beside.

Random gaps on every stream; the port checker watches all along. What can go wrong is in `bench_controller_faults.py`.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.task import resume

from crosstrain_cosim import harness
from crosstrain_cosim.controller_bench import Bench
from crosstrain_model.frames import FrameOp, User, frame_beats
from crosstrain_model.registers import register_table


@harness.bench()
async def registers(dut: Any) -> None:
    """Reset values, illegal accesses, refusals with their sticky bit, the interrupt line."""
    bench = Bench(dut, "registers", gaps=0.2)
    await harness.start(dut, arr_rails_ok=1)
    cocotb.start_soon(bench._run())
    driver, call, refused, same = bench.driver, bench.call, bench.refused, harness.report.same
    await call(driver.bring_up, bench.polls)
    for register in register_table(bench.design):
        if register.kind in ("constant", "setting", "control"):
            same(register.name, await bench.transport.read_register(register.offset), register.reset_word)
        if register.access == "ro":
            same(f"write of {register.name} is refused", await refused(driver.write, register.name, 0), True)
    same("read of COMMAND is refused", await refused(driver.read, "COMMAND"), True)
    same("read of nothing is refused", await refused(bench.transport.read32, 0xFFC), True)
    same("illegal accesses are not sticky", await call(driver.irq_status), set())
    for name, value in (("THRESHOLD", -1), ("WIDTH_SET", 0), ("WIDTH_RESET", bench.design.pulse.width_limit + 1),
                        ("TIMEOUT", 1), ("MEM_ADDRESS", 0xFFF << 20), ("CONTROL", 2), ("COMMAND", 8)):  # fmt: skip
        before = None if name in ("COMMAND",) else await call(driver.read, name)
        same(f"{value} in {name} is refused", await refused(driver.write, name, value), True)
        same("refusals are sticky", "refused" in await call(driver.irq_status), True)
        await call(driver.irq_clear, "refused")
        if before is not None:
            same(f"{name} after a refused write", await call(driver.read, name), before)
    half_word = resume(bench.transport.write_register)
    same("half a word is refused", await refused(half_word, 0x048, 5, 2), True)
    same("PROGRAM_EVERY after half a word", await call(driver.read, "PROGRAM_EVERY"), bench.design.update.program_every)
    await call(driver.irq_clear)
    await busy_registers(bench)


async def busy_registers(bench: Bench) -> None:
    """While a command waits for `program`: what configures is refused, what does not is taken; then the interrupt."""
    dut, driver, call, same = bench.dut, bench.driver, bench.call, harness.report.same
    array, formats = bench.design.array, bench.design.formats
    await call(driver.configure, **bench.quick, threshold=1)
    await call(driver.irq_enable, "pass_done")
    top = (1 << formats.x - 1) - 1, (1 << formats.d - 1) - 1
    await call(driver.update, [top[0]] * array.rows, 0, [top[1]] * array.columns, 0)
    await call(driver.program_pass)
    for _ in range(bench.polls):
        if "interlock" in await call(driver.irq_status):
            break
    same("busy", (await call(driver.fields, "STATUS"))["idle"], 0)
    for name in ("THRESHOLD", "SHIFT", "WIDTH_SET", "GUARD", "MEM_DATA", "TOUCHED_DATA"):
        same(f"{name} while busy is refused", await bench.refused(driver.write, name, 1), True)
    same("clear while busy is refused", await bench.refused(driver.command, "clear"), True)
    same("events", await call(driver.irq_status) >= {"refused", "interlock"}, True)
    same("irq before the pass is done", int(dut.irq.value), 0)
    await call(driver.enable_programming)
    await bench.quiet()
    same("irq after the pass", int(dut.irq.value), 1)
    await call(driver.irq_clear)
    same("events after clearing", await call(driver.irq_status), set())
    same("irq after clearing", int(dut.irq.value), 0)


async def train_and_read(dut: Any, name: str, gaps: float, count: int, **settings: int) -> None:
    """Random work; everything is compared, the weights too."""
    bench = Bench(dut, name, gaps, latency=(0, 20) if gaps else (0, 0))
    await bench.begin(**settings)
    for _ in range(2):
        await bench.work(harness.amount(count, 6))
        counters = await bench.quiet()
        harness.report.same("failed pulses", counters["failed"] + counters["unknown"] + counters["aborted"], 0)
    replay(bench)


def replay(bench: Bench) -> None:
    """The events again, on a second twin: the same weights."""
    for event in bench.agent.events:
        if event.pulses:
            bench.twin.program_devices(event.row, np.array(event.set_counts), np.array(event.reset_counts))
    pulses = sum(event.pulses for event in bench.agent.events)
    harness.report.same("pulses fired", pulses, bench.reference.model.issued)
    if not any(event.codes for event in bench.agent.events):
        harness.report.same("weights", bench.twin.conductance.tolist(), bench.array.conductance.tolist())


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Updates, passes and reads; random gaps on every stream; a slow array."""
    await train_and_read(dut, "gaps", 0.35, 20)


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps anywhere; a pass after every second vector."""
    await train_and_read(dut, "dense", 0.0, 20, program_every=2)


@harness.bench()
async def saturation(dut: Any) -> None:
    """Vectors that drive every accumulator into both its ends, with and without a threshold in reach."""
    bench = Bench(dut, "saturation", 0.1)
    await bench.begin()
    array, formats = bench.design.array, bench.design.formats
    low_x, low_d, high_d = -(1 << formats.x - 1), -(1 << formats.d - 1), (1 << formats.d - 1) - 1
    for d in (low_d, low_d, high_d, high_d, low_d):
        await bench.call(bench.driver.update, [low_x] * array.rows, 7, [d] * array.columns, 7)
    counters = await bench.quiet()
    harness.report.same("clipping was met", counters["clipped"] > 0, True)
    harness.report.same("sticky bit", "clipped" in await bench.call(bench.driver.irq_status), True)
    for _ in range(3):
        await bench.call(bench.driver.program_pass)
    await bench.quiet()


@harness.bench()
async def host_access(dut: Any) -> None:
    """Loads, dumps, single cells, clears and restored states, between work."""
    bench = Bench(dut, "host", 0.2)
    await bench.begin()
    driver, call, design = bench.driver, bench.call, bench.design
    half, last = 1 << (design.formats.accumulator - 1), (design.array.rows - 1, design.array.columns - 1)
    if bench.whole:
        values = bench.numbers.integers(-half, half, (design.array.rows, design.array.columns))
        await call(driver.load_accumulators, values.tolist())
        await bench.quiet(counts=False)
    await bench.work(harness.amount(6), reads=False)
    await bench.quiet(counts=False)
    saved = await call(driver.state) if bench.whole else None
    await call(driver.clear, bench.polls)
    await bench.quiet(counts=False)
    await call(driver.write_accumulator, *last, -half)
    await call(driver.set_touched_rows, [design.array.rows - 1])
    harness.report.same("the cell written", await call(driver.read_accumulator, *last), -half)
    await bench.quiet(counts=False)
    if saved:
        await call(driver.restore, saved)
        harness.report.same("restored state", await call(driver.state), saved)
    await bench.work(harness.amount(6), reads=False)
    await bench.quiet(counts=False)


@harness.bench()
async def bad_frames(dut: Any) -> None:
    """Frames that break a rule are dropped with a sticky bit; what is around them counts."""
    bench = Bench(dut, "frames", 0.2)
    await bench.begin()
    driver, design, send = bench.driver, bench.design, bench.transport.send
    beats = frame_beats(design, FrameOp.UPDATE_X)
    short = [1] * (design.stream_codes * (beats - 1)) if beats > 1 else [1] * (design.stream_codes * 2)
    x, d = [3] * design.array.rows, [5] * design.array.columns
    broken: list[list[tuple[list[int], User]]] = [
        [(d, User(op=FrameOp.UPDATE_D))],
        [(x, User(op=FrameOp.UPDATE_X)), (x, User(op=FrameOp.UPDATE_X))],
        [(short, User(op=FrameOp.UPDATE_X)), (d, User(op=FrameOp.UPDATE_D))],
        [(x, User(op=FrameOp.UPDATE_X)), (d + [0] * (2 * design.stream_codes), User(op=FrameOp.UPDATE_D))],
        [([1] * (3 * design.stream_codes), User(op=FrameOp.PROGRAM))],
        [([0], User(op=9))],
        [([0], User(op=FrameOp.READ_ROW, row=design.array.rows))],
        [(x, User(op=FrameOp.UPDATE_X)), ([], User(op=FrameOp.PROGRAM))],
    ]
    for case, sequence in enumerate(broken):
        await bench.call(driver.update, *bench.vector())
        errors = bench.reference.frames.errors
        for codes, user in sequence:
            await send(codes, user.word())
        await bench.call(driver.update, *bench.vector())
        await bench.quiet()
        found = "frame_error" in await bench.call(driver.irq_status)
        harness.report.same("frame_error", found, bench.reference.frames.errors > errors, case=case)
        harness.report.same("the case is broken", found, True, case=case)
        await bench.call(driver.irq_clear)
