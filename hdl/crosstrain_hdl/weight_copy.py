"""Weight copy: digital weights beside the accumulators, one group a cycle. The rule is `crosstrain_model.weight_copy`.

    S0  the word of a group is read                                              c_valid
    S1  per lane W + dW
    S2  clamped to +- RANGE, where there was a hit
    S3  written; which devices of the pair move, and where to
    S4  leaves on t_*                                                            t_valid

A pass visits a word once, so nothing is forwarded: a word may come again once `busy` is low, or after 4 cycles.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width, group_address
from crosstrain_hdl.threshold import COUNT_BITS


def target_bits(design):
    """Bits of a device's target, unsigned: BASE and |w| have one less each."""
    return design.copy_bits


class WeightCopy(wiring.Component):
    """Members

    c_valid, c_row, c_group, c_counts, c_words, c_last : In, counts of a program visit and the words dW they come from,
        as `Accumulator` gives them; nothing holds them back
    limit, base : In(copy_bits - 1), RANGE and BASE; constant while `busy`
    t_valid, t_row, t_group, t_last : Out, strobe: a group has been visited; nothing holds it back
    t_flags : Out(2 * lanes), devices that move, plus before minus
    t_targets : Out(2 * lanes * target_bits(design)), where to; 0 for the others
    clamp_valid, clamp_count : Out, strobe: so many weights of a group met RANGE
    w_valid, w_ready, w_write, w_row, w_group, w_data : visits of the host; taken where no other visit is under way
    r_valid, r_data : Out, the word that it reads, one cycle later
    busy : Out(1), a visit is between S1 and S4, or the sweep after reset goes on: all words are cleared, and neither
        counts nor the host come to them

    Attributes
    ----------
    latency : cycles from c_valid to t_valid, 4
    words : the memory in `amaranth.sim`, word row * groups + group
    """

    latency = 4

    def __init__(self, design):
        self.design = design
        array, bits = design.array, design.copy_bits
        row, group = address_width(array.rows), address_width(array.groups)
        self._memory = Memory1R1W(array.rows * array.groups, array.lanes * bits)
        self.words = self._memory.words
        super().__init__(
            {
                "c_valid": In(1),
                "c_row": In(row),
                "c_group": In(group),
                "c_counts": In(array.lanes * COUNT_BITS),
                "c_words": In(array.lanes * design.formats.accumulator),
                "c_last": In(1),
                "limit": In(bits - 1),
                "base": In(bits - 1),
                "t_valid": Out(1),
                "t_row": Out(row),
                "t_group": Out(group),
                "t_flags": Out(2 * array.lanes),
                "t_targets": Out(2 * array.lanes * target_bits(design)),
                "t_last": Out(1),
                "clamp_valid": Out(1),
                "clamp_count": Out(array.lanes.bit_length()),
                "w_valid": In(1),
                "w_ready": Out(1),
                "w_write": In(1),
                "w_row": In(row),
                "w_group": In(group),
                "w_data": In(array.lanes * bits),
                "r_valid": Out(1),
                "r_data": Out(array.lanes * bits),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        s1, s2, s3 = (self._stage(m, number) for number in (1, 2, 3))
        self._under_way = Signal()
        m.d.comb += self._under_way.eq(s1["valid"] | s2["valid"] | s3["valid"])
        address = group_address(self.design.array, self.c_row, self.c_group)
        of_visit = {"row": self.c_row, "group": self.c_group, "last": self.c_last, "address": address}
        for stage, before, valid in ((s1, of_visit, self.c_valid), (s2, s1, s1["valid"]), (s3, s2, s2["valid"])):
            m.d.sync += stage["valid"].eq(valid)
            with m.If(valid):
                m.d.sync += [stage[name].eq(before[name]) for name in of_visit]
        m.d.sync += self.t_valid.eq(s3["valid"])
        with m.If(s3["valid"]):
            m.d.sync += [self.t_row.eq(s3["row"]), self.t_group.eq(s3["group"]), self.t_last.eq(s3["last"])]
        clamps, written = [], []
        for lane in range(self.design.array.lanes):
            clamp, new = self._lane(m, lane, s1["valid"], s2["valid"], s3["valid"])
            clamps.append(clamp)
            written.append(new)
        m.d.comb += [
            self.clamp_valid.eq(s3["valid"] & Cat(clamps).any()),
            self.clamp_count.eq(sum(clamps)),
        ]
        self._ports(m, memory, s3, Cat(written))
        return m

    def _stage(self, m, number):
        """Registers of a stage beside the lanes."""
        likes = {"row": self.c_row, "group": self.c_group, "last": self.c_last, "address": self._memory.R0_addr}
        stage = {name: Signal.like(value, name=f"s{number}_{name}") for name, value in likes.items()}
        return {"valid": Signal(name=f"s{number}_valid"), **stage}

    def _lane(self, m, lane, s1, s2, s3):
        """W + dW, its clamp, and the devices; gives whether it met RANGE, and the new weight, both in S3."""
        width, bits = self.design.formats.accumulator, self.design.copy_bits
        hits = [Signal(name=f"s{number}_hit_{lane}") for number in (1, 2)]
        dw = Signal(signed(width), name=f"s1_dw_{lane}")
        old = [Signal(signed(bits), name=f"s{number}_old_{lane}") for number in (1, 2, 3)]
        total = Signal(signed(max(width, bits) + 1), name=f"total_{lane}")
        above, below, clamp = (Signal(name=f"{name}_{lane}") for name in ("above", "below", "clamp"))
        new = Signal(signed(bits), name=f"new_{lane}")
        with m.If(self.c_valid):
            m.d.sync += dw.eq(self.c_words[lane * width :][:width])
            m.d.sync += hits[0].eq(self.c_counts.word_select(lane, COUNT_BITS).any())
        m.d.comb += [
            old[0].eq(self._memory.R0_data[lane * bits :][:bits]),
            above.eq(total > self.limit),
            below.eq(total < -self.limit),
        ]
        with m.If(s1):
            m.d.sync += [total.eq(old[0] + dw), old[1].eq(old[0]), hits[1].eq(hits[0])]
        with m.If(s2):
            clamped = Mux(above, self.limit, Mux(below, -self.limit, total))
            m.d.sync += [clamp.eq(hits[1] & (above | below)), old[2].eq(old[1]), new.eq(Mux(hits[1], clamped, old[1]))]
        with m.If(s3):
            self._devices(m, lane, old[2], new)
        return clamp, new

    def _devices(self, m, lane, old, new):
        """The pair rule. A device moves where the weight changes and has, or had, the device's sign."""
        bits = target_bits(self.design)
        changed = Signal(name=f"changed_{lane}")
        carrying = Signal(bits, name=f"carrying_{lane}")  # the target of the device of the weight's sign
        m.d.comb += [
            changed.eq(new != old),
            carrying.eq(self.base + (new.as_unsigned() ^ new[-1].replicate(bits)) + new[-1]),
        ]
        for sign, name in enumerate(("plus", "minus")):
            place = 2 * lane + sign
            moves = Signal(name=f"{name}_moves_{lane}")
            carries = (new[-1] == sign) & (new != 0)
            m.d.comb += moves.eq(changed & (carries | ((old[-1] == sign) & (old != 0))))
            target = Mux(moves, Mux(carries, carrying, self.base), 0)
            m.d.sync += [self.t_flags[place].eq(moves), self.t_targets.word_select(place, bits).eq(target)]

    def _ports(self, m, memory, s3, written):
        """Who reads and who writes: visits of a pass, the host where there are none, the sweep."""
        array = self.design.array
        sweeping = Signal(init=1)
        swept = Signal.like(memory.W0_addr)
        host = group_address(array, self.w_row, self.w_group)
        take = Signal()
        m.d.comb += [
            self.w_ready.eq(~sweeping & ~self.c_valid & ~self._under_way),
            take.eq(self.w_valid & self.w_ready),
            memory.R0_en.eq(self.c_valid | (take & ~self.w_write)),
            memory.R0_addr.eq(Mux(self.c_valid, group_address(array, self.c_row, self.c_group), host)),
            memory.W0_en.eq(sweeping | s3["valid"] | (take & self.w_write)),
            memory.W0_addr.eq(Mux(sweeping, swept, Mux(s3["valid"], s3["address"], host))),
            memory.W0_data.eq(Mux(sweeping, 0, Mux(s3["valid"], written, self.w_data))),
            self.r_data.eq(memory.R0_data),
            self.busy.eq(sweeping | self._under_way | self.t_valid),
        ]
        m.d.sync += self.r_valid.eq(take & ~self.w_write)
        with m.If(sweeping):
            m.d.sync += swept.eq(swept + 1)
            with m.If(swept == memory.depth - 1):
                m.d.sync += sweeping.eq(0)
