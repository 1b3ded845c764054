"""Scale: length of a train and the factors of its lines, from two maxima. The rule is `crosstrain_model.scale`.

Two halves work on two vectors at a time. The first keeps the means and sums up lk; all logarithms come from one unit,
first those of the codes, then those of the means. The second looks for BL, one bit a cycle, and takes antilogarithms.
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.logarithm import Antilogarithm, Logarithm, look_up
from crosstrain_hdl.running_means import HOST, SIDES, RunningMeans, mean_ports
from crosstrain_model.port import code_bits
from crosstrain_model.scale import LK_BITS, MOMENTUM_BITS, RATE_BITS, RATE_SHIFT, UNIT, factor_bits, levels

CODE_SUM, MEAN_SUM = (start + Logarithm.latency for start in (RunningMeans.code_latency, RunningMeans.mean_latency))
"""Cycles from the start of the first half to the logarithm of X, and to that of the mean of x; those of d are next."""


class Scale(wiring.Component):
    """Members

    s_valid, s_ready : In, Out, a vector pair
    s_x, s_d : In, X and D, unsigned, formats.x and formats.d bits; s_ex, s_ed : In(signed 8), exponents
    g_valid, g_ready : Out, In, what its train is
    g_slots : Out, BL, 0 where there is none; g_mx, g_md : Out(factor_bits), M_x and M_d, 0 where there is none
    rate, momentum, dynamic : In, registers; constant while a vector is here
    mean_x, mean_x_exponent, mean_d, mean_d_exponent : Out, the running means; <name>_write : In(1), strobe: it becomes
        write_data : In(32)
    clear : In(1), strobe: both means are unset
    busy : Out(1), a vector is here

    Means are written and cleared only while not busy.

    Attributes
    ----------
    latency : cycles from taking a vector to its g_valid, if nothing is in the way
    interval : cycles between two vectors
    """

    def __init__(self, design):
        self.design = design
        self._steps = (design.train.slots - 1).bit_length()  # of the search for BL
        behind = self._steps + Antilogarithm.latency + 6  # cycles of the second half
        self.latency = MEAN_SUM + 3 + behind
        self.interval = max(MEAN_SUM + 3, behind + 1)
        super().__init__(
            {
                "s_valid": In(1),
                "s_ready": Out(1),
                "s_x": In(design.formats.x),
                "s_ex": In(signed(8)),
                "s_d": In(design.formats.d),
                "s_ed": In(signed(8)),
                "g_valid": Out(1),
                "g_ready": In(1),
                "g_slots": Out(design.train.slots.bit_length()),
                "g_mx": Out(factor_bits(design)),
                "g_md": Out(factor_bits(design)),
                "rate": In(signed(RATE_BITS)),
                "momentum": In(MOMENTUM_BITS),
                "dynamic": In(1),
                **mean_ports(),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        log_bits = UNIT + (code_bits(self.design) - 1).bit_length()
        self._lk = Signal(signed(LK_BITS))
        self._logs = [Signal(log_bits, name=f"lg_{side}") for side in SIDES]
        self._nothing = Signal()  # X or D is 0
        self._whole = Signal()  # the first half is done
        self._pass = Signal()  # the second takes over
        self._working = Signal()  # it has something to do
        self._first_half(m)
        self._second_half(m)
        return m

    def _first_half(self, m):
        """A vector in; lk and the logarithms of X and D out."""
        m.submodules.means = means = RunningMeans(self.design)
        held, taken = Signal(), Signal()
        size_d, exponent_d = Signal.like(means.size, name="size_d"), Signal.like(means.exponent, name="exponent_d")
        since = Signal(MEAN_SUM + 1)  # bit k: start was k + 1 cycles ago
        m.d.comb += [
            self.s_ready.eq(~held | self._pass),
            taken.eq(self.s_valid & self.s_ready),
            means.momentum.eq(self.momentum),
            means.clear.eq(self.clear),
            means.write_data.eq(self.write_data),
        ]
        for name in HOST:
            m.d.comb += [
                getattr(self, name).eq(getattr(means, name)),
                getattr(means, f"{name}_write").eq(getattr(self, f"{name}_write")),
            ]
        m.d.sync += [since.eq(Cat(means.start, since)), means.start.eq(0)]
        with m.If(taken):
            nothing = (self.s_x == 0) | (self.s_d == 0)
            m.d.sync += [
                held.eq(1),
                self._nothing.eq(nothing),
                self._whole.eq(nothing),
                means.start.eq(~nothing),
                means.size.eq(self.s_x),
                means.exponent.eq(self.s_ex),
                size_d.eq(self.s_d),
                exponent_d.eq(self.s_ed),
            ]
        with m.Else():
            m.d.sync += [means.size.eq(size_d), means.exponent.eq(exponent_d)]
            with m.If(self._pass):
                m.d.sync += [held.eq(0), self._whole.eq(0)]
            with m.Elif(since[MEAN_SUM]):
                m.d.sync += self._whole.eq(1)
        self._sum(m, means, taken, since)
        m.d.comb += self.busy.eq(held | self._working | self.g_valid)

    def _sum(self, m, means, taken, since):
        """lk, one logarithm after the other."""
        m.submodules.logarithm = logarithm = Logarithm()
        of_mean = since[means.mean_latency - 1] | since[means.mean_latency]
        m.d.comb += [
            logarithm.v.eq(Mux(of_mean, means.mean_v, means.code_v)),
            logarithm.integer.eq(Mux(of_mean, means.mean_integer, means.code_integer)),
        ]
        for number, log in enumerate(self._logs):
            with m.If(since[means.code_latency - 1 + number]):
                m.d.sync += log[UNIT:].eq(means.code_place)
            with m.If(since[CODE_SUM - 1 + number]):
                m.d.sync += log[:UNIT].eq(logarithm.result)
        with m.If(taken):
            m.d.sync += self._lk.eq(self.rate << RATE_SHIFT)
        with m.Elif(since[CODE_SUM - 1] | since[CODE_SUM]):
            m.d.sync += self._lk.eq(self._lk + logarithm.result)
        with m.Elif(since[MEAN_SUM - 1] | since[MEAN_SUM]):
            m.d.sync += self._lk.eq(self._lk - logarithm.result)

    def _second_half(self, m):
        """BL, one bit a cycle; then the factor of x and, a cycle behind it, that of d."""
        steps, most = self._steps, self.design.train.slots
        fewer = Signal(self.g_slots.shape())  # BL - 1, its highest bit first
        trial = Signal.like(fewer)
        bit = Signal(max(steps, 1))
        since = Signal(Antilogarithm.latency + 5)  # bit k: fewer has been known for k cycles
        lk = Signal(signed(LK_BITS), name="lk_kept")
        logs = [Signal.like(log, name=f"lg_{side}_kept") for side, log in zip(SIDES, self._logs, strict=True)]
        level = look_up(levels(self.design), trial)
        search = self.dynamic if steps else Const(0, 1)
        something, found = Signal(), Signal()
        m.d.comb += [
            self._pass.eq(self._whole & ~self._working & ~self.g_valid),
            something.eq(self._pass & ~self._nothing),
            found.eq(bit[0] | (something & ~search)),
            trial.eq(Mux(bit.any(), fewer | bit, fewer + 1)),
        ]
        m.d.sync += [since.eq(Cat(found, since)), bit.eq(Mux(something & search, 1 << max(steps - 1, 0), bit >> 1))]
        with m.If(self.g_ready):
            m.d.sync += self.g_valid.eq(0)
        with m.If(self._pass):
            m.d.sync += [
                self._working.eq(something),
                lk.eq(self._lk),
                *(kept.eq(log) for kept, log in zip(logs, self._logs, strict=True)),
                fewer.eq(Mux(search, 0, most - 1)),
            ]
            with m.If(self._nothing):
                m.d.sync += [self.g_valid.eq(1), self.g_slots.eq(0), self.g_mx.eq(0), self.g_md.eq(0)]
        with m.Elif(bit.any() & (trial < most) & (level < lk)):
            m.d.sync += fewer.eq(trial)
        self._factors(m, since, trial, level, lk, logs)

    def _factors(self, m, since, slots, level, lk, logs):
        """From BL and its level to what leaves."""
        m.submodules.antilogarithm = antilogarithm = Antilogarithm(self.design)
        known, shares, last = 0, (2, 3), len(since) - 1  # bits of since
        level_read = Signal(len(level))
        y, z = Signal(signed(LK_BITS)), Signal(signed(LK_BITS))
        above = Signal()  # k > BL: it is l_max
        q, log = Signal(signed(LK_BITS)), Signal.like(logs[0], name="lg_now")
        is_d = since[shares[1]]
        m.d.comb += [
            above.eq(y > 0),
            q.eq(Mux(above, Mux(is_d, y, 0), y >> 1)),
            log.eq(Mux(is_d, logs[1], logs[0])),
            antilogarithm.z.eq(z),
        ]
        m.d.sync += [level_read.eq(level), y.eq(lk - level_read), z.eq(q - log)]
        with m.If(since[known]):
            m.d.sync += self.g_slots.eq(slots)
        with m.If(since[last - 1]):
            m.d.sync += self.g_mx.eq(antilogarithm.result)
        with m.If(since[last]):
            m.d.sync += [self.g_md.eq(antilogarithm.result), self.g_valid.eq(1), self._working.eq(0)]
