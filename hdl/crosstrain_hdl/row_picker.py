"""Row picker: the non-zero rows of a stream of x words, one per cycle, lowest first.

Part of the outer product. The next word comes in with the last row of the one before, so that even words of a single
non-zero row follow each other without a gap. Two row items are buffered behind it: its readiness does not hang on that
of the walker.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.vector_lists import word_markers


class RowPicker(wiring.Component):
    """From kept x words to row items.

    Members
    -------
    x_* : words, as `vector_lists.VectorLists` hands them out
    item_valid, item_ready : a non-zero row, or a null word's markers
    item_null, item_last, item_program, item_amount, item_groups_last, item_slot : see `vector_lists.word_markers`
    item_row, item_code : row, x[row]; without a meaning where item_null is high
    """

    def __init__(self, design):
        self.design = design
        array, formats = design.array, design.formats
        self._markers = word_markers(design)
        row = address_width(array.rows)
        super().__init__(
            {
                "x_valid": In(1),
                "x_ready": Out(1),
                **{f"x_{name}": In(width) for name, width in self._markers.items()},
                "x_base": In(row),
                "x_codes": In(array.lanes * formats.x),
                "item_valid": Out(1),
                "item_ready": In(1),
                **{f"item_{name}": Out(width) for name, width in self._markers.items()},
                "item_row": Out(row),
                "item_code": Out(formats.x),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes, bits = self.design.array.lanes, self.design.formats.x
        valid = Signal(name="word_valid")
        left = Signal(lanes, name="word_left")
        codes = Signal.like(self.x_codes, name="word_codes")
        base = Signal.like(self.x_base, name="word_base")
        word = {name: Signal(width, name=f"word_{name}") for name, width in self._markers.items()}
        push = Signal()
        single = Signal()
        rest = Signal(lanes)
        m.d.comb += [
            rest.eq(left & (left - 1)),
            single.eq(rest == 0),
            self.x_ready.eq(~valid | (push & single)),
        ]
        with m.If(self.x_valid & self.x_ready):
            m.d.sync += [word[name].eq(getattr(self, f"x_{name}")) for name in word]
            used = Cat(self.x_codes[i * bits :][:bits].any() for i in range(lanes))
            m.d.sync += [valid.eq(1), left.eq(Mux(self.x_null, 0, used))]
            with m.If(~self.x_null):  # otherwise the memory may never have been read
                m.d.sync += [base.eq(self.x_base), codes.eq(self.x_codes)]
        with m.Elif(push):
            m.d.sync += [valid.eq(~single), left.eq(rest)]
        lane = _lowest(left)
        item = word | {
            "last": word["last"] & single,
            "row": base | lane if lanes & (lanes - 1) == 0 else base + lane,
            "code": _select(codes, lane, lanes, bits),
        }
        self._buffer(m, item, valid, push)
        return m

    def _buffer(self, m, item, valid, push):
        """Two row items between picker and walker."""
        head = {name: getattr(self, f"item_{name}") for name in item}
        spare = {name: Signal.like(head[name], name=f"spare_{name}") for name in item}
        spare_valid = Signal()
        m.d.comb += push.eq(valid & ~spare_valid)
        with m.If(~self.item_valid | self.item_ready):
            m.d.sync += [self.item_valid.eq(spare_valid | valid), spare_valid.eq(0)]
            m.d.sync += [head[name].eq(Mux(spare_valid, spare[name], item[name])) for name in item]
        with m.Elif(push):
            m.d.sync += spare_valid.eq(1)
            m.d.sync += [spare[name].eq(item[name]) for name in item]


def _lowest(bits):
    """Index of the lowest set bit (any if none is set), each output bit a mask of the isolated bit."""
    count = len(bits)
    if count == 1:
        return Const(0, 1)
    alone = bits & (~bits + 1)[:count]
    masks = [sum(1 << i for i in range(count) if i >> b & 1) for b in range((count - 1).bit_length())]
    return Cat((alone & Const(mask, count)).any() for mask in masks)


def _select(codes, index, count, bits):
    """Code number `index` of `count` codes, by halving: one two-way choice per index bit, the widest first."""
    if count == 1:
        return codes
    for b in reversed(range((count - 1).bit_length())):
        half = bits << b
        codes = Mux(index[b], codes[half:], codes[:half])
    return codes
