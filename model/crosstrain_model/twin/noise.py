"""Noise of the analog array: a counter-based hash, keyed by the meaning of the event.

Nothing is drawn in order of arrival: whoever asks for the noise of an event gets the same integer, at any batch split,
on any engine.  All arithmetic is on 32-bit words, modulo 2^32:

    mix(h):          h ^= h >> 16;  h *= 0x7feb352d;  h ^= h >> 15;  h *= 0x846ca68b;  h ^= h >> 16
    absorb(a, b, w): a = mix((a ^ w) + 0x9e3779b9);  b = mix((b + w) ^ 0x85ebca6b)
    base key:        a = 0x243f6a88, b = 0x85a308d3;  absorb seed, tile, array, kind
    event key:       base key;  absorb counter mod 2^32, counter >> 32, row
    word i:          mix(a + i * (b | 1))
    z:               sum of the four bytes of a word, minus 510

z is an integer of mean 0 and variance 21845 (sigma 147.8), nearly normal, and never beyond 3.45 sigma.  Two 32-bit
chains make a key, so that two events share their words only by a 64-bit accident.

Parameters that are drawn once (device variation) use the sum of the twelve 16-bit halves of words 6i .. 6i+5, minus
393210, in units of 2^-16: variance 1, cut at 6 sigma.  Every later operation on them is one of + - * / and sqrt in
IEEE double precision, correctly rounded, so that no mathematics library decides a bit.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Key = tuple[Words, Words]
"""The two chains of a key; arrays of one shape, at least one-dimensional (numpy warns when scalars wrap)."""

START_A, START_B = 0x243F6A88, 0x85A308D3
STEP_A, STEP_B = 0x9E3779B9, 0x85EBCA6B
MULTIPLIER_1, MULTIPLIER_2 = 0x7FEB352D, 0x846CA68B

Z_LIMIT = 510
"""Largest |z|."""
Z_SIGMA = math.sqrt(21845.0)
"""Standard deviation of z: four times the variance (256^2 - 1) / 12 of a byte."""

PROGRAM, TRAIN = 1, 2
DAC_FORWARD, READ_FORWARD, ADC_FORWARD = 3, 4, 5
DAC_BACKWARD, READ_BACKWARD, ADC_BACKWARD = 6, 7, 8
DAC_ROW, READ_ROW, ADC_ROW = 9, 10, 11
DEVICE_STEP, DEVICE_ASYMMETRY, DEVICE_UPPER, DEVICE_LOWER = 12, 13, 14, 15
REFERENCE = 16
RELAX = 17
DRIFT = 18
DEVICE_FORWARD, DEVICE_BACKWARD, DEVICE_ROW = 19, 20, 21
WRITE = 22
KINDS = 23
"""The kinds of event, and how many numbers they span (0 is none of them)."""


def mix(words: Words) -> Words:
    """The finaliser; `words` is uint32 of at least one dimension."""
    words = words ^ (words >> np.uint32(16))
    words = words * np.uint32(MULTIPLIER_1)
    words = words ^ (words >> np.uint32(15))
    words = words * np.uint32(MULTIPLIER_2)
    return words ^ (words >> np.uint32(16))


def absorb(key: Key, word: Words) -> Key:
    """Both chains take in one word (or one word per element)."""
    a, b = key
    return mix((a ^ word) + np.uint32(STEP_A)), mix((b + word) ^ np.uint32(STEP_B))


def _word(value: int) -> Words:
    return np.array([value & 0xFFFFFFFF], dtype=np.uint32)


def base_key(seed: int, tile: int, array: int, kind: int) -> Key:
    """Key of all events of one kind in one array; shape [1]."""
    key = (_word(START_A), _word(START_B))
    for value in (seed, tile, array, kind):
        key = absorb(key, _word(value))
    return key


def event_key(base: Key, counter: npt.NDArray[np.int64], row: npt.NDArray[np.int64]) -> Key:
    """Keys of events; `counter` and `row` have one shape, which the key takes."""
    wide = np.atleast_1d(np.asarray(counter, dtype=np.int64))
    key = absorb(base, (wide & 0xFFFFFFFF).astype(np.uint32))
    key = absorb(key, (wide >> 32).astype(np.uint32))
    return absorb(key, np.atleast_1d(np.asarray(row)).astype(np.uint32))


def words(key: Key, index: npt.NDArray[np.int64]) -> Words:
    """Words `index` of each key: shape [keys, indices]."""
    a, b = key
    i = np.asarray(index).astype(np.uint32)
    return mix(a[:, None] + i[None, :] * (b | np.uint32(1))[:, None])


def z_of(hashed: Words) -> npt.NDArray[np.int32]:
    """z of each word."""
    total = np.zeros(hashed.shape, dtype=np.int32)
    for shift in (0, 8, 16, 24):
        total += ((hashed >> np.uint32(shift)) & np.uint32(0xFF)).astype(np.int32)
    return total - np.int32(Z_LIMIT)


def normal(base: Key, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """One-time deviates [rows, columns] in float64, multiples of 2^-16; row r has the event key (0, r)."""
    key = event_key(base, np.zeros(rows, dtype=np.int64), np.arange(rows))
    drawn = words(key, np.arange(6 * columns)).reshape(rows, columns, 6)
    halves = (drawn & np.uint32(0xFFFF)).astype(np.int64) + (drawn >> np.uint32(16)).astype(np.int64)
    deviates: npt.NDArray[np.float64] = (halves.sum(axis=2) - 393210).astype(np.float64) / 65536.0
    return deviates


def exponential(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """exp: degree-7 Taylor polynomial (Horner) of values / 1024, squared ten times; error below 1e-12 for |v| <= 8."""
    small = values / 1024.0
    result = np.ones_like(small)
    for n in range(7, 0, -1):
        result = result * small
        result = result / float(n)
        result = result + 1.0
    for _ in range(10):
        result = result * result
    return result
