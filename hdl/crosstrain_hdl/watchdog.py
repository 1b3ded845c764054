"""Watchdog: counts the cycles in which somebody owes an answer and gives none."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

TIMEOUT_BITS = 32


class Watchdog(wiring.Component):
    """Members

    owed : In(1), an answer is due
    progress : In(1), something of it came
    timeout : In(32), cycles of silence that are too many, at least 2; constant while `owed`
    expired : Out(1), strobe: in this cycle it is the timeout'th one in a row; the count starts again
    """

    def __init__(self):
        super().__init__({"owed": In(1), "progress": In(1), "timeout": In(TIMEOUT_BITS), "expired": Out(1)})

    def elaborate(self, platform):
        m = Module()
        left = Signal(TIMEOUT_BITS)
        silent = Signal()
        m.d.comb += [silent.eq(self.owed & ~self.progress), self.expired.eq(silent & (left == 1))]
        with m.If(silent & ~self.expired):
            m.d.sync += left.eq(left - 1)
        with m.Else():
            m.d.sync += left.eq(self.timeout)
        return m
