"""Threshold comparator: turns accumulated change into whole pulses.

Per program visit, for each accumulator a (signed, `formats.accumulator` bits, W), in this order:

    p = trunc(a / theta)                          # toward zero, Nandakumar 2020
    p = clamp(p, -max_pulses, max_pulses)
    a = a - p * theta                             # remainder "keep" (Nandakumar 2020)
    a = 0 where p != 0                            # remainder "clear" (Wu 2023)
    left = |a| >= theta                           # only the clamp of p leaves that much, and only under "keep"

theta is any integer 1..2^(W-1)-1; with `threshold_power_of_two` the register holds log2(theta), 0..W-2.  Nothing rounds
and nothing saturates: |a| never grows.

The hardware takes pulses greedily: it compares |a| with m * theta for each m of `steps`, in order, and subtracts where
it fits.  The steps are chosen so that every count 0..max_pulses is reached exactly when it is the true one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design


def steps(max_pulses: int) -> list[int]:
    """Powers of two that sum to max_pulses, each at most half of what it and its followers sum to, rounded up.

    15 is 8, 4, 2, 1; 5 is 2, 2, 1; 6 is 2, 2, 1, 1.  The greedy choice among such steps finds any count 0..max_pulses.
    """
    chain, left = [], max_pulses
    while left:
        step = 1 << ((left + 1) // 2).bit_length() - 1
        chain.append(step)
        left -= step
    return chain


def theta_limit(design: Design) -> int:
    """Greatest legal theta, 2^(W-1) - 1."""
    return (1 << (design.formats.accumulator - 1)) - 1


def compare(
    design: Design, a: npt.ArrayLike, theta: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Pulse counts, accumulators afterwards, and where a whole theta is left, each of a's shape.

    a : accumulators, any shape; theta : in accumulator units, also where the register holds its logarithm.
    """
    if not 1 <= theta <= theta_limit(design):
        raise ValueError(f"update.threshold = {theta}: must be 1..{theta_limit(design)} (formats.accumulator)")
    before = np.asarray(a, np.int64)
    limit = design.update.max_pulses
    p = np.sign(before) * np.minimum(np.abs(before) // theta, limit)
    after = before - p * theta if design.remainder == "keep" else np.where(p != 0, 0, before)
    return p, after, np.abs(after) >= theta
