"""Bit planes: numbers of many columns turned on their side, plane k holding bit k of every column.

What is done to all columns at once is then a few operations on whole planes, in hardware and in a simulator alike.
Planes are lists of equally wide values, the lowest bit first; bit c of each belongs to column c.
"""

from amaranth import Cat


def transpose(word, lanes, bits):
    """Planes of a word that holds `lanes` numbers of `bits` bits, lane 0 lowest."""
    return [Cat(word[lane * bits + k] for lane in range(lanes)) for k in range(bits)]


def magnitude(planes, sign):
    """Planes of |p| from the planes of p below its sign, and the plane of its sign. |p| < 2^len(planes)."""
    result, carry = [], sign  # -p is ~p + 1
    for plane in planes:
        result.append(plane ^ sign ^ carry)
        carry = (plane ^ sign) & carry
    return result


def decrement(planes, taken):
    """Planes of n - 1 where `taken` is set, n elsewhere; n is not 0 where `taken` is set."""
    result, borrow = [], taken
    for plane in planes:
        result.append(plane ^ borrow)
        borrow = borrow & ~plane
    return result


def any_of(planes):
    """Columns in which any plane is set: the OR of the planes."""
    result = planes[0]
    for plane in planes[1:]:
        result = result | plane
    return result


def interleave(even, odd):
    """Bit c of `even` at 2c, bit c of `odd` at 2c + 1."""
    return Cat(Cat(e, o) for e, o in zip(even, odd, strict=True))


def total(planes):
    """Sum over all columns, by halves."""
    return tree_sum([Cat(column) for column in zip(*planes, strict=True)])


def tree_sum(values):
    """Sum by halves."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return tree_sum(values[:half]) + tree_sum(values[half:])


def lowest(bits):
    """Number of the lowest set bit."""
    alone = bits & -bits
    places = range(len(bits))
    return Cat(Cat(alone[i] for i in places if i >> k & 1).any() for k in range((len(bits) - 1).bit_length()))
