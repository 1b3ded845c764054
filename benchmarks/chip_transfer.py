"""Trained weights moved to other chips: LeNet on MNIST after four ways of training (Wu 2023, figure 7).

    python benchmarks/chip_transfer.py --data-dir FOLDER [-o FOLDER] [--trials 100] [--plot FILE.png] [--json FILE]

    write-trained    Wu's scheme on tiles: every write left its error in the forward pass
    quantised        FP32 with weights rounded to the levels of a pair in the forward pass, gradients straight through
    noise-trained    FP32 whose forward pass sees the error of another chip in every batch
    fp32             FP32 alone

The networks of one seed have the same initial weights, batches, optimiser and rates.  A trial is a chip of its own: all
weights are placed in its devices, each device with a normal error (default 0.5 level), ADC ranges are set by one
batch, and the test set is read through the tiles.  FP32 weights are scaled layer by layer so that the largest is the
largest a pair can hold, and rounded to its levels, as the quantised ones are; noise-trained ones are placed as they
are.  Write-trained weights are read out of the array that learned, device by device (mean of 16 reads); beside them
"copy" is what its digital copy calls them, without the errors that the network has learnt to live with.  Figures
are relative to the FP32 network in float32.

The bar: 0.996 for write-trained weights (Wu 2023; FP32-trained fell to about 0.2), mean of 100 trials.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from common import guarded, reduced, report
from torch import nn

from crosstrain.command_train import tile_factory
from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design
from crosstrain_model.tile import StreamTile
from crosstrain_model.training.folder import RunFolder
from crosstrain_model.training.grid import TileGrid
from crosstrain_model.training.network import NETWORKS, GoldenLayers, ScaledConv2d, ScaledLinear
from crosstrain_model.training.optimizer import make_optimizer, rate_of, set_rate
from crosstrain_model.training.pair import Learner, build
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run
from crosstrain_model.twin.rram import ONE

PUBLISHED = {"write-trained": 0.996, "fp32": 0.2}
TRIALS, EPOCHS, READ_NOISE = 100, 13, 0.1
KINDS = ("write-trained", "copy", "quantised", "noise-trained", "fp32")
Weights = list[tuple[torch.Tensor, float]]
"""Of every layer: weights (inputs, outputs) in full-scale devices, and the layer's scale."""


