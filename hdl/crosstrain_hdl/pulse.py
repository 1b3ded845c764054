"""Pulse: turns rows of signed counts into phases of pulse slots. The rule is `crosstrain_model.pulse`.

Loading a row turns each word on its side: bit k of all counts becomes plane k, one bit per column. A slot is then a few
operations on whole planes: its columns are the OR of the planes, and taking one pulse from each column is a subtraction
that ripples from plane to plane. With push-pull both phases need every count, so the row is loaded twice; loading
overlaps the last pulse of the phase before.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import any_of, decrement, interleave, magnitude, total, transpose
from crosstrain_hdl.row_buffer import RowBuffer
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import AMPLITUDE_BITS, PULSES_BITS, WIDTH_BITS, row_bits
from crosstrain_model.pulse import RESET, SET, row_buffers

GUARD_BITS = 16


class Pulse(wiring.Component):
    """Row buffers, phases, slots and their pace.

    Members
    -------
    c_valid, c_row, c_counts, c_last : In, counts of a row, lanes * 5 bits signed, groups ascending, the last marked;
        nothing holds them back: a row may be started while pulse_free is more than the rows under way
    pulse_free : Out, rows that can come; 0 while cancel is high
    width_set, width_reset, guard, amplitude_set, amplitude_reset : In, registers; constant unless `empty`
    t_valid, t_ready : Out, In, the command of a phase; taken while cancel is high it is dropped, without slots
    t_row, t_direction, t_width, t_amplitude, t_pulses : Out, of that command; t_pulses is its number of device pulses
    slot_valid, slot_ready, slot_columns, slot_last : Out, In, Out, Out, slots of the command that was taken last; its
        t_direction stays until they are over
    over : In(1), strobe: that command has ended, slots that are left are dropped
    cancel : In(1), level: rows are dropped
    pacing : Out(1), pulse width and guard of the last slot are not yet over
    empty : Out(1), no row waits and no phase is under way

    Attributes
    ----------
    latency : cycles from the last counts to t_valid of an idle unit, groups + 4; one more when SET is skipped
    """

    def __init__(self, design):
        array = design.array
        self.design = design
        self.planes = design.update.max_pulses.bit_length()
        self.latency = array.groups + 4
        super().__init__(
            {
                "c_valid": In(1),
                "c_row": In(row_bits(design)),
                "c_counts": In(array.lanes * COUNT_BITS),
                "c_last": In(1),
                "pulse_free": Out(range(row_buffers(design) + 1)),
                "width_set": In(WIDTH_BITS),
                "width_reset": In(WIDTH_BITS),
                "guard": In(GUARD_BITS),
                "amplitude_set": In(AMPLITUDE_BITS),
                "amplitude_reset": In(AMPLITUDE_BITS),
                "t_valid": Out(1),
                "t_ready": In(1),
                "t_row": Out(row_bits(design)),
                "t_direction": Out(1),
                "t_width": Out(WIDTH_BITS),
                "t_amplitude": Out(AMPLITUDE_BITS),
                "t_pulses": Out(PULSES_BITS),
                "slot_valid": Out(1),
                "slot_ready": In(1),
                "slot_columns": Out(array.device_columns),
                "slot_last": Out(1),
                "over": In(1),
                "cancel": In(1),
                "pacing": Out(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = self._buffer = RowBuffer(self.design)
        self._slotting = Signal()  # the slots of a command are due
        self._take = Signal()
        buffer = self._buffer
        m.d.comb += [
            buffer.c_valid.eq(self.c_valid),
            buffer.c_row.eq(self.c_row),
            buffer.c_counts.eq(self.c_counts),
            buffer.c_last.eq(self.c_last),
            self.pulse_free.eq(Mux(self.cancel, 0, buffer.free)),
        ]
        self._load(m)
        self._phases(m)
        self._slots(m)
        self._pace(m)
        return m

    def _load(self, m):
        """One word a cycle: turned into planes, made magnitudes, shifted in at the top, counted."""
        buffer, lanes = self._buffer, self.design.array.lanes
        padded = lanes * self.design.array.groups
        self._loaded = Signal()
        self._sign = Signal(padded)
        self._left = [Signal(padded, name=f"left_{k}") for k in range(self.planes)]  # pulses still to give
        self._pulses_set = self._pulses_reset = Signal(PULSES_BITS, name="pulses")  # of a pair, each phase pulses one
        if not self.design.array.differential:
            self._pulses_set = Signal(PULSES_BITS)
            self._pulses_reset = Signal(PULSES_BITS)
        turned_valid = Signal()
        turned_last = Signal()
        turned = [Signal(lanes, name=f"turned_{k}") for k in range(buffer.bits)]
        sizes = [Signal(lanes, name=f"size_{k}") for k in range(self.planes)]
        m.d.sync += [turned_valid.eq(buffer.word_valid), turned_last.eq(buffer.word_last)]
        m.d.comb += self._loaded.eq(turned_last)
        with m.If(buffer.word_valid):
            m.d.sync += [r.eq(v) for r, v in zip(turned, transpose(buffer.word, lanes, buffer.bits), strict=True)]
        sign = turned[-1]
        m.d.comb += [r.eq(v) for r, v in zip(sizes, magnitude(turned[:-1], sign), strict=True)]
        with m.If(turned_valid):
            shifted = zip([self._sign, *self._left], [sign, *sizes], strict=True)
            m.d.sync += [plane.eq(Cat(plane[lanes:], word)) for plane, word in shifted]
        if self.design.array.differential:
            sums = [(self._pulses_set, sizes)]
        else:
            sums = [
                (self._pulses_set, [size & ~sign for size in sizes]),
                (self._pulses_reset, [size & sign for size in sizes]),
            ]
        for pulses, planes in sums:
            with m.If(turned_valid | buffer.load):
                m.d.sync += pulses.eq(Mux(turned_valid, pulses + total(planes), 0))

    def _phases(self, m):
        """Which phase is loaded, offered, pulsed."""
        buffer, pair = self._buffer, self.design.array.pair
        direction = self.t_direction
        m.d.comb += [
            self._take.eq(self.slot_valid & self.slot_ready),
            self.t_pulses.eq(Mux(direction == SET, self._pulses_set, self._pulses_reset)),
            self.t_amplitude.eq(Mux(direction == SET, self.amplitude_set, self.amplitude_reset)),
        ]

        def end_phase():
            """After a phase: the other one, if it has pulses, or the next row."""
            m.next = "REST"
            if pair == "single":
                with m.If((direction == SET) & (self._pulses_reset != 0)):
                    m.d.sync += direction.eq(RESET)
                    m.next = "OFFER"
            elif pair == "push-pull":
                with m.If(direction == SET):
                    m.d.sync += direction.eq(RESET)
                    m.d.comb += buffer.load.eq(1)
                    m.next = "LOAD"

        with m.FSM(name="phase"):
            with m.State("REST"):
                m.d.comb += self.empty.eq(~buffer.row_valid)
                with m.If(buffer.row_valid):
                    m.d.comb += buffer.load.eq(1)
                    m.d.sync += [self.t_row.eq(buffer.row), direction.eq(SET)]
                    m.next = "LOAD"
            with m.State("LOAD"), m.If(self._loaded):
                m.d.comb += buffer.release.eq((direction == RESET) if pair == "push-pull" else 1)
                m.next = "OFFER"
            with m.State("OFFER"):
                with m.If(self.t_pulses == 0):  # a single device row without a raise
                    m.d.sync += direction.eq(RESET)
                with m.Else():
                    # Where commands queue at the array the next is offered at once: its slots wait, not it.
                    m.d.comb += self.t_valid.eq(1 if self.design.pulsed else ~self.pacing | self.cancel)
                with m.If(self.t_valid & self.t_ready):
                    m.next = "SLOTS"
                    with m.If(self.cancel):
                        end_phase()
            with m.State("SLOTS"):
                m.d.comb += self._slotting.eq(1)
                with m.If(self.over | (self._take & self.slot_last)):
                    end_phase()

    def _slots(self, m):
        """A slot is prepared in the cycle after the one before it was taken, and offered when its time has come."""
        array = self.design.array
        prepare = Signal()
        prepared = Signal()
        polarity, ones, more = (Signal.like(self._sign, name=name) for name in ("polarity", "ones", "more"))
        chosen = Const(-1, len(polarity)) if array.differential else polarity
        m.d.comb += [
            prepare.eq(self._slotting & ~prepared),
            polarity.eq(Mux(self.t_direction == SET, ~self._sign, self._sign)),  # what SET raises and RESET lowers
            ones.eq(any_of(self._left) & chosen),
            more.eq(any_of(self._left[1:]) & chosen if self.planes > 1 else 0),
            self.slot_valid.eq(prepared & ~self.pacing),
        ]
        with m.If(prepare):
            fewer = decrement(self._left, ones)
            m.d.sync += [plane.eq(value) for plane, value in zip(self._left, fewer, strict=True)]
            m.d.sync += [self.slot_columns.eq(self._devices(ones, polarity)), self.slot_last.eq(~more.any())]
        m.d.sync += prepared.eq(self._slotting & ~self._take & ~self.over)

    def _devices(self, ones, polarity):
        """Device columns to pulse from the weights to pulse: of a pair, plus where polarity is set, minus elsewhere."""
        columns = self.design.array.columns
        if not self.design.array.differential:
            return ones[:columns]
        return interleave((ones & polarity)[:columns], (ones & ~polarity)[:columns])

    def _pace(self, m):
        """Counts down one pulse and its guard after every slot."""
        wanted = Signal(WIDTH_BITS)
        remaining = Signal(WIDTH_BITS + 1)
        limit = self.design.pulse.width_limit
        m.d.comb += [
            wanted.eq(Mux(self.t_direction == SET, self.width_set, self.width_reset)),
            self.t_width.eq(Mux(wanted > limit, limit, Mux(wanted == 0, 1, wanted))),
            self.pacing.eq(remaining != 0),
        ]
        with m.If(self._take):
            m.d.sync += remaining.eq(self.t_width + self.guard - 1)
        with m.Elif(self.pacing):
            m.d.sync += remaining.eq(remaining - 1)
