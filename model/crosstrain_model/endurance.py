"""Endurance: how far the write-erase cycles of a class of devices are from what devices stand.

A cycle is a SET and a RESET, and ends with its RESET: the RESET pulses of a device are its cycles.  The histogram has a
bin for no cycle, and one for each power of two: 1, 2..3, 4..7, and so on.

    share = most / LIMIT          LIMIT = 10^8, assumed; Joshi et al. 2021 find a small part of the endurance of PCM
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

LIMIT = 10**8
"""Write-erase cycles that a device stands."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endurance:
    """One class of devices."""

    name: str
    devices: int
    mean: float
    most: int
    share: float
    """The most of any device, relative to the limit."""
    histogram: tuple[int, ...]
    """Devices by their cycles: 0, 1, 2..3, 4..7, ..., up to the bin of `most`."""


def of_cycles(name: str, cycles: npt.ArrayLike, limit: int = LIMIT) -> Endurance:
    """Of the cycles of each device, any shape; raises ValueError where there are none."""
    each = np.asarray(cycles, np.int64).reshape(-1)
    if not each.size:
        raise ValueError(f"endurance {name}: has no devices")
    values, devices = np.unique(each, return_counts=True)
    histogram = np.bincount([value.bit_length() for value in values.tolist()], devices).astype(np.int64)
    return Endurance(
        name=name,
        devices=each.size,
        mean=float(each.mean()),
        most=int(each.max()),
        share=int(each.max()) / limit,
        histogram=tuple(histogram.tolist()),
    )


def of_hybrid(pairs: npt.ArrayLike, cells: npt.NDArray[np.int64], limit: int = LIMIT) -> tuple[Endurance, ...]:
    """Of a tile of hybrid weights: the multi-level devices [rows, device columns], then bit by bit the binary ones
    [rows, columns, bits], bit 0 first; both their RESET pulses."""
    bits = (of_cycles(f"L bit {bit}", cells[..., bit], limit) for bit in range(cells.shape[-1]))
    return of_cycles("multi-level", pairs, limit), *bits
