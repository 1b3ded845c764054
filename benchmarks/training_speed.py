"""Samples per second of training with in-memory gradients, bit-true, beside aihwkit at the same settings.

    python benchmarks/training_speed.py --aihwkit-python VENV/bin/python [--cases agad-5 sgd-31] [--json FILE]

A 784-256-128-10 perceptron (tanh, digital biases, one tile a layer) learns MNIST in batches of 10, on one thread, by
the code that `crosstrain train` runs: torch, converters, reads of the array, controllers, pulse trains.  A case is a
scheme and its longest train l_max, dynamic in length: the preset `SCHEME-512` at the layer's size, references without
error, and noise of pulses as aihwkit has it.  `aihwkit_driver.py` builds the same there, in the interpreter that has
it, and does the same batches from the same weights.  Speeds are per second of processor time of either process, for
machines have other work too; the best of some rounds.  "pulses" are those of trains, per sample; of aihwkit, which
counts none, those to expect of the vectors of a few batches.

The bar: 10 times aihwkit where trains are long and full (31 slots, with transfers), 2 times elsewhere.  Without aihwkit
nothing is compared and the bar is not shown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
os.environ |= THREADS  # before anything that starts threads is imported

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import torch  # noqa: E402
from common import report  # noqa: E402
from torch import nn  # noqa: E402

from crosstrain_model.design import Design  # noqa: E402
from crosstrain_model.design_file import load_design  # noqa: E402
from crosstrain_model.gradient_tile import GradientTile  # noqa: E402
from crosstrain_model.tile import Programmed  # noqa: E402
from crosstrain_model.training.grid import TileGrid  # noqa: E402
from crosstrain_model.training.layers import TileLinear  # noqa: E402
from crosstrain_model.training.network import initial_weights  # noqa: E402
from crosstrain_model.training.pair import Learner  # noqa: E402

SIZES, BATCH, RATE, SEED = (784, 256, 128, 10), 10, 0.1, 1
WARM, ROUNDS, BATCHES = 10, 5, {"full": 10, "else": 40}
"""Batches before the clock starts, for compilers and running means; rounds; batches of a round."""
BARS = {"full": 10.0, "else": 2.0}
CASES = ("sgd-5", "sgd-31", "ttv2-5", "c-ttv2-5", "agad-5", "ttv2-31", "c-ttv2-31", "agad-31")
DRIVER = Path(__file__).with_name("aihwkit_driver.py")
Arrays = dict[str, npt.NDArray[Any]]


def kind_of(case: str) -> str:
    """full: the usual vector fills a long train.  The rate of sgd, as it learns, fills none."""
    return "full" if case.endswith("-31") and not case.startswith("sgd") else "else"


def problem(folder: str) -> tuple[Arrays, str]:
    """x [samples, 784] in 0..1, labels y, weights w0 .. [inputs, outputs]; and where x comes from."""
    count, draw = BATCH * (WARM + ROUNDS * max(BATCHES.values())), np.random.default_rng(SEED)
    files = [Path(folder) / "mnist" / f"train-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    if folder and all(file.is_file() for file in files):
        x, y = (np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8) for file in files)
        x, y, source = x[16:].reshape(-1, 784)[:count] / 255.0, y[8 : 8 + count], "MNIST"
    else:
        x = draw.random((count, 784)) * (draw.random((count, 784)) < 0.19)
        y, source = draw.integers(0, 10, count), "synthetic, 19 % of the inputs are not 0, as in MNIST"
    arrays = {"x": x.astype(np.float32), "y": y.astype(np.int64)}
    generator = torch.Generator().manual_seed(SEED)
    for k, (n, m) in enumerate(zip(SIZES[:-1], SIZES[1:], strict=True)):
        arrays[f"w{k}"] = np.ascontiguousarray(initial_weights(n, m, 1.0, generator).numpy().T)
    return arrays, source


def strengths(arrays: Arrays) -> list[float]:
    """Mean max|x| times mean max|d| of every layer of the float network, d of a loss summed over samples."""
    values, inputs, outputs = torch.from_numpy(arrays["x"][:100]), [], []
    for k in range(len(SIZES) - 1):
        inputs.append(torch.tanh(values) if k else values)
        values = inputs[-1] @ torch.from_numpy(arrays[f"w{k}"]).requires_grad_()
        values.retain_grad()
        outputs.append(values)
    nn.functional.cross_entropy(values, torch.from_numpy(arrays["y"][:100]), reduction="sum").backward()
    pairs = zip(inputs, outputs, strict=True)
    return [float(x.detach().abs().amax(1).mean() * d.grad.abs().amax(1).mean()) for x, d in pairs]


class CountingTile(GradientTile):
    """A tile that adds up the pulses of its trains."""

    total = 0

    def program(self) -> Programmed:
        self.total += self.train_pulses
        return super().program()


def factory(design: Design, seed: int, tile: int) -> CountingTile:
    return CountingTile(design, seed=seed, tile=tile)


def design_of(case: str, rows: int, columns: int) -> Design:
    scheme, slots = case.rsplit("-", 1)
    own = {"array.rows": rows, "array.columns": columns, "array.lanes": 10, "bus.stream_codes": 10}
    own |= {"train.slots": slots, "train.momentum_log2": 7, "converters.reference_error": 0.0, "seed": SEED}
    own |= {"device.noise_base": "zero", "gradient_device.noise_base": "zero"}
    return load_design(f"{scheme}-512", [f"{field}={value}" for field, value in own.items()])


def learner(case: str, arrays: Arrays) -> Learner:
    """The network on tiles, one a layer."""
    modules: list[nn.Module] = []
    for k, usual in enumerate(strengths(arrays)):
        weights = arrays[f"w{k}"]
        design = design_of(case, *weights.shape)
        rows, columns = weights.shape
        grid = TileGrid(design, rows, columns, scale=1.0, seed=SEED, first=k, factory=factory)
        grid.load_weights(weights)
        # aihwkit normalises trains by running means only where there are transfers; sgd here by its usual strength
        grid.configure(RATE / BATCH * (1.0 if design.transfers else usual))
        modules += [TileLinear(grid), nn.Tanh()]
    network = nn.Sequential(*modules[:-1])
    return Learner(network=network, optimizer=torch.optim.SGD(network.parameters(), lr=RATE / BATCH))


def ours(case: str, arrays: Arrays) -> dict[str, float]:
    """Samples per second, and pulses per sample."""
    made, x, y = learner(case, arrays), torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    batches, shortest, done = BATCHES[kind_of(case)], math.inf, 0
    for count in (WARM, *[batches] * ROUNDS):
        start = time.process_time()
        for k in range(done, done + count):
            chosen = slice(k * BATCH, (k + 1) * BATCH)
            made.step(x[chosen], y[chosen])
        shortest = min(shortest, time.process_time() - start) if done else math.inf
        done += count
    pulses = sum(tile.total for grid in made.grids for tile in grid.tiles)  # type: ignore[attr-defined]
    return {"samples_per_s": batches * BATCH / shortest, "pulses": pulses / done / BATCH}


class Driver:
    """aihwkit in its own process: a case goes in as a line of JSON, and its figures come back."""

    def __init__(self, python: str, arrays: Arrays, folder: str):
        np.savez(f"{folder}/arrays.npz", **arrays)
        command = [python, str(DRIVER), f"{folder}/arrays.npz"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, env=os.environ | THREADS, **pipes)  # type: ignore[call-overload]
        self.versions: dict[str, str] = self._answer()

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{DRIVER.name}: ended with status {self.process.wait()}")
        return json.loads(line)

    def theirs(self, case: str, arrays: Arrays) -> dict[str, float]:
        design = design_of(case, *arrays["w0"].shape)
        wanted = {
            "scheme": design.scheme, "slots": design.train.slots, "every": design.transfer.every,
            "period": design.transfer.period, "rho": design.transfer.flip_probability / 2**16,
            "dac": design.formats.x, "adc": design.formats.adc, "adc_range": design.converters.adc_range,
            "adc_range_row": design.converters.adc_range_row, "states": design.device.states,
            "sigma_dd": design.device.sigma_dd, "sigma_pm": design.device.sigma_pm,
            "sigma_cc": design.device.sigma_cc, "sigma_b": design.gradient_device.sigma_b, "rate": RATE,
            "batch": BATCH, "batches": BATCHES[kind_of(case)], "warm": WARM, "rounds": ROUNDS, "seed": SEED,
        }  # fmt: skip
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        return self._answer()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aihwkit-python", metavar="PATH", help="interpreter that has aihwkit")
    parser.add_argument("--data", metavar="DIR", default=os.environ.get("CROSSTRAIN_DATA", ""), help="has mnist/")
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    arrays, source = problem(args.data)
    print(f"data: {source}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(args.aihwkit_python, arrays, folder) if args.aihwkit_python else None
        for case in args.cases:
            row: dict[str, Any] = {"case": case, **{k: round(v) for k, v in ours(case, arrays).items()}}
            if driver is not None:
                theirs = {f"aihwkit_{k}": round(v) for k, v in driver.theirs(case, arrays).items()}
                ratio = row["samples_per_s"] / theirs["aihwkit_samples_per_s"]
                row |= theirs | {"ratio": round(ratio, 2), "bar": BARS[kind_of(case)]}
            rows.append(row)
            print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if driver is None:
        print("not compared: --aihwkit-python names no interpreter", file=sys.stderr)
    else:
        print("aihwkit: " + ", ".join(f"{package} {version}" for package, version in driver.versions.items()))
    ok = driver is not None and all(row["ratio"] >= row["bar"] for row in rows)
    figures = {"data": source, "cases": rows, "aihwkit": None if driver is None else driver.versions}
    return report("training_speed", figures, ok, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
