"""Transfer rows: tokens and words of the reads of the gradient array, put together into rows that may be visited.

Tokens wait in the order of their reads. The words of the oldest go into one half of a memory, each with the signs of
its columns; when the read ends well, the row waits with its token, and the next one fills the other half. A read that
ends badly leaves nothing: its token goes, and the next one overwrites its words.

A token is taken only where its row will find room, and a read is given to the array only behind its token. So words
never wait for a visit: the array gives them in order, and a row that waits for pulses whose command stands behind its
own read would wait for ever.
"""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_model.chopper import column_choppers

ROWS = 2
"""Rows under way, from token to visit: one is visited while the next is read."""
FIELDS = ("row", "sign", "flip", "warm")


def token_ports(design):
    """Payload of a token."""
    columns = {"k_columns": In(design.array.columns)} if column_choppers(design) != "none" else {}
    return {
        "k_row": In(address_width(design.array.rows)),
        "k_sign": In(1),
        **columns,
        "k_flip": In(1),
        "k_warm": In(1),
    }


class TransferRows(wiring.Component):
    """Members

    k_valid, k_ready : In, Out, a token; before its read is given to the array
    k_row, k_sign, k_columns, k_flip, k_warm : In, see `crosstrain_hdl.sweep`; k_columns with column choppers
    z_valid, z_ready, z_codes : In, Out, In, words [lanes * adc] of the oldest read that has not ended, groups ascending
    z_end : In(1), strobe: that read has ended, with its last word or later; once for every token
    z_good : In(1), with z_end: all its words came, and its status was good; otherwise it is dropped
    lost : Out(1), strobe: a read was dropped
    row_valid : Out(1), there is a row; row, sign, flip, warm : Out, of the oldest
    group, read : In, In(1): look at a group of the oldest row
    codes : Out(lanes * adc), one cycle after `read`, 0 in lanes beyond the last column; holds without
    columns : Out(lanes), with codes: signs of the columns; with column choppers
    release : In(1), strobe: the oldest row is done with
    empty : Out(1), no token and no row
    """

    def __init__(self, design):
        array = design.array
        self.design = design
        self._by_column = column_choppers(design) != "none"
        self._memory = Memory1R1W(ROWS * array.groups, array.lanes * (design.formats.adc + self._by_column))
        self._columns = Memory1R1W(ROWS, array.columns) if self._by_column else None
        super().__init__(
            {
                "k_valid": In(1),
                "k_ready": Out(1),
                **token_ports(design),
                "z_valid": In(1),
                "z_ready": Out(1),
                "z_codes": In(array.lanes * design.formats.adc),
                "z_end": In(1),
                "z_good": In(1),
                "lost": Out(1),
                "row_valid": Out(1),
                "row": Out(address_width(array.rows)),
                "sign": Out(1),
                "flip": Out(1),
                "warm": Out(1),
                "group": In(address_width(array.groups)),
                "read": In(1),
                "codes": Out(array.lanes * design.formats.adc),
                **({"columns": Out(array.lanes)} if self._by_column else {}),
                "release": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self._memory
        self._waiting = Signal(range(ROWS + 1))
        self._rows = Signal(range(ROWS + 1))
        self._end = Signal()  # of the oldest read
        commit = Signal()
        m.d.comb += [
            self._end.eq(self.z_end & (self._waiting != 0)),
            commit.eq(self._end & self.z_good),
            self.lost.eq(self._end & ~self.z_good),
            self.row_valid.eq(self._rows != 0),
            self.empty.eq((self._waiting == 0) & (self._rows == 0)),
        ]
        m.d.sync += self._rows.eq(self._rows + commit - self.release)
        token, known = self._tokens(m)
        slot = self._words(m, known, commit)
        self._kept(m, token, slot, commit)
        return m

    def _tokens(self, m):
        """The queue of tokens: the oldest, and whether its columns are there."""
        array = self.design.array
        first, free = Signal(range(ROWS)), Signal(range(ROWS))
        push = Signal()
        m.d.comb += [self.k_ready.eq(self._waiting + self._rows < ROWS), push.eq(self.k_valid & self.k_ready)]
        m.d.sync += self._waiting.eq(self._waiting + push - self._end)
        fields = [getattr(self, f"k_{name}") for name in FIELDS]
        entries = Array(Signal(sum(map(len, fields)), name=f"token_{i}") for i in range(ROWS))
        with m.If(push):
            m.d.sync += [entries[free].eq(Cat(fields)), free.eq(free + 1)]
        with m.If(self._end):
            m.d.sync += first.eq(first + 1)
        if self._columns is None:
            return entries[first], self._waiting != 0
        m.submodules.columns = memory = self._columns
        known = Signal()
        m.d.comb += [
            memory.W0_en.eq(push),
            memory.W0_addr.eq(free),
            memory.W0_data.eq(self.k_columns),
            memory.R0_en.eq((self._waiting != 0) & ~known),
            memory.R0_addr.eq(first),
        ]
        m.d.sync += known.eq((self._waiting != 0) & ~self._end)
        self._signs = Cat(memory.R0_data, Signal(array.groups * array.lanes - array.columns, name="spare"))
        return entries[first], known

    def _words(self, m, known, commit):
        """Words into the half that is free, or out of the other; gives the number of the half that fills."""
        array, memory = self.design.array, self._memory
        adc = self.design.formats.adc
        used = array.columns - (array.groups - 1) * array.lanes
        slot, position = Signal(), Signal(range(array.groups + 1))
        place = Signal(address_width(array.groups))
        take = Signal()
        codes = self.z_codes
        m.d.comb += [
            self.z_ready.eq(known),
            take.eq(self.z_valid & self.z_ready & (position != array.groups)),  # a word too many is lost
            place.eq(position),
        ]
        if used < array.lanes:
            codes = Cat(codes[: used * adc], Mux(position == array.groups - 1, 0, codes[used * adc :]))
        if self._by_column:
            codes = Cat(codes, self._signs.word_select(place, array.lanes))
        with m.If(take):
            m.d.sync += position.eq(position + 1)
        with m.If(self._end):
            m.d.sync += position.eq(0)
        with m.If(commit):
            m.d.sync += slot.eq(~slot)
        self._oldest = Signal(name="oldest")
        with m.If(self.release):
            m.d.sync += self._oldest.eq(~self._oldest)
        m.d.comb += [
            memory.W0_en.eq(take),
            memory.W0_addr.eq(self._address(slot, place)),
            memory.W0_data.eq(codes),
            memory.R0_en.eq(self.read),
            memory.R0_addr.eq(self._address(self._oldest, self.group)),
            self.codes.eq(memory.R0_data),
        ]
        if self._by_column:
            m.d.comb += self.columns.eq(memory.R0_data[array.lanes * adc :])
        return slot

    def _address(self, slot, group):
        """Word of a group in one of the two halves."""
        groups = self.design.array.groups
        if groups == 1:
            return slot
        if groups & (groups - 1) == 0:
            return Cat(group, slot)
        return group + Mux(slot, groups, 0)

    def _kept(self, m, token, slot, commit):
        """Tokens of the rows that wait."""
        kept = Array(Signal(len(token), name=f"kept_{i}") for i in range(ROWS))
        with m.If(commit):
            m.d.sync += kept[slot].eq(token)
        m.d.comb += Cat(getattr(self, name) for name in FIELDS).eq(kept[self._oldest])
