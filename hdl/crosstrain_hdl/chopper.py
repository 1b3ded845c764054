"""Chopper: the chopper bits of rows and columns, and their flips. The rule is `crosstrain_model.chopper`.

A row flips with the read that it demodulates, in one cycle. Columns that go by period flip in that same cycle; random
ones take one cycle per group behind it, in which the register of all column bits goes round once, by `lanes` bits a
cycle: no group needs a decoder.
"""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.random_streams import RandomStream, permute
from crosstrain_model.chopper import WORD, chopped, chopper_words, column_choppers, row_choppers
from crosstrain_model.random_streams import generator, permutations

PROBABILITY_BITS = 17


def word_ports(design):
    """The host's view of chopper bits and of their stream: what of it a design has."""
    ports = {}
    if words := chopper_words(design):
        ports |= {"chop_index": In(address_width(words)), "chop_word": Out(WORD)}
        ports |= {"chop_write": In(1), "chop_data": In(WORD)}
    if chopped(design, "random"):
        ports |= {"choppers_load": In(1), "choppers_load_index": In(2), "choppers_load_data": In(32)}
        ports |= {"choppers_state": Out(32 * generator(design, "choppers").words)}
    return ports


class Chopper(wiring.Component):
    """Chopper bits and the decision to flip them.

    Members
    -------
    row : In, the row that is read next
    ends : In(1), the sweep ends a period; where a chopper goes by period
    probability : In(17), register; where a chopper flips at random
    sign, flip : Out(1), of `row`, one cycle after anything they depend on
    commit : In(1), strobe: that row is being read; it flips
    wrap : In(1), with commit: it was the last of the sweep; columns flip
    busy : Out(1), columns are being flipped: nothing else may come, and `columns` is out of order
    rows, columns : Out, chop_rows and chop_columns; 0 where there are none
    clear : In(1), strobe: all bits are 0
    chop_index, chop_word, chop_write, chop_data : words of 32 bits for the host, those of rows first
    choppers_load, choppers_load_index, choppers_load_data, choppers_state : the stream's state, see `RandomStream`
    """

    def __init__(self, design):
        array = design.array
        self.design = design
        self.by_row, self.by_column = row_choppers(design), column_choppers(design)
        super().__init__(
            {
                "row": In(address_width(array.rows)),
                **({"ends": In(1)} if chopped(design, "period") else {}),
                **({"probability": In(PROBABILITY_BITS)} if chopped(design, "random") else {}),
                "sign": Out(1),
                "flip": Out(1),
                "commit": In(1),
                "wrap": In(1),
                "busy": Out(1),
                "rows": Out(array.rows),
                "columns": Out(array.columns),
                "clear": In(1),
                **word_ports(design),
            }
        )

    def elaborate(self, platform):
        m = Module()
        step = Signal()  # of the stream
        if chopped(self.design, "random"):
            m.submodules.stream = stream = RandomStream(self.design, "choppers")
            self._draw = stream.word
            m.d.comb += [
                stream.step.eq(step),
                stream.load.eq(self.choppers_load),
                stream.load_index.eq(self.choppers_load_index),
                stream.load_data.eq(self.choppers_load_data),
                self.choppers_state.eq(stream.state),
            ]
        words = []
        if self.by_row != "none":
            words += self._rows(m, step)
        if self.by_column != "none":
            words += self._columns(m, step)
        if words:
            m.d.comb += self.chop_word.eq(Array(words)[self.chop_index])
        return m

    def _rows(self, m, step):
        """Row bits; their words for the host."""
        m.d.sync += self.sign.eq((self.rows >> self.row)[0])
        if self.by_row == "period":
            m.d.comb += self.flip.eq(self.ends)
        else:
            m.d.sync += self.flip.eq(self._draw < self.probability)
            with m.If(self.commit):
                m.d.comb += step.eq(1)
        with m.If(self.commit & self.flip):
            m.d.sync += self.rows.eq(self.rows ^ (Const(1, 1) << self.row)[: len(self.rows)])
        return self._host(m, self.rows, 0)

    def _columns(self, m, step):
        """Column bits; their words for the host."""
        array = self.design.array
        spare = Signal(array.groups * array.lanes - array.columns)  # lanes of the last group without a column
        first = chopper_words(self.design) - -(-array.columns // WORD)
        if self.by_column == "period":
            with m.If(self.commit & self.wrap & self.ends):
                m.d.sync += self.columns.eq(~self.columns)
            return self._host(m, self.columns, first)
        group = Signal(range(max(2, array.groups)))
        orders = permutations(self.design, "lanes")
        flips = Cat(permute(self._draw, order) < self.probability for order in orders)
        bits = Cat(self.columns, spare)
        with m.If(self.commit & self.wrap):
            m.d.sync += [self.busy.eq(1), group.eq(0)]
        with m.If(self.busy):
            m.d.comb += step.eq(1)
            m.d.sync += [
                bits.eq(Cat(bits[array.lanes :], bits[: array.lanes] ^ flips)),
                self.busy.eq(group != array.groups - 1),
                group.eq(group + 1),
            ]
        return self._host(m, self.columns, first)

    def _host(self, m, bits, first):
        """Words `first` and following: written by the host, cleared; returns them."""
        words = [bits[start : start + WORD] for start in range(0, len(bits), WORD)]
        for number, word in enumerate(words, first):
            with m.If((self.chop_write & (self.chop_index == number)) | self.clear):
                m.d.sync += word.eq(Mux(self.clear, 0, self.chop_data[: len(word)]))
        return words
