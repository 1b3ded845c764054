"""The controller of a tile of hybrid weights: update stream, L, carries, refresh, registers and streams, joined.

    s_axis -> frames -> update_stream -> round -> L -> row_queue -> turns -+-> pulse --+
                                                  |                        +-> refresh +-> command_switch -> sequencer
                                                  +-- array L ------------------------+    read_switch          |
                 frames -> read_switch -> sequencer -> read_switch -> results -> m_axis                         array
    s_axil -> axi_lite -> registers -> window -> memory_switch, station_window, hybrid_window

L is `hybrid_memory.HybridMemory` or `hybrid_cells.HybridCells`. Its digital rules are
`crosstrain_model.hybrid_controller`, its frames `crosstrain_model.frames`, its registers `crosstrain_model.registers`,
its array port `crosstrain_model.port`.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring

from crosstrain_hdl.axi_lite import AxiLite
from crosstrain_hdl.command_switch import CommandSwitch
from crosstrain_hdl.emit_platform import unit
from crosstrain_hdl.frames import Frames
from crosstrain_hdl.hybrid import HybridRound
from crosstrain_hdl.hybrid_cells import HybridCells
from crosstrain_hdl.hybrid_memory import HybridMemory
from crosstrain_hdl.hybrid_ports import pulse_settings
from crosstrain_hdl.hybrid_turns import HybridTurns
from crosstrain_hdl.hybrid_window import HybridWindow, hybrid_windows
from crosstrain_hdl.memory_switch import MemorySwitch
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.pulse_ledger import COUNTERS
from crosstrain_hdl.random_streams import RandomStream
from crosstrain_hdl.read_switch import ReadSwitch
from crosstrain_hdl.refresh import COUNTERS as REFRESH_COUNTERS
from crosstrain_hdl.refresh import Refresh, refresh_settings
from crosstrain_hdl.registers import Registers
from crosstrain_hdl.results import Results
from crosstrain_hdl.row_queue import RowQueue
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_hdl.station_window import StationWindow
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_hdl.top import connect, join, join_pins, join_windows, top_members
from crosstrain_hdl.update_stream import UpdateStream
from crosstrain_hdl.window import Window, windows
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS

QUEUED = 8
"""Rows of carries that wait."""
CELL_COUNTERS = {
    "l_reads": "reads",
    "l_sets": "set_commands",
    "l_resets": "reset_commands",
    "l_read_backs": "read_backs",
    "l_failed": "failed",
    "l_dropped": "dropped",
}
"""Register -> counter of `HybridCells`."""
COMMAND = ("valid", "ready", "row", "direction", "width", "amplitude", "pulses")
SLOT = ("valid", "ready", "columns", "last")
READ = ("valid", "ready", "op", "row", "tag", "groups")
WORDS = ("valid", "ready", "codes", "last")
RESULT = ("valid", "ready", "op", "tag", "status")
QUEUE = ("row_valid", "row", "groups", "fetch", "group", "word", "pop")


class HybridController(wiring.Component):
    """Members

    s_axil_* : AXI4-Lite slave, the registers
    irq : Out(1), level interrupt
    s_axis_* : AXI4-Stream slave, frames
    m_axis_* : AXI4-Stream master, result frames
    arr_* : the array port
    """

    def __init__(self, design):
        self.design = design
        self._binary = design.cells_array
        width = design.array.lanes * COUNT_BITS
        self._stations = {
            "axi_lite": AxiLite(),
            "registers": Registers(design),
            "window": Window(design),
            "memory_switch": MemorySwitch(design),
            "station_window": StationWindow(design),
            "hybrid_window": HybridWindow(design),
            "frames": Frames(design),
            "update_stream": UpdateStream(design),
            "rounding": RandomStream(design, "rounding"),
            "hybrid_round": HybridRound(design),
            **({"hybrid_cells": HybridCells(design)} if self._binary else {"hybrid_memory": HybridMemory(design)}),
            "row_queue": RowQueue(design, rows=QUEUED, width=width, amount_bits=1),
            "hybrid_turns": HybridTurns(design),
            "pulse": Pulse(design),
            "refresh": Refresh(design),
            "command_switch": CommandSwitch(design),
            "read_switch": ReadSwitch(design),
            "sequencer": Sequencer(design),
            "results": Results(design),
        }
        super().__init__(top_members(design))

    @property
    def words(self):
        """Memories in `amaranth.sim`, word row * groups + group: L, if it is one; counts of pulses, if there are."""
        return getattr(self._stations.get("hybrid_memory"), "words", None), self._stations["refresh"].words

    def elaborate(self, platform):
        m = Module()
        for name, station in self._stations.items():
            m.submodules[name] = unit(station, name)
        s = self._stations
        self._l = s["hybrid_cells" if self._binary else "hybrid_memory"]
        join_pins(m, self, *(s[name] for name in ("axi_lite", "frames", "results", "sequencer")))
        join(m, s["axi_lite"], s["registers"], "bus_")
        join(m, s["frames"], s["update_stream"], "u_", "p_")
        join(m, s["update_stream"], s["hybrid_round"], "v_")
        join(m, s["hybrid_round"], self._l, "r_")
        join(m, self._l, s["row_queue"], "w_")
        join(m, s["hybrid_round"], s["hybrid_turns"], "b_")
        join(m, s["hybrid_turns"], s["pulse"], "c_")
        self._carries(m, **s)
        self._commands(m, s)
        self._reads(m, **s)
        self._windows(m, **s)
        self._settings(m, s)
        self._status(m, **s)
        self._statistics(m, **s)
        return m

    def _carries(self, m, *, row_queue, hybrid_turns, pulse, refresh, **s):
        """From changes to turns of carries and refreshes."""
        update_stream, rounding, hybrid_round = s["update_stream"], s["rounding"], s["hybrid_round"]
        for name in QUEUE:
            one, other = getattr(row_queue, name), getattr(hybrid_turns, name)
            m.d.comb += one.eq(other) if name in ("fetch", "group", "pop") else other.eq(one)
        still = Signal()  # no visit is on its way to L, or at it: a batch ends behind its visits
        m.d.comb += [
            update_stream.drop.eq(s["frames"].drop),
            hybrid_round.word.eq(rounding.word),
            rounding.step.eq(hybrid_round.step),
            still.eq(~self._l.busy),
            hybrid_round.b_ready.eq(hybrid_turns.b_ready & still),
            hybrid_turns.b_valid.eq(hybrid_round.b_valid & still),
            row_queue.w_amount.eq(0),
            hybrid_turns.pulse_empty.eq(pulse.empty),
            hybrid_turns.pulse_taken.eq(pulse.t_valid & pulse.t_ready),
            hybrid_turns.pulses.eq(pulse.t_pulses),
            refresh.go.eq(hybrid_turns.go),
            refresh.row.eq(hybrid_turns.refresh_row),
            hybrid_turns.rest.eq(refresh.rest),
        ]
        if not self._binary:
            m.d.comb += row_queue.w_drop.eq(0)

    def _commands(self, m, s):
        """Pulse commands and their slots, from three stations to the sequencer."""
        switch, sequencer = s["command_switch"], s["sequencer"]
        owners = {"pulse": "t_", "refresh": "p_"} | ({"cells": "p_"} if self._binary else {})
        for name, prefix in owners.items():
            station = self._l if name == "cells" else s[name]
            connect(m, station, prefix, switch, f"{name}_", COMMAND)
            connect(m, station, "slot_", switch, f"{name}_slot_", SLOT)
            m.d.comb += [
                station.over.eq(getattr(switch, f"{name}_over")),
                station.cancel.eq(sequencer.cancel),
                getattr(switch, f"{name}_pacing").eq(station.pacing),
            ]
        join(m, switch, sequencer, "t_", "slot_")
        m.d.comb += [
            switch.over.eq(sequencer.over),
            switch.cancel.eq(sequencer.cancel),
            s["hybrid_turns"].cancel.eq(sequencer.cancel),
            sequencer.pacing.eq(switch.pacing),
            sequencer.pulse_empty.eq(s["pulse"].empty & s["refresh"].rest),
            sequencer.in_pass.eq(~s["hybrid_turns"].idle),
        ]

    def _reads(self, m, *, frames, refresh, read_switch, sequencer, results, **_):
        """Reads of the host, of a refresh, and of array L, and their words."""
        join(m, frames, read_switch, "h_")
        join(m, refresh, read_switch, "q_", "qa_", "qr_")
        join(m, read_switch, results, "adc_", "r_")
        connect(m, read_switch, "s_", sequencer, "h_", READ)
        connect(m, sequencer, "adc_", read_switch, "sa_", WORDS)
        connect(m, sequencer, "r_", read_switch, "sr_", RESULT)
        if self._binary:
            connect(m, self._l, "q_", read_switch, "k_", ("valid", "ready", "row", "groups"))
            connect(m, self._l, "qa_", read_switch, "ka_", ("valid", "ready", "cells"))
            connect(m, self._l, "qr_", read_switch, "kr_", ("valid", "ready", "status"))
            m.d.comb += sequencer.h_cells.eq(read_switch.s_cells)
        join(m, frames, sequencer, "dac_")

    def _windows(self, m, *, registers, window, memory_switch, station_window, hybrid_window, **s):
        """Windows of the register bank, and the visits behind MEM_DATA."""
        rounding, hybrid_round = s["rounding"], s["hybrid_round"]
        join(m, window, memory_switch, "m_")
        join(m, memory_switch, window, "r_")
        connect(m, memory_switch, "l_", self._l, "m_", ("valid", "ready", "data"))
        connect(m, window, "m_", self._l, "m_", ("write", "row", "group"))
        connect(m, self._l, "l_", memory_switch, "l_r_", ("valid", "data"))
        refresh, visiting = s["refresh"], self._l.visiting if self._binary else 0
        m.d.comb += [
            hybrid_round.hold.eq(window.m_hold),
            window.visiting.eq(visiting),
            window.disturbed.eq(hybrid_round.busy | refresh.busy | (self._l.busy & ~window.m_hold)),
            rounding.load.eq(station_window.rounding_load),
            rounding.load_index.eq(station_window.load_index),
            rounding.load_data.eq(station_window.load_data),
            station_window.rounding_state.eq(rounding.state),
        ]
        if self.design.verify.cell_bits:
            connect(m, memory_switch, "cells_", refresh, "w_", ("valid", "ready", "data"))
            connect(m, window, "m_", refresh, "w_", ("write", "row", "group"))
            connect(m, refresh, "r_", memory_switch, "cells_r_", ("valid", "data"))
        join(m, hybrid_window, s["hybrid_turns"], "put")
        join(m, s["hybrid_turns"], hybrid_window, "since", "place", "refreshed_last")
        if self._binary:
            join(m, hybrid_window, self._l, "x_", "y_")
        join_windows(m, registers, window, windows(self.design))
        join_windows(m, registers, station_window, ("stream_index", "stream_data"))
        join_windows(m, registers, hybrid_window, hybrid_windows(self.design))

    def _settings(self, m, s):
        """Registers and commands to where they act."""
        registers, sequencer = s["registers"], s["sequencer"]
        clear_counters = registers.command_clear_counters
        readers = {"pulse": pulse_settings(), "refresh": refresh_settings(self.design)}
        readers |= {"hybrid_cells": pulse_settings()} if self._binary else {}
        for station, names in readers.items():
            m.d.comb += [getattr(s[station], name).eq(getattr(registers, name)) for name in names]
        m.d.comb += [
            s["hybrid_turns"].refresh_every.eq(registers.refresh_every),
            s["hybrid_turns"].clear.eq(registers.command_clear),
            self._l.clear.eq(registers.command_clear),
            s["frames"].cancel.eq(registers.command_abort),
            sequencer.host_abort.eq(registers.command_abort),
            sequencer.clear_counters.eq(clear_counters),
            sequencer.program_enable.eq(registers.control_program),
            sequencer.timeout.eq(registers.timeout),
        ]
        counting = ["hybrid_round", "hybrid_turns", "refresh", *(["hybrid_cells"] if self._binary else [])]
        m.d.comb += [s[name].count_clear.eq(clear_counters) for name in counting]

    def _status(self, m, *, registers, frames, update_stream, hybrid_turns, refresh, pulse, sequencer, results, **rest):
        """STATUS, the events of IRQ_STATUS, and the interrupt."""
        quiet, idle = Signal(), Signal()  # nothing is under way that could still reach an array
        working = update_stream.busy | rest["hybrid_round"].busy | self._l.busy | ~rest["row_queue"].empty
        pairs_busy = ~hybrid_turns.idle | ~pulse.empty | refresh.busy
        m.d.comb += [
            self.irq.eq(registers.irq),
            quiet.eq(~(working | pairs_busy)),
            frames.quiet.eq(quiet),
            idle.eq(quiet & ~frames.busy & ~sequencer.busy & ~results.busy),
            registers.idle.eq(idle),
            registers.status_idle.eq(idle),
            registers.status_clearing.eq(self._l.clearing),
            registers.status_array_ready.eq(sequencer.ready),
            registers.status_in_pass.eq(hybrid_turns.due != 0),
            registers.status_half_vector.eq(frames.half),
            registers.status_array_busy.eq(sequencer.busy | pairs_busy),
            registers.irq_status_frame_error.eq(frames.frame_error | update_stream.frame_error),
            registers.irq_status_clipped.eq(self._l.clip_valid),
            registers.irq_status_gave_up.eq(refresh.gave_up_event),
            registers.irq_status_array_error.eq(sequencer.array_error),
            registers.irq_status_timeout.eq(sequencer.timed_out),
            registers.irq_status_interlock.eq(sequencer.interlock),
            registers.irq_status_refresh_done.eq(hybrid_turns.refresh_done),
            registers.irq_status_stray.eq(sequencer.strayed),
            registers.irq_status_cell_failed.eq(self._l.failed_event if self._binary else 0),
        ]
        m.d.sync += [
            registers.status_prog_enable.eq(self.arr_prog_enable),
            registers.status_rails_ok.eq(self.arr_rails_ok),
        ]

    def _statistics(self, m, *, registers, update_stream, hybrid_round, hybrid_turns, refresh, sequencer, **_):
        """Counters."""
        clear = registers.command_clear_counters
        counted = (
            (registers.clipped, self._l.clip_valid, self._l.clip_count),
            (registers.wrong, update_stream.wrong_beat, 1),
        )
        for counter, counts, amount in counted:
            with m.If(counts | clear):
                m.d.sync += counter.eq(Mux(clear, 0, counter + amount))
        owners = (
            (sequencer, COUNTERS),
            (hybrid_round, ("vectors", "visits")),
            (hybrid_turns, ("carry_rows", "carry_pulses")),
            (refresh, (*REFRESH_COUNTERS, *VERIFY_COUNTERS)),
        )
        for owner, names in owners:
            m.d.comb += [getattr(registers, name).eq(getattr(owner, name)) for name in names]
        if self._binary:
            m.d.comb += [getattr(registers, name).eq(getattr(self._l, own)) for name, own in CELL_COUNTERS.items()]
