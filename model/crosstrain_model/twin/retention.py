"""Retention: devices forget, toward the conductance that they had when new.

After every k-th train of an array (`decay_every`; the number of trains that pulsed any device is a multiple of k), on
all its devices:

    d = g - rest
    g = g - sign(d) * ((|d| + 2^(n-1)) >> n)              n = decay_log2

in units of 2^-20 of the half range, |d| < 2^22.  It stops within 2^(n-1) units of rest, at most 0.05 % of the half
range; it never passes rest, so that bounds hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Grid32 = npt.NDArray[np.int32]


def decay(g: Grid32, rest: Grid32, log2: int) -> None:
    """One step of all devices, in place."""
    distance = g - rest
    g -= np.sign(distance) * ((np.abs(distance) + np.int32(1 << (log2 - 1))) >> log2)
