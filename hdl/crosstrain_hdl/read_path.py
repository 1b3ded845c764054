"""Read path: the words of a read between the host and the array port, counted, and the result of the read.

Input codes pass straight through, output codes through one register. A read that ends early leaves words of the host
behind, which are taken and dropped before the next read starts; it gives fewer output words, but always its result.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import total
from crosstrain_model.port import (
    OP_BITS,
    STATUS_BITS,
    TAG_BITS,
    Op,
    Status,
    adc_bits,
    adc_words,
    dac_bits,
    dac_words,
)


class ReadPath(wiring.Component):
    """Members

    start, op, tag : In, strobe: a read is open from now, while `free`
    groups : In, with single devices: groups that a READ_ROW names
    running : In(1), it was taken by the array and goes on
    stopped : In(1), it is being aborted: its words are dropped
    complete, status : In, strobe: it has ended, with what status
    lose : In(1), strobe: it was given up
    free : Out(1), a read may start
    wrong : Out(1), with complete: the array's words, dropped ones included, were not as many as they must be
    waiting : Out(1), it is the host that has to give or to take a word
    progress : Out(1), a word goes to or comes from the array
    stray : Out(1), a word comes that nothing waits for
    dac_valid, dac_ready, dac_codes : In, Out, In, from the host
    adc_valid, adc_ready, adc_codes, adc_last : Out, In, Out, Out, to the host
    r_valid, r_ready, r_op, r_tag, r_status : Out, In, Out, Out, Out, the result, after the words
    arr_dac_*, arr_adc_* : the array port
    """

    def __init__(self, design):
        self.design = design
        dac, adc = dac_bits(design), adc_bits(design)
        self.most = max(design.array.row_words, design.array.groups, dac_words(design, Op.FORWARD))
        super().__init__(
            {
                **({"groups": In(design.array.groups)} if design.device_reads else {}),
                "start": In(1),
                "op": In(OP_BITS),
                "tag": In(TAG_BITS),
                "running": In(1),
                "stopped": In(1),
                "complete": In(1),
                "status": In(STATUS_BITS),
                "lose": In(1),
                "free": Out(1),
                "wrong": Out(1),
                "waiting": Out(1),
                "progress": Out(1),
                "stray": Out(1),
                "dac_valid": In(1),
                "dac_ready": Out(1),
                "dac_codes": In(dac),
                "adc_valid": Out(1),
                "adc_ready": In(1),
                "adc_codes": Out(adc),
                "adc_last": Out(1),
                "r_valid": Out(1),
                "r_ready": In(1),
                "r_op": Out(OP_BITS),
                "r_tag": Out(TAG_BITS),
                "r_status": Out(STATUS_BITS),
                "arr_dac_valid": Out(1),
                "arr_dac_codes": Out(dac),
                "arr_dac_last": Out(1),
                "arr_dac_ready": In(1),
                "arr_adc_valid": In(1),
                "arr_adc_codes": In(adc),
                "arr_adc_last": In(1),
                "arr_adc_ready": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._open = Signal()
        self._dac_left = Signal(range(self.most + 1))
        self._adc_left = Signal(range(self.most + 1))
        self._mistaken = Signal()  # a word too many, or marked wrongly
        self._dropped = Signal()  # a word of the open read was kept from the host
        self._full = Signal()  # the result is there
        with m.If(self.complete | self.lose):
            m.d.sync += self._open.eq(0)
        self._input_codes(m)
        self._output_codes(m)
        self._result(m)
        with m.If(self.start):
            m.d.sync += [self._open.eq(1), self._mistaken.eq(0), self._dropped.eq(0)]
            m.d.sync += [self.r_op.eq(self.op), self.r_tag.eq(self.tag)]
            with m.Switch(self.op):
                for op in (Op.FORWARD, Op.BACKWARD, Op.READ_ROW):
                    with m.Case(op):
                        m.d.sync += self._dac_left.eq(dac_words(self.design, op))
                        m.d.sync += self._adc_left.eq(adc_words(self.design, op))
        if self.design.device_reads:
            self._count_groups(m)
        m.d.comb += [
            self.free.eq(~self._open & ~self._full & ~self.adc_valid & (self._dac_left == 0)),
            self.waiting.eq(
                self.running & (((self._dac_left != 0) & ~self.dac_valid) | (self.adc_valid & ~self.adc_ready))
            ),
            self.progress.eq((self.arr_dac_valid & self.arr_dac_ready) | self._fetch),
        ]
        return m

    def _count_groups(self, m):
        """Of a READ_ROW only groups that it names are words; counted in the cycle in which it is offered."""
        groups, due = Signal.like(self.groups, name="groups_named"), Signal()
        m.d.sync += due.eq(self.start & (self.op == Op.READ_ROW))
        with m.If(self.start):
            m.d.sync += groups.eq(self.groups)
        with m.If(due):
            m.d.sync += self._adc_left.eq(total([groups]))

    def _input_codes(self, m):
        """To the array while the read runs; what is left of a read that ended or is being aborted is dropped."""
        wanted = Signal()
        forward = Signal()
        m.d.comb += [
            wanted.eq(self._dac_left != 0),
            forward.eq(self._open & self.running & wanted),
            self.arr_dac_valid.eq(forward & self.dac_valid),
            self.arr_dac_codes.eq(self.dac_codes),
            self.arr_dac_last.eq(self._dac_left == 1),
            self.dac_ready.eq(Mux(forward, self.arr_dac_ready, wanted & (~self._open | self.stopped))),
        ]
        with m.If(self.dac_valid & self.dac_ready):
            m.d.sync += self._dac_left.eq(self._dac_left - 1)

    def _output_codes(self, m):
        """Into the register while the read runs; everything else the array sends is taken and dropped.

        What is dropped of a read that is being aborted is counted all the same: the array may have finished before it
        sees the ABORT, and is then judged by what it sent, not by what became of it here.
        """
        owed = Signal()
        wanted = Signal()
        dropping = Signal()
        drop = Signal()
        last = Signal()
        self._fetch = Signal()
        m.d.comb += [
            owed.eq(self._open & (self._adc_left != 0)),
            wanted.eq(owed & self.running),
            dropping.eq(self._open & self.stopped),
            last.eq(self._adc_left == 1),
            self.arr_adc_ready.eq(~wanted | ~self.adc_valid | self.adc_ready),
            self._fetch.eq(wanted & self.arr_adc_valid & self.arr_adc_ready),
            drop.eq(dropping & self.arr_adc_valid),
            self.stray.eq(self.arr_adc_valid & ~wanted & ~dropping),
        ]
        with m.If(self.adc_ready):
            m.d.sync += self.adc_valid.eq(0)
        with m.If(self._fetch):
            m.d.sync += [self.adc_valid.eq(1), self.adc_codes.eq(self.arr_adc_codes), self.adc_last.eq(last)]
        with m.If(drop):
            m.d.sync += self._dropped.eq(1)
        with m.If(self._fetch | (drop & owed)):
            m.d.sync += self._adc_left.eq(self._adc_left - 1)
        with m.If(((self._fetch | drop) & (self.arr_adc_last != last)) | (drop & ~owed) | (self.stray & self._open)):
            m.d.sync += self._mistaken.eq(1)

    def _result(self, m):
        good = Signal()
        status = Signal(STATUS_BITS)
        m.d.comb += [
            good.eq((self.status == Status.OK) | (self.status == Status.SATURATED)),
            self.wrong.eq(self.complete & good & ((self._adc_left != 0) | self._mistaken)),
            status.eq(Mux(good & self._dropped, Status.ABORTED, self.status)),
            self.r_valid.eq(self._full & ~self.adc_valid),
        ]
        with m.If(self.r_valid & self.r_ready):
            m.d.sync += self._full.eq(0)
        with m.If(self.complete):
            m.d.sync += [self._full.eq(1), self.r_status.eq(Mux(self.wrong, Status.PROTOCOL, status))]
        with m.If(self.lose):
            m.d.sync += [self._full.eq(1), self.r_status.eq(Status.TIMEOUT)]
