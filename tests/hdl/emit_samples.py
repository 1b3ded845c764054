"""Components that use what emission must carry: enables, memories, FSMs, units, arrays, signed arithmetic."""

from amaranth import Array, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.emit_platform import unit
from crosstrain_hdl.memory import Memory1R1W


class SignedLane(wiring.Component):
    """Signed multiply-accumulate with enable, saturation, shifts and an array of registers behind an index."""

    def __init__(self, width=12):
        self.width = width
        super().__init__(
            {
                "x": In(signed(5)),
                "d": In(signed(6)),
                "enable": In(1),
                "clear": In(1),
                "index": In(2),
                "shift": In(3),
                "total": Out(signed(width)),
                "picked": Out(signed(width)),
                "order": Out(3),
                "clipped": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        high, low = (1 << (self.width - 1)) - 1, -(1 << (self.width - 1))
        product = Signal(signed(11))
        shifted = Signal(signed(18))
        total = Signal(signed(self.width), init=-3)
        wide = Signal(signed(19))
        history = Array(Signal(signed(self.width), name=f"history_{i}", init=i - 2) for i in range(4))
        m.d.comb += [
            product.eq(self.x * self.d),
            shifted.eq((product << self.shift) >> 2),
            wide.eq(total + shifted),
            self.total.eq(total),
            self.picked.eq(history[self.index]),
            self.order[0].eq(self.picked < self.total),
            self.order[1].eq(self.x >= self.d),
            self.order[2].eq(abs(self.x) == self.d),
        ]
        with m.If(self.enable):
            m.d.sync += history[self.index].eq(total)
            with m.If(wide > high):
                m.d.sync += [total.eq(high), self.clipped.eq(1)]
            with m.Elif(wide < low):
                m.d.sync += [total.eq(low), self.clipped.eq(1)]
            with m.Else():
                m.d.sync += total.eq(wide)
        with m.If(self.clear):
            m.d.sync += [total.eq(0), self.clipped.eq(0)]
        return m


class Walker(wiring.Component):
    """FSM over a memory: load words, then add each word to a running sum and write it back."""

    def __init__(self, depth=6, width=9):
        self.depth = depth
        self.width = width
        super().__init__(
            {
                "start": In(1),
                "load": In(1),
                "load_data": In(width),
                "ready": Out(1),
                "sum": Out(width + 3),
                "done": Out(1),
                "prog_enable": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = Memory1R1W(self.depth, self.width)
        row = Signal(range(self.depth))
        armed = Signal()
        last = row == self.depth - 1
        m.d.comb += [ram.R0_addr.eq(row), ram.W0_addr.eq(row), self.prog_enable.eq(armed & ~ResetSignal())]
        with m.FSM(name="phase"):
            with m.State("IDLE"):
                m.d.comb += [self.ready.eq(1), ram.W0_en.eq(self.load), ram.W0_data.eq(self.load_data)]
                with m.If(self.load):
                    m.d.sync += row.eq(Mux(last, 0, row + 1))
                with m.Elif(self.start):
                    m.d.sync += [row.eq(0), self.sum.eq(0), armed.eq(1), self.done.eq(0)]
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += ram.R0_en.eq(1)
                m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += [ram.W0_en.eq(1), ram.W0_data.eq(self.sum + ram.R0_data)]
                m.d.sync += self.sum.eq(self.sum + ram.R0_data)
                with m.If(last):
                    m.d.sync += [row.eq(0), armed.eq(0), self.done.eq(1)]
                    m.next = "IDLE"
                with m.Else():
                    m.d.sync += row.eq(row + 1)
                    m.next = "READ"
        return m


class Nest(wiring.Component):
    """Three equal lanes and a walker, each a Verilog module of its own, fed from one set of ports."""

    def __init__(self):
        self.lanes = [SignedLane(width=10) for _ in range(3)]
        self.walker = Walker(depth=1, width=10)
        super().__init__(
            {
                "x": In(signed(5)).array(3),
                "d": In(signed(6)),
                "enable": In(3),
                "start": In(1),
                "best": Out(signed(10)),
                "sum": Out(13),
                "prog_enable": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for i, lane in enumerate(self.lanes):
            m.submodules[f"lane_{i}"] = unit(lane, "lane")
            m.d.comb += [lane.x.eq(self.x[i]), lane.d.eq(self.d), lane.enable.eq(self.enable[i])]
            m.d.comb += [lane.shift.eq(i + 1), lane.index.eq(i), lane.clear.eq(self.walker.done)]
        m.submodules.walker = unit(self.walker, "walker")
        a, b, c = (lane.total for lane in self.lanes)
        ab = Signal(signed(10))
        m.d.comb += [
            ab.eq(Mux(a > b, a, b)),
            self.walker.start.eq(self.start),
            self.walker.load.eq(~self.start & self.lanes[0].clipped),
            self.walker.load_data.eq(ab),
            self.sum.eq(self.walker.sum),
            self.prog_enable.eq(self.walker.prog_enable & ~self.lanes[1].order[0]),
        ]
        m.d.sync += self.best.eq(Mux(ab > c, ab, c))
        return m


class Mixture(wiring.Component):
    """What is left of the operators: parts, shifts by signals, reductions, matches, replicas, mixed signs, slices."""

    def __init__(self):
        super().__init__(
            {
                "a": In(9),
                "b": In(signed(4)),
                "n": In(4),
                "mixed": Out(signed(14)),
                "part": Out(3),
                "word": Out(2),
                "shifted": Out(signed(12)),
                "flags": Out(7),
                "twice": Out(18),
                "halves": Out(8),
                "picked": Out(5),
                "spread": Out(signed(6)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        table = Array(Signal(5, name=f"table_{i}", init=3 * i) for i in range(5))
        m.d.comb += [
            self.mixed.eq(self.a - (self.b * 3) + (self.b > self.n)),
            self.part.eq(self.a.bit_select(self.n, 3)),
            self.word.eq(self.a.word_select(self.n[:2], 2)),
            self.shifted.eq((self.b << self.n[:3]) ^ (self.b >> self.n)),
            self.flags[0].eq(self.a.all()),
            self.flags[1].eq(self.a.any() & ~self.b[0]),
            self.flags[2].eq(self.a.xor()),
            self.flags[3].eq(self.a.matches("1-------0")),
            self.flags[4].eq(self.b == self.n),
            self.flags[5].eq(self.b.as_unsigned() < self.n),
            self.flags[6].eq((self.a != self.n) | (self.b <= -3)),
            self.twice.eq(self.a.replicate(2)),
            self.picked.eq(table[self.n]),
        ]
        with m.Switch(self.n):
            with m.Case(0, 3):
                m.d.sync += self.halves[:4].eq(self.b)
            with m.Case("1-1-"):
                m.d.sync += self.halves[4:].eq(self.a[:4])
            with m.Case(12):
                m.d.sync += [table[self.a[:2]].eq(self.a[2:]), self.spread.eq(self.b)]
            with m.Default():
                m.d.sync += self.spread.eq(self.spread + 1)
        return m


class Corners(wiring.Component):
    """What tools stumble over: a header of many ports, nameless signals, constant comparisons, empty operands."""

    def __init__(self):
        ports = {f"a_rather_long_name_of_an_input_{i}": In(3) for i in range(12)}
        super().__init__({**ports, "word": In(16), "sum": Out(20), "flags": Out(4), "carry": Out(5), "kept": Out(16)})

    def elaborate(self, platform):
        m = Module()
        inputs = [getattr(self, f"a_rather_long_name_of_an_input_{i}") for i in range(12)]
        registers = [Signal.like(value) for value in inputs]
        nameless = [Signal(16, name=name) for name in ("$signal", "$like")]
        m.d.sync += [register.eq(value) for register, value in zip(registers, inputs, strict=True)]
        m.d.sync += [nameless[0].eq(self.word), nameless[1].eq(nameless[0] + 1), self.kept.eq(nameless[1])]
        m.d.comb += [
            self.sum.eq(sum(registers)),
            self.flags[0].eq(self.word >= 0),
            self.flags[1].eq(self.word <= 0xFFFF),
            self.flags[2].eq(self.word > -1),
            self.flags[3].eq(self.word < 0x10000),
            self.carry.eq(((self.word[:1] << 2) - (self.word[1:2] << 2)) + (self.word[2:4] & 2)),
        ]
        return m
