"""The scheme table: a scheme is a row of choices at the stations of one pipeline, not code.

    source -> demodulate -> subtract reference -> accumulate -> threshold -> program

A new scheme is a row here and at most one new station; hardware that a row does not name is not generated.  A design
may take a row and choose otherwise at single stations (`update.remainder`, `transfer.chopper`, `transfer.reference`).
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme:
    """One row of the table."""

    source: str
    """What a visit adds to the accumulators: "outer-product" (x[r] * d[c]), "stream" (words of the host's update
    stream), "read" (codes of a row of the gradient array A), or "none" (no accumulators: pulse trains act on the
    weights themselves)."""
    chopper: str = "none"
    """Demodulation: "none", "period" or "random" (`transfer.chopper`)."""
    reference: str = "none"
    """What is subtracted from a read: "none", "static" or "dynamic" (`transfer.reference`)."""
    remainder: str = "keep"
    """After a hit: "keep" the remainder or "clear" it (`update.remainder`)."""
    programming: str
    """How a hit becomes conductance: "blind" (pulses without verify), "verify" (to the target W + dW, by incremental
    pulses with reads between), "carry" (hybrid weights: what overflows a short accumulator L is blind SET pulses, and
    pairs that they have filled are programmed anew by write-verify), or "none"."""
    schedule: str
    """When rows are programmed: "pass" (all rows, after a batch or every k vectors), "visit" (where a visit carries),
    "sweep" (one row every n_s vectors), or "none"."""
    paper: str
    """Where the scheme was published."""


_RASCH = "Rasch et al. 2024, Nature Communications 15:7133"

SCHEMES = MappingProxyType(
    {
        "mp": Scheme(
            source="outer-product",
            programming="blind",
            schedule="pass",
            paper="Nandakumar et al. 2020, Front. Neurosci. 14:406",
        ),
        "wu": Scheme(
            source="stream",
            remainder="clear",
            programming="verify",
            schedule="pass",
            paper="Wu et al. 2023, mixed-precision training of bulk-switching RRAM",
        ),
        "hic": Scheme(
            source="stream",
            programming="carry",
            schedule="visit",
            paper="Joshi, He, Seo, Rajendran 2021, arXiv:2102.05271",
        ),
        "sgd": Scheme(
            source="none",
            programming="none",
            schedule="none",
            paper="Gokmen & Vlasov 2016, Front. Neurosci. 10:333",
        ),
        "ttv2": Scheme(
            source="read",
            reference="static",
            remainder="clear",
            programming="blind",
            schedule="sweep",
            paper="Gokmen 2021, Front. Artif. Intell. 4:699148",
        ),
        "c-ttv2": Scheme(
            source="read",
            chopper="random",
            reference="static",
            remainder="clear",
            programming="blind",
            schedule="sweep",
            paper=_RASCH,
        ),
        "agad": Scheme(
            source="read",
            chopper="period",
            reference="dynamic",
            remainder="clear",
            programming="blind",
            schedule="sweep",
            paper=_RASCH,
        ),
    }
)
"""Scheme name -> row; the keys are the legal values of a design's `scheme`."""
