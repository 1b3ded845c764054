"""Speed of the analog array model: pulses per cell and reads per vector, beside torch float32 in the same run.

    python benchmarks/twin_speed.py [--size 256] [--plain] [--json FILE]

One thread.  Figures depend on the machine, so torch's own products are timed beside the reads; they are not
reproducible to the bit at any batch split, the reads are.  The bar: a forward read with its ADC takes at most twice
torch's bare product, at every batch size.  `--plain` adds the numpy engine, the definition.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import report

from crosstrain_model.design import Array, Design
from crosstrain_model.design_device import Device
from crosstrain_model.twin import ArrayTile

SLOTS = 31
BAR = 2.0
SIZE = 256
"""The bar is of a tile of this size."""


def best(call: Callable[[int], Any], repeats: int, rounds: int = 7) -> float:
    """Seconds of one call, the best of some rounds of `repeats` calls; the first calls compile and warm up."""
    call(0)
    shortest = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for n in range(repeats):
            call(n)
        shortest = min(shortest, (time.perf_counter() - start) / repeats)
    return shortest


def tile_of(size: int, sigma_cc: float, engine: str) -> ArrayTile:
    device = Device(kind="soft-bounds", states=64, sigma_dd=0.3, sigma_cc=sigma_cc)
    return ArrayTile(Design(name="speed", array=Array(rows=size, columns=size, lanes=16), device=device), engine=engine)


def train_figure(tile: ArrayTile, probability: float) -> dict[str, float]:
    """Nanoseconds per cell of a pulse train whose lines fire with `probability` in each of 31 slots."""
    draw, trains = np.random.default_rng(1), 32
    fired = draw.random((2, trains, tile.rows, SLOTS)) < probability
    bits = (fired @ (1 << np.arange(SLOTS, dtype=np.int64))).astype(np.uint32)
    signs = draw.choice(np.array([-1, 1], dtype=np.int8), (2, tile.rows))
    pulses = np.mean([tile.pulse_train(bits[0, n], bits[1, n], *signs) for n in range(trains)]) / tile.g.size
    repeats = trains if tile.engine == "numba" else 1
    seconds = best(lambda n: tile.pulse_train(bits[0, n % trains], bits[1, n % trains], *signs), repeats)
    return {"pulses_per_cell": round(float(pulses), 3), "ns_per_cell": round(seconds / tile.g.size * 1e9, 3)}


def program_figure(tile: ArrayTile, density: float) -> dict[str, float]:
    """Nanoseconds per cell of a program pass over all rows, `density` of the cells taking one pulse."""
    draw = np.random.default_rng(2)
    counts = (draw.choice([-1, 1], tile.g.shape) * (draw.random(tile.g.shape) < density)).astype(np.int16)
    rows = np.arange(tile.rows)
    seconds = best(lambda n: tile.program_rows(rows, counts), 10 if tile.engine == "numba" else 1)
    return {"pulses_per_cell": density, "ns_per_cell": round(seconds / tile.g.size * 1e9, 3)}


def read_figure(tile: ArrayTile, batch: int) -> dict[str, float]:
    """Microseconds per vector of forward and transposed reads, and of torch's float32 product of the same size."""
    draw = np.random.default_rng(3)
    codes = draw.integers(-128, 128, (batch, tile.rows), dtype=np.int32)
    weights, vectors = torch.randn(tile.rows, tile.columns), torch.randn(batch, tile.rows)
    repeats = max(400 // batch, 4)
    calls = {
        "forward_us": lambda n: tile.forward(codes),
        "backward_us": lambda n: tile.backward(codes),
        "torch_us": lambda n: vectors @ weights,
    }
    figures = {name: round(best(call, repeats) / batch * 1e6, 3) for name, call in calls.items()}
    return {"batch": batch, **figures, "forward_to_torch": round(figures["forward_us"] / figures["torch_us"], 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    trains, programs = [], []
    for engine in ("numba", "numpy") if args.plain else ("numba",):
        for sigma in (0.0, 0.3):
            tile, about = tile_of(args.size, sigma, engine), {"engine": engine, "sigma_cc": sigma}
            trains += [about | train_figure(tile, probability) for probability in (0.0475, 0.3)]
            programs += [about | program_figure(tile, density) for density in (0.07, 0.5)]
    reads = [read_figure(tile_of(args.size, 0.0, "numba"), batch) for batch in (1, 10, 100)]
    for name, rows in (("pulse train", trains), ("program pass", programs), ("read", reads)):
        for row in rows:
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))
    unheld = "" if args.size == SIZE else f"size {args.size}, not {SIZE}"
    ok = bool(unheld) or all(row["forward_to_torch"] <= BAR for row in reads)
    figures = {"size": args.size, "bar": BAR, "trains": trains, "programs": programs, "reads": reads}
    return report("twin_speed", figures, ok, args.json, unheld=unheld)


if __name__ == "__main__":
    raise SystemExit(main())