class Seen(torch.autograd.Function):
    """Weights as the forward pass sees them, gradients straight through."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return seen.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None


class SeenLayers(GoldenLayers):
    """FP32 layers whose forward pass sees `seen(weight)`."""

    def __init__(self, seen: Callable[[torch.Tensor], torch.Tensor]):
        self.seen = seen

    def dense(self, inputs: int, outputs: int, *, scaled: bool = False) -> nn.Module:
        layers = self

        class Dense(ScaledLinear):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.scale * nn.functional.linear(x, Seen.apply(self.weight, layers.seen(self.weight)))

        return Dense(inputs, outputs)

    def conv(self, channels: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
        layers = self

        class Conv(ScaledConv2d):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                weight = Seen.apply(self.weight, layers.seen(self.weight))
                return self.scale * nn.functional.conv2d(x, weight, stride=self.stride, padding=self.padding)

        return Conv(channels, outputs, kernel, stride=stride, padding=padding)


def rounded(weight: torch.Tensor, level: float, top: float) -> torch.Tensor:
    """Weights on the levels of a pair."""
    return torch.round(weight / level).mul(level).clamp(-top, top)


def disturbed(weight: torch.Tensor, sigma: float, top: float) -> torch.Tensor:
    """Weights of pairs whose two devices are each off by a normal error of `sigma` [full-scale devices]."""
    return weight.clamp(-top, top) + 2**0.5 * sigma * torch.randn_like(weight)


def weighted(network: nn.Module) -> list[nn.Module]:
    """The layers that have weights, in order."""
    return [module for module in network.modules() if isinstance(module, (ScaledLinear, ScaledConv2d))]


def trained(run: Run, name: str, seen: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """A network trained like the golden run, from the same weights, of which the forward pass sees `seen`."""
    torch.manual_seed(run.plan.seed)
    plan, data = run.plan, run.data
    network = NETWORKS[plan.network].build(SeenLayers(seen), 0, data.classes)
    fresh, _ = build(run.design, plan, data, tile_factory("model"))
    network.load_state_dict(fresh.network.state_dict())
    learner = Learner(network=network, optimizer=make_optimizer(network, plan))
    for epoch in range(plan.epochs):
        set_rate(learner.optimizer, plan, rate_of(plan, epoch))
        order = np.random.Generator(np.random.PCG64([plan.seed, epoch])).permutation(run.samples)
        for chosen in torch.from_numpy(order[: plan.batches * plan.batch]).split(plan.batch):
            learner.step(data.train_x[chosen], data.train_y[chosen])
        print(f"  {name}, epoch {epoch + 1}: {learner.accuracy(data.test_x, data.test_y):.2f} %", flush=True)
    return learner.network


def copied(run: Run) -> Weights:
    """Weights as the digital copies have them."""
    layers = zip(run.tiles.grids, run.tiles.layers, strict=True)
    return [(torch.from_numpy(grid.copy()), float(layer.scale.detach())) for grid, layer in layers]


def read_out(run: Run) -> Weights:
    """Weights as the arrays have them, read device by device; the copies are that from here."""
    for grid in run.tiles.grids:
        for tile in grid.tiles:
            cast(StreamTile, tile).read_copy()
    return copied(run)


def plain_weights(network: nn.Module, top: float, *, level: float = 0.0, fit: bool = False) -> Weights:
    """Weights of a float network, on the levels of a pair if `level` is given; `fit`: scaled to the range before."""
    found = []
    for layer in weighted(network):
        weight = layer.weight.detach().flatten(1).T.clone()
        factor = top / float(weight.abs().max()) if fit else 1.0
        placed = rounded(weight * factor, level, top) if level else weight.mul(factor).clamp(-top, top)
        found.append((placed, float(layer.scale.detach()) / factor))
    return found


def trial(design: Design, plan: Plan, data: Any, weights: Weights, error: float, number: int) -> float:
    """Accuracy in percent of weights on chip `number`, devices off by a normal error [levels]."""
    rng = np.random.Generator(np.random.PCG64([plan.seed, number]))
    place = Plan(network=plan.network, data=plan.data, seed=plan.seed * 100_000 + number)
    _, tiles = build(design, place, data, tile_factory("model"))
    for layer, (weight, scale) in zip(tiles.layers, weights, strict=True):
        layer.grid.load_weights(weight.numpy())
        disturb(layer.grid, error * design.rram.level, rng)
        layer.scale.data.fill_(scale)
        layer.grid.calibrate()
    tiles.network.eval()
    with torch.no_grad():
        tiles.network(data.train_x[: plan.batch])
    return tiles.accuracy(data.test_x, data.test_y)


def disturb(grid: TileGrid, sigma: float, rng: np.random.Generator) -> None:
    """Moves every device of a grid by a normal error, within its range."""
    for tile in grid.tiles:
        array = tile.array
        off = np.rint(rng.normal(0.0, sigma * ONE, array.g.shape))
        array.g[...] = np.clip(array.g + off, array.devices.low, ONE).astype(np.int32)


def plot(relative: dict[str, list[float]], path: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.boxplot(list(relative.values()), tick_labels=list(relative), showmeans=True)
    axes.set(ylabel="accuracy relative to FP32", ylim=(0, 1.05), title="LeNet on MNIST, moved to other chips")
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--design", default="wu-64")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the design")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--error", type=float, default=0.5, help="of a device on another chip, in levels")
    parser.add_argument(
        "--training-noise", type=float, default=READ_NOISE,
        help="read noise of a device of the array that learns, in levels (on the other chips it is %(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rate", type=float, default=0.016)
    parser.add_argument("--data-dir", default=os.environ.get("CROSSTRAIN_DATA"), help="folder that holds mnist/")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS, help="networks that are moved")
    parser.add_argument("-o", metavar="FOLDER", help="run folder of the write-trained network: continued, or taken")
    parser.add_argument("--plot", metavar="FILE.png")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    level = load_design(args.design, args.set).rram.level
    design, learning = (
        load_design(args.design, [f"converters.read_noise={noise * level}", *args.set])
        for noise in (READ_NOISE, args.training_noise)
    )
    plan = Plan(
        network="lenet-wu", data="mnist", epochs=args.epochs, batches=400, batch=64, optimizer="adamw",
        rate=args.rate, schedule="cosine",
    )  # fmt: skip
    folder = None
    if args.o:
        folder = RunFolder(Path(args.o))
        folder.path.mkdir(parents=True, exist_ok=True)
    run = Run(learning, plan, tile_factory("model"), folder, data_dir=args.data_dir and Path(args.data_dir))
    run.learn(show)
    top = 1.0 - design.rram.low
    on_levels, off = partial(rounded, level=level, top=top), partial(disturbed, sigma=args.error * level, top=top)
    makers: dict[str, Callable[[], Weights]] = {
        "copy": lambda: copied(run),
        "write-trained": lambda: read_out(run),
        "quantised": lambda: plain_weights(trained(run, "quantised", on_levels), top, level=level),
        "noise-trained": lambda: plain_weights(trained(run, "noise-trained", off), top),
        "fp32": lambda: plain_weights(run.golden.network, top, level=level, fit=True),
    }
    moved = {name: makers[name]() for name in makers if name in args.kinds}
    golden = run.golden.accuracy(run.data.test_x, run.data.test_y)
    relative: dict[str, list[float]] = {}
    for name, weights in moved.items():
        found = [trial(design, plan, run.data, weights, args.error, n) / golden for n in range(args.trials)]
        relative[name] = found
        quartiles = ", ".join(f"{q:.3f}" for q in np.quantile(found, (0.25, 0.5, 0.75)))
        beside = f" (published {PUBLISHED[name]})" if name in PUBLISHED else ""
        print(f"{name}: mean {np.mean(found):.4f}, quartiles {quartiles}, worst {min(found):.3f}{beside}", flush=True)
    if args.plot:
        plot(relative, args.plot)
    unheld = reduced(trials=(args.trials, TRIALS), epochs=(args.epochs, EPOCHS), kinds=(len(args.kinds), len(KINDS)))
    ok = bool(unheld) or float(np.mean(relative["write-trained"])) >= PUBLISHED["write-trained"]
    figures = {"golden_accuracy": golden, "error_levels": args.error, "relative": relative}
    figures |= {"write_error_levels": design.rram.write_error, "training_noise_levels": args.training_noise}
    return report("chip_transfer", figures, ok, args.json, unheld=unheld)


def show(run: Run) -> None:
    if run.history.batches % 400 == 0:
        accuracy, golden = run.history.rows[-1][:2]
        print(f"  epoch {run.history.batches // 400}: tiles {accuracy:.2f} %, golden {golden:.2f} %", flush=True)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
