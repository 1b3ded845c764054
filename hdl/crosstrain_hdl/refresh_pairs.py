"""Pairs of a row in a refresh: which are due, and what they are to become. The rule is `crosstrain_model.refresh`.

Sums are those of `write_verify_sums`, 2^4 fold codes whatever the number of reads: due is S > G_sat * 2^4, a target
(|S+ - S-| * 2^F) >> 4. A walk takes the groups in turn, one a cycle:

    S0  the sums of a group are fetched
    S1  judging: who is due goes into a shift register, at its high end; feeding: |S+ - S-|, and who is due comes back
    S2  flags and targets leave on t_*
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import interleave, tree_sum
from crosstrain_hdl.weight_copy import target_bits
from crosstrain_hdl.write_verify_sums import READS_LOG2, sum_bits


class RefreshPairs(wiring.Component):
    """Members

    saturation : In(adc), G_sat
    walk : In(1), strobe: a walk begins in the next cycle; feed : In(1), constant during it: it is one that feeds
    step : Out(1), the next word of sums is wanted; sums : In, it, a cycle later
    done : Out(1), strobe: the walk is over
    count : Out, pairs that are due; devices : Out(device columns), their devices
    t_valid, t_group, t_flags, t_targets, t_last : Out, groups of a row, as `write_verify.WriteVerify` takes them
    """

    def __init__(self, design):
        self.design = design
        array = design.array
        devices = 2 * array.lanes
        super().__init__(
            {
                "saturation": In(design.formats.adc),
                "walk": In(1),
                "feed": In(1),
                "step": Out(1),
                "sums": In(devices * sum_bits(design)),
                "done": Out(1),
                "count": Out(range(array.columns + 1)),
                "devices": Out(array.device_columns),
                "t_valid": Out(1),
                "t_group": Out(range(max(2, array.groups))),
                "t_flags": Out(devices),
                "t_targets": Out(devices * target_bits(design)),
                "t_last": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array = self.design.array
        place, came, last = Signal(range(max(2, array.groups))), Signal(), Signal()
        pairs = Signal(array.groups * array.lanes)
        m.d.sync += [came.eq(self.step), last.eq(place == array.groups - 1), self.done.eq(came & last)]
        with m.If(self.walk):
            m.d.sync += [self.step.eq(1), place.eq(0)]
        with m.Elif(self.step):
            m.d.sync += [self.step.eq(place != array.groups - 1), place.eq(place + 1)]
        due = self._due(m, last)
        with m.If(came):
            m.d.sync += pairs.eq(Cat(pairs[array.lanes :], Mux(self.feed, pairs[: array.lanes], due)))
        with m.If(self.walk & ~self.feed):
            m.d.sync += self.count.eq(0)
        with m.Elif(came & ~self.feed):
            m.d.sync += self.count.eq(self.count + tree_sum(list(due)))
        m.d.comb += self.devices.eq(interleave(pairs, pairs))
        self._feed(m, came & self.feed, last, pairs[: array.lanes])
        return m

    def _due(self, m, last):
        """Pairs of the group that are due; none beyond the last column."""
        array, bits = self.design.array, sum_bits(self.design)
        most = Signal(bits)
        m.d.comb += most.eq(self.saturation << READS_LOG2)
        above = [self.sums.word_select(device, bits) > most for device in range(2 * array.lanes)]
        used = array.columns - (array.groups - 1) * array.lanes
        due = Signal(array.lanes)
        every = Mux(last, (1 << used) - 1, Const(-1, array.lanes))
        m.d.comb += due.eq(Cat(above[2 * lane] | above[2 * lane + 1] for lane in range(array.lanes)) & every)
        return due

    def _feed(self, m, came, last, due):
        """Flags of the devices that are due, and targets: |w| on the device of its sign, 0 on the other."""
        array, bits, wide = self.design.array, sum_bits(self.design), target_bits(self.design)
        fraction = self.design.formats.fraction
        group = Signal.like(self.t_group, name="following_group")
        m.d.sync += [self.t_valid.eq(came), self.t_last.eq(came & last)]
        with m.If(came):
            m.d.sync += [
                self.t_flags.eq(interleave(due, due)),
                self.t_group.eq(group),
                group.eq(Mux(last, 0, group + 1)),
            ]
        for lane in range(array.lanes):
            plus, minus = (self.sums.word_select(2 * lane + half, bits) for half in (0, 1))
            w, size = Signal(signed(bits + 1), name=f"w_{lane}"), Signal(bits, name=f"size_{lane}")
            target = Cat(Const(0, fraction), size)[READS_LOG2:][:wide]
            m.d.comb += [w.eq(plus - minus), size.eq(Mux(w[-1], -w, w))]
            with m.If(came):
                m.d.sync += [
                    self.t_targets.word_select(2 * lane, wide).eq(Mux(due[lane] & ~w[-1], target, 0)),
                    self.t_targets.word_select(2 * lane + 1, wide).eq(Mux(due[lane] & w[-1], target, 0)),
                ]
