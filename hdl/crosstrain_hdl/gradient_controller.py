"""The controller of a tile with in-memory gradients: pulse trains, row transfers, registers and streams, joined.

    s_axis -> frames -> vector_store -> scale -> pulse_train -> dispatcher -> array
                                                 sweep -> dispatcher -> transfer -> pulse -> dispatcher
    s_axil -> axi_lite -> registers -> window, station_window    frames -> reads -> dispatcher -> results -> m_axis

Its digital rules are `crosstrain_model.gradient_controller`, its frames `crosstrain_model.frames`, its registers
`crosstrain_model.registers`, its array port `crosstrain_model.port`. Without transfers (in-memory SGD) trains act on
the weights, and transfer, window and pulse are not there.
"""

from amaranth import Module, Signal
from amaranth.lib import wiring

from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_hdl.axi_lite import AxiLite
from crosstrain_hdl.dispatcher import Dispatcher
from crosstrain_hdl.emit_platform import unit
from crosstrain_hdl.frames import Frames
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.pulse_ledger import COUNTERS
from crosstrain_hdl.pulse_train import PulseTrain
from crosstrain_hdl.registers import Registers
from crosstrain_hdl.results import Results
from crosstrain_hdl.scale import Scale
from crosstrain_hdl.station_window import StationWindow, station_windows
from crosstrain_hdl.sweep import Sweep
from crosstrain_hdl.top import join, join_pins, join_totals, join_windows, top_members
from crosstrain_hdl.transfer import Transfer
from crosstrain_hdl.vector_store import VectorStore
from crosstrain_hdl.window import Window, windows
from crosstrain_model.registers_gradient import streams

