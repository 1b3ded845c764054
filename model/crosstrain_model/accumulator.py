"""Accumulator: the memory chi[r, c] of change not yet programmed, W = `formats.accumulator` bits each.

Per accumulate visit, for each accumulator of the visited group:

    sum  = a + term                               # exact, W + 1 bits
    a    = clamp(sum, -2^(W-1), 2^(W-1) - 1)      # saturates; the clipped amount sum - a goes to the ledger
    clipped cells += (sum != a)                   # count and sticky flag

Visits of one group act one after the other, in the order they come, however close they follow.  The other visits take
the same way through the memory: program (see `threshold`), clear (a = 0), write (a = the host's value) and read.

Ledger, per cell and modulo 2^64, kept beside the accumulators and never by them:

    initial + inputs = programmed + cleared + clipped + held

inputs: the terms after their own clamp.  programmed: sum of p * theta, theta at issue.  cleared: what clear visits,
the remainder rule "clear" and host writes took away; a host write adds the new value to initial.  clipped: as above,
signed.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import outer_product, state_checks
from crosstrain_model.design import Design

Int64 = npt.NDArray[np.int64]


class Op(enum.IntEnum):
    """What a visit does, as the hardware codes it."""

    ACCUMULATE = 0
    PROGRAM = 1
    CLEAR = 2
    READ = 3
    WRITE = 4


@dataclasses.dataclass(kw_only=True)
class Ledger:
    """Per-cell totals modulo 2^64, int64 (R, C) each; see the head of this file."""

    initial: Int64
    inputs: Int64
    programmed: Int64
    cleared: Int64
    clipped: Int64

    @classmethod
    def of(cls, chi: npt.ArrayLike) -> Ledger:
        """A ledger that opens with the accumulators as they are."""
        start = np.array(chi, np.int64)
        return cls(
            initial=start, **{name: np.zeros_like(start) for name in ("inputs", "programmed", "cleared", "clipped")}
        )

    @classmethod
    def restored(cls, where: str, state: dict[str, npt.NDArray[Any]], shape: tuple[int, ...]) -> Ledger:
        """The ledger of a checkpoint, its totals under `ledger_<name>`."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{n: state_checks.integers(where, state, f"ledger_{n}", shape, state_checks.TOTAL) for n in names})

    def accumulated(self, terms: Int64, clipped: Int64) -> None:
        """Enter an accumulation of the whole tile."""
        self.inputs += terms
        self.clipped += clipped

    def compared(self, rows: Any, before: npt.ArrayLike, p: Int64, theta: int, after: npt.ArrayLike) -> None:
        """Enter program visits of `rows` (an index of axis 0): `before` minus p * theta minus `after` was cleared."""
        self.programmed[rows] += p * theta
        self.cleared[rows] += np.asarray(before, np.int64) - p * theta - np.asarray(after, np.int64)

    def written(self, cells: Any, before: npt.ArrayLike, after: npt.ArrayLike) -> None:
        """Enter host writes (or clears: after = 0) of `cells` (an index of the tile)."""
        self.cleared[cells] += np.asarray(before, np.int64)
        self.initial[cells] += np.asarray(after, np.int64)

    def imbalance(self, held: npt.ArrayLike) -> Int64:
        """initial + inputs - programmed - cleared - clipped - held: zero everywhere, or something was lost."""
        spent = self.programmed + self.cleared + self.clipped + np.asarray(held, np.int64)
        return self.initial + self.inputs - spent


def accumulate(design: Design, a: npt.ArrayLike, terms: npt.ArrayLike) -> tuple[Int64, Int64]:
    """Accumulators after adding terms of the same shape, and the signed amount that clipping took, int64 both."""
    total = np.asarray(a, np.int64) + np.asarray(terms, np.int64)
    low, high = outer_product.limits(design)
    after = np.clip(total, low, high)
    return after, total - after


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accumulated:
    """What a batch of vectors did besides changing the accumulators."""

    visits: int
    """Group visits, one clock cycle each."""
    term_clips: int
    """Terms clamped to the accumulator's range before they were added."""
    clips: int
    """Accumulations clipped (cells)."""
    touched: npt.NDArray[np.bool_]
    """Rows that got a visit, (R,)."""


def accumulate_vectors(
    design: Design,
    chi: npt.NDArray[Any],
    x: npt.ArrayLike,
    d: npt.ArrayLike,
    s: npt.ArrayLike,
    ledger: Ledger | None = None,
) -> Accumulated:
    """Accumulate a batch of vector pairs into `chi`, in place and in order.

    chi : int32 or int64 (R, C), C-contiguous; x : codes (N, R); d : codes (N, C); s : shifts (N,) as
    `outer_product.shift_of` gives them.  Compiled where numba is installed, otherwise `accumulate_plain`: the same
    integers.
    """
    codes_x, codes_d, shifts = (np.ascontiguousarray(v, np.int32) for v in (x, d, s))
    rows, columns = design.array.rows, design.array.columns
    count = len(shifts)
    for name, value, shape in (
        ("chi", chi, (rows, columns)),
        ("x", codes_x, (count, rows)),
        ("d", codes_d, (count, columns)),
    ):
        if value.shape != shape:
            raise ValueError(f"accumulate_vectors.{name} has shape {value.shape}: must be {shape}")
    if chi.dtype not in (np.int32, np.int64) or not chi.flags.c_contiguous:
        raise ValueError(f"accumulate_vectors.chi is {chi.dtype}: must be C-contiguous int32 or int64")
    if importlib.util.find_spec("numba") is None:
        return accumulate_plain(design, chi, codes_x, codes_d, shifts, ledger)
    from crosstrain_model import accumulator_kernel

    entries = None if ledger is None else (ledger.inputs, ledger.clipped)
    return Accumulated(**accumulator_kernel.run(design, chi, codes_x, codes_d, shifts, entries))


def accumulate_plain(
    design: Design,
    chi: npt.NDArray[Any],
    x: npt.NDArray[Any],
    d: npt.NDArray[Any],
    s: npt.NDArray[Any],
    ledger: Ledger | None = None,
) -> Accumulated:
    """The definition of `accumulate_vectors`, one vector after the other in numpy."""
    visits = term_clips = clips = 0
    touched = np.zeros(design.array.rows, np.bool_)
    for codes_x, codes_d, shift in zip(x, d, s, strict=True):
        groups = np.count_nonzero(outer_product.words(codes_d, design.array.lanes).any(axis=1))
        rows = codes_x != 0
        terms, clamped = outer_product.terms(design, codes_x, codes_d, int(shift))
        after, clipped = accumulate(design, chi, terms)
        chi[:] = after
        visits += int(groups * np.count_nonzero(rows))
        term_clips += clamped
        clips += int(np.count_nonzero(clipped))
        touched |= rows & bool(groups)
        if ledger is not None:
            ledger.accumulated(terms, clipped)
    return Accumulated(visits=visits, term_clips=term_clips, clips=clips, touched=touched)
