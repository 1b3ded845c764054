"""Sums of write-verify: the codes of 2^k reads of a row, added up device by device.

Words come for the groups that the read names, ascending; the n-th word of a read is added to word n of the memory. A
code counts 2^(4 - k), so that a sum has the same weight whatever k is.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W

READS_LOG2 = 4
"""Largest k."""


def sum_bits(design):
    """Bits of a sum, unsigned."""
    return design.formats.adc + READS_LOG2


class WriteVerifySums(wiring.Component):
    """Members

    reads_log2 : In(3), k
    first : In(1), the words are those of the first read: they replace what is there
    qa_valid, qa_codes : In, 2 * lanes unsigned codes, a word a cycle at most
    rewind : In(1), strobe: the next word, or the next step, is that of the first group named
    step : In(1), read a word of sums; the next step reads the next
    sums : Out(2 * lanes * sum_bits(design)), the word, a cycle after its step
    """

    def __init__(self, design):
        self.design = design
        devices = 2 * design.array.lanes
        self._memory = Memory1R1W(design.array.groups, devices * sum_bits(design))
        super().__init__(
            {
                "reads_log2": In(3),
                "first": In(1),
                "qa_valid": In(1),
                "qa_codes": In(devices * design.formats.adc),
                "rewind": In(1),
                "step": In(1),
                "sums": Out(devices * sum_bits(design)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        adc, bits, devices = self.design.formats.adc, sum_bits(self.design), 2 * self.design.array.lanes
        place, arrived = Signal.like(memory.R0_addr), Signal()
        counted = Signal(devices * bits)  # the codes, each 2^(4 - k) fold
        codes = [self.qa_codes.word_select(device, adc) for device in range(devices)]
        m.d.comb += [
            memory.R0_addr.eq(place),
            memory.R0_en.eq(self.qa_valid | self.step),
            self.sums.eq(memory.R0_data),
        ]
        m.d.sync += arrived.eq(self.qa_valid)
        with m.If(self.rewind):
            m.d.sync += place.eq(0)
        with m.Elif(self.qa_valid | self.step):
            m.d.sync += place.eq(place + 1)
        with m.If(self.qa_valid):
            m.d.sync += memory.W0_addr.eq(place)
            with m.Switch(self.reads_log2):
                for k in range(READS_LOG2 + 1):
                    with m.Case(k) if k < READS_LOG2 else m.Default():
                        m.d.sync += counted.eq(Cat(_aligned(code, READS_LOG2 - k, k) for code in codes))
        before = [Mux(self.first, 0, memory.R0_data.word_select(device, bits)) for device in range(devices)]
        totals = [(old + counted.word_select(device, bits))[:bits] for device, old in enumerate(before)]
        m.d.comb += [memory.W0_en.eq(arrived), memory.W0_data.eq(Cat(totals))]
        return m


def _aligned(code, below, above):
    """The code with zeros below and above it."""
    return Cat(Const(0, below), code, Const(0, above))
