"""Regression of a whole controller of hybrid weights: the driver on the buses, both arrays on the port.

Random gaps on every stream; the port checker watches all along.  What can go wrong is in `bench_hybrid_faults.py`.
"""

from __future__ import annotations

from typing import Any

import cocotb

from crosstrain_cosim import harness
from crosstrain_cosim.hybrid_bench import HybridBench
from crosstrain_cosim.hybrid_scoreboard import held_by
from crosstrain_model.frames import FrameOp, User, beat_bits, frame_beats, slot_bits
from crosstrain_model.port import Op
from crosstrain_model.registers import register_table


@harness.bench()
async def registers(dut: Any) -> None:
    """Reset values, illegal accesses, refusals with their sticky bit; registers while a carry waits."""
    bench = HybridBench(dut, "registers", gaps=0.2)
    await harness.start(dut, arr_rails_ok=1)
    cocotb.start_soon(bench._run())
    driver, call, refused, same = bench.driver, bench.call, bench.refused, harness.report.same
    await call(driver.bring_up, bench.polls)
    for register in register_table(bench.design):
        if register.kind in ("constant", "setting", "control"):
            same(register.name, await bench.transport.read_register(register.offset), register.reset_word)
        if register.access == "ro":
            same(f"write of {register.name} is refused", await refused(driver.write, register.name, 0), True)
    rows = bench.design.array.rows
    beyond = [("REFRESH_STATE", rows << 16)] if rows < 1024 else []  # of 1024 every row of the field is one
    for name, value in (("SET_STEP", 0), ("READS_LOG2", 5), ("CYCLES", 0), ("TIMEOUT", 1),
                        ("SATURATION", 1 << bench.design.formats.adc), ("REFRESH_EVERY", 1 << 16),
                        *beyond):  # fmt: skip
        before = await call(driver.read, name)
        same(f"{value} in {name} is refused", await refused(driver.write, name, value), True)
        same(f"{name} after a refused write", await call(driver.read, name), before)
    if bench.cells is not None:
        cells = bench.design.array.columns * bench.design.hybrid.bits
        for select, length in ((1, cells), (3, rows)):
            await call(driver.write, "WEAR_SELECT", select)
            same("WEAR_INDEX beyond the last", await refused(driver.write, "WEAR_INDEX", length), True)
            await call(driver.write, "WEAR_INDEX", length - 1)
            same("WEAR_INDEX", await call(driver.read, "WEAR_INDEX"), length - 1)
            await call(driver.read, "WEAR_DATA")
            same("WEAR_INDEX behind the last", await call(driver.read, "WEAR_INDEX"), 0)
        same("write of WEAR_DATA is refused", await refused(driver.write, "WEAR_DATA", 0), True)
    await call(driver.irq_clear)
    await call(driver.configure, **{**bench.quick, "refresh_every": 1})
    await call(driver.irq_enable, "refresh_done")
    await call(driver.update_cells, bench.carrying())
    await call(driver.program_pass)
    for _ in range(bench.polls):
        if await bench.event("interlock"):
            break
    same("busy", (await call(driver.fields, "STATUS"))["idle"], 0)
    for name in ("WINDOW", "SATURATION", "SET_START", "MEM_DATA", "STREAM_DATA", "REFRESH_STATE"):
        same(f"{name} while busy is refused", await refused(driver.write, name, 1), True)
    same("irq before the refresh is done", int(dut.irq.value), 0)
    await call(driver.enable_programming)
    await bench.quiet()
    same("irq after the refresh", int(dut.irq.value), 1)


