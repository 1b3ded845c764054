"""Results: ADC words and the outcome of a read become a result frame.

The rule is told in `crosstrain_model.frames`; codes of single devices are unsigned. The status comes after the words,
and belongs into the last beat: one word is held back until the next word or the outcome is there. A read without words
gives one beat of zeros.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.frames import RESULT_USER_BITS, FrameOp, result_bits
from crosstrain_model.port import OP_BITS, STATUS_BITS, TAG_BITS, Op, adc_codes


class Results(wiring.Component):
    """Members

    adc_valid, adc_ready, adc_codes : words of the read
    r_valid, r_ready, r_op, r_tag, r_status : its outcome, after its words; op and tag are valid with the words too
    m_axis_* : the output stream
    busy : Out(1), a word is held
    """

    def __init__(self, design):
        self.design = design
        codes = adc_codes(design)
        super().__init__(
            {
                "adc_valid": In(1),
                "adc_ready": Out(1),
                "adc_codes": In(codes * design.formats.adc),
                "r_valid": In(1),
                "r_ready": Out(1),
                "r_op": In(OP_BITS),
                "r_tag": In(TAG_BITS),
                "r_status": In(STATUS_BITS),
                "m_axis_tdata": Out(codes * result_bits(design)),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
                "m_axis_tuser": Out(RESULT_USER_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        held = Signal()  # the codes in m_axis_tdata, which are zero otherwise
        ends, sent = Signal(), Signal()
        frame_op = Signal(OP_BITS)
        first = FrameOp.FORWARD - Op.FORWARD  # reads are in the same order in both lists
        m.d.comb += [
            ends.eq(self.r_valid & ~self.adc_valid),
            self.m_axis_tvalid.eq(ends | (held & self.adc_valid)),
            self.m_axis_tlast.eq(ends),
            sent.eq(self.m_axis_tvalid & self.m_axis_tready),
            self.adc_ready.eq(~held | sent),
            self.r_ready.eq(ends & sent),
            frame_op.eq(self.r_op + first),
            self.m_axis_tuser[:OP_BITS].eq(frame_op),
            self.m_axis_tuser[4 : 4 + STATUS_BITS].eq(Mux(ends, self.r_status, 0)),
            self.m_axis_tuser[12:].eq(self.r_tag),
            self.busy.eq(held),
        ]
        with m.If(self.adc_valid & self.adc_ready):
            m.d.sync += [held.eq(1), self.m_axis_tdata.eq(self._slots())]
        with m.Elif(sent):
            m.d.sync += [held.eq(0), self.m_axis_tdata.eq(0)]
        return m

    def _slots(self):
        """Codes extended in their slots: once as they come, for they stay until they are taken."""
        bits, wanted = self.design.formats.adc, result_bits(self.design)
        codes = [self.adc_codes.word_select(place, bits) for place in range(adc_codes(self.design))]
        unsigned = Cat(Cat(code, Const(0, wanted - bits)) for code in codes)
        if self.design.verified:
            return unsigned
        signed = Cat(Cat(code, code[-1].replicate(wanted - bits)) for code in codes)
        if self.design.carried:  # of weights in the lower half, or of single devices
            signed = Mux(self.r_op == Op.READ_ROW, unsigned, signed[: len(signed) // 2])
        return signed
