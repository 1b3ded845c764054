"""Transfer hardware against the model, in amaranth.sim: rows at every distance, failed reads, host, sweep, ledger."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from crosstrain_hdl.emit import emit
from crosstrain_hdl.tools import lint
from crosstrain_model.design import Array, Design, Formats, Transfer, Update
from crosstrain_model.sweep import Token
from crosstrain_model.threshold import theta_limit


def load(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Bench = load("transfer_bench").Bench


def design(scheme="agad", rows=5, columns=7, lanes=3, ledger=False, transfer=None, update=None, **formats):
    return Design(
        scheme=scheme, ledger=ledger, array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(**{"adc": 6, "fraction": 3, "accumulator": 12, **formats}),
        update=Update(**{"threshold": 100, "max_pulses": 1, **(update or {})}),
        transfer=Transfer(**(transfer or {})),
    )  # fmt: skip


DESIGNS = {
    "agad": design(),
    "agad, last": design(transfer={"memory": "last"}, update={"remainder": "keep", "max_pulses": 3}),
    "ttv2": design("ttv2", columns=4, lanes=4, ledger=True),
    "ttv2, keep": design("ttv2", update={"remainder": "keep"}, rounding="truncate"),
    "c-ttv2, columns": design("c-ttv2", transfer={"column_chopper": "random"}, ledger=True),
    "13x7": design(rows=13, ledger=True, update={"max_pulses": 3, "remainder": "keep"}),
    "one lane": design(rows=3, columns=2, lanes=1, rounding="truncate", transfer={"leak_log2": 3}),
    "1x1": design(rows=1, columns=1, lanes=1, adc=1, fraction=0, accumulator=8, update={"threshold": 1}),
    "one row": design("c-ttv2", rows=1, columns=4, lanes=2, transfer={"column_chopper": "period"}),
    "shift": design("c-ttv2", update={"threshold": 64, "threshold_power_of_two": True, "max_pulses": 15}),
    "wide": design(columns=5, lanes=5, adc=18, fraction=12, accumulator=32, ledger=True, update={"threshold": 2**28}),
    "saturating": design(adc=18, fraction=12, accumulator=8, ledger=True, update={"threshold": 127}),
}


def some(name):
    """Parameters: a few designs by name."""
    return pytest.mark.parametrize("name", name)


@pytest.mark.parametrize(("ready", "room"), [(1.0, 1.0), (0.6, 0.1)])
@some(DESIGNS)
def test_random_rows(name, ready, room):
    """Random reads, failed ones among them; theta and leak change between."""
    tile = DESIGNS[name]
    bench = Bench(tile, seed=len(name), ready=ready, room=room)

    async def body(ctx):
        for _ in range(3):
            for _ in range(20):
                bench.random_read(good=bench.rng.random() < 0.85)
            await bench.quiet(ctx)
            theta = min(theta_limit(tile), 1 << bench.rng.randrange(tile.formats.accumulator))
            await bench.configure(ctx, theta=theta, leak=bench.rng.randrange(8))

    bench.run(body)
    assert bench.model.lost_reads > 3
    assert bench.model.visits > 30
    assert bench.model.adc_clipped > 3
    if name == "saturating":
        assert bench.model.clipped > 10


@some(["1x1", "one lane", "one row", "ttv2", "agad"])
def test_one_row_again_and_again(name):
    """A row that is met while it is still in the pipeline takes what the visit before left."""
    tile = DESIGNS[name]
    bench = Bench(tile, seed=1)

    async def body(ctx):
        columns = np.zeros(tile.array.columns, bool) if tile.transfer.column_chopper != "none" else None
        for step in range(40):
            token = Token(row=0, sign=False, columns=columns, flip=step % 3 == 0, warm=False)
            half = 1 << (tile.formats.adc - 1)
            bench.put(token, [(3 * step + column) % half - half // 2 for column in range(tile.array.columns)])
        await bench.quiet(ctx)

    bench.run(body)


def test_one_group_per_cycle_and_no_gap_between_rows():
    """Rows that wait leave one behind the other without a gap; the first counts come 6 cycles after the end."""
    tile = design(columns=24, lanes=3)
    bench = Bench(tile, seed=2)

    async def body(ctx):
        bench.free = 0
        for row in range(2):
            bench.put(Token(row=row, sign=False, columns=None, flip=False, warm=False), [1] * 24)
        for _ in range(60):
            await ctx.tick()
        bench.free = 3
        began = bench.cycle
        await bench.quiet(ctx)
        assert bench.first[1] - bench.first[0] == tile.array.groups
        assert bench.first[0] - began == bench.dut.latency + 2  # the bench shows room one cycle later
        bench.put(Token(row=4, sign=False, columns=None, flip=False, warm=False), [1] * 24)
        await bench.quiet(ctx)
        assert bench.first[2] - bench.ended[2] == bench.dut.latency + 1

    bench.room = 0.0
    bench.run(body)


def test_without_room_nothing_begins_and_tokens_wait():
    tile = DESIGNS["agad"]
    bench = Bench(tile, seed=3, room=0.0)

    async def body(ctx):
        bench.free = 1
        for row in range(5):
            bench.put(Token(row=row, sign=False, columns=None, flip=False, warm=False), [1] * 7)
        for _ in range(100):
            await ctx.tick()
        assert (len(bench.first), len(bench.ended), bench.taken) == (1, 3, 0)  # one visited, two wait as rows
        assert not ctx.get(bench.dut.k_ready)
        bench.room = 1.0
        await bench.quiet(ctx)

    bench.run(body)


def test_a_token_is_taken_only_with_room_for_its_row():
    """So a word that has come can always be taken."""
    tile = DESIGNS["c-ttv2, columns"]
    bench = Bench(tile, seed=4)

    async def body(ctx):
        for _ in range(10):
            bench.random_read()
        reads = list(bench.reads)
        bench.reads.clear()
        await ctx.tick().repeat(30)
        assert bench.taken == 2
        assert ctx.get(bench.dut.z_ready)
        bench.reads.extend(reads)
        await bench.quiet(ctx)

    bench.run(body)


@some(["agad", "agad, last", "ttv2", "c-ttv2, columns", "1x1", "wide", "saturating"])
def test_the_host_reads_and_writes(name):
    tile = DESIGNS[name]
    bench = Bench(tile, seed=5)
    rng, array = bench.rng, tile.array

    async def body(ctx):
        for _ in range(3):
            for _ in range(6):
                bench.random_read()
            await bench.quiet(ctx)
            for _ in range(25):
                where = {"select": rng.choice(bench.selects()), "row": rng.randrange(array.rows),
                         "group": rng.randrange(array.groups)}  # fmt: skip
                if rng.random() < 0.5:
                    cells = [rng.randrange(-(2**31), 2**31) for _ in range(array.lanes)]
                    await bench.access(ctx, write=1, cells=cells, **where)
                else:
                    assert await bench.access(ctx, write=0, **where) == bench.held(**where)
            await bench.quiet(ctx)

    bench.run(body)


def test_the_host_gets_its_turn_between_rows():
    """An access amid traffic acts between two rows, in one piece."""
    tile = DESIGNS["agad"]
    bench = Bench(tile, seed=6, room=0.5)

    async def body(ctx):
        for _ in range(30):
            bench.random_read()
        for _ in range(12):
            await ctx.tick().repeat(7)
            group = bench.rng.randrange(tile.array.groups)
            await bench.access(ctx, write=0, select=0, row=1, group=group)
        await bench.quiet(ctx)

    bench.run(body)


@some(["agad", "ttv2", "1x1", "c-ttv2, columns", "13x7"])
def test_clear(name):
    """All memories, between two rows; tokens and rows that wait stay, counters too."""
    tile = DESIGNS[name]
    bench = Bench(tile, seed=7)

    async def body(ctx):
        for _ in range(3):
            for _ in range(10):
                bench.random_read()
            await bench.quiet(ctx)
            ctx.set(bench.dut.clear, 1)
            await ctx.tick()
            ctx.set(bench.dut.clear, 0)
            assert ctx.get(bench.dut.clearing)
            cycles = 0
            while ctx.get(bench.dut.clearing):
                await ctx.tick()
                cycles += 1
            assert cycles == tile.array.rows * tile.array.groups + 5
            bench.model.clear(bench.ledger)
            await bench.quiet(ctx)

    bench.run(body)


def test_a_clear_amid_traffic_waits_for_the_row_and_holds_the_next():
    tile = design(columns=24, lanes=3, ledger=True)
    bench = Bench(tile, seed=8)

    async def body(ctx):
        for _ in range(2):
            bench.random_read()
        while not bench.first:
            await ctx.tick()
        ctx.set(bench.dut.clear, 1)
        await ctx.tick()
        ctx.set(bench.dut.clear, 0)
        while ctx.get(bench.dut.clearing):
            await ctx.tick()
        assert len(bench.seen) == tile.array.groups
        await bench.settle(ctx)
        # The second read ended before the sweep; its visit came after it.
        model = type(bench.model)(tile)
        assert ctx.get(bench.dut.visits) == 2 * tile.array.groups
        assert model.counters()["visits"] == 0

    bench.run(body)


def test_cancel_drops_rows_that_wait():
    """Those that have begun end, all others are lost; what comes later is as ever."""
    tile = DESIGNS["agad"]
    bench = Bench(tile, seed=9, room=0.0)

    async def body(ctx):
        bench.free = 0
        for row in range(2):
            bench.put(Token(row=row, sign=False, columns=None, flip=True, warm=False), [31] * 7)
        await ctx.tick().repeat(40)
        ctx.set(bench.dut.cancel, 1)
        await ctx.tick().repeat(3)
        ctx.set(bench.dut.cancel, 0)
        await bench.settle(ctx)
        bench.free, bench.room = 3, 1.0
        assert bench.seen == []
        bench.due.clear()
        bench.model.restore({**type(bench.model)(tile).state(), "transfer": np.array([0, 0, 0, 2])})
        bench.ledger = type(bench.ledger).of(bench.model.h)
        bench.adc_clips = 0
        await bench.quiet(ctx)
        for _ in range(10):
            bench.random_read()
        await bench.quiet(ctx)

    bench.run(body)


def test_counters_are_cleared():
    tile = DESIGNS["saturating"]
    bench = Bench(tile, seed=10)

    async def body(ctx):
        for number in range(10):
            bench.random_read(good=number % 3 > 0)
        await bench.quiet(ctx)
        assert all(bench.model.counters().values())
        ctx.set(bench.dut.count_clear, 1)
        await ctx.tick()
        ctx.set(bench.dut.count_clear, 0)
        await ctx.tick()
        assert not any(ctx.get(getattr(bench.dut, name)) for name in bench.model.counters())

    bench.run(body)


def test_words_too_many_do_no_harm():
    """A read with more words than groups, even one that claims to be good, writes into no other row."""
    tile = DESIGNS["agad"]
    bench = Bench(tile, seed=11)

    async def body(ctx):
        for row in range(6):
            bench.put(Token(row=row % 5, sign=False, columns=None, flip=False, warm=False), [row] * 7)
            bench.reads[-1]["words"].append(-1)
        await bench.quiet(ctx)

    bench.run(body)


def test_hardware_that_a_design_does_not_use_is_not_there():
    members = {name: set(Bench(tile, 0).dut.signature.members) for name, tile in DESIGNS.items()}
    assert {"leak", "m_select"} <= members["agad"]
    assert members["agad"] - members["agad, last"] == {"leak"}
    assert members["agad, last"] - members["ttv2, keep"] == {"m_select"}
    assert members["c-ttv2, columns"] - members["ttv2"] == {"k_columns"}
    assert set(Bench(DESIGNS["agad, last"], 0).dut.memories) == {"H", "P_ref"}
    assert set(Bench(DESIGNS["ttv2"], 0).dut.memories) == {"H"}
    plain = dataclasses.replace(DESIGNS["ttv2"], ledger=False)
    assert not any(name.startswith("total_") for name in Bench(plain, 0).dut.signature.members)


@pytest.mark.parametrize("profile", ["fpga", "asic"])
@some(["13x7", "1x1", "ttv2", "c-ttv2, columns"])
def test_its_verilog_is_free_of_warnings(name, profile, tmp_path):
    tile = dataclasses.replace(DESIGNS[name], profile=profile)
    texts = emit(Bench(tile, 0).dut, name="tile_transfer", profile=profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint(sorted(tmp_path.glob("*.v")), "tile_transfer") == []
