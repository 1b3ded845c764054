"""A WriteVerify in amaranth.sim between a weight copy and a sequencer that take their time, and arrays to program."""

import dataclasses
import random

import numpy as np
from amaranth.sim import Simulator

from crosstrain_hdl.weight_copy import target_bits
from crosstrain_hdl.write_verify import WriteVerify, settings
from crosstrain_model.port import AMPLITUDE_BITS, Op, Status
from crosstrain_model.write_verify import COUNTERS
from crosstrain_model.write_verify import WriteVerify as Model


def pack(values, bits):
    """The packed word of fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (place * bits) for place, value in enumerate(values))


def unpack(word, bits, count):
    """The fields of a packed word."""
    return [word >> place * bits & ((1 << bits) - 1) for place in range(count)]


class Steps:
    """Devices that move by random steps, some of them stuck; codes with noise. Equal seeds answer equally."""

    def __init__(self, design, seed, *, step=12.0, noise=0.6, stuck=0.0):
        self.design, self.rng = design, np.random.default_rng(seed)
        shape = (design.array.rows, design.array.device_columns)
        self.full = (1 << design.formats.adc) - 1
        self.g = self.rng.uniform(0.2, 0.4, shape) * self.full
        self.free = self.rng.random(shape) >= stuck
        self.step, self.noise = step, noise

    def sense_row(self, row, groups):
        """One read."""
        codes = np.rint(self.g[row] + self.rng.normal(0.0, self.noise, len(self.g[row])))
        named = np.repeat(groups, 2 * self.design.array.lanes)[: len(codes)]
        return np.where(named, np.clip(codes, 0, self.full), 0).astype(np.int32)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        """One pulse; larger amplitudes step further."""
        size = self.rng.uniform(0.0, self.step, len(columns)) * (0.2 + amplitude / 65536.0)
        moved = np.where(columns & self.free[row], size if direction else -size, 0.0)
        self.g[row] = np.clip(self.g[row] + moved, 0, self.full)


class Noise:
    """Codes at random."""

    def __init__(self, design, seed):
        self.design, self.rng = design, np.random.default_rng(seed)

    def sense_row(self, row, groups):
        """One read."""
        columns = self.design.array.device_columns
        codes = self.rng.integers(0, 1 << self.design.formats.adc, columns)
        return np.where(np.repeat(groups, 2 * self.design.array.lanes)[:columns], codes, 0).astype(np.int32)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        """Nothing comes of it."""


class Recorded:
    """An array, all that it was asked, and its faults: numbers of reads that fail, of pulses that do not come."""

    def __init__(self, array, *, fails=(), drops=()):
        self.array, self.fails, self.drops = array, set(fails), set(drops)
        self.log = []
        self.reads = self.pulses = 0

    def sense_row(self, row, groups):
        """None where it fails."""
        self.log.append(("read", row, pack(groups, 1)))
        self.reads += 1
        codes = self.array.sense_row(row, groups)
        return None if self.reads - 1 in self.fails else codes

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        """Gives whether it came."""
        self.log.append(("pulse", row, pack(columns, 1), direction, np.asarray(amplitude).tolist(), form))
        self.pulses += 1
        came = self.pulses - 1 not in self.drops
        if came:
            self.array.pulse_row(row, columns, direction=direction, amplitude=amplitude, form=form)
        return came


class Bench:
    """Rows in, reads and pulses out. `chance` is that of everything to happen in a cycle in which it may.

    seen : commands as (op, row, direction, width, amplitude, pulses); times : cycles of slots taken
    """

    def __init__(self, design, array, *, dut=None, seed=1, chance=1.0, values=None, **more):
        self.design, self.dut, self.array = design, dut or WriteVerify(design), array
        self.rng, self.chance = random.Random(seed), chance
        fields = {name: getattr(design.verify, name, None) for name in settings(design)}
        fields |= {name: getattr(design.pulse, name) for name in ("width_set", "width_reset", "guard")}
        self.values = fields | (values or {}) | more
        self.seen, self.times, self.commands_at = [], [], []
        self.cycle = self.gave_up_events = 0
        self.cancel_at = None
        """Events of the array after which everything is cancelled."""
        self.cancelled = False

    def happens(self):
        """At random."""
        return self.chance == 1.0 or self.rng.random() < self.chance

    def run(self, rows, *, forms=(), cycles=200_000):
        """Program the rows (row, flagged, targets), then form some; returns the counters."""
        self.fed = False
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)

        async def drive(ctx):
            await self._drive(ctx, rows, forms)

        async def feed(ctx):
            await self._feed(ctx, rows, forms)

        async def watch(ctx):
            names = ("gave_up_event", "cancel")
            async for _, _, event, _ in ctx.tick().sample(*(getattr(self.dut, name) for name in names)):
                self.gave_up_events += event
                self.cycle += 1
                assert self.cycle < cycles, "rows are left"

        simulator.add_testbench(drive)
        simulator.add_testbench(feed, background=True)
        simulator.add_testbench(watch, background=True)
        simulator.run()
        return self.counters

    async def _feed(self, ctx, rows, forms):
        dut, lanes, groups = self.dut, self.design.array.lanes, self.design.array.groups
        await ctx.tick()
        while ctx.get(dut.busy):  # the sweep after reset
            await ctx.tick()
        for row, flagged, targets in rows:
            while not self.cancelled and not (self.happens() and ctx.get(dut.pulse_free)):
                await ctx.tick()
            if self.cancelled:
                break
            spare = 2 * lanes * groups - len(flagged)
            flags, wanted = np.append(flagged, [0] * spare), np.append(targets, [0] * spare)
            for group in range(groups):
                part = slice(2 * lanes * group, 2 * lanes * (group + 1))
                ctx.set(dut.t_valid, 1)
                ctx.set(dut.t_row, row)
                ctx.set(dut.t_flags, pack(flags[part], 1))
                ctx.set(dut.t_targets, pack(wanted[part], target_bits(self.design)))
                ctx.set(dut.t_last, group == groups - 1)
                await ctx.tick()
                ctx.set(dut.t_valid, 0)
                ctx.set(dut.t_flags, self.rng.getrandbits(2 * lanes))
                while not self.happens():
                    await ctx.tick()
        for row in forms:
            while not ctx.get(dut.empty):
                await ctx.tick()
            ctx.set(dut.f_valid, 1)
            ctx.set(dut.f_row, row)
            while not (await ctx.tick().sample(dut.f_ready))[2]:
                pass
            ctx.set(dut.f_valid, 0)
        self.fed = True

    async def _drive(self, ctx, rows, forms):
        dut = self.dut
        for name, value in self.values.items():
            ctx.set(getattr(dut, name), value)
        while True:
            if self.cancel_at is not None and len(self.array.log) >= self.cancel_at and not self.cancelled:
                ctx.set(dut.cancel, 1)
                self.cancelled = True
                await ctx.tick()
            if ctx.get(dut.q_valid) and self.happens():
                await self._read(ctx)
            elif ctx.get(dut.p_valid) and self.happens():
                await self._pulse(ctx)
            elif self.fed and not ctx.get(dut.busy):
                break
            else:
                await ctx.tick()
        self.counters = {name: ctx.get(getattr(dut, name)) for name in COUNTERS}
        if dut.words is not None:
            bits, array = self.design.verify.cell_bits, self.design.array
            words = [ctx.get(dut.words[place]) for place in range(array.rows * array.groups)]
            cells = [[word >> place * bits & (1 << bits) - 1 for place in range(2 * array.lanes)] for word in words]
            self.cells = np.array(cells).reshape(array.rows, -1)

    async def _strobe(self, ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def _pause(self, ctx):
        while not self.happens():
            await ctx.tick()

    async def _read(self, ctx):
        dut, lanes, adc = self.dut, self.design.array.lanes, self.design.formats.adc
        row, named = ctx.get(dut.q_row), ctx.get(dut.q_groups)
        groups = np.array([named >> group & 1 for group in range(self.design.array.groups)], bool)
        await self._strobe(ctx, dut.q_ready)
        codes = self.array.sense_row(row, groups)
        failed = codes is None
        if failed:
            codes = np.full(self.design.array.device_columns, self.rng.getrandbits(adc))
        spare = 2 * lanes * len(groups) - len(codes)
        codes = np.append(codes, [self.rng.getrandbits(adc) for _ in range(spare)])  # nobody may look at them
        due = np.flatnonzero(groups).tolist()
        if failed and self.rng.random() < 0.5:
            due = due[: self.rng.randrange(len(due))]
        for group in due:
            await self._pause(ctx)
            ctx.set(dut.qa_valid, 1)
            ctx.set(dut.qa_codes, pack(codes[2 * lanes * group : 2 * lanes * (group + 1)], adc))
            ctx.set(dut.qa_last, group == due[-1])
            while not (await ctx.tick().sample(dut.qa_ready))[2]:
                pass
            ctx.set(dut.qa_valid, 0)
        await self._pause(ctx)
        good, bad = (Status.OK, Status.SATURATED), (Status.TIMEOUT, Status.ABORTED, Status.PROTOCOL, Status.VERIFY)
        ctx.set(dut.qr_status, self.rng.choice(bad if failed else good))
        ctx.set(dut.qr_valid, 1)
        while not (await ctx.tick().sample(dut.qr_ready))[2]:
            pass
        ctx.set(dut.qr_valid, 0)

    async def _pulse(self, ctx):
        dut = self.dut
        names = ("row", "direction", "width", "amplitude", "pulses")
        row, direction, width, amplitude, pulses = (ctx.get(getattr(dut, f"p_{name}")) for name in names)
        op = ctx.get(dut.p_op) if hasattr(dut, "p_op") else Op.PROGRAM
        self.seen.append((op, row, direction, width, amplitude, pulses))
        self.commands_at.append(self.cycle)
        await self._strobe(ctx, dut.p_ready)
        columns = ctx.get(dut.slot_columns)
        mask = np.array([columns >> place & 1 for place in range(self.design.array.device_columns)], bool)
        form = op == Op.FORM
        if self.design.column_amplitudes:
            amplitude = np.array(unpack(amplitude, AMPLITUDE_BITS, self.design.array.device_columns))
        if not self.array.pulse_row(row, mask, direction=direction, amplitude=amplitude, form=form):
            await self._pause(ctx)
            await self._strobe(ctx, dut.over)
            return
        await self._pause(ctx)
        ctx.set(dut.slot_ready, 1)
        assert ctx.get(dut.slot_valid)
        assert ctx.get(dut.slot_last)
        self.times.append(self.cycle)
        assert ctx.get(dut.slot_columns) == columns
        await ctx.tick()
        ctx.set(dut.slot_ready, 0)
        await self._pause(ctx)
        await self._strobe(ctx, dut.over)


def expect(design, array, rows, *, forms=(), values=None, **more):
    """The model on the same rows; `array` collects the events."""
    model = Model(design)
    names = {field.name for field in dataclasses.fields(model.settings)}
    given = {name: value for name, value in ((values or {}) | more).items() if name in names}
    model.settings = dataclasses.replace(model.settings, **given)
    for row, flagged, targets in rows:
        if flagged.any():
            model.program(array, row, flagged, targets)
    for row in forms:
        model.form(array, row)
    return model
