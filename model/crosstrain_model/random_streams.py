"""Random streams: the words that lines of a pulse train, choppers and stochastic rounding compare with thresholds.

A tile has the streams "rows", "columns", "choppers" and "rounding", each with a state of its own. One draw:

    lfsr          k = leap times:  out = s & 1;  s = s >> 1;  s = s ^ mask where out       Galois, shifting right
                  draw = low `bits` bits of s, after the steps                  (0 where the state is no wider)
                  width, mask   8: 0xB8    31: 0x48000000    32: 0x80200003                 period 2^width - 1
    xoshiro128++  draw = low `bits` bits of rotl(s0 + s3, 7) + s0, before the step
                  t = s1 << 9;  s2 ^= s0;  s3 ^= s1;  s1 ^= s2;  s0 ^= s3;  s2 ^= t;  s3 = rotl(s3, 11)

    stream        bits               lfsr: width             leap
    rows          random.bits        random.row_width        random.leap
    columns       random.bits        random.column_width     random.leap
    choppers      16                 32                      16
    rounding      16                 32                      16

A state of zeros counts as 1, so that no seed and no fault locks a stream up (in hardware after one cycle at rest). Both
generators are linear over GF(2): the state k draws on is T^k s, exact, whatever k.

    column draw   random.columns  own            draw of "columns"
                                  rows           draw of "rows"; the stream "columns" stands still
                                  rows-reversed  the same, its lowest bit first
    line i sees   bit j of its word = bit order_i[j] of the draw      random.permute; otherwise order_i[j] = j
    fires         word < t, t = 0..2^bits: 0 is never, 2^bits always

Reset values and orders come from hash(k0, k1, ...): h = 0; per key h = mix(h + k + 0x9E3779B97F4A7C15), where mix is
the finaliser of SplitMix64, all modulo 2^64.

    seed          word w of stream n (0..3 in the order above) of a tile: hash(random.seed, n, tile, w) >> 32
    order         of line i of side n (rows 0, columns 1, lanes of a group of column choppers 2), Fisher-Yates:
                  order = 0..bits-1; for j = bits-1 .. 1: swap order[j], order[(hash(n, i, j) >> 32) * (j + 1) >> 32]

Sources: Galois masks, leap and permutation as measured in `random_lint.py`; xoshiro128++ 1.0 by Blackman & Vigna 2019;
SplitMix64 by Steele et al. 2014.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstrain_model import gf2, state_checks
from crosstrain_model.design import Design

STREAMS = ("rows", "columns", "choppers", "rounding")
"""Streams of a tile; their numbers go into their seeds."""
SIDES = ("rows", "columns", "lanes")
"""Sets of lines that share a word: those of the array, and the column choppers of one group."""
MASKS = {8: 0xB8, 31: 0x48000000, 32: 0x80200003}
"""Width of an LFSR -> mask of a primitive polynomial."""
OTHER_BITS = 16
"""Bits per draw of choppers and rounding, and there the leap."""
XOSHIRO = 128
"""Bits of the state of xoshiro128++."""
FEW = 24
"""Draws up to which plain integers are quicker than arrays."""

_M32, _M64 = 2**32 - 1, 2**64 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generator:
    """What one stream is made of; its state is one integer of `width` bits, word 0 lowest."""

    width: int
    """Bits of the state."""
    leap: int
    """Steps of an LFSR per draw; 0: this is xoshiro128++."""
    bits: int
    """Bits of a draw."""

    @property
    def words(self) -> int:
        """Words of 32 bits that hold the state."""
        return -(-self.width // 32)

    def step(self, state: int) -> int:
        """State one draw on."""
        if self.leap == 0:
            return _xoshiro(state)
        for _ in range(self.leap):
            state = state >> 1 ^ MASKS[self.width] * (state & 1)
        return state

    def draw(self, state: int) -> int:
        """The next draw from a state."""
        if self.leap:
            return self.step(state) & (1 << self.bits) - 1
        s0, s3 = state & _M32, state >> 96
        return _rotl(s0 + s3 & _M32, 7) + s0 & (1 << self.bits) - 1

    def integer(self, words: Sequence[int]) -> int:
        """The state that these words make, zeros included; bits beyond `width` are dropped."""
        if len(words) != self.words:
            raise ValueError(f"state: must have {self.words} words, not {len(words)}")
        return sum((int(word) & _M32) << 32 * place for place, word in enumerate(words)) & (1 << self.width) - 1

    def split(self, state: int) -> list[int]:
        """Its words, zeros counted as 1."""
        return [(state or 1) >> 32 * place & _M32 for place in range(self.words)]


def _rotl(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & _M32


def _xoshiro(state: int) -> int:
    s0, s1, s2, s3 = (state >> shift & _M32 for shift in (0, 32, 64, 96))
    t = s1 << 9 & _M32
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    return s0 | s1 << 32 | s2 << 64 | _rotl(s3, 11) << 96


def generator(design: Design, name: str) -> Generator:
    """The generator of a stream."""
    random, line = design.random, name in ("rows", "columns")
    if name not in STREAMS:
        raise ValueError(f'name = "{name}": must be one of {", ".join(STREAMS)}')
    bits = random.bits if line else OTHER_BITS
    if random.generator == "xoshiro128++":
        return Generator(width=XOSHIRO, leap=0, bits=bits)
    width = {"rows": random.row_width, "columns": random.column_width}.get(name, 32)
    return Generator(width=width, leap=random.leap if line else OTHER_BITS, bits=bits)


@functools.cache
def _power(made: Generator, exponent: int) -> gf2.Map:
    """The map of 2^exponent draws."""
    if exponent == 0:
        return gf2.matrix(made.step, made.width)
    half = _power(made, exponent - 1)
    return gf2.product(half, half)


@functools.cache
def power_tables(made: Generator, exponent: int) -> NDArray[np.uint32]:
    """The map of 2^exponent draws as `gf2.tables`; not to be changed."""
    table = gf2.tables(_power(made, exponent))
    table.setflags(write=False)
    return table


def seed_words(design: Design, stream: str, tile: int = 0) -> list[int]:
    """Reset values of a stream's seed registers; never all zero, and others for other tiles."""
    made = generator(design, stream)
    keys = (design.random.seed, STREAMS.index(stream), tile)
    return made.split(made.integer([_hash(*keys, word) >> 32 for word in range(made.words)]))


