"""The one place where floats become integers and back.

A float vector v becomes signed codes with one power-of-two exponent (block floating point), in this order:

    q    = 2^(bits-1) - 1
    e    = smallest integer with max|v| <= q * 2^e, clamped to -128..127; 0 for a zero vector
    code = clamp(rint(v * 2^-e), -q, q)                      # halves to even; the most negative code is never used

ADC codes become floats by one factor, exact in float64 but for its last rounding:

    y = code * lsb * 2^e * weight_scale                      # lsb: one ADC code in full-scale weights times input codes

The learning rate becomes the two registers of the update (algorithm: Nandakumar 2020; chi in units of x * d):

    change worth one pulse, in units of x * d:   t = pulse_step * weight_scale / rate
    shift = smallest integer with t * 2^shift >= 2^(accumulator-5)
    theta = rint(t * 2^shift)                                # so that an accumulator holds 8 to 16 theta
    (power-of-two threshold: the power of two nearest to it on the logarithmic scale)
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.errors import UserError

Codes = npt.NDArray[np.int16]
Exponents = npt.NDArray[np.int16]


def to_codes(values: npt.ArrayLike, bits: int) -> tuple[Codes, Exponents]:
    """Quantise float vectors of shape (vectors, length) to codes of `bits` bits and one exponent per vector."""
    v = np.asarray(values, dtype=np.float64)
    if not np.isfinite(v).all():
        raise UserError("activations or gradients are not finite: the training diverged; lower train.rate")
    q = 2 ** (bits - 1) - 1
    mantissa, exponent = np.frexp(np.abs(v).max(axis=1) / q)
    exponent = np.clip(exponent - (mantissa == 0.5), -128, 127)
    codes = np.clip(np.rint(np.ldexp(v, -exponent[:, None])), -q, q)
    return codes.astype(np.int16), exponent.astype(np.int16)


def from_codes(codes: npt.ArrayLike, exponents: Exponents, unit: float) -> npt.NDArray[np.float32]:
    """ADC codes, shape (vectors, length), to floats: code * unit * 2^exponent."""
    scaled = np.asarray(codes, dtype=np.float64) * unit
    return np.ldexp(scaled, exponents.astype(np.int32)[:, None]).astype(np.float32)


def rate_registers(design: Design, pulse_step: float, weight_scale: float, rate: float) -> tuple[int, int]:
    """THRESHOLD (theta, accumulator units) and SHIFT that realise a learning rate `rate` per sample.

    Args:
        design: formats.accumulator and update.threshold_power_of_two are used.
        pulse_step: mean change of one pulse at weight 0, relative to full scale.
        weight_scale: real weight at full scale.
        rate: learning rate per sample (that of the batch divided by its size).
    """
    worth = pulse_step * weight_scale / rate
    base = design.formats.accumulator - 5
    shift = base - math.floor(math.log2(worth))
    if worth * 2.0**shift >= 2.0 ** (base + 1):  # log2 rounded down across an integer
        shift -= 1
    theta = round(worth * 2.0**shift)
    if design.update.threshold_power_of_two:
        theta = 2 ** round(math.log2(theta))
    if not -128 <= shift <= 127:
        raise UserError(f"train.rate = {rate}: needs a shift of {shift}, outside -128..127")
    return theta, shift
