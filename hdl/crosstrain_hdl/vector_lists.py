"""Vector lists: holds loaded vectors and hands out their words that are not all zero.

Part of the outer product. Of each vector only the words that hold a non-zero code are kept, in two list memories with
`bus.vectors` slots each: x words with the number of their first row, d words with the number of their group. A slot
loads while others are visited. An x word is read while the one before it is in use, across vectors too: no word and no
vector costs a cycle of its own.
"""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_model.outer_product import SHIFT_MAX, SHIFT_MIN


def amount_limit(design):
    """Greatest right-shift amount that matters: of x * d << 15, the one that leaves nothing even when it rounds."""
    return min(SHIFT_MAX + design.formats.x + design.formats.d, SHIFT_MAX - SHIFT_MIN)


def word_markers(design):
    """Widths of what goes with a kept x word, and with every row picked from it.

    null : no row: a vector without visits, or a token; last is high too
    last : last word (row) of its vector
    program : a program pass follows the vector
    amount : 15 - s, by how much a product << 15 is shifted right; never more than `amount_limit`
    groups_last : number of kept d words, less one
    slot : where the vector is
    """
    return {
        "null": 1,
        "last": 1,
        "program": 1,
        "amount": amount_limit(design).bit_length(),
        "groups_last": address_width(design.array.groups),
        "slot": address_width(design.bus.vectors),
    }


