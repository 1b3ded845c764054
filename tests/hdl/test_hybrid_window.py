"""Hybrid window: indices of cell columns taken apart, counted on and wrapped; state of the refresh."""

import importlib.util
from pathlib import Path

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.hybrid_window import HybridWindow, hybrid_windows
from crosstrain_hdl.tools import lint

_spec = importlib.util.spec_from_file_location("hybrid_bench", Path(__file__).with_name("hybrid_bench.py"))
side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(side)
DESIGNS = {"8x8": side.tile(8, 8, 4), "13x7": side.tile(13, 7, 3, bits=5), "rows": side.tile(60, 2, 1, bits=4)}


def run(design, body):
    dut = HybridWindow(design)
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)

    async def write(ctx, name, value):
        """Whether it was refused."""
        ctx.set(dut.write_data, value)
        ctx.set(getattr(dut, f"{name}_write"), 1)
        while True:
            ready, error = (await ctx.tick().sample(getattr(dut, f"{name}_ready"), getattr(dut, f"{name}_error")))[2:]
            if ready:
                break
        ctx.set(getattr(dut, f"{name}_write"), 0)
        return error

    async def read(ctx):
        """A read of WEAR_DATA: what was asked, and what it gives."""
        ctx.set(dut.wear_data_read, 1)
        while not ctx.get(dut.x_valid):
            await ctx.tick()
        where = tuple(ctx.get(getattr(dut, f"x_{name}")) for name in ("of_row", "row", "group", "lane", "bit"))
        ctx.set(dut.x_ready, 1)
        await ctx.tick()
        ctx.set(dut.x_ready, 0)
        await ctx.tick()
        ctx.set(dut.y_sets, 1000)
        ctx.set(dut.y_resets, 2000)
        ctx.set(dut.y_valid, 1)
        assert ctx.get(dut.wear_data_ready)
        value = ctx.get(dut.wear_data)
        await ctx.tick()
        ctx.set(dut.y_valid, 0)
        ctx.set(dut.wear_data_read, 0)
        await ctx.tick()
        return where, value

    async def bench(ctx):
        await body(ctx, dut, write, read)

    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("name", DESIGNS)
def test_every_column_and_row_in_turn_and_at_once(name):
    design = DESIGNS[name]
    array, bits = design.array, design.hybrid.bits
    columns = array.columns * bits
    places = [(c // bits // array.lanes, c // bits % array.lanes, c % bits) for c in range(columns)]

    async def body(ctx, dut, write, read):
        for select in (0, 1):
            assert not await write(ctx, "wear_select", select)
            for place in [*places, places[0]]:  # it wraps
                where, value = await read(ctx)
                assert (where[0], where[2:], value) == (0, place, (1000, 2000)[select])
            for column in (columns - 1, 0, columns // 2, columns // 3):
                assert not await write(ctx, "wear_index", column)
                assert ctx.get(dut.wear_index) == column
                assert (await read(ctx))[0][2:] == places[column]
            assert await write(ctx, "wear_index", columns) or columns < array.rows
        for select in (2, 3):
            assert not await write(ctx, "wear_select", select)
            assert ctx.get(dut.wear_index) == 0
            for row in [*range(array.rows), 0]:
                where, value = await read(ctx)
                assert (where[:2], value) == ((1, row), (1000, 2000)[select - 2])
            assert await write(ctx, "wear_index", array.rows)
        assert await write(ctx, "wear_data", 1)

    run(design, body)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_state_of_the_refresh(name):
    async def body(ctx, dut, write, read):
        ctx.set(dut.since, 0x1234)
        ctx.set(dut.place, DESIGNS[name].array.rows - 1)
        ctx.set(dut.refreshed_last, 1)
        assert ctx.get(dut.refresh_state) == 0x1234 | DESIGNS[name].array.rows - 1 << 16 | 1 << 31
        ctx.set(dut.write_data, 0xABCD | 1 << 16)
        ctx.set(dut.refresh_state_write, 1)
        put = [ctx.get(getattr(dut, name)) for name in ("put", "put_since", "put_place", "put_refreshed_last")]
        assert put == [1, 0xABCD, 1, 0]

    run(DESIGNS[name], body)


@pytest.mark.parametrize("name", [*DESIGNS, "sram"])
def test_emitted_text_is_clean(name, tmp_path):
    design = DESIGNS.get(name) or side.tile(8, 8, 4, cells="sram")
    assert ("wear_data" in hybrid_windows(design)) == (name != "sram")
    texts = emit(HybridWindow(design), name="hybrid_window", profile=design.profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "hybrid_window") == []
