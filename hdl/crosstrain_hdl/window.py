"""Window: what a host reads and writes of the accumulators, and of the pass schedule's state, cell by cell.

An access to MEM_DATA goes through the accumulator's pipeline: the group is read once and kept while MEM_DATA walks
along it, a written cell is put into it and the group is written back. Vectors stand still meanwhile (`m_hold`). The
access ends when the pipeline is empty again, so that the next one finds STATUS.idle as it was.
"""

import enum

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_model import registers_gradient, registers_verify
from crosstrain_model.cost import window_cells
from crosstrain_model.registers import touched_words


def windows(design):
    """Names of the registers that are windows here, in lower case."""
    schedule = () if design.pulsed or design.carried else ("vectors_since_pass", "touched_index", "touched_data")
    return (*schedule, "mem_address", "mem_data", *(("mem_select",) if has_select(design) else ()))


def has_select(design):
    """Whether there are several memories behind the window."""
    return len(window_cells(design)) > 1


def cell_width(design):
    """Bits of a cell in m_data and r_data."""
    if design.verified or design.carried:
        return registers_verify.cell_bits(design)
    return registers_gradient.cell_bits(design) if design.transfers else design.formats.accumulator


def _schedule_members(design):
    """Members towards the schedule of program passes."""
    return {
        "since_pass": In(16),
        "since_write": Out(1),
        "since_data": Out(16),
        "touched_number": Out(address_width(touched_words(design))),
        "touched": In(32),
        "touched_put": Out(1),
        "touched_bits": Out(32),
    }


def walk(m, index, last, *, advance, set_by, to):
    """The index of a window of several words: set by the host, advanced by every access to the data, 0 after `last`."""
    with m.If(set_by | advance):
        m.d.sync += index.eq(Mux(advance, Mux(index == last, 0, index + 1), to))


class State(enum.IntEnum):
    """Where in an access to MEM_DATA we are."""

    REST = 0
    FETCH = 1
    ARRIVE = 2
    WRITE = 3
    SETTLE = 4
    GIVE = 5