class VectorLists(wiring.Component):
    """Load side, slots, and a stream of kept x words.

    Members
    -------
    w_*, commit_*, drop, shift : as in `outer_product.OuterProduct`
    x_valid, x_ready : a kept x word of the oldest vectors not yet handed out, in order
    x_null, x_last, x_program, x_amount, x_groups_last, x_slot : see `word_markers`
    x_base, x_codes : row of its first code; the codes. Of a null word, whatever was read last
    d_enable, d_slot, d_index : read of a kept d word; d_group, d_codes : the word one cycle later, held
    free : the oldest vector's slot is not needed any more
    busy : some slot is committed and not free
    """

    def __init__(self, design):
        self.design = design
        array, formats = design.array, design.formats
        self._slots = design.bus.vectors
        self._slot_bits = address_width(self._slots)
        self._code = max(formats.x, formats.d)
        # A slot starts at a power of two: its address is wires.
        self._x_bits, self._d_bits = (array.row_words - 1).bit_length(), (array.groups - 1).bit_length()
        row, group = address_width(array.rows), address_width(array.groups)
        self._x_memory = Memory1R1W(
            ((self._slots - 1) << self._x_bits) + array.row_words, row + array.lanes * formats.x
        )
        self._d_memory = Memory1R1W(((self._slots - 1) << self._d_bits) + array.groups, group + array.lanes * formats.d)
        super().__init__(
            {
                "w_valid": In(1),
                "w_ready": Out(1),
                "w_is_d": In(1),
                "w_codes": In(array.lanes * self._code),
                "commit_valid": In(1),
                "commit_ready": Out(1),
                "commit_exponent": In(9),
                "commit_program": In(1),
                "commit_empty": In(1),
                "drop": In(1),
                "shift": In(8),
                "x_valid": Out(1),
                "x_ready": In(1),
                **{f"x_{name}": Out(width) for name, width in word_markers(design).items()},
                "x_base": Out(row),
                "x_codes": Out(array.lanes * formats.x),
                "d_enable": In(1),
                "d_slot": In(self._slot_bits),
                "d_index": In(group),
                "d_group": Out(group),
                "d_codes": Out(array.lanes * formats.d),
                "free": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.x_memory = self._x_memory
        m.submodules.d_memory = self._d_memory
        self._load(m)
        self._fetch(m)
        d_word = self._d_memory.R0_data
        m.d.comb += [
            self._d_memory.R0_en.eq(self.d_enable),
            self._d_memory.R0_addr.eq(Cat(self.d_index[: self._d_bits], self.d_slot)),
            Cat(self.d_codes, self.d_group).eq(d_word),
            Cat(self.x_codes, self.x_base).eq(self._x_memory.R0_data),
        ]
        return m

    def _next_slot(self, slot):
        return Mux(slot == self._slots - 1, 0, slot + 1)

    def _load(self, m):
        """Words into the lists; a commit closes the slot and opens the next."""
        array = self.design.array
        self._load_slot = Signal(self._slot_bits)
        held = Signal(range(self._slots + 1))
        full = Signal()
        take = Signal()
        close = Signal()
        m.d.comb += [
            full.eq(held == self._slots),
            self.busy.eq(held != 0),
            self.w_ready.eq(~full & ~self.commit_valid & ~self.drop),
            self.commit_ready.eq(~full & ~self.drop),
            take.eq(self.w_valid & self.w_ready),
            close.eq(self.commit_valid & self.commit_ready),
        ]
        self._close = close
        m.d.sync += held.eq(held + close - self.free)
        with m.If(close):
            m.d.sync += self._load_slot.eq(self._next_slot(self._load_slot))
        x_take, d_take = take & ~self.w_is_d, take & self.w_is_d
        x_count = self._load_list(
            m, "x", x_take, self._x_memory, self._x_bits, self.design.formats.x, array.rows, array.lanes
        )
        d_count = self._load_list(m, "d", d_take, self._d_memory, self._d_bits, self.design.formats.d, array.columns, 1)
        self._queue(m, x_count, d_count)

    def _load_list(self, m, name, take, memory, index_bits, bits, codes, step):
        """One list: words with a non-zero code, each under its number (counted in `step`). Returns their count."""
        lanes = self.design.array.lanes
        total = -(-codes // lanes)
        number = Signal(address_width(codes if step > 1 else total), name=f"{name}_number")
        count = Signal(range(total + 1), name=f"{name}_count")
        word = Signal(lanes * bits, name=f"{name}_word")
        used = codes - (total - 1) * lanes  # lanes of the last word that are not padding
        for lane in range(lanes):
            code = self.w_codes[lane * self._code :][:bits]
            padding = number == (total - 1) * step if lane >= used else 0
            m.d.comb += word[lane * bits :][:bits].eq(Mux(padding, 0, code))
        m.d.comb += [
            memory.W0_en.eq(take & word.any()),
            memory.W0_addr.eq(Cat(count[:index_bits], self._load_slot)),
            memory.W0_data.eq(Cat(word, number)),
        ]
        with m.If(self._close | self.drop):
            m.d.sync += [number.eq(0), count.eq(0)]
        with m.Elif(take):
            m.d.sync += [number.eq(number + step), count.eq(count + word.any())]
        return count

    def _queue(self, m, x_count, d_count):
        """What is known of each committed vector, one entry a slot."""
        amount = Signal.like(self.x_amount)
        total = self.commit_exponent.as_signed() + self.shift.as_signed()
        limit = amount_limit(self.design)
        with m.If(total > SHIFT_MAX):
            m.d.comb += amount.eq(0)
        with m.Elif(total < SHIFT_MAX - limit):
            m.d.comb += amount.eq(limit)
        with m.Else():
            m.d.comb += amount.eq(SHIFT_MAX - total)
        self._entries = {
            "null": (self.commit_empty | (x_count == 0) | (d_count == 0), 1),
            "program": (self.commit_program, 1),
            "amount": (amount, len(amount)),
            "words_last": (x_count - 1, address_width(self.design.array.row_words)),
            "groups_last": (d_count - 1, len(self.x_groups_last)),
        }
        self._slot_of = {}
        for name, (value, width) in self._entries.items():
            entries = Array(Signal(width, name=f"{name}_of_slot_{i}") for i in range(self._slots))
            self._slot_of[name] = entries
            with m.If(self._close):
                m.d.sync += entries[self._load_slot].eq(value)

    def _fetch(self, m):
        """Reads the kept x words of committed vectors, one ahead of who takes them."""
        slot = Signal(self._slot_bits, name="fetch_slot")
        index = Signal(address_width(self.design.array.row_words), name="fetch_index")
        waiting = Signal(range(self._slots + 1))
        issue = Signal(name="fetch_issue")
        last = Signal(name="fetch_last")
        entry = {name: Signal(width, name=f"fetch_{name}") for name, (_, width) in self._entries.items()}
        m.d.comb += [entry[name].eq(self._slot_of[name][slot]) for name in entry]
        m.d.comb += [
            issue.eq((waiting != 0) & (~self.x_valid | self.x_ready)),
            last.eq(entry["null"] | (index == entry["words_last"])),
            self._x_memory.R0_en.eq(issue & ~entry["null"]),
            self._x_memory.R0_addr.eq(Cat(index[: self._x_bits], slot)),
        ]
        m.d.sync += waiting.eq(waiting + self._close - (issue & last))
        with m.If(issue):
            m.d.sync += [getattr(self, f"x_{name}").eq(entry[name]) for name in entry if name != "words_last"]
            m.d.sync += [
                self.x_valid.eq(1),
                self.x_last.eq(last),
                self.x_slot.eq(slot),
                index.eq(Mux(last, 0, index + 1)),
            ]
            with m.If(last):
                m.d.sync += slot.eq(self._next_slot(slot))
        with m.Elif(self.x_ready):
            m.d.sync += self.x_valid.eq(0)
