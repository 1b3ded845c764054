"""Regression of the whole controller: the generated driver on the buses, an array agent on the port, the model beside.

Random gaps on every stream; faults of the array, of the host and of the supplies. The port checker watches all along.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge, resume
from cocotb.triggers import Timer

from crosstrain_cosim import harness
from crosstrain_cosim.agent import Agent, Event, Fault
from crosstrain_cosim.scoreboard import Reference
from crosstrain_cosim.script_transport import AccessError
from crosstrain_cosim.streams import Loop, Monitor
from crosstrain_cosim.transports import PinTransport
from crosstrain_model.frames import FrameOp, User, frame_beats
from crosstrain_model.port import Status
from crosstrain_model.port_rules import MACRO, RULES
from crosstrain_model.register_files import driver_module
from crosstrain_model.registers import register_table
from crosstrain_model.twin.tile import ArrayTile

TIMEOUT = 400
WHOLE = 1024
"""Accumulators up to which all are read in every comparison; of more, a sample."""
SAMPLE = 64
QUICK = {"width_set": 3, "width_reset": 2, "guard": 1}


class Bench:
    """A brought-up controller with everything around it."""

    def __init__(self, dut: Any, name: str, gaps: float = 0.3, fault: Any = None, latency: tuple[int, int] = (0, 8)):
        self.dut, self.design, self.rng = dut, harness.design(), harness.generator(f"work {name}")
        self.numbers = np.random.default_rng(self.rng.getrandbits(32))
        self.loop = Loop(dut)
        self.polls = harness.patience() // 5  # of STATUS, before a wait counts as hung
        self.array, self.twin = ArrayTile(self.design, engine="numpy"), ArrayTile(self.design, engine="numpy")
        rng = harness.generator(f"gaps {name}")
        self.agent = Agent(dut, self.design, self.array, rng, gaps=gaps, latency=latency, fault=fault)
        self.reference = Reference(self.design, self.agent)
        self.transport = PinTransport(dut, self.design, lambda channel: pauses(f"{name} {channel}", gaps))
        self.module = driver_module(self.design)
        self.driver = self.module.Driver(self.transport)
        array = self.design.array
        self.whole = array.rows * array.columns <= WHOLE
        places = [(row, column) for row in range(array.rows) for column in range(array.columns)]
        self.places = places if self.whole else sorted(self.rng.sample(places, SAMPLE))
        self._watch()

    def _watch(self) -> None:
        reference, registers = self.reference, self.reference.registers
        stream = ("tdata", "tuser", "tlast")
        watched: tuple[tuple[str, tuple[str, ...], Callable[[dict[str, int]], Any], str], ...] = (
            ("s_axil", ("awaddr",), registers.address, "aw"),
            ("s_axil", ("wdata",), registers.data, "w"),
            ("s_axil", ("araddr",), registers.read_address, "ar"),
            ("s_axil", ("bresp",), registers.written, "b"),
            ("s_axil", ("rresp",), registers.read, "r"),
            ("s_axis", stream, reference.frames.beat, "t"),
        )
        for prefix, fields, seen, letter in watched:
            self.loop.monitor(Monitor(self.dut, prefix, fields, seen, letter))
        self.loop.driver(self.agent)
        self.loop.driver(reference)  # after the agent, which has just finished a command
        self.loop.driver(Monitor(self.dut, "m_axis", stream, reference.result, "t"))

    async def begin(self, program: bool = True, **settings: int) -> None:
        """Reset, bring-up, registers."""
        await harness.start(self.dut, arr_rails_ok=1)
        self._running = cocotb.start_soon(self._run())
        await self.call(self.driver.bring_up, self.polls)
        self.reference.compared = len(self.agent.events)
        await self.call(self.driver.configure, **{**QUICK, "timeout": TIMEOUT, **settings})
        if program:
            await self.call(self.driver.enable_programming)

    async def _run(self) -> None:
        while True:
            await self.loop.step()

    async def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A method of the driver, which knows nothing of simulations."""
        return await bridge(method)(*arguments, **named)

    async def refused(self, method: Callable[..., Any], *arguments: Any) -> bool:
        """Whether an access is answered with an error."""
        try:
            await self.call(method, *arguments)
        except (self.module.RefusedError, AccessError):
            return True
        return False

    def vector(self) -> tuple[list[int], int, list[int], int]:
        """A random vector pair whose terms are neither all lost nor all clipped."""
        array, formats = self.design.array, self.design.formats
        x, d = (self._codes(n, bits) for n, bits in ((array.rows, formats.x), (array.columns, formats.d)))
        middle = (formats.accumulator - 5 - formats.x - formats.d - self.design.reset_shift) // 2
        return x, middle + self.rng.randrange(-2, 4), d, middle + self.rng.randrange(-2, 3)

    def _codes(self, count: int, bits: int) -> list[int]:
        half = 1 << (bits - 1)
        dense = self.numbers.random(count) < self.rng.choice((0.0, 0.3, 0.7, 1.0, 1.0))
        return (self.numbers.integers(-half, half, count) * dense).tolist()

    async def work(self, count: int, reads: bool = True, passes: float = 0.25) -> None:
        """Random updates, passes and reads."""
        driver, array, formats = self.driver, self.design.array, self.design.formats
        for _ in range(count):
            kind = self.rng.random()
            if kind < passes:
                await self.call(driver.program_pass)
            elif not reads or kind < 0.7:
                await self.call(driver.update, *self.vector())
            elif kind < 0.8:
                await self.read(driver.forward, self._codes(array.rows, formats.x))
            elif kind < 0.9:
                await self.read(driver.backward, self._codes(array.columns, formats.d))
            else:
                await self.read(driver.read_row, self.rng.randrange(array.rows))

    async def read(self, method: Callable[..., Any], argument: Any) -> None:
        """A read; one that the array fails is an error of the driver and no more."""
        try:
            await self.call(method, argument)
        except self.module.ReadError as error:
            harness.report.same("status of the failed read", error.status == Status.OK, False)

    async def quiet(self, counts: bool = True) -> dict[str, int]:
        """Until idle; compare all state; returns the counters."""
        await self.call(self.driver.wait_idle, self.polls)
        counters = await self.call(self.driver.counters)
        self.reference.compare(await self.state(), counters, counts=counts)
        self.check_port()
        return counters

    async def state(self) -> dict[str, Any]:
        """Digital state as the driver reads it: all accumulators, or those of the sample."""
        if self.whole:
            rows = await self.call(self.driver.dump_accumulators)
            cells = {(r, c): value for r, row in enumerate(rows) for c, value in enumerate(row)}
        else:
            cells = {place: await self.call(self.driver.read_accumulator, *place) for place in self.places}
        touched = await self.call(self.driver.touched_rows)
        since_pass = await self.call(self.driver.read, "VECTORS_SINCE_PASS")
        return {"cells": cells, "touched": touched, "since_pass": since_pass}

    def check_port(self, macro: bool = True) -> None:
        """No rule of the port may have been broken; those of the macro only where its faults are not wanted."""
        broken = int(self.dut.broken.value)
        names = [r.name for r in RULES if broken >> (r.code - 1) & 1 and (macro or r.side != MACRO)]
        harness.report.same("broken rules of the port", names, [])


