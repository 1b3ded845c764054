"""`crosstrain train`: a network learns on analog tiles, with the golden FP32 run beside it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain.design_check import check_design
from crosstrain.options import add_command, path
from crosstrain_model.section import first_difference, show

if TYPE_CHECKING:
    from crosstrain_model.training.folder import RunFolder
    from crosstrain_model.training.grid import TileFactory
    from crosstrain_model.training.plan import Plan
    from crosstrain_model.training.run import Run

PLAN_OPTIONS = (
    "network", "data", "through", "epochs", "batch", "batches", "optimizer", "rate", "schedule", "calibrate",
    "averaged", "weight_decay", "weight_scale", "samples",
)  # fmt: skip
"""Options that are fields of the training plan; None where the user did not say."""


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(subparsers, "train", help="train a network on analog tiles, beside a golden FP32 run")
    parser.add_argument("--network", metavar="N", help="mlp (default), mlp-mnist, lenet-wu, vgg8 or resnet18")
    parser.add_argument("--data", metavar="D", help="data set: digits, of scikit-learn (default), mnist, fashion-mnist")
    parser.add_argument(
        "--data-dir",
        metavar="FOLDER",
        type=path,
        help="folder that has mnist/ or fashion-mnist/ (default $CROSSTRAIN_DATA; without one they are downloaded)",
    )
    parser.add_argument(
        "--through",
        metavar="WHAT",
        help="model: the bit-true model updates the weights (default); rtl: the generated Verilog does, in lockstep",
    )
    parser.add_argument("--epochs", metavar="N", type=int, help="passes over the training set (default 20)")
    parser.add_argument("--batch", metavar="N", type=int, help="vectors between two program passes (default 10)")
    parser.add_argument("--batches", metavar="N", type=int, help="batches of an epoch (default all that the set gives)")
    parser.add_argument("--optimizer", metavar="O", help="of the host and the golden run: sgd (default), adamw")
    parser.add_argument("--rate", metavar="ETA", type=float, help="learning rate on the mean of a batch (default 0.1)")
    parser.add_argument("--schedule", metavar="S", help="of the rate over the epochs: constant (default), cosine")
    parser.add_argument("--calibrate", metavar="N", type=int, help="batches from one setting of ADC ranges to another")
    parser.add_argument("--averaged", metavar="N", type=int, help="reads of a vector whose mean is taken (default 1)")
    parser.add_argument("--weight-decay", metavar="L", type=float, help="decay of weights, times the rate (default 0)")
    parser.add_argument("--weight-scale", metavar="W", type=float, help="weight at full-scale conductance (default 1)")
    parser.add_argument("--samples", metavar="N", type=int, help="train on the first N samples only (default all)")
    parser.add_argument("-o", "--output", metavar="RUN", type=path, help="folder of the run, with its picture")
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder given by -o")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, show progress, and return the figures of the run."""
    from crosstrain.progress import training_progress
    from crosstrain_model.training.run import Run

    plan, folder = _request(args)
    check_design(args)
    if plan.through == "rtl":
        print("preparing the Verilog of the tiles; compiling it, the first time, takes a minute", file=sys.stderr)
    training = Run(args.design, plan, tile_factory(plan.through), folder, data_dir=args.data_dir)
    if folder is not None:
        folder.write_plan(plan) if args.resume else folder.create(args.design, plan)
    for line in (_told(training), *_warmup(training)):
        print(line, file=sys.stderr)
    with training_progress(training) as listener:
        training.learn(listener)
    if not training.history.pulses:
        print("no device was pulsed: no change reached the threshold; more epochs or a higher rate", file=sys.stderr)
    figures = {
        "scheme": args.design.scheme,
        **{name: getattr(plan, name) for name in ("network", "data", "through", "epochs")},
        **training.figures(),
    }
    if args.design.carried:
        from crosstrain_model.training.hybrid_figures import hybrid_figures

        figures |= hybrid_figures(training.tiles.grids)
    figures["ok"] = training.history.mismatches == 0
    if folder is not None:
        _finish(training, folder, figures)
    _print(figures, folder)
    return figures


