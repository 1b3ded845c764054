"""DACs and ADCs of the array: from codes to line levels, and from exact sums to codes, in integers.

Full scale of a code of n bits is 2^(n-1), of a weight 2^14 (`READ_BITS`), of the ADC 2^(adc-1) codes at a sum of
`range` full-scale products.  One vector, in this order (z: noise.py; every operation in int64, shifts arithmetic):

    level = code                                                         # no DAC noise: F = 0
    level = clamp((code << F) + ((z * S_dac + 2048) >> 12), +-32767)     # DAC noise: F = 14 - n, full scale 2^13
    sum   = sum over lines of level * weight                             # exact
    root  = floor(sqrt(sum over lines of code^2 * 2^8))
    sum   = sum + ((((z * S_read * root) << F) + 2^15) >> 16)
    v     = (sum * M) >> (s - 8)                                         # 1/256 LSB
    v     = v + ((z * S_adc + 128) >> 8)
    code  = clamp((v + 128) >> 8, -2^(adc-1), 2^(adc-1) - 1)             # nearest, halves up

    M / 2^s = 2^(adc - n - F - 14) / range, rounded to 2^21 <= M < 2^22 (exact when the range is a power of two)
    S_dac = round(dac_noise * 2^25 / 147.8)
    S_read = round(read_noise * 2^26 / 147.8)
    S_adc = round(adc_noise * 2^16 / 147.8)

|sum| stays below 2^41 (1024 lines of 2^15 * 2^15, plus noise), so that sum * M fits 63 bits and a float64 sum is exact.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.twin import noise
from crosstrain_model.twin.device import READ_BITS

Codes = npt.NDArray[np.int32]
Sums = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Converter:
    """One direction of reading: DACs of `bits`, ADCs of `adc` bits, and their noise as the integers of the rule."""

    bits: int
    adc: int
    fraction: int
    """F: fraction bits that DAC noise adds to a level."""
    multiplier: int
    """M."""
    shift: int
    """s."""
    dac_noise: int
    read_noise: int
    adc_noise: int
    lsb: float
    """One ADC code in units of (full-scale weight) * (one input code); exact where the range is a power of two."""

    def check_codes(self, codes: npt.NDArray[np.integer[Any]], field: str) -> None:
        """Raises for codes that the DAC does not have."""
        full = 1 << (self.bits - 1)
        if codes.size and (codes.min() < -full or codes.max() >= full):
            worst = codes.flat[np.argmax(np.abs(codes.astype(np.int64) * 2 + 1))]
            raise ValueError(f"ArrayTile.{field} = {worst}: codes must be {-full}..{full - 1}")

    def levels(self, codes: Codes, key: noise.Key) -> npt.NDArray[np.int64]:
        """Line levels [B, lines] of codes [B, lines]; `key` [B] of the DAC."""
        wide = codes.astype(np.int64) << self.fraction
        if not self.dac_noise:
            return wide
        z = noise.z_of(noise.words(key, np.arange(codes.shape[1]))).astype(np.int64)
        return np.clip(wide + ((z * self.dac_noise + 2048) >> 12), -32767, 32767)

    def root(self, codes: Codes) -> npt.NDArray[np.int64]:
        """Root of the summed squares [B, 1] in 1/16 code; below 2^52 a float64 root has the right floor."""
        squares = (codes.astype(np.int64) ** 2).sum(axis=1, keepdims=True) << 8
        root: npt.NDArray[np.int64] = np.floor(np.sqrt(squares.astype(np.float64))).astype(np.int64)
        return root

    def codes(self, sums: Sums, root: npt.NDArray[np.int64], read: noise.Key, adc: noise.Key) -> Codes:
        """ADC codes [B, columns] of exact sums [B, columns]; keys [B]."""
        index = np.arange(sums.shape[1])
        if self.read_noise:
            z = noise.z_of(noise.words(read, index)).astype(np.int64)
            sums = sums + ((((z * self.read_noise * root) << self.fraction) + (1 << 15)) >> 16)
        v = (sums * self.multiplier) >> (self.shift - 8)
        if self.adc_noise:
            v = v + ((noise.z_of(noise.words(adc, index)).astype(np.int64) * self.adc_noise + 128) >> 8)
        full = 1 << (self.adc - 1)
        codes: Codes = np.clip((v + 128) >> 8, -full, full - 1).astype(np.int32)
        return codes


def make(design: Design, *, bits: int, full_range: float) -> Converter:
    """The converter of one direction: `full_range` in full-scale products."""
    part, adc = design.converters, design.formats.adc
    fraction = 14 - bits if part.dac_noise else 0
    gain = Fraction(2) ** (adc - bits - fraction - READ_BITS) / Fraction(full_range)
    shift = 0
    while gain * Fraction(2) ** shift < 1 << 21:
        shift += 1
    multiplier = round(gain * Fraction(2) ** shift)
    if multiplier == 1 << 22:  # rounded up to the next octave
        multiplier, shift = 1 << 21, shift - 1
    assert (1 << 21) <= multiplier < (1 << 22)
    assert 8 <= shift <= 62
    return Converter(
        bits=bits,
        adc=adc,
        fraction=fraction,
        multiplier=multiplier,
        shift=shift,
        dac_noise=round(part.dac_noise * 2**25 / noise.Z_SIGMA),
        read_noise=round(part.read_noise * 2**26 / noise.Z_SIGMA),
        adc_noise=round(part.adc_noise * 2**16 / noise.Z_SIGMA),
        lsb=full_range * 2.0 ** (bits - adc),
    )
