"""Schedule: hands visits to the accumulator, and decides when and which rows are programmed.

The rule is told in `crosstrain_model.schedule`. Vectors pass through without a bubble. A pass looks for touched rows
in words of 32, one word a cycle, ahead of the row that is being visited; it ends when the last row's `left` is back.
"""

import enum

from amaranth import Array, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.planes import lowest
from crosstrain_model.accumulator import Op
from crosstrain_model.pulse import row_buffers
from crosstrain_model.registers import touched_words
from crosstrain_model.schedule import SINCE_LIMIT


class State(enum.IntEnum):
    """What the accumulator's visits come from."""

    CLEAR = 0
    VISIT = 1
    PASS = 2


class Schedule(wiring.Component):
    """Members

    v_valid, v_ready : visits of vectors, in order
    v_row, v_group, v_terms : row, group and terms [lanes * W] of a visit
    v_null : no visit here, the markers alone
    v_last : the vector ends
    v_program : with v_null: no vector, a PROGRAM frame, a pass follows
    a_valid, a_ready : visits to the accumulator
    a_op, a_row, a_group, a_terms : what to do, where, and terms or the data of a WRITE
    a_last : last group of the row (program visits)
    a_uncounted : this clear is the one after reset, of words that hold nothing yet
    pulse_free : In, rows that pulse can take beside those under way
    left_valid, left_row, left, left_last : of each program visit, in order, when it has been thresholded
    clear, cancel : In(1), strobes: sweep all memories; end a running pass
    program_every : In(16)
    touch_all : In(1), strobe: a new threshold
    m_hold : In(1), the host uses the memory: no vector visits
    m_valid, m_ready, m_write, m_row, m_group, m_data : a visit of the host
    since_pass : Out(16); since_write, since_data : set it
    touched : Out(32), word `touched_index` of the touched bits; touched_write, touched_data : set it
    count_clear : In(1), strobe; vectors, visits : Out(32), counters modulo 2^32
    clearing, in_pass, idle : Out(1); pass_ended : Out(1), strobe
    """

    def __init__(self, design):
        array, width = design.array, design.formats.accumulator
        self.design = design
        self.words = touched_words(design)
        row, group, word = address_width(array.rows), address_width(array.groups), array.lanes * width
        super().__init__(
            {
                "v_valid": In(1),
                "v_ready": Out(1),
                "v_row": In(row),
                "v_group": In(group),
                "v_terms": In(word),
                "v_null": In(1),
                "v_last": In(1),
                "v_program": In(1),
                "a_valid": Out(1),
                "a_ready": In(1),
                "a_op": Out(3),
                "a_row": Out(row),
                "a_group": Out(group),
                "a_terms": Out(word),
                "a_last": Out(1),
                "a_uncounted": Out(1),
                "pulse_free": In(row_buffers(design).bit_length()),
                "left_valid": In(1),
                "left_row": In(row),
                "left": In(1),
                "left_last": In(1),
                "clear": In(1),
                "cancel": In(1),
                "program_every": In(16),
                "touch_all": In(1),
                "m_hold": In(1),
                "m_valid": In(1),
                "m_ready": Out(1),
                "m_write": In(1),
                "m_row": In(row),
                "m_group": In(group),
                "m_data": In(word),
                "since_pass": Out(16),
                "since_write": In(1),
                "since_data": In(16),
                "touched_index": In(address_width(self.words)),
                "touched": Out(32),
                "touched_write": In(1),
                "touched_data": In(32),
                "count_clear": In(1),
                "vectors": Out(32),
                "visits": Out(32),
                "clearing": Out(1, init=1),
                "in_pass": Out(1),
                "idle": Out(1),
                "pass_ended": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array = self.design.array
        state = Signal(State, init=State.CLEAR)
        taken, last_group, last_row = Signal(), Signal(), Signal()
        m.d.comb += [
            taken.eq(self.a_valid & self.a_ready),
            last_group.eq(self.a_group == array.groups - 1),
            last_row.eq(self.a_row == array.rows - 1),
        ]
        row, group = Signal.like(self.a_row), Signal.like(self.a_group)  # of sweeps and passes
        self._touched_bits(m, taken)
        flying = self._flying(m, taken)
        clear_wanted, first, token = Signal(), Signal(init=1), Signal()
        m.d.comb += [
            token.eq(self.v_null & self.v_program),
            self.clearing.eq(state == State.CLEAR),
            self.in_pass.eq(state == State.PASS),
            self.a_uncounted.eq(first),
            self.a_terms.eq(Mux(self.m_hold, self.m_data, self.v_terms)),  # who takes none does not look at them
        ]
        m.d.sync += clear_wanted.eq((clear_wanted | self.clear) & ~self.clearing)

        with m.Switch(state):
            with m.Case(State.CLEAR):
                m.d.comb += [
                    self.a_valid.eq(1),
                    self.a_op.eq(Op.CLEAR),
                    self.a_row.eq(row),
                    self.a_group.eq(group),
                ]
                with m.If(taken):
                    m.d.sync += group.eq(Mux(last_group, 0, group + 1))
                    with m.If(last_group):
                        m.d.sync += row.eq(Mux(last_row, 0, row + 1))
                        with m.If(last_row):
                            m.d.sync += [state.eq(State.VISIT), first.eq(0)]
            with m.Case(State.VISIT):
                with m.If(clear_wanted):
                    m.d.sync += state.eq(State.CLEAR)
                with m.Elif(self.m_hold):
                    m.d.comb += [
                        self.a_valid.eq(self.m_valid),
                        self.m_ready.eq(self.a_ready),
                        self.a_op.eq(Mux(self.m_write, Op.WRITE, Op.READ)),
                        self.a_row.eq(self.m_row),
                        self.a_group.eq(self.m_group),
                    ]
                with m.Else():
                    m.d.comb += [
                        self.a_valid.eq(self.v_valid & ~self.v_null),
                        self.v_ready.eq(self.a_ready | self.v_null),
                        self.a_op.eq(Op.ACCUMULATE),
                        self.a_row.eq(self.v_row),
                        self.a_group.eq(self.v_group),
                    ]
            with m.Case(State.PASS):
                m.d.comb += [self.a_op.eq(Op.PROGRAM), self.a_row.eq(row), self.a_group.eq(group)]
                self._pass(m, state, row, group, taken, last_group, flying)
        self._count(m, state, taken, token)
        m.d.comb += [
            self.a_last.eq(last_group),
            self.idle.eq((state == State.VISIT) & ~clear_wanted & ~self.v_valid & ~self.m_valid),
        ]
        return m

    def _count(self, m, state, taken, token):
        """Vectors, visits, since_pass, and when a pass is due."""
        ended = Signal()  # a vector or a PROGRAM frame
        following = Signal(17)
        counted = Signal(16)
        due = Signal()
        m.d.comb += [
            ended.eq(self.v_valid & self.v_ready & (self.v_last | token)),
            following.eq(self.since_pass + 1),
            counted.eq(Mux(following[-1], SINCE_LIMIT, following)),
            due.eq(token | ((self.program_every != 0) & (counted >= self.program_every))),
        ]
        with m.If(self.since_write):
            m.d.sync += self.since_pass.eq(self.since_data)
        with m.If(ended):
            m.d.sync += self.since_pass.eq(Mux(due, 0, counted))
            with m.If(due):
                m.d.sync += state.eq(State.PASS)
            with m.If(~token):
                m.d.sync += self.vectors.eq(self.vectors + 1)
        with m.If(self.clearing):
            m.d.sync += self.since_pass.eq(0)
        with m.If(taken & (self.a_op == Op.ACCUMULATE)):
            m.d.sync += self.visits.eq(self.visits + 1)
        with m.If(self.count_clear):
            m.d.sync += [self.vectors.eq(0), self.visits.eq(0)]

    def _flying(self, m, taken):
        """Rows of a pass that have begun and whose last `left` is not back."""
        flying = Signal.like(self.pulse_free)
        begins = taken & (self.a_op == Op.PROGRAM) & (self.a_group == 0)
        returns = self.left_valid & self.left_last
        with m.If(begins & ~returns):
            m.d.sync += flying.eq(flying + 1)
        with m.Elif(~begins & returns):
            m.d.sync += flying.eq(flying - 1)
        return flying

    def _pass(self, m, state, row, group, taken, last_group, flying):
        """Visits of a pass: word of touched bits -> `bits` -> `row`, each filled while the one behind it is used."""
        words = Array(self._touched)
        place, scanned = Signal(range(max(2, self.words))), Signal()  # next word to look at; all were looked at
        bits, base = Signal(32), Signal(range(max(2, self.words)))
        has_row, stop = Signal(), Signal()
        need_bits, need_row, ends = Signal(), Signal(), Signal()
        rest = Signal(32)
        m.d.comb += [
            rest.eq(bits & (bits - 1)),
            need_row.eq(~has_row | (taken & last_group)),
            need_bits.eq((bits == 0) | (need_row & (rest == 0))),
            # A row may begin when pulse can take it beside all rows that are still on their way.
            self.a_valid.eq(has_row & ((group != 0) | ((self.pulse_free > flying) & ~stop & ~self.cancel))),
            ends.eq(((scanned & (bits == 0) & ~has_row) | (stop & (group == 0))) & (flying == 0)),
        ]
        with m.If(taken):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(need_row):
            m.d.sync += [has_row.eq(bits != 0), row.eq(lowest(bits) + (base << 5)), bits.eq(rest)]
        with m.If(need_bits):
            m.d.sync += [bits.eq(Mux(scanned, 0, words[place])), base.eq(place)]
            with m.If(~scanned):
                m.d.sync += [place.eq(place + 1), scanned.eq(place == self.words - 1)]
        with m.If(self.cancel):
            m.d.sync += stop.eq(1)
        with m.If(ends):
            m.d.comb += self.pass_ended.eq(1)
            m.d.sync += [
                state.eq(State.VISIT), place.eq(0), scanned.eq(0), bits.eq(0), has_row.eq(0), row.eq(0), stop.eq(0)
            ]

    def _touched_bits(self, m, taken):
        """The touched bits, words of 32; one decoder serves visits, one the rows whose `left` comes back."""
        rows = self.design.array.rows
        self._touched = [Signal(min(32, rows - 32 * i), name=f"touched_{i}") for i in range(self.words)]
        visited, kept = Signal(32), Signal(32)
        sets = Signal()
        clears = Signal()
        m.d.comb += [
            visited.eq(1 << self.a_row[:5]),
            kept.eq(1 << self.left_row[:5]),
            sets.eq(taken & (self.a_op == Op.ACCUMULATE)),
            clears.eq(taken & (self.a_op == Op.PROGRAM) & (self.a_group == 0)),
        ]
        all_set = self.touch_all | (taken & (self.a_op == Op.WRITE))
        for i, word in enumerate(self._touched):
            here = self._in_word(self.a_row, i)
            back = self.left_valid & self.left & self._in_word(self.left_row, i)
            seen = clears & here
            put = self.touched_write & (self.touched_index == i)
            with m.If((sets & here) | seen | back | put | all_set | self.clearing):
                marked = (word & ~Mux(seen, visited, 0)) | Mux(back, kept, 0) | Mux(sets & here & ~back, visited, 0)
                changed = Mux(all_set, ~Const(0, len(word)), Mux(put, self.touched_data, marked))
                m.d.sync += word.eq(Mux(self.clearing, 0, changed))
        m.d.comb += self.touched.eq(Array(self._touched)[self.touched_index])

    def _in_word(self, row, i):
        """Whether a row's touched bit is in word i."""
        return row[5:] == i if self.words > 1 else Const(1, 1)
