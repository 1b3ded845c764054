"""Running means of max|x| and max|d|, pipelined: the mean of x one cycle before that of d. Part of `scale`.

Every step is one register away from the next: the leading one, the shift to it, the difference of exponents, the
alignment, the difference of mantissas, its shift, the sum, the leading one of that, the shift to it.
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.logarithm import INTEGER_BITS, SHIFT_BITS
from crosstrain_model.port import code_bits
from crosstrain_model.registers_gradient import EXPONENT_BITS
from crosstrain_model.scale import MANTISSA_BITS, MOMENTUM_BITS, MOMENTUM_LIMIT, SHIFT_LIMIT

SIDES = ("x", "d")
HOST = tuple(f"mean_{side}{part}" for side in SIDES for part in ("", "_exponent"))
"""What the host reads and writes."""
TOP = MANTISSA_BITS - 1


def mean_ports():
    """The means for the host."""
    ports = {}
    for name in HOST:
        ports[name] = Out(signed(EXPONENT_BITS) if name.endswith("exponent") else MANTISSA_BITS)
        ports[f"{name}_write"] = In(1)
    return ports | {"write_data": In(32), "clear": In(1)}


def leading_one(value, name, m, least=0):
    """Place of the highest bit that is set, of those from `least` on; `least` where none is."""
    place = Signal(range(len(value)), name=name, init=least)
    m.d.comb += place.eq(least)
    for bit in range(least, len(value)):
        with m.If(value[bit]):
            m.d.comb += place.eq(bit)
    return place


class RunningMeans(wiring.Component):
    """Members

    size, exponent : In, in the cycle in which `start` is 1 those of x, in the next those of d
    start : In(1), strobe; not again in the next `mean_latency` cycles
    momentum : In(4), register
    code_v, code_integer, code_place : Out, `size` normalised to 24 bits, the integer part of the logarithm of
        size * 2^exponent, and that of size alone; of x, `code_latency` cycles after start, in the next cycle of d
    mean_v, mean_integer : Out, the first two of the new means, after `mean_latency` cycles
    mean_x, mean_x_exponent, mean_d, mean_d_exponent : Out, the means; <name>_write : In(1), strobe: it becomes
        write_data : In(32)
    clear : In(1), strobe: both are unset

    Attributes
    ----------
    code_latency, mean_latency : cycles from start to the numbers of x
    """

    code_latency = 2
    mean_latency = 10

    def __init__(self, design):
        self.design = design
        code = code_bits(design)
        ports = {"size": In(code), "exponent": In(signed(8)), "start": In(1), "momentum": In(MOMENTUM_BITS)}
        for kind in ("code", "mean"):
            ports |= {f"{kind}_v": Out(MANTISSA_BITS), f"{kind}_integer": Out(signed(INTEGER_BITS))}
        ports["code_place"] = Out(range(code))
        super().__init__(ports | mean_ports())

    def elaborate(self, platform):
        m = Module()
        token = Signal(self.mean_latency)  # bit k: x has left stage k + 1, and d stage k
        m.d.sync += token.eq(Cat(self.start, token))
        place, code, exponent = self._place(m)
        self._normalise(m, place, code, exponent)
        aligned = self._align(m, self._compare(m, is_d=token[self.code_latency]))
        self._store(m, *self._move(m, *aligned), token)
        self._host(m)
        return m

    def _place(self, m):
        """Stage 1: the leading one of the code."""
        place, code, exponent = (
            Signal.like(value, name=f"{name}_1")
            for name, value in (("place", self.code_place), ("code", self.size), ("exponent", self.exponent))
        )
        m.d.sync += [place.eq(leading_one(self.size, "code_leads", m)), code.eq(self.size), exponent.eq(self.exponent)]
        return place, code, exponent

    def _normalise(self, m, place, code, exponent):
        """Stage 2: the code shifted to its leading one."""
        shift = Signal(range(len(code)))
        normal = Signal(len(code))
        m.d.comb += [
            shift.eq(len(code) - 1 - place),
            self.code_v.eq(normal << (MANTISSA_BITS - len(code))),
        ]
        m.d.sync += [normal.eq(code << shift), self.code_place.eq(place), self.code_integer.eq(exponent + place)]

    def _compare(self, m, *, is_d):
        """Stage 3: mean and code, and by how much the code's exponent is the greater.  All exponents are those of 2^23.

        A mean that is unset, or that is to be the code, is replaced by it.
        """
        mean, scale = Signal(MANTISSA_BITS), Signal(signed(EXPONENT_BITS))
        m.d.comb += [
            mean.eq(Mux(is_d, self.mean_d, self.mean_x)),
            scale.eq(Mux(is_d, self.mean_d_exponent, self.mean_x_exponent)),
        ]
        fresh = ~mean[TOP] | (self.momentum == 0)
        m_3, v_3 = Signal(MANTISSA_BITS, name="m_3"), Signal(MANTISSA_BITS, name="v_3")
        e_m, e_v = (Signal(signed(EXPONENT_BITS), name=f"{name}_3") for name in ("e_m", "e_v"))
        apart = Signal(signed(EXPONENT_BITS + 1))
        code_exponent = Signal(signed(EXPONENT_BITS))
        m.d.comb += code_exponent.eq(self.code_integer - TOP)
        m.d.sync += [
            v_3.eq(self.code_v),
            m_3.eq(Mux(fresh, self.code_v, mean)),
            e_v.eq(code_exponent),
            e_m.eq(Mux(fresh, code_exponent, scale)),
            apart.eq(Mux(fresh, 0, code_exponent - scale)),
        ]
        return m_3, v_3, e_m, e_v, apart

    def _align(self, m, compared):
        """Stages 4, 5: the one of the lower exponent is shifted right to the higher."""
        m_3, v_3, e_m, e_v, apart = compared
        code_leads = Signal(2)
        amount = Signal(SHIFT_BITS)
        lower, higher = (Signal(MANTISSA_BITS, name=f"{name}_4") for name in ("lower", "higher"))
        exponent = [Signal(signed(EXPONENT_BITS), name=f"exponent_{stage}") for stage in (4, 5)]
        leads = Signal()
        size = Signal(EXPONENT_BITS)
        m.d.comb += [leads.eq(apart > 0), size.eq(Mux(leads, apart, -apart))]
        m.d.sync += [
            code_leads[0].eq(leads),
            amount.eq(Mux(size > SHIFT_LIMIT, SHIFT_LIMIT, size)),
            lower.eq(Mux(leads, m_3, v_3)),
            higher.eq(Mux(leads, v_3, m_3)),
            exponent[0].eq(Mux(leads, e_v, e_m)),
        ]
        low, high = (Signal(MANTISSA_BITS, name=f"{name}_5") for name in ("lower", "higher"))
        m.d.sync += [
            code_leads[1].eq(code_leads[0]), low.eq(lower >> amount), high.eq(higher), exponent[1].eq(exponent[0])
        ]
        mean, code = (Signal(MANTISSA_BITS, name=f"{name}_aligned") for name in ("mean", "code"))
        m.d.comb += [mean.eq(Mux(code_leads[1], low, high)), code.eq(Mux(code_leads[1], high, low))]
        return mean, code, exponent[1]

    def _move(self, m, mean, code, exponent):
        """Stages 6, 7, 8: the mean moves towards the code by 2^-momentum of the way.

        The shift leaves one bit more than it should, and the sum rounds: its lowest bit is that half.
        """
        amount = Signal(MOMENTUM_BITS)
        way = Signal(signed(MANTISSA_BITS + 1))
        twice = Signal.like(way)  # the step; of no momentum it is 0, as mean and code are the same
        total = Signal(MANTISSA_BITS)
        means = [Signal(MANTISSA_BITS, name=f"mean_{stage}") for stage in (6, 7)]
        exponents = [Signal(signed(EXPONENT_BITS), name=f"exponent_{stage}") for stage in (6, 7, 8)]
        m.d.sync += [
            amount.eq(Mux(self.momentum == 0, 0, self.momentum - 1)),
            way.eq(code - mean),
            twice.eq(way >> amount),
            total.eq((Cat(Const(1, 1), means[1]) + twice) >> 1),
            means[0].eq(mean),
            means[1].eq(means[0]),
            exponents[0].eq(exponent),
            exponents[1].eq(exponents[0]),
            exponents[2].eq(exponents[1]),
        ]
        return total, exponents[2]

    def _store(self, m, total, exponent, token):
        """Stages 9, 10: normalised, the mean is kept; it is at least 2^(23 - MOMENTUM_LIMIT)."""
        place, kept, scale = Signal(range(MANTISSA_BITS)), Signal(MANTISSA_BITS), Signal(signed(EXPONENT_BITS))
        m.d.sync += [
            place.eq(leading_one(total, "total_leads", m, least=TOP - MOMENTUM_LIMIT)),
            kept.eq(total),
            scale.eq(exponent),
        ]
        shift = Signal(range(MOMENTUM_LIMIT + 1))
        normal, below = Signal(MANTISSA_BITS), Signal(signed(EXPONENT_BITS))
        m.d.comb += [shift.eq(TOP - place), normal.eq(kept << shift), below.eq(scale - shift)]
        m.d.sync += [self.mean_v.eq(normal), self.mean_integer.eq(below + TOP)]
        for number, side in enumerate(SIDES):
            with m.If(token[self.mean_latency - 2 + number]):
                m.d.sync += [
                    getattr(self, f"mean_{side}").eq(normal),
                    getattr(self, f"mean_{side}_exponent").eq(below),
                ]

    def _host(self, m):
        """What the host writes, and clear."""
        for name in HOST:
            value = getattr(self, name)
            with m.If(getattr(self, f"{name}_write") | self.clear):
                m.d.sync += value.eq(Mux(self.clear, 0, self.write_data[: len(value)]))
