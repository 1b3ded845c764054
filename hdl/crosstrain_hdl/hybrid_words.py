"""Words of L in binary devices: cells of a group that were read become L, L + q, and the cells to be written.

    S1  cells and q are there                        come
    S2  L = decode(cells), L + q and its carry       carries leave on w_*
    S3  encode(L): which cells change                masks and counts are there a cycle later

The rule is `crosstrain_model.hybrid`, the codes are its `encode` and `decode`. In a read-back cells are compared with
what was wanted; a host's word takes the place of L + q.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.hybrid import HybridAdd
from crosstrain_hdl.hybrid_ports import q_bits
from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_hdl.planes import tree_sum
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import PULSES_BITS


class HybridWords(wiring.Component):
    """Members

    start : In(1), strobe: a visit begins, all masks and counts are 0
    hold : In(1), the masks of the visit before go by, and are 0 behind that; nothing comes
    come, group, cells : In, strobe: cells of a group; lanes * hybrid.bits, weight by weight, bit 0 first
    q : In(lanes * q_bits(design)), with come, of a visit
    back, host, host_write, host_data : In, constant during a read: a read-back; a visit of the host, which writes
        host_data
    fetch, fetch_group : In, strobe, a cycle or more before `come`: the group whose cells come next
    w_valid, w_group, w_word : Out, strobe: carries of a group, if it has any
    clipped : Out, weights of the visit of which the clamp took something
    l_data : Out(lanes * hybrid.bits), L of the group that came last
    working : Out(1), cells are in S2 or S3
    sets, resets : Out(groups * lanes * hybrid.bits), cells to be written, those of the lowest group lowest
    count_set, count_reset : Out, how many
    wrong, named : Out, cells that a read-back found wrong; all cells of the groups that came before it
    shift : In(1), strobe: the masks go down by one group
    """

    def __init__(self, design):
        self.design = design
        array, bits = design.array, design.hybrid.bits
        self.group_cells = array.lanes * bits
        group = address_width(array.groups)
        super().__init__(
            {
                "start": In(1),
                "hold": In(1),
                "come": In(1),
                "group": In(group),
                "cells": In(self.group_cells),
                "q": In(array.lanes * q_bits(design)),
                "back": In(1),
                "host": In(1),
                "host_write": In(1),
                "host_data": In(self.group_cells),
                "fetch": In(1),
                "fetch_group": In(group),
                "w_valid": Out(1),
                "w_group": Out(group),
                "w_word": Out(array.lanes * COUNT_BITS),
                "clipped": Out(range(array.columns + 1)),
                "l_data": Out(self.group_cells),
                "working": Out(1),
                "sets": Out(array.groups * self.group_cells),
                "resets": Out(array.groups * self.group_cells),
                "count_set": Out(PULSES_BITS),
                "count_reset": Out(PULSES_BITS),
                "wrong": Out(PULSES_BITS),
                "named": Out(PULSES_BITS),
                "shift": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.wanted = self._wanted = Memory1R1W(self.design.array.groups, self.group_cells)
        m.submodules.add = add = HybridAdd(self.design)
        array, bits = self.design.array, self.design.hybrid.bits
        used = (array.columns - (array.groups - 1) * array.lanes) * bits  # cells of the last group
        every = Mux(self.group == array.groups - 1, (1 << used) - 1, Const(-1, self.group_cells))
        s2 = self._stage(m, "s2", self.come, self.group, every, self.cells & every)
        s3 = self._stage(m, "s3", s2["valid"], s2["group"], s2["every"], s2["cells"])
        found, held = (Signal(self.group_cells, name=name) for name in ("found", "held"))  # L, of S2 and S3
        p, clips, written = Signal.like(add.p), Signal.like(add.clipped), Signal()
        m.d.comb += [
            found.eq(self._lanes(s2["cells"], self._decoded)),
            add.l_before.eq(found),
            written.eq(s3["valid"] & ~self.back & (~self.host | self.host_write)),
            self.w_valid.eq(written & ~self.host & p.any()),
            self.w_group.eq(s3["group"]),
            self.w_word.eq(p),
            self.working.eq(s2["valid"] | s3["valid"]),
            self._wanted.R0_en.eq(self.fetch),
            self._wanted.R0_addr.eq(self.fetch_group),
        ]
        with m.If(self.come):
            m.d.sync += add.q.eq(self.q)
        with m.If(s2["valid"]):
            m.d.sync += [
                self.l_data.eq(found),
                held.eq(Mux(self.host, self.host_data & s2["every"], add.l_after)),
                p.eq(add.p),
                clips.eq(add.clipped),
            ]
        with m.If(self.start):
            m.d.sync += self.clipped.eq(0)
        with m.Elif(written & ~self.host):
            m.d.sync += self.clipped.eq(self.clipped + tree_sum(list(clips)))
        self._masks(m, s3, held, written)
        self._judge(m, s2)
        return m

    def _stage(self, m, name, valid, group, every, cells):
        """Registers of a stage."""
        stage = {
            "valid": Signal(name=f"{name}_valid"),
            "group": Signal.like(self.group, name=f"{name}_group"),
            "every": Signal(self.group_cells, name=f"{name}_every"),  # cells that there are
            "cells": Signal(self.group_cells, name=f"{name}_cells"),
        }
        m.d.sync += stage["valid"].eq(valid)
        with m.If(valid):
            m.d.sync += [stage["group"].eq(group), stage["every"].eq(every), stage["cells"].eq(cells)]
        return stage

    def _lanes(self, word, change):
        """The word with every lane changed."""
        bits = self.design.hybrid.bits
        return Cat(change(word.word_select(lane, bits)) for lane in range(self.design.array.lanes))

    def _decoded(self, cell):
        """L of the cells of a weight."""
        if self.design.hybrid.code == "twos-complement":
            return cell
        return Cat(cell[k:].xor() for k in range(len(cell)))

    def _encoded(self, value):
        """Cells of a weight for L."""
        return value if self.design.hybrid.code == "twos-complement" else value ^ (value >> 1)

    def _masks(self, m, s3, held, written):
        """Cells to be written, put in their places; what they will be is kept for the read-back."""
        wanted = Signal(self.group_cells)
        m.d.comb += [
            wanted.eq(self._lanes(held, self._encoded)),
            self._wanted.W0_en.eq(written),
            self._wanted.W0_addr.eq(s3["group"]),
            self._wanted.W0_data.eq(wanted),
        ]
        kinds = (
            (self.sets, self.count_set, wanted & ~s3["cells"]),
            (self.resets, self.count_reset, s3["cells"] & ~wanted),
        )
        for mask, count, changed in kinds:
            cells = self.group_cells
            with m.If(self.start):
                m.d.sync += count.eq(0)
            with m.Elif(written):
                m.d.sync += count.eq(count + tree_sum(list(changed)))
            with m.If(self.start & ~self.hold):
                m.d.sync += mask.eq(0)
            with m.Elif(written):
                for group in range(self.design.array.groups):
                    with m.If(s3["group"] == group):
                        m.d.sync += mask[group * cells : (group + 1) * cells].eq(changed)
            with m.Elif(self.shift):
                m.d.sync += mask.eq(mask >> cells)

    def _judge(self, m, s2):
        """Counts of a read-back: cells that are not as wanted, and all that there are."""
        wanted = Signal(self.group_cells, name="wanted_back")
        with m.If(self.come):
            m.d.sync += wanted.eq(self._wanted.R0_data)
        kinds = ((self.wrong, self.back, (wanted ^ s2["cells"]) & s2["every"]), (self.named, ~self.back, s2["every"]))
        for count, counts, cells in kinds:
            with m.If(self.start):
                m.d.sync += count.eq(0)
            with m.Elif(s2["valid"] & counts):
                m.d.sync += count.eq(count + tree_sum(list(cells)))
