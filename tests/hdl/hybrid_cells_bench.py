"""A HybridCells in amaranth.sim between visits and a sequencer that take their time, and devices that may fail."""

import itertools
import random

import numpy as np
from amaranth import Module
from amaranth.sim import Simulator

from crosstrain_hdl.hybrid_cells import HybridCells
from crosstrain_hdl.hybrid_ports import pulse_settings, q_bits
from crosstrain_hdl.row_queue import RowQueue
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.hybrid_memory import COUNTERS
from crosstrain_model.port import Status

VISIT = ("row", "group", "q", "visit", "row_end")
BAD = (Status.TIMEOUT, Status.ABORTED, Status.PROTOCOL, Status.VERIFY)


class Devices:
    """Binary devices, all that they were asked, and their faults: numbers of reads that fail and of pulses that do not
    come; devices that keep their bit. Equal seeds answer equally."""

    def __init__(self, design, seed=1, *, fails=(), drops=(), stuck=0.0):
        rng = np.random.default_rng(seed)
        self.cells = design.array.lanes * design.hybrid.bits
        shape = (design.array.rows, design.array.columns * design.hybrid.bits)
        self.bits = rng.random(shape) < 0.5
        self.free = rng.random(shape) >= stuck
        self.fails, self.drops, self.log = set(fails), set(drops), []
        self.reads = self.pulses = 0

    def sense_row(self, row, groups):
        """None where it fails."""
        self.log.append(("read", row, np.flatnonzero(groups).tolist()))
        self.reads += 1
        named = np.repeat(groups, self.cells)[: self.bits.shape[1]]
        return None if self.reads - 1 in self.fails else np.where(named, self.bits[row], 0).astype(np.int32)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        """Gives whether it came."""
        self.log.append((direction, row, np.flatnonzero(columns).tolist(), amplitude))
        self.pulses += 1
        came = self.pulses - 1 not in self.drops
        if came:
            self.bits[row] = np.where(columns & self.free[row], bool(direction), self.bits[row])
        return came


