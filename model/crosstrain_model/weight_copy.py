"""Weight copy: the digital weights W[r, c] beside the accumulators dW, and the targets of the pair's devices.

Both are in accumulator units, W of adc + F + 1 bits (`Design.copy_bits`).  Per program visit, for each weight of the
group, with the count p of `threshold` (|dW| >= theta; Wu 2023 has > theta: the register is one more than that theta):

    where p != 0:
        sum  = W + dW                           # dW as it was before the visit, exact
        new  = clamp(sum, -RANGE, RANGE)        # clamped weights are counted; the excess is lost, `cleared` in a ledger
        W    = new;   dW = 0                    # remainder "clear"

Pair rule: of a weight w the device of its sign carries |w| above BASE, the other rests at BASE:

    plus(w)  = BASE + max(w, 0)                 device column 2c
    minus(w) = BASE + max(-w, 0)                device column 2c + 1

A device moves, that is it is flagged and has the new value as its target, where its own value changes: of the pair one
device, or both where the sign changes; none where the clamp leaves W as it was.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """What a program visit asks of devices; arrays are [..., device columns] for weights [..., columns]."""

    copy: Int64
    """W afterwards [..., columns]."""
    flagged: npt.NDArray[np.bool_]
    """Devices that move."""
    targets: Int64
    """Their targets in accumulator units, 0 elsewhere."""
    clamped: int
    """Weights that met RANGE."""


def devices_of(w: Int64, base: int) -> Int64:
    """plus and minus [..., device columns] of weights [..., columns]."""
    pair = np.stack((np.maximum(w, 0), np.maximum(-w, 0)), axis=-1) + base
    return pair.reshape(*w.shape[:-1], -1)


def hit(w: npt.ArrayLike, dw: npt.ArrayLike, p: npt.ArrayLike, *, limit: int, base: int) -> Targets:
    """The rule for weights w, accumulators dw before the visit and counts p of one shape; limit: RANGE, base: BASE."""
    old, counts = np.asarray(w, np.int64), np.asarray(p)
    total = old + np.asarray(dw, np.int64)
    new = np.where(counts != 0, np.clip(total, -limit, limit), old)
    before, after = devices_of(old, base), devices_of(new, base)
    flagged = before != after
    return Targets(
        copy=new,
        flagged=flagged,
        targets=np.where(flagged, after, 0),
        clamped=int(np.count_nonzero((counts != 0) & (np.abs(total) > limit))),
    )
