"""Dispatcher: the only master of the array port where vectors become pulse trains; docs/dispatcher.md tells the rules.

Several commands are *open* at a time, each from its offer until its completion, or until it is given up; the array does
them in order. Only what belongs to an open command counts, everything else is discarded as stray. States:

    BOOT     one cycle after reset
    ABORT    ABORT is offered          -> DRAIN when taken
    DRAIN    until ABORT's completion  -> RUN; silence: -> ABORT again
    RUN      offers commands, one after the other; slots and words pass; stopped, and no command is offered: -> ABORT

What is given up leaves the queue, a command a cycle; until then nothing is offered.
"""

from amaranth import Module, Mux, ResetSignal, Signal

from crosstrain_hdl.array_port import port_members
from crosstrain_hdl.command_queue import Kind
from crosstrain_hdl.dispatcher_parts import DispatcherParts
from crosstrain_hdl.dispatcher_ports import program_members, row_members, state_members, train_members
from crosstrain_hdl.sequencer_ports import read_members
from crosstrain_hdl.watchdog import Watchdog
from crosstrain_model.port import (
    ABORT_TAG,
    LAST_TAG,
    TAG_BITS,
    WEIGHTS,
    WIDTH_BITS,
    ArrayId,
    Op,
    Status,
    train_array,
)


