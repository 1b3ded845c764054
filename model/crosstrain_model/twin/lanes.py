"""Pulses of a block of devices in vectors of the processor, written as LLVM has them.

Numba knows no vectors, and what LLVM makes of a loop over devices goes through memory: values stored one by one and
loaded as a vector make the processor wait.  Here a block is loaded, transposed, pulsed and stored in registers.  The
vectors are LLVM's own, which it brings to whatever registers a processor has; nothing names an instruction.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from crosstrain_model.twin import noise

LANES = 16
"""Devices of a block: two vectors of eight where a register has 256 bits, for one alone would wait for itself."""
PARTS = 4
"""Words of a device, one after another, so that they are one load: conductance, response upward, response downward
(slope above, step below) and bounds (upper above, lower below), as in `context.words_of`."""
WORD, LONG = ir.IntType(32), ir.IntType(64)
HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)
VECTOR, LONGS = ir.VectorType(WORD, LANES), ir.VectorType(LONG, LANES)


class Lanes:
    """One int32 for each device of a block.  Operators wrap as int32 does; numbers stand for every lane."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _of(self, other: Any) -> Any:
        if isinstance(other, Lanes):
            return other.value
        signed = (other & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)
        return ir.Constant(VECTOR, [signed] * LANES)

    def _made(self, operation: str, other: Any) -> Lanes:
        return Lanes(self.builder, getattr(self.builder, operation)(self.value, self._of(other)))

    def __add__(self, other: Any) -> Lanes:
        return self._made("add", other)

    def __sub__(self, other: Any) -> Lanes:
        return self._made("sub", other)

    def __mul__(self, other: Any) -> Lanes:
        return self._made("mul", other)

    def __and__(self, other: Any) -> Lanes:
        return self._made("and_", other)

    def __xor__(self, other: Any) -> Lanes:
        return self._made("xor", other)

    def __lshift__(self, other: Any) -> Lanes:
        return self._made("shl", other)

    def __rshift__(self, other: Any) -> Lanes:
        return self._made("ashr", other)

    def unsigned(self, shift: int) -> Lanes:
        """Shifted right as uint32."""
        return self._made("lshr", shift)

    def above(self, other: Any) -> Lanes:
        """-1 where this is more, else 0."""
        more = self.builder.icmp_signed(">", self.value, self._of(other))
        return Lanes(self.builder, self.builder.sext(more, VECTOR))

    def most(self, other: Any) -> Lanes:
        more = self.builder.icmp_signed(">", self.value, self._of(other))
        return Lanes(self.builder, self.builder.select(more, self.value, self._of(other)))

    def least(self, other: Any) -> Lanes:
        less = self.builder.icmp_signed("<", self.value, self._of(other))
        return Lanes(self.builder, self.builder.select(less, self.value, self._of(other)))

    def where(self, mask: Lanes, other: Lanes) -> Lanes:
        """This where the mask is -1, the other where it is 0."""
        chosen = self.builder.icmp_signed("<", mask.value, ir.Constant(VECTOR, [0] * LANES))
        return Lanes(self.builder, self.builder.select(chosen, self.value, other.value))


def _splat(builder: Any, scalar: Any) -> Lanes:
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, ir.Constant(WORD, 0))
    return Lanes(builder, builder.shuffle_vector(one, one, ir.Constant(VECTOR, [0] * LANES)))


def _call(builder: Any, name: str, result: Any, argument: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [argument])


def _load(builder: Any, pointer: Any, kind: Any) -> Any:
    """A vector from where its first element is; arrays of numpy promise the alignment of elements."""
    loaded = builder.load(builder.bitcast(pointer, kind.as_pointer()))
    loaded.align = 4
    return loaded


def _shuffled(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(places)), places))


def _transposed(builder: Any, devices: list[Any]) -> list[Any]:
    """PARTS vectors of the eight devices given, each a vector of PARTS; in steps that are an instruction each."""
    low, high, lower = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15], [0, 1, 8, 9, 4, 5, 12, 13]
    upper = [place + 2 for place in lower]
    a, b, c, d = (_shuffled(builder, devices[k], devices[k + 4], list(range(8))) for k in range(4))
    pairs = [_shuffled(builder, x, y, order) for order in (low, high) for x, y in ((a, b), (c, d))]
    return [_shuffled(builder, pairs[k], pairs[k + 1], order) for k in (0, 2) for order in (lower, upper)]


def _gathered(builder: Any, row: Any, offsets: Any) -> tuple[list[Any], list[Lanes]]:
    """Where the devices of a block are, and their parts."""
    places, devices, four = [], [], ir.VectorType(WORD, PARTS)
    for k in range(LANES):
        offset = builder.zext(builder.load(builder.gep(offsets, [ir.Constant(LONG, k)])), LONG)
        places.append(builder.gep(row, [offset]))
        devices.append(_load(builder, places[k], four))
    halves = zip(_transposed(builder, devices[:8]), _transposed(builder, devices[8:]), strict=True)
    return places, [Lanes(builder, _shuffled(builder, *both, list(range(LANES)))) for both in halves]


def _hits(builder: Any, slots: Any, bits: Any) -> tuple[Lanes, Any]:
    """Pulses of every device of a block, and the most of them; `slots` one uint64, `bits` where theirs are."""
    one = builder.insert_element(ir.Constant(LONGS, ir.Undefined), slots, ir.Constant(WORD, 0))
    same = builder.shuffle_vector(one, one, ir.Constant(VECTOR, [0] * LANES))
    counts = _call(builder, f"llvm.ctpop.v{LANES}i64", LONGS, builder.and_(same, _load(builder, bits, LONGS)))
    hits = builder.trunc(counts, VECTOR)
    return Lanes(builder, hits), _call(builder, f"llvm.vector.reduce.smax.v{LANES}i32", WORD, hits)


