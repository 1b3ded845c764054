"""Threshold comparator: pulse counts of one group of accumulators, between two clock edges.

The rule is `crosstrain_model.threshold`. Per lane the magnitude of a goes down a chain of compare-subtracts with
m * theta, m from `threshold.steps(max_pulses)`; with `update.threshold_power_of_two` it is shifted right instead.
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model import threshold as model

COUNT_BITS = 5
"""Bits of a signed pulse count, for every max_pulses."""


def theta_width(design):
    """Bits of the THRESHOLD register: theta itself, or its logarithm to base 2 (update.threshold_power_of_two)."""
    width = design.formats.accumulator
    return (width - 2).bit_length() if design.update.threshold_power_of_two else width - 1


class Threshold(wiring.Component):
    """Compares `lanes` accumulators with theta.

    Members
    -------
    a : In(lanes * accumulator), signed words, lane 0 in the low bits
    theta : In(theta_width(design)), theta >= 1, or log2(theta) with update.threshold_power_of_two
    p : Out(lanes * 5), signed pulse counts, -max_pulses..max_pulses
    a_next : Out(lanes * accumulator), what remains
    left : Out(1), some lane still holds theta or more

    Attributes
    ----------
    latency : 0, combinational
    """

    latency = 0

    def __init__(self, design):
        self.design = design
        lanes, width = design.array.lanes, design.formats.accumulator
        super().__init__(
            {
                "a": In(lanes * width),
                "theta": In(theta_width(design)),
                "p": Out(lanes * COUNT_BITS),
                "a_next": Out(lanes * width),
                "left": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width = self.design.formats.accumulator
        counts, remains, lefts = [], [], []
        take = self._shift if self.design.update.threshold_power_of_two else self._chain
        shared = self._shared(m)
        for lane in range(self.design.array.lanes):
            a = Signal(signed(width), name=f"a_{lane}")
            magnitude = Signal(width, name=f"magnitude_{lane}")  # holds 2^(width-1) as well
            m.d.comb += [a.eq(self.a[lane * width :][:width]), magnitude.eq(Mux(a[-1], -a, a))]
            count, remain, left = take(m, lane, magnitude, *shared)
            p = Signal(signed(COUNT_BITS), name=f"p_{lane}")
            a_next = Signal(signed(width), name=f"a_next_{lane}")
            m.d.comb += p.eq(Mux(a[-1], -count, count))
            if self.design.remainder == "clear":
                m.d.comb += a_next.eq(Mux(count == 0, a, 0))
            else:
                m.d.comb += a_next.eq(Mux(a[-1], -remain, remain))
                lefts.append(left)
            counts.append(p)
            remains.append(a_next)
        m.d.comb += [self.p.eq(Cat(counts)), self.a_next.eq(Cat(remains)), self.left.eq(Cat(lefts).any())]
        return m

    def _shared(self, m):
        """Numbers that all lanes use: multiples of theta, or for shifts max_pulses * theta alone."""
        if not self.design.update.threshold_power_of_two:
            return (self.theta,)
        limit = self.design.update.max_pulses
        most = Signal(self.design.formats.accumulator + 3, name="most")
        m.d.comb += most.eq(limit << self.theta)
        return (most,)

    def _chain(self, m, lane, magnitude, theta):
        """Count, remaining magnitude and left by greedy compare-subtracts."""
        width = len(magnitude)
        taken, remain = [], magnitude
        for step in model.steps(self.design.update.max_pulses):
            difference = Signal(signed(width + 4), name=f"difference_{lane}_{len(taken)}")
            fits = Signal(name=f"fits_{lane}_{len(taken)}")
            rest = Signal(width, name=f"rest_{lane}_{len(taken)}")
            m.d.comb += [
                difference.eq(remain - _times(theta, step)),
                fits.eq(~difference[-1]),
                rest.eq(Mux(fits, difference, remain)),
            ]
            taken.append(_times(fits, step))
            remain = rest
        count = Signal(COUNT_BITS - 1, name=f"count_{lane}")
        m.d.comb += count.eq(sum(taken[1:], taken[0]))
        return count, remain, remain >= theta

    def _shift(self, m, lane, magnitude, most):
        """The same for theta = 2^k: the quotient is a right shift, clamped by one subtraction of max_pulses * theta."""
        width = len(magnitude)
        limit = self.design.update.max_pulses
        quotient = Signal(width, name=f"quotient_{lane}")
        above = Signal(name=f"above_{lane}")
        count = Signal(COUNT_BITS - 1, name=f"count_{lane}")
        remain = Signal(width, name=f"remain_{lane}")
        m.d.comb += [
            quotient.eq(magnitude >> self.theta),
            above.eq(quotient > limit),
            count.eq(Mux(above, limit, quotient)),
            remain.eq(magnitude - Mux(above, most, quotient << self.theta)),
        ]
        return count, remain, above


def _times(value, step):
    """value * step for a power of two: wires."""
    zeros = step.bit_length() - 1
    return Cat(Const(0, zeros), value) if zeros else value
