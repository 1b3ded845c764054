"""What every bench shares: settings in, counts out, reset, and comparison that says where.

A bench compares only through `Report.same`: it counts every comparison and keeps the first divergences with what was
being done (vector, row, column) and both sides' values.
"""

from __future__ import annotations

import functools
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer

from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design

PERIOD_NS = 10
"""Clock period of every bench."""
KEPT = 20
"""Divergences kept with their text; all are counted."""


def folder() -> Path:
    """Where settings lie and the report goes."""
    return Path(os.environ["CROSSTRAIN_BENCH"])


@functools.cache
def settings() -> dict[str, Any]:
    """What the caller of `run_bench` gave."""
    return json.loads((folder() / "settings.json").read_text())


@functools.cache
def design() -> Design:
    """The design whose Verilog is simulated."""
    path = folder() / "design.toml"
    path.write_text(settings()["design"])
    return load_design(str(path))


def amount(full: int, least: int = 3) -> int:
    """How much of something a bench does: `full` up to 256 words of accumulators, less on larger designs, and less
    where the caller of `run_bench` says so; never less than `least`."""
    words = design().array.rows * design().array.groups
    share = min(1.0, 256 / words) * settings()["effort"]
    return max(min(least, full), int(full * share))


def patience() -> int:
    """Cycles after which something that was waited for counts as hung: many times what any wait of a bench takes."""
    return 10_000 + 200 * design().array.rows * design().array.groups


def generator(name: str) -> random.Random:
    """Random numbers of one purpose: the run's seed and the purpose's name give the same numbers on every simulator."""
    return random.Random(f"{os.environ.get('COCOTB_RANDOM_SEED', '1')}/{name}")


class Report:
    """Counts of a whole bench, over all its tests."""

    def __init__(self) -> None:
        self.events = 0
        self.mismatches = 0
        self.cycles = 0
        self.messages: list[str] = []
        self.payload: dict[str, Any] = {}
        """Whatever else the bench has to say."""
        self.unknown: dict[str, list[str]] = {}
        """Output pins that were neither 0 nor 1 when a test was stopped, by its name."""

    def same(self, what: str, hardware: Any, model: Any, **where: Any) -> bool:
        """Compare one thing; `where` says what it belongs to, as vector=3, row=1, column=4."""
        self.events += 1
        if hardware == model:
            return True
        self.mismatches += 1
        if len(self.messages) < KEPT:
            place = ", ".join(f"{key} {value}" for key, value in where.items())
            self.messages.append(f"{what}{' at ' + place if place else ''}: hardware {hardware}, model {model}")
        return False

    def save(self) -> None:
        """Write the counts for `run_bench`."""
        (folder() / "report.json").write_text(json.dumps(vars(self)))


report = Report()
"""The one report of this simulation."""


def unknown_pins(dut: Any) -> list[str]:
    """Outputs that are neither 0 nor 1; data says nothing while its `valid` is low, so it is named only where no other.

    What the top's outputs are comes from the settings.
    """
    found = [name for name in settings().get("outputs", []) if not getattr(dut, name).value.is_resolvable]
    steering = [name for name in found if name.endswith(("valid", "ready", "enable", "irq", "idle"))]
    return steering or found


def bench(timeout_us: int = 0) -> Callable[[Callable[..., Any]], Any]:
    """A cocotb test that fails when its comparisons found a difference, and that always leaves a report.

    timeout_us : simulated time; 0 for one that fits the design
    """

    def wrap(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        async def body(dut: Any) -> None:
            before, messages = report.mismatches, len(report.messages)
            compared = report.events
            try:
                await function(dut)
                assert report.events > compared, "the test compared nothing"
                found = report.mismatches - before
                assert not found, f"{found} mismatches, first: {next(iter(report.messages[messages:]), 'not kept')}"
            except BaseException:  # that includes being cancelled, because another task raised
                report.unknown[function.__name__] = unknown_pins(dut)
                raise
            finally:
                report.save()

        limit = timeout_us or 1_000 + 30 * design().array.rows * design().array.groups
        return cocotb.test(timeout_time=limit, timeout_unit="us")(body)

    return wrap


def reset_pin(dut: Any) -> tuple[Any, int]:
    """The reset port and its active level, by profile."""
    return (dut.rst_n, 0) if hasattr(dut, "rst_n") else (dut.rst, 1)


async def start(dut: Any, cycles: int = 3, **inputs: int) -> None:
    """Start the clock, drive every input (0 unless given), pass through reset, and count cycles in the report."""
    pin, active = reset_pin(dut)
    for name in settings().get("inputs", []):
        getattr(dut, name).value = inputs.get(name, 0)
    pin.value = active
    await Timer(1, unit="ns")  # an asynchronous reset acts before the first edge
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    cocotb.start_soon(_count(dut.clk))
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    pin.value = 1 - active
    await RisingEdge(dut.clk)


async def _count(clk: Any) -> None:
    while True:
        await RisingEdge(clk)
        report.cycles += 1
