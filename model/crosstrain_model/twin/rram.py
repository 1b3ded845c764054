"""Bulk-switching RRAM in integers: how a device answers a pulse, how it relaxes, what a read of single devices gives.

Conductance g: int32, unit 2^-20 of the largest (ONE), LOW <= g <= ONE.  One pulse of amplitude code a (of
the event, or of each device column), in int64, shifts arithmetic, z of the event and the device column (noise.py):

    plateau = LOW + (((a - A_set)   * K) >> 10)     SET                K = rint((ONE - LOW) 2^10 / span)
            = ONE - (((a - A_reset) * K) >> 10)     RESET              A: thresholds of the device
    way     = max(plateau - g, 0)   SET,   max(g - plateau, 0)   RESET
    step    = (way * R + 128) >> 8                                     R = rint(rate 2^8)
    step    = max(step + ((step * ((z * S) >> 6) + 2048) >> 12), 0)    S = rint(sigma_cc 2^18 / 147.8)
    g       = clamp(g + step or g - step, LOW, ONE)

Devices that are stuck keep LOW or ONE.  A row that was pulsed is open until something else happens to the array than
pulses and reads of that row; then its pulsed devices relax, as time passes:

    g = clamp(g + ((z * E[(g - LOW) * 64 // (ONE - LOW + 1)] + 128) >> 8), LOW, ONE)
    E[i] = rint(write_error level ONE shape(u) 2^8 / 147.8),  u = (i + 1/2) / 64
    shape(u) = (1 - s + 8 s u (1 - u)) / (1 + s / 3),  s = error_slope: mean 1

A read, per device column: level = (g + 32) >> 6, and with the converter's constants (`converter.py`, noise of a sum
there), codes unsigned:

    sum  = sum over rows of code * level                                exact
    root = floor(sqrt(sum over rows of q(code) * 2^8))                  q(code) = code^2, or bit-serial: the sum of 4^k
                                                                        over its bits k: every sample has its own noise
    sum  = sum + ((z * S_read * root + 2^15) >> 16)
    v    = ((sum * M) >> (s - 8)) + ((z * S_adc + 128) >> 8)
    code = clamp((v + 128) >> 8, 0, 2^adc - 1)

A row read has code 2^x on its row alone, and range `adc_range_row`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.pulse import SET
from crosstrain_model.twin import noise
from crosstrain_model.twin.converter import Converter

ONE = 1 << 20
ERRORS = 64
"""Entries of E."""

Grid = npt.NDArray[np.int32]
Wide = npt.NDArray[np.int64]
Amplitude = int | npt.NDArray[np.integer[Any]]
"""One for all devices of a row, or [device columns]."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RramDevices:
    """Parameters of all devices of an array, and the constants of the rule."""

    low: int
    gain: int
    """K."""
    rate: int
    """R."""
    noise: int
    """S."""
    threshold_set: Grid
    """A_set [rows, device columns]."""
    threshold_reset: Grid
    """A_reset."""
    stuck: npt.NDArray[np.int8]
    """-1 at the bottom, 1 at the top, 0 free."""
    errors: Wide
    """E [ERRORS]."""

    @functools.cached_property
    def numbers(self) -> Wide:
        """low, gain, rate and noise, as kernels take them."""
        return np.array((self.low, self.gain, self.rate, self.noise), np.int64)

    def plateau(self, row: int, direction: int, amplitude: Amplitude) -> Wide:
        """[device columns]; of an amplitude for all, or for each."""
        threshold = (self.threshold_set if direction == SET else self.threshold_reset)[row].astype(np.int64)
        way: Wide = ((amplitude - threshold) * self.gain) >> 10
        return self.low + way if direction == SET else ONE - way

    def pulse(self, g: Grid, row: int, direction: int, amplitude: Amplitude, z: npt.NDArray[np.int32]) -> Grid:
        """g [device columns] of a row after a pulse on all of them; z of each."""
        wide, plateau = g.astype(np.int64), self.plateau(row, direction, amplitude)
        sign = 1 if direction == SET else -1
        step = (np.maximum(sign * (plateau - wide), 0) * self.rate + 128) >> 8
        step = np.maximum(step + ((step * ((z.astype(np.int64) * self.noise) >> 6) + 2048) >> 12), 0)
        moved = np.clip(wide + sign * step, self.low, ONE)
        return np.where(self.stuck[row] == 0, moved, wide).astype(np.int32)

    def relax(self, g: Grid, row: int, z: npt.NDArray[np.int32]) -> Grid:
        """g [device columns] of a row when time has passed."""
        wide = g.astype(np.int64)
        error = self.errors[(wide - self.low) * ERRORS // (ONE - self.low + 1)]
        moved = np.clip(wide + ((z.astype(np.int64) * error + 128) >> 8), self.low, ONE)
        return np.where(self.stuck[row] == 0, moved, wide).astype(np.int32)


def make(design: Design, *, seed: int, tile: int, array: int) -> RramDevices:
    """Draws the devices of one array of the design."""
    part = design.rram
    shape = (design.array.rows, design.array.device_columns)
    low = round(part.low * ONE)

    def threshold(kind: int, mean: float) -> Grid:
        if not part.sigma_threshold:
            return np.full(shape, round(mean), np.int32)
        drawn = noise.normal(noise.base_key(seed, tile, array, kind), *shape)
        return np.rint(np.clip(mean + part.sigma_threshold * drawn, 0.0, 65535.0)).astype(np.int32)

    u = (np.arange(ERRORS) + 0.5) / ERRORS
    slope = part.error_slope
    bend = (1.0 - slope + 8.0 * slope * u * (1.0 - u)) / (1.0 + slope / 3.0)
    return RramDevices(
        low=low,
        gain=round((ONE - low) * 2.0**10 / part.span),
        rate=round(part.rate * 2**8),
        noise=round(part.sigma_cc * 2**18 / noise.Z_SIGMA),
        threshold_set=threshold(noise.DEVICE_STEP, part.set_threshold),
        threshold_reset=threshold(noise.DEVICE_ASYMMETRY, part.reset_threshold),
        stuck=_stuck(design, shape, noise.base_key(seed, tile, array, noise.DEVICE_UPPER)),
        errors=np.rint(part.write_error * part.level * ONE * bend * 2**8 / noise.Z_SIGMA).astype(np.int64),
    )


def _stuck(design: Design, shape: tuple[int, int], base: noise.Key) -> npt.NDArray[np.int8]:
    """One word of a device decides: below stuck_low of 2^32, or of the rest above 1 - stuck_high."""
    rows, columns = shape
    key = noise.event_key(base, np.zeros(rows, np.int64), np.arange(rows))
    drawn = noise.words(key, np.arange(columns)).astype(np.float64) / 2.0**32
    stuck = np.zeros(shape, np.int8)
    stuck[drawn >= 1.0 - design.rram.stuck_high] = 1
    stuck[drawn < design.rram.stuck_low] = -1
    return stuck


def sample_weights(design: Design) -> Wide:
    """q(code) of every code [2^x]."""
    codes = np.arange(1 << design.formats.x, dtype=np.int64)
    if design.array.read == "parallel":
        return codes**2
    spread = np.zeros_like(codes)
    for k in range(design.formats.x):
        spread += ((codes >> k) & 1) << (2 * k)
    return spread


def to_codes(part: Converter, sums: Wide, root: Wide, read: Wide, adc: Wide) -> npt.NDArray[np.int32]:
    """Codes [B, device columns] of exact sums; root [B, 1]; z of the read and of the ADC, int64 of sums' shape."""
    noisy = sums + ((read * part.read_noise * root + (1 << 15)) >> 16)
    v = ((noisy * part.multiplier) >> (part.shift - 8)) + ((adc * part.adc_noise + 128) >> 8)
    codes: npt.NDArray[np.int32] = np.clip((v + 128) >> 8, 0, (1 << part.adc) - 1).astype(np.int32)
    return codes
