"""Checks of what callers hand to a tile: one line that names the argument, the value and the bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]


def whole(name: str, value: Ints, shape: tuple[int, ...]) -> Ints:
    """Integers of one shape."""
    value = np.asarray(value)
    if value.shape != shape or value.dtype.kind not in "iu":
        raise ValueError(f"ArrayTile.{name} = {value.dtype} {value.shape}: must be integers {shape}")
    return value


def counts(name: str, value: Ints, shape: tuple[int, ...], low: int = -255) -> npt.NDArray[np.int16]:
    """Pulse counts.  Only the extremes are looked at, in the type given, for these calls are frequent."""
    value = whole(name, value, shape)
    if value.size and (value.min() < low or value.max() > 255):
        raise ValueError(f"ArrayTile.{name} = {value.min()}..{value.max()}: must be {low}..255")
    return np.ascontiguousarray(value, dtype=np.int16)


def bits(name: str, value: Ints, shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """Slots of a line packed in a word; the engine sees to it that they are at most 63."""
    return np.ascontiguousarray(whole(name, value, shape), dtype=np.uint64)


def slots_of_bits(name: str, value: Ints) -> None:
    """Raises for a word of more than 63 slots."""
    if value.min() < 0 or value.max() >= 1 << 63:
        raise ValueError(f"ArrayTile.{name} = {value.min()}..{value.max()}: must be 0..{2**63 - 1} (at most 63 slots)")


def slots(name: str, value: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """A mask of lines for every slot; at most 255 slots, so that no device gets more pulses."""
    value = np.asarray(value)
    if value.ndim != 2 or value.shape != (min(shape[0], 255), shape[1]) or value.dtype != np.bool_:
        wanted = f"[S, {shape[1]}], S the same in all masks and at most 255"
        raise ValueError(f"ArrayTile.{name} = {value.dtype} {value.shape}: must be bool {wanted}")
    return value


def signs(name: str, value: Ints, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Numbers whose sign matters, as int8."""
    value = whole(name, value, shape)
    return np.ascontiguousarray(value if value.dtype == np.int8 else np.sign(value), dtype=np.int8)


def within(name: str, value: int, limit: int) -> int:
    """An integer of 0 .. limit - 1."""
    if not 0 <= value < limit:
        raise ValueError(f"ArrayTile.{name} = {value}: must be 0..{limit - 1}")
    return int(value)
