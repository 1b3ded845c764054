"""L in binary devices behind the array port: visits of whole rows. The rules are `crosstrain_model.hybrid_cells`.

    r_* -> rows of q -> words -> carries
               |          ^ |
               v         qa_*, masks -> p_*, slots        wear: counts of pulses

    REST     nothing under way                       -> ASK with a row, or a group for the host
    ASK      a read of its groups                    -> WORDS
    WORDS    their cells come                        -> SETTLE with the status of the read
    SETTLE   what came is worked off                 -> SET; a read that failed: -> END; a read-back: -> WEAR
    SET      a command of SET pulses, if any         -> SLOT_SET
    RESET    a command of RESET pulses, if any       -> SLOT_RESET -> BACK
    BACK     is there a read-back?                   -> ASK, or WEAR; nothing was written: -> END
    WEAR     the pulses begin to be counted          -> END
    END      the row is done with                    -> REST

The carries of a row leave when its read has come to a good end. While an abort lasts no command is offered: the visit
goes on behind it. A command that the abort stopped is not given again: the cells are as they are.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid_ports import (
    carry_members,
    cell_read_members,
    command_members,
    host_members,
    pulse_settings,
    q_bits,
    visit_members,
    wear_members,
)
from crosstrain_hdl.hybrid_wear import HybridWear
from crosstrain_hdl.hybrid_words import HybridWords
from crosstrain_hdl.pace import Pace
from crosstrain_hdl.planes import lowest, tree_sum
from crosstrain_hdl.row_queue import RowQueue
from crosstrain_model.hybrid_memory import COUNTERS
from crosstrain_model.port import Status
from crosstrain_model.pulse import COUNTER_BITS, RESET, SET

QUEUED = 2
"""Rows of rounded changes: one is coming while one is visited."""


class HybridCells(wiring.Component):
    """Members

    r_* : visits, as `hybrid.HybridRound` gives them
    w_* : carries, to a `row_queue.RowQueue`; w_drop : Out(1), its `w_drop`
    m_*, l_* : visits of the host, as `hybrid_memory.HybridMemory` has them; m_data stays until `visiting` is low. A
        word is 0 where its read fails, and then nothing is written
    x_*, y_* : reads of the counts of pulses by the host, see `hybrid_wear.HybridWear`
    clear : In(1), strobe: those counts become 0
    q_valid, q_ready, q_row, q_groups : Out, In, Out, Out, a read of the groups named
    qa_valid, qa_ready, qa_cells : In, Out, In, its words, one for each group named, ascending; lanes * hybrid.bits
    qr_valid, qr_ready, qr_status : In, Out, In, its status, after its words: OK and SATURATED are good, and then all
        words came
    p_*, slot_* : commands of one slot; over : In(1), strobe: the command that was taken last has ended
    cancel : In(1), level: nothing is offered
    width_set .. amplitude_reset : In, registers; constant while `busy`
    pacing : Out(1), pulse width and guard of the last slot are not yet over
    clip_valid, clip_count : Out, strobe: the clamp took something of so many weights of a row
    count_clear : In(1), strobe; reads .. dropped : Out(32), counters modulo 2^32
    failed_event : Out(1), strobe: a read-back found cells wrong, or failed
    clearing : Out(1), the counts of pulses are cleared, as after reset
    visiting : Out(1), a visit is under way; busy : Out(1), or rows wait or are coming, or counts are cleared
    """

    def __init__(self, design):
        self.design = design
        array = design.array
        width, amount = array.lanes * q_bits(design), array.columns.bit_length()
        self._rows = RowQueue(design, rows=QUEUED, width=width, amount_bits=amount)
        self._wear = HybridWear(design)
        self.group_cells = array.lanes * design.hybrid.bits
        super().__init__(
            {
                **{name: member.flip() for name, member in visit_members(design).items()},
                **carry_members(design),
                "w_drop": Out(1),
                **host_members(design),
                **wear_members(design),
                "clear": In(1),
                **cell_read_members(design),
                **command_members(design, array.columns * design.hybrid.bits),
                **pulse_settings(),
                "clip_valid": Out(1),
                "clip_count": Out(range(array.columns + 1)),
                "count_clear": In(1),
                **{name: Out(COUNTER_BITS) for name in COUNTERS},
                "failed_event": Out(1),
                "clearing": Out(1),
                "visiting": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows, m.submodules.wear = self._rows, self._wear
        m.submodules.words = self._words = HybridWords(self.design)
        m.submodules.pace = self._pace = Pace(self.design)
        self._host, self._puts = Signal(), Signal()  # the visit is the host's, and a write
        self._back, self._good = Signal(), Signal()  # of its read
        self._begins, self._judged, self._ends = Signal(), Signal(), Signal()
        self._take_rows(m)
        self._join_words(m)
        self._states(m)
        self._commands(m)
        self._join_wear(m)
        self._count(m)
        m.d.comb += self.clearing.eq(self._wear.clearing)
        return m

    def _take_rows(self, m):
        """Rounded changes of a row, and how many there are."""
        rows, lanes, bits = self._rows, self.design.array.lanes, q_bits(self.design)
        m.d.comb += [
            self.r_ready.eq(rows.w_ready),
            rows.w_valid.eq(self.r_valid & self.r_ready & self.r_visit),
            rows.w_end.eq(self.r_valid & self.r_ready & self.r_row_end),
            rows.w_row.eq(self.r_row),
            rows.w_group.eq(self.r_group),
            rows.w_word.eq(self.r_q),
            rows.w_amount.eq(tree_sum([self.r_q.word_select(lane, bits).any() for lane in range(lanes)])),
        ]

    def _join_words(self, m):
        """The groups of a read in turn: what belongs to the next is fetched as the one before it comes."""
        words, rows = self._words, self._rows
        left, rest = Signal.like(self.q_groups, name="left"), Signal.like(self.q_groups, name="rest")
        asks, fetch = Signal(), Signal()
        m.d.comb += [
            asks.eq(self.q_valid & self.q_ready),
            rest.eq(Mux(asks, self.q_groups, left & (left - 1))),
            self.qa_ready.eq(left.any() & ~self._wear.busy),  # which still walks along the masks of the last visit
            words.come.eq(self.qa_valid & self.qa_ready),
            fetch.eq((asks | words.come) & rest.any()),
            words.fetch.eq(fetch),
            words.fetch_group.eq(lowest(rest)),
            rows.fetch.eq(fetch),
            rows.group.eq(words.fetch_group),
            words.group.eq(lowest(left)),
            words.cells.eq(self.qa_cells),
            words.q.eq(rows.word),
            words.back.eq(self._back),
            words.host.eq(self._host),
            words.host_write.eq(self._puts),
            words.host_data.eq(self.m_data),
            words.start.eq(self._begins),
            self.w_valid.eq(words.w_valid),
            self.w_row.eq(self.q_row),
            self.w_group.eq(words.w_group),
            self.w_word.eq(words.w_word),
            self.clip_valid.eq(self.w_end & (words.clipped != 0)),
            self.clip_count.eq(words.clipped),
        ]
        with m.If(asks | words.come):
            m.d.sync += left.eq(rest)
        with m.If(self.qr_valid & self.qr_ready):
            m.d.sync += left.eq(0)

    def _states(self, m):
        """What is done to a row, in order."""
        words, wear = self._words, self._wear
        writes = Signal()
        m.d.comb += writes.eq((words.count_set | words.count_reset) != 0)
        with m.FSM(name="state") as state:
            with m.State("REST"):
                self._rest(m)
            with m.State("ASK"):
                m.d.comb += self.q_valid.eq(~self.cancel)
                with m.If(self.q_valid & self.q_ready):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.qr_ready.eq(1)
                with m.If(self.qr_valid):
                    m.d.sync += self._good.eq((self.qr_status == Status.OK) | (self.qr_status == Status.SATURATED))
                    m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~words.working):
                self._settle(m)
            with m.State("SET"):
                self._command(m, SET, words.count_set, "RESET")
            with m.State("SLOT_SET"):
                self._slot(m, "RESET")
            with m.State("RESET"):
                self._command(m, RESET, words.count_reset, "BACK")
            with m.State("SLOT_RESET"):
                self._slot(m, "BACK")
            with m.State("BACK"):
                m.next = "END"
                with m.If(writes):
                    m.next = "ASK" if self.design.hybrid.read_back else "WEAR"
                    m.d.sync += self._back.eq(self.design.hybrid.read_back)
            with m.State("WEAR"), m.If(~wear.busy):  # counts may just be cleared
                m.d.comb += [wear.begin.eq(1), self._judged.eq(1)]
                m.next = "END"
            with m.State("END"):
                m.d.comb += self._ends.eq(1)
                m.next = "REST"
        m.d.comb += self.visiting.eq(~state.ongoing("REST") | wear.busy)
        m.d.comb += [
            self._rows.pop.eq(self._ends & ~self._host),
            self.l_valid.eq(self._ends & self._host & ~self._puts),
            self.l_data.eq(Mux(self._good, words.l_data, 0)),
            self.busy.eq(self.visiting | ~self._rows.empty),
        ]

    def _rest(self, m):
        """Rows that wait come first; their carries must have a place."""
        rows, row, host = self._rows, Signal(), Signal()
        m.d.comb += [
            row.eq(rows.row_valid & self.w_ready),
            host.eq(self.m_valid & ~rows.row_valid),
            self.m_ready.eq(host),
            self._begins.eq(row | host),
        ]
        with m.If(self._begins):
            m.d.sync += [
                self._host.eq(host),
                self._puts.eq(self.m_write),
                self._back.eq(0),
                self.q_row.eq(Mux(host, self.m_row, rows.row)),
                self.q_groups.eq(Mux(host, 1 << self.m_group, rows.groups)),
            ]
            m.next = "ASK"

    def _settle(self, m):
        """What a read that has come to its end means."""
        back, host, good = self._back, self._host, self._good
        m.d.comb += [self.w_end.eq(~back & ~host & good), self.w_drop.eq(~back & ~host & ~good)]
        with m.If(back):
            m.next = "WEAR"
        with m.Elif(good & (~host | self._puts)):
            m.next = "SET"
        with m.Else():
            m.next = "END"

    def _command(self, m, direction, count, following):
        """A command, where there are pulses of its direction."""
        m.d.comb += [self.p_direction.eq(direction), self.p_valid.eq((count != 0) & ~self.cancel & ~self.pacing)]
        with m.If(count == 0):
            m.next = following
        with m.Elif(self.p_valid & self.p_ready):
            m.next = "SLOT_SET" if direction == SET else "SLOT_RESET"

    def _slot(self, m, following):
        """Its one slot, which is not asked for again if it does not come."""
        m.d.comb += [self.slot_valid.eq(~self.pacing), self.p_direction.eq(SET if following == "RESET" else RESET)]
        with m.If((self.slot_valid & self.slot_ready) | self.over):
            m.next = following

    def _commands(self, m):
        """What a command says."""
        words, pace, up = self._words, self._pace, self.p_direction == SET
        m.d.comb += [
            pace.wanted.eq(Mux(up, self.width_set, self.width_reset)),
            pace.guard.eq(self.guard),
            pace.take.eq(self.slot_valid & self.slot_ready),
            self.pacing.eq(pace.pacing),
            self.p_row.eq(self.q_row),
            self.p_width.eq(pace.width),
            self.p_amplitude.eq(Mux(up, self.amplitude_set, self.amplitude_reset)),
            self.p_pulses.eq(Mux(up, words.count_set, words.count_reset)),
            self.slot_columns.eq(Mux(up, words.sets, words.resets)),
            self.slot_last.eq(1),
        ]

    def _join_wear(self, m):
        """Counts of pulses."""
        words, wear = self._words, self._wear
        m.d.comb += [
            wear.row.eq(self.q_row),
            wear.count_sets.eq(words.count_set),
            wear.count_resets.eq(words.count_reset),
            wear.clear.eq(self.clear),
            words.hold.eq(wear.busy),
            wear.sets.eq(words.sets),
            wear.resets.eq(words.resets),
            words.shift.eq(wear.shift),
        ]
        for name, member in wear_members(self.design).items():
            own, inner = getattr(self, name), getattr(wear, name)
            m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)

    def _count(self, m):
        """Counters."""
        words, asks, takes = self._words, self.q_valid & self.q_ready, self.p_valid & self.p_ready
        judged, failed = Signal(), Signal.like(words.named, name="failed_now")
        m.d.comb += [
            judged.eq(self._judged & self._back),
            failed.eq(Mux(self._good, words.wrong, words.named)),
            self.failed_event.eq(judged & (failed != 0)),
        ]
        amounts = {
            "reads": (asks & ~self._back, 1),
            "set_commands": (takes & (self.p_direction == SET), 1),
            "reset_commands": (takes & (self.p_direction == RESET), 1),
            "read_backs": (asks & self._back, 1),
            "failed": (judged, failed),
            "dropped": (self.w_drop, self._rows.amount),
        }
        for name, (counts, amount) in amounts.items():
            counter = getattr(self, name)
            with m.If(counts | self.count_clear):
                m.d.sync += counter.eq(Mux(self.count_clear, 0, counter + amount))
