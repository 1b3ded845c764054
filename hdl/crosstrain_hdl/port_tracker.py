"""What the port checker knows of the traffic so far; the rules are in `port_checker.py`.

Commands are *open* from when they are taken until they are completed, one or several at a time, oldest first; ABORT is
*aborting* from when it is taken until a completion with its tag. Several ABORTs may be taken before the first answer,
after a timeout; each owes one completion.
"""

from amaranth import Mux, Signal
from amaranth.lib import data, wiring

from crosstrain_hdl.planes import total
from crosstrain_model.port import (
    ABORT_TAG,
    LAST_TAG,
    PULSE_OPS,
    PULSES_BITS,
    READ_OPS,
    TAG_BITS,
    WIDTH_BITS,
    Op,
    adc_words,
    dac_words,
    outstanding,
)


def _command(design):
    """What is known of an open command."""
    words = range(max(design.array.row_words, design.array.groups, dac_words(design, Op.FORWARD)) + 1)
    return data.StructLayout(
        {
            "tag": TAG_BITS,
            "width": WIDTH_BITS,
            "pulse": 1,
            "program": 1,
            "train": 1,
            "read": 1,
            "fired": PULSES_BITS,  # device pulses, of a TRAIN slots, that it was given
            "last_slot": 1,  # it was given its last
            "direction_known": 1,
            "direction": 1,
            "dac_left": words,  # words of codes that it still takes
            "adc_left": words,  # and gives
        }
    )


