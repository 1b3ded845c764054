"""Read switch: host, write-verify and visits to binary devices read the arrays through one sequencer, one at a time.

Write-verify, or a refresh with it, goes before the host: it asks only while a row is programmed or formed, and a read
of the host is only given while nothing of the kind is under way. Visits to array L go before both. Words and result go
to whom the read was taken from.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import OP_BITS, STATUS_BITS, TAG_BITS, Op, adc_bits, adc_codes, row_bits


class ReadSwitch(wiring.Component):
    """Members

    h_valid, h_ready, h_op, h_row, h_tag : a read of the host, as `frames.Frames` gives it
    adc_valid, adc_ready, adc_codes, r_valid, r_ready, r_op, r_tag, r_status : its words and result, for
        `results.Results`
    q_valid, q_ready, q_row, q_groups : a row read of write-verify, of some groups
    qa_valid, qa_ready, qa_codes, qa_last, qr_valid, qr_ready, qr_status : its words and result
    k_valid, k_ready, k_row, k_groups, ka_valid, ka_ready, ka_cells, kr_valid, kr_ready, kr_status : the same of visits
        to array L, where there is one; s_cells : Out(1), the read is one of them
    s_valid, s_ready, s_op, s_row, s_tag, s_groups : to `h_*` of `sequencer.Sequencer`
    sa_valid, sa_ready, sa_codes, sa_last : from its `adc_*`
    sr_valid, sr_ready, sr_op, sr_tag, sr_status : from its `r_*`

    A READ_ROW of the host is one of all groups. Input codes go past here: write-verify has none.
    """

    def __init__(self, design):
        self.design = design
        row, groups, codes = row_bits(design), design.array.groups, adc_codes(design) * design.formats.adc
        cells = {}
        if design.cells_array:
            cells = {
                "k_valid": In(1),
                "k_ready": Out(1),
                "k_row": In(row),
                "k_groups": In(groups),
                "ka_valid": Out(1),
                "ka_ready": In(1),
                "ka_cells": Out(design.array.lanes * design.hybrid.bits),
                "kr_valid": Out(1),
                "kr_ready": In(1),
                "kr_status": Out(STATUS_BITS),
                "s_cells": Out(1),
            }
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
                "sa_codes": In(adc_bits(design)),
                "sa_last": In(1),
                "sr_valid": In(1),
                "sr_ready": Out(1),
                "sr_op": In(OP_BITS),
                "sr_tag": In(TAG_BITS),
                "sr_status": In(STATUS_BITS),
                **cells,
            }
        )

    def elaborate(self, platform):
        m = Module()
        verifies = self.q_valid
        verified = Signal()  # the last read that was taken is one of write-verify
        every = (1 << self.design.array.groups) - 1
        visits, visited = 0, 0
        ready, answered = Mux(verified, self.qa_ready, self.adc_ready), Mux(verified, self.qr_ready, self.r_ready)
        asked = {"row": Mux(verifies, self.q_row, self.h_row), "groups": Mux(verifies, self.q_groups, every)}
        if self.design.cells_array:
            visits, visited = self.k_valid, Signal(name="visited")
            ready, answered = Mux(visited, self.ka_ready, ready), Mux(visited, self.kr_ready, answered)
            asked = {name: Mux(visits, getattr(self, f"k_{name}"), other) for name, other in asked.items()}
            with m.If(self.s_valid & self.s_ready):
                m.d.sync += visited.eq(visits)
            self._visits(m, visited)
        with m.If(self.s_valid & self.s_ready):
            m.d.sync += verified.eq(verifies & ~visits if self.design.cells_array else verifies)
        m.d.comb += [
            self.s_valid.eq(verifies | self.h_valid | visits),
            self.q_ready.eq(self.s_ready & ~visits if self.design.cells_array else self.s_ready),
            self.h_ready.eq(self.s_ready & ~(verifies | visits)),
            self.s_op.eq(Mux(verifies | visits, Op.READ_ROW, self.h_op)),
            self.s_row.eq(asked["row"]),
            self.s_tag.eq(self.h_tag),
            self.s_groups.eq(asked["groups"]),
            self.adc_valid.eq(self.sa_valid & ~(verified | visited)),
            self.qa_valid.eq(self.sa_valid & verified),
            self.sa_ready.eq(ready),
            self.r_valid.eq(self.sr_valid & ~(verified | visited)),
            self.qr_valid.eq(self.sr_valid & verified),
            self.sr_ready.eq(answered),
            self.adc_codes.eq(self.sa_codes),
            self.qa_codes.eq(self.sa_codes),
            self.qa_last.eq(self.sa_last),
            self.r_op.eq(self.sr_op),
            self.r_tag.eq(self.sr_tag),
            self.r_status.eq(self.sr_status),
            self.qr_status.eq(self.sr_status),
        ]
        return m

    def _visits(self, m, visited):
        """Words and results of reads of array L."""
        m.d.comb += [
            self.s_cells.eq(self.k_valid),
            self.k_ready.eq(self.s_ready),
            self.ka_valid.eq(self.sa_valid & visited),
            self.ka_cells.eq(self.sa_codes),
            self.kr_valid.eq(self.sr_valid & visited),
            self.kr_status.eq(self.sr_status),
        ]
