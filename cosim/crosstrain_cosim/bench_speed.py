"""Batches of dense vectors through the C++ host inside a simulator, timed; for benchmarks/cosim_speed.py."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from crosstrain_cosim import harness
from crosstrain_cosim.script import Script, user_word
from crosstrain_cosim.simulated import Simulated
from crosstrain_model.frames import FrameOp
from crosstrain_model.registers import register_table
from crosstrain_model.twin.tile import ArrayTile

VECTORS = 64
"""Of one batch."""
EXPONENT = -10
"""Of x and of d: every fifth weight gets a pulse per batch, or so."""


@harness.bench(timeout_us=10**9)
async def speed(dut: Any) -> None:
    """Every batch is one script; its events are taken before the next."""
    design = harness.design()
    address = {register.name: register.offset for register in register_table(design)}
    array = ArrayTile(design, engine="numba")
    host = Simulated(dut, design, array.hook_pointer())
    await host.ask(Script().reset().poll(address["STATUS"], 5, 5, 1 << 24).write(address["CONTROL"], 1))
    scripts = [batch(seed).poll(address["STATUS"], 1, 1, 1 << 30) for seed in range(8)]
    before, cycles, events = time.perf_counter(), host.cycles, 0
    batches = harness.settings()["batches"]
    for number in range(batches):
        gathered = await host.ask(scripts[number % len(scripts)])
        events += len(gathered.events)
    seconds, done = time.perf_counter() - before, host.cycles - cycles
    updates = batches * VECTORS * design.array.rows * design.array.columns
    vectors = await host.ask(Script().read(address["VECTORS"]))
    harness.report.same("vectors", int(vectors.answers[0]), batches * VECTORS)
    harness.report.cycles = done
    harness.report.payload = {
        "cycles_per_second": round(done / seconds),
        "updates_per_second": round(updates / seconds),
        "events": events,
    }


def batch(seed: int) -> Script:
    """Vectors without zeros, and a pass."""
    array, formats = harness.design().array, harness.design().formats
    rng = np.random.default_rng(seed)
    half_x, half_d = 1 << (formats.x - 1), 1 << (formats.d - 1)
    x, d = rng.integers(1, half_x, (VECTORS, array.rows)), rng.integers(1, half_d, (VECTORS, array.columns))
    x *= rng.choice((-1, 1), x.shape)
    d *= rng.choice((-1, 1), d.shape)
    exponents = np.full(VECTORS, EXPONENT)
    return Script().vectors(x, exponents, d, exponents).frame(user_word(FrameOp.PROGRAM), [0])
