"""Port checker: watches the array port and says which rule of the protocol was broken first, and which ever.

The rules and their codes are `crosstrain_model.port_rules.RULES`; each method below raises some of them. It is part of
every co-simulation build, as a Verilog module of its own, and of nothing that is shipped on a chip.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Out

from crosstrain_hdl.array_port import watched_members
from crosstrain_hdl.port_tracker import PortTracker
from crosstrain_model.port import ABORT_TAG, INTERLOCK_CYCLES, ArrayId, Op, Status, outstanding, port_signals
from crosstrain_model.port_rules import RULES

ROW_OPS = (Op.READ_ROW, Op.PROGRAM, Op.FORM)
FIRST_BITS = 8


class PortChecker(PortTracker):
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
        self._several = outstanding(self.design) > 1
        self._track(m)
        self._stability(m)
        self._command_rules(m)
        self._slot_rules(m)
        self._word_rules(m)
        self._completion_rules(m)
        hits = Signal(len(RULES))
        m.d.comb += hits.eq(Cat(self._hits[rule.name] for rule in RULES))
        m.d.sync += self.broken.eq(self.broken | hits)
        with m.If((self.first == 0) & hits.any()):
            for rule in reversed(RULES):
                with m.If(self._hits[rule.name]):
                    m.d.sync += self.first.eq(rule.code)
        return m

    def _hit(self, m, name, condition):
        m.d.comb += self._hits[name].eq(condition)

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
            over = self._ends_due if stream == "slot" and self._several else 0
            m.d.sync += waits[stream].eq(valid & ~ready & ~over)
            with m.If(valid):
                m.d.sync += before.eq(payload)
            m.d.comb += same[stream].eq(before == payload)
        for stream in ("cmd", "done"):
            kept = getattr(self, f"arr_{stream}_valid") & same[stream]
            self._hit(m, f"{stream.upper()}_STABLE", waits[stream] & ~kept)
        for stream in ("slot", "dac"):
            withdrawn = Signal(name=f"{stream}_withdrawn")
            valid = getattr(self, f"arr_{stream}_valid")
            again = self._taken & ~self._is_abort
            if stream == "slot" and self._several:
                again = self._ends_due | (self._ends_abort & self._aborting)
            with m.If(waits[stream] & ~valid):
                m.d.sync += withdrawn.eq(1)
            with m.Elif(again):
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
        full = self._count == outstanding(self.design)
        self._hit(m, "CMD_RESYNC", ~self._synced & (other | self.arr_slot_valid | self.arr_dac_valid))
        self._hit(m, "CMD_OUTSTANDING", self._synced & other & (full | self._aborting))
        wrong = unused | missing
        if self.design.device_reads:  # groups: at least one of a READ_ROW, and none of anything else
            wrong = wrong | ((self.arr_cmd_op == Op.READ_ROW) != self.arr_cmd_groups.any())
        self._hit(m, "CMD_FIELDS", self.arr_cmd_valid & wrong)
        wanted = Mux(self._is_abort, ABORT_TAG, self._next_tag)
        self._hit(m, "CMD_TAG", self.arr_cmd_valid & (self.arr_cmd_tag != wanted))
        wide = (self.arr_cmd_width == 0) | (self.arr_cmd_width > limit)
        self._hit(m, "CMD_WIDTH", self.arr_cmd_valid & self._is_pulse & wide)
        self._hit(m, "PROG_DISABLED", disabled & ((offered & self._is_pulse) | self.arr_slot_valid))
        self._hit(m, "PROG_RAILS", self.arr_prog_enable & ~self.arr_rails_ok)
        early = self.arr_slot_valid | (0 if self._several else offered & self._is_pulse)
        self._hit(m, "SLOT_OVERLAP", early & (self._pulsing != 0))

    def _slot_rules(self, m):
        due, columns = self._due, self.arr_slot_columns
        up = Signal(len(columns))
        mixed, turned, empty = Signal(), Signal(), Signal()
        m.d.comb += [
            up.eq(columns & self.arr_slot_direction),
            mixed.eq(up.any() & (up != columns)),
            turned.eq(due.direction_known & (up.any() != due.direction) & columns.any()),
            empty.eq(~columns.any()),
        ]
        named = self.arr_slot_rows.any() & due.pulse if self.design.pulsed else 0
        valid = self.arr_slot_valid
        self._hit(m, "SLOT_COMMAND", valid & ~due.pulse)
        self._hit(m, "SLOT_EMPTY", valid & ~due.train & (empty | named))
        wrong = due.program & (mixed | turned)
        if self.design.pulsed and self.design.train.polarity == "separate":
            wrong = wrong | (due.train & mixed)
        self._hit(m, "SLOT_POLARITY", valid & wrong)

    def _word_rules(self, m):
        dac_left, adc_left = self._reading.dac_left, self._reading.adc_left
        dac_wrong = (dac_left == 0) | (self.arr_dac_last != (dac_left == 1))
        self._hit(m, "DAC_COUNT", self.arr_dac_valid & dac_wrong)
        adc_wrong = (adc_left == 0) | (self.arr_adc_last != (adc_left == 1))
        self._hit(m, "ADC_COUNT", self._synced & self.arr_adc_valid & ~self._aborting & adc_wrong)

    def _completion_rules(self, m):
        """Rules DONE_*, from the first completion of an ABORT on."""
        valid, of_open, of_abort, good = Signal(), Signal(), Signal(), Signal()
        unfinished = Signal()
        status, oldest = self.arr_done_status, self._oldest
        m.d.comb += [
            valid.eq(self.arr_done_valid & self._synced),
            of_open.eq(self._open & (self.arr_done_tag == oldest.tag)),
            of_abort.eq(self.arr_done_tag == ABORT_TAG),
            good.eq((status == Status.OK) | (status == Status.SATURATED)),
            unfinished.eq((oldest.pulse & ~oldest.last_slot) | (oldest.dac_left != 0) | (oldest.adc_left != 0)),
        ]
        awaited = of_open | (of_abort & ((self._owed != 0) | ~self._commanded))
        self._hit(m, "DONE_TAG", valid & ~awaited)
        stopped = status == Status.ABORTED
        bad_status = (status > Status.ABORTED) | Mux(of_abort, ~stopped, stopped & ~self._aborting)
        self._hit(m, "DONE_STATUS", valid & bad_status)
        fired = Mux(of_open & oldest.pulse, oldest.fired, 0)
        self._hit(m, "DONE_PULSES", valid & (self.arr_done_pulses > fired))
        early = (of_open & good & unfinished) | (of_abort & self._aborting & self._open)
        self._hit(m, "DONE_EARLY", valid & early)
