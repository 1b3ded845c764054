"""Refresh: pairs of a row that are full are programmed anew. The rule is `crosstrain_model.refresh`.

    REST     nothing under way                       -> ASK with a row
    ASK      a read of the row                       -> WORDS
    WORDS    its words come                          -> ASK until there were 2^k reads, -> WALK; failed: -> FAIL
    WALK     which pairs are due?                    -> OFFER; none: -> END
    OFFER    one RESET pulse on their devices        -> SLOT; an abort: -> FAIL
    SLOT     its slot                                -> FEED
    FEED     flags and targets go to write-verify    -> VERIFY
    VERIFY   it programs the row                     -> END

The array is asked by `write_verify.WriteVerify` from FEED on, by this station before; FAIL leaves the row as it was.
Behind the RESET nothing is given up here: what an abort leaves undone, write-verify counts.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid_ports import command_members, pulse_settings
from crosstrain_hdl.pace import Pace
from crosstrain_hdl.refresh_pairs import RefreshPairs
from crosstrain_hdl.write_verify import WriteVerify, settings
from crosstrain_hdl.write_verify_cells import cell_members
from crosstrain_hdl.write_verify_sums import WriteVerifySums
from crosstrain_hdl.write_verify_train import read_members
from crosstrain_model.port import Status, row_bits
from crosstrain_model.pulse import COUNTER_BITS, RESET
from crosstrain_model.write_verify import COUNTERS as VERIFY_COUNTERS

COUNTERS = ("refresh_rows", "refreshed", "refresh_failed")


def refresh_settings(design):
    """Members that are registers of the same names; constant while `busy`. Nothing is formed here."""
    verify = {name: member for name, member in settings(design).items() if not name.startswith("form_")}
    return {"saturation": In(design.formats.adc), **verify, **pulse_settings()}


class Refresh(wiring.Component):
    """Members

    go, row : In, strobe while `rest`: a row
    q_*, qa_*, qr_* : reads, as `write_verify.WriteVerify` has them; those before the RESET are of all groups
    p_*, slot_* : commands of one slot; over, cancel : In, as there
    saturation .. amplitude_reset : In, registers, see `refresh_settings`
    pacing : Out(1), pulse width and guard of the last slot are not yet over
    rest : Out(1), no row is under way
    busy : Out(1), one is, or counts of pulses are cleared after reset
    count_clear : In(1), strobe; refresh_rows .. reads : Out(32), counters modulo 2^32
    gave_up_event : Out(1), strobe: devices were given up
    w_*, r_* : visits of the host to the counts of pulses, where there are any (verify.cell_bits)
    """

    def __init__(self, design):
        self.design = design
        self._verify = WriteVerify(design)
        self.words = self._verify.words
        super().__init__(
            {
                "go": In(1),
                "row": In(row_bits(design)),
                **read_members(design),
                **command_members(design, design.array.device_columns),
                **refresh_settings(design),
                "rest": Out(1),
                "busy": Out(1),
                "count_clear": In(1),
                **{name: Out(COUNTER_BITS) for name in (*COUNTERS, *VERIFY_COUNTERS)},
                "gave_up_event": Out(1),
                **(cell_members(design) if design.verify.cell_bits else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.verify = self._verify
        m.submodules.sums = self._sums = WriteVerifySums(self.design)
        m.submodules.pairs = self._pairs = RefreshPairs(self.design)
        m.submodules.pace = self._pace = Pace(self.design)
        self._verifies = Signal()  # the array is asked by write-verify
        self._failed, self._begins, self._ends = Signal(), Signal(), Signal()
        self._in_ask, self._in_words, self._in_offer, self._in_slot = (
            Signal(name=f"in_{state}") for state in ("ask", "words", "offer", "slot")
        )
        self._row = Signal.like(self.row, name="row_under_way")
        m.d.comb += self._begins.eq(self.go & self.rest)
        with m.If(self._begins):
            m.d.sync += self._row.eq(self.row)
        self._states(m)
        self._walks(m)
        self._join_array(m)
        self._join_verify(m)
        self._count(m)
        return m

    def _states(self, m):
        """What is done to a row, in order."""
        pairs = self._pairs
        number, last, good = Signal(4), Signal(), Signal()
        m.d.comb += [
            self._sums.first.eq(number == 0),
            last.eq(number == (1 << self.reads_log2) - 1),
            good.eq((self.qr_status == Status.OK) | (self.qr_status == Status.SATURATED)),
            self.busy.eq(~self.rest | self._verify.busy),
        ]
        with m.FSM(name="state"):
            with m.State("REST"):
                m.d.comb += self.rest.eq(1)
                m.d.sync += number.eq(0)
                with m.If(self.go):
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += self._in_ask.eq(~self.cancel)
                with m.If(self.cancel):
                    m.next = "FAIL"
                with m.Elif(self.q_ready):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self._in_words.eq(1)
                with m.If(self.qr_valid):
                    m.d.sync += number.eq(number + 1)
                    m.next = "ASK"
                    with m.If(~good):
                        m.next = "FAIL"
                    with m.Elif(last):
                        m.d.comb += pairs.walk.eq(1)
                        m.next = "WALK"
            with m.State("WALK"), m.If(pairs.done):
                m.next = "OFFER"
                with m.If(pairs.count == 0):
                    m.next = "END"
            with m.State("OFFER"):
                m.d.comb += self._in_offer.eq(~self.cancel & ~self._pace.pacing)
                with m.If(self.cancel):
                    m.next = "FAIL"
                with m.Elif(self._in_offer & self.p_ready):
                    m.next = "SLOT"
            with m.State("SLOT"):
                m.d.comb += self._in_slot.eq(~self._pace.pacing)
                with m.If((self._in_slot & self.slot_ready) | self.over):
                    m.d.comb += [pairs.walk.eq(1), pairs.feed.eq(1)]
                    m.next = "FEED"
            with m.State("FEED"):
                m.d.comb += pairs.feed.eq(1)
                with m.If(pairs.t_last):
                    m.next = "VERIFY"
            with m.State("VERIFY"):
                m.d.comb += self._verifies.eq(1)
                with m.If(self._verify.empty):
                    m.next = "END"
            with m.State("FAIL"):
                m.d.comb += [self._ends.eq(1), self._failed.eq(1)]
                m.next = "REST"
            with m.State("END"):
                m.d.comb += self._ends.eq(1)
                m.next = "REST"

    def _walks(self, m):
        """The sums of all groups, added up from the words of reads, and walked through."""
        sums, pairs = self._sums, self._pairs
        m.d.comb += [
            sums.reads_log2.eq(self.reads_log2),
            sums.qa_codes.eq(self.qa_codes),
            sums.qa_valid.eq(self.qa_valid & self._in_words),
            sums.rewind.eq(pairs.walk | (self._in_ask & self.q_ready)),
            sums.step.eq(pairs.step),
            pairs.saturation.eq(self.saturation),
            pairs.sums.eq(sums.sums),
        ]

    def _join_array(self, m):
        """Reads and commands, of this station or of write-verify."""
        verify, pace, pairs, verifies = self._verify, self._pace, self._pairs, self._verifies
        every = (1 << self.design.array.groups) - 1
        own = {
            "q_valid": self._in_ask, "q_row": self._row, "q_groups": every, "qa_ready": self._in_words,
            "qr_ready": self._in_words, "p_valid": self._in_offer, "p_row": self._row, "p_direction": RESET,
            "p_width": pace.width, "p_amplitude": self.amplitude_reset, "p_pulses": pairs.count << 1,
            "slot_valid": self._in_slot, "slot_columns": pairs.devices, "slot_last": 1,
        }  # fmt: skip
        its = {name: getattr(verify, name) for name in own}
        its["p_valid"] = verify.p_valid & ~pace.pacing  # of the RESET
        m.d.comb += [getattr(self, name).eq(Mux(verifies, its[name], mine)) for name, mine in own.items()]
        m.d.comb += [
            self.pacing.eq(pace.pacing | verify.pacing),
            pace.wanted.eq(self.width_reset),
            pace.guard.eq(self.guard),
            pace.take.eq(self._in_slot & self.slot_ready),
        ]

    def _join_verify(self, m):
        """What write-verify gets."""
        verify, pairs = self._verify, self._pairs
        same = ("qa_codes", "qa_last", "qr_status", "over", "cancel", "count_clear")
        registers = [name for name in settings(self.design) if not name.startswith("form_")]
        m.d.comb += [getattr(verify, name).eq(getattr(self, name)) for name in (*same, *registers)]
        m.d.comb += [
            getattr(verify, name).eq(getattr(self, name) & self._verifies)
            for name in ("q_ready", "qa_valid", "qr_valid", "slot_ready")
        ]
        m.d.comb += [
            verify.p_ready.eq(self.p_ready & self._verifies & ~self._pace.pacing),
            verify.t_row.eq(self._row),
            *(getattr(verify, name).eq(getattr(pairs, name))
              for name in ("t_valid", "t_group", "t_flags", "t_targets", "t_last")),
        ]  # fmt: skip
        if self.design.verify.cell_bits:
            for name, member in cell_members(self.design).items():
                own, inner = getattr(self, name), getattr(verify, name)
                m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)

    def _count(self, m):
        """Counters; those of write-verify are its own."""
        amounts = {
            "refresh_rows": (self._ends, 1),
            "refreshed": (self._ends & ~self._failed, self._pairs.count),
            "refresh_failed": (self._failed, 1),
        }
        for name, (counts, amount) in amounts.items():
            counter = getattr(self, name)
            with m.If(counts | self.count_clear):
                m.d.sync += counter.eq(Mux(self.count_clear, 0, counter + amount))
        m.d.comb += [getattr(self, name).eq(getattr(self._verify, name)) for name in VERIFY_COUNTERS]
        m.d.comb += self.gave_up_event.eq(self._verify.gave_up_event)
