"""Memory switch: which memory a visit goes to, and how its words lie in those of the window."""

import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.memory_switch import MemorySwitch
from crosstrain_hdl.window import cell_width
from crosstrain_model.design_file import load_design

DESIGNS = {
    "wu-8": [],
    "narrow": ["formats.accumulator=11", "update.threshold=500", "array.lanes=2"],
    "counts": ["verify.cell_bits=16", "array.lanes=1"],
    "none": ["verify.cell_bits=0"],
}


def run(design, body):
    dut = MemorySwitch(design)
    simulator = Simulator(dut)
    if "cells" in dut.bits:  # it has no register otherwise
        simulator.add_clock(1e-8)

    async def bench(ctx):
        await body(ctx, dut)

    simulator.add_testbench(bench)
    simulator.run()


def fields(word, bits, count):
    return [word >> bits * place & ((1 << bits) - 1) for place in range(count)]


def signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) else value


@pytest.mark.parametrize("name", DESIGNS)
def test_cells_of_dw_and_of_the_copy(name):
    design = load_design("wu-8", DESIGNS[name])
    lanes, width = design.array.lanes, cell_width(design)
    rng = random.Random(1)

    async def body(ctx, dut):
        for select, memory in enumerate(("dw", "copy")):
            ctx.set(dut.m_select, select)
            ctx.set(dut.m_valid, 1)
            for other in dut.bits:
                assert ctx.get(getattr(dut, f"{other}_valid")) == (other == memory)
                ctx.set(getattr(dut, f"{other}_ready"), other != memory)
            assert not ctx.get(dut.m_ready)
            ctx.set(getattr(dut, f"{memory}_ready"), 1)
            assert ctx.get(dut.m_ready)
            bits = dut.bits[memory]
            for _ in range(20):
                stored, given = rng.getrandbits(lanes * bits), rng.getrandbits(lanes * width)
                ctx.set(getattr(dut, f"{memory}_r_data"), stored)
                ctx.set(dut.m_data, given)
                shown = [signed(cell, width) for cell in fields(ctx.get(dut.r_data), width, lanes)]
                assert shown == [signed(cell, bits) for cell in fields(stored, bits, lanes)]
                written = fields(ctx.get(getattr(dut, f"{memory}_data")), bits, lanes)
                assert written == [cell & ((1 << bits) - 1) for cell in fields(given, width, lanes)]

    run(design, body)


@pytest.mark.parametrize("name", ["wu-8", "narrow", "counts"])
def test_a_write_of_one_half_keeps_the_other(name):
    design = load_design("wu-8", DESIGNS[name])
    lanes, width, bits = design.array.lanes, cell_width(design), design.verify.cell_bits
    rng = random.Random(2)

    async def body(ctx, dut):
        for _ in range(20):
            half, stored = rng.randrange(2), rng.getrandbits(2 * lanes * bits)
            ctx.set(dut.m_select, 2 + half)
            ctx.set(dut.cells_r_data, stored)
            ctx.set(dut.cells_r_valid, 1)
            assert ctx.get(dut.r_valid)
            pairs = fields(stored, bits, 2 * lanes)
            assert fields(ctx.get(dut.r_data), width, lanes) == pairs[half::2]
            await ctx.tick()
            ctx.set(dut.cells_r_valid, 0)
            ctx.set(dut.cells_r_data, rng.getrandbits(2 * lanes * bits))  # what the memory shows later does not count
            given = [rng.getrandbits(bits) for _ in range(lanes)]
            ctx.set(dut.m_data, sum(cell << width * lane for lane, cell in enumerate(given)))
            wanted = list(pairs)
            wanted[half::2] = given
            assert fields(ctx.get(dut.cells_data), bits, 2 * lanes) == wanted
            await ctx.tick()

    run(design, body)
