"""Sequencer: the only master of the array port. One command at a time, in order; docs/sequencer.md tells the rules.

A command is *open* from its offer until its completion, or until it is given up; only what belongs to the open command
counts, everything else is discarded as stray. States:

    BOOT     one cycle after reset
    ABORT    ABORT is offered          -> DRAIN when taken
    DRAIN    until ABORT's completion  -> IDLE; silence: -> ABORT again
    IDLE     takes the next command    -> OFFER; an abort of the host: -> ABORT
    OFFER    it is offered             -> RUN when taken
    RUN      slots and words pass      -> IDLE with its completion; stopped or silent: -> ABORT

So an ABORT is sent after reset, after a timeout, when the host says so, and when programming is disabled under a train.
"""

from amaranth import Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from crosstrain_hdl.array_port import port_members
from crosstrain_hdl.pulse_ledger import COUNTERS, PulseLedger
from crosstrain_hdl.read_path import ReadPath
from crosstrain_hdl.sequencer_ports import control_members, pulse_members, read_members
from crosstrain_hdl.watchdog import Watchdog
from crosstrain_model.port import ABORT_TAG, LAST_TAG, PULSES_BITS, TAG_BITS, WEIGHTS, ArrayId, Op, Status


class Sequencer(wiring.Component):
    """Members

    t_*, slot_*, over, cancel, pacing, pulse_empty : `Pulse`, as it names them (pulse_empty: its `empty`); with
        write-verify in its place t_op says PROGRAM or FORM
    in_pass : In(1), rows may still come to Pulse; an abort of the host lasts until there are none
    h_valid, h_ready, h_op, h_row, h_tag : In, Out, In, In, In, a read of the host; h_tag is given back with its result;
        where single devices are read, whose reads come this way too, h_groups: groups of a READ_ROW, at least one
    t_cells, h_cells : In(1), where binary devices hold L: the command, or read, is one of array L
    dac_valid, dac_ready, dac_codes : In, Out, In, its words of input codes
    adc_valid, adc_ready, adc_codes, adc_last : Out, In, Out, Out, the words it returns; fewer when it failed
    r_valid, r_ready, r_op, r_tag, r_status : Out, In, Out, Out, Out, its result, after its words; one for every read
    arr_* : the array port
    program_enable : In(1), programming is allowed; constant or a register
    host_abort : In(1), strobe: stop and drop everything
    timeout : In(32), cycles of silence, at least 16
    clear_counters : In(1), strobe
    ready : Out(1), the array has answered the first ABORT
    busy : Out(1), a command is open, or an abort or a result is under way
    timed_out, array_error, interlock, strayed : Out(1), events, high for a cycle or longer
    commands, issued, delivered, aborted, failed, unknown, stray : Out(32), counters
    """

    def __init__(self, design):
        self.design = design
        super().__init__(
            {**pulse_members(design), **read_members(design), **port_members(design), **control_members()}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ledger = self._ledger = PulseLedger()
        m.submodules.reads = self._reads = ReadPath(self.design)
        self._named_signals()
        self._interlock(m)
        self._completions(m)
        self._silence(m)
        self._states(m)
        self._connect_reads(m)
        self._connect_ledger(m)
        self._slots(m)
        m.d.comb += [
            self.over.eq(self._train & (self._complete | self._lose)),
            self.busy.eq(~self._idle | self._abort_due | self.cancel | ~self._reads.free),
        ]
        return m

    def _named_signals(self):
        self._idle = Signal()  # the states
        self._running = Signal()
        self._offering = Signal()
        self._draining = Signal()
        self._armed = Signal()  # pulses may be fired, as far as registers know
        self._open = Signal()  # a command is open
        self._train = Signal()  # and it is a pulse command
        self._pulses = Signal(PULSES_BITS)  # of the open command
        self._tag = Signal(TAG_BITS)  # of the open command
        self._next_tag = Signal(TAG_BITS)
        self._direction = Signal()
        self._abort_due = Signal()  # the host wants an ABORT sent
        self._stop = Signal()  # the open command must be aborted
        self._complete = Signal()  # the open command ends in this cycle
        self._lose = Signal()  # the open command is given up in this cycle
        self._aborted = Signal()  # ABORT completes in this cycle
        self._abort = Signal()  # ABORT is offered from the next cycle on
        self._begin = Signal()  # another command is
        self._taken = Signal()  # a command is taken by the array
        self._take_train = Signal()
        self._take_read = Signal()

    def _interlock(self, m):
        """The pin follows reset and rails at once; what decides inside sees the rails through two registers."""
        settling = Signal()
        rails_ok = Signal()
        m.d.sync += [settling.eq(self.arr_rails_ok), rails_ok.eq(settling)]
        m.d.comb += [
            self.arr_prog_enable.eq(self.program_enable & self.arr_rails_ok & ~ResetSignal("sync")),
            self._armed.eq(self.program_enable & rails_ok),
            self._stop.eq(self._abort_due | (self._train & ~self._armed)),
            self.interlock.eq(~self._armed & ((self._train & self._open) | (self._idle & self.t_valid & ~self.cancel))),
        ]

    def _completions(self, m):
        """Always taken: a completion ends the open command, ends an ABORT, or is stray."""
        ledger, reads, status = self._ledger, self._reads, self.arr_done_status
        fits = Signal()
        failed = Signal()
        wrong = Signal()
        m.d.comb += [
            self.arr_done_ready.eq(1),
            fits.eq(self._open & ~self._offering & (self.arr_done_tag == self._tag)),
            self._complete.eq(self.arr_done_valid & fits),
            self._aborted.eq(self.arr_done_valid & self._draining & (self.arr_done_tag == ABORT_TAG)),
            ledger.stray[0].eq(self.arr_done_valid & ~self._complete & ~self._aborted),
            ledger.stray[1].eq(reads.stray),
            self.strayed.eq(ledger.stray != 0),
            failed.eq((status != Status.OK) & (status != Status.ABORTED)),
            wrong.eq(failed | ledger.too_many | reads.wrong),
            self.array_error.eq((self._complete & wrong) | (self._aborted & self._open)),
        ]
        with m.If(self._complete | self._lose):
            m.d.sync += [self._open.eq(0), self._train.eq(0)]

    def _silence(self, m):
        """Gives the open command up when the array owes an answer and gives none for too long."""
        m.submodules.watchdog = watchdog = Watchdog()
        progress = Signal()
        slot = self.arr_slot_valid & self.arr_slot_ready
        offered = self.arr_cmd_valid & ~self.arr_cmd_ready
        m.d.comb += [
            progress.eq(self._taken | slot | self._reads.progress | self._complete | self._aborted),
            watchdog.owed.eq(offered | self._draining | (self._running & ~self.pacing & ~self._reads.waiting)),
            watchdog.progress.eq(progress),
            watchdog.timeout.eq(self.timeout),
            self.timed_out.eq(watchdog.expired),
            self._lose.eq(self._open & (self.timed_out | self._aborted)),
        ]

    def _states(self, m):
        m.d.comb += self._taken.eq(self.arr_cmd_valid & self.arr_cmd_ready)

        def abort():
            """Offer ABORT from the next cycle on."""
            m.d.comb += self._abort.eq(1)
            m.d.sync += self._abort_due.eq(0)
            m.next = "ABORT"

        with m.FSM(name="state"):
            with m.State("BOOT"):
                abort()
            with m.State("ABORT"):
                m.d.comb += self.arr_cmd_valid.eq(1)
                with m.If(self._taken):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += self._draining.eq(1)
                with m.If(self._aborted):
                    m.d.sync += self.ready.eq(1)
                    m.next = "IDLE"
                with m.Elif(self.timed_out):
                    abort()
            with m.State("IDLE"):
                m.d.comb += self._idle.eq(1)
                with m.If(self._abort_due):
                    abort()
                with m.Else():
                    self._choose(m)
                    with m.If(self._begin):
                        m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += [self.arr_cmd_valid.eq(1), self._offering.eq(1)]
                with m.If(self._taken):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self._running.eq(1)
                with m.If(self._complete):
                    m.next = "IDLE"
                with m.Elif(self._stop | self.timed_out | ~self._open):
                    abort()
        with m.If(self.host_abort):
            m.d.sync += [self._abort_due.eq(1), self.cancel.eq(1)]
        with m.If(self._abort | self._begin):
            self._offer(m)

    def _choose(self, m):
        """The next command. Further sources of commands are further branches here."""
        with m.If(self.t_valid):
            m.d.comb += self.t_ready.eq(self.cancel | self._armed)
        with m.Elif(self.cancel), m.If(self.pulse_empty & ~self.in_pass):
            m.d.sync += self.cancel.eq(0)
        with m.Elif(self.h_valid):
            m.d.comb += self.h_ready.eq(self._reads.free)
        m.d.comb += [
            self._take_train.eq(self.t_valid & self.t_ready),
            self._take_read.eq(self.h_valid & self.h_ready),
            self._begin.eq((self._take_train & ~self.cancel) | self._take_read),
        ]
        with m.If(self._begin):
            m.d.sync += [
                self._open.eq(1),
                self._train.eq(~self._take_read),
                self._tag.eq(self._next_tag),
                self._next_tag.eq(Mux(self._next_tag == LAST_TAG, 0, self._next_tag + 1)),
                self._pulses.eq(Mux(self._take_read, 0, self.t_pulses)),
            ]
            with m.If(~self._take_read):
                m.d.sync += self._direction.eq(self.t_direction)

    def _offer(self, m):
        """What the command is: it stays until the next one."""

        def either(of_abort, of_read, of_train):
            return Mux(self._abort, of_abort, Mux(self._take_read, of_read, of_train))

        m.d.sync += [
            self.arr_cmd_op.eq(either(Op.ABORT, self.h_op, self.t_op if self.design.verified else Op.PROGRAM)),
            self.arr_cmd_array.eq(Mux(self._abort, 0, self._array())),
            self.arr_cmd_row.eq(either(0, Mux(self.h_op == Op.READ_ROW, self.h_row, 0), self.t_row)),
            self.arr_cmd_width.eq(either(0, 0, self.t_width)),
            self.arr_cmd_amplitude.eq(either(0, 0, self.t_amplitude)),
            self.arr_cmd_tag.eq(Mux(self._abort, ABORT_TAG, self._next_tag)),
        ]
        if self.design.device_reads:
            names = self.h_op == Op.READ_ROW
            m.d.sync += self.arr_cmd_groups.eq(either(0, Mux(names, self.h_groups, 0), 0))

    def _array(self):
        """Which array the command that begins is for."""
        if not self.design.cells_array:
            return WEIGHTS
        return Mux(Mux(self._take_read, self.h_cells, self.t_cells), ArrayId.L, WEIGHTS)

    def _connect_reads(self, m):
        reads = self._reads
        m.d.comb += [
            reads.start.eq(self._take_read),
            reads.op.eq(self.h_op),
            reads.tag.eq(self.h_tag),
            reads.running.eq(self._running & ~self._stop),
            reads.stopped.eq(~self._idle & ~self._offering & ~reads.running),
            reads.complete.eq(self._complete & ~self._train),
            reads.status.eq(self.arr_done_status),
            reads.lose.eq(self._lose & ~self._train),
        ]
        if self.design.device_reads:
            m.d.comb += reads.groups.eq(self.h_groups)
        for name, member in reads.signature.members.items():
            if name.startswith(("dac_", "adc_", "r_", "arr_")):
                own, inner = getattr(self, name), getattr(reads, name)
                m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)

    def _connect_ledger(self, m):
        ledger = self._ledger
        m.d.comb += [
            ledger.issue.eq(self._take_train),
            ledger.issue_pulses.eq(self.t_pulses),
            ledger.drop.eq(self.cancel),
            ledger.complete.eq(self._complete),
            ledger.pulses.eq(self._pulses),
            ledger.reported.eq(self.arr_done_pulses),
            ledger.was_aborted.eq(self.arr_done_status == Status.ABORTED),
            ledger.lose.eq(self._lose),
            ledger.command.eq(self._taken & self._offering),
            ledger.clear.eq(self.clear_counters),
            self.stray.eq(ledger.stray_count),
        ]
        m.d.comb += [getattr(self, name).eq(getattr(ledger, name)) for name in COUNTERS if name != "stray"]

    def _slots(self, m):
        """Slots pass while their command runs; one direction bit serves every column."""
        passing = Signal()
        columns = len(self.arr_slot_columns)
        m.d.comb += [
            passing.eq(self._running & self._train & ~self._stop),
            self.arr_slot_valid.eq(passing & self.slot_valid),
            self.arr_slot_columns.eq(self.slot_columns),
            self.arr_slot_direction.eq(self._direction.replicate(columns)),
            self.arr_slot_last.eq(self.slot_last),
            self.slot_ready.eq(passing & self.arr_slot_ready),
        ]