class PortTracker(wiring.Component):
    """Base of `PortChecker`: its members are the array port, and `_track` fills the signals named here."""

    def _track(self, m):
        self._decode(m)
        self._track_aborts(m)
        self._track_commands(m)
        self._track_pulses(m)

    def _is(self, m, ops, name):
        signal = Signal(name=name)
        with m.Switch(self.arr_cmd_op), m.Case(*ops):
            m.d.comb += signal.eq(1)
        return signal

    def _decode(self, m):
        self._taken = Signal()
        self._done = Signal()
        self._is_abort = self._is(m, (Op.ABORT,), "is_abort")
        self._is_pulse = self._is(m, PULSE_OPS, "is_pulse")
        self._is_read = self._is(m, READ_OPS, "is_read")
        self._is_program = self.arr_cmd_op == Op.PROGRAM
        if self.design.verified:
            self._is_program = self._is(m, (Op.PROGRAM, Op.FORM), "is_program")
        self._slot = Signal(name="slot_taken")
        m.d.comb += [
            self._taken.eq(self.arr_cmd_valid & self.arr_cmd_ready),
            self._done.eq(self.arr_done_valid & self.arr_done_ready),
            self._slot.eq(self.arr_slot_valid & self.arr_slot_ready),
        ]

    def _track_aborts(self, m):
        """ABORTs, and whether the port is in step since reset."""
        self._synced = Signal()
        self._commanded = Signal()  # a command other than ABORT was taken since reset
        self._aborting = Signal()
        self._owed = Signal(4)  # completions of ABORTs
        self._next_tag = Signal(TAG_BITS)
        self._ends_abort = Signal()
        m.d.comb += self._ends_abort.eq(self._done & (self.arr_done_tag == ABORT_TAG))
        with m.If(self._ends_abort):
            m.d.sync += self._synced.eq(self._synced | self._aborting)
            m.d.sync += self._aborting.eq(0)
        with m.If(self._taken & self._is_abort):
            m.d.sync += self._aborting.eq(1)
        with m.If(self._taken & self._is_abort & ~self._ends_abort & ~self._owed.all()):
            m.d.sync += self._owed.eq(self._owed + 1)
        with m.Elif(~(self._taken & self._is_abort) & self._ends_abort & (self._owed != 0)):
            m.d.sync += self._owed.eq(self._owed - 1)
        with m.If(self._taken & ~self._is_abort):
            m.d.sync += self._commanded.eq(1)
            m.d.sync += self._next_tag.eq(Mux(self.arr_cmd_tag >= LAST_TAG, 0, self.arr_cmd_tag + 1))

    def _track_commands(self, m):
        """Open commands: the oldest, the one whose slots are due, the one whose words are."""
        depth, layout = outstanding(self.design), _command(self.design)
        opens = [Signal(layout, name=f"open_{i}") for i in range(depth)]
        afters = [Signal(layout, name=f"after_{i}") for i in range(depth)]  # with what this cycle brings
        self._count = count = Signal(range(depth + 1))
        self._open = Signal()
        self._ends_open = Signal()
        self._oldest = opens[0]
        self._due = Signal(layout)  # the command whose slots are due, or 0
        self._reading = Signal(layout)  # the command whose words are due, or 0
        self._ends_due = Signal()  # the command whose slots are due ends
        m.d.comb += [
            self._open.eq(count != 0),
            self._ends_open.eq(self._done & self._open & (self.arr_done_tag == self._oldest.tag)),
            self._ends_due.eq(self._ends_open & self._oldest.pulse & ~self._oldest.last_slot),
        ]
        slots_before = words_before = 0
        for i in range(depth):
            wants_slots = (count > i) & opens[i].pulse & ~opens[i].last_slot
            gets_slots, gets_words = Signal(name=f"slots_{i}"), Signal(name=f"words_{i}")
            m.d.comb += [
                gets_slots.eq(wants_slots & ~slots_before),
                gets_words.eq((count > i) & opens[i].read & ~words_before),
                afters[i].eq(opens[i]),
            ]
            slots_before, words_before = slots_before | wants_slots, words_before | gets_words
            with m.If(gets_slots):
                m.d.comb += self._due.eq(opens[i])
                self._after_slot(m, opens[i], afters[i])
            with m.If(gets_words):
                m.d.comb += self._reading.eq(opens[i])
                self._after_words(m, opens[i], afters[i])
        enters = self._taken & ~self._is_abort
        place = Signal.like(count)  # of a command that is taken
        m.d.comb += place.eq(count - self._ends_open)
        with m.If(self._ends_abort & self._aborting):
            m.d.comb += place.eq(0)
        m.d.sync += count.eq(Mux(enters & (place != depth), place + 1, place))
        for i in range(depth):
            above = afters[min(i + 1, depth - 1)]
            m.d.sync += opens[i].eq(Mux(self._ends_open, above, afters[i]))
            with m.If(enters & ((place == i) | ((place == depth) & (i == depth - 1)))):
                self._enter(m, opens[i])

    def _enter(self, m, command):
        m.d.sync += [
            command.eq(0),
            command.tag.eq(self.arr_cmd_tag),
            command.width.eq(self.arr_cmd_width),
            command.pulse.eq(self._is_pulse),
            command.program.eq(self._is_program),
            command.train.eq(self.arr_cmd_op == Op.TRAIN),
            command.read.eq(self._is_read),
        ]
        with m.Switch(self.arr_cmd_op):
            for op in READ_OPS:
                with m.Case(op):
                    m.d.sync += command.dac_left.eq(dac_words(self.design, op))
                    named = self.design.device_reads and op == Op.READ_ROW
                    due = total([self.arr_cmd_groups]) if named else adc_words(self.design, op)
                    m.d.sync += command.adc_left.eq(due)

    def _after_slot(self, m, before, after):
        columns = self.arr_slot_columns
        pulses = total([columns])
        if self.design.pulsed:
            pulses = Mux(before.train, 1, pulses)
        with m.If(self._slot):
            m.d.comb += [after.fired.eq(before.fired + pulses), after.last_slot.eq(self.arr_slot_last)]
        with m.If(self._slot & columns.any()):
            m.d.comb += after.direction_known.eq(1)
            m.d.comb += after.direction.eq((columns & self.arr_slot_direction).any())

    def _after_words(self, m, before, after):
        with m.If(self.arr_dac_valid & self.arr_dac_ready & (before.dac_left != 0)):
            m.d.comb += after.dac_left.eq(before.dac_left - 1)
        with m.If(self.arr_adc_valid & self.arr_adc_ready & (before.adc_left != 0)):
            m.d.comb += after.adc_left.eq(before.adc_left - 1)

    def _track_pulses(self, m):
        """What is left of the last pulse's width."""
        self._pulsing = Signal(WIDTH_BITS)
        with m.If(self._slot):
            m.d.sync += self._pulsing.eq(Mux(self._due.width == 0, 0, self._due.width - 1))
        with m.Elif(self._pulsing != 0):
            m.d.sync += self._pulsing.eq(self._pulsing - 1)