class Window(wiring.Component):
    """Members

    <window>, <window>_read, <window>_write, <window>_ready, <window>_error, write_data : see `registers.Registers`,
        for each of `windows(design)`
    since_pass, since_write, since_data : the schedule's count
    touched_number, touched, touched_put, touched_bits : its touched bits, one word of 32 (not with pulse trains)
    m_select : Out(2), only where there are several memories: which one
    m_* : its host visits; r_valid, r_data : what a read visit brings
    visiting : In(1), a visit is in the accumulator's pipeline
    disturbed : In(1), other visits than the host's are going on
    """

    def __init__(self, design):
        self.design = design
        array, word = design.array, design.array.lanes * cell_width(design)
        ports = {}
        for name in windows(design):
            ports |= {name: Out(32), f"{name}_read": In(1), f"{name}_write": In(1)}
            ports |= {f"{name}_ready": Out(1), f"{name}_error": Out(1)}
        super().__init__(
            {
                **ports,
                "write_data": In(32),
                **(_schedule_members(design) if "touched_data" in windows(design) else {}),
                **({"m_select": Out(2)} if has_select(design) else {}),
                "m_hold": Out(1),
                "m_valid": Out(1),
                "m_ready": In(1),
                "m_write": Out(1),
                "m_row": Out(address_width(array.rows)),
                "m_group": Out(address_width(array.groups)),
                "m_data": Out(word),
                "r_valid": In(1),
                "r_data": In(word),
                "visiting": In(1),
                "disturbed": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._select = 0
        if "touched_data" in windows(self.design):
            self._state_words(m)
        if has_select(self.design):
            self._memory(m)
        self._address(m)
        self._data(m)
        return m

    def _state_words(self, m):
        """since_pass and touched bits: answered at once."""
        last = touched_words(self.design) - 1
        m.d.comb += [
            self.vectors_since_pass.eq(self.since_pass),
            self.vectors_since_pass_ready.eq(1),
            self.since_write.eq(self.vectors_since_pass_write),
            self.since_data.eq(self.write_data),
            self.touched_index.eq(self.touched_number),
            self.touched_index_ready.eq(1),
            self.touched_data.eq(self.touched),
            self.touched_data_ready.eq(1),
            self.touched_put.eq(self.touched_data_write),
            self.touched_bits.eq(self.write_data),
        ]
        advance = self.touched_data_read | self.touched_data_write
        walk(m, self.touched_number, last, advance=advance, set_by=self.touched_index_write, to=self.write_data)

    def _memory(self, m):
        """MEM_SELECT."""
        self._select = self.mem_select_write
        m.d.comb += [self.mem_select.eq(self.m_select), self.mem_select_ready.eq(1)]
        with m.If(self.mem_select_write):
            m.d.sync += self.m_select.eq(self.write_data)

    def _address(self, m):
        """MEM_ADDRESS: written, or advanced by MEM_DATA."""
        array = self.design.array
        used = array.columns - (array.groups - 1) * array.lanes  # lanes of the last group
        self._lane, self._advance = Signal(address_width(array.lanes)), Signal()
        self._last_lane = Signal()
        lane, group = self.write_data[:8], self.write_data[8:20]
        last_group = self.m_group == array.groups - 1
        m.d.comb += [
            self._last_lane.eq(self._lane == Mux(last_group, used - 1, array.lanes - 1)),
            self.mem_address[:8].eq(self._lane),
            self.mem_address[8:20].eq(self.m_group),
            self.mem_address[20:].eq(self.m_row),
            self.mem_address_ready.eq(1),
            self.mem_address_error.eq(self.mem_address_write & (group == array.groups - 1) & (lane >= used)),
        ]
        with m.If(self.mem_address_write & ~self.mem_address_error):
            m.d.sync += [self._lane.eq(lane), self.m_group.eq(group), self.m_row.eq(self.write_data[20:])]
        with m.If(self._advance):
            m.d.sync += self._lane.eq(Mux(self._last_lane, 0, self._lane + 1))
            with m.If(self._last_lane):
                m.d.sync += self.m_group.eq(Mux(last_group, 0, self.m_group + 1))
                with m.If(last_group):
                    m.d.sync += self.m_row.eq(Mux(self.m_row == array.rows - 1, 0, self.m_row + 1))

    def _data(self, m):
        """MEM_DATA: fetch the group unless it is here, then give a cell, or put one in and write the group."""
        width = cell_width(self.design)
        state, here = Signal(State, init=State.REST), Signal()
        cell = Signal(width)
        put, arrives = Signal(), Signal()
        cells = [self.m_data.word_select(lane, width) for lane in range(self.design.array.lanes)]
        changed = Cat(Mux(self._lane == lane, self.write_data[:width], old) for lane, old in enumerate(cells))
        with m.If(put | arrives):
            m.d.sync += self.m_data.eq(Mux(arrives, self.r_data, changed))
        wanted = self.mem_data_read | self.mem_data_write
        m.d.comb += [
            self.mem_data.eq(cell.as_signed()),
            self.m_hold.eq(wanted | (state != State.REST)),
            self.m_write.eq(state == State.WRITE),
        ]
        with m.Switch(state):
            with m.Case(State.REST):
                with m.If(wanted & ~here):
                    m.d.sync += state.eq(State.FETCH)
                with m.Elif(self.mem_data_read):
                    m.d.sync += [cell.eq(self.m_data.word_select(self._lane, width)), state.eq(State.GIVE)]
                with m.Elif(self.mem_data_write):
                    m.d.comb += put.eq(1)
                    m.d.sync += state.eq(State.WRITE)
            with m.Case(State.FETCH):
                m.d.comb += self.m_valid.eq(1)
                with m.If(self.m_ready):
                    m.d.sync += state.eq(State.ARRIVE)
            with m.Case(State.ARRIVE):
                m.d.comb += arrives.eq(self.r_valid)
                with m.If(~self.visiting):
                    m.d.sync += state.eq(State.REST)
            with m.Case(State.WRITE):
                m.d.comb += self.m_valid.eq(1)
                with m.If(self.m_ready):
                    m.d.sync += state.eq(State.SETTLE)
            with m.Case(State.GIVE):
                m.d.comb += [self.mem_data_ready.eq(1), self._advance.eq(1)]
                m.d.sync += state.eq(State.REST)
            with m.Case(State.SETTLE), m.If(~self.visiting):
                m.d.comb += [self.mem_data_ready.eq(1), self._advance.eq(1)]
                m.d.sync += state.eq(State.REST)
        moved = self.disturbed | self.mem_address_write | self._select | (self._advance & self._last_lane)
        with m.If(moved):
            m.d.sync += here.eq(0)
        with m.Elif(arrives):
            m.d.sync += here.eq(1)