def _mixed(h: Lanes) -> Lanes:
    """noise.mix."""
    h = (h ^ h.unsigned(16)) * noise.MULTIPLIER_1
    h = (h ^ h.unsigned(15)) * noise.MULTIPLIER_2
    return h ^ h.unsigned(16)


def _strengths(h: Lanes, strength: Any) -> Lanes:
    """(z + Z_LIMIT) S of `noise.py` and `device.py`, from words of noise and S in both halves: bytes summed in pairs,
    and a sum of two products, which is one instruction where products of 16 bits are."""
    builder, zero = h.builder, ir.Constant(HALVES, ir.Undefined)
    pairs = builder.bitcast(((h & 0x00FF00FF) + (h.unsigned(8) & 0x00FF00FF)).value, HALVES)
    products = []
    for side in range(2):
        chosen = ir.Constant(VECTOR, [2 * k + side for k in range(LANES)])
        halves = [builder.shuffle_vector(both, zero, chosen) for both in (pairs, strength)]
        a, b = (Lanes(builder, builder.sext(half, VECTOR)) for half in halves)
        products.append(a * b)
    return products[0] + products[1]


def _pulsed(
    builder: Any, parts: list[Lanes], fall: Lanes, hits: Lanes, most: Any, key: Lanes, same: list[Lanes], base: Any
) -> Lanes:
    """Conductances after all pulses.

    key : first words of noise; same : its stride, strength and exponent; base : None for no noise, else whether it is
    relative to the step

    A falling device is mirrored, h = ~g, and all rise.  Its step, -(a - ((K (g >> 6) + 8192) >> 14)) with a < 0, is
    then (|a| 2^14 + 8192 - K - K (h >> 6)) >> 14; that of a rising one is (a 2^14 + 8191 - K (g >> 6)) >> 14.  And
    -((-v + 2048) >> 12) is (v + 2047) >> 12.
    """
    response, bound = parts[2].where(fall, parts[1]), parts[3]
    step, slope = (((response << 16) >> 16) ^ fall) - fall, response >> 16
    lead, half = (step << 14) + 8191 + ((fall & 1) - (slope & fall)), fall + 2048
    low, high = ((bound << 16) >> 10) & -64, (bound >> 10) & -64
    low, high = high.where(fall, low) ^ fall, low.where(fall, high) ^ fall
    stride, strength, exponent = same
    halves, mean = builder.bitcast((strength * 0x00010001).value, HALVES), strength * noise.Z_LIMIT
    held = [cgutils.alloca_once(builder, VECTOR) for _ in range(3)]
    for place, start in zip(held, (parts[0] ^ fall, key, hits), strict=True):
        builder.store(start.value, place)
    with cgutils.for_range(builder, most, intp=WORD):
        old, word, left = (Lanes(builder, builder.load(place)) for place in held)
        move = ((lead - slope * (old >> 6)) >> 14).most(0)
        if base is not None:
            move = move + (((move if base else step) * ((_strengths(_mixed(word), halves) - mean) >> 6) + half) >> 12)
        # No choice between old and new, which would cost a branch: without a pulse a device moves by 0.
        moved = old + ((move << exponent) & left.above(0))
        builder.store(moved.most(low).least(high).value, held[0])
        builder.store((word + stride).value, held[1])
        builder.store((left - 1).value, held[2])
    return Lanes(builder, builder.load(held[0])) ^ fall


def _block(base: Any) -> Any:
    """A kernel: pulses of the devices of a block of a row; returns the most pulses that one of them took.

    row : int32, PARTS of each device of the row; first : the block's place in what `dense_kernels.in_order` gave
    word : slots of the row; turn : -1 if the row turns every direction, else 0; key : start and stride of its noise
    strength, exponent : S and e of `device.py`
    """

    def pulses(
        typingctx: Any, row: Any, offsets: Any, falling: Any, bits: Any, first: Any, word: Any, turn: Any, key: Any,
        strength: Any, exponent: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            arrays = [
                context.make_array(kind)(context, builder, array).data
                for kind, array in zip(signature.args[:4], arguments[:4], strict=True)
            ]
            place, slots, turned, pair, *scalars = arguments[4:]
            start, stride = cgutils.unpack_tuple(builder, pair)
            arrays[1:] = [builder.gep(array, [place]) for array in arrays[1:]]
            hits, most = _hits(builder, slots, arrays[3])
            with builder.if_then(builder.icmp_signed(">", most, ir.Constant(WORD, 0))):
                same = [_splat(builder, scalar) for scalar in (stride, *scalars)]
                fall = Lanes(builder, _load(builder, arrays[2], VECTOR)) ^ _splat(builder, turned)
                column = Lanes(builder, _load(builder, arrays[1], VECTOR)) << 6  # 256 words of noise a column
                places, parts = _gathered(builder, arrays[0], arrays[1])
                words = _splat(builder, start) + same[0] * column
                after = _pulsed(builder, parts, fall, hits, most, words, same, base)
                for k, address in enumerate(places):
                    builder.store(builder.extract_element(after.value, ir.Constant(WORD, k)), address)
            return most

        return types.int32(row, offsets, falling, bits, first, word, turn, key, strength, exponent), generate

    return intrinsic(pulses)


quiet, noise_of_zero, noise_of_step = _block(None), _block(False), _block(True)
