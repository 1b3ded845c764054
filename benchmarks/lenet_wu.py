"""LeNet on MNIST by Wu's scheme: all 3220 weights on tiles, every update through accumulators and write-verify.

    python benchmarks/lenet_wu.py --data-dir FOLDER [--through model|rtl] [--seeds 1 .. 10] [--epochs 13] [--json FILE]
    python benchmarks/lenet_wu.py --naive          every change is written at once: theta is one unit
    python benchmarks/lenet_wu.py --naive --no-copy    and W is what the array reads after every batch: nothing but the
                                                   devices holds a change
    python benchmarks/lenet_wu.py --paper          errors of the paper's simulation: ADC 2 LSB, reads 0.3 level,
                                                   writes 0.5 level, each device
    --set FIELD=VALUE                              any field of the design

13 epochs of 400 batches of 64, AdamW, theta one of four levels, 8-bit converters whose range every tile sets anew by
one batch of each hundred.  Tested on all 10,000 images, through the tiles.  The golden FP32 run of a seed has the same
network, batches, optimiser and rates.  Seeds are run one after the other; each finished one is a file in the folder -o,
so that a run which was stopped continues.

The bar: a mean of at least 97.73 % (Wu 2023), at most 0.8 points under the golden runs, no mismatch.
"""

from __future__ import annotations

import argparse
from typing import Any, cast

import mnist_runs
import numpy as np
from common import guarded, reduced, report

from crosstrain_model.design_file import load_design
from crosstrain_model.tile import StreamTile
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

BAR, LOSS = 97.73, 0.8
EPOCHS, SEEDS = 13, 10
"""The bars are of so many epochs, and of the mean over so many seeds."""
READ_NOISE = 0.1
"""Standard deviation of a read of a device, in levels, unless --paper or --set says otherwise."""
PAPER = ("converters.adc_noise=2.0", "rram.write_error=0.5")


def options(description: str, seeds: int) -> argparse.ArgumentParser:
    """What every experiment with this network can be told."""
    parser: argparse.ArgumentParser = mnist_runs.options(
        description, design="wu-64", seeds=seeds, epochs=EPOCHS, rate=0.016
    )
    parser.add_argument("--read-noise", type=float, help="of a device, in levels (default: 0.1, with --paper 0.3)")
    parser.add_argument("--paper", action="store_true", help="errors of the paper's simulation")
    return parser


def changes(args: argparse.Namespace, own: list[str]) -> list[str]:
    """What the options, and an experiment's `own` settings, make of the design."""
    design = load_design(args.design, args.set)
    noise = (0.3 if args.paper else READ_NOISE) if args.read_noise is None else args.read_noise
    return [f"converters.read_noise={noise * design.rram.level}", *(PAPER if args.paper else ()), *own, *args.set]


def main() -> int:
    parser = options(__doc__.split("\n")[0], SEEDS)
    parser.add_argument("--naive", action="store_true", help="write every change at once")
    parser.add_argument("--no-copy", action="store_true", help="after every batch W is what the array reads")
    args = parser.parse_args()
    if args.no_copy and args.through == "rtl":
        parser.error("--no-copy: is for the model alone")
    overrides = changes(args, ["update.threshold=1"] if args.naive else [])
    rows = [one_seed(args, overrides, seed, args.no_copy) for seed in args.seeds]
    return conclude(args, load_design(args.design, overrides), rows)


def one_seed(
    args: argparse.Namespace, overrides: list[str], seed: int, no_copy: bool = False
) -> dict[str, Any]:
    """The figures of one seed: run, or taken from the folder."""
    design = load_design(args.design, [f"seed={seed}", *overrides])
    plan = Plan(
        network="lenet-wu", data="mnist", through=args.through, epochs=args.epochs, batches=400, batch=64,
        optimizer="adamw", rate=args.rate, schedule=args.schedule, seed=seed, calibrate=args.calibrate,
        averaged=args.averaged,
    )  # fmt: skip
    forgets = {"listener": forget, "mark": "no-copy"} if no_copy else {}
    return show(mnist_runs.one_seed(args, design, plan, **forgets))


def forget(run: Run) -> None:
    """Forgets what the tiles' digital copies know beyond their arrays."""
    for layer in run.tiles.layers:
        for tile in layer.grid.tiles:
            cast(StreamTile, tile).read_copy()
        layer.refresh()
    mnist_runs.progress(run)


def show(row: dict[str, Any]) -> dict[str, Any]:
    text = "seed {seed}: tiles {accuracy:.2f} %, golden {golden_accuracy:.2f} %, {mismatches} mismatches"
    print(text.format(**row), end="")
    print(", writes per weight " + ", ".join(f"{layer['writes_per_weight']:.1f}" for layer in row["layers"]), end="")
    print(f", {row['samples_per_second']:.0f} images/s, {row['cpu_seconds']:.0f} CPU s", flush=True)
    return row


def means(rows: list[dict[str, Any]], number: int) -> dict[str, float]:
    """Of a layer, the means over seeds of what `layer_writes` tells; those given up in percent of the writes."""
    found = [row["layers"][number] for row in rows]
    names = ("writes_per_weight", "pulses_per_write", "clamped", "error_levels")
    said = {name: float(np.mean([layer[name] for layer in found])) for name in names}
    lost = [layer["gave_up"] / max(1, layer["writes"]) for layer in found]
    return said | {"gave_up_percent": 100.0 * float(np.mean(lost))}


def conclude(args: argparse.Namespace, design: Any, rows: list[dict[str, Any]]) -> int:
    accuracy, golden = (float(np.mean([row[name] for row in rows])) for name in ("accuracy", "golden_accuracy"))
    mismatches = sum(row["mismatches"] for row in rows)
    weights = sum(layer["weights"] for layer in rows[0]["layers"])
    writes = float(np.mean([sum(layer["writes"] for layer in row["layers"]) for row in rows]))
    digital = weights * 400 * args.epochs
    loss = golden - accuracy
    print(f"mean of {len(rows)} seeds: tiles {accuracy:.2f} % (bar {BAR}), golden {golden:.2f} %, loss {loss:.2f}")
    print(f"device writes {writes:.0f}, FP32 updates {digital}: 1 in {digital / max(1.0, writes):.0f}")
    for number in range(len(rows[0]["layers"])):
        print(f"layer {number + 1}: " + ", ".join(f"{name} {value:.2f}" for name, value in means(rows, number).items()))
    unheld = reduced(epochs=(args.epochs, EPOCHS), seeds=(len(args.seeds), SEEDS))
    ok = mismatches == 0 and (bool(unheld) or (accuracy >= BAR and loss <= LOSS))
    figures = {"accuracy": accuracy, "golden_accuracy": golden, "writes": writes, "fp32_updates": digital}
    conditions = {
        "adc_noise_lsb": design.converters.adc_noise, "write_error_levels": design.rram.write_error,
        "read_noise_levels": design.converters.read_noise / design.rram.level, "theta": design.update.threshold,
    }  # fmt: skip
    print("conditions: " + ", ".join(f"{name} {value:g}" for name, value in conditions.items()))
    figures |= conditions | {"seeds": rows, "mismatches": mismatches, "through": args.through}
    return report("lenet_wu", figures, ok, args.json, unheld=unheld)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
