"""Regression of a whole controller whose changes come from the host: the driver on the buses, an array on the port.

Random gaps on every stream; the port checker watches all along.  What can go wrong is in `bench_stream_faults.py`.
"""

from __future__ import annotations

from typing import Any

import cocotb

from crosstrain_cosim import harness
from crosstrain_cosim.stream_bench import StreamBench
from crosstrain_model.frames import FrameOp, User, beat_bits, frame_beats, slot_bits
from crosstrain_model.registers import register_table


@harness.bench()
async def registers(dut: Any) -> None:
    """Reset values, illegal accesses, refusals with their sticky bit; registers while a command waits."""
    bench = StreamBench(dut, "registers", gaps=0.2)
    await harness.start(dut, arr_rails_ok=1)
    cocotb.start_soon(bench._run())
    driver, call, refused, same = bench.driver, bench.call, bench.refused, harness.report.same
    await call(driver.bring_up, bench.polls)
    for register in register_table(bench.design):
        if register.kind in ("constant", "setting", "control"):
            same(register.name, await bench.transport.read_register(register.offset), register.reset_word)
        if register.access == "ro":
            same(f"write of {register.name} is refused", await refused(driver.write, register.name, 0), True)
    for name, value in (("THRESHOLD", -1), ("RANGE", 0), ("SET_STEP", 0), ("READS_LOG2", 5), ("CYCLES", 0),
                        ("BASE", 1 << bench.design.copy_bits - 1), ("FORM_WIDTH", 0), ("TIMEOUT", 1)):  # fmt: skip
        before = await call(driver.read, name)
        same(f"{value} in {name} is refused", await refused(driver.write, name, value), True)
        same(f"{name} after a refused write", await call(driver.read, name), before)
    await call(driver.irq_clear)
    await call(driver.configure, **bench.quick)
    await call(driver.irq_enable, "pass_done")
    theta = bench.design.update.threshold
    await call(driver.update_cells, [(0, 0, theta)])
    await call(driver.program_pass)
    for _ in range(bench.polls):
        if await bench.event("interlock"):
            break
    same("busy", (await call(driver.fields, "STATUS"))["idle"], 0)
    for name in ("THRESHOLD", "WINDOW", "RANGE", "SET_START", "MEM_SELECT", "MEM_DATA", "TOUCHED_DATA"):
        same(f"{name} while busy is refused", await refused(driver.write, name, 1), True)
    same("irq before the pass is done", int(dut.irq.value), 0)
    await call(driver.enable_programming)
    await bench.quiet()
    same("irq after the pass", int(dut.irq.value), 1)


async def train_and_read(dut: Any, name: str, gaps: float, count: int, **settings: int) -> None:
    """Random work; everything is compared, all that the array was told too."""
    bench = StreamBench(dut, name, gaps, latency=(0, 20) if gaps else (0, 0))
    await bench.begin(**settings)
    for _ in range(2):
        await bench.work(harness.amount(count, 6))
        for sign in (1, -1):  # where the weight is at one end of its range, the other change moves it
            await bench.call(bench.driver.update_cells, [(0, 0, sign * bench.design.update.threshold)])
            await bench.call(bench.driver.program_pass)
        counters = await bench.quiet()
        harness.report.same("failed pulses", counters["failed"] + counters["unknown"] + counters["aborted"], 0)
        harness.report.same("rows were programmed", counters["rows"] > 0, True)
    harness.report.same("pulses fired", counters["delivered"], sum(event.pulses for event in bench.agent.events))


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Updates, passes, reads and forming; random gaps on every stream; a slow array."""
    await train_and_read(dut, "gaps", 0.35, 9)


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps anywhere; two reads for every judgement."""
    await train_and_read(dut, "dense", 0.0, 10, reads_log2=1)


@harness.bench()
async def other_settings(dut: Any) -> None:
    """Wide steps, SET beyond the middle of the window, one cycle: devices are given up."""
    top = (1 << harness.design().copy_bits - 1) - 1
    levels = {name: min(value, top) for name, value in (("set_margin", 300), ("window", 200), ("range", 9000))}
    settings = {"set_step": 4000, "reset_step": 3000, "cycles": 1, **levels}
    await train_and_read(dut, "settings", 0.1, 7, **settings)


