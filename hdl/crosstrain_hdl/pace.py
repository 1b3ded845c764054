"""Pace: the width of a pulse within its bounds, and the time that it and its guard take."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import WIDTH_BITS

GUARD_BITS = 16


class Pace(wiring.Component):
    """Members

    wanted, guard : In, registers [cycles]
    width : Out, min(max(wanted, 1), pulse.width_limit)
    take : In(1), strobe: a slot is taken
    pacing : Out(1), width and guard of the last slot are not yet over
    """

    def __init__(self, design):
        self.limit = design.pulse.width_limit
        super().__init__(
            {
                "wanted": In(WIDTH_BITS),
                "guard": In(GUARD_BITS),
                "width": Out(WIDTH_BITS),
                "take": In(1),
                "pacing": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        remaining = Signal(WIDTH_BITS + 1)
        m.d.comb += [
            self.width.eq(Mux(self.wanted > self.limit, self.limit, Mux(self.wanted == 0, 1, self.wanted))),
            self.pacing.eq(remaining != 0),
        ]
        with m.If(self.take):
            m.d.sync += remaining.eq(self.width + self.guard - 1)
        with m.Elif(self.pacing):
            m.d.sync += remaining.eq(remaining - 1)
        return m
