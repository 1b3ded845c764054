"""The controller of a tile whose changes come from the host: update stream, copy and write-verify, registers and
streams, joined.

    s_axis -> frames -> update_stream -> schedule -> accumulator -> weight_copy -> write_verify -> sequencer -> array
    s_axil -> axi_lite -> registers -> window -> memory_switch
                 frames -> bit_serial, read_switch -> sequencer -> read_switch -> results -> m_axis

Its digital rules are `crosstrain_model.stream_controller`, its frames `crosstrain_model.frames`, its registers
`crosstrain_model.registers`, its array port `crosstrain_model.port`.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring

from crosstrain_hdl.accumulator import Accumulator
from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_hdl.axi_lite import AxiLite
from crosstrain_hdl.bit_serial import BitSerial
from crosstrain_hdl.emit_platform import unit
from crosstrain_hdl.frames import Frames
from crosstrain_hdl.memory_switch import MemorySwitch
from crosstrain_hdl.pulse_ledger import COUNTERS
from crosstrain_hdl.read_switch import ReadSwitch
from crosstrain_hdl.registers import Registers
from crosstrain_hdl.results import Results
from crosstrain_hdl.schedule import Schedule
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_hdl.top import connect, join, join_pins, join_totals, join_windows, top_members
from crosstrain_hdl.update_stream import UpdateStream
from crosstrain_hdl.weight_copy import WeightCopy
from crosstrain_hdl.window import Window, windows
from crosstrain_hdl.write_verify import WriteVerify, settings
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS

COMMAND = ("valid", "ready", "op", "row", "direction", "width", "amplitude", "pulses")
READ = ("valid", "ready", "op", "row", "tag", "groups")
WORDS = ("valid", "ready", "codes", "last")
RESULT = ("valid", "ready", "op", "tag", "status")


class StreamController(wiring.Component):
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
            "memory_switch": MemorySwitch(design),
            "frames": Frames(design),
            "update_stream": UpdateStream(design),
            "schedule": Schedule(design),
            "accumulator": Accumulator(design),
            "weight_copy": WeightCopy(design),
            "write_verify": WriteVerify(design),
            "read_switch": ReadSwitch(design),
            "sequencer": Sequencer(design),
            "results": Results(design),
        }
        if design.array.read == "bit-serial":
            self._stations["bit_serial"] = BitSerial(design)
        super().__init__(top_members(design))

    @property
    def words(self):
        """Memories in `amaranth.sim`, word row * groups + group: dW, W, and counts of pulses or None."""
        return tuple(self._stations[name].words for name in ("accumulator", "weight_copy", "write_verify"))

    def elaborate(self, platform):
        m = Module()
        for name, station in self._stations.items():
            m.submodules[name] = unit(station, name)
        s = self._stations
        join_pins(m, self, *(s[name] for name in ("axi_lite", "frames", "results", "sequencer")))
        join(m, s["axi_lite"], s["registers"], "bus_")
        join(m, s["frames"], s["update_stream"], "u_", "p_")
        join(m, s["update_stream"], s["schedule"], "v_")
        join(m, s["schedule"], s["accumulator"], "a_")
        join(m, s["accumulator"], s["weight_copy"], "c_")
        join(m, s["weight_copy"], s["write_verify"], "t_")
        join(m, s["write_verify"], s["sequencer"], "slot_")
        connect(m, s["write_verify"], "p_", s["sequencer"], "t_", COMMAND)
        self._reads(m, **s)
        self._stations_beside(m, **s)
        self._windows(m, **s)
        self._settings(m, **s)
        self._status(m, **s)
        self._statistics(m, **s)
        return m

    def _reads(self, m, *, frames, write_verify, read_switch, sequencer, results, **rest):
        """Reads of the host and of write-verify, and their words."""
        join(m, frames, read_switch, "h_")
        join(m, frames, write_verify, "f_")
        join(m, write_verify, read_switch, "q_", "qa_", "qr_")
        join(m, read_switch, results, "adc_", "r_")
        connect(m, read_switch, "s_", sequencer, "h_", READ)
        connect(m, sequencer, "adc_", read_switch, "sa_", WORDS)
        connect(m, sequencer, "r_", read_switch, "sr_", RESULT)
        self._sending = 0  # input codes are on their way
        if self.design.array.read == "bit-serial":
            bit_serial = rest["bit_serial"]
            join(m, frames, bit_serial, "dac_")
            m.d.comb += [
                sequencer.dac_valid.eq(bit_serial.b_valid),
                sequencer.dac_codes.eq(bit_serial.b_bits),
                bit_serial.b_ready.eq(sequencer.dac_ready),
            ]
            self._sending = bit_serial.busy
        else:
            join(m, frames, sequencer, "dac_")

    def _stations_beside(self, m, **s):
        """What passes between stations beside their streams."""
        schedule, accumulator, weight_copy = s["schedule"], s["accumulator"], s["weight_copy"]
        write_verify, sequencer = s["write_verify"], s["sequencer"]
        self._quiet = Signal()  # nothing is under way that could still reach the array
        working = s["update_stream"].busy | accumulator.busy | weight_copy.busy | write_verify.busy
        m.d.comb += [
            s["update_stream"].drop.eq(s["frames"].drop),
            schedule.pulse_free.eq(write_verify.pulse_free),
            schedule.left_valid.eq(accumulator.c_valid),
            schedule.left_row.eq(accumulator.c_row),
            schedule.left.eq(accumulator.c_left),
            schedule.left_last.eq(accumulator.c_last),
            write_verify.over.eq(sequencer.over),
            write_verify.cancel.eq(sequencer.cancel),
            sequencer.pacing.eq(write_verify.pacing),
            sequencer.pulse_empty.eq(write_verify.empty),
            sequencer.in_pass.eq(schedule.in_pass | accumulator.busy | weight_copy.busy),
            self._quiet.eq(schedule.idle & ~working),
            s["frames"].quiet.eq(self._quiet),
        ]

    def _windows(self, m, *, registers, window, memory_switch, schedule, accumulator, weight_copy, write_verify, **_):
        """Windows of the register bank, and the visits behind MEM_DATA."""
        join(m, window, schedule, "since_", "m_hold", "m_write", "m_row", "m_group")
        join(m, schedule, window, "since_pass")
        join(m, window, memory_switch, "m_")
        join(m, memory_switch, window, "r_")
        m.d.comb += [
            schedule.touched_index.eq(window.touched_number),
            schedule.touched_write.eq(window.touched_put),
            schedule.touched_data.eq(window.touched_bits),
            window.touched.eq(schedule.touched),
            window.visiting.eq(accumulator.busy),
            window.disturbed.eq((schedule.a_valid & ~window.m_hold) | write_verify.busy),
            schedule.m_valid.eq(memory_switch.dw_valid),
            schedule.m_data.eq(memory_switch.dw_data),
            memory_switch.dw_ready.eq(schedule.m_ready),
            memory_switch.dw_r_valid.eq(accumulator.r_valid),
            memory_switch.dw_r_data.eq(accumulator.r_data),
        ]
        owners = {"copy": weight_copy} | ({"cells": write_verify} if self.design.verify.cell_bits else {})
        for name, owner in owners.items():
            connect(m, memory_switch, f"{name}_", owner, "w_", ("valid", "ready", "data"))
            connect(m, window, "m_", owner, "w_", ("write", "row", "group"))
            connect(m, owner, "r_", memory_switch, f"{name}_r_", ("valid", "data"))
        join_windows(m, registers, window, windows(self.design))

    def _settings(self, m, *, registers, frames, schedule, accumulator, weight_copy, write_verify, sequencer, **_):
        """Registers and commands to where they act."""
        m.d.comb += [
            accumulator.theta.eq(registers.threshold),
            weight_copy.limit.eq(registers.range),
            weight_copy.base.eq(registers.base),
            schedule.touch_all.eq(registers.threshold_written),
            schedule.clear.eq(registers.command_clear),
            schedule.count_clear.eq(registers.command_clear_counters),
            schedule.cancel.eq(registers.command_abort | sequencer.cancel),
            write_verify.count_clear.eq(registers.command_clear_counters),
            frames.cancel.eq(registers.command_abort),
            sequencer.host_abort.eq(registers.command_abort),
            sequencer.clear_counters.eq(registers.command_clear_counters),
            sequencer.program_enable.eq(registers.control_program),
            sequencer.timeout.eq(registers.timeout),
        ]
        m.d.comb += [getattr(write_verify, name).eq(getattr(registers, name)) for name in settings(self.design)]

    def _status(self, m, *, registers, frames, schedule, accumulator, write_verify, sequencer, results, **rest):
        """STATUS, the events of IRQ_STATUS, and the interrupt."""
        idle, pass_ended = Signal(), Signal()  # a pass has ended, its commands perhaps not
        array_busy = sequencer.busy | ~write_verify.empty | rest["weight_copy"].busy
        m.d.comb += [
            self.irq.eq(registers.irq),
            idle.eq(self._quiet & ~frames.busy & ~sequencer.busy & ~results.busy & ~self._sending),
            registers.idle.eq(idle),
            registers.status_idle.eq(idle),
            registers.status_clearing.eq(schedule.clearing),
            registers.status_array_ready.eq(sequencer.ready),
            registers.status_in_pass.eq(schedule.in_pass),
            registers.status_half_vector.eq(frames.half),
            registers.status_array_busy.eq(array_busy),
            registers.irq_status_frame_error.eq(frames.frame_error | rest["update_stream"].frame_error),
            registers.irq_status_clipped.eq(accumulator.clip_valid),
            registers.irq_status_gave_up.eq(write_verify.gave_up_event),
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

    def _statistics(self, m, *, registers, schedule, accumulator, weight_copy, write_verify, sequencer, **_):
        """Counters and totals."""
        clear = registers.command_clear_counters
        counted = (
            (registers.clipped, accumulator.clip_valid, accumulator.clip_count),
            (registers.clamped, weight_copy.clamp_valid, weight_copy.clamp_count),
        )
        for counter, counts, amount in counted:
            with m.If(counts | clear):
                m.d.sync += counter.eq(Mux(clear, 0, counter + amount))
        m.d.comb += [registers.vectors.eq(schedule.vectors), registers.visits.eq(schedule.visits)]
        for owner, names in ((sequencer, COUNTERS), (write_verify, VERIFY_COUNTERS)):
            m.d.comb += [getattr(registers, name).eq(getattr(owner, name)) for name in names]
        if self.design.ledger:
            join_totals(m, registers, accumulator, TOTALS)
