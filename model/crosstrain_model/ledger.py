"""Totals of the conservation ledger, as the hardware keeps them (generation option `ledger`).

Per cell, kept by `accumulator.Ledger`, and here summed over all cells, modulo 2^64:

    loaded + input = programmed + cleared + clipped + held

A tile starts with zeros, so `loaded` is what was written through MEM_DATA.  A clear takes what it finds into `cleared`,
and so does a write with what it replaces; the sweep after reset takes nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.accumulator import Ledger
from crosstrain_model.registers import TOTALS

PARTS = {
    "INPUT": "inputs",
    "PROGRAMMED": "programmed",
    "CLEARED": "cleared",
    "CLIPPED": "clipped",
    "LOADED": "initial",
}
"""Total in `registers.TOTALS` -> the per-cell part that it sums."""


def totals(ledger: Ledger) -> dict[str, int]:
    """Name in `registers.TOTALS`, lower case -> sum over all cells, signed 64 bits: what a driver's `totals` gives."""
    return {name.lower(): signed64(sum(getattr(ledger, PARTS[name]).ravel().tolist())) for name in TOTALS}


def imbalance(totals: dict[str, int], held: npt.ArrayLike) -> int:
    """loaded + input - programmed - cleared - clipped - held modulo 2^64, signed: 0, or something was lost."""
    spent = totals["programmed"] + totals["cleared"] + totals["clipped"] + int(np.asarray(held, np.int64).sum())
    return signed64(totals["loaded"] + totals["input"] - spent)


def signed64(value: int) -> int:
    """The value modulo 2^64, in two's complement."""
    return (value + 2**63) % 2**64 - 2**63
