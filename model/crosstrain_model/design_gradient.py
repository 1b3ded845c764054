"""Sections of a design for in-memory gradients: random streams, pulse trains, row transfers.

Designs whose scheme keeps its gradient in digital accumulators (`mp`) carry them too, unused.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from crosstrain_model.section import Section, choice, flag, integer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Random(Section):
    """Random streams of stochastic pulse trains, choppers and rounding (`random_streams.py`)."""

    PATH: ClassVar[str] = "random"

    generator: str = choice("lfsr", "lfsr", "xoshiro128++")
    """Generator of all streams: Galois LFSRs, or xoshiro128++ (four times the cells, no known weakness here)."""
    bits: int = integer(8, 4, 10)
    """w: bits of the word that a line compares with its threshold 0..2^w."""
    leap: int = integer(8, 1, 32)
    """Steps of an LFSR per word; at least `bits`, or words overlap."""
    row_width: int = choice(31, 8, 31, 32)
    """Bits of the LFSR of the row lines; 8 serves only to show that it is too few."""
    column_width: int = choice(32, 8, 31, 32)
    """Bits of the LFSR of the column lines; 8 serves only to show that it is too few."""
    columns: str = choice("own", "own", "rows", "rows-reversed")
    """Where the column lines' words come from: their own stream, or the row stream's (as it is, or bit-reversed)."""
    permute: bool = flag(True)
    """Every line permutes the bits of its word in a fixed way of its own: wires, and less correlation of lines."""
    seed: int = integer(1, 0, 2**32 - 1)
    """The reset values of the seed registers follow from it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Section):
    """Stochastic pulse trains: how a vector pair updates the array in place (Gokmen & Vlasov 2016)."""

    PATH: ClassVar[str] = "train"

    slots: int = integer(5, 1, 63)
    """l_max: most slots of a train."""
    dynamic: bool = flag(True)
    """Train length BL = min(ceil(k), l_max) from the vectors; otherwise always l_max.  *register*."""
    eta_log2: int = integer(0, -4096, 4096)
    """Learning rate eta0 = 2^(eta_log2 / 256) of lambda_A = eta0 l_max delta_A / (mu_x mu_d).  *register*, with
    l_max."""
    momentum_log2: int = integer(4, 0, 12)
    """Running means move by 2^-momentum_log2 of the difference with every vector.  *register*."""
    polarity: str = choice("mixed", "mixed", "separate")
    """mixed: two phases, in each a column pulses in the direction that its sign gives.  separate: a macro that cannot
    mix polarities in a phase gets four."""
    width: int = integer(5, 1, 2**28 - 1)
    """Width of a pulse of a train [cycles].  *register*, bounded by pulse.width_limit."""
    guard: int = integer(0, 0, 2**16 - 1)
    """Quiet time between two slots [cycles].  *register*."""
    amplitude: int = integer(0x8000, 0, 2**16 - 1)
    """Amplitude code of trains.  *register*."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer(Section):
    """From the gradient array A to the weights: row reads, choppers, references (Rasch et al. 2024)."""

    PATH: ClassVar[str] = "transfer"

    every: int = integer(2, 1, 2**16 - 1)
    """n_s: vectors between two row transfers.  *register*."""
    chopper: str = choice("scheme", "scheme", "none", "period", "random")
    """Chopper of every row: as the scheme has it, none, flipping every `period` reads, or with `flip_probability`."""
    column_chopper: str = choice("none", "none", "period", "random")
    """The same of every column; flips only when the sweep over the rows wraps.  Not with a dynamic reference."""
    period: int = integer(10, 2, 2**16 - 1)
    """Reads of a row between flips of its chopper.  *register*."""
    flip_probability: int = integer(6554, 0, 2**16)
    """rho in units of 2^-16.  *register*."""
    reference: str = choice("scheme", "scheme", "none", "static", "dynamic", "both")
    """What is subtracted from a read of A: as the scheme has it, nothing, the array R (static: A - R in the array), the
    running reference P_ref (dynamic, digital), or both."""
    memory: str = choice("leak", "leak", "last")
    """Dynamic reference: P leaks (two words per weight beside H), or is the last read, beta = 1 (one word)."""
    leak_log2: int = integer(1, 0, 7)
    """beta = 2^-leak_log2 of the leaking P.  *register*."""
    warmup: int = integer(-1, -1, 2**16 - 1)
    """Sweeps before W is first written; -1: period + 1 with a dynamic reference, else 0.  *register*."""
