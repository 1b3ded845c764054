"""Hybrid window: what a host reads and writes of the refresh's state, and the counts of pulses of array L.

An index of a device column of L is taken apart into group, lane and bit by subtraction, once when it is written; after
that it is counted on. All of it waits for STATUS.idle, as windows do.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid_ports import wear_members
from crosstrain_hdl.hybrid_turns import SINCE_BITS
from crosstrain_model.port import row_bits

PLACE_LOW, LAST_LOW = 16, 31
"""Where `place` and `refreshed_last` are in REFRESH_STATE."""


def hybrid_windows(design):
    """Names of the registers that are windows here, in lower case."""
    return ("refresh_state", *(("wear_select", "wear_index", "wear_data") if design.cells_array else ()))


class HybridWindow(wiring.Component):
    """Members

    <window>, <window>_read, <window>_write, <window>_ready, <window>_error, write_data : see `registers.Registers`,
        for each of `hybrid_windows(design)`
    since, place, refreshed_last, put, put_* : of `hybrid_turns.HybridTurns`
    x_*, y_* : of `hybrid_cells.HybridCells`, where binary devices hold L
    """

    def __init__(self, design):
        self.design = design
        ports = {}
        for name in hybrid_windows(design):
            ports |= {name: Out(32), f"{name}_read": In(1), f"{name}_write": In(1)}
            ports |= {f"{name}_ready": Out(1), f"{name}_error": Out(1)}
        state = {"since": SINCE_BITS, "place": row_bits(design), "refreshed_last": 1}
        wear = wear_members(design) if design.cells_array else {}
        super().__init__(
            {
                **ports,
                "write_data": In(32),
                **{name: In(bits) for name, bits in state.items()},
                "put": Out(1),
                **{f"put_{name}": Out(bits) for name, bits in state.items()},
                **{name: member.flip() for name, member in wear.items()},
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = self.write_data
        between = Const(0, LAST_LOW - PLACE_LOW - len(self.place))
        m.d.comb += [
            self.refresh_state.eq(Cat(self.since, self.place, between, self.refreshed_last)),
            self.refresh_state_ready.eq(1),
            self.put.eq(self.refresh_state_write),
            self.put_since.eq(word),
            self.put_place.eq(word[PLACE_LOW:]),
            self.put_refreshed_last.eq(word[LAST_LOW]),
        ]
        if self.design.cells_array:
            self._wear(m)
        return m

    def _wear(self, m):
        """WEAR_SELECT, WEAR_INDEX, WEAR_DATA."""
        array, bits = self.design.array, self.design.hybrid.bits
        columns, select = array.columns * bits, Signal(2)
        index = Signal(range(max(columns, array.rows, 2)))
        last = Signal()
        m.d.comb += [
            self.wear_select.eq(select),
            self.wear_select_ready.eq(1),
            self.wear_index.eq(index),
            self.wear_index_error.eq(self.wear_index_write & (self.write_data >= Mux(select[1], array.rows, columns))),
            self.wear_data.eq(Mux(select[0], self.y_resets, self.y_sets)),
            self.wear_data_error.eq(self.wear_data_write),
            last.eq(index == Mux(select[1], array.rows, columns) - 1),
            self.x_of_row.eq(select[1]),
            self.x_row.eq(index),
        ]
        with m.If(self.wear_select_write):
            m.d.sync += [select.eq(self.write_data), index.eq(0)]
            m.d.sync += [self.x_group.eq(0), self.x_lane.eq(0), self.x_bit.eq(0)]
        rest = Signal.like(index)
        with m.FSM(name="state"):
            with m.State("REST"):
                m.d.comb += self.wear_data_ready.eq(self.wear_data_write)
                with m.If(self.wear_index_write & self.wear_index_error):
                    m.d.comb += self.wear_index_ready.eq(1)
                with m.Elif(self.wear_index_write):
                    m.d.sync += [index.eq(self.write_data), rest.eq(self.write_data)]
                    m.d.sync += [self.x_group.eq(0), self.x_lane.eq(0)]
                    m.next = "SPLIT"
                with m.Elif(self.wear_data_read):
                    m.next = "ASK"
                with m.Else():
                    m.d.comb += self.wear_index_ready.eq(1)
            with m.State("SPLIT"):
                with m.If(rest >= array.lanes * bits):
                    m.d.sync += [rest.eq(rest - array.lanes * bits), self.x_group.eq(self.x_group + 1)]
                with m.Elif(rest >= bits):
                    m.d.sync += [rest.eq(rest - bits), self.x_lane.eq(self.x_lane + 1)]
                with m.Else():
                    m.d.sync += self.x_bit.eq(rest)
                    m.d.comb += self.wear_index_ready.eq(1)
                    m.next = "REST"
            with m.State("ASK"):
                m.d.comb += self.x_valid.eq(1)
                with m.If(self.x_ready):
                    m.next = "COME"
            with m.State("COME"), m.If(self.y_valid):
                m.d.comb += self.wear_data_ready.eq(1)
                self._advance(m, index, last)
                m.next = "REST"

    def _advance(self, m, index, last):
        """The next column or row, and the first behind the last."""
        array, bits = self.design.array, self.design.hybrid.bits
        with m.If(last):
            m.d.sync += [index.eq(0), self.x_group.eq(0), self.x_lane.eq(0), self.x_bit.eq(0)]
        with m.Else():
            m.d.sync += index.eq(index + 1)
            with m.If(self.x_bit == bits - 1):
                m.d.sync += [self.x_bit.eq(0), self.x_lane.eq(self.x_lane + 1)]
                with m.If(self.x_lane == array.lanes - 1):
                    m.d.sync += [self.x_lane.eq(0), self.x_group.eq(self.x_group + 1)]
            with m.Else():
                m.d.sync += self.x_bit.eq(self.x_bit + 1)
