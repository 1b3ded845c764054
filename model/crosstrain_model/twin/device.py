"""The analog devices: integer parameters of each, and the one rule of a pulse.

Conductance g is int32 in units of 2^-20 of the half range (ONE = 2^20 is the upper end of a nominal device); bounds
are multiples of 64 within +-(2^21 - 64).  Each device has six int16 parameters: the bounds `low` and `high` in units
of 2^-14, and for each direction a step at zero A (up >= 0, down <= 0) and its slope K >= 0, in units of 2^(e-20),
where e is the smallest exponent of the tile that lets all of them fit.  One pulse, every operation in int32, shifts
arithmetic:

    step = A - ((K * (g >> 6) + 8192) >> 14)        # A_up, K_up or A_down, K_down
    step = max(step, 0) up,  min(step, 0) down      # the mean never turns round
    step = step + ((base * zs + 2048) >> 12)        # zs = (z * S) >> 6;  base = step or A (device.noise_base)
    g    = clamp(g + (step << e), low << 6, high << 6)

    S = round(sigma_cc * 2^18 / 147.8)

z is the noise of the event (noise.py).  The parameters, with delta = step or 2 / states and xi drawn once per device:

    gamma = exp(sigma_dd xi);   a_up, a_down = max(delta (gamma +- (asymmetry + sigma_pm xi)), 0)
    high = max(1 + sigma_b xi, 0),  low = min(-1 + sigma_b_low xi, 0), cut at +-(2 - 2^-14)
    ideal          A = delta           K = 0, bounds at +-(2 - 2^-14), no variation and no noise whatever the sigmas
    constant-step  A = a               K = 0
    linear-step    A = a               K = a * slope
    soft-bounds    A = K * |bound|     K = min(a / |bound|, 1)        (Rasch et al. 2024, methods)

The limit in soft-bounds says that one mean pulse reaches the bound at most.  With |A|, |K|, |g >> 6| <= 32767,
sigma_cc <= 1 and e <= 7 the largest intermediate values are 2^30 + 2^13, 98304 * 14136 + 2048 and
(98304 + 339270) * 2^7 + 2^21: nothing wraps, and `make` checks the premises.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.design_device import Device
from crosstrain_model.port import ArrayId
from crosstrain_model.twin import noise

ONE = 1 << 20
"""Conductance of the upper end of a nominal device."""
READ_BITS = 14
"""A read sees conductance in units of 2^-14."""
BOUND_LIMIT = 32767
"""Largest |bound| in units of 2^-14."""

Grid16 = npt.NDArray[np.int16]
Grid32 = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
    """Parameters of all devices of an array; the grids are int16 [rows, device columns]."""

    step_up: Grid16
    slope_up: Grid16
    step_down: Grid16
    slope_down: Grid16
    low: Grid16
    high: Grid16
    exponent: int
    """e: steps and slopes are in units of 2^(e-20)."""
    noise: int
    """S, the strength of cycle-to-cycle noise; 0: none."""
    noise_of_step: bool
    """Whether the noise is relative to the pulse's own mean step (else to the step at zero)."""

    def clamp(self, g: npt.NDArray[np.int64] | Grid32) -> Grid32:
        """Conductances brought within each device's bounds."""
        return np.clip(g, self.low.astype(np.int32) << 6, self.high.astype(np.int32) << 6).astype(np.int32)

    def symmetry_point(self) -> Grid32:
        """Where up and down steps are equal [2^-20]: (A_up + A_down) / (K_up + K_down), halves up; 0 without slopes."""
        numerator = (self.step_up.astype(np.int64) + self.step_down) << 20
        denominator = self.slope_up.astype(np.int64) + self.slope_down
        safe = np.where(denominator > 0, denominator, 1)
        point = (2 * numerator + safe) // (2 * safe)
        return self.clamp(np.where(denominator > 0, point, 0))


def device_of(design: Design, array: int) -> Device:
    """What an array is made of: `gradient_device` where the design transfers from A and this is A, else `device`."""
    return design.gradient_device if design.transfers and array == ArrayId.A else design.device


