"""The picture of devices: conductance against pulse number, and where up and down steps balance."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.errors import UserError
from crosstrain_model.files import write_bytes_atomic

Reals = npt.NDArray[np.float64]

SINGLES = 5
"""Single devices drawn beside the mean."""


def check_matplotlib() -> None:
    """Raises `UserError` where pictures cannot be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("-o: matplotlib is not installed (pip install crosstrain[train])")


def draw_response(
    trace: Reals,
    pulses: str,
    points: Sequence[tuple[str, Reals]],
    title: str,
    path: Path,
    measured: Reals | None,
    *,
    unit: str = "half range",
) -> None:
    """Write a PNG.

    trace : conductances [1 + pulses, devices], after each pulse
    pulses : what pulses they were
    points : name and values [devices] of what the right-hand histogram shows (symmetry points, bounds)
    measured : conductances of measured devices, drawn beside the model's; None: there are none
    unit : of all conductances
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    steps = np.arange(len(trace))
    for n in range(min(SINGLES, trace.shape[1])):
        left.plot(steps, trace[:, n], color="tab:gray", linewidth=0.6, alpha=0.7)
    for values, name, colour in ((measured, "measured", "tab:orange"), (trace, "model", "tab:blue")):
        if values is not None:
            draw_band(left, steps, values, colour, f"{name}: mean and spread of {values.shape[1]} devices")
    left.set_xlabel(f"pulses: {pulses}")
    left.set_ylabel(f"conductance [{unit}]")
    left.set_title(title, fontsize="medium")
    left.legend(loc="lower center", fontsize="small")
    left.grid(alpha=0.3)
    for name, values in points:
        right.hist(values, bins=30, orientation="horizontal", alpha=0.6, label=name)
    right.set_xlabel("devices")
    right.legend(fontsize="small")
    right.grid(alpha=0.3)
    save(figure, path)


def draw_band(axes: Any, at: npt.NDArray[Any], values: Reals, colour: str, label: str) -> None:
    """Mean and spread over devices of values [at, devices]."""
    mean, spread = values.mean(axis=1), values.std(axis=1)
    axes.fill_between(at, mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0)
    axes.plot(at, mean, color=colour, label=label)


def save(figure: Any, path: Path) -> None:
    """Write a picture of the kind that its name ends in; PNG without an ending."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower()[1:] or "png", dpi=120)
    write_bytes_atomic(path, buffer.getvalue())
