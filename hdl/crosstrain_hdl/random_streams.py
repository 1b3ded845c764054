"""Random streams: one generator of random words, and the wires of a line's permutation. The rule is
`crosstrain_model.random_streams`.

A draw is one map over GF(2), so that next state and word are XORs of state bits (and two additions in xoshiro128++);
no cycle is spent on the steps of a leap.
"""

from functools import reduce
from operator import xor

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model import gf2
from crosstrain_model.random_streams import generator, seed_words

REPLAYED = ("rows", "columns")
"""Streams that can go back to a state: each phase of a train fires with the same words."""


def permute(word, order):
    """The word that a line sees: bit j is bit order[j] of `word`."""
    return Cat(word[int(place)] for place in order)


def column_word(design, rows, columns):
    """The word of the column lines, from those of both streams (`random.columns`)."""
    return {"own": columns, "rows": rows, "rows-reversed": rows[::-1]}[design.random.columns]


class RandomStream(wiring.Component):
    """State and next draw of one stream.

    Members
    -------
    word : Out(bits), the next draw; depends on the state alone
    step : In(1), strobe: `word` is used, the next one follows
    save, restore : In(1), strobes: remember the state as it is in this cycle; go back to what was remembered, even
        where `step` is set too (streams "rows" and "columns" alone; after reset, the seed is remembered)
    load : In(1), strobe of the host: word `load_index` of the state becomes `load_data`, and the other words stay,
        whatever the other strobes say; words and bits that the state does not have are dropped
    state : Out(32 * words)

    A state of zeros, loaded or from a fault, becomes the 1 that it counts as after one cycle without a strobe; until
    then `state` and `word` are those of zeros.
    """

    def __init__(self, design, name):
        self.generator = generator(design, name)
        self.seed = self.generator.integer(seed_words(design, name))
        self.replayed = name in REPLAYED
        replay = {"save": In(1), "restore": In(1)} if self.replayed else {}
        super().__init__(
            {
                "word": Out(self.generator.bits),
                "step": In(1),
                **replay,
                "load": In(1),
                "load_index": In(2),
                "load_data": In(32),
                "state": Out(32 * self.generator.words),
            }
        )

    def elaborate(self, platform):
        m = Module()
        made = self.generator
        held = Signal(made.width, init=self.seed)
        zero = Signal()  # `held` is all zeros, and nothing has happened to it since
        now, after = Signal(made.width), Signal(made.width)
        moves = self.load | self.step
        m.d.comb += [
            now.eq(Cat(held[0] | zero, held[1:])),
            after.eq(self._mapped(now)),
            self.word.eq(after if made.leap else self._sum(now)),
            self.state.eq(now),
        ]
        with m.If(self.step):
            m.d.sync += held.eq(after)
        if self.replayed:
            moves |= self.restore
            saved = Signal(made.width, init=self.seed)
            with m.If(self.save):
                m.d.sync += saved.eq(now)
            with m.If(self.restore):
                m.d.sync += held.eq(saved)
        with m.If(self.load):
            m.d.sync += held.eq(held)
            for index in range(made.words):
                with m.If(self.load_index == index):
                    m.d.sync += held[32 * index : 32 * index + 32].eq(self.load_data)
        m.d.sync += zero.eq((held == 0) & ~moves)
        return m

    def _mapped(self, state):
        """State one draw on."""
        made = self.generator
        columns = gf2.matrix(made.step, made.width)
        sources = [[state[j] for j, column in enumerate(columns) if column >> i & 1] for i in range(made.width)]
        return Cat(reduce(xor, bits, Const(0, 1)) if len(bits) != 1 else bits[0] for bits in sources)

    def _sum(self, state):
        """Draw of xoshiro128++: rotl(s0 + s3, 7) + s0."""
        s0, s3 = state[:32], state[96:]
        return ((s0 + s3)[:32].rotate_left(7) + s0)[: self.generator.bits]
