"""Compiled scaling of pulse trains and their fire bits: equal to `scale.py` and `pulse_train.py`, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from crosstrain_model import scale as rule
from crosstrain_model.twin import kernels

Function = TypeVar("Function", bound=Callable[..., Any])
Array = Any
"""Inside kernels: an array of the type that the caller promises."""

INLINED = ("scale.py", "scale_kernel.py", "gradient_kernel.py")
"""Files whose text goes into what is compiled here, beside that of the twin."""

RATE, MOMENTUM, DYNAMIC, MOST, CODE_BITS, WORD_BITS = range(6)
"""Places in `settings`."""
M_X, E_X, M_D, E_D = range(4)
"""Places in `means`."""


def _stamp() -> str:
    digest = hashlib.sha256(kernels.SOURCES.encode())
    for name in INLINED:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


STAMP = _stamp()


def compiled(function: Function) -> Function:
    """Compiled on first use and kept on disk until any of the texts changes; see `kernels.compiled`."""
    dispatcher = njit(cache=True, nogil=True, error_model="numpy")(function)
    dispatcher._cache._cache_file._source_stamp = STAMP
    return dispatcher  # type: ignore[no-any-return]


@intrinsic  # type: ignore[untyped-decorator]
def _leading_zeros(typingctx: Any, word: Any) -> Any:
    """Zeros above the highest one of a uint64; 64 of zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), generate


_LOG_T, _LOG_U = np.array(rule.LOG_T, np.int64), np.array(rule.LOG_U, np.int64)
_EXP_T, _EXP_U = np.array(rule.EXP_T, np.int64), np.array(rule.EXP_U, np.int64)


@compiled
def bit_length(v: Any) -> Any:
    """Bits of v >= 0."""
    return np.int64(64) - np.int64(_leading_zeros(np.uint64(v)))


@compiled
def lg(v: Any) -> Any:
    """scale.lg."""
    n = bit_length(v) - 1
    f = ((((v << (rule.UNIT + 1)) >> n) + 1) >> 1) - (1 << rule.UNIT)
    if f == 1 << rule.UNIT:
        n, f = n + 1, np.int64(0)
    return (n << rule.UNIT) + _LOG_T[f >> 4] + _LOG_U[f >> 8, f & 15]


@compiled
def antilog(z: Any, scaled: Any) -> Any:
    """scale.antilog; scaled: w + S."""
    n, f = -(z >> rule.UNIT), z & ((1 << rule.UNIT) - 1)
    r = _EXP_T[f >> 4] + _EXP_U[f >> 8, f & 15]
    down = rule.UNIT - 1 + n
    return (((r << scaled) >> min(down, np.int64(63))) + 1) >> 1


@compiled
def _mean(means: Array, place: int, size: Any, exponent: Any, momentum: Any) -> None:
    """scale.update_mean, in place."""
    m, e = means[place], means[place + 1]
    s = rule.MANTISSA_BITS - bit_length(size)
    v, e_v = size << s, exponent - s
    if m < 1 << (rule.MANTISSA_BITS - 1) or momentum == 0:
        means[place], means[place + 1] = v, e_v
        return
    common = max(e, e_v)
    m >>= min(common - e, np.int64(rule.SHIFT_LIMIT))
    v >>= min(common - e_v, np.int64(rule.SHIFT_LIMIT))
    m += (v - m + ((1 << momentum) >> 1)) >> momentum
    s = rule.MANTISSA_BITS - bit_length(m)
    means[place], means[place + 1] = m << s, common - s


@compiled
def scale(settings: Array, levels: Array, means: Array, size_x: Any, ex: Any, size_d: Any, ed: Any) -> Any:
    """scale.scale: slots, M_x, M_d; settings int64 as named above, levels int64[l_max + 1], means int64[4] in place."""
    zero = np.int64(0)
    if size_x == 0 or size_d == 0:
        return zero, zero, zero
    _mean(means, M_X, size_x, ex, settings[MOMENTUM])
    _mean(means, M_D, size_d, ed, settings[MOMENTUM])
    lx, ld = lg(size_x), lg(size_d)
    lk = settings[RATE] << rule.RATE_SHIFT
    lk += lx + (ex << rule.UNIT) - lg(means[M_X]) - (means[E_X] << rule.UNIT)
    lk += ld + (ed << rule.UNIT) - lg(means[M_D]) - (means[E_D] << rule.UNIT)
    slots = settings[MOST]
    if settings[DYNAMIC] != 0:
        n = np.int64(1)
        while n < slots and lk > levels[n]:
            n += 1
        slots = n
    y = lk - levels[slots]
    lqx, lqd = (y >> 1, y >> 1) if y <= 0 else (zero, y)
    scaled = settings[WORD_BITS] + settings[CODE_BITS]
    return slots, antilog(min(lqx - lx, zero), scaled), antilog(min(lqd - ld, zero), scaled)


@compiled
def fire(
    settings: Array, codes: Array, m: Any, table: Array, words: Array, slots: Any, limits: Array, bits: Array
) -> None:
    """Thresholds and fire bits of the lines of a side.

    codes : int16[lines]; table : uint16[2^w, lines], `random_streams.permuted`; words : uint32, one per slot
    limits : uint16[lines] and bits : uint64[lines], written
    """
    # All in 32 bits, or their product: vectors of half as many lanes would take twice as long.
    shift, top = np.uint64(settings[CODE_BITS]), np.uint64(1 << settings[WORD_BITS])
    half, factor = np.uint64(np.uint64(1) << np.uint64(shift - np.uint64(1))), np.uint64(np.uint32(m))
    lines = np.uint64(codes.size)
    for i in range(np.uint64(0), lines):
        size = np.uint64(np.uint32(abs(np.int32(codes[i]))))
        limits[i] = np.uint16(min(np.uint64(np.uint64(size * factor) + half) >> shift, top))
        bits[i] = np.uint64(0)
    fired = np.empty(lines, dtype=np.uint32)
    for first in range(0, slots, 32):
        fired[:] = 0
        for s in range(first, min(first + 32, slots)):
            seen, one = table[words[s]], np.uint32(1) << np.uint32(s - first)
            for i in range(np.uint64(0), lines):
                fired[i] |= np.uint32(one) if seen[i] < limits[i] else np.uint32(0)
        for i in range(np.uint64(0), lines):
            bits[i] |= np.uint64(fired[i]) << np.uint64(first)
