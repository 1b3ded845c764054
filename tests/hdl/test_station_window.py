"""The window on random streams and choppers: index, wrap, words that are not there."""

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.station_window import StationWindow, station_windows
from crosstrain_model.chopper import chopper_words
from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_gradient import Random
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.registers_gradient import STREAM_WORDS, streams

DESIGNS = {
    "sgd": Design(name="a", scheme="sgd"),
    "agad": Design(name="a", scheme="agad", formats=Formats(fraction=4), array=Array(rows=70, columns=5)),
    "c-ttv2": Design(
        name="a", scheme="c-ttv2", formats=Formats(fraction=4), random=Random(generator="xoshiro128++")
    ),
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def run(dut, process):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(process)
    sim.run()


def test_streams_by_index(design):
    dut = StationWindow(design)
    states = {stream: 0x11111111 * (place + 1) for place, stream in enumerate(streams(design))}

    async def bench(ctx):
        for stream, state in states.items():
            words = len(getattr(dut, f"{stream}_state")) // 32
            ctx.set(getattr(dut, f"{stream}_state"), sum((state + word) << 32 * word for word in range(words)))
        ctx.set(dut.stream_data_read, 1)
        for index in [*range(STREAM_WORDS * len(STREAMS)), 0]:  # it advances, and wraps
            stream, word = STREAMS[index // STREAM_WORDS], index % STREAM_WORDS
            there = stream in states and word < dut.words
            assert ctx.get(dut.stream_index) == index
            assert ctx.get(dut.stream_data) == (states[stream] + word if there else 0)
            assert ctx.get(dut.stream_data_ready)
            await ctx.tick()
        ctx.set(dut.stream_data_read, 0)
        await ctx.tick()
        assert ctx.get(dut.stream_index) == 1

    run(dut, bench)


def test_writes_load_the_word_that_the_index_names(design):
    dut = StationWindow(design)

    async def bench(ctx):
        for index in (4, 0, 8, 5, 15):
            stream, word = STREAMS[index // STREAM_WORDS], index % STREAM_WORDS
            ctx.set(dut.stream_index_write, 1)
            ctx.set(dut.write_data, index)
            await ctx.tick()
            ctx.set(dut.stream_index_write, 0)
            ctx.set(dut.stream_data_write, 1)
            ctx.set(dut.write_data, 0xABCD0000 + index)
            loads = {name: ctx.get(getattr(dut, f"{name}_load")) for name in streams(design)}
            assert loads == {name: int(name == stream and word < dut.words) for name in streams(design)}
            assert ctx.get(dut.load_data) == 0xABCD0000 + index
            assert ctx.get(dut.load_index) == word
            await ctx.tick()
            ctx.set(dut.stream_data_write, 0)

    run(dut, bench)


def test_choppers_walk_and_wrap():
    design = DESIGNS["agad"]
    assert station_windows(DESIGNS["sgd"]) == ("stream",)
    dut = StationWindow(design)

    async def bench(ctx):
        ctx.set(dut.chopper_data_write, 1)
        for number in [*range(chopper_words(design)), 0, 1]:
            assert ctx.get(dut.chopper_number) == number
            assert ctx.get(dut.chopper_put)
            await ctx.tick()

    run(dut, bench)
