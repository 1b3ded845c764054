"""The one place where floats become integers and back.

A float vector v becomes signed codes with one power-of-two exponent (block floating point), in this order:

    q    = 2^(bits-1) - 1
    e    = smallest integer with max|v| <= q * 2^e, clamped to -128..127; 0 for a zero vector
    code = clamp(rint(v * 2^-e), -q, q)                      # halves to even; the most negative code is never used

ADC codes become floats by one factor, exact in float64 but for its last rounding:

    y = code * lsb * 2^e * weight_scale                      # lsb: one ADC code in full-scale weights times input codes
    y = 0                                                    # of a zero vector: its exponent knows no size of the noise

A change of weights that the host made (schemes whose source is "stream") becomes accumulator units, of which the
digital copies of weights are made too:

    unit  = 2^-F of an ADC code of a row read, relative to full scale
          = adc_range_row / 2^(adc - 1 + F);  one-sided pairs have unsigned codes: adc_range_row / 2^(adc + F)
          = step * amplitude / 2^15 / 2^(b_L - 1 + F)          of hybrid weights, step and amplitude those of a carry
    units = clamp(rint(change / (unit * weight_scale)), -(2^31 - 1), 2^31 - 1)

The learning rate becomes the two registers of the update (algorithm: Nandakumar 2020; chi in units of x * d):

    change worth one pulse, in units of x * d:   t = pulse_step * weight_scale / rate
    shift = smallest integer with t * 2^shift >= 2^(accumulator-5)
    theta = rint(t * 2^shift)                                # so that an accumulator holds 8 to 16 theta
    (power-of-two threshold: the power of two nearest to it on the logarithmic scale)

In-memory gradients are normalised by the running means mu_x, mu_d (`scale.py`), and so is their rate: it is the one
asked for where mu_x mu_d = 1.  Trains on the weights themselves (sgd), delta = pulse_step:

    train_rate = rint(256 log2(rate / (delta * weight_scale)))       k pulses for the largest pair, as it usually is

With transfers trains are as the design has them, eta0 l_max pulses for that pair, and theta holds the rate (Rasch et
al. 2024: lambda_H = lambda n_s n_r / (gamma0 delta_W), with lambda = rate / (weight_scale eta0 l_max delta_A)):

    theta = round(2^F / lambda_H), lambda_H per ADC code             gamma0 = 100; n_s, eta0 as the design has them
"""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.errors import UserError
from crosstrain_model.transfer import theta_of

Codes = npt.NDArray[np.int16]
Exponents = npt.NDArray[np.int16]
COMPILED = importlib.util.find_spec("numba") is not None
"""Whether float32 arrays are converted by `converter_kernels.py`, to the same codes."""
DIVERGED = "activations or gradients are not finite: the training diverged; lower train.rate"
GAMMA0 = 100.0
"""gamma0, the accumulation length of a transfer; half the 200 of Rasch et al. 2024, with which digits learnt better."""


def to_codes(values: npt.ArrayLike, bits: int) -> tuple[Codes, Exponents]:
    """Quantise float vectors of shape (vectors, length) to codes of `bits` bits and one exponent per vector."""
    q = 2 ** (bits - 1) - 1
    if COMPILED and isinstance(values, np.ndarray) and values.dtype == np.float32:
        from crosstrain_model.training import converter_kernels

        codes, exponents = np.empty(values.shape, np.int16), np.empty(len(values), np.int16)
        if not converter_kernels.to_codes(np.ascontiguousarray(values), float(q), codes, exponents):
            raise UserError(DIVERGED)
        return codes, exponents
    v = np.asarray(values, dtype=np.float64)
    if not np.isfinite(v).all():
        raise UserError(DIVERGED)
    mantissa, exponent = np.frexp(np.abs(v).max(axis=1) / q)
    exponent = np.clip(exponent - (mantissa == 0.5), -128, 127)
    rounded = np.clip(np.rint(np.ldexp(v, -exponent[:, None])), -q, q)
    return rounded.astype(np.int16), exponent.astype(np.int16)


def from_codes(codes: npt.ArrayLike, exponents: Exponents, unit: float) -> npt.NDArray[np.float32]:
    """ADC codes, or sums of them in float64, shape (vectors, length), to floats: code * unit * 2^exponent."""
    if COMPILED and isinstance(codes, np.ndarray) and codes.dtype in (np.int64, np.float64):
        from crosstrain_model.training import converter_kernels

        out = np.empty(codes.shape, np.float32)
        converter_kernels.from_codes(np.ascontiguousarray(codes), exponents, unit, out)
        return out
    scaled = np.asarray(codes, dtype=np.float64) * unit
    return np.ldexp(scaled, exponents.astype(np.int32)[:, None]).astype(np.float32)


def copy_unit(design: Design) -> float:
    """One unit of changes, accumulators and digital copies, relative to a full-scale weight."""
    if design.carried:
        step = design.pcm.step * design.pulse.amplitude_set / 2.0**15
        return step / 2.0 ** (design.hybrid.bits - 1 + design.formats.fraction)
    signed = int(design.array.pair != "one-sided")
    return design.converters.adc_range_row / 2.0 ** (design.formats.adc - signed + design.formats.fraction)


def to_units(values: npt.NDArray[np.float32], unit: float) -> npt.NDArray[np.int32]:
    """Floats of any shape in units of `unit`, to nearest, halves to even; `UserError` for what is not finite."""
    if not np.isfinite(values).all():
        raise UserError(DIVERGED)
    limit = 2.0**31 - 1
    return np.clip(np.rint(values.astype(np.float64) / unit), -limit, limit).astype(np.int32)


def from_units(units: npt.NDArray[np.integer], unit: float) -> npt.NDArray[np.float32]:
    """The inverse, exact where units have at most 24 bits and `unit` is a power of two."""
    return (units.astype(np.float64) * unit).astype(np.float32)


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


def registers_of_rate(design: Design, pulse_step: float, weight_scale: float, rate: float) -> dict[str, int]:
    """The registers that realise a learning rate, by name; arguments as in `rate_registers`."""
    if not design.pulsed:
        theta, shift = rate_registers(design, pulse_step, weight_scale, rate)
        return {"threshold": theta, "shift": shift}
    if not design.transfers:
        return {"train_rate": round(256 * math.log2(rate / (pulse_step * weight_scale)))}
    strongest = 2.0 ** (design.train.eta_log2 / 256) * design.train.slots * design.gradient_device.mean_step
    step = rate / (weight_scale * strongest)
    of_a = step * design.transfer.every * design.array.rows / (GAMMA0 * pulse_step)
    code = design.converters.adc_range_row / 2 ** (design.formats.adc - 1)
    return {"threshold": theta_of(design, of_a * code)}
