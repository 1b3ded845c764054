"""The controller of one tile: both engines, the registers and the streams, joined. The top of the generated Verilog.

    s_axis -> frames -> outer_product -> schedule -> accumulator -> pulse -> sequencer -> array
    s_axil -> axi_lite -> registers -> window         frames -> reads -> sequencer -> results -> m_axis

Its digital rules are `crosstrain_model.controller`, its frames `crosstrain_model.frames`, its registers
`crosstrain_model.registers`, its array port `crosstrain_model.port`.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring

from crosstrain_hdl.accumulator import Accumulator
from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_hdl.axi_lite import AxiLite
from crosstrain_hdl.emit_platform import unit
from crosstrain_hdl.frames import Frames
from crosstrain_hdl.outer_product import OuterProduct
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.pulse_ledger import COUNTERS
from crosstrain_hdl.registers import Registers
from crosstrain_hdl.results import Results
from crosstrain_hdl.schedule import Schedule
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_hdl.top import join, join_pins, join_totals, join_windows, top_members
from crosstrain_hdl.window import Window, windows


class Controller(wiring.Component):
    """Members

    s_axil_* : AXI4-Lite slave, the registers
    irq : Out(1), level interrupt
    s_axis_* : AXI4-Stream slave, frames
    m_axis_* : AXI4-Stream master, result frames
    arr_* : the array port
    """

    def __init__(self, design):
        self.design = design
        self._stations = {
            "axi_lite": AxiLite(),
            "registers": Registers(design),
            "window": Window(design),
            "frames": Frames(design),
            "outer_product": OuterProduct(design),
            "schedule": Schedule(design),
            "accumulator": Accumulator(design),
            "pulse": Pulse(design),
            "sequencer": Sequencer(design),
            "results": Results(design),
        }
        super().__init__(top_members(design))

    @property
    def words(self):
        """The accumulator memory in `amaranth.sim`, word row * groups + group."""
        return self._stations["accumulator"].words

    def elaborate(self, platform):
        m = Module()
        for name, station in self._stations.items():
            m.submodules[name] = unit(station, name)
        s = self._stations
        join_pins(m, self, *(s[name] for name in ("axi_lite", "frames", "results", "sequencer")))
        join(m, s["axi_lite"], s["registers"], "bus_")
        join(m, s["frames"], s["outer_product"], "w_", "commit_")
        join(m, s["outer_product"], s["schedule"], "v_")
        join(m, s["schedule"], s["accumulator"], "a_")
        join(m, s["accumulator"], s["pulse"], "c_")
        join(m, s["pulse"], s["sequencer"], "t_", "slot_")
        join(m, s["frames"], s["sequencer"], "h_", "dac_")
        join(m, s["sequencer"], s["results"], "adc_", "r_")
        join(m, s["window"], s["schedule"], "m_", "since_")
        join(m, s["accumulator"], s["window"], "r_")
        m.d.comb += self.irq.eq(s["registers"].irq)
        self._stations_beside(m, **s)
        self._windows(m, s["registers"], s["window"], s["schedule"])
        self._settings(m, **s)
        self._status(m, **s)
        self._statistics(m, **s)
        return m

    def _stations_beside(self, m, *, frames, outer_product, schedule, accumulator, pulse, sequencer, window, **_):
        """What passes between stations beside their streams."""
        self._quiet = Signal()  # nothing is under way that could still reach the array
        m.d.comb += [
            outer_product.drop.eq(frames.drop),
            schedule.pulse_free.eq(pulse.pulse_free),
            schedule.left_valid.eq(accumulator.c_valid),
            schedule.left_row.eq(accumulator.c_row),
            schedule.left.eq(accumulator.c_left),
            schedule.left_last.eq(accumulator.c_last),
            pulse.over.eq(sequencer.over),
            pulse.cancel.eq(sequencer.cancel),
            sequencer.pacing.eq(pulse.pacing),
            sequencer.pulse_empty.eq(pulse.empty),
            sequencer.in_pass.eq(schedule.in_pass),
            window.visiting.eq(accumulator.busy),
            window.disturbed.eq(schedule.a_valid & ~window.m_hold),
            self._quiet.eq(~outer_product.busy & schedule.idle & ~accumulator.busy & pulse.empty),
            frames.quiet.eq(self._quiet),
        ]

    def _windows(self, m, registers, window, schedule):
        m.d.comb += [
            schedule.touched_index.eq(window.touched_number),
            schedule.touched_write.eq(window.touched_put),
            schedule.touched_data.eq(window.touched_bits),
            window.touched.eq(schedule.touched),
        ]
        join_windows(m, registers, window, windows(self.design))

    def _settings(self, m, *, registers, frames, outer_product, schedule, accumulator, pulse, sequencer, **_):
        """Registers and commands to where they act."""
        m.d.comb += [
            accumulator.theta.eq(registers.threshold),
            outer_product.shift.eq(registers.shift),
            schedule.program_every.eq(registers.program_every),
            schedule.touch_all.eq(registers.threshold_written),
            schedule.clear.eq(registers.command_clear),
            schedule.count_clear.eq(registers.command_clear_counters),
            schedule.cancel.eq(registers.command_abort | sequencer.cancel),
            frames.cancel.eq(registers.command_abort),
            sequencer.host_abort.eq(registers.command_abort),
            sequencer.clear_counters.eq(registers.command_clear_counters),
            sequencer.program_enable.eq(registers.control_program),
            sequencer.timeout.eq(registers.timeout),
        ]
        for name in ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset"):
            m.d.comb += getattr(pulse, name).eq(getattr(registers, name))

    def _status(self, m, *, registers, frames, schedule, accumulator, outer_product, pulse, sequencer, results, **_):
        """STATUS and the events of IRQ_STATUS."""
        idle, pass_ended = Signal(), Signal()  # a pass has ended, its commands perhaps not
        array_busy = sequencer.busy | ~pulse.empty
        m.d.comb += [
            idle.eq(self._quiet & ~frames.busy & ~sequencer.busy & ~results.busy),
            registers.idle.eq(idle),
            registers.status_idle.eq(idle),
            registers.status_clearing.eq(schedule.clearing),
            registers.status_array_ready.eq(sequencer.ready),
            registers.status_in_pass.eq(schedule.in_pass),
            registers.status_half_vector.eq(frames.half),
            registers.status_array_busy.eq(array_busy),
            registers.irq_status_frame_error.eq(frames.frame_error),
            registers.irq_status_clipped.eq(accumulator.clip_valid),
            registers.irq_status_term_clipped.eq(outer_product.term_clipped),
            registers.irq_status_array_error.eq(sequencer.array_error),
            registers.irq_status_timeout.eq(sequencer.timed_out),
            registers.irq_status_interlock.eq(sequencer.interlock),
            registers.irq_status_pass_done.eq(pass_ended & ~array_busy),
            registers.irq_status_stray.eq(sequencer.strayed),
        ]
        m.d.sync += [
            pass_ended.eq(schedule.pass_ended | (pass_ended & array_busy)),
            registers.status_prog_enable.eq(self.arr_prog_enable),
            registers.status_rails_ok.eq(self.arr_rails_ok),
        ]

    def _statistics(self, m, *, registers, schedule, accumulator, sequencer, **_):
        """Counters and totals."""
        clear = registers.command_clear_counters
        with m.If(accumulator.clip_valid | clear):
            m.d.sync += registers.clipped.eq(Mux(clear, 0, registers.clipped + accumulator.clip_count))
        m.d.comb += [registers.vectors.eq(schedule.vectors), registers.visits.eq(schedule.visits)]
        m.d.comb += [getattr(registers, name).eq(getattr(sequencer, name)) for name in COUNTERS]
        if self.design.ledger:
            join_totals(m, registers, accumulator, TOTALS)
