"""Rows of write-verify: flags and targets of the rows that wait and of the row under way, first in, first out.

As in `row_buffer`, words go into a memory one behind the other, and a row without any flag is overwritten by the next.
The oldest row stays until it is done with: its targets are read again and again.
"""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W
from crosstrain_hdl.row_buffer import following_index
from crosstrain_hdl.weight_copy import WeightCopy, target_bits
from crosstrain_model.port import row_bits
from crosstrain_model.pulse import row_buffers


class WriteVerifyRows(wiring.Component):
    """Members

    t_valid, t_row, t_flags, t_targets, t_last : In, words of a row, groups ascending, the last marked
    free : Out, rows that can still come, beside those that are between the accumulator and here
    row_valid, row : Out, there is a row, and the number of the oldest
    walk : In(1), strobe: the next step reads the first word of the oldest row
    step : In(1), read a word; the next step reads the next
    flags, targets : Out, the word, a cycle after its step
    release : In(1), strobe: the oldest row is done with

    Attributes
    ----------
    rows : rows that fit: those that the schedule may start, and those that it no longer counts but are not here yet
    """

    def __init__(self, design):
        array = design.array
        self._late = -(-WeightCopy.latency // array.groups)
        self.rows = row_buffers(design) + self._late
        self.groups, self.devices = array.groups, 2 * array.lanes
        bits = self.devices * target_bits(design)
        self._memory = Memory1R1W(self.rows * array.groups, self.devices + bits)
        super().__init__(
            {
                "t_valid": In(1),
                "t_row": In(row_bits(design)),
                "t_flags": In(self.devices),
                "t_targets": In(bits),
                "t_last": In(1),
                "free": Out(range(row_buffers(design) + 1)),
                "row_valid": Out(1),
                "row": Out(row_bits(design)),
                "walk": In(1),
                "step": In(1),
                "flags": Out(self.devices),
                "targets": Out(bits),
                "release": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        numbers = Array(Signal.like(self.row, name=f"row_{i}") for i in range(self.rows))
        commit = Signal()
        left = Signal(range(self.rows + 1), init=self.rows)
        self._write(m, memory, numbers, commit)
        self._read(m, memory, numbers)
        m.d.comb += [
            self.free.eq(Mux(left > self._late, left - self._late, 0)),
            self.row_valid.eq(left != self.rows),
        ]
        with m.If(commit & ~self.release):
            m.d.sync += left.eq(left - 1)
        with m.If(~commit & self.release):
            m.d.sync += left.eq(left + 1)
        return m

    def _write(self, m, memory, numbers, commit):
        address = Signal.like(memory.W0_addr, name="write_address")
        following = following_index(m, address, memory.depth)
        start = Signal.like(address, name="write_start")  # of the row that is coming
        entry = Signal(range(self.rows), name="write_entry")
        seen, flagged = Signal(), Signal()
        m.d.comb += [
            flagged.eq(seen | self.t_flags.any()),
            commit.eq(self.t_valid & self.t_last & flagged),
            memory.W0_en.eq(self.t_valid),
            memory.W0_addr.eq(address),
            memory.W0_data.eq(Cat(self.t_flags, self.t_targets)),
        ]
        with m.If(self.t_valid):
            m.d.sync += [seen.eq(flagged & ~self.t_last), address.eq(following)]
            with m.If(self.t_last & ~flagged):
                m.d.sync += address.eq(start)
        with m.If(commit):
            m.d.sync += [
                start.eq(following),
                numbers[entry].eq(self.t_row),
                entry.eq(following_index(m, entry, self.rows)),
            ]

    def _read(self, m, memory, numbers):
        address = Signal.like(memory.R0_addr, name="read_address")
        start = Signal.like(address, name="read_start")  # of the oldest row
        entry = Signal(range(self.rows), name="read_entry")
        last = Signal()
        m.d.comb += [
            last.eq(entry == self.rows - 1),
            memory.R0_en.eq(self.step),
            memory.R0_addr.eq(address),
            self.flags.eq(memory.R0_data[: self.devices]),
            self.targets.eq(memory.R0_data[self.devices :]),
            self.row.eq(numbers[entry]),
        ]
        with m.If(self.walk):
            m.d.sync += address.eq(start)
        with m.Elif(self.step):
            m.d.sync += address.eq(following_index(m, address, memory.depth))
        with m.If(self.release):
            m.d.sync += [start.eq(Mux(last, 0, start + self.groups)), entry.eq(following_index(m, entry, self.rows))]
