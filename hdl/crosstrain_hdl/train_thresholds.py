"""Train thresholds: multiplies the codes of the next vector and keeps a threshold and a sign for every line.

Part of pulse_train. One beat of `stream_codes` codes a cycle goes through two registers, and then into those of its
lines:

    magnitude   |v| and sign
    product     |v| * M
    next        the product rounded and clamped (`crosstrain_model.scale`), and whether it is above 0

Thresholds are kept as bit planes (`planes.py`), plane k holding bit k of all lines. The vector after the next moves
into the two registers while the next one still waits, and follows it without a gap.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_model.port import code_bits
from crosstrain_model.scale import factor_bits


def slots_width(design):
    """Bits of BL."""
    return design.train.slots.bit_length()


def index_width(design):
    """Bits of f_index: the beats of the longer vector."""
    codes, array = design.stream_codes, design.array
    return address_width(max(-(-array.rows // codes), -(-array.columns // codes)))


def fill_members(design):
    """What comes from `Scale` and `VectorStore`, as it is called there."""
    return {
        "g_valid": In(1),
        "g_ready": Out(1),
        "g_slots": In(slots_width(design)),
        "g_mx": In(factor_bits(design)),
        "g_md": In(factor_bits(design)),
        "f_valid": In(1),
        "f_ready": Out(1),
        "f_is_d": In(1),
        "f_index": In(index_width(design)),
        "f_codes": In(design.stream_codes * code_bits(design)),
        "f_last": In(1),
        "f_skip": Out(1),
    }


class TrainThresholds(wiring.Component):
    """Fills the registers of the next vector.

    Members
    -------
    g_valid, g_ready, g_slots, g_mx, g_md : In, Out, In, In, In, slots and multipliers of the next vector
    f_valid, f_ready, f_is_d, f_index, f_codes, f_last : its beats: codes of x ascending, then of d, the last of all
        marked; code i from bit i * code_bits up
    f_skip : Out(1), strobe: the vector has no slots and its beats are not wanted
    complete : Out(1), the next vector is complete; its outputs stay until `release`
    release : In(1), strobe, only while complete: they are not needed behind this clock edge
    slots : Out, its slots
    any_rows, any_columns : Out(1), some line's threshold is above 0
    rows, columns : Out(lines * (w + 1)), thresholds, plane by plane; undefined without slots, as the rest
    rows_negative, columns_negative, rows_on, columns_on : Out(lines), sign of the code; threshold above 0
    busy : Out(1), a vector is being filled or complete

    Attributes
    ----------
    latency : cycles from the last beat to complete, 3
    """

    latency = 3

    def __init__(self, design):
        array = design.array
        self.design = design
        self.bits = design.random.bits + 1
        ports = {"complete": Out(1), "release": In(1), "slots": Out(slots_width(design)), "busy": Out(1)}
        for side, lines in (("rows", array.rows), ("columns", array.columns)):
            ports |= {f"any_{side}": Out(1), side: Out(lines * self.bits)}
            ports |= {f"{side}_negative": Out(lines), f"{side}_on": Out(lines)}
        super().__init__(fill_members(design) | ports)

    def elaborate(self, platform):
        m = Module()
        self._move = Signal()  # both stages
        product = self._stages(m)
        self._keep(m, product)
        return m

    def _accept(self, m):
        """Takes slots and multipliers, then the beats of the vector; a vector without slots is one step of its own."""
        filling, none, step = Signal(), Signal(), Signal()
        slots = Signal.like(self.slots, name="slots_filled")
        multipliers = [Signal(factor_bits(self.design), name=f"multiplier_{side}") for side in ("x", "d")]
        last = Signal()
        m.d.comb += [
            none.eq(slots == 0),
            self.f_ready.eq(filling & ~none & self._move),
            self.f_skip.eq(filling & none & self._move),
            step.eq(self.f_skip | (self.f_valid & self.f_ready)),
            last.eq(none | self.f_last),
            self.g_ready.eq(~filling | (step & last)),
        ]
        with m.If(self.g_valid & self.g_ready):
            m.d.sync += [slots.eq(self.g_slots), multipliers[0].eq(self.g_mx), multipliers[1].eq(self.g_md)]
        with m.If(self.g_ready):
            m.d.sync += filling.eq(self.g_valid)
        return {"filling": filling, "step": step, "last": last, "slots": slots, "multipliers": multipliers}

    def _stages(self, m):
        """Magnitudes, then products: what a beat carries along, as it stands before it is kept."""
        design, codes = self.design, self.design.stream_codes
        code, most = code_bits(design), factor_bits(design)
        given = self._accept(m)
        wanted = self.f_ready & self.f_valid
        values = [self.f_codes.word_select(i, code).as_signed() for i in range(codes)]
        fed = {
            "valid": given["step"],
            "rows": wanted & ~self.f_is_d,
            "columns": wanted & self.f_is_d,
            "last": given["last"],
            "slots": given["slots"],
            "index": self.f_index,
            "negative": Cat(value < 0 for value in values),
        }
        stages = [
            {name: Signal.like(value, name=f"{stage}_{name}") for name, value in fed.items()}
            for stage in ("magnitude", "product")
        ]
        magnitude = [Signal(code, name=f"magnitude_{i}") for i in range(codes)]  # holds 2^(code - 1) as well
        product = [Signal(code + most, name=f"product_{i}") for i in range(codes)]
        multiplier = Signal(most)
        with m.If(self._move):
            for before, after in zip([fed, stages[0]], stages, strict=True):
                m.d.sync += after["valid"].eq(before["valid"])
                with m.If(before["valid"]):
                    m.d.sync += [after[name].eq(before[name]) for name in fed if name != "valid"]
            with m.If(wanted):
                m.d.sync += multiplier.eq(Mux(self.f_is_d, *given["multipliers"][::-1]))
                m.d.sync += [size.eq(Mux(v[-1], -v, v)) for size, v in zip(magnitude, values, strict=True)]
            with m.If(stages[0]["valid"]):
                m.d.sync += [p.eq(size * multiplier) for p, size in zip(product, magnitude, strict=True)]
        m.d.comb += self.busy.eq(given["filling"] | stages[0]["valid"] | stages[1]["valid"] | self.complete)
        return stages[1] | {"product": product}

    def _keep(self, m, beat):
        """Thresholds of a beat into the registers of its lines."""
        codes, w, scale = self.design.stream_codes, self.design.random.bits, code_bits(self.design)
        keep = Signal()
        limits = [Signal(w + 1, name=f"threshold_{i}") for i in range(codes)]
        for i, (limit, product) in enumerate(zip(limits, beat["product"], strict=True)):
            rounded = Signal(len(product) + 1 - scale, name=f"rounded_{i}")
            m.d.comb += rounded.eq((product + (1 << (scale - 1))) >> scale)
            m.d.comb += limit.eq(Mux(rounded[w:].any(), 1 << w, rounded[:w]))
        m.d.comb += [
            self._move.eq(~beat["valid"] | ~self.complete | self.release),
            keep.eq(beat["valid"] & self._move),
        ]
        with m.If(self.release | keep):
            m.d.sync += self.complete.eq(keep & beat["last"])
        with m.If(keep & beat["last"]):
            m.d.sync += self.slots.eq(beat["slots"])
        begun = Signal()
        with m.If(keep):
            m.d.sync += begun.eq(~beat["last"])
        on = Signal(codes)
        m.d.comb += on.eq(Cat(limit.any() for limit in limits))
        values = [on, beat["negative"], *(Cat(limit[k] for limit in limits) for k in range(w + 1))]
        for side, lines in (("rows", self.design.array.rows), ("columns", self.design.array.columns)):
            some, beats = getattr(self, f"any_{side}"), -(-lines // codes)
            inside = (1 << lines - (beats - 1) * codes) - 1  # codes of the last beat that have a line
            lit = (on & Mux(beat["index"] == beats - 1, inside, (1 << codes) - 1)).any() & beat[side]
            with m.If(keep):
                m.d.sync += some.eq((begun & some) | lit)
            planes = [getattr(self, side).word_select(k, lines) for k in range(w + 1)]
            kept = [getattr(self, f"{side}_on"), getattr(self, f"{side}_negative"), *planes]
            for number in range(beats):
                start, end = number * codes, min(lines, (number + 1) * codes)
                with m.If(keep & beat[side] & (beat["index"] == number)):
                    m.d.sync += [plane[start:end].eq(value) for plane, value in zip(kept, values, strict=True)]
