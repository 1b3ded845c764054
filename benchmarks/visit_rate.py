"""Cycles per vector of the generated controller, against the bound of one cycle per touched group.

    python benchmarks/visit_rate.py [--vectors N] [--seed N] [--json FILE]

A tile of 64 x 64 weights with 4, 16 and 64 lanes gets random vectors back to back over its AXI4-Stream, with no row
zero and with half of them zero. The bound of a vector is its number of (row, group) pairs whose x and d are not all
zero. The bar: at least 98 % of the bound in every case. Cycles are those of the compiled Verilog: N vectors and 2 N
vectors are run to idle, and the difference is what N vectors take, so that filling the pipeline and asking for idle do
not count.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import report

from crosstrain_cosim.lockstep import RtlTile
from crosstrain_cosim.script import Script
from crosstrain_model import outer_product
from crosstrain_model.design_file import load_design
from crosstrain_model.registers import find, register_table

BAR = 0.98
LANES = (4, 16, 64)
ZERO_ROWS = (0.0, 0.5)


def vectors(design, count, zero_rows, rng):
    """Random codes (count, rows), (count, columns), no code zero but a share `zero_rows` of the rows."""
    x = rng.integers(1, 1 << (design.formats.x - 1), (count, design.array.rows))
    d = rng.integers(1, 1 << (design.formats.d - 1), (count, design.array.columns))
    for codes in x:
        codes[rng.permutation(len(codes))[: int(zero_rows * len(codes))]] = 0
    return x, d


def cycles_of(tile, x, d):
    """Clock cycles from the first beat of the vectors until the controller says that it is idle."""
    status = find(register_table(tile.design), "STATUS").offset
    exponents = np.full(len(x), -7)
    start = tile.lane.cycles
    tile.lane.run(Script().vectors(x, exponents, d, exponents).poll(status, 1, 1, 1 << 30))
    return tile.lane.cycles - start


def measure(tile, count, zero_rows, rng):
    """One row of the table."""
    x, d = vectors(tile.design, 2 * count, zero_rows, rng)
    half, whole = cycles_of(tile, x[:count], d[:count]), cycles_of(tile, x, d)
    bound = sum(len(outer_product.visits(tile.design, *pair)) for pair in zip(x[count:], d[count:], strict=True))
    cycles = (whole - half) / count
    return {
        "lanes": tile.design.array.lanes,
        "zero_rows": zero_rows,
        "bound": bound / count,
        "cycles_per_vector": cycles,
        "of_bound": bound / count / cycles,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vectors", type=int, default=500, help="vectors per case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = []
    print(" lanes  zero rows   bound  cycles/vector  of bound")
    for lanes in LANES:
        tile = RtlTile(load_design("mp-64", [f"array.lanes={lanes}"]), seed=args.seed, tile=0)
        for zero_rows in ZERO_ROWS:
            row = measure(tile, args.vectors, zero_rows, rng)
            rows.append(row)
            line = "{lanes:6d}  {zero_rows:9.0%}  {bound:6.0f}  {cycles_per_vector:13.2f}  {of_bound:8.2%}"
            print(line.format(**row), flush=True)
    ok = all(row["of_bound"] >= BAR for row in rows)
    return report("visit_rate", {"seed": args.seed, "bar": BAR, "cases": rows}, ok, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
