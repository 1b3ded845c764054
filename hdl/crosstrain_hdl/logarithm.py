"""Logarithm and antilogarithm to base 2, pipelined, with small tables as logic. Part of `scale`."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import code_bits
from crosstrain_model.scale import EXP_T, EXP_U, LK_BITS, LOG_T, LOG_U, MANTISSA_BITS, SHIFT_LIMIT, UNIT, factor_bits

INTEGER_BITS = LK_BITS - UNIT
"""Bits of the integer part of a logarithm, signed."""
SHIFT_BITS = SHIFT_LIMIT.bit_length()


def look_up(values, index):
    """values[index], as one shift of a constant per bit: logic, no memory, and short in the text; 0 beyond the last."""
    planes = (sum((value >> bit & 1) << place for place, value in enumerate(values)) for bit in range(_bits(values)))
    return Cat((Const(plane, len(values)) >> index)[0] for plane in planes)


def _bits(values):
    return max(1, max(values).bit_length())


class Table(wiring.Component):
    """The sum of a coarse and a fine table, two cycles after its argument.

    Members
    -------
    f : In(12), argument; result : Out, coarse[f >> 4] + fine[f >> 8][f & 15]
    """

    latency = 2

    def __init__(self, coarse, fine):
        self.coarse, self.fine = coarse, [value for row in fine for value in row]
        most = max(coarse[f >> 4] + fine[f >> 8][f & 15] for f in range(1 << UNIT))
        super().__init__({"f": In(UNIT), "result": Out(range(most + 1))})

    def elaborate(self, platform):
        m = Module()
        coarse_read, fine_read = Signal(_bits(self.coarse)), Signal(_bits(self.fine))
        fine = Cat(self.f[:4], self.f[8:])
        m.d.sync += [
            coarse_read.eq(look_up(self.coarse, self.f[4:])),
            fine_read.eq(look_up(self.fine, fine)),
            self.result.eq(coarse_read + fine_read),
        ]
        return m


class Logarithm(wiring.Component):
    """4096 log2(v * 2^exponent) of a normalised v.

    Members
    -------
    v : In(24), 2^23 <= v < 2^24
    integer : In(signed 12), 23 + exponent: the integer part of the logarithm
    result : Out(signed 24), three cycles later
    """

    latency = 3

    def __init__(self):
        super().__init__({"v": In(MANTISSA_BITS), "integer": In(signed(INTEGER_BITS)), "result": Out(signed(LK_BITS))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = Table(LOG_T, LOG_U)
        dropped = MANTISSA_BITS - 1 - UNIT
        rounded = Signal(UNIT + 1)  # a carry leaves the fraction 0
        integers = [Signal(signed(INTEGER_BITS), name=f"integer_{stage}") for stage in (1, 2, 3)]
        m.d.comb += [
            rounded.eq(self.v[dropped:-1] + self.v[dropped - 1]),
            self.result.eq(Cat(table.result, integers[2])),
        ]
        fraction = Signal(UNIT)
        m.d.comb += table.f.eq(fraction)
        m.d.sync += [
            fraction.eq(rounded),
            integers[0].eq(self.integer + rounded[-1]),
            integers[1].eq(integers[0]),
            integers[2].eq(integers[1]),
        ]
        return m


class Antilogarithm(wiring.Component):
    """2^(min(z, 0) / 4096 + w + S).

    Members
    -------
    z : In(signed 24)
    result : Out(factor_bits), four cycles later
    """

    latency = 4

    def __init__(self, design):
        self.design = design
        super().__init__({"z": In(signed(LK_BITS)), "result": Out(factor_bits(design))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = Table(EXP_T, EXP_U)
        places = self.design.random.bits + code_bits(self.design) - (UNIT - 1)  # twice the mantissa 4096..8191
        negative = self.z[-1]
        down = Signal(range(1 << INTEGER_BITS))
        amounts = [Signal(SHIFT_BITS, name=f"amount_{stage}") for stage in (1, 2)]
        twice = Signal(factor_bits(self.design) + 1)
        placed = table.result << places if places >= 0 else table.result >> -places
        m.d.comb += [table.f.eq(Mux(negative, self.z[:UNIT], 0)), down.eq(-self.z[UNIT:].as_signed())]
        m.d.sync += [
            amounts[0].eq(Mux(negative, Mux(down > SHIFT_LIMIT, SHIFT_LIMIT, down), 0)),
            amounts[1].eq(amounts[0]),
            twice.eq(placed >> amounts[1]),
            self.result.eq((twice + 1) >> 1),
        ]
        return m
