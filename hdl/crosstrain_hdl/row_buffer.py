"""Row buffer: rows of pulse counts between the accumulator and the array, first in, first out.

Words go into a memory one behind the other. A row without any pulse is taken back when its last word shows that: the
next row overwrites it. So a pass over rows with nothing to program never waits for the array.
"""

from amaranth import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import row_bits
from crosstrain_model.pulse import row_buffers


class RowBuffer(wiring.Component):
    """Members

    c_valid, c_row, c_counts, c_last : In, counts of a row, lanes * 5 bits signed, groups ascending, the last marked
    free : Out, rows that can still come; a row is counted from its last word on
    row_valid, row : Out, there is a row, and the number of the oldest
    load : In(1), strobe while row_valid: read the words of the oldest row; it may be read again when that is done
    release : In(1), strobe: the oldest row is done with
    word_valid, word, word_last : Out, lanes * bits signed counts, a word a cycle, groups ascending

    Attributes
    ----------
    rows : rows that fit
    bits : bits of a stored count, as few as max_pulses needs
    latency : cycles from load to the first word, 2
    """

    latency = 2

    def __init__(self, design):
        array = design.array
        self.rows = row_buffers(design)
        self.bits = design.update.max_pulses.bit_length() + 1
        self.lanes, self.groups = array.lanes, array.groups
        self._memory = Memory1R1W(self.rows * array.groups, array.lanes * self.bits)
        super().__init__(
            {
                "c_valid": In(1),
                "c_row": In(row_bits(design)),
                "c_counts": In(array.lanes * COUNT_BITS),
                "c_last": In(1),
                "free": Out(range(self.rows + 1), init=self.rows),
                "row_valid": Out(1),
                "row": Out(row_bits(design)),
                "load": In(1),
                "release": In(1),
                "word_valid": Out(1),
                "word": Out(array.lanes * self.bits),
                "word_last": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self._memory
        self._numbers = Array(Signal.like(self.row, name=f"row_{i}") for i in range(self.rows))
        self._commit = Signal()
        self._write(m)
        self._read(m)
        m.d.comb += self.row_valid.eq(self.free != self.rows)
        with m.If(self._commit & ~self.release):
            m.d.sync += self.free.eq(self.free - 1)
        with m.If(~self._commit & self.release):
            m.d.sync += self.free.eq(self.free + 1)
        return m

    def _write(self, m):
        address = Signal.like(self._memory.W0_addr, name="write_address")
        following = following_index(m, address, self._memory.depth)
        start = Signal.like(address, name="write_start")  # of the row that is coming
        entry = Signal(range(self.rows), name="write_entry")
        seen = Signal()
        pulses = Signal()
        counts = [self.c_counts.word_select(lane, COUNT_BITS) for lane in range(self.lanes)]
        m.d.comb += [
            pulses.eq(seen | self.c_counts.any()),
            self._commit.eq(self.c_valid & self.c_last & pulses),
            self._memory.W0_en.eq(self.c_valid),
            self._memory.W0_addr.eq(address),
            self._memory.W0_data.eq(Cat(count[: self.bits] for count in counts)),
        ]
        with m.If(self.c_valid):
            m.d.sync += [seen.eq(pulses & ~self.c_last), address.eq(following)]
            with m.If(self.c_last & ~pulses):
                m.d.sync += address.eq(start)
        with m.If(self._commit):
            m.d.sync += [
                start.eq(following),
                self._numbers[entry].eq(self.c_row),
                entry.eq(following_index(m, entry, self.rows)),
            ]

    def _read(self, m):
        address = Signal.like(self._memory.R0_addr, name="read_address")
        start = Signal.like(address, name="read_start")  # of the oldest row
        entry = Signal(range(self.rows), name="read_entry")
        group = Signal(range(self.groups))
        loading = Signal()
        last = Signal()
        m.d.comb += [
            last.eq(group == self.groups - 1),
            self._memory.R0_en.eq(loading),
            self._memory.R0_addr.eq(address),
            self.word.eq(self._memory.R0_data),
            self.row.eq(self._numbers[entry]),
        ]
        m.d.sync += [self.word_valid.eq(loading), self.word_last.eq(loading & last)]
        with m.If(self.load):
            m.d.sync += [loading.eq(1), address.eq(start), group.eq(0)]
        with m.Elif(loading):
            m.d.sync += [address.eq(following_index(m, address, self._memory.depth)), group.eq(group + 1)]
            with m.If(last):
                m.d.sync += loading.eq(0)
        with m.If(self.release):  # the row was read to its end: the address stands behind it
            m.d.sync += [start.eq(address), entry.eq(following_index(m, entry, self.rows))]


def following_index(m, index, length):
    """index + 1, back to 0 after length - 1."""
    following = Signal.like(index, name=f"{index.name}_following")
    m.d.comb += following.eq(index + 1)
    if length & (length - 1):
        with m.If(index == length - 1):
            m.d.comb += following.eq(0)
    return following
