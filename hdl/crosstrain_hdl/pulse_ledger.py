"""Pulse ledger: the counters of the array side. The rule is `crosstrain_model.pulse.PulseLedger`, modulo 2^32."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import PULSES_BITS
from crosstrain_model.pulse import COUNTER_BITS

COUNTERS = ("commands", "issued", "delivered", "aborted", "failed", "unknown", "stray")


class PulseLedger(wiring.Component):
    """Members

    issue, issue_pulses : In, strobe: a command of so many device pulses leaves the buffer
    drop : In(1), with issue: it was dropped, not offered
    complete : In(1), strobe: the open command ended
    pulses, reported, was_aborted : In, pulses it had, pulses the array reports, and whether its status is ABORTED
    lose : In(1), strobe: the open command was given up; pulses as above
    command : In(1), strobe: a command other than ABORT was taken by the array
    stray : In(2), completions and words that nothing waited for
    clear : In(1), strobe
    too_many : Out(1), more reported than the command had
    commands, issued, delivered, aborted, failed, unknown, stray_count : Out(32)
    """

    def __init__(self):
        super().__init__(
            {
                "issue": In(1),
                "issue_pulses": In(PULSES_BITS),
                "drop": In(1),
                "complete": In(1),
                "pulses": In(PULSES_BITS),
                "reported": In(PULSES_BITS),
                "was_aborted": In(1),
                "lose": In(1),
                "command": In(1),
                "stray": In(2),
                "clear": In(1),
                "too_many": Out(1),
                "commands": Out(COUNTER_BITS),
                "issued": Out(COUNTER_BITS),
                "delivered": Out(COUNTER_BITS),
                "aborted": Out(COUNTER_BITS),
                "failed": Out(COUNTER_BITS),
                "unknown": Out(COUNTER_BITS),
                "stray_count": Out(COUNTER_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        rest = Signal(PULSES_BITS + 1)
        used = Signal(PULSES_BITS)
        unused = Signal(PULSES_BITS)
        m.d.comb += [
            rest.eq(self.pulses - self.reported),
            self.too_many.eq(rest[-1]),
            used.eq(Mux(self.too_many, self.pulses, self.reported)),
            unused.eq(Mux(self.too_many, 0, rest)),
        ]

        def count(counter, amount):
            m.d.sync += counter.eq(counter + amount)

        with m.If(self.command):
            count(self.commands, 1)
        with m.If(self.issue):
            count(self.issued, self.issue_pulses)
        with m.If(self.complete):
            count(self.delivered, used)
        with m.If(self.issue & self.drop):
            count(self.aborted, self.issue_pulses)
        with m.Elif(self.complete & self.was_aborted):
            count(self.aborted, unused)
        with m.If(self.complete & ~self.was_aborted):
            count(self.failed, unused)
        with m.If(self.lose):
            count(self.unknown, self.pulses)
        with m.If(self.stray != 0):
            count(self.stray_count, self.stray[0] + self.stray[1])
        with m.If(self.clear):
            m.d.sync += [getattr(self, name).eq(0) for name in COUNTERS if name != "stray"] + [self.stray_count.eq(0)]
        return m
