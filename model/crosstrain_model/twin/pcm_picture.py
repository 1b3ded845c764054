"""Pictures of phase-change devices: conductance against pulses and time, and the error of programming anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain_model.twin.pcm import G_MAX_US
from crosstrain_model.twin.pcm_bit_response import BitResponse
from crosstrain_model.twin.pcm_drift import SECOND
from crosstrain_model.twin.pcm_response import AGES_NS, PcmResponse
from crosstrain_model.twin.response_picture import SINGLES, Reals, draw_band, save

SHOWN = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Levels whose drift is drawn."""
TIMES = {1: "1 s", 60: "1 min", 3600: "1 h", 86400: "1 day", 365 * 86400: "1 year"}


def draw_pcm(found: PcmResponse, title: str, path: Path) -> None:
    """Write the picture of the devices of pairs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 4.5), layout="constrained")
    pulses, drift, error = figure.subplots(1, 3, width_ratios=(3, 3, 2))
    figure.suptitle(title, fontsize="medium")
    _pulses(pulses, found.trace, "blind SET pulses after a RESET", "lower right")
    levels = reversed(SHOWN)
    _drift(drift, [(f"programmed to {level:g}", found.level(level)) for level in levels], "upper right")
    _error(error, found)
    save(figure, path)


def draw_bits(found: BitResponse, title: str, path: Path) -> None:
    """Write the picture of binary devices."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.5), layout="constrained")
    pulses, drift = figure.subplots(1, 2)
    figure.suptitle(title, fontsize="medium")
    for axes in (pulses, drift):
        axes.axhline(found.threshold, color="tab:red", linestyle="--", linewidth=1.0, label="read as 1 above")
    _pulses(pulses, found.trace, "pulses: SET and RESET in turn", "upper right")
    zeros, ones = found.aged
    _drift(drift, [("after a SET", ones), ("after a RESET", zeros)], "upper right")
    save(figure, path)


def _pulses(axes: Any, trace: Reals, pulses: str, legend: str) -> None:
    """Conductances [1 + pulses, devices]."""
    steps, devices = np.arange(len(trace)), trace.shape[1]
    for n in range(min(SINGLES, devices)):
        axes.plot(steps, trace[:, n], color="tab:gray", linewidth=0.6, alpha=0.7)
    draw_band(axes, steps, trace, "tab:blue", f"mean and spread of {devices} devices")
    axes.set_xlabel(pulses)
    _finish(axes, legend)


def _drift(axes: Any, lines: Sequence[tuple[str, Reals]], legend: str) -> None:
    """Conductances [ages, devices]."""
    for place, (name, aged) in enumerate(lines):
        draw_band(axes, AGES_NS / SECOND, aged, f"C{place}", name)
    axes.set_xscale("log")
    axes.set_xticks(list(TIMES), list(TIMES.values()))
    axes.minorticks_off()
    axes.set_xlabel("time since programmed")
    _finish(axes, legend)


def _error(axes: Any, found: PcmResponse) -> None:
    axes.axhline(0.0, color="tab:gray", linewidth=0.6)
    draw_band(axes, found.levels, found.errors, "tab:blue", "mean and spread")
    axes.set_xlabel("level programmed to")
    axes.set_ylabel("error of programming anew [largest]")
    other = axes.secondary_yaxis("right", functions=(lambda g: g * G_MAX_US, lambda us: us / G_MAX_US))
    other.set_ylabel("error [uS]")
    axes.legend(loc="upper left", fontsize="small")
    axes.grid(alpha=0.3)


def _finish(axes: Any, legend: str) -> None:
    axes.set_ylim(-0.03, 1.05)
    axes.set_ylabel("conductance [largest]")
    axes.legend(loc=legend, fontsize="small")
    axes.grid(alpha=0.3)
