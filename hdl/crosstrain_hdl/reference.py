"""Reference: what a read of the gradient array is compared with, and how that follows. One group per cycle.

The rule is `crosstrain_model.reference`. Per lane, one adder or subtractor between two registers:

    cycle 0   difference = o - P_ref        distance = o - P
    cycle 1   z = +-difference              newest = P + (distance >> leak), rounded by the last bit shifted out
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.chopper import column_choppers, row_choppers
from crosstrain_model.reference import has_mean, reference_bits

LEAK_BITS = 3


def chops(design):
    """Whether reads are demodulated at all."""
    return (row_choppers(design), column_choppers(design)) != ("none", "none")


class Reference(wiring.Component):
    """References of `lanes` cells. R = adc + fraction; what the design does not use is not there.

    Members
    -------
    valid : In(1), a group; registers rest without
    codes : In(lanes * adc), signed ADC codes
    negative : In(lanes), cells that were written negatively; with choppers
    p_ref : In(lanes * R), signed; dynamic reference
    p : In(lanes * R), signed; memory "leak"
    leak : In(3), constant while groups are under way; memory "leak"
    z : Out(lanes * (R + 1)), signed
    newest : Out(lanes * R), signed: the new P, or o without P; it also becomes P_ref where the row flips; dynamic
        reference

    Attributes
    ----------
    latency : cycles from the inputs to z and newest, 2
    """

    latency = 2

    def __init__(self, design):
        self.design = design
        lanes, self.bits = design.array.lanes, reference_bits(design)
        word = lanes * self.bits
        super().__init__(
            {
                "valid": In(1),
                "codes": In(lanes * design.formats.adc),
                **({"negative": In(lanes)} if chops(design) else {}),
                **({"p_ref": In(word)} if design.dynamic_reference else {}),
                **({"p": In(word), "leak": In(LEAK_BITS)} if has_mean(design) else {}),
                "z": Out(lanes * (self.bits + 1)),
                **({"newest": Out(word)} if design.dynamic_reference else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes, adc = self.design.array.lanes, self.design.formats.adc
        self._second = Signal(name="second")
        m.d.sync += self._second.eq(self.valid)
        if chops(self.design):
            self._negative = Signal(lanes, name="negative_1")
            with m.If(self.valid):
                m.d.sync += self._negative.eq(self.negative)
        words, newest = [], []
        for lane in range(lanes):
            o = Signal(signed(self.bits), name=f"o_{lane}")
            m.d.comb += o.eq(self.codes[lane * adc :][:adc] << self.design.formats.fraction)
            words.append(self._difference(m, lane, o))
            if self.design.dynamic_reference:
                newest.append(self._follow(m, lane, o))
        m.d.comb += self.z.eq(Cat(words))
        if newest:
            m.d.comb += self.newest.eq(Cat(newest))
        return m

    def _lane(self, word, lane):
        """One signed number of R bits."""
        return word[lane * self.bits :][: self.bits].as_signed()

    def _difference(self, m, lane, o):
        """z of one lane."""
        difference, z = (Signal(signed(self.bits + 1), name=f"{name}_{lane}") for name in ("difference", "z"))
        with m.If(self.valid):
            m.d.sync += difference.eq(o - self._lane(self.p_ref, lane) if self.design.dynamic_reference else o)
        with m.If(self._second):
            chopped = chops(self.design)
            m.d.sync += z.eq(Mux(self._negative[lane], -difference, difference) if chopped else difference)
        return z

    def _follow(self, m, lane, o):
        """What P, and on a flip P_ref, become in one lane."""
        newest = Signal(signed(self.bits), name=f"newest_{lane}")
        before = Signal(signed(self.bits), name=f"before_{lane}")
        if not has_mean(self.design):
            with m.If(self.valid):
                m.d.sync += before.eq(o)
            with m.If(self._second):
                m.d.sync += newest.eq(before)
            return newest
        distance = Signal(signed(self.bits + 1), name=f"distance_{lane}")
        p = self._lane(self.p, lane)
        with m.If(self.valid):
            m.d.sync += [before.eq(p), distance.eq(o - p)]
        # Twice the distance keeps the last bit that is shifted out: 1 where the fraction is a half or more.
        shifted = Signal(signed(self.bits + 2), name=f"shifted_{lane}")
        m.d.comb += shifted.eq((distance << 1) >> self.leak)
        step = shifted >> 1
        if self.design.formats.rounding == "nearest":
            step = step + shifted[0]
        with m.If(self._second):
            m.d.sync += newest.eq(before + step)
        return newest
