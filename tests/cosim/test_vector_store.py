"""The regression of vector_store: green on designs that differ in beats and slots, red on broken Verilog."""

import pytest

from crosstrain_cosim.simulators import run_bench
from crosstrain_hdl.emit import emit, flat_ports
from crosstrain_hdl.vector_store import VectorStore
from crosstrain_model.design import Array, Bus, Design, Formats
from crosstrain_model.design_text import resolve_toml

TOP = "store"


def design(rows=8, columns=8, lanes=4, codes=0, vectors=2, x=8, d=8, profile="fpga"):
    return Design(
        name="stored", scheme="agad", array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(x=x, d=d), bus=Bus(stream_codes=codes, vectors=vectors), profile=profile,
    )  # fmt: skip


DESIGNS = {
    "as presets": design(),
    "odd": design(13, 7, 3, codes=1, vectors=3, x=5, d=12, profile="asic"),
    "a beat each": design(5, 7, 4, codes=8, x=12, d=2),
    "one by one": design(1, 1, 1, vectors=4, profile="asic"),
}


def run(tile, *, simulator="icarus", texts=None):
    part = VectorStore(tile)
    inputs = [name for name, (_, is_input) in flat_ports(part).items() if is_input]
    return run_bench(
        simulator, texts=texts or emit(part, name=TOP, profile=tile.profile), top=TOP,
        bench="crosstrain_cosim.bench_vector_store", seed=3, settings={"design": resolve_toml(tile), "inputs": inputs},
    )  # fmt: skip


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same():
    results = [run(DESIGNS["odd"], simulator=simulator) for simulator in ("icarus", "verilator")]
    assert all(result.ok for result in results), results
    counts = [(result.tests, result.events, result.cycles) for result in results]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("net", ["f_is_d", "f_last", "found_s_x", "load_slot", "fill_place"])
def test_broken_verilog_turns_red(net, invert):
    texts = emit(VectorStore(DESIGNS["as presets"]), name=TOP, profile="fpga")
    result = run(DESIGNS["as presets"], texts=invert(texts, TOP, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
