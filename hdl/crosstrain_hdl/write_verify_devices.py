"""Devices of the row under way: which are left, and on what side of their windows; walked through group by group.

Of a device that is left it is kept whether it is above; if not, it is below: what is in its window is left no more. The
devices that a train pulses, its mask, are those left on one side, and no more need be kept of them: one that leaves the
mask does so by changing sides or by passing.

A walk takes the groups in turn, one a cycle. Both bits of a group leave at the low end of two shift registers and come
back at their high end, so that no group is ever selected from them:

    S0  step: the words of a group are fetched
    S1  they are there                      loading: its flags go in here
    S2
    S3  below and above are there: its bits go in
    S4  they are counted
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import tree_sum
from crosstrain_model.pulse import SET


class WriteVerifyDevices(wiring.Component):
    """Members

    walk : In(1), strobe: a walk begins in the next cycle
    load, form, keep : In, constant during a walk: it takes the flags of a new row, or all devices; it changes nothing
    direction : In(1), of the mask: SET, those below; RESET, those above; SET while a row is loaded
    out : In(groups * 2 * lanes), devices that are not in it all the same, where amplitudes are told by column
    step, named : Out(1), words of a group are due; it has devices of the mask
    come : Out(3), S1, S2 and S3 of that
    flags : In(2 * lanes), in S1 of a load
    below, above : In(2 * lanes), in S3
    who : Out(2 * lanes), in S3: devices of the mask, as they were
    done : Out(1), strobe: the counts are right
    count_below, count_above : Out, devices left
    mask : Out(device columns); groups : Out(groups), those that have devices of it; both may move during a walk

    Attributes
    ----------
    latency : cycles from `walk` to `done`, beside one for each group, of a walk that loads nothing
    """

    latency = 5

    def __init__(self, design):
        self.design = design
        array = design.array
        self.devices = 2 * array.lanes
        count = range(array.device_columns + 1)
        super().__init__(
            {
                "walk": In(1),
                "load": In(1),
                "form": In(1),
                "keep": In(1),
                "direction": In(1),
                **({"out": In(array.groups * self.devices)} if design.column_amplitudes else {}),
                "step": Out(1),
                "named": Out(1),
                "come": Out(3),
                "flags": In(self.devices),
                "below": In(self.devices),
                "above": In(self.devices),
                "who": Out(self.devices),
                "done": Out(1),
                "count_below": Out(count),
                "count_above": Out(count),
                "mask": Out(array.device_columns),
                "groups": Out(array.groups),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array = self.design.array
        left, high = (Signal(array.groups * self.devices, name=name) for name in ("left", "high"))
        mask = Signal.like(left, name="padded_mask")
        side = left & (high ^ (self.direction == SET).replicate(len(high)))
        m.d.comb += [
            mask.eq(side & ~self.out if self.design.column_amplitudes else side),
            self.mask.eq(mask),
            self.groups.eq(Cat(mask.word_select(g, self.devices).any() for g in range(array.groups))),
        ]
        put, last = self._steps(m)
        self._judged(m, left, high, mask, put, last)
        self._counts(m, left, high, put, last)
        return m

    def _steps(self, m):
        """The groups in turn; gives when bits go in, and whether they are the last."""
        groups = self.design.array.groups
        place, due = Signal(range(max(2, groups))), Signal(groups)
        ends = [Signal(name=f"end_{stage}") for stage in range(4)]
        m.d.comb += [ends[0].eq(place == groups - 1), self.named.eq(due[0])]
        m.d.sync += self.come.eq(Cat(self.step, self.come[:2]))
        m.d.sync += [after.eq(before) for before, after in zip(ends, ends[1:], strict=False)]
        with m.If(self.walk):
            m.d.sync += [self.step.eq(1), place.eq(0), due.eq(self.groups)]
        with m.Elif(self.step):
            m.d.sync += [self.step.eq(~ends[0]), place.eq(place + 1), due.eq(due[1:])]
        put, last = Signal(), Signal()
        m.d.comb += [
            put.eq(Mux(self.load, self.come[0], self.come[2])),
            last.eq(Mux(self.load, ends[1], ends[3])),
        ]
        return put, last

    def _judged(self, m, left, high, mask, put, last):
        """New bits of the group at the low end; devices beyond the last column are never there."""
        array = self.design.array
        used = 2 * (array.columns - (array.groups - 1) * array.lanes)
        every = Mux(last, (1 << used) - 1, Const(-1, self.devices))
        new_left, new_high = Signal(self.devices), Signal(self.devices)
        old_left, old_high = left[: self.devices], high[: self.devices]
        m.d.comb += self.who.eq(mask[: self.devices])
        moved = Mux(self.keep, 0, self.who)
        with m.If(self.load):
            m.d.comb += new_left.eq(Mux(self.form, every, self.flags))
        with m.Else():
            m.d.comb += [
                new_left.eq((old_left & ~moved) | (moved & (self.below | self.above))),
                new_high.eq((old_high & ~moved) | (moved & self.above & ~self.below)),
            ]
        with m.If(put):
            m.d.sync += [left.eq(Cat(left[self.devices :], new_left)), high.eq(Cat(high[self.devices :], new_high))]

    def _counts(self, m, left, high, put, last):
        """Devices left, below and above, of the bits that just went in at the high end."""
        came, over = Signal(), Signal()
        m.d.sync += [came.eq(put), over.eq(put & last), self.done.eq(over)]
        new_left, new_high = left[-self.devices :], high[-self.devices :]
        for count, bits in ((self.count_below, new_left & ~new_high), (self.count_above, new_left & new_high)):
            with m.If(self.walk | came):
                m.d.sync += count.eq(Mux(self.walk, 0, count + tree_sum(list(bits))))
