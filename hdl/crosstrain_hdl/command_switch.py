"""Command switch: pulse commands of several stations on their way to one sequencer, one command at a time.

The first in the list goes first. The slots that follow a command are those of its station, and it hears when the
command is over. No command passes while pulse and guard of any station's last slot are not yet over, but in an abort,
where commands are dropped.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.port import AMPLITUDE_BITS, PULSES_BITS, WIDTH_BITS, row_bits, slot_columns

FIELDS = ("row", "direction", "width", "amplitude", "pulses")


def sources(design):
    """{station: (its device columns, whether they are of array L)}, the first first."""
    pairs = dict.fromkeys(("pulse", "refresh"), (design.array.device_columns, 0))
    cells = {"cells": (design.array.columns * design.hybrid.bits, 1)} if design.cells_array else {}
    return cells | pairs


class CommandSwitch(wiring.Component):
    """Members, for each station of `sources`

    <station>_valid, _ready, _row, _direction, _width, _amplitude, _pulses : a command
    <station>_slot_valid, _slot_ready, _slot_columns, _slot_last : slots of its command that was taken last
    <station>_over : Out(1), strobe: that command has ended; <station>_pacing : In(1)

    and t_*, slot_*, over, pacing, as `sequencer.Sequencer` has them, t_cells where there is an array L; cancel : In(1)
    """

    def __init__(self, design):
        self.design, self.sources = design, sources(design)
        fields = {"row": row_bits(design), "direction": 1, "width": WIDTH_BITS, "amplitude": AMPLITUDE_BITS,
                  "pulses": PULSES_BITS}  # fmt: skip
        members = {}
        for name, (columns, _) in self.sources.items():
            members |= {f"{name}_{field}": In(bits) for field, bits in fields.items()}
            members |= {
                f"{name}_valid": In(1),
                f"{name}_ready": Out(1),
                f"{name}_slot_valid": In(1),
                f"{name}_slot_ready": Out(1),
                f"{name}_slot_columns": In(columns),
                f"{name}_slot_last": In(1),
                f"{name}_over": Out(1),
                f"{name}_pacing": In(1),
            }
        super().__init__(
            {
                **members,
                "t_valid": Out(1),
                "t_ready": In(1),
                **{f"t_{field}": Out(bits) for field, bits in fields.items()},
                **({"t_cells": Out(1)} if design.cells_array else {}),
                "slot_valid": Out(1),
                "slot_ready": In(1),
                "slot_columns": Out(slot_columns(design)),
                "slot_last": Out(1),
                "over": In(1),
                "pacing": Out(1),
                "cancel": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        names = list(self.sources)
        owner, chosen, free = Signal(len(names)), Signal(len(names)), Signal()  # one bit for each station
        earlier = 0
        for place, name in enumerate(names):
            valid = getattr(self, f"{name}_valid")
            m.d.comb += chosen[place].eq(valid & ~earlier if place else valid)
            earlier = earlier | valid
        m.d.comb += [
            self.pacing.eq(self._any(names, "pacing")),
            free.eq(~self.pacing | self.cancel),
            self.t_valid.eq(chosen.any() & free),
        ]
        with m.If(self.t_valid & self.t_ready):
            m.d.sync += owner.eq(chosen)
        for field in FIELDS:
            m.d.comb += getattr(self, f"t_{field}").eq(self._of(names, chosen, field))
        for field in ("slot_columns", "slot_last"):
            m.d.comb += getattr(self, field).eq(self._of(names, owner, field))
        m.d.comb += self.slot_valid.eq(self._of(names, owner, "slot_valid") & owner.any())
        if self.design.cells_array:
            m.d.comb += self.t_cells.eq(chosen[names.index("cells")])
        for place, name in enumerate(names):
            m.d.comb += [
                getattr(self, f"{name}_ready").eq(self.t_ready & free & chosen[place]),
                getattr(self, f"{name}_slot_ready").eq(self.slot_ready & owner[place]),
                getattr(self, f"{name}_over").eq(self.over & owner[place]),
            ]
        return m

    def _any(self, names, field):
        """Whether the bit of any station is set."""
        result = 0
        for name in names:
            result = result | getattr(self, f"{name}_{field}")
        return result

    def _of(self, names, which, field):
        """The value of the station whose bit is set; of the last one if none is."""
        result = getattr(self, f"{names[-1]}_{field}")
        for place, name in reversed(list(enumerate(names[:-1]))):
            result = Mux(which[place], getattr(self, f"{name}_{field}"), result)
        return result
