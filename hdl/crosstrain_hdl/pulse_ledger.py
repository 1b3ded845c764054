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

        amounts = {  # counter: when it counts, and how much
            "commands": (self.command, 1),
            "issued": (self.issue, self.issue_pulses),
            "delivered": (self.complete, used),
            "aborted": (
                (self.issue & self.drop) | (self.complete & self.was_aborted),
                Mux(self.issue & self.drop, self.issue_pulses, unused),
            ),
            "failed": (self.complete & ~self.was_aborted, unused),
            "unknown": (self.lose, self.pulses),
            "stray_count": (self.stray != 0, self.stray[0] + self.stray[1]),
        }
        for name, (counts, amount) in amounts.items():
            counter = getattr(self, name)
            with m.If(counts | self.clear):
                m.d.sync += counter.eq(Mux(self.clear, 0, counter + amount))
        return m
