"""Transfer counts: counters of the transfer station, and the strobes of its events."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import tree_sum

COUNTERS = ("visits", "clipped", "adc_clipped", "lost_reads")


class TransferCounts(wiring.Component):
    """Members

    visit : In(5), bit k: stage k holds a group that is visited
    codes, last : In(lanes * adc), In(1), in stage 1: its codes, and whether it is the last of its row
    clips : In(lanes), in stage 4: which lanes of H were clamped
    lost, dropped : In(1), strobes: a read failed; a row was dropped
    adc_clip : Out(1), strobe: codes of real columns were at an end of the ADC's range
    clip_valid, clip_count : Out, so many lanes were clamped
    visits, clipped, adc_clipped, lost_reads : Out(32), modulo 2^32; right when the group has left stage 4
    count_clear : In(1), strobe
    """

    def __init__(self, design):
        self.design = design
        lanes = design.array.lanes
        super().__init__(
            {
                "visit": In(5),
                "codes": In(lanes * design.formats.adc),
                "last": In(1),
                "clips": In(lanes),
                "lost": In(1),
                "dropped": In(1),
                "adc_clip": Out(1),
                "clip_valid": Out(1),
                "clip_count": Out(lanes.bit_length()),
                "count_clear": In(1),
                **{name: Out(32) for name in COUNTERS},
            }
        )

    def elaborate(self, platform):
        m = Module()
        ends = Signal(self.design.array.lanes)  # in stage 2
        many = Signal(range(len(ends) + 1))  # in stage 3
        m.d.comb += [
            self.adc_clip.eq(self.visit[2] & ends.any()),
            self.clip_valid.eq(self.visit[4] & self.clips.any()),
            self.clip_count.eq(tree_sum(list(self.clips))),
        ]
        with m.If(self.visit[1]):
            m.d.sync += ends.eq(self._ends())
        with m.If(self.visit[2]):
            m.d.sync += many.eq(tree_sum(list(ends)))
        steps = {
            "visits": self.visit[0],
            "adc_clipped": Mux(self.visit[3], many, 0),
            "clipped": Mux(self.visit[4], self.clip_count, 0),
            "lost_reads": self.lost + self.dropped,
        }
        for name, step in steps.items():
            counter = getattr(self, name)
            m.d.sync += counter.eq(Mux(self.count_clear, 0, counter + step))
        return m

    def _ends(self):
        """Codes at an end of the ADC's range: all bits below the sign differ from it. None beyond the last column."""
        array, adc = self.design.array, self.design.formats.adc
        used = array.columns - (array.groups - 1) * array.lanes
        flags = []
        for lane in range(array.lanes):
            code = self.codes[lane * adc :][:adc]
            flag = (code[:-1] ^ code[-1].replicate(adc - 1)).all() if adc > 1 else Const(1, 1)
            flags.append(flag & ~self.last if lane >= used else flag)
        return Cat(flags)
