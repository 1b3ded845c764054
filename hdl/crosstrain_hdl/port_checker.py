"""Port checker: watches the array port and says which rule of the protocol was broken first, and which ever.

The rules and their codes are `crosstrain_model.port_rules.RULES`; each method below raises some of them. It is part of
every co-simulation build, as a Verilog module of its own, and of nothing that is shipped on a chip.

State: one command may be *open* (taken, not completed); ABORT is *aborting* from when it is taken until a completion
with its tag. Several ABORTs may be taken before the first answer, after a timeout; each owes one completion.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from crosstrain_hdl.array_port import watched_members
from crosstrain_hdl.planes import total
from crosstrain_model.port import (
    ABORT_TAG,
    INTERLOCK_CYCLES,
    LAST_TAG,
    PULSE_OPS,
    PULSES_BITS,
    READ_OPS,
    TAG_BITS,
    WIDTH_BITS,
    ArrayId,
    Op,
    Status,
    adc_words,
    dac_words,
    port_signals,
)
from crosstrain_model.port_rules import RULES

ROW_OPS = (Op.READ_ROW, Op.PROGRAM, Op.FORM)
FIRST_BITS = 8


class PortChecker(wiring.Component):
    """Members

    arr_* : In, every signal of the array port
    broken : Out(rules), sticky: bit code - 1 of each rule that was ever broken
    first : Out(8), code of the rule broken first, of several in one cycle the lowest; 0: none

    Reset it together with the controller.
    """

    def __init__(self, design):
        self.design = design
        super().__init__({**watched_members(design), "broken": Out(len(RULES)), "first": Out(FIRST_BITS)})

    def elaborate(self, platform):
        m = Module()
        self._hits = {rule.name: Signal(name=rule.name.lower()) for rule in RULES}
        self._decode(m)
        self._track_command(m)
        self._track_words(m)
        self._track_slots(m)
        self._stability(m)
        self._command_rules(m)
        self._slot_rules(m)
        self._word_rules(m)
        self._completion_rules(m)
        hits = Cat(self._hits[rule.name] for rule in RULES)
        m.d.sync += self.broken.eq(self.broken | hits)
        with m.If(self.first == 0):
            for rule in reversed(RULES):
                with m.If(self._hits[rule.name]):
                    m.d.sync += self.first.eq(rule.code)
        return m

    def _hit(self, m, name, condition):
        m.d.comb += self._hits[name].eq(condition)

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
                self._fired.eq(self._fired + total(m, [self.arr_slot_columns], "columns")),
                self._last_slot.eq(self.arr_slot_last),
                self._pulsing.eq(Mux(self._width == 0, 0, self._width - 1)),
            ]
        with m.Elif(self._pulsing != 0):
            m.d.sync += self._pulsing.eq(self._pulsing - 1)
        with m.If(taken & self.arr_slot_columns.any()):
            m.d.sync += self._direction_known.eq(1)
            m.d.sync += self._direction.eq((self.arr_slot_columns & self.arr_slot_direction).any())

    def _stability(self, m):
        """Rules *_STABLE: what was offered and not taken in the last cycle is still there, and the same."""
        waits, same = {}, {}
        for stream in ("cmd", "slot", "dac", "adc", "done"):
            payload = Cat(
                getattr(self, s.name) for s in port_signals(self.design) if s.stream == stream and s.role == "payload"
            )
            before = Signal(len(payload), name=f"{stream}_before")
            waits[stream] = Signal(name=f"{stream}_waits")
            same[stream] = Signal(name=f"{stream}_same")
            valid, ready = getattr(self, f"arr_{stream}_valid"), getattr(self, f"arr_{stream}_ready")
            m.d.sync += [waits[stream].eq(valid & ~ready), before.eq(payload)]
            m.d.comb += same[stream].eq(before == payload)
        for stream in ("cmd", "done"):
            kept = getattr(self, f"arr_{stream}_valid") & same[stream]
            self._hit(m, f"{stream.upper()}_STABLE", waits[stream] & ~kept)
        for stream in ("slot", "dac"):
            withdrawn = Signal(name=f"{stream}_withdrawn")
            valid = getattr(self, f"arr_{stream}_valid")
            with m.If(waits[stream] & ~valid):
                m.d.sync += withdrawn.eq(1)
            with m.Elif(self._taken & ~self._is_abort):
                m.d.sync += withdrawn.eq(0)
            self._hit(m, f"{stream.upper()}_STABLE", valid & ((waits[stream] & ~same[stream]) | withdrawn))
        kept = self.arr_adc_valid & same["adc"]
        self._hit(m, "ADC_STABLE", self._synced & waits["adc"] & ~kept & ~self._aborting)
        self._cmd_waits = waits["cmd"]

    def _command_rules(self, m):
        array, limit = self.design.array, self.design.pulse.width_limit
        offered, other = Signal(), Signal()
        unused, missing = Signal(), Signal()
        has_row = self._is(m, ROW_OPS, "has_row")
        low_for = Signal(range(INTERLOCK_CYCLES + 1))
        disabled = Signal()
        m.d.comb += [
            other.eq(self.arr_cmd_valid & ~self._is_abort),
            offered.eq(self.arr_cmd_valid & ~self._cmd_waits),
            missing.eq(
                (self.arr_cmd_op > max(Op)) | (self.arr_cmd_array > max(ArrayId)) | (self.arr_cmd_row >= array.rows)
            ),
            unused.eq(
                (~has_row & (self.arr_cmd_row != 0))
                | (~self._is_pulse & ((self.arr_cmd_width != 0) | (self.arr_cmd_amplitude != 0)))
                | (self._is_abort & (self.arr_cmd_array != 0))
            ),
            disabled.eq(~self.arr_prog_enable & (low_for == INTERLOCK_CYCLES)),
        ]
        with m.If(self.arr_prog_enable):
            m.d.sync += low_for.eq(0)
        with m.Elif(low_for != INTERLOCK_CYCLES):
            m.d.sync += low_for.eq(low_for + 1)
        self._hit(m, "CMD_RESYNC", ~self._synced & (other | self.arr_slot_valid | self.arr_dac_valid))
        self._hit(m, "CMD_OUTSTANDING", self._synced & other & (self._open | self._aborting))
        self._hit(m, "CMD_FIELDS", self.arr_cmd_valid & (unused | missing))
        wanted = Mux(self._is_abort, ABORT_TAG, self._next_tag)
        self._hit(m, "CMD_TAG", self.arr_cmd_valid & (self.arr_cmd_tag != wanted))
        wide = (self.arr_cmd_width == 0) | (self.arr_cmd_width > limit)
        self._hit(m, "CMD_WIDTH", self.arr_cmd_valid & self._is_pulse & wide)
        self._hit(m, "PROG_DISABLED", disabled & ((offered & self._is_pulse) | self.arr_slot_valid))
        self._hit(m, "PROG_RAILS", self.arr_prog_enable & ~self.arr_rails_ok)
        early = self.arr_slot_valid | (offered & self._is_pulse)
        self._hit(m, "SLOT_OVERLAP", early & (self._pulsing != 0))

    def _slot_rules(self, m):
        up = Signal(len(self.arr_slot_columns))
        mixed, turned = Signal(), Signal()
        m.d.comb += [
            up.eq(self.arr_slot_columns & self.arr_slot_direction),
            mixed.eq(up.any() & (up != self.arr_slot_columns)),
            turned.eq(self._direction_known & (up.any() != self._direction) & self.arr_slot_columns.any()),
        ]
        valid = self.arr_slot_valid
        self._hit(m, "SLOT_COMMAND", valid & ~(self._open & self._pulse & ~self._last_slot))
        self._hit(m, "SLOT_EMPTY", valid & ~self.arr_slot_columns.any())
        self._hit(m, "SLOT_POLARITY", valid & self._open & self._program & (mixed | turned))

    def _word_rules(self, m):
        dac_wrong = (self._dac_left == 0) | ~self._open | (self.arr_dac_last != (self._dac_left == 1))
        self._hit(m, "DAC_COUNT", self.arr_dac_valid & dac_wrong)
        adc_wrong = (self._adc_left == 0) | ~self._open | (self.arr_adc_last != (self._adc_left == 1))
        self._hit(m, "ADC_COUNT", self._synced & self.arr_adc_valid & ~self._aborting & adc_wrong)

    def _completion_rules(self, m):
        """Rules DONE_*, from the first completion of an ABORT on."""
        valid, of_open, of_abort, good = Signal(), Signal(), Signal(), Signal()
        unfinished = Signal()
        status = self.arr_done_status
        m.d.comb += [
            valid.eq(self.arr_done_valid & self._synced),
            of_open.eq(self._open & (self.arr_done_tag == self._tag)),
            of_abort.eq(self.arr_done_tag == ABORT_TAG),
            good.eq((status == Status.OK) | (status == Status.SATURATED)),
            unfinished.eq((self._pulse & ~self._last_slot) | (self._dac_left != 0) | (self._adc_left != 0)),
        ]
        awaited = of_open | (of_abort & ((self._owed != 0) | ~self._commanded))
        self._hit(m, "DONE_TAG", valid & ~awaited)
        stopped = status == Status.ABORTED
        bad_status = (status > Status.ABORTED) | Mux(of_abort, ~stopped, stopped & ~self._aborting)
        self._hit(m, "DONE_STATUS", valid & bad_status)
        fired = Mux(of_open & self._pulse, self._fired, 0)
        self._hit(m, "DONE_PULSES", valid & (self.arr_done_pulses > fired))
        early = (of_open & good & unfinished) | (of_abort & self._aborting & self._open)
        self._hit(m, "DONE_EARLY", valid & early)
