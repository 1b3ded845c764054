"""Accumulator: the memory of change not yet programmed, and everything that is done to it, one group per cycle.

The rules are `crosstrain_model.accumulator` and `crosstrain_model.threshold`. A visit goes through

    S0  its read is issued, its terms are kept       a_valid & a_ready
    S1  forward, add, saturate                        (a program visit takes the word as it is; a read adds nothing)
    S2  compare with theta, write
    S3  the last word written; counts leave on c_*

A visit one cycle behind another of the same group takes the word from S2, two cycles behind from S3. Only behind a
program visit the word is not ready in S2: there the visit waits one cycle.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.accumulator_ledger import TOTALS, AccumulatorLedger
from crosstrain_hdl.memory import Memory1R1W, address_width, group_address
from crosstrain_hdl.threshold import COUNT_BITS, Threshold, theta_width
from crosstrain_model.accumulator import Op

OP_BITS = 3


class Accumulator(wiring.Component):
    """Memory of rows x columns accumulators with saturation, threshold and forwarding.

    Members
    -------
    a_valid, a_ready : In(1), Out(1), a visit; it stays while a_valid is high and a_ready low
    a_op : In(3), `crosstrain_model.accumulator.Op`
    a_row, a_group : In, where; row < rows, group < groups
    a_terms : In(lanes * accumulator), terms of an accumulate visit, the new word of a write visit
    a_last : In(1), last group of its row in a program pass; comes out with the counts
    theta : In(theta_width(design)), constant while program visits are under way
    c_valid : Out(1), counts of a program visit, for one cycle; nothing can hold them back
    c_row, c_group, c_last : Out, of that visit
    c_counts : Out(lanes * 5), signed pulse counts
    c_left : Out(1), some accumulator of the group still holds theta or more
    c_words : Out(lanes * accumulator), the words as they were compared; only where weights have a copy (write-verify)
    r_valid, r_data : Out(1), Out(lanes * accumulator), the word of a read visit, for one cycle
    a_uncounted, total_* : only with `ledger`, see `accumulator_ledger`; a_uncounted goes with a_op
    clip_valid : Out(1), an accumulate visit clipped
    clip_count : Out, number of lanes it clipped, 1..lanes
    busy : Out(1), a visit is between S1 and its last output

    Attributes
    ----------
    latency : cycles from a taken visit to c_valid or r_valid, 3
    words : the memory in `amaranth.sim`, word row * groups + group
    """

    latency = 3

    def __init__(self, design):
        self.design = design
        array, width = design.array, design.formats.accumulator
        word = array.lanes * width
        self._memory = Memory1R1W(array.rows * array.groups, word)
        self.words = self._memory.words
        row, group = address_width(array.rows), address_width(array.groups)
        super().__init__(
            {
                "a_valid": In(1),
                "a_ready": Out(1),
                "a_op": In(OP_BITS),
                "a_row": In(row),
                "a_group": In(group),
                "a_terms": In(word),
                "a_last": In(1),
                "theta": In(theta_width(design)),
                "c_valid": Out(1),
                "c_row": Out(row),
                "c_group": Out(group),
                "c_counts": Out(array.lanes * COUNT_BITS),
                "c_left": Out(1),
                "c_last": Out(1),
                "r_valid": Out(1),
                "r_data": Out(word),
                "clip_valid": Out(1),
                "clip_count": Out(array.lanes.bit_length()),
                "busy": Out(1),
                **({"c_words": Out(word)} if design.verified else {}),
                **({"a_uncounted": In(1)} if design.ledger else {}),
                **({f"total_{name}": Out(64) for name in TOTALS} if design.ledger else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self._memory
        m.submodules.threshold = self._threshold = Threshold(self.design)
        self._stage0(m)
        self._stage1(m)
        self._stage2(m)
        busy = self._s1_valid | self._s2_valid | self.c_valid | self.r_valid
        if self.design.ledger:
            busy = busy | self._keep_ledger(m)
        m.d.comb += self.busy.eq(busy)
        return m

    def _stage0(self, m):
        """Address, hazards, and the registers of S1."""
        address = Signal(address_width(self._memory.depth))
        take = Signal()
        self._s1_valid = Signal()
        self._s1_op = Signal(OP_BITS)
        self._s1_address = Signal.like(address)
        self._s1_row = Signal.like(self.a_row)
        self._s1_group = Signal.like(self.a_group)
        self._s1_last = Signal()
        self._s1_terms = Signal.like(self.a_terms)
        self._s2_valid = Signal()
        self._s2_address = Signal.like(address)
        self._from_s2 = Signal()
        self._from_s3 = Signal()
        self._from_memory = Signal()
        wipe = Signal()
        self._in_s1 = in_s1 = Signal(name="in_s1")
        self._in_s2 = in_s2 = Signal(name="in_s2")
        m.d.comb += [
            address.eq(group_address(self.design.array, self.a_row, self.a_group)),
            in_s1.eq(self._s1_valid & (self._s1_address == address)),
            in_s2.eq(self._s2_valid & (self._s2_address == address)),
            self.a_ready.eq(~(in_s1 & (self._s1_op == Op.PROGRAM))),
            take.eq(self.a_valid & self.a_ready),
            wipe.eq((self.a_op == Op.CLEAR) | (self.a_op == Op.WRITE)),
            self._memory.R0_addr.eq(address),
            self._memory.R0_en.eq(take),
        ]
        m.d.sync += self._s1_valid.eq(take)
        with m.If(take):
            m.d.sync += [
                self._s1_op.eq(self.a_op),
                self._s1_address.eq(address),
                self._s1_row.eq(self.a_row),
                self._s1_group.eq(self.a_group),
                self._s1_last.eq(self.a_last),
                self._s1_terms.eq(self._terms()),
                self._from_s2.eq(in_s1 & ~wipe),
                self._from_s3.eq(in_s2 & ~in_s1 & ~wipe),
                self._from_memory.eq(~wipe),
            ]

    def _terms(self):
        """Terms for S1: zeros where the visit adds nothing, and in the padding lanes of the last group."""
        array, width = self.design.array, self.design.formats.accumulator
        used = array.columns - (array.groups - 1) * array.lanes
        terms = self.a_terms
        if used < array.lanes:
            last_group = self.a_group == array.groups - 1
            terms = Cat(terms[: used * width], Mux(last_group, 0, terms[used * width :]))
        return Mux((self.a_op == Op.ACCUMULATE) | (self.a_op == Op.WRITE), terms, 0)

    def _stage1(self, m):
        """Per lane: newest word, plus term, saturated."""
        width = self.design.formats.accumulator
        low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
        program = Signal()
        self._s2_sums, self._s2_compared = [], []
        self._s3_words = []
        self._s2_clips = Signal(self.design.array.lanes)
        clips = []
        m.d.comb += program.eq(self._s1_op == Op.PROGRAM)
        for lane in range(self.design.array.lanes):
            span = slice(lane * width, (lane + 1) * width)
            s2_sum, s2_compared, s3_word, newest, old, term, saturated = (
                Signal(signed(width), name=f"{name}_{lane}")
                for name in ("s2_sum", "s2_compared", "s3_word", "newest", "old", "term", "saturated")
            )
            total = Signal(width, name=f"total_{lane}")  # of the width of the words: it runs over where it clips
            clip = Signal(name=f"clip_{lane}")
            m.d.comb += [
                old.eq(self._memory.R0_data[span]),
                newest.eq(Mux(self._from_s2, s2_sum, Mux(self._from_s3, s3_word, Mux(self._from_memory, old, 0)))),
                term.eq(self._s1_terms[span]),
                total.eq(newest + term),
                clip.eq((newest[-1] ^ total[-1]) & (term[-1] ^ total[-1])),
                saturated.eq(Mux(clip, Mux(newest[-1], low, high), total)),
            ]
            with m.If(self._s1_valid & program):
                m.d.sync += s2_compared.eq(newest)
            with m.If(self._s1_valid & ~program):
                m.d.sync += s2_sum.eq(saturated)
            clips.append(clip)
            self._s2_sums.append(s2_sum)
            self._s2_compared.append(s2_compared)
            self._s3_words.append(s3_word)
        self._register_s2(m, Cat(clips))

    def _register_s2(self, m, clips):
        """The registers of S2 beside the words."""
        self._s2_program = Signal()
        self._s2_read = Signal()
        self._s2_row = Signal.like(self.a_row)
        self._s2_group = Signal.like(self.a_group)
        self._s2_last = Signal()
        self._s2_clipped = Signal()  # any of the lanes: their flags are worth a look
        clipped = Signal()
        m.d.comb += clipped.eq(clips.any())
        m.d.sync += self._s2_valid.eq(self._s1_valid)
        with m.If(self._s1_valid & clipped):
            m.d.sync += self._s2_clips.eq(clips)
        with m.If(self._s1_valid):
            m.d.sync += [
                self._s2_program.eq(self._s1_op == Op.PROGRAM),
                self._s2_read.eq(self._s1_op == Op.READ),
                self._s2_address.eq(self._s1_address),
                self._s2_row.eq(self._s1_row),
                self._s2_group.eq(self._s1_group),
                self._s2_last.eq(self._s1_last),
                self._s2_clipped.eq(clipped),
            ]

    def _stage2(self, m):
        """Threshold, write, outputs."""
        threshold = self._threshold
        m.d.comb += [
            threshold.a.eq(Cat(self._s2_compared)),
            threshold.theta.eq(self.theta),
            self._memory.W0_addr.eq(self._s2_address),
            self._memory.W0_en.eq(self._s2_valid),
            self._memory.W0_data.eq(Mux(self._s2_program, threshold.a_next, Cat(self._s2_sums))),
        ]
        with m.If(self._s2_valid):
            m.d.sync += Cat(self._s3_words).eq(self._memory.W0_data)
        m.d.sync += [
            self.c_valid.eq(self._s2_valid & self._s2_program),
            self.r_valid.eq(self._s2_valid & self._s2_read),
        ]
        with m.If(self._s2_valid & self._s2_program):
            m.d.sync += [
                self.c_row.eq(self._s2_row),
                self.c_group.eq(self._s2_group),
                self.c_last.eq(self._s2_last),
                self.c_counts.eq(threshold.p),
                self.c_left.eq(threshold.left),
            ]
            if self.design.verified:
                m.d.sync += self.c_words.eq(Cat(self._s2_compared))
        with m.If(self._s2_valid & self._s2_read):
            m.d.sync += self.r_data.eq(Cat(self._s2_sums))
        m.d.comb += [
            self.clip_valid.eq(self._s2_valid & self._s2_clipped),
            self.clip_count.eq(sum(self._s2_clips)),
        ]

    def _keep_ledger(self, m):
        """Totals of all visits; gives whether some are still on their way."""
        m.submodules.ledger = ledger = AccumulatorLedger(self.design)
        behind_s1 = Signal()  # as for forwarding, but for clears and writes too
        behind_s2 = Signal()
        uncounted = Signal()
        with m.If(self.a_valid & self.a_ready):
            m.d.sync += [behind_s1.eq(self._in_s1), behind_s2.eq(self._in_s2), uncounted.eq(self.a_uncounted)]
        older = Mux(behind_s2, Cat(self._s3_words), self._memory.R0_data)
        m.d.comb += [
            ledger.valid.eq(self._s1_valid),
            ledger.op.eq(self._s1_op),
            ledger.uncounted.eq(uncounted),
            ledger.before.eq(Mux(behind_s1, Cat(self._s2_sums), older)),
            ledger.terms.eq(self._s1_terms),
            ledger.after.eq(self._memory.W0_data),
            ledger.counts.eq(self._threshold.p),
            ledger.theta.eq(self.theta),
        ]
        m.d.comb += [getattr(self, f"total_{name}").eq(getattr(ledger, f"total_{name}")) for name in TOTALS]
        return ledger.busy
