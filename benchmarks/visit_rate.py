"""Cycles per vector of the visit engine, against the bound of one cycle per touched group.

    python benchmarks/visit_rate.py [--device engine] [--vectors N] [--seed N] [--json FILE]

A tile of 64 x 64 weights with 4, 16 and 64 lanes gets random vectors back to back, with no row zero and with half zero.
The bound of a vector is its number of (row, group) pairs whose x and d are not all zero. The bar: at least
98 % of the bound in every case.

A device is a function of a design and a batch of vectors that says in which clock cycle each vector's last visit was
taken; what is measured starts at the first vector's, so that the pipeline's filling does not count.
"""

from __future__ import annotations

import argparse

import numpy as np
from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from common import report

from crosstrain_hdl.accumulator import Accumulator
from crosstrain_hdl.outer_product import OuterProduct
from crosstrain_model import outer_product
from crosstrain_model.accumulator import Op
from crosstrain_model.design import Array, Design

BAR = 0.98
LANES = (4, 16, 64)
ZERO_ROWS = (0.0, 0.5)


class Engine(wiring.Component):
    """Outer product and accumulator, visits passed straight on, everything that has no visit let through."""

    def __init__(self, design):
        self.outer_product = OuterProduct(design)
        self.accumulator = Accumulator(design)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.outer_product = visits = self.outer_product
        m.submodules.accumulator = memory = self.accumulator
        m.d.comb += [
            memory.a_valid.eq(visits.v_valid & ~visits.v_null),
            visits.v_ready.eq(memory.a_ready | visits.v_null),
            memory.a_op.eq(Op.ACCUMULATE),
            memory.a_row.eq(visits.v_row),
            memory.a_group.eq(visits.v_group),
            memory.a_terms.eq(visits.v_terms),
        ]
        return m


def engine(design, x, d):
    """Device: `Engine` in amaranth.sim, one word of codes a cycle into it."""
    dut = Engine(design)
    load, lanes = dut.outer_product, design.array.lanes
    code = max(design.formats.x, design.formats.d)
    ends = []

    def pack(word):
        return sum((int(value) & ((1 << code) - 1)) << (lane * code) for lane, value in enumerate(word))

    async def offer(ctx, valid, ready):
        ctx.set(valid, 1)
        while not (await ctx.tick().sample(ready))[2]:
            pass
        ctx.set(valid, 0)

    async def drive(ctx):
        for codes_x, codes_d in zip(x, d, strict=True):
            for is_d, codes in enumerate((codes_x, codes_d)):
                ctx.set(load.w_is_d, is_d)
                for word in outer_product.words(codes, lanes):
                    ctx.set(load.w_codes, pack(word))
                    await offer(ctx, load.w_valid, load.w_ready)
            await offer(ctx, load.commit_valid, load.commit_ready)

    async def watch(ctx):
        cycle = 0
        while len(ends) < len(x):
            _, _, valid, ready, last = await ctx.tick().sample(load.v_valid, load.v_ready, load.v_last)
            if valid and ready and last:
                ends.append(cycle)
            cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(drive)
    simulator.add_testbench(watch)
    simulator.run()
    return ends


DEVICES = {"engine": engine}


def vectors(design, count, zero_rows, rng):
    """Random codes (count, rows), (count, columns), no code zero but a share `zero_rows` of the rows."""
    x = rng.integers(1, 1 << (design.formats.x - 1), (count, design.array.rows))
    d = rng.integers(1, 1 << (design.formats.d - 1), (count, design.array.columns))
    for codes in x:
        codes[rng.permutation(len(codes))[: int(zero_rows * len(codes))]] = 0
    return x, d


def measure(device, design, count, zero_rows, rng):
    """One row of the table."""
    x, d = vectors(design, count, zero_rows, rng)
    ends = device(design, x, d)
    bound = sum(len(outer_product.visits(design, *pair)) for pair in zip(x[1:], d[1:], strict=True)) / (count - 1)
    cycles = (ends[-1] - ends[0]) / (count - 1)
    return {
        "lanes": design.array.lanes,
        "zero_rows": zero_rows,
        "bound": bound,
        "cycles_per_vector": cycles,
        "of_bound": bound / cycles,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=sorted(DEVICES), default="engine")
    parser.add_argument("--vectors", type=int, default=6, help="vectors per case, at least 2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = []
    print(" lanes  zero rows   bound  cycles/vector  of bound")
    for lanes in LANES:
        design = Design(array=Array(rows=64, columns=64, lanes=lanes))
        for zero_rows in ZERO_ROWS:
            row = measure(DEVICES[args.device], design, args.vectors, zero_rows, rng)
            rows.append(row)
            line = "{lanes:6d}  {zero_rows:9.0%}  {bound:6.0f}  {cycles_per_vector:13.1f}  {of_bound:8.1%}"
            print(line.format(**row), flush=True)
    ok = all(row["of_bound"] >= BAR for row in rows)
    return report("visit_rate", {"device": args.device, "seed": args.seed, "bar": BAR, "cases": rows}, ok, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