async def train_and_read(dut: Any, name: str, gaps: float, count: int, **settings: int) -> None:
    """Random work; everything is compared, all that the arrays were told too."""
    bench = HybridBench(dut, name, gaps, latency=(0, 20) if gaps else (0, 0))
    await bench.begin(**settings)
    for _ in range(3):
        await bench.work(harness.amount(count, 6))
        for sign in (1, 1, -1):
            await bench.call(bench.driver.update_cells, bench.carrying(sign))
        await bench.call(bench.driver.program_pass)
        counters = await bench.quiet()
        bench.conserved()
        harness.report.same("failed pulses", counters["failed"] + counters["unknown"] + counters["aborted"], 0)
        harness.report.same("carries were done", counters["carry_rows"] > 0, True)
    await bench.told(counters)
    harness.report.same("pulses fired", counters["delivered"], sum(event.pulses for event in bench.agent.events))
    if settings.get("refresh_every") != 0:
        harness.report.same("pairs were programmed anew", counters["refreshed"] > 0, True)


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Updates, ends of batches and reads; random gaps on every stream; a slow array."""
    await train_and_read(dut, "gaps", 0.35, 9)


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps anywhere; two reads for every judgement, and of a row before its RESET; other amplitudes of pulses."""
    await train_and_read(dut, "dense", 0.0, 10, reads_log2=1, amplitude_set=0x5A00, amplitude_reset=0xA500)


@harness.bench()
async def whole_rows_at_once(dut: Any) -> None:
    """The largest changes of both signs in every lane: with wide changes more carries than a visit may make, and each
    weight of which the clamp takes something counts."""
    bench = HybridBench(dut, "rows", 0.0)
    await bench.begin(refresh_every=0)
    array, top = bench.design.array, (1 << bench.design.formats.accumulator - 1) - 1
    for sign in (1, 1, -1, -1):
        row = bench.rng.randrange(array.rows)
        await bench.call(bench.driver.update, [[sign * top * (r == row)] * array.columns for r in range(array.rows)])
    counters = await bench.quiet()
    bench.conserved()
    most = (top >> bench.design.formats.fraction) // bench.design.hybrid.scale
    if most > bench.design.update.max_pulses + 1:
        harness.report.same("weights clipped", counters["clipped"] >= 2 * array.columns, True)
    await bench.told(counters)


@harness.bench()
async def no_refresh(dut: Any) -> None:
    """N_ref = 0: carries alone."""
    await train_and_read(dut, "none", 0.1, 8, refresh_every=0)


@harness.bench()
async def refresh_all_the_time(dut: Any) -> None:
    """N_ref = 1 and G_sat = 0: every pair that is not at the bottom is programmed anew after every batch, while carries
    come; rows take turns."""
    bench = HybridBench(dut, "always", 0.0)
    await bench.begin(refresh_every=1, saturation=0, cycles=1)
    rows = min(1.0, 3 / bench.design.array.rows)
    for number in range(harness.amount(3, 2)):
        await bench.call(bench.driver.update, bench.changes(rows, 0.4) if number else bench.changes(1.0, 1.0))
        await bench.call(bench.driver.program_pass)
        if not number:
            await bench.quiet()
            arrays = [event.array for event in bench.agent.events if event.op == Op.READ_ROW]
            harness.report.same("a batch ends behind its visits", arrays, sorted(arrays, reverse=True))
        for _ in range(3):  # these meet the refresh
            await bench.call(bench.driver.update, bench.changes(rows=rows, columns=1.0))
        await bench.call(bench.driver.program_pass)
    counters = await bench.quiet()
    bench.conserved()
    same, batches = harness.report.same, 2 * harness.amount(3, 2)
    same("rows", counters["refresh_rows"], batches * bench.design.array.rows)
    same("refreshed", counters["refreshed"] > 0, True)
    await bench.told(counters)


