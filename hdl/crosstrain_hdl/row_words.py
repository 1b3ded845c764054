"""Row words: the output codes of transfer reads between the array port and the transfer station, counted.

Several such reads may be open; words belong to the oldest. A read that gives fewer or more words than it must, marks
the wrong one as last, ends badly, or is being aborted is not good, and all its words are worthless.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import STATUS_BITS, Op, Status, adc_words


class RowWords(wiring.Component):
    """Members

    running : In(1), a read is open at the array and goes on
    stopped : In(1), one is, and is being aborted: its words are dropped
    complete, status : In, strobe: the oldest read has ended, with what status
    lose : In(1), strobe: it was given up
    wrong : Out(1), with complete: it ended well, but its words were not as they must be
    waiting : Out(1), it is the transfer that has to take a word
    progress : Out(1), a word comes from the array
    stray : Out(1), a word comes that nothing waits for
    z_valid, z_ready, z_codes : Out, In, Out, words
    z_end, z_good : Out(1), strobe: the read has ended; all words came and it ended well
    arr_adc_* : the array port
    """

    def __init__(self, design):
        self.design = design
        codes = design.array.lanes * design.formats.adc
        super().__init__(
            {
                "running": In(1),
                "stopped": In(1),
                "complete": In(1),
                "status": In(STATUS_BITS),
                "lose": In(1),
                "wrong": Out(1),
                "waiting": Out(1),
                "progress": Out(1),
                "stray": Out(1),
                "z_valid": Out(1),
                "z_ready": In(1),
                "z_codes": Out(codes),
                "z_end": Out(1),
                "z_good": Out(1),
                "arr_adc_valid": In(1),
                "arr_adc_codes": In(codes),
                "arr_adc_last": In(1),
                "arr_adc_ready": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = adc_words(self.design, Op.READ_ROW)
        left = Signal(range(words + 1), init=words)
        mistaken = Signal()  # a word too many, or marked wrongly
        dropped = Signal()  # a word was kept from the transfer
        ends = Signal()
        passing = Signal()
        fetch = Signal()
        drop = Signal()
        well = Signal()
        whole = Signal()
        m.d.comb += [
            ends.eq(self.complete | self.lose),
            passing.eq(self.running & (left != 0) & ~ends),
            self.z_valid.eq(passing & self.arr_adc_valid),
            self.z_codes.eq(self.arr_adc_codes),
            self.arr_adc_ready.eq(Mux(passing, self.z_ready, 1)),
            fetch.eq(self.z_valid & self.z_ready),
            drop.eq(self.arr_adc_valid & ~passing & (self.running | self.stopped) & ~ends),
            self.stray.eq(self.arr_adc_valid & (ends | ~(self.running | self.stopped))),
            self.waiting.eq(self.z_valid & ~self.z_ready),
            self.progress.eq(fetch),
            well.eq((self.status == Status.OK) | (self.status == Status.SATURATED)),
            whole.eq((left == 0) & ~mistaken),
            self.wrong.eq(self.complete & well & ~whole),
            self.z_end.eq(ends),
            self.z_good.eq(self.complete & well & whole & ~dropped),
        ]
        with m.If(drop):
            m.d.sync += dropped.eq(1)
        with m.If((fetch | drop) & ((left == 0) | (self.arr_adc_last != (left == 1)))):
            m.d.sync += mistaken.eq(1)
        with m.If((fetch | drop) & (left != 0)):
            m.d.sync += left.eq(left - 1)
        with m.If(ends):
            m.d.sync += [left.eq(words), mistaken.eq(0), dropped.eq(0)]
        return m
