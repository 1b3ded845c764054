"""Multi-level phase-change devices in integers: how one answers a pulse, and what programming anew leaves of an error.

Conductance g: int32, unit 2^-20 of G_max (ONE), 0 <= g <= ONE: what the device was last programmed to; `pcm_drift`
says what of it is left after a time, and the noise of a read.  One pulse at time `now`, amplitude code a, in int64,
shifts arithmetic, z of the event and the device column (noise.py):

    g       = g(now - since);   since = now                     the device goes on from where it has drifted to, and
                                                                 drift begins anew with every pulse
    SET     mean = max(STEP - ((SLOPE * g) >> 20), 0)           STEP = rint(step ONE),  SLOPE = rint(slope step ONE)
            mean = (mean * a + 2^14) >> 15                      a = 0x8000: as given; in proportion otherwise (assumed)
            step = max(mean + ((mean * ((z * S) >> 6) + 2048) >> 12), 0)         S = rint(sigma_cc 2^18 / 147.8)
            g    = min(g + step, ONE)
    RESET   g    = clamp(BOTTOM + ((z * R + 128) >> 8), 0, ONE)                  whatever g and a were
            BOTTOM = rint(reset_level ONE),  R = rint(reset_noise ONE 2^8 / 147.8)

A row is open from a RESET pulse on until anything else happens to the array than pulses and reads of that row, or time
passes; then the devices that were RESET while it was open, whatever SET pulses brought them to since, settle:

    e = E_0 + ((E_1 * g - ((E_2 * g) >> 20) * g) >> 20)
    g = clamp(g + ((z * e + 128) >> 8), 0, ONE)
    E_i = rint(programming_noise c_i / 25 uS ONE 2^8 / 147.8),  c = 0.26348, 1.9650, 1.1731 uS

That is the error of programming to a target (Nandakumar et al. 2019); blind SET pulses have sigma_cc alone.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.design_pcm import Pcm
from crosstrain_model.pulse import SET
from crosstrain_model.twin import noise
from crosstrain_model.twin.pcm_drift import ONE

Wide = npt.NDArray[np.int64]
Amplitude = int | npt.NDArray[np.integer[Any]]
"""One for all devices of a row, or [device columns]."""

NOMINAL = 0x8000
"""Amplitude code of a SET pulse of `pcm.step`."""
_PROGRAMMING_US = (0.26348, 1.9650, 1.1731)
G_MAX_US = 25.0
"""The largest conductance [uS]."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PcmConstants:
    """The integers of the rule."""

    step: int
    slope: int
    noise: int
    """S."""
    bottom: int
    bottom_noise: int
    """R."""
    errors: tuple[int, int, int]
    """E_0, E_1, E_2."""

    @classmethod
    def of(cls, part: Pcm) -> PcmConstants:
        """Of a section of parameters."""
        unit = part.programming_noise * ONE * 2**8 / noise.Z_SIGMA / G_MAX_US
        first, second, third = (round(c * unit) for c in _PROGRAMMING_US)
        return cls(
            step=round(part.step * ONE),
            slope=round(part.slope * part.step * ONE),
            noise=round(part.sigma_cc * 2**18 / noise.Z_SIGMA),
            bottom=round(part.reset_level * ONE),
            bottom_noise=round(part.reset_noise * ONE * 2**8 / noise.Z_SIGMA),
            errors=(first, second, third),
        )

    @property
    def numbers(self) -> Wide:
        """Those of a pulse, as compiled kernels take them."""
        return np.array((self.step, self.slope, self.noise, self.bottom, self.bottom_noise), np.int64)

    def pulse(self, g: Wide, direction: int, amplitude: Amplitude, z: Wide) -> Wide:
        """Conductances after a pulse on all devices; g drifted, g and z of one shape."""
        if direction != SET:
            bottom: Wide = np.clip(self.bottom + ((z * self.bottom_noise + 128) >> 8), 0, ONE)
            return bottom
        mean = np.maximum(self.step - ((self.slope * g) >> 20), 0)
        mean = (mean * np.asarray(amplitude, np.int64) + (1 << 14)) >> 15
        step = np.maximum(mean + ((mean * ((z * self.noise) >> 6) + 2048) >> 12), 0)
        moved: Wide = np.minimum(g + step, ONE)
        return moved

    def settle(self, g: Wide, z: Wide) -> Wide:
        """Conductances after programming anew; g and z of one shape."""
        first, second, third = self.errors
        error = first + ((second * g - ((third * g) >> 20) * g) >> 20)
        settled: Wide = np.clip(g + ((z * error + 128) >> 8), 0, ONE)
        return settled
