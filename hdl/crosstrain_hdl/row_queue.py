"""Row queue: rows of which only some groups have a word, first in, first out.

The words of a row come in any number, and the end of the row is told beside or behind them: so nobody need walk through
groups in which there is nothing. A row without words is none. Each row that waits has the mask of its groups.
"""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width, group_address
from crosstrain_hdl.row_buffer import following_index


class RowQueue(wiring.Component):
    """Room for `rows` rows, two or more, of words of `width` bits.

    Members
    -------
    w_ready : Out(1), a word may come
    w_valid, w_row, w_group, w_word, w_amount : In, strobe while `w_ready`: a word of the row that is coming, and what
        it counts for
    w_end : In(1), strobe while `w_ready`: the row that is coming is whole, with the word of this cycle if there is one
    w_drop : In(1), strobe: the row that is coming is forgotten; no word comes in this cycle
    row_valid, row, groups, amount : Out, there is a row: number, groups that have words, sum of what they count for
    fetch, group : In, strobe: read the word of a group of the oldest row
    word : Out(width), it, one cycle later; it stays until the next fetch
    pop : In(1), strobe while `row_valid`: the oldest row is done with
    empty : Out(1), no row waits, and none is coming
    """

    def __init__(self, design, *, rows, width, amount_bits):
        self.design, self.rows = design, rows
        array = design.array
        self._memory = Memory1R1W(rows * array.groups, width)
        row, group = address_width(array.rows), address_width(array.groups)
        self._entry_bits = address_width(rows)
        super().__init__(
            {
                "w_ready": Out(1),
                "w_valid": In(1),
                "w_row": In(row),
                "w_group": In(group),
                "w_word": In(width),
                "w_amount": In(amount_bits),
                "w_end": In(1),
                "w_drop": In(1),
                "row_valid": Out(1),
                "row": Out(row),
                "groups": Out(array.groups),
                "amount": Out(amount_bits),
                "fetch": In(1),
                "group": In(group),
                "word": Out(width),
                "pop": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        entries = {
            name: Array(Signal.like(getattr(self, name), name=f"{name}_{i}") for i in range(self.rows))
            for name in ("row", "groups", "amount")
        }
        tail, head = Signal(self._entry_bits), Signal(self._entry_bits)
        count = Signal(range(self.rows + 1))
        commit = self._coming(m, entries, tail)
        m.d.comb += [
            self.w_ready.eq(count != self.rows),
            self.row_valid.eq(count != 0),
            memory.W0_en.eq(self.w_valid),
            memory.W0_addr.eq(group_address(self.design.array, tail, self.w_group)),
            memory.W0_data.eq(self.w_word),
            memory.R0_en.eq(self.fetch),
            memory.R0_addr.eq(group_address(self.design.array, head, self.group)),
            self.word.eq(memory.R0_data),
        ]
        m.d.comb += [getattr(self, name).eq(values[head]) for name, values in entries.items()]
        m.d.sync += count.eq(count + commit - self.pop)
        with m.If(commit):
            m.d.sync += tail.eq(following_index(m, tail, self.rows))
        with m.If(self.pop):
            m.d.sync += head.eq(following_index(m, head, self.rows))
        return m

    def _coming(self, m, entries, tail):
        """The row that is coming: its groups, its sum; gives the strobe of its commit."""
        groups, amount = Signal.like(self.groups, name="coming_groups"), Signal.like(self.amount, name="coming_amount")
        row = Signal.like(self.row, name="coming_row")
        now_groups, now_amount = Signal.like(groups, name="now_groups"), Signal.like(amount, name="now_amount")
        commit = Signal()
        m.d.comb += [
            now_groups.eq(groups | Mux(self.w_valid, 1 << self.w_group, 0)),
            now_amount.eq(amount + Mux(self.w_valid, self.w_amount, 0)),
            commit.eq(self.w_end & (now_groups != 0)),
            self.empty.eq(~self.row_valid & (groups == 0)),
        ]
        m.d.sync += [
            groups.eq(Mux(self.w_end | self.w_drop, 0, now_groups)),
            amount.eq(Mux(self.w_end | self.w_drop, 0, now_amount)),
        ]
        with m.If(self.w_valid):
            m.d.sync += row.eq(self.w_row)
        with m.If(commit):
            m.d.sync += [
                entries["row"][tail].eq(Mux(self.w_valid, self.w_row, row)),
                entries["groups"][tail].eq(now_groups),
                entries["amount"][tail].eq(now_amount),
            ]
        return commit
