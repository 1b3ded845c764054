"""What reads of pairs of phase-change devices are made of: weights and variances of all pairs at one time, products."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Wide = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
EXACT = 1 << 53
"""Integers below it are exact in double precision."""


@dataclasses.dataclass(frozen=True)
class Matrices:
    """What a read sees of all pairs at one time [rows, columns]."""

    seen: tuple[Wide, Wide]
    """g(t) and s(t) that they were made of."""
    levels: Wide
    """Weights, unit 2^-14."""
    variances: Wide
    """Of a read of each, unit 2^-32."""

    @classmethod
    def of(cls, seen: tuple[Wide, Wide]) -> Matrices:
        level, variance = (seen[0] + 32) >> 6, seen[1] ** 2
        return cls(seen, level[:, 0::2] - level[:, 1::2], variance[:, 0::2] + variance[:, 1::2])

    def part(self, lines: int, outputs: int, *, transposed: bool) -> tuple[Wide, Wide]:
        """Levels and variances [lines, outputs] of a read of the first so many lines."""
        if transposed:
            return self.levels.T[:lines, :outputs], self.variances.T[:lines, :outputs]
        return self.levels[:lines, :outputs], self.variances[:lines, :outputs]


def product(left: npt.NDArray[np.integer[Any]], right: npt.NDArray[np.integer[Any]]) -> Floats:
    """left @ right of integers, exact and then rounded to double precision: by doubles where these hold every sum."""
    bound = int(np.abs(left).max(initial=0)) * int(np.abs(right).max(initial=0)) * left.shape[1]
    if bound >= EXACT:
        return (left.astype(np.int64) @ right.astype(np.int64)).astype(np.float64)
    return left.astype(np.float64) @ right.astype(np.float64)
