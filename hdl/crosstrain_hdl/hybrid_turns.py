"""Turns of the array of pairs: carries and refreshes, one row at a time. The rule of turns is
`crosstrain_model.hybrid_controller`, that of what is due `crosstrain_model.refresh`.

    REST     nothing under way            -> FEED with a carry, -> BUSY with a refresh
    FEED     the groups of a row of carries go to Pulse, those without a word as zeros           -> TAIL
    TAIL     the last of them is there    -> BUSY
    BUSY     Pulse, or the refresh, has it                                                       -> REST

Rows that are due follow each other from `place` on, as all become due at once: their number says which. While an abort
lasts carries are fed to Pulse all the same, which drops them and counts them as aborted; then no row is due.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import row_bits
from crosstrain_model.pulse import COUNTER_BITS
from crosstrain_model.refresh import SINCE_LIMIT

SINCE_BITS = 16


class HybridTurns(wiring.Component):
    """Members

    b_valid, b_ready : In, Out, a batch has ended; it waits while rows are due or under way in a refresh
    refresh_every : In(16), N_ref
    row_valid, row, groups, fetch, group, word, pop : the queue of carries, as `row_queue.RowQueue` has them
    c_valid, c_row, c_counts, c_last : Out, a row for `pulse.Pulse`
    pulse_empty : In(1), its `empty`; pulse_taken : In(1), strobe: it gave a command, of pulses : In
    go, refresh_row, rest : Out, Out, In, a row for `refresh.Refresh`
    cancel : In(1), level: an abort
    clear : In(1), strobe: no row is due, and no batch has passed
    since, place, refreshed_last : Out, state; put, put_since, put_place, put_refreshed_last : In, the host's
    due : Out, rows that are due
    count_clear : In(1), strobe; carry_rows, carry_pulses : Out(32), counters modulo 2^32
    refresh_done : Out(1), strobe: a refresh is over and no row is due: the last is done, or an abort came
    idle : Out(1), nothing is under way, and nothing waits
    """

    def __init__(self, design):
        self.design = design
        array = design.array
        row, group = row_bits(design), address_width(array.groups)
        state = {"since": SINCE_BITS, "place": row, "refreshed_last": 1}
        super().__init__(
            {
                "b_valid": In(1),
                "b_ready": Out(1),
                "refresh_every": In(SINCE_BITS),
                "row_valid": In(1),
                "row": In(row),
                "groups": In(array.groups),
                "fetch": Out(1),
                "group": Out(group),
                "word": In(array.lanes * COUNT_BITS),
                "pop": Out(1),
                "c_valid": Out(1),
                "c_row": Out(row),
                "c_counts": Out(array.lanes * COUNT_BITS),
                "c_last": Out(1),
                "pulse_empty": In(1),
                "pulse_taken": In(1),
                "pulses": In(16),
                "go": Out(1),
                "refresh_row": Out(row),
                "rest": In(1),
                "cancel": In(1),
                "clear": In(1),
                **{name: Out(bits) for name, bits in state.items()},
                "put": In(1),
                **{f"put_{name}": In(bits) for name, bits in state.items()},
                "due": Out(range(array.rows + 1)),
                "count_clear": In(1),
                "carry_rows": Out(COUNTER_BITS),
                "carry_pulses": Out(COUNTER_BITS),
                "refresh_done": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        carry, at_rest, refreshes = Signal(), Signal(), Signal()  # the carry's turn; a refresh is under way
        m.d.comb += [
            carry.eq(self.row_valid & (self.refreshed_last | (self.due == 0) | self.cancel)),
            self.go.eq(at_rest & ~carry & (self.due != 0) & ~self.cancel),
            self.refresh_row.eq(self.place),
            self.idle.eq(at_rest & ~self.row_valid & (self.due == 0)),
        ]
        with m.FSM(name="state"):
            with m.State("REST"):
                m.d.comb += at_rest.eq(1)
                with m.If(carry):
                    m.next = "FEED"
                with m.Elif(self.go):
                    m.next = "BUSY"
            self._feed(m)
            with m.State("BUSY"), m.If(self.pulse_empty & self.rest):
                m.d.comb += self.refresh_done.eq(refreshes & (self.due == 0))
                m.d.sync += refreshes.eq(0)
                m.next = "REST"
        with m.If(self.go):
            m.d.sync += refreshes.eq(1)
        self._state(m, at_rest & carry)
        m.d.comb += self.b_ready.eq((self.due == 0) & ~refreshes & ~self.put)
        self._due(m)
        counted = ((self.carry_rows, self.pop, 1), (self.carry_pulses, self.pulse_taken, self.pulses))
        for counter, counts, amount in counted:
            with m.If(counts | self.count_clear):
                m.d.sync += counter.eq(Mux(self.count_clear, 0, counter + amount))
        return m

    def _feed(self, m):
        """Words of the oldest row of the queue, a group a cycle, each a cycle after its fetch."""
        named, last = Signal(), Signal()
        m.d.comb += [
            last.eq(self.group == self.design.array.groups - 1),
            self.c_row.eq(self.row),
            self.c_counts.eq(Mux(named, self.word, 0)),
        ]
        m.d.sync += [self.c_valid.eq(self.fetch), self.c_last.eq(self.fetch & last)]
        with m.State("FEED"):
            m.d.comb += self.fetch.eq(1)
            m.d.sync += [named.eq(self.groups.bit_select(self.group, 1)), self.group.eq(Mux(last, 0, self.group + 1))]
            with m.If(last):
                m.next = "TAIL"
        with m.State("TAIL"):
            m.d.comb += self.pop.eq(1)
            m.next = "BUSY"

    def _state(self, m, carries):
        """Whose turn it was last, and which row is next."""
        last_row = self.place == self.design.array.rows - 1
        with m.If(carries):
            m.d.sync += self.refreshed_last.eq(0)
        with m.If(self.go):
            m.d.sync += [self.refreshed_last.eq(1), self.place.eq(Mux(last_row, 0, self.place + 1))]
        with m.If(self.put):
            m.d.sync += [self.place.eq(self.put_place), self.refreshed_last.eq(self.put_refreshed_last)]

    def _due(self, m):
        """Batches, and rows that are due."""
        batch, following = Signal(), Signal(SINCE_BITS)
        m.d.comb += [
            batch.eq(self.b_valid & self.b_ready),
            following.eq(Mux(self.since == SINCE_LIMIT, SINCE_LIMIT, self.since + 1)),
        ]
        with m.If(batch):
            m.d.sync += self.since.eq(following)
            with m.If((self.refresh_every != 0) & (following >= self.refresh_every)):
                m.d.sync += [self.since.eq(0), self.due.eq(self.design.array.rows)]
        with m.Elif(self.go):
            m.d.sync += self.due.eq(self.due - 1)
        with m.If(self.cancel | self.clear):
            m.d.sync += self.due.eq(0)
        with m.If(self.clear):
            m.d.sync += self.since.eq(0)
        with m.If(self.put):
            m.d.sync += self.since.eq(self.put_since)
