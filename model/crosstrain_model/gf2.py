"""Linear maps over GF(2): what a generator of random words does to its state, and any number of times at once.

A map on n bits is a list of n columns: column j is the image of 1 << j, as an integer. Powers are taken by squaring, so
2^128 steps cost no more than 128 products; nothing here is approximate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Map = list[int]
"""Columns of a square matrix over GF(2), bit i of a column is row i."""


def matrix(step: Callable[[int], int], width: int) -> Map:
    """The map of a step that is linear, from the images of single bits."""
    return [step(1 << bit) for bit in range(width)]


def identity(width: int) -> Map:
    """The map that changes nothing."""
    return [1 << bit for bit in range(width)]


def apply(columns: Map, state: int) -> int:
    """Image of one state."""
    image = 0
    while state:
        low = state & -state
        image ^= columns[low.bit_length() - 1]
        state ^= low
    return image


def product(left: Map, right: Map) -> Map:
    """The map that does `right` first, then `left`."""
    return [apply(left, column) for column in right]


def power(columns: Map, exponent: int) -> Map:
    """The map done `exponent` times, 0 or more."""
    result, square = identity(len(columns)), columns
    while exponent:
        if exponent & 1:
            result = product(square, result)
        exponent >>= 1
        if exponent:
            square = product(square, square)
    return result


def tables(columns: Map) -> NDArray[np.uint32]:
    """The map as tables for many states at once: uint32[bytes of a state, 256, words of a state].

    The image of a state is the XOR of one entry per byte.
    """
    width = len(columns)
    size, words = -(-width // 8), -(-width // 32)
    padded = columns + [0] * (8 * size - width)
    images = np.array([[column >> 32 * word & 0xFFFFFFFF for word in range(words)] for column in padded], np.uint32)
    result = np.zeros((size, 256, words), np.uint32)
    for byte in range(size):
        for bit in range(8):  # entries below 1 << bit are there already
            result[byte, 1 << bit : 2 << bit] = result[byte, : 1 << bit] ^ images[8 * byte + bit]
    return result


def apply_tables(table: NDArray[np.uint32], states: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Images of many states.

    table : from `tables`
    states : uint32[..., words]
    """
    octets = np.ascontiguousarray(states, "<u4").view(np.uint8)
    image = table[0][octets[..., 0]]
    for byte in range(1, len(table)):
        image = image ^ table[byte][octets[..., byte]]
    return np.asarray(image, np.uint32)
