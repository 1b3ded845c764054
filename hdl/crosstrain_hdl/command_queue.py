"""Command queue: the commands that are open at the array port, oldest first, and what each of them still needs.

A command enters with its offer and leaves with its completion, or when it is given up; always the oldest leaves. The
others then move down, so that the oldest is entry 0; there are few.
"""

import enum

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import PULSES_BITS


class Kind(enum.IntEnum):
    """Where a command came from."""

    PROGRAM = 0
    """Pulses of a row of weights."""
    TRAIN = 1
    """Pulses of a vector."""
    ROW = 2
    """The read of a row for a transfer."""
    READ = 3
    """A read of the host."""


KIND_BITS = 2


class CommandQueue(wiring.Component):
    """Members

    push, push_kind, push_amount : In, strobe while not `full`: a command is open; its pulses or slots, reads 0
    taken : In(1), strobe: the array has taken the command that came last
    slot_end : In(1), strobe: the last slot of the command that is `due` was taken
    pop : In(1), strobe while not `empty`: the oldest command has ended
    empty, full : Out(1)
    kind, amount, at_array, owes : Out, of the oldest: as it was pushed, whether the array has it, whether it has slots
        left
    due, due_train : Out(1), a command at the array has slots left; the oldest of them is a TRAIN
    pulsing : Out(1), there is a command of pulses, finished with its slots or not
    row_open : Out(1), there is a ROW at the array
    """

    def __init__(self, depth):
        self.depth = depth
        super().__init__(
            {
                "push": In(1),
                "push_kind": In(KIND_BITS),
                "push_amount": In(PULSES_BITS),
                "taken": In(1),
                "slot_end": In(1),
                "pop": In(1),
                "empty": Out(1),
                "full": Out(1),
                "kind": Out(KIND_BITS),
                "amount": Out(PULSES_BITS),
                "at_array": Out(1),
                "owes": Out(1),
                "due": Out(1),
                "due_train": Out(1),
                "pulsing": Out(1),
                "row_open": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self.depth
        count = Signal(range(depth + 1))
        place = Signal(range(depth + 1))  # of a new entry
        kinds = [Signal(KIND_BITS, name=f"kind_{i}") for i in range(depth)]
        amounts = [Signal(PULSES_BITS, name=f"amount_{i}") for i in range(depth)]
        at_array = [Signal(name=f"at_array_{i}") for i in range(depth)]
        owes = [Signal(name=f"owes_{i}") for i in range(depth)]
        due = [Signal(name=f"due_{i}") for i in range(depth)]
        m.d.comb += [
            self.empty.eq(count == 0),
            self.full.eq(count == depth),
            self.kind.eq(kinds[0]),
            self.amount.eq(amounts[0]),
            self.at_array.eq(at_array[0]),
            self.owes.eq(owes[0]),
            place.eq(count - self.pop),
        ]
        m.d.sync += count.eq(place + self.push)
        earlier = 0
        for i in range(depth):
            m.d.comb += due[i].eq(owes[i] & at_array[i] & ~earlier)
            earlier = earlier | owes[i]
        trains = [due[i] & (kinds[i] == Kind.TRAIN) for i in range(depth)]
        filled = [count > i for i in range(depth)]
        pulses = [filled[i] & ((kinds[i] == Kind.PROGRAM) | (kinds[i] == Kind.TRAIN)) for i in range(depth)]
        rows = [filled[i] & at_array[i] & (kinds[i] == Kind.ROW) for i in range(depth)]
        for total, terms in ((self.due, due), (self.due_train, trains), (self.pulsing, pulses), (self.row_open, rows)):
            m.d.comb += total.eq(_any(terms))
        for i in range(depth):
            above = min(i + 1, depth - 1)
            last = i + 1 == depth
            arrived = at_array[above] | self.taken
            m.d.sync += [
                kinds[i].eq(Mux(self.pop, kinds[above], kinds[i])),
                amounts[i].eq(Mux(self.pop, amounts[above], amounts[i])),
                at_array[i].eq(Mux(self.pop, arrived, at_array[i] | self.taken)),
                owes[i].eq(
                    Mux(
                        self.pop,
                        0 if last else owes[above] & ~(due[above] & self.slot_end),
                        owes[i] & ~(due[i] & self.slot_end),
                    )
                ),
            ]
            with m.If(self.push & (place == i)):
                pulses = (self.push_kind == Kind.PROGRAM) | (self.push_kind == Kind.TRAIN)
                m.d.sync += [kinds[i].eq(self.push_kind), amounts[i].eq(self.push_amount)]
                m.d.sync += [at_array[i].eq(0), owes[i].eq(pulses)]
        return m


def _any(terms):
    result = 0
    for term in terms:
        result = result | term
    return result
