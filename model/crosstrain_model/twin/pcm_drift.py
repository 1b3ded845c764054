"""What time does to phase-change devices, in integers: drift, and the 1/f noise of reads.

Both are functions of the conductance g that a device was programmed to (int, unit 2^-20 of G_max, ONE = 2^20), of a
deviate xi of the device that was drawn once (unit 2^-16), and of the time t since it was programmed [ns].  Nothing is
accumulated: whatever was read before, and when, a read at t sees the same conductance.  log2 and power are those of
powers.py; shifts are arithmetic, all in int64:

    depth = 20 * 2^16 - log2(max(g, 1))                                 -ln(G) = ln2 * depth / 2^16
    mu    = clamp(((MU * depth + 2^15) >> 16) + MU_0, MU_LOW, MU_HIGH)                 unit 2^-20
    sigma = clamp(((SIGMA * depth + 2^15) >> 16) + SIGMA_0, SIGMA_LOW, SIGMA_HIGH)
    nu    = (|mu + ((sigma * xi + 2^15) >> 16)| * D + 2^15) >> 16       D = rint(drift 2^16)

    age   = max(log2(max(t, 1)) - log2(20 s), 0)
    g(t)  = (g * power((nu * age + 2^19) >> 20) + 2^29) >> 30           g for the first 20 s: that is how g is defined

    q     = power(max(Q - ((42598 * depth + 2^15) >> 16), Q_LOW))       min(0.0088 / G^0.65, 0.2)
    ln    = (45426 * max(log2(t + 250) - log2(500), 0) + 2^15) >> 16    ln((t + 250 ns) / 500 ns), unit 2^-16
    root  = floor(sqrt(ln * 2^16))                                      exact in double precision
    s(t)  = ((((g(t) * q) >> 20) * root >> 14) * N + 2^31) >> 32        N = rint(read_noise 2^16)

s is the standard deviation of a read, unit 2^-16 of G_max.  Devices with nu = 0 are stable.  Source: aihwkit's
PCMLikeNoiseModel, fitted to a million devices (Nandakumar et al. 2019); there the exponent is drawn anew with each
programming, here the device keeps xi, and t of the noise starts with the programming.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.twin.powers import log2, power

ONE = 1 << 20
SECOND = 10**9
"""[ns]"""
START = 20 * SECOND
"""Age at which a conductance is what was programmed; drift counts from there [ns]."""
TIME_LIMIT = 1 << 62
"""Times are below it: 146 years [ns]."""

Wide = npt.NDArray[np.int64]

_LN2 = 0.6931471805599453
MU, SIGMA = round(0.0155 * _LN2 * 2**20), round(0.0125 * _LN2 * 2**20)
MU_0, SIGMA_0 = round(0.0244 * 2**20), round(-0.0059 * 2**20)
MU_LOW, MU_HIGH = round(0.049 * 2**20), round(0.1 * 2**20)
SIGMA_LOW, SIGMA_HIGH = round(0.008 * 2**20), round(0.045 * 2**20)
Q, Q_LOW = 447498, 152170
"""-log2 of 0.0088 and of 0.2, times 2^16."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Aging:
    """The rule with its two scales."""

    drift: int
    """D."""
    noise: int
    """N."""

    @classmethod
    def of(cls, *, drift: float, read_noise: float) -> Aging:
        """From the scales of a section."""
        return cls(drift=round(drift * 2**16), noise=round(read_noise * 2**16))

    def exponent(self, g: Wide, xi: Wide) -> Wide:
        """nu of devices, unit 2^-20; g and xi int64 of one shape."""
        depth = _depth(g)
        mu = np.clip(((MU * depth + (1 << 15)) >> 16) + MU_0, MU_LOW, MU_HIGH)
        sigma = np.clip(((SIGMA * depth + (1 << 15)) >> 16) + SIGMA_0, SIGMA_LOW, SIGMA_HIGH)
        nu: Wide = (np.abs(mu + ((sigma * xi + (1 << 15)) >> 16)) * self.drift + (1 << 15)) >> 16
        return nu

    def drifted(self, g: Wide, xi: Wide, t: Wide) -> Wide:
        """g(t) of devices, t [ns] of their shape, 0 .. TIME_LIMIT - 1."""
        if not self.drift:
            return g
        age = np.maximum(log2(np.maximum(t, 1)) - log2(START), 0)
        factor = power((self.exponent(g, xi) * age + (1 << 19)) >> 20)
        seen: Wide = (g * factor + (1 << 29)) >> 30
        return seen

    def deviation(self, g: Wide, seen: Wide, t: Wide) -> Wide:
        """s(t) of devices, unit 2^-16 of G_max; seen: g(t)."""
        if not self.noise:
            return np.zeros_like(g)
        q = power(np.maximum(Q - ((42598 * _depth(g) + (1 << 15)) >> 16), Q_LOW))
        ln = (45426 * np.maximum(log2(t + 250) - log2(500), 0) + (1 << 15)) >> 16
        root = np.floor(np.sqrt((ln << 16).astype(np.float64))).astype(np.int64)
        s: Wide = ((((seen * q) >> 20) * root >> 14) * self.noise + (1 << 31)) >> 32
        return s


def _depth(g: Wide) -> Wide:
    return (20 << 16) - log2(np.maximum(g, 1))
