"""Amplitudes of write-verify where every device column has its own. The rule is `crosstrain_model.write_verify`.

A walk takes them along with the bits of `write_verify_devices`: those of a group leave a shift register at its low end
and come back at its high end. There is one register for SET, which forming uses too, and one for RESET; only that of
the train under way turns. A device that stays in the mask of the train goes a step up, one that leaves it a step down;
one that leaves it for want of amplitude is `out` until the next train begins.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.planes import tree_sum
from crosstrain_hdl.write_verify_train import ramp_members
from crosstrain_model.port import AMPLITUDE_BITS, amplitude_bits
from crosstrain_model.pulse import SET


class WriteVerifyAmplitudes(wiring.Component):
    """Members

    set_start .. form_stop : In, registers
    load, form, direction, walk, come, mask : In, as of `WriteVerifyDevices`
    counting : In(1), the walk follows a pulse
    turn : In(1), strobe: the next train begins, and no device is out
    who, below, above : In(2 * lanes), devices of the mask; with come[2], as of the same
    out : Out(groups * 2 * lanes), devices that wait for the next train
    count_out : Out, how many
    possible : Out(1), the ramp of the train has a first amplitude
    amplitude : Out(amplitude_bits(design)), of the next pulse, 0 where there is none
    """

    def __init__(self, design):
        self.design = design
        array = design.array
        self.devices = 2 * array.lanes
        padded = array.groups * self.devices
        super().__init__(
            {
                **ramp_members(),
                "load": In(1),
                "form": In(1),
                "direction": In(1),
                "walk": In(1),
                "come": In(3),
                "mask": In(array.device_columns),
                "counting": In(1),
                "turn": In(1),
                "who": In(self.devices),
                "below": In(self.devices),
                "above": In(self.devices),
                "out": Out(padded),
                "count_out": Out(range(array.device_columns + 1)),
                "possible": Out(1),
                "amplitude": Out(amplitude_bits(design)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        up = self.direction == SET
        start, step, stop = (Signal(AMPLITUDE_BITS, name=name) for name in ("start", "step", "stop"))
        for part, signal in (("start", start), ("step", step), ("stop", stop)):
            of_set, of_reset, of_form = (getattr(self, f"{kind}_{part}") for kind in ("set", "reset", "form"))
            m.d.comb += signal.eq(Mux(self.form, of_form, Mux(up, of_set, of_reset)))
        m.d.comb += self.possible.eq(start <= stop)
        sets, resets = (Signal(len(self.out) * AMPLITUDE_BITS, name=f"{name}_amplitudes") for name in ("set", "reset"))
        due = Signal.like(sets, name="due_amplitudes")  # of the train
        put = Signal()
        m.d.comb += [
            due.eq(Mux(up, sets, resets)),
            put.eq(Mux(self.load, self.come[0], self.come[2] & self.counting)),
            self.amplitude.eq(Cat(Mux(pulsed, due.word_select(column, AMPLITUDE_BITS), 0)
                                  for column, pulsed in enumerate(self.mask))),
        ]  # fmt: skip
        stays = self.who & Mux(up, self.below, self.above)
        new, leaves = self._stepped(m, due, stays, start, step, stop)
        with m.If(put):
            for register, ramp, mine in ((sets, start, up), (resets, self.reset_start, ~up)):
                first = Cat(ramp for _ in range(self.devices))
                with m.If(self.load | mine):
                    m.d.sync += register.eq(Cat(register[len(new) :], Mux(self.load, first, new)))
        self._out(m, put, leaves)
        return m

    def _stepped(self, m, due, stays, start, step, stop):
        """The amplitudes of the group at the low end after a pulse, and its devices that are at the end of the ramp."""
        last, second = Signal(AMPLITUDE_BITS), Signal(AMPLITUDE_BITS + 1)
        fits = Signal()  # a ramp has more than one amplitude
        m.d.sync += [last.eq(stop - step), fits.eq(stop >= step), second.eq(start + step)]
        new, leaves = [], []
        for device in range(self.devices):
            old = due.word_select(device, AMPLITUDE_BITS)
            on, following = Signal(name=f"on_{device}"), Signal(AMPLITUDE_BITS, name=f"following_{device}")
            m.d.comb += [
                on.eq(stays[device] & fits & (old <= last)),
                following.eq(Mux(on, old + step, Mux(old >= second, old - step, start))),
            ]
            new.append(Mux(self.who[device], following, old))
            leaves.append(stays[device] & ~on)
        return Cat(new), Cat(leaves)

    def _out(self, m, put, leaves):
        """Devices that are out, and their number, one cycle later, of the bits that went in at the high end."""
        came = Signal()
        m.d.sync += came.eq(put)
        with m.If(self.turn):
            m.d.sync += self.out.eq(0)
        with m.Elif(put):
            now = Mux(self.load, 0, self.out[: self.devices] | leaves)
            m.d.sync += self.out.eq(Cat(self.out[self.devices :], now))
        with m.If(self.turn | self.walk):
            m.d.sync += self.count_out.eq(0)
        with m.Elif(came):
            m.d.sync += self.count_out.eq(self.count_out + tree_sum(list(self.out[-self.devices :])))
