"""The bench of the random streams is green on every kind of generator, and red on broken Verilog."""

import pytest

from crosstrain_cosim.simulators import run_bench
from crosstrain_hdl.emit import emit, flat_ports
from crosstrain_hdl.random_streams import RandomStream
from crosstrain_model.design import Array, Design, Random
from crosstrain_model.design_text import resolve_toml


def design(profile="fpga", **random):
    return Design(name="a", scheme="agad", profile=profile, array=Array(rows=5, columns=3, lanes=2),
                  random=Random(**random))  # fmt: skip


DESIGNS = {
    "default": design(),
    "xoshiro": design(generator="xoshiro128++", bits=10, profile="asic"),
    "smallest": design(bits=4, leap=1, row_width=8, column_width=8, profile="asic"),
    "longest leap": design(bits=10, leap=32, row_width=32, column_width=31),
}


def run(design, name, *, simulator="icarus", broken=None):
    part, top = RandomStream(design, name), f"a_{name}"
    texts = emit(RandomStream(design, name), name=top, profile=design.profile)
    inputs = [port for port, (_, is_input) in flat_ports(part).items() if is_input]
    return run_bench(
        simulator, texts=broken(texts, top) if broken else texts, top=top,
        bench="crosstrain_cosim.bench_random_streams", seed=3,
        settings={"design": resolve_toml(design), "inputs": inputs},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("default", "rows"),
        ("default", "columns"),
        ("default", "choppers"),
        ("xoshiro", "columns"),
        ("xoshiro", "rounding"),
        ("smallest", "rows"),
        ("longest leap", "columns"),
    ],
)
def test_on_icarus(key, name):
    result = run(DESIGNS[key], name)
    assert result.ok, result.messages
    assert result.tests == 3


def test_both_simulators_do_the_same():
    results = [run(DESIGNS["xoshiro"], "rows", simulator=simulator) for simulator in ("icarus", "verilator")]
    assert all(result.ok for result in results), results
    counts = [(result.tests, result.events, result.cycles) for result in results]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("net", ["word", "held", "saved", "zero"])
def test_broken_verilog_turns_red(net, invert):
    result = run(DESIGNS["smallest"], "rows", broken=lambda texts, top: invert(texts, top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
