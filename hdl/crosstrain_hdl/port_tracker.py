"""What the port checker knows of the traffic so far; the rules are in `port_checker.py`.

One command may be *open* (taken, not completed); ABORT is *aborting* from when it is taken until a completion with its
tag. Several ABORTs may be taken before the first answer, after a timeout; each owes one completion.
"""

from amaranth import Mux, Signal
from amaranth.lib import wiring

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
)


class PortTracker(wiring.Component):
    """Base of `PortChecker`: its members are the array port, and `_track` fills the signals named here."""

    def _track(self, m):
        self._decode(m)
        self._track_command(m)
        self._track_words(m)
        self._track_slots(m)

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
        m.d.comb += [
            self._taken.eq(self.arr_cmd_valid & self.arr_cmd_ready),
            self._done.eq(self.arr_done_valid & self.arr_done_ready),
        ]

    def _track_command(self, m):
        """The open command, ABORTs, and whether the port is in step since reset."""
        self._synced = Signal()
        self._commanded = Signal()  # a command other than ABORT was taken since reset
        self._aborting = Signal()
        self._owed = Signal(4)  # completions of ABORTs
        self._open = Signal()
        self._tag = Signal(TAG_BITS)
        self._width = Signal(WIDTH_BITS)
        self._pulse = Signal()
        self._read = Signal()
        self._program = Signal()
        self._next_tag = Signal(TAG_BITS)
        self._ends_abort = Signal()
        self._ends_open = Signal()
        m.d.comb += [
            self._ends_abort.eq(self._done & (self.arr_done_tag == ABORT_TAG)),
            self._ends_open.eq(self._done & self._open & (self.arr_done_tag == self._tag)),
        ]
        with m.If(self._ends_open | (self._ends_abort & self._aborting)):
            m.d.sync += self._open.eq(0)
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
            m.d.sync += [
                self._commanded.eq(1),
                self._open.eq(1),
                self._tag.eq(self.arr_cmd_tag),
                self._width.eq(self.arr_cmd_width),
                self._pulse.eq(self._is_pulse),
                self._read.eq(self._is_read),
                self._program.eq(self.arr_cmd_op == Op.PROGRAM),
                self._next_tag.eq(Mux(self.arr_cmd_tag >= LAST_TAG, 0, self.arr_cmd_tag + 1)),
            ]

    def _track_words(self, m):
        """Words of codes that the open command still takes and gives."""
        most = max(self.design.array.row_words, self.design.array.groups)
        self._dac_left = Signal(range(most + 1))
        self._adc_left = Signal(range(most + 1))
        for left, valid, ready in (
            (self._dac_left, self.arr_dac_valid, self.arr_dac_ready),
            (self._adc_left, self.arr_adc_valid, self.arr_adc_ready),
        ):
            with m.If(valid & ready & (left != 0)):
                m.d.sync += left.eq(left - 1)
        with m.If(self._taken & ~self._is_abort):
            m.d.sync += [self._dac_left.eq(0), self._adc_left.eq(0)]
            with m.Switch(self.arr_cmd_op):
                for op in READ_OPS:
                    with m.Case(op):
                        m.d.sync += self._dac_left.eq(dac_words(self.design, op))
                        m.d.sync += self._adc_left.eq(adc_words(self.design, op))

    def _track_slots(self, m):
        """Pulses given to the open command, their direction, and what is left of the last pulse's width."""
        self._fired = Signal(PULSES_BITS)
        self._last_slot = Signal()
        self._direction_known = Signal()
        self._direction = Signal()
        self._pulsing = Signal(WIDTH_BITS)
        taken = Signal(name="slot_taken")
        m.d.comb += taken.eq(self.arr_slot_valid & self.arr_slot_ready)
        with m.If(self._taken & ~self._is_abort):
            m.d.sync += [self._fired.eq(0), self._last_slot.eq(0), self._direction_known.eq(0)]
        with m.If(taken):
            m.d.sync += [
                self._fired.eq(self._fired + total([self.arr_slot_columns])),
                self._last_slot.eq(self.arr_slot_last),
                self._pulsing.eq(Mux(self._width == 0, 0, self._width - 1)),
            ]
        with m.Elif(self._pulsing != 0):
            m.d.sync += self._pulsing.eq(self._pulsing - 1)
        with m.If(taken & self.arr_slot_columns.any()):
            m.d.sync += self._direction_known.eq(1)
            m.d.sync += self._direction.eq((self.arr_slot_columns & self.arr_slot_direction).any())