class Bench:
    """Visits in, carries, reads and pulses out. `chance` is that of everything to happen in a cycle in which it may."""

    def __init__(self, side, design, array, *, seed=1, chance=1.0, rows=2, stalls=0.0):
        self.side, self.design, self.array, self.chance = side, design, array, chance
        self.rng, self.dut = random.Random(seed), HybridCells(design)
        lanes = design.array.lanes
        self.queue = RowQueue(design, rows=rows, width=lanes * COUNT_BITS, amount_bits=1)
        self.rows = side.Rows(
            design, self.queue, np.random.default_rng(seed), bits=COUNT_BITS, count=lanes, stalls=stalls
        )
        self.module = m = Module()
        m.submodules.dut, m.submodules.queue = self.dut, self.queue
        for name in ("valid", "row", "group", "word", "end", "drop"):
            m.d.comb += getattr(self.queue, f"w_{name}").eq(getattr(self.dut, f"w_{name}"))
        m.d.comb += [self.dut.w_ready.eq(self.queue.w_ready), self.queue.w_amount.eq(0)]
        self.words, self.fed, self.clips = [], False, 0
        self.cancels = {}
        """Number of events of the array -> cycles for which everything is cancelled then."""

    def happens(self):
        """At random."""
        return self.chance == 1.0 or self.rng.random() < self.chance

    def run(self, jobs, cycles=100_000):
        """jobs: lists of visits, (row, group) to be read, or (row, group, word) to be written by the host."""
        simulator = Simulator(self.module)
        simulator.add_clock(1e-8)

        async def feed(ctx):
            await self._feed(ctx, jobs)

        async def limit(ctx):
            cycle = 0
            async for _, _, clip, count in ctx.tick().sample(self.dut.clip_valid, self.dut.clip_count):
                cycle += 1
                self.clips += count if clip else 0
                assert cycle < cycles, "visits are left"

        simulator.add_testbench(feed, background=True)
        simulator.add_testbench(self.rows.run, background=True)
        simulator.add_testbench(limit, background=True)
        simulator.add_testbench(self._serve)
        simulator.run()
        return self

    async def _feed(self, ctx, jobs):
        dut, bits = self.dut, self.design.hybrid.bits
        for job in jobs:
            if isinstance(job, tuple):
                while ctx.get(dut.busy):  # as the host waits for frames
                    await ctx.tick()
                row, group, *word = job
                data = self.side.pack(word[0] if word else [], bits)
                given = {"row": row, "group": group, "write": len(word), "data": data}
                for name, value in given.items():
                    ctx.set(getattr(dut, f"m_{name}"), value)
                await self._handshake(ctx, "m")
                for name in ("row", "group", "write"):
                    ctx.set(getattr(dut, f"m_{name}"), self.rng.getrandbits(len(getattr(dut, f"m_{name}"))))
                while True:
                    came, data, visiting = (await ctx.tick().sample(dut.l_valid, dut.l_data, dut.visiting))[2:]
                    if came:
                        self.words.append(self.side.unpack(data, bits, self.design.array.lanes))
                    if not visiting:
                        break
                continue
            for visit in job:
                while not self.happens():
                    await ctx.tick()
                for name, value in zip(VISIT, visit, strict=True):
                    given = self.side.pack(value, q_bits(self.design)) if name == "q" else value
                    ctx.set(getattr(dut, f"r_{name}"), given)
                await self._handshake(ctx, "r")
        self.fed = True

    async def _handshake(self, ctx, prefix):
        ctx.set(getattr(self.dut, f"{prefix}_valid"), 1)
        while not (await ctx.tick().sample(getattr(self.dut, f"{prefix}_ready")))[2]:
            pass
        ctx.set(getattr(self.dut, f"{prefix}_valid"), 0)

    async def _serve(self, ctx):
        dut = self.dut
        for name in pulse_settings():
            ctx.set(getattr(dut, name), getattr(self.design.pulse, name))
        while True:
            cycles = self.cancels.pop(len(self.array.log), 0)
            if cycles:
                ctx.set(dut.cancel, 1)
                for _ in range(cycles):
                    _, _, asks, pulses = await ctx.tick().sample(dut.q_valid, dut.p_valid)
                    assert not asks
                    assert not pulses
                ctx.set(dut.cancel, 0)
            if ctx.get(dut.q_valid) and self.happens():
                await self._read(ctx)
            elif ctx.get(dut.p_valid) and self.happens():
                await self._pulse(ctx)
            elif self.fed and not ctx.get(dut.busy) and ctx.get(self.queue.empty):
                break
            else:
                await ctx.tick()
        self.counters = {name: ctx.get(getattr(dut, name)) for name in COUNTERS}
        array = self.design.array
        self.column_pulses = [[], []]
        for group in range(array.groups):
            used = min(array.lanes, array.columns - group * array.lanes)
            for lane, bit in itertools.product(range(used), range(self.design.hybrid.bits)):
                await self._wear(ctx, self.column_pulses, x_of_row=0, x_group=group, x_lane=lane, x_bit=bit)
        self.row_pulses = [[], []]
        for row in range(array.rows):
            await self._wear(ctx, self.row_pulses, x_of_row=1, x_row=row)

    async def _wear(self, ctx, into, **where):
        for name, value in where.items():
            ctx.set(getattr(self.dut, name), value)
        await self._handshake(ctx, "x")
        while not ctx.get(self.dut.y_valid):
            await ctx.tick()
        into[0].append(ctx.get(self.dut.y_sets))
        into[1].append(ctx.get(self.dut.y_resets))

    async def _strobe(self, ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def _pause(self, ctx):
        while not self.happens():
            await ctx.tick()

    async def _read(self, ctx):
        dut, cells = self.dut, self.array.cells
        row, named = ctx.get(dut.q_row), ctx.get(dut.q_groups)
        groups = np.array([named >> group & 1 for group in range(self.design.array.groups)], bool)
        await self._strobe(ctx, dut.q_ready)
        bits = self.array.sense_row(row, groups)
        failed = bits is None
        due = np.flatnonzero(groups).tolist()
        if failed:
            bits = np.array([self.rng.getrandbits(1) for _ in range(self.array.bits.shape[1])])
            if self.rng.random() < 0.5:
                due = due[: self.rng.randrange(len(due))]
        spare = cells * len(groups) - len(bits)
        bits = np.append(bits, [self.rng.getrandbits(1) for _ in range(spare)])  # nobody may look at them
        for group in due:
            await self._pause(ctx)
            ctx.set(dut.qa_valid, 1)
            ctx.set(dut.qa_cells, self.side.pack(bits[cells * group : cells * (group + 1)], 1))
            while not (await ctx.tick().sample(dut.qa_ready))[2]:
                pass
            ctx.set(dut.qa_valid, 0)
        await self._pause(ctx)
        ctx.set(dut.qr_status, self.rng.choice(BAD if failed else (Status.OK, Status.SATURATED)))
        await self._handshake(ctx, "qr")

    async def _pulse(self, ctx):
        dut = self.dut
        names = ("row", "direction", "width", "amplitude", "pulses")
        row, direction, width, amplitude, pulses = (ctx.get(getattr(dut, f"p_{name}")) for name in names)
        await self._strobe(ctx, dut.p_ready)
        mask = np.array(self.side.unpack(ctx.get(dut.slot_columns), 1, self.array.bits.shape[1], signed=False), bool)
        assert mask.sum() == pulses
        assert width == (self.design.pulse.width_set if direction else self.design.pulse.width_reset)
        came = self.array.pulse_row(row, mask, direction=direction, amplitude=amplitude)
        await self._pause(ctx)
        if came:
            ctx.set(dut.slot_ready, 1)
            while not (await ctx.tick().sample(dut.slot_valid))[2]:
                pass
            ctx.set(dut.slot_ready, 0)
            await self._pause(ctx)
        await self._strobe(ctx, dut.over)