def pauses(name: str, gaps: float) -> Iterator[bool]:
    """Random pauses of one channel."""
    rng = harness.generator(f"pauses {name}")
    while True:
        yield rng.random() < gaps


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
    await call(driver.configure, **QUICK, threshold=1)
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


def random_fault(rng: random.Random) -> Callable[[Event], Fault | None]:
    """Something wrong with every third command."""

    def fault(command: Event) -> Fault | None:
        if rng.random() < 0.65:
            return None
        kind = rng.choice(("status", "status", "lost", "late", "twice", "stray"))
        status = rng.choice((Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK))
        return Fault(kind=kind, status=status, after=rng.randrange(3), delay=rng.choice((20, TIMEOUT + 60)))

    return fault


@harness.bench()
async def faulty_array(dut: Any) -> None:
    """Error statuses, lost, late, repeated and stray completions: nothing is lost, nothing counted twice."""
    bench = Bench(dut, "faults", 0.2, fault=random_fault(harness.generator("faults")))
    await bench.begin()
    await bench.work(harness.amount(40, 8))
    await bench.call(bench.driver.wait_idle, bench.polls)
    counters = await bench.call(bench.driver.counters)
    bench.reference.compare(await bench.state(), counters)
    bench.check_port(macro=False)
    fired = sum(event.pulses for event in bench.agent.events)
    beyond = fired - counters["delivered"]
    harness.report.same("fired pulses are delivered or unknown", 0 <= beyond <= counters["unknown"], True)
    kinds = [event.fault for event in bench.agent.events]
    events = await bench.call(bench.driver.irq_status)
    harness.report.same("array_error", "array_error" in events or "status" not in kinds, True)
    harness.report.same("stray", ("stray" in events) == (counters["stray"] > 0), True)
    if len(kinds) > 20:
        harness.report.same("pulses failed", counters["failed"] + counters["unknown"] > 0, True)
        harness.report.same("strays came", counters["stray"] > 0, True)