def _request(args: argparse.Namespace) -> tuple[Plan, RunFolder | None]:
    """The plan asked for and the folder it goes to; on --resume the stored plan, with which the options must agree."""
    from crosstrain_model.training.folder import RunError, RunFolder
    from crosstrain_model.training.plan import Plan

    asked = {name: getattr(args, name) for name in PLAN_OPTIONS if getattr(args, name) is not None}
    folder = RunFolder(Path(args.output)) if args.output else None
    if not args.resume:
        plan = Plan(seed=args.design.seed, **asked)
        if folder is not None:
            folder.check_free()
        return plan, folder
    if folder is None:
        raise RunError("--resume needs the folder of the run: -o RUN")
    design, stored = folder.read_request()
    differs = first_difference(design, args.design)
    if differs is not None:
        name, there, here = differs[0], *map(show, differs[1:])
        told = f"was started with another design than {args.source}"
        raise RunError(f"{folder.path}: {told}: {name} = {there}, not {here}")
    for name, value in asked.items():
        if not (name == "epochs" and stored.extendable) and value != getattr(stored, name):
            raise RunError(f"{folder.path}: was started with {name} = {getattr(stored, name)}, not {value}")
    return dataclasses.replace(stored, epochs=asked.get("epochs", stored.epochs)), folder


def tile_factory(through: str) -> TileFactory:
    """What builds a tile: the bit-true model ("model"), or Verilog in lockstep with it ("rtl")."""
    if through == "rtl":
        from crosstrain_cosim.rtl_tiles import rtl_tile

        return rtl_tile
    from crosstrain_model.gradient_tile import model_tile

    return model_tile


def _told(training: Run) -> str:
    """One line about what is about to be trained on what."""
    device, grids = training.design.device, training.tiles.grids
    spread = f"sigma_dd {device.sigma_dd:g}, sigma_cc {device.sigma_cc:g}, sigma_b {device.sigma_b:g}"
    array, tiles = training.design.array, sum(len(grid.tiles) for grid in grids)
    shape = f"{tiles} tiles of {array.rows} x {array.columns}"
    if training.design.verified:
        rram = training.design.rram
        pairs = f"pairs of RRAM devices of {rram.levels} levels, write error {rram.write_error:g} of a level"
        return f"{training.plan.network} on {shape}: {pairs}"
    if training.design.carried:
        hybrid, where = training.design.hybrid, "SRAM" if training.design.hybrid.cells == "sram" else "binary devices"
        pairs = f"pairs of phase-change devices, a SET pulse {training.design.pcm.step:g} of their range"
        return f"{training.plan.network} on {shape}: {pairs}, {hybrid.bits} bits of L in {where}"
    return f"{training.plan.network} on {shape}: {device.kind} devices of {device.states} states, {spread}"


def _warmup(training: Run) -> Iterator[str]:
    """Lines about vectors that are spent before W is written for the first time."""
    design, plan = training.design, training.plan
    count = design.warmup_sweeps * design.array.rows * design.transfer.every if design.transfers else 0
    if not count:
        return
    yield f"warm-up: {count:,} vectors of each tile before W is written (transfer.warmup)"
    given = training.batches * plan.batch
    if given <= count and plan.network.startswith("mlp"):  # a sample is a vector there
        yield f"note: this run has {given:,} vectors, so W is not written; more epochs, or a smaller transfer.warmup"


def _finish(training: Run, folder: RunFolder, figures: dict[str, Any]) -> None:
    from crosstrain.result import to_json
    from crosstrain_model.files import write_text_atomic
    from crosstrain_model.training.picture import draw_curves

    plan = training.plan
    title = f"{training.design.name}: {plan.network} on {plan.data}, updates through {plan.through}"
    draw_curves(training.history, title, folder.picture)
    write_text_atomic(folder.result, to_json(figures))


def _print(figures: dict[str, Any], folder: RunFolder | None) -> None:
    print(f"accuracy   {figures['accuracy']:.2f} %   golden FP32 {figures['golden_accuracy']:.2f} %")
    print(f"pulses     {figures['pulses']:,} for {figures['updates']:,} weight updates")
    if "layers" in figures:
        rates = ", ".join(f"{layer['writes_per_weight']:.1f}" for layer in figures["layers"])
        writes, lost = (sum(layer[name] for layer in figures["layers"]) for name in ("writes", "gave_up"))
        print(f"writes     {rates} devices per weight, layer by layer; {lost:,} of {writes:,} given up")
    if "carries" in figures:
        worn = max(figures["endurance"], key=lambda part: part["share"])
        print(f"carries    {figures['carries']:,}; pairs programmed anew {figures['refreshed']:,}")
        print(f"L          {figures['l_sets']:,} SET and {figures['l_resets']:,} RESET pulses on its cells")
        print(f"endurance  at most {worn['most']:,} cycles of a device ({worn['name']}): {worn['share']:.1e} of 10^8")
    if figures["through"] == "rtl":
        print(f"lockstep   {figures['mismatches']} mismatches over all pulses, accumulators and weights")
    print(f"speed      {figures['samples_per_second']:,.0f} samples/s")
    if folder is not None:
        print(f"picture    {folder.picture}")
