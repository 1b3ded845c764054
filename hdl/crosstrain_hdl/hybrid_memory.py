"""L in a memory of the controller, one group per cycle. The rules are `crosstrain_model.hybrid`, of L in SRAM.

    S0  the word of a group is read                           r_valid & r_ready
    S1  forwarded or from the memory, L + q and its carry
    S2  written; carries leave to the queue of rows           w_*

All stages move by one enable: a queue that is full holds everything. A visit one cycle behind another of the same group
takes the word from S2, two cycles behind from S3.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid import HybridAdd
from crosstrain_hdl.hybrid_ports import carry_members, host_members, visit_members
from crosstrain_hdl.memory import Memory1R1W, group_address


class HybridMemory(wiring.Component):
    """Members

    r_* : visits, as `hybrid.HybridRound` gives them
    w_* : carries, to a `row_queue.RowQueue`; a word with no carry is none
    m_valid, m_ready, m_write, m_row, m_group, m_data : visits of the host; taken where no other visit is under way
    l_valid, l_data : Out, the word that it reads, one cycle later
    clear : In(1), strobe: all words become 0, once no visit is under way
    clip_valid, clip_count : Out, strobe: the clamp took something of so many lanes
    clearing : Out(1), it is under way, as after reset; no visit is taken
    busy : Out(1), a visit is in S1 or S2, or words are cleared

    Attributes
    ----------
    latency : cycles from a visit to its carries, 2
    words : the memory in `amaranth.sim`, word row * groups + group
    """

    latency = 2

    def __init__(self, design):
        self.design = design
        array = design.array
        self._memory = Memory1R1W(array.rows * array.groups, array.lanes * design.hybrid.bits)
        self.words = self._memory.words
        super().__init__(
            {
                **{name: member.flip() for name, member in visit_members(design).items()},
                **carry_members(design),
                **host_members(design),
                "clear": In(1),
                "clip_valid": Out(1),
                "clip_count": Out(array.lanes.bit_length()),
                "clearing": Out(1, init=1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        m.submodules.add = add = HybridAdd(self.design)
        advance, take = Signal(), Signal()  # the stages move; a visit comes
        swept = self._sweep(m)
        address = group_address(self.design.array, self.r_row, self.r_group)
        s1, s2 = (self._stage(number) for number in (1, 2))
        after, p, clips = (Signal.like(value, name=f"s2_{name}") for name, value in
                           (("after", add.l_after), ("p", add.p), ("clips", add.clipped)))  # fmt: skip
        self._forward(m, take, address, s1, s2, after, advance)
        with m.If(advance):
            m.d.sync += [s1["valid"].eq(take), s2["valid"].eq(s1["valid"])]
        with m.If(take):
            of_visit = {"row": self.r_row, "group": self.r_group, "visit": self.r_visit, "row_end": self.r_row_end}
            m.d.sync += [s1[name].eq(value) for name, value in (of_visit | {"address": address}).items()]
            m.d.sync += add.q.eq(self.r_q)
        with m.If(advance & s1["valid"]):
            m.d.sync += [s2[name].eq(value) for name, value in s1.items() if name != "valid"]
            m.d.sync += [after.eq(add.l_after), p.eq(add.p), clips.eq(add.clipped)]
        carries, hands = Signal(), Signal()
        m.d.comb += [
            carries.eq(s2["valid"] & s2["visit"] & p.any()),
            hands.eq(carries | (s2["valid"] & s2["row_end"])),
            advance.eq(~hands | self.w_ready),
            self.r_ready.eq(advance & ~self.clearing),
            take.eq(self.r_valid & self.r_ready),
            self.w_valid.eq(carries & self.w_ready),
            self.w_end.eq(hands & s2["row_end"] & self.w_ready),
            self.w_row.eq(s2["row"]),
            self.w_group.eq(s2["group"]),
            self.w_word.eq(p),
            self.clip_valid.eq(s2["valid"] & s2["visit"] & advance & clips.any()),
            self.clip_count.eq(sum(clips)),
            self.busy.eq(s1["valid"] | s2["valid"] | self.clearing),
        ]
        self._ports(m, memory, take & self.r_visit, address, s2["valid"] & s2["visit"] & advance, s2, after, swept)
        return m

    def _stage(self, number):
        """Registers of a stage beside the lanes."""
        likes = {"row": self.r_row, "group": self.r_group, "address": self._memory.R0_addr}
        stage = {name: Signal.like(value, name=f"s{number}_{name}") for name, value in likes.items()}
        return stage | {name: Signal(name=f"s{number}_{name}") for name in ("valid", "visit", "row_end")}

    def _forward(self, m, take, address, s1, s2, after, advance):
        """The newest word of the group in S1. The word of S2 is the one of S3 once it is written."""
        from_s2, from_s3, written = Signal(), Signal(), Signal.like(after, name="s3_after")
        in_s1, in_s2 = (s["valid"] & s["visit"] & (s["address"] == address) for s in (s1, s2))
        with m.If(take):
            m.d.sync += [from_s2.eq(in_s1), from_s3.eq(in_s2)]
        with m.If(s2["valid"] & advance):
            m.d.sync += written.eq(after)
        add = m.submodules.add
        m.d.comb += add.l_before.eq(Mux(from_s2, after, Mux(from_s3, written, self._memory.R0_data)))

    def _sweep(self, m):
        """Clears all words, after reset and when it is asked for; gives the word that is cleared."""
        swept, wanted = Signal.like(self._memory.W0_addr), Signal()
        m.d.sync += wanted.eq((wanted | self.clear) & ~self.clearing)
        with m.If(self.clearing):
            m.d.sync += swept.eq(swept + 1)
            with m.If(swept == self._memory.depth - 1):
                m.d.sync += [self.clearing.eq(0), swept.eq(0)]
        with m.Elif(wanted & ~self.busy & ~self.r_valid):
            m.d.sync += self.clearing.eq(1)
        return swept

    def _ports(self, m, memory, reads, address, writes, s2, after, swept):
        """Who reads and who writes: visits, the host where there are none, the sweep."""
        host = group_address(self.design.array, self.m_row, self.m_group)
        take = Signal(name="host_take")
        m.d.comb += [
            self.m_ready.eq(~self.busy & ~self.r_valid),
            take.eq(self.m_valid & self.m_ready),
            memory.R0_en.eq(reads | (take & ~self.m_write)),
            memory.R0_addr.eq(Mux(reads, address, host)),
            memory.W0_en.eq(self.clearing | writes | (take & self.m_write)),
            memory.W0_addr.eq(Mux(self.clearing, swept, Mux(writes, s2["address"], host))),
            memory.W0_data.eq(Mux(self.clearing, 0, Mux(writes, after, self.m_data))),
            self.l_data.eq(memory.R0_data),
        ]
        m.d.sync += self.l_valid.eq(take & ~self.m_write)
