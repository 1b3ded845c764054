"""Counts of pulses of every device, one word a group, saturating; the host reads and writes them."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width, group_address


def cell_members(design):
    """Visits of the host."""
    array, word = design.array, 2 * design.array.lanes * design.verify.cell_bits
    return {
        "w_valid": In(1),
        "w_ready": Out(1),
        "w_write": In(1),
        "w_row": In(address_width(array.rows)),
        "w_group": In(address_width(array.groups)),
        "w_data": In(word),
        "r_valid": Out(1),
        "r_data": Out(word),
    }


class WriteVerifyCells(wiring.Component):
    """Members

    row : In, whose devices are counted
    walk : In(1), strobe: the first group comes next
    come : In(3), a group is two cycles, one cycle before its devices are known, and with them
    who : In(2 * lanes), with come[2]: devices to count; none where `count` is low
    count : In(1)
    w_valid, w_ready, w_write, w_row, w_group, w_data : visits of the host; taken between walks
    r_valid, r_data : Out, the word that it reads, one cycle later
    clearing : Out(1), the sweep after reset goes on

    Attributes
    ----------
    words : the memory in `amaranth.sim`, word row * groups + group
    """

    def __init__(self, design):
        self.design = design
        array = design.array
        self._memory = Memory1R1W(array.rows * array.groups, 2 * array.lanes * design.verify.cell_bits)
        self.words = self._memory.words
        super().__init__(
            {
                "row": In(address_width(array.rows)),
                "walk": In(1),
                "come": In(3),
                "who": In(2 * array.lanes),
                "count": In(1),
                "clearing": Out(1, init=1),
                **cell_members(design),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        array, bits = self.design.array, self.design.verify.cell_bits
        swept, group = Signal.like(memory.W0_addr), Signal(address_width(array.groups))
        counted = Signal.like(memory.W0_addr)  # where the word that is there came from
        take, stand = Signal(), Signal()
        cells = [memory.R0_data.word_select(device, bits) for device in range(2 * array.lanes)]
        more = [_more(cell, self.who[device]) for device, cell in enumerate(cells)]
        host = group_address(array, self.w_row, self.w_group)
        bump = self.come[2] & self.count
        m.d.comb += [
            stand.eq(~self.clearing & ~self.walk & ~self.come.any()),
            self.w_ready.eq(stand),
            take.eq(self.w_valid & stand),
            memory.R0_en.eq(self.come[1] | (take & ~self.w_write)),
            memory.R0_addr.eq(Mux(self.come[1], group_address(array, self.row, group), host)),
            memory.W0_en.eq(self.clearing | bump | (take & self.w_write)),
            memory.W0_addr.eq(Mux(self.clearing, swept, Mux(bump, counted, host))),
            memory.W0_data.eq(Mux(self.clearing, 0, Mux(bump, Cat(more), self.w_data))),
            self.r_data.eq(memory.R0_data),
        ]
        m.d.sync += self.r_valid.eq(take & ~self.w_write)
        with m.If(self.walk):
            m.d.sync += group.eq(0)
        with m.Elif(self.come[1]):
            m.d.sync += [group.eq(group + 1), counted.eq(memory.R0_addr)]
        with m.If(self.clearing):
            m.d.sync += swept.eq(swept + 1)
            with m.If(swept == memory.depth - 1):
                m.d.sync += self.clearing.eq(0)
        return m


def _more(cell, one):
    """cell + one, or its greatest value."""
    return (cell + (one & ~cell.all()))[: len(cell)]
