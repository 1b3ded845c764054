"""Judges random streams: do lines coincide as often, and as independently, as stochastic pulse trains assume?

Trains with the same thresholds throughout give bits x[train, slot, row] and d[train, slot, column]; p and q are the
probabilities with which each line should fire, N = trains * slots. Lines that never or always should are left out of
correlations.

    bias        largest |rate of x & d - p q| of a cell                         at most 3 / sqrt(N)
    variance    mean over cells of the variance of a train's coincidences,
                relative to the binomial's, slots p q (1 - p q)                 1 +- (0.05 + 3.5 / sqrt(trains))
    crossing    largest |correlation| of a row with a column                    at most 7 / sqrt(N)
    lag         largest |correlation| of a line with itself 1..8 slots later    at most 0.35 + 7 / sqrt(N)
    lines       mean |correlation| of neighbours on a side                      not bounded

What falls with the size of the sample is noise: ideal random words reach 2.0, 3.0, 5.3 and 4.3 in hundreds of runs.
The rest is what the default has of its own: with permuted bits a row is correlated by 0.19 with itself seven slots
later, for the mask of 31 bits has two taps only, and the variance is 1.02. `lines` is not 0, as the lines of a side
share a word; permutation lowers it from 0.90 to 0.27.

`statistics` and `faults` take bits from anywhere, such as the pins of a simulation. `measure` and `check` take those of
32 x 32 lines in 4000 trains of 31 slots, drawn by the model from the seed of a design. `check` also refuses what is
wrong by construction: lines of both sides that share words, an LFSR of 8 bits, and words that overlap.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstrain_model.design import Array, Design
from crosstrain_model.design_gradient import Random
from crosstrain_model.random_streams import Stream, column_draws, permuted
from crosstrain_model.section import refuse

LAGS = 8
"""Slots over which a line is compared with itself."""
LINES, SLOTS, TRAINS = 32, 31, 4000
"""Sample of `measure`."""
NAMES = {
    "bias": "bias of a coincidence rate",
    "variance": "variance of coincidences relative to binomial",
    "crossing": "correlation of a row with a column",
    "lag": "correlation of a line with itself a few slots later",
}
"""Statistics that are bounded, as messages call them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics:
    """What line bits show; all fields but the first two are pure numbers."""

    trains: int
    slots: int
    """Slots per train."""
    bias: float
    variance: float
    crossing: float
    lag: float
    lines: float

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Least and largest value of every bounded statistic, for a sample of this size."""
        noise = 1 / math.sqrt(self.trains * self.slots)
        spread = 0.05 + 3.5 / math.sqrt(self.trains)
        return {
            "bias": (0.0, 3 * noise),
            "variance": (1 - spread, 1 + spread),
            "crossing": (0.0, 7 * noise),
            "lag": (0.0, 0.35 + 7 * noise),
        }

    def excess(self, name: str) -> float:
        """How far a statistic is from its ideal, relative to how far it may be: more than 1 is a fault."""
        low, high = self.bounds[name]
        ideal = 1.0 if name == "variance" else 0.0
        return abs(float(getattr(self, name)) - ideal) / (high - ideal)

    def told(self, name: str) -> str:
        """A statistic in words, with its bounds where it breaks them."""
        low, high = self.bounds[name]
        bound = f", must be {low:.2f}..{high:.2f}" if low else f", must be at most {high:.4f}"
        return f"{NAMES[name]} {getattr(self, name):.4f}{bound if self.excess(name) > 1 else ''}"

    @property
    def worst(self) -> str:
        """The bounded statistic that says most: bias if it breaks its bound, or else whatever is furthest beyond."""
        return "bias" if self.excess("bias") > 1 else max(NAMES, key=self.excess)


def faults(seen: Statistics) -> list[str]:
    """Every bound that is broken, in words; empty for streams that are good enough."""
    return [seen.told(name) for name in NAMES if seen.excess(name) > 1]


def statistics(rows: ArrayLike, columns: ArrayLike, p: ArrayLike, q: ArrayLike) -> Statistics:
    """Statistics of line bits.

    rows, columns : bool[trains, slots, lines] which lines fire, columns in whatever direction
    p, q : float[lines] probability with which each should, the same in all trains
    """
    x, d = np.asarray(rows, np.float32), np.asarray(columns, np.float32)
    px, qd = np.asarray(p, np.float64), np.asarray(q, np.float64)
    trains, slots, _ = x.shape
    if d.shape[:2] != (trains, slots) or (x.shape[2], d.shape[2]) != (len(px), len(qd)):
        raise ValueError(f"statistics: rows {x.shape}, columns {d.shape}, p {px.shape} and q {qd.shape} do not match")
    if trains < 2 or not ((px > 0) & (px < 1)).any() or not ((qd > 0) & (qd < 1)).any():
        raise ValueError("statistics: needs two trains, and on each side a line that neither always nor never fires")
    number = trains * slots
    counts = np.matmul(x.transpose(0, 2, 1), d)  # [trains, rows, columns], each too small for a BLAS to start threads
    mean = counts.mean(0, dtype=np.float64)
    wanted = np.outer(px, qd)
    random = (wanted > 0) & (wanted < 1)
    spread = np.einsum("tij,tij->ij", counts, counts).astype(np.float64) / trains - mean**2
    binomial = slots * wanted * (1 - wanted)
    rates = x.mean((0, 1), np.float64), d.mean((0, 1), np.float64)
    covariance = mean / slots - np.outer(rates[0], qd) - np.outer(px, rates[1]) + wanted
    live = np.outer(px * (1 - px), qd * (1 - qd))
    sides = [_normal(bits.reshape(number, -1), line) for bits, line in ((x, px), (d, qd))]
    return Statistics(
        trains=trains,
        slots=slots,
        bias=float(np.abs(mean / slots - wanted).max()),
        variance=float((spread[random] / binomial[random]).mean()) * trains / (trains - 1),
        crossing=float((np.abs(covariance[live > 0]) / np.sqrt(live[live > 0])).max()),
        lag=max(_lag(side, by) for side in sides for by in range(1, min(LAGS + 1, number))),
        lines=max(_likeness(side) for side in sides),
    )


def _normal(bits: NDArray[np.float32], line: NDArray[np.float64]) -> NDArray[np.float32]:
    """Bits of the lines that are random, brought to mean 0 and variance 1: [slots, lines]."""
    random = (line > 0) & (line < 1)
    mean = line[random].astype(np.float32)
    return np.asarray((bits[:, random] - mean) / np.sqrt(mean * (1 - mean)), np.float32)


def _lag(side: NDArray[np.float32], by: int) -> float:
    """Largest correlation of a line with itself so many slots later."""
    return float(np.abs(np.einsum("nl,nl->l", side[by:], side[:-by])).max()) / (len(side) - by)


def _likeness(side: NDArray[np.float32]) -> float:
    """Mean |correlation| of neighbouring lines of a side; 0 where there is one line."""
    both = np.einsum("nl,nl->l", side[:, 1:], side[:, :-1]) / len(side)
    return float(np.abs(both).mean()) if both.size else 0.0


def measure(design: Design) -> Statistics:
    """Statistics of the streams of a design; fast, and remembered for each `random` section."""
    return _measured(design.random)


def check(design: Design) -> Statistics:
    """Statistics of the streams of a design; a `UserError` where they are not good enough for pulse trains."""
    random, seen = design.random, measure(design)
    found = seen.told(seen.worst)
    if random.columns != "own":
        raise refuse("random.columns", random.columns, f"must be own, rows and columns coincide too alike: {found}")
    if random.generator == "lfsr":
        for name in ("row_width", "column_width"):
            if (width := getattr(random, name)) < 31:
                raise refuse(f"random.{name}", width, f"must be 31 or 32, its words recur too soon: {found}")
        if random.leap < random.bits:
            bound = f"must be {random.bits}..32 (random.bits), words share bits with the next: {seen.told('variance')}"
            raise refuse("random.leap", random.leap, bound)
    if seen.excess(seen.worst) > 1:
        raise refuse("random.generator", random.generator, f"must have another seed, leap or width: {found}")
    return seen


@functools.cache
def _measured(random: Random) -> Statistics:
    design = Design(array=Array(rows=LINES, columns=LINES, lanes=1), random=random)
    rows = Stream(design, "rows").draws(TRAINS * SLOTS)
    columns = column_draws(design, rows, Stream(design, "columns"))
    thresholds = (np.arange(LINES) + 1) * 2**random.bits // (LINES + 1)
    x, d = permuted(design, "rows")[rows] < thresholds, permuted(design, "columns")[columns] < thresholds
    line = thresholds / 2**random.bits
    return statistics(x.reshape(TRAINS, SLOTS, -1), d.reshape(TRAINS, SLOTS, -1), line, line)
