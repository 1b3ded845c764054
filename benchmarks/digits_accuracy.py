"""Accuracy on handwritten digits: analog tiles against the golden FP32 run of the same rate, epochs and order.

    python benchmarks/digits_accuracy.py [--design mp-64] [--through model|rtl] [--seeds 1 2 3] [--json FILE]

The bar: with 64-state soft-bounds devices of 30 % variation the mean over three seeds loses less than 2 points (mp-64);
with in-memory gradients, 20 states and a reference that is wrong by half the half range, less than 3 (agad-64).
"""

from __future__ import annotations

import argparse

from common import reduced, report

from crosstrain.command_train import tile_factory
from crosstrain_model.design_file import load_design
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

BARS = {"mp": 2.0, "agad": 3.0}
"""Points that a scheme may lose; the others are there to be compared with."""
EPOCHS, SEEDS = 20, 3
"""The bars are of so many epochs, and of the mean over so many seeds."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--design", default="mp-64")
    parser.add_argument("--through", default="model", choices=("model", "rtl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    bar = BARS.get(load_design(args.design).scheme)
    unheld = reduced(epochs=(args.epochs, EPOCHS), seeds=(len(args.seeds), SEEDS))
    unheld = unheld or ("" if bar is not None else f"{args.design} has none")
    rows = []
    for seed in args.seeds:
        design = load_design(args.design, [f"seed={seed}"])
        run = Run(design, Plan(epochs=args.epochs, seed=seed, through=args.through), tile_factory(args.through))
        run.learn()
        rows.append(run.figures())
        told = "seed {0}: tiles {accuracy:.2f} %, golden {golden_accuracy:.2f} %".format(seed, **rows[-1])
        print(told + (f", {rows[-1]['mismatches']} mismatches" if args.through == "rtl" else ""), flush=True)
    accuracy = sum(row["accuracy"] for row in rows) / len(rows)
    golden = sum(row["golden_accuracy"] for row in rows) / len(rows)
    mismatches = sum(row["mismatches"] for row in rows)
    loss = golden - accuracy
    print(f"mean: tiles {accuracy:.2f} %, golden {golden:.2f} %, loss {loss:.2f} points (bar {bar or 'none'})")
    ok = mismatches == 0 and (bool(unheld) or loss <= (bar or 0.0))
    figures = {"accuracy": accuracy, "golden_accuracy": golden, "loss": loss, "bar": bar, "seeds": rows}
    figures |= {"through": args.through, "mismatches": mismatches}
    return report("digits_accuracy", figures, ok, args.json, unheld=unheld)


if __name__ == "__main__":
    raise SystemExit(main())
