"""Transfer ledger: totals of the conservation rule over all cells, modulo 2^64 (generation option `ledger`).

The rule, per cell, is at the head of `crosstrain_model.transfer`. Per group the sums over the lanes of its numbers
decide everything:

    visit    input += z;   clipped += before + z - summed
             programmed += counts * theta;   cleared += summed - after - counts * theta
    clear    cleared += before            (not for the sweep after reset: those words held nothing)
    write    loaded += after;   cleared += before
"""

import enum

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_hdl.planes import tree_sum
from crosstrain_hdl.threshold import COUNT_BITS, theta_width
from crosstrain_model.reference import reference_bits


class Op(enum.IntEnum):
    """What is done to a group."""

    VISIT = 0
    CLEAR = 1
    WRITE = 2


class TransferLedger(wiring.Component):
    """Totals of one transfer station.

    Members
    -------
    valid, op : In, what was done to a group of H: VISIT, CLEAR or WRITE
    uncounted : In(1), with CLEAR: the words before hold nothing
    before, summed, after : In(lanes * accumulator), signed: before, after the clamp, after everything
    z : In(lanes * (R + 1)), signed; counts : In(lanes * 5), signed, of a visit
    theta : In(theta_width(design))
    total_loaded, total_input, total_programmed, total_cleared, total_clipped : Out(64), two's complement
    busy : Out(1), a group has not arrived in the totals

    Attributes
    ----------
    latency : cycles from valid to the totals, 4: numbers, sums, product, totals
    """

    latency = 4

    def __init__(self, design):
        self.design = design
        lanes = design.array.lanes
        self.widths = {
            "before": design.formats.accumulator,
            "summed": design.formats.accumulator,
            "after": design.formats.accumulator,
            "z": reference_bits(design) + 1,
            "counts": COUNT_BITS,
        }
        super().__init__(
            {
                "valid": In(1),
                "op": In(2),
                "uncounted": In(1),
                **{name: In(lanes * bits) for name, bits in self.widths.items()},
                "theta": In(theta_width(design)),
                **{f"total_{name}": Out(64) for name in TOTALS},
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # One stage after the other: the group's numbers, their sums over the lanes, the product, the totals.
        valid = [self.valid, *(Signal(name=f"valid_{stage}") for stage in range(1, 4))]
        op = [self.op, *(Signal(2, name=f"op_{stage}") for stage in range(1, 4))]
        for stage in range(1, 4):
            m.d.sync += valid[stage].eq(valid[stage - 1])
            with m.If(valid[stage - 1]):
                m.d.sync += op[stage].eq(op[stage - 1])
        m.d.comb += self.busy.eq(Cat(valid[1:]).any())
        sums = {name: self._sum(m, name, valid) for name in self.widths}
        held = {name: self._hold(m, total, valid[2]) for name, total in sums.items() if name != "counts"}
        product = Signal(signed(len(sums["counts"]) + self.widths["before"]))
        power = self.design.update.threshold_power_of_two
        with m.If(valid[2]):
            m.d.sync += product.eq(sums["counts"] << self.theta if power else sums["counts"] * self.theta)
        with m.If(valid[3]):
            self._totals(m, op[3], product=product, **held)
        return m

    def _sum(self, m, name, valid):
        """A word in a register, then the sum of its lanes in another."""
        lanes, bits, word = self.design.array.lanes, self.widths[name], getattr(self, name)
        read = Signal(len(word), name=f"{name}_read")
        total = Signal(signed(bits + (lanes - 1).bit_length()), name=f"{name}_total")
        with m.If(valid[0]):
            m.d.sync += read.eq(Mux(self.uncounted, 0, word) if name == "before" else word)
        with m.If(valid[1]):
            m.d.sync += total.eq(tree_sum([read[lane * bits :][:bits].as_signed() for lane in range(lanes)]))
        return total

    def _hold(self, m, value, valid):
        """The value one stage later."""
        held = Signal.like(value, name=f"{value.name}_held")
        with m.If(valid):
            m.d.sync += held.eq(value)
        return held

    def _totals(self, m, op, *, before, summed, after, z, product):
        """The table at the head of this file."""

        def add(name, amount):
            total = getattr(self, f"total_{name}")
            m.d.sync += total.eq(total + amount)

        with m.Switch(op):
            with m.Case(Op.VISIT):
                add("input", z)
                add("clipped", before + z - summed)
                add("programmed", product)
                add("cleared", summed - after - product)
            with m.Case(Op.CLEAR):
                add("cleared", before)
            with m.Case(Op.WRITE):
                add("loaded", after)
                add("cleared", before)
