"""How narrow may an accumulator be?  LeNet on MNIST by Wu's scheme, accumulators of 8 to 24 bits.

    python benchmarks/accumulator_width.py --data-dir FOLDER [--widths 8 9 10 ...] [--seeds 1 2 3] [-o FOLDER]
                                           [--plot FILE.png] [--json FILE]

All as in `lenet_wu.py`, but for the format of the accumulators.  The threshold theta is one of four levels, 51 ADC
codes, so that with F fraction bits an accumulator needs F + 7 bits to hold it: a width of w bits has F = w - 7 fraction
bits, at most the 12 that write-verify computes with, and any bits beyond are headroom.  The host rounds its changes to
2^-F of a code, and what is less than half of that never arrives.

Prints the loss against the widest, and the narrowest that loses less than 0.2 points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import guarded, reduced, report
from lenet_wu import EPOCHS, changes, one_seed, options

WIDTHS = (8, 9, 10, 11, 12, 13, 14, 16, 20, 24)
LOSS = 0.2
SEEDS = 3
LEVEL, RANGE, WINDOW = 51, 153, 5
"""ADC codes of one level (theta, and the bottom of a device), of the range, and of the window of write-verify."""
MOST_FRACTION = 12


def fraction_of(width: int) -> int:
    """Fraction bits of an accumulator of `width` bits."""
    return min(width - 7, MOST_FRACTION)


def settings(width: int) -> list[str]:
    """The preset `wu-64` with accumulators of `width` bits."""
    one = 1 << fraction_of(width)
    own = {
        "formats.accumulator": width, "formats.fraction": fraction_of(width), "update.threshold": LEVEL * one,
        "verify.range": RANGE * one, "verify.base": LEVEL * one, "verify.form_level": LEVEL * one,
        "verify.window": WINDOW * one, "verify.set_margin": -WINDOW * one,
    }  # fmt: skip
    return [f"{field}={value}" for field, value in own.items()]


def plot(figures: dict[int, list[float]], path: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    widths = list(figures)
    for width, found in figures.items():
        axes.plot([width] * len(found), found, ".", color="tab:gray", ms=5)
    axes.plot(widths, [np.mean(found) for found in figures.values()], "o-", label="mean of the seeds")
    best = float(np.mean(figures[max(widths)]))
    axes.axhline(best - LOSS, color="tab:red", ls="--", label=f"{LOSS} points under {max(widths)} bits")
    low = min(min(found) for found in figures.values())
    axes.set(xlabel="bits of an accumulator (fraction bits below)", ylabel="test accuracy [%]")
    axes.set_ylim(max(low - 1, 90), 99)
    axes.set_xticks(widths, [f"{width}\n{fraction_of(width)}" for width in widths])
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> int:
    parser = options(__doc__.split("\n")[0], SEEDS)
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--plot", metavar="FILE.png")
    args = parser.parse_args()
    figures: dict[int, list[float]] = {}
    details: dict[int, Any] = {}
    for width in sorted(args.widths, reverse=True):
        print(f"{width} bits, {fraction_of(width)} of them fraction", flush=True)
        rows = [one_seed(args, changes(args, settings(width)), seed) for seed in args.seeds]
        figures[width], details[width] = [row["accuracy"] for row in rows], rows
    widths = sorted(figures)
    figures = {width: figures[width] for width in widths}
    best = float(np.mean(figures[widths[-1]]))
    losses = {width: best - float(np.mean(found)) for width, found in figures.items()}
    for width in widths:
        print(f"{width:2} bits: {np.mean(figures[width]):.2f} %, loss {losses[width]:+.2f}")
    enough = [w for w in widths if all(losses[v] < LOSS for v in widths if v >= w)]
    print(f"narrowest from which on less than {LOSS} points are lost: {enough[0]} bits")
    if args.plot:
        plot(figures, args.plot)
    unheld = reduced(epochs=(args.epochs, EPOCHS), seeds=(len(args.seeds), SEEDS)) or "there is none published"
    mismatches = sum(row["mismatches"] for rows in details.values() for row in rows)
    said = {"accuracy": figures, "loss": losses, "narrowest": enough[0], "seeds": details}
    return report("accumulator_width", said, mismatches == 0, args.json, unheld=unheld)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
