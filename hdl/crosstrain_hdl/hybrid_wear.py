"""Wear of L in binary devices: SET and RESET pulses of every cell column and of every row, counted modulo 2^32.

Behind each visit that wrote, its masks go by group by group, and in each group bit by bit of the weights: the counts of
that bit in all lanes are one word, brought up to date in one cycle. The read of the next visit goes on meanwhile. After
reset, and when the host wants it, all counts are cleared.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid_ports import wear_members
from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_model.port import PULSES_BITS
from crosstrain_model.pulse import COUNTER_BITS

KINDS = ("sets", "resets")


class HybridWear(wiring.Component):
    """Members

    begin : In(1), strobe while not `busy`: a visit has been written, whose first group is there from the next cycle on
    row, count_sets, count_resets : In, with begin, of that visit: its row and all its pulses
    sets, resets : In(lanes * hybrid.bits), cells of the group that were written
    shift : Out(1), the next group is wanted in the next cycle
    clear : In(1), strobe: all counts become 0
    x_valid, x_ready, x_of_row, x_row, x_group, x_lane, x_bit : a read of the host, of a row or of a cell column; taken
        while not `busy`
    y_valid, y_sets, y_resets : Out, its counts, two cycles later
    clearing : Out(1), counts are cleared
    busy : Out(1), masks go by, or counts are cleared
    """

    def __init__(self, design):
        self.design = design
        array, bits = design.array, design.hybrid.bits
        self._columns = {kind: Memory1R1W(array.groups * bits, array.lanes * COUNTER_BITS) for kind in KINDS}
        self._rows = Memory1R1W(array.rows, len(KINDS) * COUNTER_BITS)
        super().__init__(
            {
                "begin": In(1),
                "row": In(address_width(array.rows)),
                **{f"count_{kind}": In(PULSES_BITS) for kind in KINDS},
                **{kind: In(array.lanes * bits) for kind in KINDS},
                "shift": Out(1),
                "clear": In(1),
                **wear_members(design),
                "clearing": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for kind, memory in self._columns.items():
            m.submodules[kind] = memory
        m.submodules.rows = self._rows
        self._clearing, self._swept = self._sweep(m)
        self._take, self._walks = Signal(), Signal()
        counted = self._walk(m)
        self._count_row(m)
        m.d.comb += [
            self.clearing.eq(self._clearing),
            self.busy.eq(self._clearing | self._walks | counted),
            self.x_ready.eq(~self.busy & ~self.begin),
            self._take.eq(self.x_valid & self.x_ready),
        ]
        self._answer(m)
        return m

    def _sweep(self, m):
        """Clears all counts; gives whether, and which words."""
        depth = max(self._columns["sets"].depth, self._rows.depth)
        clearing, wanted, swept = Signal(init=1), Signal(), Signal(range(max(2, depth)))
        m.d.sync += wanted.eq((wanted | self.clear) & ~clearing)
        with m.If(clearing):
            m.d.sync += swept.eq(swept + 1)  # of the smaller memory some words are cleared again
            with m.If(swept == depth - 1):
                m.d.sync += [clearing.eq(0), swept.eq(0)]
        with m.Elif(wanted & ~self.busy & ~self.begin):
            m.d.sync += clearing.eq(1)
        return clearing, swept

    def _walk(self, m):
        """A word is read while its masks are there, and written in the next cycle; gives when it is written."""
        array, bits = self.design.array, self.design.hybrid.bits
        memory = self._columns["sets"]
        word, place = Signal.like(memory.R0_addr), Signal.like(memory.R0_addr)  # read; of the word that is there
        bit, counted, last = Signal(range(bits)), Signal(), Signal()
        m.d.comb += [last.eq(bit == bits - 1), self.shift.eq(self._walks & last)]
        m.d.sync += [counted.eq(self._walks), place.eq(word)]
        with m.If(self.begin):
            m.d.sync += [self._walks.eq(1), word.eq(0), bit.eq(0)]
        with m.Elif(self._walks):
            m.d.sync += [word.eq(word + 1), bit.eq(Mux(last, 0, bit + 1))]
            with m.If(word == memory.depth - 1):
                m.d.sync += self._walks.eq(0)
        host = Signal.like(word)
        m.d.comb += host.eq(self.x_group * bits + self.x_bit)
        for kind, memory in self._columns.items():
            plane, kept = Signal(array.lanes, name=f"{kind}_plane"), Signal(array.lanes, name=f"{kind}_kept")
            cells = [getattr(self, kind).word_select(lane, bits) for lane in range(array.lanes)]
            m.d.comb += plane.eq(Cat(cell.bit_select(bit, 1) for cell in cells))
            m.d.sync += kept.eq(plane)
            more = Cat(_plus(memory.R0_data, lane, kept[lane]) for lane in range(array.lanes))
            m.d.comb += [
                memory.R0_en.eq(self._walks | self._take),
                memory.R0_addr.eq(Mux(self._walks, word, host)),
                memory.W0_en.eq(self._clearing | counted),
                memory.W0_addr.eq(Mux(self._clearing, self._swept, place)),
                memory.W0_data.eq(Mux(self._clearing, 0, more)),
            ]
        return counted

    def _count_row(self, m):
        """The word of the row is read with `begin`, and written in the next cycle."""
        memory, due, row = self._rows, Signal(), Signal.like(self.row, name="row_due")
        amounts = [Signal(PULSES_BITS, name=f"amount_{kind}") for kind in KINDS]
        more = Cat(_plus(memory.R0_data, place, amount) for place, amount in enumerate(amounts))
        m.d.comb += [
            memory.R0_en.eq(self.begin | self._take),
            memory.R0_addr.eq(Mux(self.begin, self.row, self.x_row)),
            memory.W0_en.eq(self._clearing | due),
            memory.W0_addr.eq(Mux(self._clearing, self._swept, row)),
            memory.W0_data.eq(Mux(self._clearing, 0, more)),
        ]
        m.d.sync += due.eq(self.begin)
        with m.If(self.begin):
            m.d.sync += row.eq(self.row)
            m.d.sync += [amounts[place].eq(getattr(self, f"count_{kind}")) for place, kind in enumerate(KINDS)]

    def _answer(self, m):
        """The counts that the host asked for."""
        came, of_row, lane = Signal(), Signal(), Signal.like(self.x_lane, name="lane")
        m.d.sync += [came.eq(self._take), self.y_valid.eq(came)]
        with m.If(self._take):
            m.d.sync += [of_row.eq(self.x_of_row), lane.eq(self.x_lane)]
        with m.If(came):
            for place, (kind, memory) in enumerate(self._columns.items()):
                of_column = memory.R0_data.word_select(lane, COUNTER_BITS)
                row_count = self._rows.R0_data.word_select(place, COUNTER_BITS)
                m.d.sync += getattr(self, f"y_{kind}").eq(Mux(of_row, row_count, of_column))


def _plus(word, index, amount):
    """Count number `index` of a word, and so many more."""
    return (word.word_select(index, COUNTER_BITS) + amount)[:COUNTER_BITS]
