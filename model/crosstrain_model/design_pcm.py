"""Phase-change devices of the model: the multi-level device of weights, and the binary one that holds single bits.

Conductance is relative to the largest, G_max = 25 uS.  A number is `measured` where the source fitted it to devices,
`reconstructed` where it follows from what Joshi et al. 2021 say, and `assumed` where nothing is published.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from crosstrain_model.section import Section, integer, real, refuse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pcm(Section):
    """The multi-level device (twin/pcm.py).  Zero in all noises and in `slope` makes it ideal."""

    PATH: ClassVar[str] = "pcm"

    step: float = real(0.125, 0.001, 1.0)
    """Mean increment of one SET pulse at G = 0: Delta_M = 2 w_max / 2^b_M, b_M = 4, w_max = 1 (reconstructed)."""
    slope: float = real(0.6, 0.0, 1.0)
    """What an increment loses from G = 0 to G = 1: mean = step (1 - slope G) (assumed)."""
    sigma_cc: float = real(0.4, 0.0, 1.0)
    """Standard deviation of an increment, relative to its mean (assumed)."""
    programming_noise: float = real(1.0, 0.0, 4.0)
    """Scale of the error that is left when a device was RESET and programmed anew: 0.26348 + 1.9650 G - 1.1731 G^2
    [uS] (measured; aihwkit, Nandakumar et al. 2019)."""
    read_noise: float = real(1.0, 0.0, 2.0)
    """Scale of the 1/f noise of reads: G(t) min(0.0088 / G^0.65, 0.2) sqrt(ln((t + 250 ns) / 500 ns)) (measured)."""
    drift: float = real(1.0, 0.0, 2.0)
    """Scale of the drift exponent nu, G(t) = G (t / 20 s)^-nu; nu = |N(mu, sigma)|, mu = clip(-0.0155 ln G + 0.0244,
    0.049, 0.1), sigma = clip(-0.0125 ln G - 0.0059, 0.008, 0.045) (measured)."""
    reset_level: float = real(0.004, 0.0, 0.5)
    """Mean conductance after a RESET pulse (assumed)."""
    reset_noise: float = real(0.002, 0.0, 0.5)
    """Its standard deviation (assumed)."""
    batch_ns: int = integer(10**6, 0, 10**15)
    """Time from one batch of training to the next [ns], which drift and the noise of reads follow (assumed: 1 ms)."""


IDEAL = Pcm(
    slope=0.0, sigma_cc=0.0, programming_noise=0.0, read_noise=0.0, drift=0.0, reset_level=0.0, reset_noise=0.0
)
"""A device of equal, exact steps that keeps what it holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BinaryPcm(Section):
    """The binary device (twin/pcm_binary.py): two conductances, told apart by a threshold.  All levels are assumed."""

    PATH: ClassVar[str] = "binary_pcm"

    set_level: float = real(0.8, 0.1, 1.0)
    """Mean conductance of a 1."""
    reset_level: float = real(0.02, 0.0, 0.9)
    """Mean conductance of a 0."""
    level_noise: float = real(0.04, 0.0, 0.5)
    """Standard deviation of a written 1 about its level; that of a 0 is in proportion."""
    read_level: float = real(0.1, 0.001, 0.999)
    """A read gives 1 where the conductance is greater."""
    error_set: float = real(0.0, 0.0, 1.0)
    """Part of the SET pulses that leave a device as it was."""
    error_reset: float = real(0.0, 0.0, 1.0)
    """Part of the RESET pulses that do."""
    stuck_low: float = real(0.0, 0.0, 1.0)
    """Part of the devices that are 0 whatever is done."""
    stuck_high: float = real(0.0, 0.0, 1.0)
    """Part of the devices that are 1."""
    read_noise: float = real(1.0, 0.0, 2.0)
    """Scale of the 1/f noise of reads, as of `pcm`."""
    drift: float = real(1.0, 0.0, 2.0)
    """Scale of the drift exponent, as of `pcm`."""

    def check(self) -> None:
        if not self.reset_level < self.read_level < self.set_level:
            bound = f"must be between {self.reset_level} (reset_level) and {self.set_level} (set_level)"
            raise refuse("binary_pcm.read_level", self.read_level, bound)
        if self.stuck_low + self.stuck_high > 1.0:
            bound = f"must be at most {1.0 - self.stuck_low} (1 - binary_pcm.stuck_low)"
            raise refuse("binary_pcm.stuck_high", self.stuck_high, bound)
