"""Write-verify: brings the flagged devices of a row to their targets. The rule is `crosstrain_model.write_verify`.

    t_* -> rows -> devices <- judge <- sums <- qa_*            train: which read or pulse is next
                      |                                        cells: counts of pulses
                      +-> q_groups, slot_columns             amplitudes: of every device column, where it has its own

Each device leaves the mask when it is done. All share the amplitude of a pulse, or each has its own.
"""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.pulse import GUARD_BITS
from crosstrain_hdl.weight_copy import target_bits
from crosstrain_hdl.write_verify_amplitudes import WriteVerifyAmplitudes
from crosstrain_hdl.write_verify_cells import WriteVerifyCells, cell_members
from crosstrain_hdl.write_verify_devices import WriteVerifyDevices
from crosstrain_hdl.write_verify_judge import WriteVerifyJudge
from crosstrain_hdl.write_verify_rows import WriteVerifyRows
from crosstrain_hdl.write_verify_sums import WriteVerifySums
from crosstrain_hdl.write_verify_train import WriteVerifyTrain, ramp_members, read_members, setting_members
from crosstrain_model.port import OP_BITS, PULSES_BITS, WIDTH_BITS, Op, amplitude_bits, row_bits
from crosstrain_model.pulse import COUNTER_BITS, SET, row_buffers
from crosstrain_model.write_verify import COUNTERS


def settings(design):
    """Members that are registers of the same names; constant while `busy`."""
    unsigned = design.copy_bits - 1
    return {
        "window": In(unsigned),
        "set_margin": In(signed(design.copy_bits)),
        **setting_members(),
        "form_width": In(WIDTH_BITS),
        "form_level": In(unsigned),
        "width_set": In(WIDTH_BITS),
        "width_reset": In(WIDTH_BITS),
        "guard": In(GUARD_BITS),
    }


