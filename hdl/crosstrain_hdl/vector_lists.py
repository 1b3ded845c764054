"""Vector lists: holds loaded vectors and hands out their non-zero rows one per cycle.

Part of the outer product. Of each vector only the words that hold a non-zero code are kept, in two list memories with
`bus.vectors` slots each: x words with the number of their first row, d words with the number of their group. A slot
loads while others are visited. The picker takes the set codes of an x word one per cycle, lowest row first, while the
next word is already read: no word and no vector costs a cycle of its own.
"""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_model.outer_product import SHIFT_MAX, SHIFT_MIN

ROW_ITEM = ("null", "last", "program", "amount", "groups_last", "slot", "row", "code")


def amount_limit(design):
    """Greatest right-shift amount that matters: of x * d << 15, the one that leaves nothing even when it rounds."""
    return min(SHIFT_MAX + design.formats.x + design.formats.d, SHIFT_MAX - SHIFT_MIN)


class VectorLists(wiring.Component):
    """Load side, slots, and a stream of row items.

    Members
    -------
    w_*, commit_*, drop, shift : as in `outer_product.OuterProduct`
    item_valid, item_ready : a non-zero row of the oldest vectors, in order
    item_null : no row: a vector without visits, or a token; item_last is high too
    item_last : last row of its vector; item_program : a program pass follows the vector
    item_amount : 15 - s, by how much a product << 15 is shifted right; never more than `amount_limit`
    item_groups_last : number of kept d words, less one
    item_slot, item_row, item_code : slot of the vector, row, x[row]
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
                "item_valid": Out(1),
                "item_ready": In(1),
                "item_null": Out(1),
                "item_last": Out(1),
                "item_program": Out(1),
                "item_amount": Out(amount_limit(design).bit_length()),
                "item_groups_last": Out(group),
                "item_slot": Out(self._slot_bits),
                "item_row": Out(row),
                "item_code": Out(formats.x),
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
        self._pick(m)
        d_word = self._d_memory.R0_data
        m.d.comb += [
            self._d_memory.R0_en.eq(self.d_enable),
            self._d_memory.R0_addr.eq(Cat(self.d_index[: self._d_bits], self.d_slot)),
            Cat(self.d_group, self.d_codes).eq(d_word),
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
            memory.W0_data.eq(Cat(number, word)),
        ]
        with m.If(self._close | self.drop):
            m.d.sync += [number.eq(0), count.eq(0)]
        with m.Elif(take):
            m.d.sync += [number.eq(number + step), count.eq(count + word.any())]
        return count

    def _queue(self, m, x_count, d_count):
        """What is known of each committed vector, one entry a slot."""
        amount = Signal.like(self.item_amount)
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
            "groups_last": (d_count - 1, len(self.item_groups_last)),
        }
        self._slot_of = {}
        for name, (value, width) in self._entries.items():
            entries = Array(Signal(width, name=f"{name}_of_slot_{i}") for i in range(self._slots))
            self._slot_of[name] = entries
            with m.If(self._close):
                m.d.sync += entries[self._load_slot].eq(value)

    def _fetch(self, m):
        """Reads the kept x words of committed vectors, one ahead of the picker."""
        self._next = {name: Signal(width, name=f"next_{name}") for name, (_, width) in self._entries.items()}
        self._next |= {"last": Signal(name="next_last"), "slot": Signal(self._slot_bits, name="next_slot")}
        self._next_valid = Signal(name="next_valid")
        self._next_take = Signal(name="next_take")
        slot = Signal(self._slot_bits, name="fetch_slot")
        index = Signal(address_width(self.design.array.row_words), name="fetch_index")
        waiting = Signal(range(self._slots + 1))
        issue = Signal(name="fetch_issue")
        last = Signal(name="fetch_last")
        done = Signal(name="fetch_done")
        entry = {name: Signal(width, name=f"fetch_{name}") for name, (_, width) in self._entries.items()}
        m.d.comb += [entry[name].eq(self._slot_of[name][slot]) for name in entry]
        m.d.comb += [
            issue.eq((waiting != 0) & (~self._next_valid | self._next_take)),
            last.eq(entry["null"] | (index == entry["words_last"])),
            done.eq(issue & last),
            self._x_memory.R0_en.eq(issue & ~entry["null"]),
            self._x_memory.R0_addr.eq(Cat(index[: self._x_bits], slot)),
        ]
        m.d.sync += waiting.eq(waiting + self._close - done)
        with m.If(issue):
            m.d.sync += [self._next[name].eq(entry[name]) for name in entry]
            m.d.sync += [
                self._next_valid.eq(1),
                self._next["last"].eq(last),
                self._next["slot"].eq(slot),
                index.eq(Mux(last, 0, index + 1)),
            ]
            with m.If(last):
                m.d.sync += slot.eq(self._next_slot(slot))
        with m.Elif(self._next_take):
            m.d.sync += self._next_valid.eq(0)

    def _pick(self, m):
        """Takes the set codes of the current word, lowest first, into a buffer of two row items."""
        lanes, bits = self.design.array.lanes, self.design.formats.x
        valid = Signal(name="word_valid")
        left = Signal(lanes, name="word_left")
        codes = Signal(lanes * bits, name="word_codes")
        base = Signal.like(self.item_row, name="word_base")
        word = {name: Signal.like(signal, name=f"word_{name}") for name, signal in self._next.items()}
        push = Signal()
        single = Signal()
        fetched = self._x_memory.R0_data[len(base) :]
        m.d.comb += [
            single.eq((left & (left - 1)[:lanes]) == 0),
            self._next_take.eq(self._next_valid & (~valid | (push & single))),
        ]
        with m.If(self._next_take):
            m.d.sync += [word[name].eq(self._next[name]) for name in word]
            m.d.sync += [
                valid.eq(1),
                left.eq(Mux(self._next["null"], 0, Cat(fetched[i * bits :][:bits].any() for i in range(lanes)))),
            ]
            with m.If(~self._next["null"]):  # otherwise the memory may never have been read
                m.d.sync += [base.eq(self._x_memory.R0_data[: len(base)]), codes.eq(fetched)]
        with m.Elif(push):
            m.d.sync += [valid.eq(~single), left.eq(left & (left - 1)[:lanes])]
        lane = _lowest(left)
        item = {
            "null": word["null"],
            "last": word["last"] & single,
            "program": word["program"],
            "amount": word["amount"],
            "groups_last": word["groups_last"],
            "slot": word["slot"],
            "row": base | lane if lanes & (lanes - 1) == 0 else base + lane,
            "code": _select(codes, lane, lanes, bits),
        }
        self._buffer(m, item, valid, push)

    def _buffer(self, m, item, valid, push):
        """Two row items between picker and walker, so that neither's readiness runs through the other."""
        head = {name: getattr(self, f"item_{name}") for name in ROW_ITEM}
        spare = {name: Signal.like(head[name], name=f"spare_{name}") for name in ROW_ITEM}
        spare_valid = Signal()
        m.d.comb += push.eq(valid & ~spare_valid)
        with m.If(~self.item_valid | self.item_ready):
            m.d.sync += [self.item_valid.eq(spare_valid | valid), spare_valid.eq(0)]
            m.d.sync += [head[name].eq(Mux(spare_valid, spare[name], item[name])) for name in ROW_ITEM]
        with m.Elif(push):
            m.d.sync += spare_valid.eq(1)
            m.d.sync += [spare[name].eq(item[name]) for name in ROW_ITEM]


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
