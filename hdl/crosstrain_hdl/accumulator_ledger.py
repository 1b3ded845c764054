"""Accumulator ledger: totals of the conservation rule over all cells, modulo 2^64 (generation option `ledger`).

The rule, per cell, is at the head of `crosstrain_model.accumulator`. Per visit the sums over the lanes of the words
before and after it, of its terms and of its pulse counts decide everything:

    accumulate   input += terms;   clipped += before + terms - after
    program      programmed += counts * theta;   cleared += before - after - counts * theta
    clear        cleared += before            (not for the sweep after reset: those words held nothing)
    write        loaded += after;   cleared += before

A visit takes 4 cycles to arrive: its numbers, their sums, the product with theta, the totals.
"""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.threshold import COUNT_BITS, theta_width
from crosstrain_model.accumulator import Op

TOTALS = ("loaded", "input", "programmed", "cleared", "clipped")


class AccumulatorLedger(wiring.Component):
    """Totals of the visits of one accumulator.

    Members
    -------
    valid, op, uncounted : a visit; uncounted with a clear: the words before hold nothing
    before, after, terms : In(lanes * accumulator), signed words; terms of an accumulate visit
    counts : In(lanes * 5), pulse counts of a program visit
    theta : In(theta_width(design))
    total_loaded, total_input, total_programmed, total_cleared, total_clipped : Out(64), two's complement
    busy : Out(1), a visit has not arrived in the totals
    """

    latency = 4

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
        valid, op, sums = self._sums(m)
        product = Signal(signed(len(sums["counts"]) + self.design.formats.accumulator), name="product")
        if self.design.update.threshold_power_of_two:
            pulsed = sums["counts"] << self.theta
        else:
            pulsed = sums["counts"] * self.theta
        last_valid = Signal()
        last_op = Signal.like(op)
        last = {name: Signal.like(value, name=f"last_{name}") for name, value in sums.items()}
        m.d.sync += last_valid.eq(valid)
        with m.If(valid):
            m.d.sync += [product.eq(pulsed), last_op.eq(op)]
            m.d.sync += [last[name].eq(sums[name]) for name in last]
        m.d.comb += self.busy.eq(self._read_valid | valid | last_valid)
        with m.If(last_valid):
            self._totals(m, last_op, last["before"], last["after"], last["terms"], product)
        return m

    def _sums(self, m):
        """Two stages: the visit's numbers, then their sums over the lanes."""
        lanes, width = self.design.array.lanes, self.design.formats.accumulator
        self._read_valid = Signal(name="read_valid")
        summed_valid = Signal()
        read_op = Signal.like(self.op)
        summed_op = Signal.like(self.op)
        m.d.sync += [self._read_valid.eq(self.valid), summed_valid.eq(self._read_valid)]
        with m.If(self.valid):
            m.d.sync += read_op.eq(self.op)
        with m.If(self._read_valid):
            m.d.sync += summed_op.eq(read_op)
        sums = {}
        for name, bits in (("before", width), ("after", width), ("terms", width), ("counts", COUNT_BITS)):
            source = getattr(self, name)
            read = Signal.like(source, name=f"read_{name}")
            total = Signal(signed(bits + (lanes - 1).bit_length()), name=f"summed_{name}")
            with m.If(self.valid):
                m.d.sync += read.eq(Mux(self.uncounted, 0, source) if name == "before" else source)
            with m.If(self._read_valid):
                m.d.sync += total.eq(_tree([read[i * bits :][:bits].as_signed() for i in range(lanes)]))
            sums[name] = total
        return summed_valid, summed_op, sums

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


def _tree(values):
    """Sum by halves."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return _tree(values[:half]) + _tree(values[half:])
