"""Outer product: loaded vectors become visits, row by row and group by group, one per cycle.

The rule is `crosstrain_model.outer_product`. `vector_lists` holds what is not zero, `row_picker` takes out the rows;
the walker here reads the kept d words of the vector for each of them. Then, each a register stage of its own:

    product    -(x[r] * d[c]) in `formats.x + formats.d - 1` bits
    shifted    bias added by sign, product << 15 shifted right by 15 - s
    term       clamped to the accumulator's range

All stages move together, whenever the visit at the end is taken or absent.
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.row_picker import RowPicker
from crosstrain_hdl.vector_lists import VectorLists, word_markers
from crosstrain_model.outer_product import SHIFT_MAX, limits


class OuterProduct(wiring.Component):
    """Vectors in by words of `lanes` codes, visits with terms out.

    Members
    -------
    w_valid, w_ready, w_is_d, w_codes : words of the vector being loaded: ceil(rows / lanes) words of x and `groups`
        words of d, each in order; lane i from bit i * max(x, d) up; padding lanes and bits above a code are ignored
    commit_valid, commit_ready : the words taken before make a vector
    commit_exponent : In(9), signed, ex + ed
    commit_empty, commit_program : no vector but a token, a program pass wanted; words taken before are forgotten. The
        two come together; commit_program alone goes along with the last visit of the vector
    drop : the words taken since the last commit are forgotten; no word and no commit is taken in this cycle
    shift : In(8), signed, the SHIFT register, taken at the commit
    v_valid, v_ready : a visit; everything stays while v_valid is high and v_ready low
    v_row, v_group, v_terms : where, and Out(lanes * accumulator) signed terms
    v_null : no visit here, only the markers: a vector without visits, or with v_program a token
    v_last : the vector (or token) ends with this; v_program : with v_last, as committed
    term_clipped : Out(1), for one cycle: a term was clamped
    busy : Out(1), a committed vector or token has not left completely

    Attributes
    ----------
    latency : cycles from a commit taken while nothing waits to v_valid, 8
    """

    latency = 8

    def __init__(self, design):
        self.design = design
        array, formats = design.array, design.formats
        self._lists = VectorLists(design)
        self._picker = RowPicker(design)
        row, group = address_width(array.rows), address_width(array.groups)
        super().__init__(
            {
                "w_valid": In(1),
                "w_ready": Out(1),
                "w_is_d": In(1),
                "w_codes": In(array.lanes * max(formats.x, formats.d)),
                "commit_valid": In(1),
                "commit_ready": Out(1),
                "commit_exponent": In(9),
                "commit_program": In(1),
                "commit_empty": In(1),
                "drop": In(1),
                "shift": In(8),
                "v_valid": Out(1),
                "v_ready": In(1),
                "v_row": Out(row),
                "v_group": Out(group),
                "v_terms": Out(array.lanes * formats.accumulator),
                "v_null": Out(1),
                "v_last": Out(1),
                "v_program": Out(1),
                "term_clipped": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.lists = self._lists
        m.submodules.picker = self._picker
        self._advance = Signal()
        m.d.comb += self._advance.eq(~self.v_valid | self.v_ready)
        self._connect(m)
        read = self._walk(m)
        product = self._stage(m, "product", read | {"group": self._lists.d_group})
        shifted = self._stage(m, "shifted", product)
        names = ("valid", "row", "group", "null", "last", "program")
        self._move(m, shifted, {name: getattr(self, f"v_{name}") for name in names})
        self._lanes(m, read["visit"], product["visit"], shifted["visit"])
        stages = read["valid"] | product["valid"] | shifted["valid"] | self.v_valid
        m.d.comb += self.busy.eq(self._lists.busy | stages)
        return m

    def _connect(self, m):
        """The load side as it is, and words from lists to picker."""
        lists, picker = self._lists, self._picker
        for name in ("w_valid", "w_is_d", "w_codes", "drop", "shift"):
            m.d.comb += getattr(lists, name).eq(getattr(self, name))
        for name in ("valid", "exponent", "program", "empty"):
            m.d.comb += getattr(lists, f"commit_{name}").eq(getattr(self, f"commit_{name}"))
        m.d.comb += [self.w_ready.eq(lists.w_ready), self.commit_ready.eq(lists.commit_ready)]
        for name in ("valid", "base", "codes", *word_markers(self.design)):
            m.d.comb += getattr(picker, f"x_{name}").eq(getattr(lists, f"x_{name}"))
        m.d.comb += lists.x_ready.eq(picker.x_ready)

    def _walk(self, m):
        """Per row item one d word per cycle; returns the markers that go with the word being read out."""
        lists, rows = self._lists, self._picker
        index = Signal.like(rows.item_groups_last, name="walk_index")
        last = Signal(name="walk_last")
        read = {name: Signal(name=f"read_{name}") for name in ("valid", "visit", "null", "last", "program")}
        read["row"] = Signal.like(rows.item_row, name="read_row")
        self._read_code = Signal(signed(self.design.formats.x + 1), name="read_code")
        self._read_amount = Signal.like(rows.item_amount, name="read_amount")
        m.d.comb += [
            last.eq(rows.item_null | (index == rows.item_groups_last)),
            rows.item_ready.eq(self._advance & last),
            lists.free.eq(rows.item_valid & rows.item_ready & rows.item_last),
            lists.d_enable.eq(self._advance & rows.item_valid & ~rows.item_null),
            lists.d_slot.eq(rows.item_slot),
            lists.d_index.eq(index),
        ]
        with m.If(self._advance):
            m.d.sync += [read["valid"].eq(rows.item_valid), read["visit"].eq(lists.d_enable)]
        with m.If(self._advance & rows.item_valid):
            m.d.sync += [
                index.eq(Mux(last, 0, index + 1)),
                self._read_code.eq(-rows.item_code.as_signed()),
                self._read_amount.eq(rows.item_amount),
                read["row"].eq(rows.item_row),
                read["null"].eq(rows.item_null),
                read["last"].eq(rows.item_last & last),
                read["program"].eq(rows.item_program & rows.item_last & last),
            ]
        return read

    def _stage(self, m, stage, before):
        """Registers that carry the markers through one stage of the lanes."""
        after = {name: Signal.like(signal, name=f"{stage}_{name}") for name, signal in before.items()}
        self._move(m, before, after)
        return after

    def _move(self, m, before, after):
        """One stage to the next. A step without a visit leaves row and group: the memories may never have been read."""
        with m.If(self._advance):
            m.d.sync += [after[name].eq(before[name]) for name in after if name not in ("row", "group")]
            with m.If(before["visit"]):
                m.d.sync += [after[name].eq(before[name]) for name in ("row", "group")]

    def _biases(self, m, enable):
        """What is added to a product before the floor of an arithmetic shift, for products >= 0 and < 0."""
        formats = self.design.formats
        product_bits = formats.x + formats.d - 1
        nearest = formats.rounding == "nearest"
        amount = Signal.like(self._read_amount, name="product_amount")
        positive = Signal(product_bits + 2, name="bias_positive")
        negative = Signal(product_bits + 2, name="bias_negative")
        unit = Const(1, 1) << self._read_amount
        half = Signal(product_bits + 2, name="half")
        m.d.comb += half.eq(unit >> (SHIFT_MAX + 1) if nearest else unit >> SHIFT_MAX)
        with m.If(enable):
            m.d.sync += [
                amount.eq(self._read_amount),
                positive.eq(half if nearest else 0),
                negative.eq(half - half.any()),
            ]
        return amount, positive, negative

    def _lanes(self, m, read_visit, product_visit, shifted_visit):
        """Multiply, shift and round, clamp: per lane, a register each, that moves with visits alone."""
        formats, lanes = self.design.formats, self.design.array.lanes
        product_bits = formats.x + formats.d - 1
        low, high = limits(self.design)
        amount, positive, negative = self._biases(m, self._advance & read_visit)
        clips = [Signal(name=f"clip_{lane}") for lane in range(lanes)]
        terms = []
        for lane in range(lanes):
            product = Signal(signed(product_bits), name=f"product_{lane}")
            biased = Signal(signed(product_bits + 2), name=f"biased_{lane}")
            shifted = Signal(signed(product_bits + SHIFT_MAX), name=f"shifted_{lane}")
            term = Signal(signed(formats.accumulator), name=f"term_{lane}")
            code = self._lists.d_codes[lane * formats.d :][: formats.d].as_signed()
            m.d.comb += biased.eq(product + Mux(product[-1], negative, positive))
            with m.If(self._advance & read_visit):
                m.d.sync += product.eq(self._read_code * code)
            with m.If(self._advance & product_visit):
                m.d.sync += shifted.eq((biased << SHIFT_MAX) >> amount)
            beyond = shifted[formats.accumulator - 1 :]  # bits that all are the sign, or the term is clamped
            m.d.comb += clips[lane].eq((beyond != 0) & ~beyond.all())
            with m.If(self._advance & shifted_visit):
                m.d.sync += term.eq(Mux(clips[lane], Mux(shifted[-1], low, high), shifted))
            terms.append(term)
        m.d.comb += self.v_terms.eq(Cat(terms))
        moved, clipped = Signal(), Signal()
        m.d.sync += moved.eq(self._advance & shifted_visit)
        with m.If(self._advance & shifted_visit):
            m.d.sync += clipped.eq(Cat(clips).any())
        m.d.comb += self.term_clipped.eq(moved & clipped)