@harness.bench()
async def whole_tile(dut: Any) -> None:
    """Every weight changes by a level, and back: words of all groups, every row of the buffers."""
    bench = StreamBench(dut, "whole", 0.0)
    await bench.begin()
    array, theta = bench.design.array, bench.design.update.threshold
    rows = max(1, harness.amount(array.rows, 2)) if array.rows * array.groups > 64 else array.rows
    for sign in (1, -1, -1):
        matrix = [[sign * theta * (1 if (r + c) % 2 else -1) if r < rows else 0 for c in range(array.columns)]
                  for r in range(array.rows)]  # fmt: skip
        await bench.call(bench.driver.update, matrix)
        await bench.call(bench.driver.program_pass)
    counters = await bench.quiet()
    harness.report.same("rows", counters["rows"], 3 * rows)


@harness.bench()
async def host_access(dut: Any) -> None:
    """Loads, dumps, single cells, clears and restored states of all memories, between work."""
    bench = StreamBench(dut, "host", 0.2)
    await bench.begin()
    driver, call, design = bench.driver, bench.call, bench.design
    shape = (design.array.rows, design.array.columns)
    if bench.whole:
        for name, bits in bench.module.MEMORY_BITS.items():
            low = 0 if name in ("plus", "minus") else -(1 << bits - 1)
            values = bench.numbers.integers(low, low + (1 << bits), shape).tolist()
            if name == "dW":
                await call(driver.load_accumulators, values)
            else:
                await call(driver.load_memory, name, values)
        await bench.quiet(counts=False)
    await call(driver.clear, bench.polls)
    await bench.quiet(counts=False)
    await bench.work(harness.amount(8), reads=False)
    await bench.quiet(counts=False)
    saved = await call(driver.state) if bench.whole else None
    await bench.work(harness.amount(4), reads=False)
    await call(driver.clear_counters) if not await busy(bench) else None
    await bench.quiet()
    last = (shape[0] - 1, shape[1] - 1)
    await call(driver.write_accumulator, *last, -1)
    harness.report.same("the cell written", await call(driver.read_accumulator, *last), -1)
    if saved:
        await call(driver.restore, saved)
        harness.report.same("restored state", await call(driver.state), saved)
    await bench.work(harness.amount(4), reads=False)
    await bench.quiet(counts=False)


async def busy(bench: StreamBench) -> bool:
    """Waits until there is no work; False."""
    await bench.call(bench.driver.wait_idle, bench.polls)
    return False


@harness.bench()
async def bad_frames(dut: Any) -> None:
    """Frames that break a rule: what counts of them counts, with a sticky bit; what is around them counts."""
    bench = StreamBench(dut, "frames", 0.2)
    await bench.begin()
    driver, design, send = bench.driver, bench.design, bench.transport.send
    per_beat, beats = beat_bits(design) // slot_bits(design), frame_beats(design, FrameOp.UPDATE)
    one = [3] * per_beat
    beyond = [5] * (per_beat if slot_bits(design) < 32 else 1)
    broken: list[tuple[list[int], User]] = [
        (one * (beats - 1) or one * 2, User(op=FrameOp.UPDATE)),
        (one * (beats + 3), User(op=FrameOp.UPDATE)),
        (one, User(op=FrameOp.UPDATE_X)),
        (one, User(op=FrameOp.BACKWARD)),
        (one * 3, User(op=FrameOp.PROGRAM)),
        (one, User(op=9)),
        (one, User(op=FrameOp.READ_ROW, row=design.array.rows)),
        (one, User(op=FrameOp.FORM, row=design.array.rows)),
        ((beyond[:-1] + [0x7FFF]) * 2, User(op=FrameOp.SPARSE)),
        (one * (frame_beats(design, FrameOp.FORWARD) + 1), User(op=FrameOp.FORWARD)),
    ]
    for case, (codes, user) in enumerate(broken):
        await bench.call(driver.update_cells, bench.some_cells())
        errors = bench.reference.frames.errors
        await send(codes, user.word())
        await bench.call(driver.update_cells, bench.some_cells())
        await bench.quiet()
        found = await bench.event("frame_error")
        harness.report.same("frame_error", found, bench.reference.frames.errors > errors, case=case)
        await bench.call(driver.irq_clear)
