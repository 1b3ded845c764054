"""Vector store: keeps vectors as they come, finds the greatest magnitudes, and hands the codes out again.

Loading, the search for the maximum, scaling and filling each work on a vector of their own. A beat takes one cycle to
load and one to leave. The maximum of a beat is found in a tree of comparisons, two levels a cycle; `close` and `drop`
pass through it behind the beats, so that what leaves it is in order.
"""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_model.port import code_bits

LEVELS = 2
"""Levels of the tree between two registers."""


def vector_beats(design):
    """Beats of x and of d."""
    return tuple(-(-lines // design.stream_codes) for lines in (design.array.rows, design.array.columns))


class VectorStore(wiring.Component):
    """`bus.vectors` slots: the oldest are filled from, the next scaled, the last is loaded.

    Members
    -------
    w_valid, w_ready, w_is_d, w_codes : In, Out, In, In, a beat of codes, each of max(x, d) bits, code 0 lowest; all
        beats of x, then all of d; codes beyond the last are ignored
    commit_valid, commit_ready : In, Out, the vector pair that was loaded is whole; its exponents:
    commit_ex, commit_ed : In(signed 8)
    drop : In(1), strobe: forget what was loaded since the last commit; nothing else is taken in that cycle
    s_valid, s_ready : Out, In, the oldest vector not yet scaled
    s_x, s_ex, s_d, s_ed : Out, its greatest magnitudes and its exponents
    f_valid, f_ready : Out, In, a beat of the oldest vector not yet filled: all of x, then all of d
    f_is_d, f_index, f_last : Out, whose, which of that side, the last of all
    f_codes : Out, as w_codes, codes beyond the last are 0
    f_skip : In(1), strobe: the vector's beats are not wanted; only before the first is taken, and with f_ready low
    busy : Out(1), a slot is in use: a whole vector, until its last beat is taken or it is skipped

    A vector's beats are taken, or skipped, only after it was scaled.

    Attributes
    ----------
    latency : cycles from commit to s_valid, if no older vector waits
    """

    def __init__(self, design):
        self.design = design
        self._slots = design.bus.vectors
        self._beats = vector_beats(design)
        code, codes = code_bits(design), design.stream_codes
        self._stages = -(-(codes - 1).bit_length() // LEVELS)
        self.latency = self._stages + 2
        # A slot starts at a power of two: its address is wires.
        self._place_bits = (sum(self._beats) - 1).bit_length()
        self._memory = Memory1R1W(((self._slots - 1) << self._place_bits) + sum(self._beats), codes * code)
        super().__init__(
            {
                "w_valid": In(1),
                "w_ready": Out(1),
                "w_is_d": In(1),
                "w_codes": In(codes * code),
                "commit_valid": In(1),
                "commit_ready": Out(1),
                "commit_ex": In(signed(8)),
                "commit_ed": In(signed(8)),
                "drop": In(1),
                "s_valid": Out(1),
                "s_ready": In(1),
                "s_x": Out(design.formats.x),
                "s_ex": Out(signed(8)),
                "s_d": Out(design.formats.d),
                "s_ed": Out(signed(8)),
                "f_valid": Out(1),
                "f_ready": In(1),
                "f_is_d": Out(1),
                "f_index": Out(address_width(max(self._beats))),
                "f_codes": Out(codes * code),
                "f_last": Out(1),
                "f_skip": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self._memory
        self._load_slot = Signal(address_width(self._slots))
        self._take, self._close, self._free = Signal(), Signal(), Signal()
        self._load(m)
        self._maxima(m)
        self._fill(m)
        return m

    def _next(self, slot):
        return Mux(slot == self._slots - 1, 0, slot + 1)

    def _load(self, m):
        """Beats into the memory; a commit closes the slot and opens the next."""
        held = Signal(range(self._slots + 1))
        full = Signal()
        place = Signal(address_width(sum(self._beats)), name="load_place")
        m.d.comb += [
            full.eq(held == self._slots),
            self.busy.eq(held != 0),
            self.w_ready.eq(~full & ~self.commit_valid & ~self.drop),
            self.commit_ready.eq(~full & ~self.drop),
            self._take.eq(self.w_valid & self.w_ready),
            self._close.eq(self.commit_valid & self.commit_ready),
        ]
        m.d.sync += held.eq(held + self._close - self._free)
        with m.If(self._close):
            m.d.sync += self._load_slot.eq(self._next(self._load_slot))
        with m.If(self._close | self.drop):
            m.d.sync += place.eq(0)
        with m.Elif(self._take):
            m.d.sync += place.eq(place + 1)
        self._codes = self._masked(m, place)
        m.d.comb += [
            self._memory.W0_en.eq(self._take),
            self._memory.W0_addr.eq(Cat(place[: self._place_bits], self._load_slot)),
            self._memory.W0_data.eq(Cat(self._codes)),
        ]

    def _masked(self, m, place):
        """The codes of a beat, 0 beyond the last of x or d."""
        array, codes, bits = self.design.array, self.design.stream_codes, code_bits(self.design)
        lines = zip((array.rows, array.columns), self._beats, strict=True)
        used = [count - (beats - 1) * codes for count, beats in lines]
        last_x, last_d = Signal(), Signal()
        m.d.comb += [last_x.eq(place == self._beats[0] - 1), last_d.eq(place == sum(self._beats) - 1)]
        masked = []
        for number in range(codes):
            code = Signal(signed(bits), name=f"code_{number}")
            beyond = (last_x if number >= used[0] else 0) | (last_d if number >= used[1] else 0)
            m.d.comb += code.eq(Mux(beyond, 0, self.w_codes.word_select(number, bits)))
            masked.append(code)
        return masked

    def _maxima(self, m):
        """The greatest magnitude of a beat, of a vector; kept by slot until it is scaled."""
        beat, events = self._tree(m)
        found = [Signal.like(port, name=f"found_{port.name}") for port in (self.s_x, self.s_d)]
        done = Signal(range(self._slots + 1))  # vectors whose maxima are known and not yet handed on
        slot, known_slot = (Signal.like(self._load_slot, name=f"{name}_slot") for name in ("scale", "known"))
        given = Signal()
        for number, most in enumerate(found):
            with m.If(events["close"] | events["drop"]):
                m.d.sync += most.eq(0)
            with m.Elif(events["take"] & (events["is_d"] == number) & (beat > most)):
                m.d.sync += most.eq(beat)
        m.d.comb += [self.s_valid.eq(done != 0), given.eq(self.s_valid & self.s_ready)]
        m.d.sync += done.eq(done + events["close"] - given)
        with m.If(events["close"]):
            m.d.sync += known_slot.eq(self._next(known_slot))
        with m.If(given):
            m.d.sync += slot.eq(self._next(slot))
        kept = [
            (self.s_x, found[0], events["close"], known_slot),
            (self.s_d, found[1], events["close"], known_slot),
            (self.s_ex, self.commit_ex, self._close, self._load_slot),
            (self.s_ed, self.commit_ed, self._close, self._load_slot),
        ]
        for port, value, when, where in kept:
            entries = Array(Signal(port.shape(), name=f"{port.name}_of_slot_{i}") for i in range(self._slots))
            with m.If(when):
                m.d.sync += entries[where].eq(value)
            m.d.comb += port.eq(entries[slot])

    def _tree(self, m):
        """The greatest magnitude of each beat, and what came beside it, some cycles later."""
        fed = {"take": self._take, "is_d": self.w_is_d, "close": self._close, "drop": self.drop}
        sizes = [Mux(code < 0, -code, code)[: len(code)] for code in self._codes]  # 2^(bits - 1) as well
        for stage in range(self._stages + 1):
            kept = [Signal(len(size), name=f"size_{stage}_{number}") for number, size in enumerate(sizes)]
            m.d.sync += [register.eq(size) for register, size in zip(kept, sizes, strict=True)]
            late = {name: Signal(name=f"{name}_{stage}") for name in fed}
            m.d.sync += [late[name].eq(value) for name, value in fed.items()]
            sizes, fed = kept, late
            for level in range(LEVELS):
                sizes = self._halved(m, sizes, f"{stage}_{level}")
        return sizes[0], fed

    def _halved(self, m, sizes, name):
        """The greater of each two neighbours."""
        pairs = [sizes[place : place + 2] for place in range(0, len(sizes), 2)]
        greater = []
        for number, pair in enumerate(pairs):
            if len(pair) == 1 or len(sizes) == 1:
                greater.append(pair[0])
                continue
            most = Signal(len(pair[0]), name=f"greater_{name}_{number}")
            m.d.comb += most.eq(Mux(pair[0] > pair[1], *pair))
            greater.append(most)
        return greater

    def _fill(self, m):
        """Reads the beats of whole vectors, one ahead of who takes them."""
        x_beats, beats = self._beats[0], sum(self._beats)
        slot = Signal.like(self._load_slot, name="fill_slot")
        place = Signal(range(beats), name="fill_place")
        waiting = Signal(range(self._slots + 1))  # whole vectors with beats that were not read
        read, last, is_d = Signal(), Signal(), Signal()
        m.d.comb += [
            read.eq((waiting != 0) & (~self.f_valid | self.f_ready) & ~self.f_skip),
            last.eq(place == beats - 1),
            is_d.eq(place >= x_beats),
            self._memory.R0_en.eq(read),
            self._memory.R0_addr.eq(Cat(place[: self._place_bits], slot)),
            self.f_codes.eq(self._memory.R0_data),
            self._free.eq(self.f_skip | (self.f_valid & self.f_ready & self.f_last)),
        ]
        ends = Signal()  # the next to be read is the first of another vector
        m.d.comb += ends.eq(self.f_skip | (read & last))
        m.d.sync += waiting.eq(waiting + self._close - ends)
        with m.If(ends):
            m.d.sync += [slot.eq(self._next(slot)), place.eq(0)]
        with m.Elif(read):
            m.d.sync += place.eq(place + 1)
        with m.If(read):
            m.d.sync += [
                self.f_valid.eq(1),
                self.f_is_d.eq(is_d),
                self.f_index.eq(place - Mux(is_d, x_beats, 0)),
                self.f_last.eq(last),
            ]
        with m.Elif(self.f_ready | self.f_skip):
            m.d.sync += self.f_valid.eq(0)
