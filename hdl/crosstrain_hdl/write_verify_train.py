"""Trains of write-verify: what is done to a row, in order. The rule is `crosstrain_model.write_verify`.

    REST     nothing under way                    -> LOAD with a row, or to form one
    LOAD     its flags come                       -> ASK
    ASK      a read of the groups of the mask     -> WORDS
    WORDS    its words come                       -> ASK until there were 2^k reads, -> WALK
    WALK     devices are judged                   -> END when none is left, -> TEST
    TEST     has the train devices and amplitude? -> OFFER; else the next train: -> TEST; after the last one -> END
    OFFER    a pulse command                      -> SLOT
    SLOT     its one slot                         -> ASK
    END      what is left is given up             -> REST

A read that fails, and an abort, let a walk follow that counts the pulses of the devices and judges none.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import AMPLITUDE_BITS, STATUS_BITS, Status, row_bits
from crosstrain_model.pulse import RESET, SET

RAMPS = ("set", "reset", "form")


def ramp_members():
    """Registers of the amplitudes."""
    return {f"{kind}_{part}": In(AMPLITUDE_BITS) for kind in RAMPS for part in ("start", "step", "stop")}


def setting_members():
    """Registers of the trains."""
    return {**ramp_members(), "reads_log2": In(3), "cycles": In(8)}


def read_members(design):
    """Reads, their words, and how they ended."""
    array = design.array
    return {
        "q_valid": Out(1),
        "q_ready": In(1),
        "q_row": Out(row_bits(design)),
        "q_groups": Out(array.groups),
        "qa_valid": In(1),
        "qa_ready": Out(1),
        "qa_codes": In(2 * array.lanes * design.formats.adc),
        "qa_last": In(1),
        "qr_valid": In(1),
        "qr_ready": Out(1),
        "qr_status": In(STATUS_BITS),
    }


class WriteVerifyTrain(wiring.Component):
    """Members

    set_start .. form_stop, reads_log2, cycles : In, registers
    row_valid, row : In, there is a row, and its number; release : Out(1), strobe: it is done with
    f_valid, f_ready, f_row : In, Out, In, a row to form
    cancel : In(1), level
    q_valid, q_ready, qa_ready, qr_valid, qr_ready, qr_status : reads, as `WriteVerify` has them
    p_valid, p_ready : Out, In, pulse commands; direction, form : Out, of them
    amplitude : Out, of them, where it is common; where each column has its own, see `WriteVerifyAmplitudes`,
        on : In(1), the train has devices and amplitudes, turn : Out(1), strobe: it is over, and the next one begins
    pacing : In(1); slot_due : Out(1), the slot of the command that was taken; slot_over : In(1), strobe: it is over
    busy_row : Out, the row under way
    walk, load, keep : Out, see `WriteVerifyDevices`; done : In(1)
    count_below, count_above : In, devices that are left
    first_read, to_margin, counting : Out(1), see sums, judge and cells
    begins, ends : Out(1), strobes: a row is begun; a row is done with, with `asked` devices flagged before the trains
    rest : Out(1), nothing is under way
    """

    def __init__(self, design):
        self.design = design
        count = range(design.array.device_columns + 1)
        reads = {name: member for name, member in read_members(design).items() if name in (
            "q_valid", "q_ready", "qa_ready", "qr_valid", "qr_ready", "qr_status")}  # fmt: skip
        if design.column_amplitudes:
            amplitude = {"on": In(1), "turn": Out(1)}
        else:
            amplitude = {"amplitude": Out(AMPLITUDE_BITS)}
        super().__init__(
            {
                **setting_members(),
                "row_valid": In(1),
                "row": In(row_bits(design)),
                "release": Out(1),
                "f_valid": In(1),
                "f_ready": Out(1),
                "f_row": In(row_bits(design)),
                "cancel": In(1),
                **reads,
                "p_valid": Out(1),
                "p_ready": In(1),
                **amplitude,
                "direction": Out(1, init=SET),
                "form": Out(1),
                "pacing": In(1),
                "slot_due": Out(1),
                "slot_over": In(1),
                "busy_row": Out(row_bits(design)),
                "walk": Out(1),
                "load": Out(1),
                "keep": Out(1),
                "done": In(1),
                "count_below": In(count),
                "count_above": In(count),
                "first_read": Out(1),
                "to_margin": Out(1),
                "counting": Out(1),
                "begins": Out(1),
                "ends": Out(1),
                "asked": Out(count),
                "rest": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._first = Signal()  # nothing was pulsed yet
        self._ramp = Signal(AMPLITUDE_BITS + 1)  # the amplitude, once beyond its register
        self._cycle = Signal(8)
        if not self.design.column_amplitudes:
            m.d.comb += self.amplitude.eq(self._ramp)
        m.d.comb += [
            self.to_margin.eq(~self._first & (self.direction == SET)),
            self.counting.eq(~self._first),
        ]
        with m.FSM(name="state"):
            with m.State("REST"):
                self._rest(m)
            with m.State("LOAD"), m.If(self.done):
                m.d.sync += [self.load.eq(0), self.asked.eq(self.count_below)]
                m.d.comb += self.begins.eq(~self.cancel)
                m.next = "ASK"
                with m.If(self.cancel):
                    m.next = "END"
            self._reads(m)
            with m.State("WALK"), m.If(self.done):
                m.d.sync += [self._first.eq(0), self._next_amplitude()]
                m.next = "TEST"
                with m.If(self.keep | ((self.count_below == 0) & (self.count_above == 0))):
                    m.next = "END"
            with m.State("TEST"):
                self._test(m)
            with m.State("OFFER"):
                m.d.comb += self.p_valid.eq(~self.pacing & ~self.cancel)
                with m.If(self.cancel):
                    m.next = "END"
                with m.Elif(self.p_valid & self.p_ready):
                    m.next = "SLOT"
            with m.State("SLOT"):
                m.d.comb += self.slot_due.eq(1)
                with m.If(self.slot_over):
                    m.next = "ASK"
            with m.State("END"):
                m.d.comb += [self.ends.eq(1), self.release.eq(~self.form)]
                m.next = "REST"
        return m

    def _rest(self, m):
        """Rows that wait come first; while an abort lasts they are loaded to be counted, and nothing is formed."""
        m.d.comb += [self.rest.eq(1), self.f_ready.eq(~self.row_valid & ~self.cancel)]
        with m.If(self.row_valid | (self.f_valid & self.f_ready)):
            m.d.comb += self.walk.eq(1)
            m.d.sync += [
                self.form.eq(~self.row_valid),
                self.busy_row.eq(Mux(self.row_valid, self.row, self.f_row)),
                self.direction.eq(SET),
                self.load.eq(1),
                self.keep.eq(0),
                self._first.eq(1),
                self._cycle.eq(1),
            ]
            m.next = "LOAD"

    def _reads(self, m):
        """2^k reads, one after the other."""
        number = Signal(4)
        last, good = Signal(), Signal()
        m.d.comb += [
            self.first_read.eq(number == 0),
            last.eq(number == (1 << self.reads_log2) - 1),
            good.eq(((self.qr_status == Status.OK) | (self.qr_status == Status.SATURATED)) & ~self.cancel),
        ]
        with m.State("ASK"):
            m.d.comb += self.q_valid.eq(~self.cancel)
            with m.If(self.cancel):
                m.d.sync += [self.keep.eq(1), number.eq(0)]
                m.d.comb += self.walk.eq(1)
                m.next = "WALK"
            with m.Elif(self.q_ready):
                m.next = "WORDS"
        with m.State("WORDS"):
            m.d.comb += [self.qa_ready.eq(1), self.qr_ready.eq(1)]
            with m.If(self.qr_valid):
                m.d.sync += number.eq(number + 1)
                m.next = "ASK"
                with m.If(last | ~good):
                    m.d.comb += self.walk.eq(1)
                    m.d.sync += [number.eq(0), self.keep.eq(~good)]
                    m.next = "WALK"

    def _next_amplitude(self):
        """After a judgement: a step further in the train, or the start of the first one."""
        start = Mux(self.form, self.form_start, self.set_start)
        step = Mux(self.form, self.form_step, Mux(self.direction == SET, self.set_step, self.reset_step))
        return self._ramp.eq(Mux(self._first, start, self._ramp + step))

    def _test(self, m):
        """The train goes on, or the next one begins: RESET after SET, and SET again in the next cycle."""
        stop = Mux(self.form, self.form_stop, Mux(self.direction == SET, self.set_stop, self.reset_stop))
        some = Mux(self.direction == SET, self.count_below, self.count_above) != 0
        turn = self.turn.eq(1) if self.design.column_amplitudes else []
        by_column = self.design.column_amplitudes
        with m.If(self.on if by_column else some & (self._ramp <= stop)):
            m.next = "OFFER"
        with m.Elif(self.form | ((self.direction == RESET) & (self._cycle >= self.cycles))):
            m.next = "END"
        with m.Elif(self.direction == SET):
            m.d.comb += turn
            m.d.sync += [self.direction.eq(RESET), self._ramp.eq(self.reset_start)]
        with m.Else():
            m.d.comb += turn
            m.d.sync += [self.direction.eq(SET), self._ramp.eq(self.set_start), self._cycle.eq(self._cycle + 1)]