class Dispatcher(DispatcherParts):
    """Members

    n_valid, n_ready, n_slots : In, Out, In, a train of so many slots in all its phases
    ns_valid, ns_ready, ns_rows, ns_columns, ns_direction, ns_last : In, Out, In..., slots of the train taken last
    train_over : Out(1), strobe: that train has ended, slots that are left are dropped
    in_trains : In(1), trains may still come; an abort of the host lasts until there are none
    train_width, train_guard, train_amplitude : In, registers; constant unless idle
    cancel : Out(1), level: trains and commands that are taken are dropped, without slots
    h_*, dac_*, adc_*, r_* : reads of the host, see `Sequencer`
    arr_* : the array port
    program_enable, host_abort, timeout, clear_counters, ready, busy, timed_out, array_error, interlock, strayed,
        commands, stray : see `Sequencer`
    train_issued, train_delivered, train_aborted, train_failed, train_unknown : Out(32), counters of slots

    Where rows are transferred:

    p_*, slot_*, over, pacing, pulse_empty : `Pulse`, as it names them (p_* its `t_*`, pulse_empty its `empty`)
    in_pass : In(1), rows may still come to Pulse; an abort of the host lasts until there are none
    q_valid, q_ready, q_row : In, Out, In, the read of a row of A
    z_valid, z_ready, z_codes : Out, In, Out, words of those reads
    z_end, z_good : Out(1), strobe: the oldest of those reads has ended; all its words came and it ended well
    issued, delivered, aborted, failed, unknown : Out(32), counters of device pulses on the weights
    """

    def __init__(self, design):
        self.design = design
        members = {**train_members(design), **read_members(design), **port_members(design), **state_members(design)}
        if design.transfers:
            members |= {**program_members(design), **row_members(design)}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        self._parts(m)
        self._named_signals()
        self._interlock(m)
        self._completions(m)
        self._silence(m)
        self._states(m)
        self._connect(m)
        m.d.comb += self.busy.eq(~self._idle | self._abort_due | self.cancel | ~self._reads.free)
        return m

    def _named_signals(self):
        self._running = Signal()  # the states
        self._draining = Signal()
        self._idle = Signal()  # running, and nothing is open
        self._offering = Signal()  # a command other than ABORT is offered
        self._armed = Signal()  # pulses may be fired, as far as registers know
        self._tag = Signal(TAG_BITS)  # of the oldest command
        self._next_tag = Signal(TAG_BITS)
        self._direction = Signal()  # of PROGRAM
        self._width = Signal(WIDTH_BITS)  # of a TRAIN
        self._abort_due = Signal()  # an ABORT must be sent
        self._stop = Signal()  # what is open must be aborted
        self._passing = Signal()  # slots and words pass
        self._losing = Signal()  # what is open is given up, a command a cycle
        self._complete = Signal()  # the oldest command ends in this cycle
        self._lose = Signal()  # the oldest command is given up in this cycle
        self._aborted = Signal()  # ABORT completes in this cycle
        self._abort = Signal()  # ABORT is offered from the next cycle on
        self._taken = Signal()  # a command is taken by the array
        self._take = {kind: Signal(name=f"take_{kind.name.lower()}") for kind in Kind}  # one of us

    def _interlock(self, m):
        """The pin follows reset and rails at once; what decides inside sees the rails through two registers."""
        settling = Signal()
        rails_ok = Signal()
        waits = self.n_valid | self.p_valid if self.design.transfers else self.n_valid
        m.d.sync += [settling.eq(self.arr_rails_ok), rails_ok.eq(settling)]
        m.d.comb += [
            self.arr_prog_enable.eq(self.program_enable & self.arr_rails_ok & ~ResetSignal("sync")),
            self._armed.eq(self.program_enable & rails_ok),
            self._stop.eq(self._abort_due | (self._queue.pulsing & ~self._armed)),
            self.interlock.eq(~self._armed & (self._queue.pulsing | (self._running & waits & ~self.cancel))),
        ]

    def _completions(self, m):
        """Always taken: a completion ends the oldest command, ends an ABORT, or is stray."""
        queue, status, stray = self._queue, self.arr_done_status, self._train_ledger.stray
        fits = Signal()
        failed = Signal()
        wrong = self._train_ledger.too_many | self._reads.wrong
        word = self._reads.stray
        if self.design.transfers:
            wrong = Mux(queue.kind == Kind.PROGRAM, self._ledger.too_many, wrong) | self._rows.wrong
            word = Mux(queue.row_open, self._rows.stray, word)
        m.d.comb += [
            self.arr_done_ready.eq(1),
            fits.eq(~queue.empty & queue.at_array & ~self._losing & (self.arr_done_tag == self._tag)),
            self._complete.eq(self.arr_done_valid & fits),
            self._lose.eq(self._losing & ~queue.empty),
            self._aborted.eq(self.arr_done_valid & self._draining & (self.arr_done_tag == ABORT_TAG)),
            stray[0].eq(self.arr_done_valid & ~self._complete & ~self._aborted),
            stray[1].eq(word),
            self.strayed.eq(stray != 0),
            failed.eq((status != Status.OK) & (status != Status.ABORTED)),
            self.array_error.eq(
                (self._complete & (failed | wrong)) | (self._aborted & ~queue.empty & ~self._losing)
            ),
            queue.pop.eq(self._complete | self._lose),
            queue.taken.eq(self._taken & self._offering),
        ]
        with m.If(queue.pop):
            m.d.sync += self._tag.eq(_after(self._tag))
        with m.If((self._aborted | self.timed_out) & ~queue.empty):
            m.d.sync += self._losing.eq(1)
        with m.Elif(queue.empty):
            m.d.sync += self._losing.eq(0)

    def _silence(self, m):
        """Gives everything up when the array owes an answer and gives none for too long."""
        m.submodules.watchdog = watchdog = Watchdog()
        progress = Signal()
        pacing, waiting, word = self._slots.pace, self._reads.waiting, self._reads.progress
        if self.design.transfers:
            pacing, waiting = pacing | self.pacing, waiting | self._rows.waiting
            word = word | self._rows.progress
        slot = self.arr_slot_valid & self.arr_slot_ready
        offered = self.arr_cmd_valid & ~self.arr_cmd_ready
        m.d.comb += [
            progress.eq(self._taken | slot | word | self._complete | self._aborted),
            watchdog.owed.eq(
                offered | self._draining | (self._running & ~self._queue.empty & ~self._losing & ~pacing & ~waiting)
            ),
            watchdog.progress.eq(progress),
            watchdog.timeout.eq(self.timeout),
            self.timed_out.eq(watchdog.expired),
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
                    m.next = "RUN"
                with m.Elif(self.timed_out):
                    abort()
            with m.State("RUN"):
                m.d.comb += [
                    self._running.eq(1),
                    self._idle.eq(self._queue.empty & ~self._offering),
                    self._passing.eq(~self._stop & ~self._losing),
                    self.arr_cmd_valid.eq(self._offering),
                ]
                with m.If(self._offering):
                    m.d.sync += self._offering.eq(~self._taken)
                with m.Elif(self._stop):
                    abort()
                with m.Elif(~self._losing):
                    self._choose(m)
                with m.If(self.timed_out):
                    m.d.sync += self._abort_due.eq(1)
        with m.If(self.host_abort):
            m.d.sync += [self._abort_due.eq(1), self.cancel.eq(1)]
        self._commands(m)

    def _choose(self, m):
        """The next command: pulses of a row, a train, the read of a row, and when all is quiet a read of the host."""
        queue, take, cancel = self._queue, self._take, self.cancel
        room, fire = Signal(), Signal()
        program, row, coming = 0, 0, self.in_trains
        if self.design.transfers:
            program, row = self.p_valid, self.q_valid
            coming = coming | ~self.pulse_empty | self.in_pass
            m.d.comb += [
                take[Kind.PROGRAM].eq(program & fire),
                take[Kind.ROW].eq(row & ~program & ~self.n_valid & (cancel | room)),
            ]
        waits = program | self.n_valid | row
        m.d.comb += [
            room.eq(~queue.full & (queue.empty | (queue.kind != Kind.READ))),
            fire.eq(cancel | (room & self._armed)),
            take[Kind.TRAIN].eq(self.n_valid & ~program & fire),
            take[Kind.READ].eq(self.h_valid & ~waits & ~cancel & queue.empty & self._reads.free),
        ]
        with m.If(cancel & ~waits & ~coming):
            m.d.sync += cancel.eq(0)

    def _commands(self, m):
        """What is taken in is offered, unless an abort drops it, and then stays as it is until the next one."""
        take, queue, cancel = self._take, self._queue, self.cancel
        wanted, limit = self.train_width, self.design.pulse.width_limit
        m.d.comb += self._width.eq(Mux(wanted > limit, limit, Mux(wanted == 0, 1, wanted)))
        of_train = {"op": Op.TRAIN, "array": train_array(self.design)}
        of_train |= {"width": self._width, "amplitude": self.train_amplitude}
        of_read = {"op": self.h_op, "array": WEIGHTS, "row": Mux(self.h_op == Op.READ_ROW, self.h_row, 0)}
        kinds = {Kind.TRAIN: (self.n_ready, of_train, self.n_slots), Kind.READ: (self.h_ready, of_read, 0)}
        if self.design.transfers:
            of_program = {"width": self.p_width, "amplitude": self.p_amplitude, "row": self.p_row}
            of_program |= {"op": Op.PROGRAM, "array": WEIGHTS}
            of_row = {"op": Op.READ_ROW, "array": ArrayId.A, "row": self.q_row}
            kinds |= {Kind.PROGRAM: (self.p_ready, of_program, self.p_pulses), Kind.ROW: (self.q_ready, of_row, 0)}
        with m.If(self._abort):
            self._set_command(m, {"op": Op.ABORT, "tag": ABORT_TAG})
        for kind, (ready, command, amount) in kinds.items():
            m.d.comb += ready.eq(take[kind])
            with m.If(take[kind] & ~cancel):
                m.d.comb += [queue.push.eq(1), queue.push_kind.eq(kind), queue.push_amount.eq(amount)]
                self._set_command(m, {**command, "tag": self._next_tag})
        with m.If(queue.push):
            m.d.sync += [self._offering.eq(1), self._next_tag.eq(_after(self._next_tag))]
        if self.design.transfers:
            with m.If(take[Kind.PROGRAM]):
                m.d.sync += self._direction.eq(self.p_direction)

    def _set_command(self, m, fields):
        for name in ("op", "array", "row", "width", "amplitude", "tag"):
            m.d.sync += getattr(self, f"arr_cmd_{name}").eq(fields.get(name, 0))


def _after(tag):
    return Mux(tag == LAST_TAG, 0, tag + 1)
