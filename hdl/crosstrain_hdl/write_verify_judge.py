"""Judge of write-verify: where the devices of a group stand against their targets. The rule is
`crosstrain_model.write_verify`, with the sums of `write_verify_sums`: 2^4 fold codes, whatever the number of reads.

    S1  e = sum * 2^F - t * 2^4, less the zeros that both have             sums and targets are there
    S2  e compared with two numbers that all devices share
    S3  below and above are there
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.weight_copy import target_bits
from crosstrain_hdl.write_verify_sums import READS_LOG2, sum_bits


class WriteVerifyJudge(wiring.Component):
    """Members

    window, set_margin, form_level : In, registers
    form : In(1), all targets are form_level
    to_margin : In(1), below target + max(set_margin, -window) is below; else what is below target - window
    come : In(2), sums and targets come; they came a cycle ago
    sums, targets : In, words of 2 * lanes
    below, above : Out(2 * lanes), two cycles later

    Attributes
    ----------
    latency : cycles from sums to below and above, 2
    """

    latency = 2

    def __init__(self, design):
        self.design = design
        devices, bits = 2 * design.array.lanes, design.copy_bits
        super().__init__(
            {
                "window": In(bits - 1),
                "set_margin": In(signed(bits)),
                "form_level": In(bits - 1),
                "form": In(1),
                "to_margin": In(1),
                "come": In(2),
                "sums": In(devices * sum_bits(design)),
                "targets": In(devices * target_bits(design)),
                "below": Out(devices),
                "above": Out(devices),
            }
        )

    def elaborate(self, platform):
        m = Module()
        design = self.design
        common = min(design.formats.fraction, READS_LOG2)
        finer, coarser = READS_LOG2 - common, design.formats.fraction - common
        low = Signal(signed(design.copy_bits))  # what a device must have, less its target
        zeros = Const(0, finer)
        m.d.sync += low.eq(Mux(self.form, 0, Mux(self.to_margin & (self.set_margin > -self.window), self.set_margin,
                                                 -self.window)))  # fmt: skip
        low_scaled = Cat(zeros, low).as_signed()
        high_scaled = Cat(zeros, self.window)
        for device in range(2 * design.array.lanes):
            summed = Cat(Const(0, coarser), self.sums.word_select(device, sum_bits(design)))
            target = self.targets.word_select(device, target_bits(design))
            wanted = Cat(zeros, Mux(self.form, self.form_level, target))
            error = Signal(signed(max(len(summed), len(wanted)) + 1), name=f"error_{device}")
            with m.If(self.come[0]):
                m.d.sync += error.eq(summed - wanted)
            with m.If(self.come[1]):
                m.d.sync += [
                    self.below[device].eq(error < low_scaled),
                    self.above[device].eq(~self.form & (error > high_scaled)),
                ]
        return m