@harness.bench()
async def interlock(dut: Any) -> None:
    """Rails drop under running trains: the pin drops at once, every pulse is accounted for, work goes on afterwards."""
    bench = Bench(dut, "interlock", 0.1)
    bench.reference.tolerant = True
    await bench.begin()
    for number in range(harness.amount(10)):
        await bench.work(harness.amount(4, 2), reads=False, passes=0.5)
        await Timer(bench.rng.randrange(1, 120) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 0
        await Timer(1, unit="ns")
        harness.report.same("prog_enable without rails", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(bench.rng.randrange(5, 60) * harness.PERIOD_NS, unit="ns")
        dut.arr_rails_ok.value = 1
        counters = await bench.quiet()
    harness.report.same("delivered", counters["delivered"], sum(event.pulses for event in bench.agent.events))


@harness.bench()
async def aborts(dut: Any) -> None:
    """The host aborts passes: whole rows only, the rest stays touched; a half vector is dropped; work goes on."""
    bench = Bench(dut, "aborts", 0.1)
    bench.reference.tolerant = True
    await bench.begin()
    driver, call = bench.driver, bench.call
    for number in range(harness.amount(8)):
        await bench.work(harness.amount(3, 1), reads=False, passes=0.0)
        await call(driver.wait_idle, bench.polls)
        before = await bench.state()
        await call(driver.program_pass)
        if number % 3 == 2:
            await bench.transport.send([1] * bench.design.array.rows, User(op=FrameOp.UPDATE_X).word())
        await Timer(bench.rng.randrange(1, 60) * harness.PERIOD_NS, unit="ns")
        await call(driver.abort, bench.polls)
        state, counters = await bench.state(), await call(driver.counters)
        harness.report.same("conserved", await call(driver.pulses_are_conserved), True, vector=number)
        for (row, column), value in state["cells"].items():
            programmed = int(bench.reference.model.chi[row, column])
            known = value in (before["cells"][row, column], programmed)
            touched = value == programmed or row in state["touched"]
            harness.report.same("cell is as before or programmed", known, True, vector=number, row=row, column=column)
            harness.report.same("rows left out are touched", touched, True, vector=number, row=row)
        bench.reference.adopt(state)
        if not bench.whole:
            await call(driver.clear, bench.polls)
    harness.report.same("delivered", counters["delivered"], sum(event.pulses for event in bench.agent.events))
    bench.check_port()


@harness.bench()
async def reset_in_mid_run(dut: Any) -> None:
    """Reset under work: the pin drops at once, the old epoch never counts, the host restores its dump and goes on."""
    bench = Bench(dut, "reset", 0.1, latency=(5, 40))
    await bench.begin()
    pin, active = harness.reset_pin(dut)
    driver, call = bench.driver, bench.call
    for number in range(harness.amount(5, 2)):
        await bench.work(harness.amount(4, 1), reads=False)
        await call(driver.wait_idle, bench.polls)
        saved = await call(driver.state) if bench.whole else None
        await bench.work(harness.amount(3, 1), reads=False, passes=0.6)
        await Timer(bench.rng.randrange(0, 60) * harness.PERIOD_NS + 3, unit="ns")
        pin.value = active
        await Timer(1, unit="ns")
        harness.report.same("prog_enable in reset", int(dut.arr_prog_enable.value), 0, vector=number)
        await Timer(4 * harness.PERIOD_NS, unit="ns")
        bench.reference.reset()
        bench.reference.old_epoch = True
        pin.value = 1 - active
        await call(driver.bring_up, bench.polls)
        bench.reference.old_epoch = False
        counters = await call(driver.counters)
        harness.report.same("counters after reset", {k: v for k, v in counters.items() if v and k != "stray"}, {})
        cleared = await bench.state()
        harness.report.same("memory after reset", [value for value in cleared["cells"].values() if value], [])
        await (call(driver.restore, saved) if saved else call(driver.configure, **QUICK, timeout=TIMEOUT))
        await call(driver.enable_programming)
        await bench.work(harness.amount(4, 1), reads=False)
        await bench.quiet()
