"""Read switch: host and write-verify read the array through one sequencer, one read at a time.

Write-verify goes first: it asks only while a row is programmed or formed, and a read of the host is only given while
nothing of the kind is under way. Words and result go to whom the read was taken from.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import OP_BITS, STATUS_BITS, TAG_BITS, Op, adc_codes, row_bits


class ReadSwitch(wiring.Component):
    """Members

    h_valid, h_ready, h_op, h_row, h_tag : a read of the host, as `frames.Frames` gives it
    adc_valid, adc_ready, adc_codes, r_valid, r_ready, r_op, r_tag, r_status : its words and result, for
        `results.Results`
    q_valid, q_ready, q_row, q_groups : a row read of write-verify, of some groups
    qa_valid, qa_ready, qa_codes, qa_last, qr_valid, qr_ready, qr_status : its words and result
    s_valid, s_ready, s_op, s_row, s_tag, s_groups : to `h_*` of `sequencer.Sequencer`
    sa_valid, sa_ready, sa_codes, sa_last : from its `adc_*`
    sr_valid, sr_ready, sr_op, sr_tag, sr_status : from its `r_*`

    A READ_ROW of the host is one of all groups. Input codes go past here: write-verify has none.
    """

    def __init__(self, design):
        self.design = design
        row, groups, codes = row_bits(design), design.array.groups, adc_codes(design) * design.formats.adc
        super().__init__(
            {
                "h_valid": In(1),
                "h_ready": Out(1),
                "h_op": In(OP_BITS),
                "h_row": In(row),
                "h_tag": In(TAG_BITS),
                "adc_valid": Out(1),
                "adc_ready": In(1),
                "adc_codes": Out(codes),
                "r_valid": Out(1),
                "r_ready": In(1),
                "r_op": Out(OP_BITS),
                "r_tag": Out(TAG_BITS),
                "r_status": Out(STATUS_BITS),
                "q_valid": In(1),
                "q_ready": Out(1),
                "q_row": In(row),
                "q_groups": In(groups),
                "qa_valid": Out(1),
                "qa_ready": In(1),
                "qa_codes": Out(codes),
                "qa_last": Out(1),
                "qr_valid": Out(1),
                "qr_ready": In(1),
                "qr_status": Out(STATUS_BITS),
                "s_valid": Out(1),
                "s_ready": In(1),
                "s_op": Out(OP_BITS),
                "s_row": Out(row),
                "s_tag": Out(TAG_BITS),
                "s_groups": Out(groups),
                "sa_valid": In(1),
                "sa_ready": Out(1),
                "sa_codes": In(codes),
                "sa_last": In(1),
                "sr_valid": In(1),
                "sr_ready": Out(1),
                "sr_op": In(OP_BITS),
                "sr_tag": In(TAG_BITS),
                "sr_status": In(STATUS_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        verifies = self.q_valid
        verified = Signal()  # the last read that was taken is one of write-verify
        every = (1 << self.design.array.groups) - 1
        with m.If(self.s_valid & self.s_ready):
            m.d.sync += verified.eq(verifies)
        m.d.comb += [
            self.s_valid.eq(verifies | self.h_valid),
            self.q_ready.eq(self.s_ready),
            self.h_ready.eq(self.s_ready & ~verifies),
            self.s_op.eq(Mux(verifies, Op.READ_ROW, self.h_op)),
            self.s_row.eq(Mux(verifies, self.q_row, self.h_row)),
            self.s_tag.eq(self.h_tag),
            self.s_groups.eq(Mux(verifies, self.q_groups, every)),
            self.adc_valid.eq(self.sa_valid & ~verified),
            self.qa_valid.eq(self.sa_valid & verified),
            self.sa_ready.eq(Mux(verified, self.qa_ready, self.adc_ready)),
            self.r_valid.eq(self.sr_valid & ~verified),
            self.qr_valid.eq(self.sr_valid & verified),
            self.sr_ready.eq(Mux(verified, self.qr_ready, self.r_ready)),
            self.adc_codes.eq(self.sa_codes),
            self.qa_codes.eq(self.sa_codes),
            self.qa_last.eq(self.sa_last),
            self.r_op.eq(self.sr_op),
            self.r_tag.eq(self.sr_tag),
            self.r_status.eq(self.sr_status),
            self.qr_status.eq(self.sr_status),
        ]
        return m