class WriteVerify(wiring.Component):
    """Members

    t_valid, t_row, t_group, t_flags, t_targets, t_last : In, groups of a row as `WeightCopy` gives them, ascending;
        nothing holds them back: a row may be started while pulse_free is more than the rows that are not at the
        accumulator's end yet
    pulse_free : Out, rows that can come; 0 while cancel is high
    window .. guard : In, registers, see `settings`; constant while `busy`
    f_valid, f_ready, f_row : In, Out, In, a row to form, where nothing else is under way
    q_valid, q_ready, q_row, q_groups : Out, In, Out, Out, a read of the groups named; q_valid falls with cancel
    qa_valid, qa_ready, qa_codes, qa_last : In, Out, In, In, its words, one for each group named, ascending
    qr_valid, qr_ready, qr_status : In, Out, In, its status, after its words: OK and SATURATED are good, and then all
        words came
    p_valid, p_ready, p_op, p_row, p_direction, p_width, p_amplitude, p_pulses : Out, In, Out .., a pulse command:
        PROGRAM or FORM; p_pulses is its number of device pulses; p_amplitude has a code for each device column where
        the design says so, 0 where there is no pulse; p_valid falls with cancel
    slot_valid, slot_ready, slot_columns, slot_last : Out, In, Out, Out, the one slot of the command that was taken last
    over : In(1), strobe: that command has ended
    cancel : In(1), level: the row under way is given up, rows that wait are dropped, their devices count as given up
    pacing : Out(1), pulse width and guard of the last slot are not yet over
    empty : Out(1), no row waits and none is under way; one may be in `WeightCopy`, while that is `busy`
    busy : Out(1), not empty, or the sweep after reset goes on: counts of pulses are cleared
    count_clear : In(1), strobe; rows, sets, resets, passed, gave_up, reads : Out(32), counters modulo 2^32
    gave_up_event : Out(1), strobe: devices were given up
    w_*, r_* : visits of the host to the counts of pulses, where there are any (verify.cell_bits), see
        `WriteVerifyCells`
    """

    def __init__(self, design):
        array, rows = design.array, row_bits(design)
        self.design = design
        self._cells = WriteVerifyCells(design) if design.verify.cell_bits else None
        self.words = self._cells.words if self._cells else None
        super().__init__(
            {
                "t_valid": In(1),
                "t_row": In(rows),
                "t_group": In(range(max(2, array.groups))),
                "t_flags": In(2 * array.lanes),
                "t_targets": In(2 * array.lanes * target_bits(design)),
                "t_last": In(1),
                "pulse_free": Out(range(row_buffers(design) + 1)),
                **settings(design),
                "f_valid": In(1),
                "f_ready": Out(1),
                "f_row": In(rows),
                **read_members(design),
                "p_valid": Out(1),
                "p_ready": In(1),
                "p_op": Out(OP_BITS),
                "p_row": Out(rows),
                "p_direction": Out(1),
                "p_width": Out(WIDTH_BITS),
                "p_amplitude": Out(amplitude_bits(design)),
                "p_pulses": Out(PULSES_BITS),
                "slot_valid": Out(1),
                "slot_ready": In(1),
                "slot_columns": Out(array.device_columns),
                "slot_last": Out(1),
                "over": In(1),
                "cancel": In(1),
                "pacing": Out(1),
                "empty": Out(1),
                "busy": Out(1),
                "count_clear": In(1),
                **{name: Out(COUNTER_BITS) for name in COUNTERS},
                "gave_up_event": Out(1),
                **(cell_members(design) if design.verify.cell_bits else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = WriteVerifyRows(self.design)
        m.submodules.sums = sums = WriteVerifySums(self.design)
        m.submodules.judge = judge = WriteVerifyJudge(self.design)
        m.submodules.devices = devices = WriteVerifyDevices(self.design)
        m.submodules.train = self._train = train = WriteVerifyTrain(self.design)
        same = {
            rows: ("t_valid", "t_row", "t_flags", "t_targets", "t_last"),
            sums: ("reads_log2", "qa_codes"),
            judge: ("window", "set_margin", "form_level"),
            train: (*setting_members(), "f_valid", "f_row", "cancel", "q_ready", "qr_valid", "qr_status", "p_ready"),
        }
        for part, names in same.items():
            m.d.comb += [getattr(part, name).eq(getattr(self, name)) for name in names]
        self._walks(m, rows, sums, judge, devices, train)
        self._pulses(m, judge, devices, train)
        self._outputs(m, rows, devices, train)
        self._pace(m, train)
        self._count(m, devices, train)
        clearing = self._connect_cells(m, devices, train) if self._cells else 0
        m.d.comb += [self.empty.eq(train.rest & ~rows.row_valid), self.busy.eq(~self.empty | clearing)]
        return m

    def _walks(self, m, rows, sums, judge, devices, train):
        """What one walk through the groups joins."""
        m.d.comb += [
            train.row_valid.eq(rows.row_valid),
            train.row.eq(rows.row),
            rows.release.eq(train.release),
            rows.walk.eq(train.walk),
            rows.step.eq(devices.step),
            sums.first.eq(train.first_read),
            sums.qa_valid.eq(self.qa_valid & self.qa_ready),
            sums.rewind.eq(train.walk | (self.q_valid & self.q_ready)),
            sums.step.eq(devices.step & devices.named),
            judge.form.eq(train.form),
            judge.to_margin.eq(train.to_margin),
            judge.come.eq(devices.come[:2]),
            judge.sums.eq(sums.sums),
            judge.targets.eq(rows.targets),
            devices.walk.eq(train.walk),
            devices.load.eq(train.load),
            devices.form.eq(train.form),
            devices.keep.eq(train.keep),
            devices.direction.eq(train.direction),
            devices.flags.eq(rows.flags),
            devices.below.eq(judge.below),
            devices.above.eq(judge.above),
            train.done.eq(devices.done),
            train.count_below.eq(devices.count_below),
            train.count_above.eq(devices.count_above),
        ]

    def _pulses(self, m, judge, devices, train):
        """Amplitude and number of the pulses of a command."""
        asked = Mux(train.direction == SET, devices.count_below, devices.count_above)
        if not self.design.column_amplitudes:
            m.d.comb += [self.p_amplitude.eq(train.amplitude), self.p_pulses.eq(asked)]
            return
        m.submodules.amplitudes = part = WriteVerifyAmplitudes(self.design)
        same = {
            self: ramp_members(),
            train: ("load", "form", "direction", "walk", "counting", "turn"),
            devices: ("come", "who", "mask"),
            judge: ("below", "above"),
        }
        for owner, names in same.items():
            m.d.comb += [getattr(part, name).eq(getattr(owner, name)) for name in names]
        m.d.comb += [
            devices.out.eq(part.out),
            train.on.eq(part.possible & (self.p_pulses != 0)),
            self.p_amplitude.eq(part.amplitude),
            self.p_pulses.eq(asked - part.count_out),
        ]

    def _outputs(self, m, rows, devices, train):
        """Reads and commands."""
        m.d.comb += [
            self.pulse_free.eq(Mux(self.cancel, 0, rows.free)),
            self.f_ready.eq(train.f_ready),
            self.q_valid.eq(train.q_valid),
            self.q_row.eq(train.busy_row),
            self.q_groups.eq(devices.groups),
            self.qa_ready.eq(train.qa_ready),
            self.qr_ready.eq(train.qr_ready),
            self.p_valid.eq(train.p_valid),
            self.p_op.eq(Mux(train.form, Op.FORM, Op.PROGRAM)),
            self.p_row.eq(train.busy_row),
            self.p_direction.eq(train.direction),
            self.slot_columns.eq(devices.mask),
            self.slot_last.eq(1),
        ]

    def _pace(self, m, train):
        """The width, and a count down of pulse and guard after every slot, as `Pulse` has them."""
        take = Signal()
        wanted = Signal(WIDTH_BITS)
        remaining = Signal(WIDTH_BITS + 1)
        limit = self.design.pulse.width_limit
        blind = Mux(train.direction == SET, self.width_set, self.width_reset)
        m.d.comb += [
            wanted.eq(Mux(train.form, self.form_width, blind)),
            self.p_width.eq(Mux(wanted > limit, limit, Mux(wanted == 0, 1, wanted))),
            self.pacing.eq(remaining != 0),
            train.pacing.eq(self.pacing),
            self.slot_valid.eq(train.slot_due & ~self.pacing),
            take.eq(self.slot_valid & self.slot_ready),
            train.slot_over.eq(take | self.over),
        ]
        with m.If(take):
            m.d.sync += remaining.eq(self.p_width + self.guard - 1)
        with m.Elif(self.pacing):
            m.d.sync += remaining.eq(remaining - 1)

    def _count(self, m, devices, train):
        """Counters; what is left at the end of a row is given up, the others have passed."""
        left = devices.count_below + devices.count_above
        pulse = self.p_valid & self.p_ready
        amounts = {
            "rows": (train.begins, 1),
            "sets": (pulse & (train.direction == SET), self.p_pulses),
            "resets": (pulse & (train.direction != SET), self.p_pulses),
            "passed": (train.ends, train.asked - left),
            "gave_up": (train.ends, left),
            "reads": (self.q_valid & self.q_ready, 1),
        }
        m.d.comb += self.gave_up_event.eq(train.ends & (left != 0))
        for name, (counts, amount) in amounts.items():
            counter = getattr(self, name)
            with m.If(counts | self.count_clear):
                m.d.sync += counter.eq(Mux(self.count_clear, 0, counter + amount))

    def _connect_cells(self, m, devices, train):
        """Pulses are counted in the walk behind them; gives whether the sweep goes on."""
        m.submodules.cells = cells = self._cells
        m.d.comb += [
            cells.row.eq(train.busy_row),
            cells.walk.eq(train.walk),
            cells.come.eq(devices.come),
            cells.who.eq(devices.who),
            cells.count.eq(train.counting),
        ]
        for name, member in cell_members(self.design).items():
            own, inner = getattr(self, name), getattr(cells, name)
            m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)
        return cells.clearing
