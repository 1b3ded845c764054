"""`crosstrain compare`: two runs are equal, or here is where they part."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crosstrain.options import add_command, path


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(subparsers, "compare", help="hold two training runs against each other", design=False)
    parser.add_argument("left", metavar="RUN", type=path, help="folder of the first run")
    parser.add_argument("right", metavar="RUN", type=path, help="folder of the second run")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the first divergence, or that there is none; `ok` is true for equal runs."""
    from crosstrain_model.training.compare import compare
    from crosstrain_model.training.folder import RunFolder

    found = compare(RunFolder(Path(args.left)), RunFolder(Path(args.right)))
    if found.asked is not None:
        print(f"the runs were not asked the same: {found.asked}")
    if found.divergence is None:
        print("equal: every pulse, accumulator, conductance and float parameter")
    else:
        print(f"first divergence: {found.divergence}")
        print(f"{found.weights_differing:,} conductances differ, the largest by {found.largest_weight_gap} units")
    accuracy = " and ".join("none yet" if a is None else f"{a:.2f} %" for a in found.accuracy)
    print(f"accuracy: {accuracy};  pulses: {found.pulses[0]:,} and {found.pulses[1]:,}")
    return {
        "ok": found.divergence is None,
        "divergence": found.divergence,
        "asked": found.asked,
        "batch": found.batch,
        "tile": found.tile,
        "accuracy": list(found.accuracy),
        "pulses": list(found.pulses),
        "weights_differing": found.weights_differing,
        "largest_weight_gap": found.largest_weight_gap,
    }
