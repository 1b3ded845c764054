"""Checks of what a checkpoint holds before anything of it becomes state: shape, kind and range, in one line.

A checkpoint may be damaged, or of another design.  Each function takes one array out of a state by its name and returns
it as it is to be used; for what does not fit it raises a ValueError like

    Controller.restore chi: must be integers of shape (8, 8), not float64 of shape (8,)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

State = Mapping[str, npt.NDArray[Any]]
Bounds = tuple[int, int]

COUNTER: Bounds = (0, 2**63 - 1)
"""Of a counter without a bound of its own."""
TOTAL: Bounds = (-(2**63), 2**63 - 1)
"""Of a total modulo 2^64."""


def integers(where: str, state: State, name: str, shape: tuple[int, ...], bounds: Bounds) -> npt.NDArray[np.int64]:
    """Integers of one shape within inclusive bounds."""
    value = _of(where, state, name, shape, "iu", "integers")
    if value.size:
        least, most = int(value.min()), int(value.max())
        if least < bounds[0] or most > bounds[1]:
            raise ValueError(f"{where} {name}: values {least}..{most}: must be {bounds[0]}..{bounds[1]}")
    return value.astype(np.int64)


def signed(where: str, state: State, name: str, shape: tuple[int, ...], bits: int) -> npt.NDArray[np.int64]:
    """Integers of one shape, in two's complement of so many bits."""
    return integers(where, state, name, shape, (-(1 << (bits - 1)), (1 << (bits - 1)) - 1))


def flags(where: str, state: State, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Bits of one shape."""
    return _of(where, state, name, shape, "b", "booleans").astype(np.bool_)


def numbers(where: str, state: State, name: str, bounds: Mapping[str, Bounds]) -> dict[str, int]:
    """A list of integers, each with a name of its own and inclusive bounds."""
    values = integers(where, state, name, (len(bounds),), TOTAL).tolist()
    for (part, (low, high)), value in zip(bounds.items(), values, strict=True):
        if not low <= value <= high:
            raise ValueError(f"{where} {name}: {part} = {value}: must be {low}..{high}")
    return dict(zip(bounds, values, strict=True))


def counters(where: str, state: State, name: str, names: Sequence[str]) -> dict[str, int]:
    """A list of counters."""
    return numbers(where, state, name, dict.fromkeys(names, COUNTER))


def number(where: str, state: State, name: str, bounds: Bounds) -> int:
    """One integer."""
    return int(integers(where, state, name, (), bounds))


def reals(where: str, state: State, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Finite numbers of one shape."""
    value = _of(where, state, name, shape, "f", "real numbers").astype(np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{where} {name}: must be finite")
    return value


def _of(where: str, state: State, name: str, shape: tuple[int, ...], kinds: str, told: str) -> npt.NDArray[Any]:
    if name not in state:
        raise ValueError(f"{where} {name}: is missing")
    value = np.asarray(state[name])
    if value.shape != shape or value.dtype.kind not in kinds:
        wanted = f"must be {told} of shape {shape}"
        raise ValueError(f"{where} {name}: {wanted}, not {value.dtype} of shape {value.shape}")
    return value
