"""The scheme table: a scheme is a row of choices at the stations of one pipeline, not code.

    source -> demodulate -> subtract reference -> accumulate -> threshold -> program

A new scheme is a row here and at most one new station; hardware that a row does not name is not generated.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme:
    """One row of the table."""

    source: str
    """What a visit adds to the accumulators: "outer-product" (x[r] * d[c])."""
    programming: str
    """How a hit becomes conductance: "blind" (pulses without verify)."""
    schedule: str
    """When rows are programmed: "pass" (all rows, after a batch or every k vectors)."""
    paper: str
    """Where the scheme was published."""


SCHEMES = MappingProxyType(
    {
        "mp": Scheme(
            source="outer-product",
            programming="blind",
            schedule="pass",
            paper="Nandakumar et al. 2020, Front. Neurosci. 14:406",
        ),
    }
)
"""Scheme name -> row; the keys are the legal values of a design's `scheme`."""