def restored_words(where: str, state: Mapping[str, NDArray[Any]], name: str, design: Design) -> list[int]:
    """The words of a stream in a checkpoint."""
    words = state_checks.integers(where, state, name, (generator(design, name).words,), (0, _M32))
    return [int(word) for word in words]


class Stream:
    """One stream of one tile."""

    def __init__(self, design: Design, name: str, tile: int = 0):
        self.design, self.name = design, name
        self.generator = generator(design, name)
        self._state = self.generator.integer(seed_words(design, name, tile))

    @property
    def state(self) -> list[int]:
        """Words of 32 bits; all that future draws depend on."""
        return self.generator.split(self._state)

    @state.setter
    def state(self, words: Sequence[int]) -> None:
        self._state = self.generator.integer(words)

    def packed(self) -> NDArray[np.uint32]:
        """`state` as uint32[4], zeros behind it: what kernels take and move."""
        return np.frombuffer(bytearray((self._state or 1).to_bytes(16, "little")), np.uint32)

    def unpack(self, words: NDArray[np.uint32]) -> None:
        """Takes what `packed` gave."""
        self._state = int.from_bytes(words.tobytes(), "little") & (1 << self.generator.width) - 1

    def load(self, index: int, word: int) -> None:
        """What the host's write of one word does; zeros in all words count as 1 only once they are used."""
        if index < self.generator.words:
            kept = self._state & ~(_M32 << 32 * index)
            self._state = (kept | (word & _M32) << 32 * index) & (1 << self.generator.width) - 1

    def draws(self, count: int) -> NDArray[np.uint32]:
        """The next draws, uint32[count]; the stream moves past them."""
        if count > FEW:
            states = self._run(count + 1)
            self.state = [int(word) for word in states[-1]]
            return _draws_of(self.generator, states)
        made, state = self.generator, self._state or 1
        words = []
        for _ in range(count):
            following = made.step(state)
            words.append(following & (1 << made.bits) - 1 if made.leap else made.draw(state))
            state = following
        self._state = state
        return np.array(words, np.uint32)

    def jump(self, count: int) -> None:
        """Move past so many draws, however many."""
        if count < 0:
            raise ValueError(f"count = {count}: must be 0 or more")
        state = self._state or 1
        for exponent in range(count.bit_length()):
            if count >> exponent & 1:
                state = gf2.apply(_power(self.generator, exponent), state)
        self._state = state

    def _run(self, count: int) -> NDArray[np.uint32]:
        """The present state and those after it, uint32[count, words], by doubling."""
        states = np.empty((count, self.generator.words), np.uint32)
        states[0] = self.state
        done, exponent = 1, 0
        while done < count:
            more = min(done, count - done)
            states[done : done + more] = gf2.apply_tables(power_tables(self.generator, exponent), states[:more])
            done, exponent = done + more, exponent + 1
        return states


