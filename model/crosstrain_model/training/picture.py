"""The picture of a run: both learning curves, and what the array paid for them."""

from __future__ import annotations

import io
from pathlib import Path

from crosstrain_model.files import write_bytes_atomic
from crosstrain_model.training.history import History


def draw_curves(history: History, title: str, path: Path) -> None:
    """Write a PNG: accuracy of tiles and golden run over epochs, and pulses per epoch under it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    epochs = range(1, len(history.rows) + 1)
    top.plot(epochs, [row[1] for row in history.rows], color="tab:gray", label="golden FP32")
    top.plot(epochs, [row[0] for row in history.rows], color="tab:blue", marker=".", label="analog tiles")
    top.set_ylabel("test accuracy [%]")
    top.set_title(title)
    top.legend(loc="lower right")
    top.grid(alpha=0.3)
    totals = [0.0] + [row[2] for row in history.rows]
    bottom.bar(epochs, [b - a for a, b in zip(totals, totals[1:], strict=False)], color="tab:orange")
    bottom.set_ylabel("pulses")
    bottom.set_xlabel("epoch")
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    bottom.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes_atomic(path, buffer.getvalue())
