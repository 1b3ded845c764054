"""Gearbox: beats of `stream_codes` codes become words of `lanes` codes.

One of both numbers divides the other. Equal, a beat is a word; with fewer codes a beat, beats are collected until a
word is full; with more, a beat stays until its words are out. Codes are sign-extended from their slots; places beyond
the last code of a frame are zero.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.frames import slot_bits
from crosstrain_model.port import code_bits


class Gearbox(wiring.Component):
    """Members

    beat_valid, beat_ready, beat_data : beats of a frame, only those with codes
    is_d : In(1), the frame has `columns` codes of d, otherwise `rows` codes of x; constant over a frame
    restart : In(1), strobe: the next beat is the first of a frame
    word_valid, word_ready : words of the frame
    word_codes : Out(lanes * max(x, d)), code 0 lowest
    word_index : Out, number of the word; word_last : Out(1), the frame's last

    A word leaves in the cycle of the beat that completes it; beat_ready comes with the last word of the beat.
    """

    def __init__(self, design):
        self.design = design
        self.words = max(design.array.row_words, design.array.groups)
        super().__init__(
            {
                "beat_valid": In(1),
                "beat_ready": Out(1),
                "beat_data": In(design.stream_codes * slot_bits(design)),
                "is_d": In(1),
                "restart": In(1),
                "word_valid": Out(1),
                "word_ready": In(1),
                "word_codes": Out(design.array.lanes * code_bits(design)),
                "word_index": Out(range(max(2, self.words))),
                "word_last": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array = self.design.array
        m.d.comb += self.word_last.eq(
            self.word_index == Mux(self.is_d, array.groups - 1, array.row_words - 1)
        )
        codes = beat_codes(m, self.design, self.beat_data, self.is_d)
        if len(codes) < array.lanes:
            word = self._collect(m, codes)
        elif len(codes) > array.lanes:
            word = self._deal(m, codes)
        else:
            word = codes
            m.d.comb += [self.word_valid.eq(self.beat_valid), self.beat_ready.eq(self.word_ready)]
        with m.If(self.restart):
            m.d.sync += self.word_index.eq(0)
        with m.Elif(self.word_valid & self.word_ready):
            m.d.sync += self.word_index.eq(Mux(self.word_last, 0, self.word_index + 1))
        m.d.comb += self.word_codes.eq(Cat(self._masked(word)))
        return m

    def _collect(self, m, codes):
        """Several beats make a word: all but the last of them are kept."""
        lanes, beats = self.design.array.lanes, self.design.array.lanes // self.design.stream_codes
        kept = Signal((lanes - len(codes)) * len(codes[0]))
        place = Signal(range(beats))
        total_beats = (-(-n // self.design.stream_codes) for n in (self.design.array.rows, self.design.array.columns))
        ends = [(count - 1) % beats for count in total_beats]  # place of the last beat of a frame
        complete = Signal()
        m.d.comb += [
            complete.eq((place == beats - 1) | (self.word_last & (place == Mux(self.is_d, ends[1], ends[0])))),
            self.word_valid.eq(self.beat_valid & complete),
            self.beat_ready.eq(self.word_ready | ~complete),
        ]
        span = sum(len(code) for code in codes)
        with m.If(self.restart):
            m.d.sync += place.eq(0)
        with m.Elif(self.beat_valid & self.beat_ready):
            m.d.sync += place.eq(Mux(complete, 0, place + 1))
            for beat in range(beats - 1):
                with m.If(place == beat):
                    m.d.sync += kept[beat * span : (beat + 1) * span].eq(Cat(codes))
        beat_codes = Cat(codes)
        word = Cat(
            *(Mux(place == beat, beat_codes, kept[beat * span : (beat + 1) * span]) for beat in range(beats - 1)),
            beat_codes,
        )
        width = len(codes[0])
        return [word[lane * width : (lane + 1) * width] for lane in range(lanes)]

    def _deal(self, m, codes):
        """A beat holds several words."""
        lanes = self.design.array.lanes
        words = len(codes) // lanes
        part = Signal(range(words))
        done = Signal()
        m.d.comb += [
            done.eq(self.word_last | (part == words - 1)),
            self.word_valid.eq(self.beat_valid),
            self.beat_ready.eq(self.word_ready & done),
        ]
        with m.If(self.restart):
            m.d.sync += part.eq(0)
        with m.Elif(self.word_valid & self.word_ready):
            m.d.sync += part.eq(Mux(done, 0, part + 1))
        width = len(codes[0])
        beat = Cat(codes)
        word = Signal(lanes * width, name="dealt")
        with m.Switch(part):
            for i in range(words):
                with m.Case(i):
                    m.d.comb += word.eq(beat[i * lanes * width : (i + 1) * lanes * width])
        return [word[lane * width : (lane + 1) * width] for lane in range(lanes)]

    def _masked(self, word):
        """Codes with zeros in the places beyond the frame's last code."""
        array = self.design.array
        used_x = array.rows - (array.row_words - 1) * array.lanes
        used_d = array.columns - (array.groups - 1) * array.lanes
        masked = []
        for lane, code in enumerate(word):
            if lane < used_x and lane < used_d:
                masked.append(code)
            else:
                beyond = self.word_last & Mux(self.is_d, int(lane >= used_d), int(lane >= used_x))
                masked.append(Mux(beyond, 0, code))
        return masked


def beat_codes(m, design, data, is_d):
    """The codes of a beat, each extended from the bits of its kind (is_d: of d, otherwise of x) to max(x, d) bits."""
    formats, slot, bits = design.formats, slot_bits(design), code_bits(design)
    codes = []
    for place in range(design.stream_codes):
        code = Signal(bits, name=f"code_{place}")
        raw = data[place * slot : (place + 1) * slot]
        x, d = (raw[:width].as_signed() for width in (formats.x, formats.d))
        if design.verified:  # devices of one sign: codes are unsigned, and there are none of d
            m.d.comb += code.eq(raw[: formats.x])
        else:
            m.d.comb += code.eq(x if formats.x == formats.d else Mux(is_d, d, x))
        codes.append(code)
    return codes
