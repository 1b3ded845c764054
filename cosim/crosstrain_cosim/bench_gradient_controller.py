"""Regression of a whole controller with in-memory gradients: the generated driver on the buses, two arrays on the port.

Random gaps on every stream; the port checker watches all along. What can go wrong is in `bench_gradient_faults.py`.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.task import resume

from crosstrain_cosim import harness
from crosstrain_cosim.gradient_bench import GradientBench
from crosstrain_model.frames import FrameOp, User
from crosstrain_model.registers import register_table


@harness.bench()
async def registers(dut: Any) -> None:
    """Reset values, illegal accesses, refusals with their sticky bit."""
    bench = GradientBench(dut, "registers", gaps=0.2)
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
    same("illegal accesses are not sticky", await call(driver.irq_status), set())
    illegal = [("TRAIN_WIDTH", 0), ("TRAIN_MOMENTUM", 13), ("TIMEOUT", 1), ("STREAM_INDEX", 16), ("COMMAND", 8)]
    if bench.design.transfers:
        illegal += [("TRANSFER_EVERY", 0), ("SWEEP_ROW", 1 << 12)]
    for name, value in illegal:
        same(f"{value} in {name} is refused", await refused(driver.write, name, value), True)
        same("refusals are sticky", "refused" in await call(driver.irq_status), True)
        await call(driver.irq_clear, "refused")
    half_word = resume(bench.transport.write_register)
    same("half a word is refused", await refused(half_word, 0x150, 5, 2), True)
    await call(driver.irq_enable, "frame_error")
    same("irq before the frame", int(dut.irq.value), 0)
    await bench.transport.send([0], User(op=FrameOp.PROGRAM).word())
    await call(driver.wait_idle, bench.polls)
    same("a PROGRAM frame is an error", "frame_error" in await call(driver.irq_status), True)
    same("irq after the frame", int(dut.irq.value), 1)
    await call(driver.irq_clear)
    same("events after clearing", await call(driver.irq_status), set())
    same("irq after clearing", int(dut.irq.value), 0)


async def train_and_read(dut: Any, name: str, gaps: float, count: int, **settings: int) -> None:
    """Random work; everything is compared, conductances of all arrays too."""
    bench = GradientBench(dut, name, gaps, latency=(0, 20) if gaps else (0, 0))
    await bench.begin(**settings)
    for _ in range(2):
        await bench.work(harness.amount(count, 6))
        counters = await bench.quiet()
        lost = [counters.get(name, 0) for name in ("failed", "unknown", "aborted", "train_failed", "train_unknown")]
        harness.report.same("failed pulses and slots", sum(lost), 0)
    bench.check_ledger(counters)


def eager(bench_design: Any) -> dict[str, int]:
    """Settings under which much happens soon: transfers after every vector, thresholds of few codes, short periods."""
    names = {register.name for register in register_table(bench_design)}
    log2 = bench_design.update.threshold_power_of_two
    few = 1 << bench_design.formats.fraction
    wanted = {
        "transfer_every": 1, "threshold": few.bit_length() if log2 else 2 * few, "warmup": 1, "chopper_period": 2,
        "flip_probability": 20000, "train_rate": 700,
    }  # fmt: skip
    return {name: value for name, value in wanted.items() if name.upper() in names}


@harness.bench()
async def at_random_with_gaps(dut: Any) -> None:
    """Vectors and reads; random gaps on every stream; a slow array."""
    await train_and_read(dut, "gaps", 0.35, 40)


@harness.bench()
async def at_random_back_to_back(dut: Any) -> None:
    """No gaps anywhere; a transfer after every vector."""
    await train_and_read(dut, "dense", 0.0, 80, **eager(harness.design()))


@harness.bench()
async def eager_with_gaps(dut: Any) -> None:
    """The same against a slow array and host, trains of fixed length."""
    await train_and_read(dut, "eager", 0.3, 60, train_dynamic=0, **eager(harness.design()))


@harness.bench()
async def seeds_and_state(dut: Any) -> None:
    """The host reads all state, goes on, puts it back, and the same vectors give the same state again."""
    bench = GradientBench(dut, "state", 0.1)
    await bench.begin(**eager(bench.design))
    driver, call, same = bench.driver, bench.call, harness.report.same
    await call(driver.seed, {name: [0] * bench.module.STREAM_WORDS for name in bench.module.STREAMS.values()})
    await call(driver.clear, bench.polls)
    await bench.work(harness.amount(20, 4), reads=False)
    await bench.quiet()
    if not bench.whole:
        return
    saved = await call(driver.state)
    await bench.work(harness.amount(8, 2), reads=False)
    await bench.quiet()
    await call(driver.restore, saved)
    same("restored state", await call(driver.state), saved)
    await bench.work(harness.amount(8, 2), reads=False)
    await bench.quiet()
