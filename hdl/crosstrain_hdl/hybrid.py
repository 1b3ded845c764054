"""Hybrid accumulator: changes rounded to q, and what L + q makes of L. The rule is `crosstrain_model.hybrid`."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid_ports import q_bits, visit_members
from crosstrain_hdl.memory import address_width
from crosstrain_hdl.random_streams import permute
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.pulse import COUNTER_BITS
from crosstrain_model.random_streams import OTHER_BITS, permutations


class HybridRound(wiring.Component):
    """Rounds the changes of each visit by one draw, in one register stage.

    Members
    -------
    v_* : visits and markers of `update_stream.UpdateStream`; a token waits until it is taken as b_*
    hold : In(1), no visit is taken
    word, step : In(16), Out(1), next draw of the stream "rounding", and strobe: it is used
    r_valid, r_ready, r_row, r_group, r_q : Out, In, Out .., a visit; lanes * q_bits(design) signed changes
    r_visit : Out(1), some q is not 0; else this is the end of a row alone
    r_row_end : Out(1), the row ends with this
    b_valid, b_ready : Out, In, a batch has ended; all visits before it have left
    count_clear : In(1), strobe; vectors, visits : Out(32), frames, and groups that they visited, modulo 2^32
    busy : Out(1), a visit is here

    Attributes
    ----------
    latency : cycles from v_valid to r_valid, 1
    """

    latency = 1

    def __init__(self, design):
        self.design = design
        array = design.array
        super().__init__(
            {
                "v_valid": In(1),
                "v_ready": Out(1),
                "v_row": In(address_width(array.rows)),
                "v_group": In(address_width(array.groups)),
                "v_terms": In(array.lanes * design.formats.accumulator),
                "v_null": In(1),
                "v_last": In(1),
                "v_program": In(1),
                "v_row_end": In(1),
                "hold": In(1),
                "word": In(OTHER_BITS),
                "step": Out(1),
                **visit_members(design),
                "b_valid": Out(1),
                "b_ready": In(1),
                "count_clear": In(1),
                "vectors": Out(COUNTER_BITS),
                "visits": Out(COUNTER_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        advance, token, taken = Signal(), Signal(), Signal()
        rounded, some = Signal.like(self.r_q), Signal()
        m.d.comb += [
            advance.eq(~self.r_valid | self.r_ready),
            token.eq(self.v_null & self.v_program),
            self.b_valid.eq(self.v_valid & token & ~self.r_valid & ~self.hold),
            self.v_ready.eq(Mux(token, self.b_valid & self.b_ready, advance & ~self.hold)),
            taken.eq(self.v_valid & self.v_ready & ~token),
            self.step.eq(taken & ~self.v_null),
            rounded.eq(Cat(self._lane(m, lane) for lane in range(self.design.array.lanes))),
            some.eq(rounded.any() & ~self.v_null),
            self.busy.eq(self.r_valid),
        ]
        with m.If(advance):
            m.d.sync += [
                self.r_valid.eq(taken & (some | self.v_row_end)),
                self.r_visit.eq(some),
                self.r_row_end.eq(self.v_row_end),
            ]
        with m.If(taken & some):
            m.d.sync += [self.r_row.eq(self.v_row), self.r_group.eq(self.v_group), self.r_q.eq(rounded)]
        for counter, counts in ((self.vectors, taken & self.v_last), (self.visits, self.step)):
            with m.If(counts | self.count_clear):
                m.d.sync += counter.eq(Mux(self.count_clear, 0, counter + 1))
        return m

    def _lane(self, m, lane):
        """q = (change + u) >> F."""
        fraction, width = self.design.formats.fraction, self.design.formats.accumulator
        change = Signal(signed(width), name=f"change_{lane}")
        q = Signal(signed(q_bits(self.design)), name=f"q_{lane}")
        seen = permute(self.word, permutations(self.design, "lanes")[lane])
        m.d.comb += [
            change.eq(self.v_terms.word_select(lane, width)),
            q.eq((change + Cat(seen[OTHER_BITS - fraction :], Const(0, 1)).as_signed()) >> fraction),
        ]
        return q


class HybridAdd(wiring.Component):
    """L + q of one group and its carry, between two clock edges.

    Members
    -------
    l_before : In(lanes * hybrid.bits), L
    q : In(lanes * q_bits(design)), rounded changes
    l_after : Out(lanes * hybrid.bits), L afterwards
    p : Out(lanes * 5), signed carries, -max_pulses..max_pulses
    clipped : Out(lanes), where the clamp took something
    """

    def __init__(self, design):
        self.design = design
        lanes, bits = design.array.lanes, design.hybrid.bits
        super().__init__(
            {
                "l_before": In(lanes * bits),
                "q": In(lanes * q_bits(design)),
                "l_after": Out(lanes * bits),
                "p": Out(lanes * COUNT_BITS),
                "clipped": Out(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = [self._lane(m, lane) for lane in range(self.design.array.lanes)]
        after, carries, clipped = zip(*lanes, strict=True)
        m.d.comb += [self.l_after.eq(Cat(after)), self.p.eq(Cat(carries)), self.clipped.eq(Cat(clipped))]
        return m

    def _lane(self, m, lane):
        """The magnitude of t = L + q is shifted right by the logarithm of S: what leaves is the carry."""
        bits, most, wide = self.design.hybrid.bits, self.design.update.max_pulses, q_bits(self.design)
        scale = 1 << (bits - 1)
        reach = scale + (1 << (wide - 1))  # of the magnitude
        total = Signal(signed(max(bits, wide) + 1), name=f"total_{lane}")
        magnitude = Signal(len(total), name=f"magnitude_{lane}")
        quotient = Signal(len(total), name=f"quotient_{lane}")
        above, negative = Signal(name=f"above_{lane}"), Signal(name=f"negative_{lane}")
        count, rest = Signal(COUNT_BITS - 1, name=f"count_{lane}"), Signal(bits - 1, name=f"rest_{lane}")
        after, p = Signal(signed(bits), name=f"after_{lane}"), Signal(signed(COUNT_BITS), name=f"p_{lane}")
        before, change = self.l_before.word_select(lane, bits), self.q.word_select(lane, wide)
        m.d.comb += [
            total.eq(before.as_signed() + change.as_signed()),
            negative.eq(total[-1]),
            magnitude.eq(Mux(negative, -total, total)),
            quotient.eq(magnitude >> (bits - 1)),
            above.eq(quotient > most if reach >> (bits - 1) > most else 0),
            count.eq(Mux(above, most, quotient)),
            rest.eq(magnitude),
            p.eq(Mux(negative, -count, count)),
        ]
        kept = Mux(above, Mux(negative, -scale, scale - 1), Mux(negative, -rest, rest))
        clip = above & ~(negative & (magnitude == (most + 1) * scale))
        if self.design.remainder == "clear":
            kept, clip = Mux(count != 0, 0, kept), Const(0, 1)
        m.d.comb += after.eq(kept)
        return after, p, clip