MEANS = ("mean_x", "mean_x_exponent", "mean_d", "mean_d_exponent")
SWEEP_STATE = {"since_transfer": "since", "sweep_row": "row", "sweep_reads": "reads_in_period", "sweeps": "sweeps"}
"""Register -> member of `Sweep`."""
SETTINGS = {
    "threshold": ("transfer", "theta"),
    "leak": ("transfer", "leak"),
    "transfer_every": ("sweep", "every"),
    "chopper_period": ("sweep", "period"),
    "flip_probability": ("sweep", "probability"),
    "warmup": ("sweep", "warmup"),
    "train_rate": ("scale", "rate"),
    "train_momentum": ("scale", "momentum"),
    "train_dynamic": ("scale", "dynamic"),
    "train_width": ("dispatcher", "train_width"),
    "train_guard": ("dispatcher", "train_guard"),
    "train_amplitude": ("dispatcher", "train_amplitude"),
    "timeout": ("dispatcher", "timeout"),
    **{name: ("pulse", name) for name in ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset")},
}
"""Register of kind setting -> station and member; those that a design has not are left out."""


class GradientController(wiring.Component):
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
            "station_window": StationWindow(design),
            "frames": Frames(design),
            "vector_store": VectorStore(design),
            "scale": Scale(design),
            "pulse_train": PulseTrain(design),
            "sweep": Sweep(design),
            "dispatcher": Dispatcher(design),
            "results": Results(design),
        }
        if design.transfers:
            self._stations |= {"window": Window(design), "transfer": Transfer(design), "pulse": Pulse(design)}
        super().__init__(top_members(design))

    def elaborate(self, platform):
        m = Module()
        for name, station in self._stations.items():
            m.submodules[name] = unit(station, name)
        s = self._stations
        join_pins(m, self, *(s[name] for name in ("axi_lite", "frames", "results", "dispatcher")))
        join(m, s["axi_lite"], s["registers"], "bus_")
        join(m, s["frames"], s["vector_store"], "w_", "commit_")
        join(m, s["vector_store"], s["scale"], "s_")
        join(m, s["vector_store"], s["pulse_train"], "f_")
        join(m, s["scale"], s["pulse_train"], "g_")
        join(m, s["frames"], s["dispatcher"], "h_", "dac_")
        join(m, s["dispatcher"], s["results"], "adc_", "r_")
        self._trains(m, **s)
        if self.design.transfers:
            self._transfers(m, **s)
        self._windows(m, s)
        self._settings(m, s)
        self._status(m, **s)
        self._statistics(m, **s)
        return m

    def _trains(self, m, *, frames, vector_store, scale, pulse_train, sweep, dispatcher, **_):
        """From vectors to trains, in their turn."""
        self._coming = Signal()  # vectors that have not become commands, or reads
        join(m, pulse_train, dispatcher, "n_", "ns_")
        m.d.comb += [
            self._coming.eq(vector_store.busy | scale.busy | pulse_train.busy | sweep.busy),
            dispatcher.in_trains.eq(self._coming),
            vector_store.drop.eq(frames.drop),
            sweep.full.eq(pulse_train.full),
            sweep.silent.eq(pulse_train.silent),
            sweep.t_taken.eq(dispatcher.n_valid & dispatcher.n_ready),
            sweep.cancel.eq(dispatcher.cancel),
            pulse_train.fire.eq(sweep.fire),
            pulse_train.chop_rows.eq(sweep.chop_rows),
            pulse_train.chop_columns.eq(sweep.chop_columns),
            pulse_train.over.eq(dispatcher.train_over),
            pulse_train.cancel.eq(dispatcher.cancel),
        ]

    def _transfers(self, m, *, window, sweep, transfer, pulse, dispatcher, **_):
        """From reads of A to pulses on W."""
        join(m, sweep, transfer, "k_")
        join(m, dispatcher, transfer, "z_")
        join(m, transfer, pulse, "c_")
        join(m, window, transfer, "m_")
        join(m, transfer, window, "r_")
        for name in ("valid", "ready", "row", "direction", "width", "amplitude", "pulses"):
            _wire(m, name, (pulse, f"t_{name}"), (dispatcher, f"p_{name}"))
        m.d.comb += [
            # No read before its token was taken: then there is room for all its words, and a token to drop.
            dispatcher.q_valid.eq(sweep.read_valid & ~sweep.k_valid),
            sweep.read_ready.eq(dispatcher.q_ready & dispatcher.q_valid),
            dispatcher.q_row.eq(sweep.read_row),
            transfer.pulse_free.eq(pulse.pulse_free),
            pulse.over.eq(dispatcher.over),
            pulse.cancel.eq(dispatcher.cancel),
            transfer.cancel.eq(dispatcher.cancel),
            dispatcher.in_pass.eq(self._coming | transfer.busy),
            dispatcher.pacing.eq(pulse.pacing),
            dispatcher.pulse_empty.eq(pulse.empty),
            sweep.hold.eq(window.m_hold),
            window.visiting.eq(transfer.busy),
            window.disturbed.eq(0),
        ]
        join(m, pulse, dispatcher, "slot_")

    def _windows(self, m, s):
        """Windows of the register bank: cells, words of streams and choppers, and single words of state."""
        registers, station_window = s["registers"], s["station_window"]
        pairs = [f"{kind}_{part}" for kind in station_windows(self.design) for part in ("index", "data")]
        join_windows(m, registers, station_window, pairs)
        for stream in streams(self.design):
            owner = s["sweep"] if stream == "choppers" else s["pulse_train"]
            m.d.comb += getattr(station_window, f"{stream}_state").eq(getattr(owner, f"{stream}_state"))
            shared = "" if stream != "choppers" else "choppers_"  # rows and columns share index and data
            m.d.comb += [
                getattr(owner, f"{stream}_load").eq(getattr(station_window, f"{stream}_load")),
                getattr(owner, f"{shared}load_index").eq(station_window.load_index),
                getattr(owner, f"{shared}load_data").eq(station_window.load_data),
            ]
        if "chopper" in station_windows(self.design):
            m.d.comb += [
                s["sweep"].chop_index.eq(station_window.chopper_number),
                station_window.chopper_word.eq(s["sweep"].chop_word),
                s["sweep"].chop_write.eq(station_window.chopper_put),
                s["sweep"].chop_data.eq(registers.write_data),
            ]
        if self.design.transfers:
            join_windows(m, registers, s["window"], windows(self.design))
        words = {name: ("scale", name) for name in MEANS}
        if self.design.transfers:
            words |= {name: ("sweep", member) for name, member in SWEEP_STATE.items()}
        m.d.comb += [s[name].write_data.eq(registers.write_data) for name in dict(words.values())]
        for name, (station, member) in words.items():
            if hasattr(registers, name):
                m.d.comb += [
                    getattr(registers, name).eq(getattr(s[station], member)),
                    getattr(registers, f"{name}_ready").eq(1),
                    getattr(s[station], f"{member}_write").eq(getattr(registers, f"{name}_write")),
                ]

    def _settings(self, m, s):
        """Registers and commands to where they act."""
        registers, dispatcher = s["registers"], s["dispatcher"]
        for name, (station, member) in SETTINGS.items():
            if hasattr(registers, name):
                m.d.comb += getattr(s[station], member).eq(getattr(registers, name))
        clear_counters = registers.command_clear_counters
        m.d.comb += [
            s["frames"].cancel.eq(registers.command_abort),
            dispatcher.host_abort.eq(registers.command_abort),
            dispatcher.clear_counters.eq(clear_counters),
            dispatcher.program_enable.eq(registers.control_program),
            s["scale"].clear.eq(registers.command_clear),
            s["sweep"].count_clear.eq(clear_counters),
        ]
        if self.design.transfers:
            m.d.comb += [
                s["sweep"].clear.eq(registers.command_clear),
                s["transfer"].clear.eq(registers.command_clear),
                s["transfer"].count_clear.eq(clear_counters),
            ]

    def _status(self, m, *, registers, frames, dispatcher, results, **rest):
        """STATUS, the events of IRQ_STATUS, and the interrupt."""
        quiet, idle = Signal(), Signal()
        working = self._coming | dispatcher.busy
        rows = 0  # rows wait for their pulses
        if self.design.transfers:
            transfer, pulse = rest["transfer"], rest["pulse"]
            rows = ~pulse.empty
            working = working | transfer.busy | transfer.clearing | rows
            m.d.comb += [
                registers.status_clearing.eq(transfer.clearing),
                registers.irq_status_clipped.eq(transfer.clip_valid),
                registers.irq_status_adc_clipped.eq(transfer.adc_clip),
                registers.irq_status_lost_read.eq(transfer.lost),
            ]
        m.d.comb += [
            self.irq.eq(registers.irq),
            quiet.eq(~working),
            idle.eq(quiet & ~frames.busy & ~results.busy),
            frames.quiet.eq(quiet),
            registers.idle.eq(idle),
            registers.status_idle.eq(idle),
            registers.status_array_ready.eq(dispatcher.ready),
            registers.status_half_vector.eq(frames.half),
            registers.status_array_busy.eq(dispatcher.busy | rows),
            registers.irq_status_frame_error.eq(frames.frame_error),
            registers.irq_status_array_error.eq(dispatcher.array_error),
            registers.irq_status_timeout.eq(dispatcher.timed_out),
            registers.irq_status_interlock.eq(dispatcher.interlock),
            registers.irq_status_stray.eq(dispatcher.strayed),
        ]
        m.d.sync += [
            registers.status_prog_enable.eq(self.arr_prog_enable),
            registers.status_rails_ok.eq(self.arr_rails_ok),
        ]

    def _statistics(self, m, *, registers, sweep, dispatcher, **rest):
        """Counters and totals."""
        sources = {"vectors": sweep.vectors}
        names = [*COUNTERS, *(f"train_{name}" for name in COUNTERS)]
        sources |= {name: getattr(dispatcher, name) for name in names if hasattr(dispatcher, name)}
        if self.design.transfers:
            transfer = rest["transfer"]
            sources |= {name: getattr(transfer, name) for name in ("visits", "clipped", "adc_clipped", "lost_reads")}
            sources["transfers"] = sweep.transfers
            if self.design.ledger:
                join_totals(m, registers, transfer, TOTALS)
        for name, source in sources.items():
            if hasattr(registers, name):
                m.d.comb += getattr(registers, name).eq(source)


def _wire(m, name, source, target):
    """Connect one signal of a stream; `ready` runs the other way."""
    one, other = (getattr(*end) for end in (source, target))
    m.d.comb += one.eq(other) if name == "ready" else other.eq(one)
