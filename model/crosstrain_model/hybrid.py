"""Hybrid accumulator: L of few bits, the least significant part of a weight, and its carry to the multi-level pair.

L[r, c] is signed, b_L bits, S = 2^(b_L - 1); its unit is 1/S of the mean step of a SET pulse.  Changes come from the
update stream (`update_stream`), in units of 2^-F of that, F = `formats.fraction`.  A visit of the groups of a row:

    round   each group that is visited takes one draw of the stream "rounding" (`random_streams`), groups ascending
                u = word >> (16 - F)                      word: the draw as the lane sees it (side "lanes"), 16 bits
                q = (change + u) >> F                     floor: change / 2^F in the mean
    read    the groups in which some q is not 0; if there are none, the visit is over
    add     t = L + q
            p = clamp(trunc(t / S), -P, P)                the carry, in the same visit;  P = `update.max_pulses`
            rest = t - p * S
            L = clamp(rest, -S, S - 1)                    remainder "keep"; what the clamp takes is counted, `clipped`
            L = 0 where p != 0                            remainder "clear"; what it takes is counted, `cleared`
    write   the cells whose bit changes: SET those that go to 1, then RESET those that go to 0
    back    with `hybrid.read_back` the same groups are read again; cells that are not as written are counted
    carry   p SET pulses on G+, or -p on G-, of each weight (`hybrid_controller`)

    cells   bit k of weight c is device column b_L * c + k of array L, bit 0 the lowest, of
                u = L mod 2^b_L               "twos-complement"
                u ^ (u >> 1)                  "gray"

An UPDATE visits the groups with a change that is not 0, a SPARSE beat its one group whatever the change.  A group that
is not read is not written, and keeps what its cells hold.  Only the clamp, a host and a failed cell make L = -S; its
next visit carries it.  Per cell

    initial + rounded changes + disturbed = sum of p * S + cleared + clipped + held

where `disturbed` is what reads found changed since the last write: 0 unless a cell fails.

Source: Joshi et al. 2021, reconstructed; trunc and "keep" as in `threshold`.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model import random_streams
from crosstrain_model.design import Design
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.random_streams import OTHER_BITS, Stream

Int64 = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visit:
    """What a visit makes of L; arrays of the shape of L."""

    after: Int64
    """L afterwards."""
    carries: Int64
    """p."""
    cleared: Int64
    """What "clear" took."""
    clipped: Int64
    """What the clamp took."""


def add(design: Design, l_before: npt.ArrayLike, q: npt.ArrayLike) -> Visit:
    """The step `add` for L and q of one shape."""
    bits, scale = design.hybrid.bits, design.hybrid.scale
    total = np.asarray(l_before, np.int64) + np.asarray(q, np.int64)
    p = np.sign(total) * np.minimum(np.abs(total) >> (bits - 1), design.update.max_pulses)
    rest = total - p * scale
    cleared = np.where((p != 0) & (design.remainder == "clear"), rest, 0)
    kept = rest - cleared
    after = np.clip(kept, -scale, scale - 1)
    return Visit(after=after, carries=p, cleared=cleared, clipped=kept - after)


def visited_groups(design: Design, changes: Int64) -> Masks:
    """Groups of an UPDATE that are visited: bool [..., groups] of values [..., columns], those that are not all 0."""
    return np.asarray(_grouped(design, changes).any(axis=-1))


def round_changes(design: Design, changes: Int64, groups: Masks, stream: Stream) -> Int64:
    """q [rows, columns] of changes [rows, columns]; groups [rows, groups]: those visited, each of which takes a draw,
    row by row.  Others give 0."""
    grouped = _grouped(design, changes)
    seen = random_streams.permuted(design, "lanes")[stream.draws(int(groups.sum()))].astype(np.int64)
    fraction = design.formats.fraction
    rounded = np.zeros_like(grouped)
    rounded[groups] = (grouped[groups] + (seen >> (OTHER_BITS - fraction))) >> fraction
    return rounded.reshape(len(changes), -1)[:, : design.array.columns]


def _grouped(design: Design, values: Int64) -> Int64:
    """Values [..., columns] as [..., groups, lanes], zeros beyond the last column."""
    array = design.array
    padded = np.zeros((*values.shape[:-1], array.groups * array.lanes), np.int64)
    padded[..., : array.columns] = values
    return padded.reshape(*values.shape[:-1], array.groups, array.lanes)


def encode(hybrid: Hybrid, values: npt.ArrayLike) -> Masks:
    """Cells bool [..., bits] of L [...], bit 0 first."""
    word = np.asarray(values, np.int64) & ((1 << hybrid.bits) - 1)
    if hybrid.code == "gray":
        word = word ^ (word >> 1)
    return np.asarray((word[..., None] >> np.arange(hybrid.bits)) & 1, np.bool_)


def decode(hybrid: Hybrid, cells: npt.ArrayLike) -> Int64:
    """L [...] of cells [..., bits]."""
    word = (np.asarray(cells, np.int64) << np.arange(hybrid.bits)).sum(axis=-1)
    if hybrid.code == "gray":
        for shift in (8, 4, 2, 1):
            word = word ^ (word >> shift)
    value: Int64 = word - ((word >> (hybrid.bits - 1)) << hybrid.bits)
    return value
