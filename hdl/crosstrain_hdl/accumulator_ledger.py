"""Accumulator ledger: totals of the conservation rule over all cells, modulo 2^64 (generation option `ledger`).

The rule, per cell, is at the head of `crosstrain_model.accumulator`. Per visit the sums over the lanes of the words
before and after it, of its terms and of its pulse counts decide everything:

    accumulate   input += terms;   clipped += before + terms - after
    program      programmed += counts * theta;   cleared += before - after - counts * theta
    clear        cleared += before            (not for the sweep after reset: those words held nothing)
    write        loaded += after;   cleared += before

The word before and the terms come when the visit is in S1 of the accumulator, the word after and the counts a cycle
later. From there it takes 4 cycles to arrive: its numbers, their sums, the product with theta, the totals.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import tree_sum
from crosstrain_hdl.threshold import COUNT_BITS, theta_width
from crosstrain_model.accumulator import Op

TOTALS = ("loaded", "input", "programmed", "cleared", "clipped")


class AccumulatorLedger(wiring.Component):
    """Totals of the visits of one accumulator.

    Members
    -------
    valid, op, uncounted : a visit; uncounted with a clear: the words before hold nothing
    before, terms : In(lanes * accumulator), signed words; terms of an accumulate visit
    after, counts : In(lanes * accumulator), In(lanes * 5), one cycle after valid; counts of a program visit
    theta : In(theta_width(design))
    total_loaded, total_input, total_programmed, total_cleared, total_clipped : Out(64), two's complement
    busy : Out(1), a visit has not arrived in the totals
    """

    latency = 5

    def __init__(self, design):
        self.design = design
        word = design.array.lanes * design.formats.accumulator
        super().__init__(
            {
                "valid": In(1),
                "op": In(3),
                "uncounted": In(1),
                "before": In(word),
                "after": In(word),
                "terms": In(word),
                "counts": In(design.array.lanes * COUNT_BITS),
                "theta": In(theta_width(design)),
                **{f"total_{name}": Out(64) for name in TOTALS},
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width = self.design.formats.accumulator
        # One stage after the other: the visit's numbers, before and terms summed, after and counts summed, product.
        valid = [self.valid, *(Signal(name=f"valid_{stage}") for stage in range(1, 5))]
        op = [self.op, *(Signal.like(self.op, name=f"op_{stage}") for stage in range(1, 5))]
        for stage in range(1, 5):
            m.d.sync += valid[stage].eq(valid[stage - 1])
            with m.If(valid[stage - 1]):
                m.d.sync += op[stage].eq(op[stage - 1])
        m.d.comb += self.busy.eq(Cat(valid[1:]).any())
        before = self._sum(m, "before", Mux(self.uncounted, 0, self.before), width, valid)
        terms = self._sum(m, "terms", self.terms, width, valid)
        after = self._sum(m, "after", self.after, width, valid[1:])
        counts = self._sum(m, "counts", self.counts, COUNT_BITS, valid[1:])
        before, terms = self._hold(m, before, valid[2]), self._hold(m, terms, valid[2])
        product = Signal(signed(len(counts) + width))
        power = self.design.update.threshold_power_of_two
        with m.If(valid[3]):
            m.d.sync += product.eq(counts << self.theta if power else counts * self.theta)
        before, terms, after = (self._hold(m, value, valid[3]) for value in (before, terms, after))
        with m.If(valid[4]):
            self._totals(m, op[4], before, after, terms, product)
        return m

    def _sum(self, m, name, word, bits, valid):
        """The word in a register, then the sum of its lanes in another."""
        lanes = self.design.array.lanes
        read = Signal(lanes * bits, name=f"{name}_read")
        total = Signal(signed(bits + (lanes - 1).bit_length()), name=f"{name}_summed")
        with m.If(valid[0]):
            m.d.sync += read.eq(word)
        with m.If(valid[1]):
            m.d.sync += total.eq(tree_sum([read[i * bits :][:bits].as_signed() for i in range(lanes)]))
        return total

    def _hold(self, m, value, valid):
        """The value one stage later."""
        held = Signal.like(value, name=f"{value.name}_held")
        with m.If(valid):
            m.d.sync += held.eq(value)
        return held

    def _totals(self, m, op, before, after, terms, product):
        """The table at the head of this file."""

        def add(name, amount):
            total = getattr(self, f"total_{name}")
            m.d.sync += total.eq(total + amount)

        with m.Switch(op):
            with m.Case(Op.ACCUMULATE):
                add("input", terms)
                add("clipped", before + terms - after)
            with m.Case(Op.PROGRAM):
                add("programmed", product)
                add("cleared", before - after - product)
            with m.Case(Op.CLEAR):
                add("cleared", before)
            with m.Case(Op.WRITE):
                add("loaded", after)
                add("cleared", before)
