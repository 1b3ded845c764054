"""Bit serial: the input codes of a forward read become words of one bit per row. The rule is
`crosstrain_model.bit_serial`.

Codes are kept on their side, plane k holding bit k of every row, lanes entering at the top. Then plane 0 is the word:
with every word that is taken the planes move round by one, so that they are in place again for the next group.
"""

import enum

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import transpose
from crosstrain_model.port import code_bits, dac_bits


class State(enum.IntEnum):
    """What happens to the planes."""

    LOAD = 0
    SEND = 1
    CONVERT = 2
    """The cycle between two groups."""


class BitSerial(wiring.Component):
    """Members

    dac_valid, dac_ready, dac_codes : words of `lanes` input codes as `frames.Frames` gives them, `row_words` a read
    b_valid, b_ready, b_bits : words for the sequencer, Out(rows): groups * x of them a read, all of which must be
        taken; bit 0 first, and one cycle without a word between two groups
    busy : Out(1), words of a read are here
    """

    def __init__(self, design):
        self.design = design
        super().__init__(
            {
                "dac_valid": In(1),
                "dac_ready": Out(1),
                "dac_codes": In(design.array.lanes * code_bits(design)),
                "b_valid": Out(1),
                "b_ready": In(1),
                "b_bits": Out(dac_bits(design)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array, bits = self.design.array, self.design.formats.x
        state = Signal(State, init=State.LOAD)
        word, bit = Signal(range(max(2, array.row_words))), Signal(range(bits))
        group = Signal(range(max(2, array.groups)))
        load, sent, last_word, last_bit, last_group = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.dac_ready.eq(state == State.LOAD),
            self.b_valid.eq(state == State.SEND),
            load.eq(self.dac_valid & self.dac_ready),
            sent.eq(self.b_valid & self.b_ready),
            last_word.eq(word == array.row_words - 1),
            last_bit.eq(bit == bits - 1),
            last_group.eq(group == array.groups - 1),
            self.busy.eq((state != State.LOAD) | (word != 0)),
        ]
        with m.If(load):
            m.d.sync += word.eq(Mux(last_word, 0, word + 1))
            with m.If(last_word):
                m.d.sync += state.eq(State.SEND)
        with m.If(sent):
            m.d.sync += bit.eq(Mux(last_bit, 0, bit + 1))
            with m.If(last_bit):
                m.d.sync += group.eq(Mux(last_group, 0, group + 1))
                m.d.sync += state.eq(Mux(last_group, State.LOAD, State.CONVERT))
        with m.If(state == State.CONVERT):
            m.d.sync += state.eq(State.SEND)
        self._planes(m, load, sent)
        return m

    def _planes(self, m, load, sent):
        """Turned words enter at the top; or the planes go round."""
        array, bits = self.design.array, self.design.formats.x
        planes = [Signal(array.row_words * array.lanes, name=f"plane_{k}") for k in range(bits)]
        turned = transpose(self.dac_codes, array.lanes, code_bits(self.design))[:bits]
        for k, plane in enumerate(planes):
            with m.If(load | sent):
                m.d.sync += plane.eq(Mux(load, Cat(plane[array.lanes :], turned[k]), planes[(k + 1) % bits]))
        m.d.comb += self.b_bits.eq(planes[0])
