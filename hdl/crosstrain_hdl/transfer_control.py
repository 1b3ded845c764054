"""Transfer control: what enters the pipeline of the transfer station, and where in it everything is.

A row enters group by group, without a gap, once `Pulse` has room for it. If the same row is still so close ahead that
its groups are not yet written, it waits: only on tiles of few groups can that be. The host's accesses and the sweep
that clears all memories enter an empty pipeline, between two rows.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width, group_address
from crosstrain_hdl.reference import chops
from crosstrain_model.pulse import row_buffers

STAGES = 4
"""Stages behind S0, in which a group is asked for; H is written in the last."""


class TransferControl(wiring.Component):
    """Members

    row_valid, row, sign, flip, warm : In, the oldest row that waits, see `TransferRows`
    group, read : Out, its group that enters; release : Out(1), strobe: with its last group, or with `dropped`
    dropped : Out(1), strobe: it is dropped, because of `cancel` : In(1), level
    pulse_free : In, rows that `Pulse` can take beside those under way; ended : In(1), strobe: the counts of one left
    m_valid, m_ready, m_write, m_row, m_group : the host's access; m_ready when it has been done
    clear : In(1), strobe; clearing : Out(1), from reset and after `clear` until all words are 0
    visit, wipe, write, fetch : Out(5), bit k: stage k holds a group that is visited, cleared, written or read
    at_0, at_3, at_4 : Out, its word in the memories, by stage
    sign_1, last_1, flip_3, last_4, row_4, warm_4 : Out, more of a visit; sign with choppers, flip with a dynamic
        reference
    uncounted_4 : Out(1), of a wipe: the sweep after reset; with `ledger`
    busy : Out(1), something is in S1 to S4
    """

    def __init__(self, design):
        array = design.array
        self.design = design
        row, group = address_width(array.rows), address_width(array.groups)
        address = address_width(array.rows * array.groups)
        super().__init__(
            {
                "row_valid": In(1),
                "row": In(row),
                "warm": In(1),
                **({"sign": In(1), "sign_1": Out(1)} if chops(design) else {}),
                **({"flip": In(1), "flip_3": Out(1)} if design.dynamic_reference else {}),
                **({"uncounted_4": Out(1)} if design.ledger else {}),
                "group": Out(group),
                "read": Out(1),
                "release": Out(1),
                "dropped": Out(1),
                "cancel": In(1),
                "pulse_free": In(range(row_buffers(design) + 1)),
                "ended": In(1),
                "m_valid": In(1),
                "m_ready": Out(1),
                "m_write": In(1),
                "m_row": In(row),
                "m_group": In(group),
                "clear": In(1),
                "clearing": Out(1),
                **{name: Out(STAGES + 1) for name in ("visit", "wipe", "write", "fetch")},
                **{name: Out(address) for name in ("at_0", "at_3", "at_4")},
                "row_4": Out(row),
                **{name: Out(1) for name in ("last_1", "last_4", "warm_4")},
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array = self.design.array
        self._last, self._between, self._alone = Signal(name="last"), Signal(name="between"), Signal(name="alone")
        self._wanted, self._begins = Signal(name="wanted"), Signal(name="begins")
        row = Signal.like(self.row, name="row_0")
        wiping, uncounted = self._sweep(m)
        host = Signal()
        m.d.comb += [
            self._last.eq(self.group == array.groups - 1),
            self._between.eq(self.group == 0),
            self._alone.eq(~self.busy & self._between),
            self.read.eq(~self._between | self._begins),
            self.dropped.eq(self._between & self.row_valid & self.cancel),
            self.release.eq((self.read & self._last) | self.dropped),
            host.eq(self.m_valid & self._alone & ~self.wipe[0] & ~self._wanted),
            self.m_ready.eq(self.fetch[1] | self.write[STAGES]),
            row.eq(Mux(self.read, self.row, self.m_row)),
            self.at_0.eq(
                Mux(self.wipe[0], self._place, group_address(array, row, Mux(self.read, self.group, self.m_group)))
            ),
        ]
        with m.If(self.read):
            m.d.sync += self.group.eq(Mux(self._last, 0, self.group + 1))
        self._kinds(m, visit=self.read, wipe=wiping, write=host & self.m_write, fetch=host & ~self.m_write)
        at = self._along(m, "at", self.at_0)
        rows = self._along(m, "row", self.row)
        last = self._along(m, "last", self._last)
        m.d.comb += [
            self.at_3.eq(at[3]),
            self.at_4.eq(at[4]),
            self.row_4.eq(rows[4]),
            self.last_1.eq(last[1]),
            self.last_4.eq(last[4]),
            self.warm_4.eq(self._along(m, "warm", self.warm)[4]),
        ]
        if chops(self.design):
            m.d.comb += self.sign_1.eq(self._along(m, "sign", self.sign, 1)[1])
        if self.design.dynamic_reference:
            m.d.comb += self.flip_3.eq(self._along(m, "flip", self.flip, 3)[3])
        if self.design.ledger:
            m.d.comb += self.uncounted_4.eq(self._along(m, "uncounted", uncounted)[4])
        self._begin(m, rows)
        return m

    def _sweep(self, m):
        """The sweep that clears: from reset on, or when it is wanted and all else has left."""
        array = self.design.array
        wiping, first = Signal(init=1), Signal(init=1)
        self._place = Signal.like(self.at_0, name="place")
        m.d.comb += self.clearing.eq(self.wipe.any() | self._wanted)
        m.d.sync += self._wanted.eq((self._wanted & ~self._alone) | (self.clear & ~wiping))
        with m.If(self._wanted & self._alone):
            m.d.sync += wiping.eq(1)
        with m.If(wiping):
            m.d.sync += self._place.eq(self._place + 1)
            with m.If(self._place == array.rows * array.groups - 1):
                m.d.sync += [self._place.eq(0), wiping.eq(0), first.eq(0)]
        return wiping, first

    def _kinds(self, m, **entering):
        """What each stage holds: one bit per stage and kind."""
        behind = []
        for name, enters in entering.items():
            stages = getattr(self, name)
            later = Signal(STAGES, name=f"{name}_later")
            m.d.comb += stages.eq(Cat(enters, later))
            m.d.sync += later.eq(stages)
            behind.append(later)
        m.d.comb += self.busy.eq(Cat(behind).any())

    def _along(self, m, name, value, stages=STAGES):
        """The value by stage: what a group takes along."""
        chain = [value, *(Signal.like(value, name=f"{name}_s{stage}") for stage in range(1, stages + 1))]
        for stage, (old, new) in enumerate(zip(chain, chain[1:], strict=False)):
            with m.If(self.visit[stage] | self.wipe[stage] | self.write[stage]):
                m.d.sync += new.eq(old)
        return chain

    def _begin(self, m, rows):
        """Whether a row may begin."""
        flying = Signal.like(self.pulse_free)  # rows whose counts have not all left
        m.d.sync += flying.eq(flying + self._begins - self.ended)
        # A group is in S0 when the same one of the row before is `groups` or more stages ahead.
        met = [
            self.visit[stage] & (rows[stage] == self.row)
            for stage in range(1, STAGES + 2 - self.design.array.groups)
        ]  # fmt: skip
        others = Cat(kind[1:] for kind in (self.wipe, self.write, self.fetch))
        free = (self.pulse_free > flying) & ~self.cancel
        entered = self.wipe[0] | self._wanted | self.m_valid
        m.d.comb += self._begins.eq(
            self._between & self.row_valid & free & ~entered & ~others.any() & ~Cat(met).any()
        )
