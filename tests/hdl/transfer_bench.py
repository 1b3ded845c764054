"""A Transfer in amaranth.sim between a sweep, a dispatcher and a Pulse that take their time, the model in step."""

import random
from collections import deque

import numpy as np
from amaranth.sim import Simulator

from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_hdl.transfer import Transfer
from crosstrain_model.accumulator import Ledger
from crosstrain_model.outer_product import words
from crosstrain_model.pulse import row_buffers
from crosstrain_model.registers_gradient import MEMORIES, cell_bits
from crosstrain_model.sweep import Token
from crosstrain_model.transfer import TransferSettings, TransferState, visit_row


def pack(values, bits):
    """The packed word of signed fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (lane * bits) for lane, value in enumerate(values))


def fields(word, lanes, bits):
    """Signed fields of a packed word."""
    parts = [word >> (lane * bits) & ((1 << bits) - 1) for lane in range(lanes)]
    return [part - (part >> (bits - 1) << bits) for part in parts]


class Bench:
    """Put reads with their tokens in, see counts come out; `quiet` compares all state.

    ready : chance of everything to happen in a cycle in which it may; room : that Pulse is done with a row
    """

    def __init__(self, design, seed, *, ready=1.0, room=1.0):
        self.design, self.dut, self.model = design, Transfer(design), TransferState(design)
        self.settings = TransferSettings.of(design)
        self.ledger = Ledger.of(self.model.h)
        self.rng = random.Random(seed)
        self.ready, self.room = ready, room
        self.tokens, self.reads = deque(), deque()
        self.taken = 0
        """Tokens taken whose reads have not ended."""
        self.free = row_buffers(design)
        self.due, self.seen = [], []
        self.cycle = 0
        self.ended, self.first = [], []
        """Cycles of ends of reads, and of the first counts of rows."""
        self.clips = self.adc_clips = self.lost = 0

    def put(self, token, codes, *, good=True, sent=None):
        """Queue a read; a bad one sends `sent` words only (any number)."""
        lanes, adc, groups = self.design.array.lanes, self.design.formats.adc, self.design.array.groups
        padded = np.array(words(codes, lanes))
        spare = groups * lanes - self.design.array.columns
        if spare:
            padded[-1, -spare:] = [self.rng.randrange(-2, 3) for _ in range(spare)]  # nobody may look at them
        packed = [pack(word, adc) for word in padded]
        if not good:
            packed = [self.rng.choice(packed) for _ in range(groups if sent is None else sent)]
        self.tokens.append(token)
        self.reads.append({"token": token, "codes": codes, "words": deque(packed), "good": good})

    def random_read(self, good=True):
        """A read of a random row with a random token; codes small, large and extreme."""
        rng, design = self.rng, self.design
        half = 1 << (design.formats.adc - 1)
        size = 1 << rng.randrange(design.formats.adc)
        codes = [rng.choice((-half, half - 1)) if rng.random() < 0.1 else max(-half, min(half - 1,
                 rng.randint(-size, size))) for _ in range(design.array.columns)]  # fmt: skip
        signs = None
        if "k_columns" in self.dut.signature.members:
            signs = np.array([rng.random() < 0.5 for _ in range(design.array.columns)])
        token = Token(
            row=rng.randrange(design.array.rows), sign=self.chopped and rng.random() < 0.5, columns=signs,
            flip=rng.random() < 0.3, warm=rng.random() < 0.2,
        )  # fmt: skip
        self.put(token, codes, good=good, sent=rng.randrange(design.array.groups + 3))

    @property
    def chopped(self):
        """Whether tokens may have signs."""
        return self.design.row.chopper != "none"

    def _may(self):
        return self.ready == 1.0 or self.rng.random() < self.ready

    async def around(self, ctx):
        """Everything beside the station, one cycle after the other."""
        dut, names = self.dut, ("k_ready", "z_ready", "c_valid", "c_row", "c_counts", "c_last", "adc_clip", "lost",
                                "clip_valid", "clip_count")  # fmt: skip
        offers = word = False
        while True:
            if not offers and self.tokens and self._may():
                offers = True
                self._offer(ctx, self.tokens[0])
            ctx.set(dut.k_valid, offers)
            read = self.reads[0] if self.reads else None
            ends = False
            if read and not word and read["words"] and self._may():
                word = True
                ctx.set(dut.z_codes, read["words"][0])
            elif read and not word and not read["words"] and self.taken and self._may():
                ends = True
            ctx.set(dut.z_valid, word)
            if word and read["good"] and len(read["words"]) == 1 and self.taken and ctx.get(dut.z_ready):
                ends = self.rng.random() < 0.5  # with the last word
            ctx.set(dut.z_end, ends)
            ctx.set(dut.z_good, read["good"] if ends else self.rng.random() < 0.5)
            ctx.set(dut.pulse_free, self.free)
            _, _, *values = await ctx.tick().sample(*(getattr(dut, name) for name in names))
            now = dict(zip(names, values, strict=True))
            self.cycle += 1
            if word and now["z_ready"]:
                word = False
                read["words"].popleft()
            elif word and not read["good"] and self.taken and self.rng.random() < 0.05:
                word = False
                read["words"].clear()  # given up: a word that was not taken is withdrawn
            if ends:
                self._end(self.reads.popleft())
            if offers and now["k_ready"]:
                offers = False
                self.tokens.popleft()
                self.taken += 1
            self._watch(now)

    def _offer(self, ctx, token):
        for name in ("row", "sign", "flip", "warm"):
            ctx.set(getattr(self.dut, f"k_{name}"), int(getattr(token, name)))
        if token.columns is not None:
            ctx.set(self.dut.k_columns, pack(token.columns, 1))

    def _end(self, read):
        """A read ended: what must follow from it."""
        self.taken -= 1
        self.ended.append(self.cycle)
        if not read["good"]:
            self.model.lose()
            return
        counts = visit_row(self.design, self.settings, self.model, read["token"], read["codes"], self.ledger)
        for group, word in enumerate(words(counts, self.design.array.lanes).tolist()):
            self.due.append((read["token"].row, word, group == self.design.array.groups - 1))

    def _watch(self, now):
        self.lost += now["lost"]
        self.adc_clips += now["adc_clip"]
        self.clips += now["clip_count"] if now["clip_valid"] else 0
        if now["c_valid"]:
            assert self.free > 0, "counts without room for them"
            if not self.seen or self.seen[-1][2]:
                self.first.append(self.cycle)
            self.seen.append((now["c_row"], fields(now["c_counts"], self.design.array.lanes, COUNT_BITS),
                              bool(now["c_last"])))  # fmt: skip
            self.free -= now["c_last"]
        if self.free < row_buffers(self.design) and self.rng.random() < self.room:
            self.free += 1

    async def configure(self, ctx, **settings):
        """Registers, in hardware and model; only while quiet."""
        self.settings = TransferSettings(**{**vars(self.settings), **settings})
        theta = self.settings.theta
        ctx.set(self.dut.theta, theta.bit_length() - 1 if self.design.update.threshold_power_of_two else theta)
        if "leak" in self.dut.signature.members:
            ctx.set(self.dut.leak, self.settings.leak)

    async def settle(self, ctx):
        """Until nothing is under way."""
        for _ in range(20_000):
            if not self.tokens and not self.reads and not ctx.get(self.dut.busy) and not ctx.get(self.dut.clearing):
                await ctx.tick()  # until `around` has seen the last cycle too
                return
            await ctx.tick()
        raise AssertionError("never quiet")

    async def quiet(self, ctx):
        """Settle, and compare all that is held with the model."""
        await self.settle(ctx)
        assert self.seen == self.due
        self.seen.clear()
        self.due.clear()
        array, design = self.design.array, self.design
        for name, memory in self.model.memories().items():
            held, bits = self.dut.memories[name], self.dut.bits[name]
            for row in range(array.rows):
                wanted = words(memory[row], array.lanes).tolist()
                got = [fields(ctx.get(held.words[row * array.groups + group]), array.lanes, bits)
                       for group in range(array.groups)]  # fmt: skip
                assert got == wanted, f"{name} of row {row}"
        assert {name: ctx.get(getattr(self.dut, name)) for name in self.model.counters()} == self.model.counters()
        assert (self.lost, self.clips) == (self.model.lost_reads, self.model.clipped)
        assert bool(self.adc_clips) == bool(self.model.adc_clipped)
        assert not self.ledger.imbalance(self.model.h).any()
        if design.ledger:
            ledger = self.ledger
            cells = {"loaded": ledger.initial, "input": ledger.inputs, "programmed": ledger.programmed}
            cells |= {"cleared": ledger.cleared, "clipped": ledger.clipped}
            wanted = {name: int(cell.sum()) % 2**64 for name, cell in cells.items()}
            assert {name: ctx.get(getattr(self.dut, f"total_{name}")) for name in TOTALS} == wanted

    async def access(self, ctx, *, write, select, row, group, cells=None):
        """One access of the host; returns the cells that were read, or 0."""
        dut, lanes, size = self.dut, self.design.array.lanes, cell_bits(self.design)
        ctx.set(dut.m_write, write)
        if "m_select" in dut.signature.members:
            ctx.set(dut.m_select, select)
        ctx.set(dut.m_row, row)
        ctx.set(dut.m_group, group)
        ctx.set(dut.m_data, pack(cells, size) if write else -1)
        ctx.set(dut.m_valid, 1)
        for _ in range(1000):
            if (await ctx.tick().sample(dut.m_ready))[2]:
                break
        else:
            raise AssertionError("no access")
        ctx.set(dut.m_valid, 0)
        if write:
            for lane, cell in enumerate(cells):
                column = group * lanes + lane
                if column < self.design.array.columns:
                    self.model.write(select, row, column, cell, self.ledger)
            return None
        _, _, valid, data = await ctx.tick().sample(dut.r_valid, dut.r_data)
        assert valid
        return fields(data, lanes, size)

    def held(self, select, row, group):
        """What the host must see of a group."""
        lanes, columns = self.design.array.lanes, self.design.array.columns
        places = range(group * lanes, (group + 1) * lanes)
        return [self.model.read(select, row, column) if column < columns else 0 for column in places]

    def selects(self):
        """Memories that the host can choose."""
        return range(len(MEMORIES) if self.design.dynamic_reference else 1)

    def run(self, body):
        async def bench(ctx):
            await self.configure(ctx)
            await self.settle(ctx)
            await body(ctx)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.add_testbench(self.around, background=True)
        simulator.run()