@harness.bench()
async def host_access(dut: Any) -> None:
    """L as the host loads, reads and clears it, states that are restored, counters, between work."""
    bench = HybridBench(dut, "host", 0.2)
    await bench.begin()
    driver, call, design, same = bench.driver, bench.call, bench.design, harness.report.same
    shape, scale = (design.array.rows, design.array.columns), design.hybrid.scale
    if bench.whole:
        values = bench.numbers.integers(-scale, scale, shape).tolist()
        await call(driver.load_accumulators, values)
        same("L as it was loaded", await call(driver.dump_accumulators), values)
        for name in bench.module.MEMORIES[1:]:
            counts = bench.numbers.integers(0, 1 << bench.module.MEMORY_BITS[name], shape).tolist()
            await call(driver.load_memory, name, counts)
        await adopt(bench)
    await bench.work(harness.amount(8), reads=False)
    await bench.quiet()
    saved = await call(driver.state) if bench.whole else None
    await adopt(bench)
    await bench.work(harness.amount(4), reads=False)
    await call(driver.wait_idle, bench.polls)
    await call(driver.clear_counters)
    await bench.quiet()
    last = (shape[0] - 1, shape[1] - 1)
    await call(driver.write_accumulator, *last, -1)
    same("the cell written", await call(driver.read_accumulator, *last), -1)
    if saved:
        await call(driver.restore, saved)
        same("restored state", await call(driver.state), saved)
    await adopt(bench)
    await bench.work(harness.amount(4), reads=False)
    await call(driver.program_pass)  # so that a batch has passed
    await bench.quiet()
    await call(driver.clear, bench.polls)
    await bench.quiet()
    await bench.work(harness.amount(4), reads=False)
    await bench.quiet()


async def adopt(bench: HybridBench) -> None:
    """What the host wrote and read is the model's."""
    if bench.cells is None:
        await bench.quiet(counts=False)
        return
    await bench.call(bench.driver.wait_idle, bench.polls)
    bench.reference.adopt(await bench.state(), await bench.call(bench.driver.counters))


@harness.bench()
async def window_under_work(dut: Any) -> None:
    """MEM_DATA goes on from where it was, with what visits have made of L meanwhile."""
    bench = HybridBench(dut, "window", 0.0)
    await bench.begin(refresh_every=0)
    driver, call, design, place = bench.driver, bench.call, bench.design, bench.reference.registers
    change = min(5 << design.formats.fraction, (1 << design.formats.accumulator - 1) - 1)
    for turn in range(harness.amount(4, 2)):
        await call(driver.read_accumulator, turn % design.array.rows, bench.rng.randrange(design.array.columns))
        for _ in range(3):
            row, column = place.row, place.column
            await call(driver.update_cells, [(row, column, change)])
            await call(driver.wait_idle, bench.polls)
            if bench.cells is None:
                bench.reference.settle()
            held = bench.reference.model.memory.held if bench.cells is None else held_by(design, bench.cells)
            found = await call(driver.read, "MEM_DATA")
            harness.report.same("MEM_DATA after work", found, int(held[row, column]), row=row, column=column)
        bench.reference.aborted = bench.cells is not None  # visits between those of the host: all is adopted
        await adopt(bench)


@harness.bench()
async def bad_frames(dut: Any) -> None:
    """Frames that break a rule: what counts of them counts, with a sticky bit; what is around them counts."""
    bench = HybridBench(dut, "frames", 0.2)
    await bench.begin()
    driver, design, send = bench.driver, bench.design, bench.transport.send
    per_beat, beats = beat_bits(design) // slot_bits(design), frame_beats(design, FrameOp.UPDATE)
    one = [999] * per_beat
    beyond = [5] * (per_beat if slot_bits(design) < 32 else 1)
    broken: list[tuple[list[int], User]] = [
        (one * (beats - 1) or one * 2, User(op=FrameOp.UPDATE)),
        (one * (beats + 3), User(op=FrameOp.UPDATE)),
        (one, User(op=FrameOp.UPDATE_X)),
        (one * (frame_beats(design, FrameOp.BACKWARD) + 1), User(op=FrameOp.BACKWARD)),
        (one * 3, User(op=FrameOp.PROGRAM)),
        (one, User(op=9)),
        (one, User(op=FrameOp.READ_ROW, row=design.array.rows)),
        (one, User(op=FrameOp.FORM)),
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
