"""What time does to a trained network of phase-change devices, and what training did to them: two pictures.

    python benchmarks/drift_hic.py --data-dir FOLDER [--network lenet] [--seeds 1] [--plot FILE] [--wear FILE]

Trains as `mnist_hic.py` does, with its options, then tests after a second, an hour, a day, a month and a year: as the
network is, and after the host has recalibrated (`crosstrain_model/training/recalibrate.py`: ADC ranges, one gain a
layer, statistics of batch normalisation where there is one) with 1280 samples of the training set.  Nothing is
programmed after the training.

--plot FILE   accuracy over time;  --wear FILE   devices of each class by their write-erase cycles
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mnist_hic
import numpy as np
from common import guarded, report

from crosstrain_model.endurance import LIMIT
from crosstrain_model.training.recalibrate import recalibrate, sizes
from crosstrain_model.training.run import Run

TIMES = {"1 s": 1, "1 hour": 3600, "1 day": 86400, "1 month": 30 * 86400, "1 year": 365 * 86400}
"""[s] after the end of the training."""
SAMPLES = 1280


def main() -> int:
    parser = mnist_hic.parser()
    parser.add_argument("--wear", metavar="FILE", help="picture of the cycles of devices")
    args = parser.parse_args()
    results = {}
    for name in args.network:
        rows = [mnist_hic.one_seed(args, name, seed, [], more=aged) for seed in args.seeds]
        results[name] = {"seeds": rows, "drift": drift_of(rows)}
        print(f"{name}: at the end of the training {np.mean([row['accuracy'] for row in rows]):.2f} %")
        for time, (alone, again) in results[name]["drift"].items():
            print(f"  after {time}: {alone:.2f} %, recalibrated {again:.2f} %")
        mnist_hic.show_wear(rows)
    if args.plot:
        draw_drift(results, Path(args.plot))
    if args.wear:
        draw_wear(results, Path(args.wear))
    figures = {"networks": results, "epochs": args.epochs, "ideal": args.ideal, "changes": args.set}
    return report("drift_hic", figures, True, args.json, unheld="a measurement")


def aged(run: Run) -> dict[str, Any]:
    """Accuracies after each time, without and with recalibration; and what `mnist_hic` tells of a run."""
    learner, samples = run.tiles, run.data.train_x[:SAMPLES]
    told, wanted = mnist_hic.found(run), sizes(run.tiles, samples)
    tiles = [tile for grid in learner.grids for tile in grid.tiles]
    states = [tile.state() for tile in tiles]
    found = {}
    for name, seconds in TIMES.items():
        for layer in learner.layers:
            layer.gain = 1.0
        for tile, state in zip(tiles, states, strict=True):
            tile.restore(state)
            tile.array.now_ns += seconds * 10**9
        alone = learner.accuracy(run.data.test_x, run.data.test_y)
        recalibrate(learner, samples, wanted)
        found[name] = [alone, learner.accuracy(run.data.test_x, run.data.test_y)]
        print(f"  seed {run.plan.seed}, after {name}: {alone:.2f} %, recalibrated {found[name][1]:.2f} %", flush=True)
    return told | {"drift": found}


def drift_of(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Means over seeds: time -> accuracy, accuracy recalibrated."""
    return {name: np.mean([row["drift"][name] for row in rows], axis=0).tolist() for name in TIMES}


def draw_drift(results: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(results), 4))
    for place, (name, result) in enumerate(results.items(), start=1):
        axis = figure.add_subplot(1, len(results), place)
        for which, label in enumerate(("as it is", "recalibrated")):
            axis.semilogx(list(TIMES.values()), [pair[which] for pair in result["drift"].values()], "o-", label=label)
        axis.axhline(np.mean([row["golden_accuracy"] for row in result["seeds"]]), color="black", linestyle=":",
                     label="golden FP32")  # fmt: skip
        axis.set(title=name, xlabel="time after training [s]", ylabel="accuracy [%]")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def draw_wear(results: dict[str, Any], path: Path) -> None:
    """Of the first seed: devices by cycles, in bins of powers of two, up to the limit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(results), 4))
    for place, (name, result) in enumerate(results.items(), start=1):
        axis = figure.add_subplot(1, len(results), place)
        for part in result["seeds"][0]["endurance"]:
            edges = [0.5, *(2.0**power for power in range(len(part["histogram"])))]  # none, 1, 2..3, 4..7, ...
            axis.stairs(part["histogram"], edges, label=part["name"])
        axis.axvline(LIMIT, color="black", linestyle=":", label="limit")
        axis.set(title=name, xlabel="write-erase cycles", ylabel="devices", xscale="log", yscale="log")
        axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
