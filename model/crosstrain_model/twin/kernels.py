"""Compiled pulses: equal to `pulses.py` and the numpy engine, bit for bit.

Numba widens integers, so every 32-bit operation is cast back; LLVM then works on 32-bit lanes.  Columns go in blocks,
each with its own largest pulse count, so that a rare second pulse costs one block and not the row.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

from crosstrain_model.twin import context as at
from crosstrain_model.twin import noise

Function = TypeVar("Function", bound=Callable[..., Any])
Array = Any
"""Inside kernels: an array of the type that the context promises."""

BLOCK = 64
"""Columns of a block: four vectors of sixteen lanes."""


def _sources() -> str:
    """Digest of this folder's text."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


SOURCES = _sources()


def compiled(function: Function) -> Function:
    """Compiled on first use, kept on disk, run without the interpreter's lock.

    Numba's files are stamped with the date of the function's own file, but kernels inline each other and the numbers of
    context.py; a stale one would write through wrong addresses.  Hence the stamp is the text of the whole folder.
    """
    return _stamped(function, SOURCES)


def compiled_with(*paths: Path) -> Callable[[Function], Function]:
    """`compiled` for kernels elsewhere, stamped with the texts of `paths` as well."""
    digest = hashlib.sha256(SOURCES.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return functools.partial(_stamped, stamp=digest.hexdigest())


def _stamped(function: Function, stamp: str) -> Function:
    dispatcher = njit(cache=True, nogil=True, error_model="numpy")(function)
    dispatcher._cache._cache_file._source_stamp = stamp
    return dispatcher  # type: ignore[no-any-return]


def _pointer_to(element: Any) -> Any:
    """An address (int64) as a pointer to `element`, inside kernels."""

    def cast(typingctx: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return intrinsic(cast)


to_int16 = _pointer_to(types.int16)
to_int32 = _pointer_to(types.int32)
to_int64 = _pointer_to(types.int64)
to_uint32 = _pointer_to(types.uint32)


@compiled
def mix(h: Any) -> Any:
    """noise.mix of one word."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(noise.MULTIPLIER_1))
    h = np.uint32(h ^ (h >> np.uint32(15)))
    h = np.uint32(h * np.uint32(noise.MULTIPLIER_2))
    return np.uint32(h ^ (h >> np.uint32(16)))


@compiled
def absorb(a: Any, b: Any, word: Any) -> Any:
    """noise.absorb of one word."""
    a = mix(np.uint32(np.uint32(a ^ word) + np.uint32(noise.STEP_A)))
    b = mix(np.uint32(np.uint32(b + word) ^ np.uint32(noise.STEP_B)))
    return a, b


@compiled
def event_key(keys: Array, kind: int, number: int, row: int) -> Any:
    """noise.event_key of one event, its second chain made odd: the stride of its words."""
    a, b = keys[kind, 0], keys[kind, 1]
    for word in (np.uint32(number), np.uint32(number >> 32), np.uint32(row)):
        a, b = absorb(a, b, word)
    return a, np.uint32(b | np.uint32(1))


@compiled
def z_of(h: Any) -> Any:
    """noise.z_of of one word: bytes summed in pairs."""
    pairs = np.uint32((h & np.uint32(0x00FF00FF)) + ((h >> np.uint32(8)) & np.uint32(0x00FF00FF)))
    return np.int32(np.int32(pairs & np.uint32(0xFFFF)) + np.int32(pairs >> np.uint32(16)) - np.int32(noise.Z_LIMIT))


@compiled
def _pulse_columns(g: Array, parts: Any, up: Array, total: Array, settings: Any, key: Any) -> None:
    """All pulses of one row.  Indices are unsigned, which spares the test for an index from the end."""
    step_up, slope_up, step_down, slope_down, low, high = parts
    scale, strength, of_step = settings
    start, stride = key
    column_stride = np.uint32(stride << np.uint32(8))
    width = np.uint64(g.size)
    for first in range(np.uint64(0), width, np.uint64(BLOCK)):
        end = min(np.uint64(first + np.uint64(BLOCK)), width)
        most = np.uint8(0)
        for c in range(first, end):
            most = max(most, total[c])
        for j in range(most):
            pulse = np.uint8(j)
            word = np.uint32(start + np.uint32(stride * np.uint32(j)))
            for c in range(first, end):
                rising = up[c] > pulse
                old = g[c]
                # Both are loaded and masked: a choice between two addresses would become a gather.
                mask = np.int32(-1) if rising else np.int32(0)
                a = np.int32(step_down[c] ^ (np.int32(step_up[c] ^ step_down[c]) & mask))
                k = np.int32(slope_down[c] ^ (np.int32(slope_up[c] ^ slope_down[c]) & mask))
                slope = np.int32(np.int32(np.int32(k * np.int32(old >> 6)) + np.int32(8192)) >> 14)
                step = np.int32(a - slope)
                step = max(step, np.int32(0)) if rising else min(step, np.int32(0))
                if strength != 0:
                    z = z_of(mix(np.uint32(word + np.uint32(np.uint32(c) * column_stride))))
                    zs = np.int32(np.int32(z * strength) >> 6)
                    base = step if of_step else a
                    step = np.int32(step + np.int32(np.int32(np.int32(base * zs) + np.int32(2048)) >> 12))
                moved = np.int32(old + np.int32(step * scale))
                moved = min(max(moved, np.int32(np.int32(low[c]) << 6)), np.int32(np.int32(high[c]) << 6))
                g[c] = moved if total[c] > pulse else old


@compiled
def wide_level(g: Array, c: Any, pair: bool, reference: Any) -> Any:
    """wiring.wide_levels of one weight, whose reference is given."""
    if pair:
        return np.int32(np.int32(g[2 * c] - g[2 * c + 1]) - reference + np.int32(64)) >> 7
    return np.int32(g[c] - reference + np.int32(32)) >> 6


@compiled
def reference_row(context: Array, row: int) -> Array:
    """Reference of a row; empty where reads subtract nothing."""
    columns = context[at.COLUMNS]
    address = context[at.REFERENCE]
    if address == 0:
        return carray(to_int32(address), (0,))
    return carray(to_int32(address + 4 * row * columns), (columns,))


@compiled
def refresh_row(g: Array, levels: Array, pair: bool, reference: Array) -> None:
    """wiring.levels of one row."""
    if reference.size:
        for c in range(levels.size):
            level = wide_level(g, c, pair, reference[c])
            levels[c] = np.int16(min(max(level, np.int32(-32767)), np.int32(32767)))
    else:
        for c in range(levels.size):
            levels[c] = np.int16(wide_level(g, c, pair, np.int32(0)))


@compiled
def pulse_row(context: Array, row: int, up: Array, total: Array, kind: int, number: int) -> None:
    """pulses.pulse_row, then the row's levels and pulse counts; `up`, `total` uint8 [device columns]."""
    rows, columns, width = context[at.ROWS], context[at.COLUMNS], context[at.DEVICE_COLUMNS]
    keys = carray(to_uint32(context[at.KEYS]), (noise.KINDS, 2))
    start, stride = event_key(keys, kind, number, row)
    g = carray(to_int32(context[at.G]), (rows, width))[row]
    step_up = carray(to_int16(context[at.STEP_UP]), (rows, width))[row]
    slope_up = carray(to_int16(context[at.SLOPE_UP]), (rows, width))[row]
    step_down = carray(to_int16(context[at.STEP_DOWN]), (rows, width))[row]
    slope_down = carray(to_int16(context[at.SLOPE_DOWN]), (rows, width))[row]
    low = carray(to_int16(context[at.LOW]), (rows, width))[row]
    high = carray(to_int16(context[at.HIGH]), (rows, width))[row]
    settings = (np.int32(context[at.SCALE]), np.int32(context[at.NOISE]), context[at.NOISE_OF_STEP] != 0)
    parts = (step_up, slope_up, step_down, slope_down, low, high)
    _pulse_columns(g, parts, up, total, settings, (start, stride))
    levels = carray(to_int16(context[at.LEVELS]), (rows, columns))[row]
    refresh_row(g, levels, context[at.WIRING] != at.SINGLE, reference_row(context, row))
    if context[at.PULSES] != 0:
        pulses = carray(to_int64(context[at.PULSES]), (rows, width))[row]
        for c in range(width):
            pulses[c] += total[c]


@compiled
def program(context: Array, row: int, up: Array, down: Array, update: int) -> int:
    """Engine.program: `up`, `down` uint8 [device columns], at most 255 together."""
    width = context[at.DEVICE_COLUMNS]
    total = np.empty(width, dtype=np.uint8)
    delivered = 0
    for c in range(width):
        total[c] = np.uint8(up[c] + down[c])
        delivered += total[c]
    if delivered == 0:
        return 0
    counters = carray(to_int64(context[at.COUNTERS]), (5,))
    number = counters[3] if update < 0 else update
    pulse_row(context, row, up, total, noise.PROGRAM, number)
    if update < 0:
        counters[3] += 1
    return delivered


@compiled
def expand(wiring: int, c: int, count: Any, up: Array, total: Array) -> Any:
    """wiring.expand of one weight into SET and total counts; returns its device pulses."""
    size = abs(count)
    if wiring == at.SINGLE:
        up[c], total[c] = max(count, 0), size
        return size
    plus = size if count > 0 else 0
    up[2 * c], up[2 * c + 1] = plus, size - plus
    if wiring == at.PUSH_PULL:
        total[2 * c], total[2 * c + 1] = size, size
        return 2 * size
    total[2 * c], total[2 * c + 1] = plus, size - plus
    return size


@compiled
def program_rows(context: Array, rows: Array, counts: Array, delivered: Array) -> None:
    """Engine.program_rows: rows int64 [M], counts int16 [M, columns], delivered int64 [M]."""
    wiring, width = context[at.WIRING], context[at.DEVICE_COLUMNS]
    up, down = np.empty(width, dtype=np.uint8), np.empty(width, dtype=np.uint8)
    none = np.zeros(width, dtype=np.uint8)
    for m in range(rows.size):
        for c in range(counts.shape[1]):
            expand(wiring, c, counts[m, c], up, down)  # down: the total, until the SET counts are taken off
        for c in range(width):
            down[c] -= up[c]
        delivered[m] = program(context, rows[m], up, none, -1) + program(context, rows[m], none, down, -1)
