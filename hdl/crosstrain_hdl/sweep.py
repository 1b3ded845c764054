"""Sweep: lets vectors fire, and sends a row of A to be read behind every n_s-th. The rule is `crosstrain_model.sweep`.

What a token says stands in registers when its read is offered. These follow row, bits and stream by one cycle; a read
is offered two cycles after the one before it was taken, or later, so that they have followed.
"""

import enum

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.chopper import PROBABILITY_BITS, Chopper, word_ports
from crosstrain_hdl.memory import address_width
from crosstrain_model.chopper import chopped, column_choppers
from crosstrain_model.sweep import LIMIT

COUNT_BITS = 16
STATES = ("since", "row", "sweeps", "reads_in_period")


class State(enum.IntEnum):
    """Where between two vectors we are."""

    REST = 0
    TRAIN = 1
    READ = 2


class Sweep(wiring.Component):
    """The order of trains and reads, with the choppers inside.

    Members
    -------
    full : In(1), the next vector is complete and may be fired
    silent : In(1), with full: it gives no command
    fire : Out(1), strobe, combinational from full: it is fired with the signs as they are
    t_taken : In(1), strobe: the command of the vector fired last is taken
    cancel : In(1), level: commands are dropped; nobody waits for t_taken, neither of the vector fired last nor of one
        fired meanwhile
    hold : In(1), level: no vector is fired; what was begun goes on
    chop_rows, chop_columns : Out, signs in force, constant but between a read and the next `fire`; 0 without choppers
    vectors, transfers : Out(32), counters modulo 2^32; count_clear : In(1), strobe
    busy : Out(1), a vector waits for its command or its transfer, or columns are being flipped

    Where rows are transferred:

    read_valid, read_ready, read_row : the read of a row of A
    k_valid, k_ready, k_row, k_sign, k_columns, k_flip, k_warm : its token; offered with the read, each is taken when it
        likes; k_columns where there are column choppers
    every, warmup : In(16), registers; period : In(16), where a chopper has one; probability : In(17), where one is
        random
    since, row, sweeps, reads_in_period : Out, state; <name>_write : In(1), strobe: it becomes write_data : In(32);
        reads_in_period stays 0 where no chopper has a period
    clear : In(1), strobe: state as after reset, but for stream and counters
    chop_* , choppers_* : see `Chopper`

    Registers, state, stream and clear are touched only while neither busy nor full, or under hold and not busy.
    """

    def __init__(self, design):
        array = design.array
        self.design = design
        row = address_width(array.rows)
        ports = {
            "full": In(1),
            "silent": In(1),
            "fire": Out(1),
            "t_taken": In(1),
            "cancel": In(1),
            "hold": In(1),
            "chop_rows": Out(array.rows),
            "chop_columns": Out(array.columns),
            "count_clear": In(1),
            "vectors": Out(32),
            "transfers": Out(32),
            "busy": Out(1),
        }
        if design.transfers:
            ports |= {"read_valid": Out(1), "read_ready": In(1), "read_row": Out(row)}
            ports |= {"k_valid": Out(1), "k_ready": In(1), "k_row": Out(row)}
            ports |= {"k_sign": Out(1), "k_flip": Out(1), "k_warm": Out(1)}
            if column_choppers(design) != "none":
                ports["k_columns"] = Out(array.columns)
            ports |= {"every": In(COUNT_BITS), "warmup": In(COUNT_BITS)}
            if chopped(design, "period"):
                ports["period"] = In(COUNT_BITS)
            if chopped(design, "random"):
                ports["probability"] = In(PROBABILITY_BITS)
            for name in STATES:
                width = row if name == "row" else COUNT_BITS
                ports |= {name: Out(width), f"{name}_write": In(1)}
            ports |= {"write_data": In(32), "clear": In(1), **word_ports(design)}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        state = Signal(State, init=State.REST)
        flipping = Signal()  # the chopper is busy
        m.d.comb += [
            self.fire.eq(self.full & ~self.hold & (state == State.REST) & ~flipping),
            self.busy.eq((state != State.REST) | flipping),
        ]
        with m.If(self.fire):
            m.d.sync += self.vectors.eq(self.vectors + 1)
        due = owed = 0
        if self.design.transfers:
            owed, offered, read = Signal(), Signal(), Signal()
            due = self._due(m)
            self._read(m, offered, read)
            self._advance(m, read, flipping)
            m.d.comb += offered.eq(state == State.READ)
        with m.Switch(state):
            with m.Case(State.REST), m.If(self.fire):
                m.d.sync += state.eq(Mux(self.silent | self.cancel, Mux(due, State.READ, State.REST), State.TRAIN))
                if self.design.transfers:
                    m.d.sync += owed.eq(due)
            with m.Case(State.TRAIN), m.If(self.t_taken | self.cancel):
                m.d.sync += state.eq(Mux(owed, State.READ, State.REST))
            if self.design.transfers:
                with m.Case(State.READ), m.If(read):
                    m.d.sync += state.eq(State.REST)
        with m.If(self.count_clear):
            m.d.sync += [self.vectors.eq(0), self.transfers.eq(0)]
        return m

    def _due(self, m):
        """Count a vector that is fired; whether a transfer follows it."""
        following = Signal(COUNT_BITS + 1)
        due = Signal()
        m.d.comb += [following.eq(self.since + 1), due.eq(following >= self.every)]
        with m.If(self.fire):
            m.d.sync += self.since.eq(Mux(due, 0, following))
        return due

    def _read(self, m, offered, read):
        """Offer read and token, each until it is taken; `read` with the second."""
        read_taken, token_taken = Signal(), Signal()
        m.d.comb += [
            self.read_valid.eq(offered & ~read_taken),
            self.k_valid.eq(offered & ~token_taken),
            read.eq(offered & (read_taken | self.read_ready) & (token_taken | self.k_ready)),
            self.read_row.eq(self.row),
            self.k_row.eq(self.row),
        ]
        m.d.sync += [
            read_taken.eq(offered & ~read & (read_taken | self.read_ready)),
            token_taken.eq(offered & ~read & (token_taken | self.k_ready)),
        ]
        with m.If(read):
            m.d.sync += self.transfers.eq(self.transfers + 1)

    def _advance(self, m, read, flipping):
        """What a read leaves: flips, the next row, the next sweep; and what the host puts in place of it."""
        m.submodules.chopper = chopper = Chopper(self.design)
        wrap, ends = Signal(), Signal()
        m.d.comb += [
            wrap.eq(self.row >= self.design.array.rows - 1),
            chopper.row.eq(self.row),
            chopper.commit.eq(read),
            chopper.wrap.eq(wrap),
            chopper.clear.eq(self.clear),
            flipping.eq(chopper.busy),
            self.k_sign.eq(chopper.sign),
            self.k_flip.eq(chopper.flip),
            self.chop_rows.eq(chopper.rows),
            self.chop_columns.eq(chopper.columns),
        ]
        if "k_columns" in self.signature.members:
            m.d.comb += self.k_columns.eq(chopper.columns)
        if chopped(self.design, "random"):
            m.d.comb += chopper.probability.eq(self.probability)
        for name in word_ports(self.design):
            pair = (getattr(chopper, name), getattr(self, name))
            taken, given = pair if chopper.signature.members[name].flow == In else pair[::-1]
            m.d.comb += taken.eq(given)
        m.d.sync += self.k_warm.eq(self.sweeps < self.warmup)
        with m.If(read):
            m.d.sync += self.row.eq(Mux(wrap, 0, self.row + 1))
            with m.If(wrap & (self.sweeps != LIMIT)):
                m.d.sync += self.sweeps.eq(self.sweeps + 1)
        kept = [name for name in STATES if name != "reads_in_period" or chopped(self.design, "period")]
        if "reads_in_period" in kept:
            reads = self.reads_in_period
            m.d.sync += ends.eq((reads != 0) & (reads + 1 >= self.period))
            m.d.comb += chopper.ends.eq(ends)
            with m.If(read & wrap):
                m.d.sync += reads.eq(Mux(ends, 0, Mux(reads == LIMIT, LIMIT, reads + 1)))
        for name in kept:
            state = getattr(self, name)
            with m.If(getattr(self, f"{name}_write") | self.clear):
                m.d.sync += state.eq(Mux(self.clear, 0, self.write_data[: len(state)]))
