"""Station window: what a host reads and writes of random streams and choppers, a word of 32 bits at a time.

An index register says which word the data register shows; every access to the data advances it. Everything is answered
at once: the bank lets no access through while there is work.
"""

from amaranth import Array, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.window import walk
from crosstrain_model.chopper import chopper_words
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.registers_gradient import STREAM_WORDS, streams

PAIRS = {"stream": "STREAM_INDEX and STREAM_DATA", "chopper": "CHOPPER_INDEX and CHOPPER_DATA"}
"""Kinds of window, and their registers."""


def station_windows(design):
    """The kinds that a design has."""
    return ("stream", *(("chopper",) if chopper_words(design) else ()))


class StationWindow(wiring.Component):
    """Members

    <kind>_index, <kind>_data and their _read, _write, _ready, _error : see `registers.Registers`, for each kind
    write_data : In(32), data of a write
    <stream>_state : In(32 * words), state of each stream that the design has; <stream>_load : Out(1), strobe
    load_index, load_data : Out, which word to load with what
    chopper_number : Out, which word of signs; chopper_word : In(32), it; chopper_put : Out(1), strobe: it becomes
        write_data
    """

    def __init__(self, design):
        self.design = design
        self.words = STREAM_WORDS if design.random.generator == "xoshiro128++" else 1
        ports = {"write_data": In(32), "load_index": Out(2), "load_data": Out(32)}
        for kind in station_windows(design):
            for name in (f"{kind}_index", f"{kind}_data"):
                ports |= {name: Out(32), f"{name}_read": In(1), f"{name}_write": In(1)}
                ports |= {f"{name}_ready": Out(1), f"{name}_error": Out(1)}
        for stream in streams(design):
            ports |= {f"{stream}_state": In(32 * self.words), f"{stream}_load": Out(1)}
        if chopper_words(design):
            last = chopper_words(design) - 1
            ports |= {"chopper_number": Out(range(max(2, last + 1))), "chopper_word": In(32), "chopper_put": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        self._streams(m)
        if chopper_words(self.design):
            m.d.comb += [self.chopper_data.eq(self.chopper_word), self.chopper_put.eq(self.chopper_data_write)]
            self._window(m, "chopper", self.chopper_number, chopper_words(self.design) - 1)
        return m

    def _window(self, m, kind, index, last):
        port = {name: getattr(self, f"{kind}_{name}") for name in ("index", "index_write", "data_read", "data_write")}
        advance = port["data_read"] | port["data_write"]
        walk(m, index, last, advance=advance, set_by=port["index_write"], to=self.write_data)
        m.d.comb += [port["index"].eq(index)]
        m.d.comb += [getattr(self, f"{kind}_{name}_ready").eq(1) for name in ("index", "data")]

    def _streams(self, m):
        """4 * stream + word: a stream or word that is not there reads 0."""
        index = Signal(range(STREAM_WORDS * len(STREAMS)))
        shown = [Const(0, 32)] * (STREAM_WORDS * len(STREAMS))
        for stream in streams(self.design):
            number, state = STREAMS.index(stream), getattr(self, f"{stream}_state")
            for word in range(self.words):
                shown[STREAM_WORDS * number + word] = state.word_select(word, 32)
            here = (index[2:] == number) & (index[:2] < self.words)
            m.d.comb += getattr(self, f"{stream}_load").eq(self.stream_data_write & here)
        m.d.comb += [
            self.stream_data.eq(Array(shown)[index]),
            self.load_index.eq(index[:2]),
            self.load_data.eq(self.write_data),
        ]
        self._window(m, "stream", index, len(shown) - 1)