def _draws_of(made: Generator, states: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Draws between successive states, uint32[len(states) - 1]."""
    mask = np.uint32((1 << made.bits) - 1)
    if made.leap:
        return states[1:, 0] & mask
    s0 = states[:-1, 0]
    total = s0 + states[:-1, 3]
    return ((total << np.uint32(7) | total >> np.uint32(25)) + s0) & mask


def states_at(design: Design, name: str, state: Sequence[int], offsets: ArrayLike) -> NDArray[np.uint32]:
    """States of a stream so many draws after `state`: uint32[len(offsets), words].

    offsets : int64[n], 0 or more, in any order
    """
    made, steps = generator(design, name), np.asarray(offsets, np.int64).reshape(-1)
    if steps.size and int(steps.min()) < 0:
        raise ValueError(f"offsets: must be 0 or more, not {int(steps.min())}")
    states = np.empty((steps.size, made.words), np.uint32)
    states[:] = made.split(made.integer(state))
    for exponent in range(int(steps.max(initial=0)).bit_length()):
        moved = (steps >> exponent & 1).astype(np.bool_)
        states[moved] = gf2.apply_tables(power_tables(made, exponent), states[moved])
    return states


def column_draws(design: Design, row_draws: NDArray[np.uint32], columns: Stream) -> NDArray[np.uint32]:
    """The column draws that go with row draws; `columns` moves where it is used (`random.columns`)."""
    if design.random.columns == "own":
        return columns.draws(len(row_draws))
    return row_draws if design.random.columns == "rows" else reversed_bits(row_draws, design.random.bits)


def reversed_bits(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    """Words of `bits` bits, lowest bit first."""
    places = [(words >> np.uint32(bit) & np.uint32(1)) << np.uint32(bits - 1 - bit) for bit in range(bits)]
    return np.asarray(np.bitwise_or.reduce(places), np.uint32)


def side_shape(design: Design, side: str) -> tuple[int, int]:
    """Lines of a side, and bits of the word that they share."""
    array = design.array
    shapes = {
        "rows": (array.rows, design.random.bits),
        "columns": (array.columns, design.random.bits),
        "lanes": (array.lanes, OTHER_BITS),
    }
    if side not in shapes:
        raise ValueError(f'side = "{side}": must be one of {", ".join(SIDES)}')
    return shapes[side]


def permutations(design: Design, side: str) -> NDArray[np.int8]:
    """Orders in which the lines of a side see the bits of a draw: int8[lines, bits]."""
    return _orders(side, *side_shape(design, side), design.random.permute).copy()


def permuted(design: Design, side: str) -> NDArray[np.uint16]:
    """The word that each line sees, for every draw: uint16[2^bits, lines]; not to be changed."""
    return _permuted(side, *side_shape(design, side), design.random.permute)


@functools.cache
def _orders(side: str, lines: int, bits: int, permute: bool) -> NDArray[np.int8]:
    orders = np.tile(np.arange(bits, dtype=np.int8), (lines, 1))
    for line in range(lines if permute else 0):
        order = list(range(bits))
        for last in range(bits - 1, 0, -1):
            other = (_hash(SIDES.index(side), line, last) >> 32) * (last + 1) >> 32
            order[last], order[other] = order[other], order[last]
        orders[line] = order
    return orders


@functools.lru_cache(16)
def _permuted(side: str, lines: int, bits: int, permute: bool) -> NDArray[np.uint16]:
    orders = _orders(side, lines, bits, permute)
    draws = np.arange(1 << bits, dtype=np.uint16)[:, None]
    seen = np.zeros((1 << bits, lines), np.uint16)
    for place in range(bits):
        seen |= (draws >> orders[:, place].astype(np.uint16) & np.uint16(1)) << np.uint16(place)
    seen.setflags(write=False)
    return seen


def _hash(*keys: int) -> int:
    """64 bits that depend on all keys and their order."""
    h = 0
    for key in keys:
        h = h + key + 0x9E3779B97F4A7C15 & _M64
        h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & _M64
        h = (h ^ h >> 27) * 0x94D049BB133111EB & _M64
        h ^= h >> 31
    return h