def make(design: Design, *, seed: int, tile: int, array: int) -> Devices:
    """Draws the devices of one array of the design."""
    device, rows, columns = device_of(design, array), design.array.rows, design.array.device_columns
    shape = (rows, columns)
    quiet = device.kind == "ideal"
    a_up, a_down, low, high = _nominal(device, shape) if quiet else _varied(device, shape, (seed, tile, array))
    slopes: tuple[Reals, Reals] = (np.zeros(shape), np.zeros(shape))
    if device.kind == "linear-step":
        slopes = (a_up * device.slope_up, a_down * device.slope_down)
    elif device.kind == "soft-bounds":
        slopes = (_soft_slope(a_up, high), _soft_slope(a_down, -low))
        a_up, a_down = slopes[0] * high, slopes[1] * -low
    largest = max(float(np.max(part)) for part in (a_up, a_down, *slopes))
    exponent = 0
    while np.rint(largest * 2.0 ** (20 - exponent)) > 32767:
        exponent += 1
    scale = 2.0 ** (20 - exponent)
    return _checked(
        Devices(
            step_up=_int16(a_up * scale),
            slope_up=_int16(slopes[0] * scale),
            step_down=_int16(-a_down * scale),
            slope_down=_int16(slopes[1] * scale),
            low=_int16(low * 2.0**READ_BITS),
            high=_int16(high * 2.0**READ_BITS),
            exponent=exponent,
            noise=0 if quiet else round(device.sigma_cc * 2**18 / noise.Z_SIGMA),
            noise_of_step=device.noise_base == "step",
        )
    )


def _nominal(device: Device, shape: tuple[int, int]) -> tuple[Reals, Reals, Reals, Reals]:
    """Ideal devices: equal steps, bounds as far out as they go."""
    step = np.full(shape, device.mean_step)
    bound = np.full(shape, BOUND_LIMIT / 2.0**READ_BITS)
    return step, step, -bound, bound


def _varied(device: Device, shape: tuple[int, int], origin: tuple[int, int, int]) -> tuple[Reals, Reals, Reals, Reals]:
    """Steps at zero and bounds with device-to-device variation."""

    def xi(kind: int, sigma: float) -> Reals:
        return noise.normal(noise.base_key(*origin, kind), *shape) * sigma if sigma else np.zeros(shape)

    delta = device.mean_step
    gamma = noise.exponential(xi(noise.DEVICE_STEP, device.sigma_dd))
    skew = device.asymmetry + xi(noise.DEVICE_ASYMMETRY, device.sigma_pm)
    sigma_low = device.sigma_b if device.sigma_b_low < 0 else device.sigma_b_low
    limit = BOUND_LIMIT / 2.0**READ_BITS
    # A step of more than the whole range is no different from one of the whole range.
    a_up = np.clip(delta * (gamma + skew), 0.0, limit)
    a_down = np.clip(delta * (gamma - skew), 0.0, limit)
    high = np.clip(1.0 + xi(noise.DEVICE_UPPER, device.sigma_b), 0.0, limit)
    low = np.clip(-1.0 + xi(noise.DEVICE_LOWER, sigma_low), -limit, 0.0)
    return a_up, a_down, low, high


def _soft_slope(step: Reals, bound: Reals) -> Reals:
    """min(a / bound, 1), also where the bound is zero."""
    return np.where(step < bound, step / np.where(bound > 0, bound, 1.0), 1.0)


def _int16(values: Reals) -> Grid16:
    return np.ascontiguousarray(np.rint(values).astype(np.int16))


def _checked(devices: Devices) -> Devices:
    """Our own premises: nothing in a pulse can wrap.  They hold for every legal design."""
    grids = (devices.step_up, devices.slope_up, devices.step_down, devices.slope_down, devices.low, devices.high)
    assert all(int(grid.min()) >= -32767 for grid in grids)
    assert all(int(grid.min()) >= 0 for grid in (devices.step_up, devices.slope_up, devices.slope_down, devices.high))
    assert all(int(grid.max()) <= 0 for grid in (devices.step_down, devices.low))
    assert 0 <= devices.exponent <= 7
    assert 0 <= devices.noise <= 1774
    return devices
