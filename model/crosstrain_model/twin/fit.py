"""Fits a soft-bounds device to measured pulse responses.

On each device and for each direction the change of a pulse falls along a line in the conductance g before it, to zero
at the bound: d = K (bound - g).  The bound is where the least-squares line of the changes meets zero, or the
farthest conductance seen where that is beyond it; then K is fitted through it, from pulses that have `NEAR` of the way
left, for nearer ones are cut at the bound.  Over the devices, in units of the half range:

    0 and 1                      middle of the median bounds, half of their distance
    delta, sigma_dd              exp of median, and spread, of log((a_up + a_down) / 2), with a = |d| at zero
    asymmetry, sigma_pm          median and spread of (a_up - a_down) / (2 delta)
    sigma_b, sigma_b_low         spread of upper and of lower bounds
    sigma_cc, noise_base         deviation of d from its line, relative to the line (step) or to a (zero): whichever
                                 makes the measured changes more likely

A spread is the distance of the quartiles over 1.349, the standard deviation of a normal distribution that a few broken
devices do not move; from those of steps what the fit of a line leaves uncertain is taken off (the median variance of
K).  Conductances are taken as exact: where readings are noisy, average them first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crosstrain_model.design_device import Device
from crosstrain_model.errors import UserError
from crosstrain_model.section import one_line
from crosstrain_model.twin.measured import Trace

Reals = npt.NDArray[np.float64]

LEAST = 8
"""Pulses of each direction that every device must have."""
NEAR = 0.25
"""Share of the way from its first conductance to the bound within which pulses do not count for K."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted device and what it stands on."""

    device: Device
    centre: float
    """The conductance that is 0, in the unit of the measurement."""
    half: float
    """Half range, in that unit."""
    devices: int
    still: int
    """Devices that do not answer in one of the directions; only their bounds count."""
    pulses: int
    residual: float
    """Root mean square of the changes about their lines, in units of the half range."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Line:
    """Pulses of one direction on one device: d = slope (bound - g)."""

    bound: float
    slope: float
    variance: float
    """Of the slope."""
    left: Reals
    """bound - g of the pulses that count."""
    change: Reals
    """Their d."""


def fit(traces: Sequence[Trace], source: str = "measured") -> Fit:
    """The soft-bounds device that answers as `traces` do; raises `UserError`, one line that `source` begins."""
    unit = max(float(np.abs(trace.conductance).max()) for trace in traces) or 1.0  # no power under- or overflows
    lines = [(_line(trace, True, unit, source), _line(trace, False, unit, source)) for trace in traces]
    highs, lows = (np.array([pair[way].bound for pair in lines]) for way in (0, 1))
    high, low = float(np.median(highs)), float(np.median(lows))
    centre, half = (high + low) / 2, (high - low) / 2
    if half <= 0:
        raise UserError(f"{one_line(source)}: up pulses do not end above down pulses: no range to fit")
    steps = np.array([[line.slope * abs(line.bound - centre) / half for line in pair] for pair in lines])
    variances = np.array([[line.variance * ((line.bound - centre) / half) ** 2 for line in pair] for pair in lines])
    moves = (steps > 0).all(axis=1)
    if not moves.any():
        raise UserError(f"{one_line(source)}: no device answers in both directions")
    total, doubt = steps[moves].sum(axis=1), variances[moves].sum(axis=1)
    delta = float(np.exp(np.median(np.log(total / 2))))
    skew = (steps[moves, 0] - steps[moves, 1]) / (2 * delta)
    base, sigma_cc, residual = _cycle_noise([lines[n] for n in np.flatnonzero(moves)], centre)
    device = Device(
        kind="soft-bounds",
        states=min(max(round(2 / min(delta, 1.0)), 2), 10000),
        step=_field(min(delta, 1.0)),
        asymmetry=_field(min(max(float(np.median(skew)), -1.0), 1.0)),
        sigma_dd=_spread(np.log(total / 2), doubt / total**2),
        sigma_pm=_spread(skew, doubt / (2 * delta) ** 2),
        sigma_b=_spread(highs / half),
        sigma_b_low=_spread(lows / half),
        sigma_cc=_field(min(sigma_cc, 1.0)),
        noise_base=base,
    )
    return Fit(
        device=device,
        centre=centre * unit,
        half=half * unit,
        devices=len(lines),
        still=int(np.count_nonzero(~moves)),
        pulses=sum(trace.rising.size for trace in traces),
        residual=residual / half,
    )


def _line(trace: Trace, up: bool, unit: float, source: str) -> _Line:
    """The line of one direction, conductances in `unit`."""
    g, d = trace.conductance[:-1] / unit, np.diff(trace.conductance / unit)
    g, d = g[trace.rising == up], d[trace.rising == up]
    if g.size < LEAST:
        where = f"{one_line(source)}: device {one_line(trace.device)}"
        raise UserError(f"{where}: has {g.size} pulses {'up' if up else 'down'}: must be at least {LEAST}")
    farthest = float((g + d).max() if up else (g + d).min())
    spread = g - g.mean()
    fall = -float(spread @ d) / max(float(spread @ spread), 1e-300)
    bound = float(g.mean() + d.mean() / fall) if fall > 0 else farthest
    bound = max(bound, farthest) if up else min(bound, farthest)
    left = bound - g
    far = np.abs(left) >= NEAR * np.abs(left).max()
    left, change = left[far], d[far]
    power = max(float(left @ left), 1e-300)
    slope = float(left @ change) / power
    error = change - slope * left
    variance = float(error @ error) / max(left.size - 1, 1) / power
    return _Line(bound=bound, slope=slope, variance=variance, left=left, change=change)


def _cycle_noise(lines: Sequence[tuple[_Line, _Line]], centre: float) -> tuple[str, float, float]:
    """`noise_base`, sigma_cc, and the root mean square of the changes about their lines."""
    chosen = [line for pair in lines for line in pair]
    error = np.concatenate([line.change - line.slope * line.left for line in chosen])
    step = np.concatenate([np.abs(line.slope * line.left) for line in chosen])
    zero = np.concatenate([np.full(line.left.size, abs(line.slope * (line.bound - centre))) for line in chosen])
    told = (step > 0) & (zero > 0)
    error, step, zero = error[told], step[told], zero[told]
    # A slope that is fitted to n changes leaves n - 1 of them free.
    free = error.size / max(error.size - len(chosen), 1)
    by_step, by_zero = (float(np.sqrt(np.mean((error / base) ** 2) * free)) for base in (step, zero))
    residual = float(np.sqrt(np.mean(error**2)))
    if by_step == 0 or np.log(by_step) + np.log(step).mean() <= np.log(by_zero) + np.log(zero).mean():
        return "step", by_step, residual
    return "zero", by_zero, residual


def _spread(values: Reals, doubt: Reals | None = None) -> float:
    """Standard deviation by quartiles, less a median variance; as a field."""
    low, high = np.quantile(values, (0.25, 0.75))
    variance = ((high - low) / 1.349) ** 2 - (0.0 if doubt is None else float(np.median(doubt)))
    return _field(min(float(np.sqrt(max(variance, 0.0))), 1.0))


def _field(value: float) -> float:
    """Four significant digits, as measurements have them at most."""
    return float(f"{value:.4g}")
