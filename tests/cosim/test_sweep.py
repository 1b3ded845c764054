"""The benches of sweep and choppers are green on designs that differ in every chopper, and red on broken Verilog."""

import pytest

from crosstrain_cosim.simulators import run_bench
from crosstrain_hdl.chopper import Chopper
from crosstrain_hdl.emit import emit, flat_ports
from crosstrain_hdl.sweep import Sweep
from crosstrain_model.design import Array, Design, Random, Transfer
from crosstrain_model.design_text import resolve_toml


def design(scheme, *, rows=5, columns=7, lanes=3, profile="fpga", generator="lfsr", **transfer):
    return Design(
        name="a", scheme=scheme, profile=profile, array=Array(rows=rows, columns=columns, lanes=lanes),
        random=Random(generator=generator), transfer=Transfer(**{"period": 3, "warmup": 2} | transfer),
    )  # fmt: skip


DESIGNS = {
    "agad": design("agad"),
    "agad, asic": design("agad", rows=1, columns=40, lanes=8, profile="asic", every=1),
    "c-ttv2": design("c-ttv2", rows=40, flip_probability=20000),
    "columns too": design("c-ttv2", chopper="period", column_chopper="period", columns=33, lanes=4),
    "columns at random": design("c-ttv2", rows=2, column_chopper="random", every=1, profile="asic"),
    "xoshiro": design("ttv2", rows=1, column_chopper="random", every=3, generator="xoshiro128++"),
    "ttv2": design("ttv2"),
    "sgd": design("sgd"),
}


def run(cls, design, *, simulator="icarus", broken=None):
    station = cls.__name__.lower()
    part, top = cls(design), f"a_{station}"
    texts = emit(cls(design), name=top, profile=design.profile)
    inputs = [name for name, (_, is_input) in flat_ports(part).items() if is_input]
    return run_bench(
        simulator, texts=broken(texts, top) if broken else texts, top=top,
        bench=f"crosstrain_cosim.bench_{station}", seed=3, settings={"design": resolve_toml(design), "inputs": inputs},
    )  # fmt: skip


@pytest.mark.parametrize("name", DESIGNS)
def test_sweep(name):
    result = run(Sweep, DESIGNS[name])
    assert result.ok, result.messages


@pytest.mark.parametrize("name", [name for name in DESIGNS if name not in ("ttv2", "sgd")])
def test_chopper(name):
    result = run(Chopper, DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same():
    results = [run(Sweep, DESIGNS["columns at random"], simulator=simulator) for simulator in ("icarus", "verilator")]
    assert all(result.ok for result in results), results
    counts = [(result.tests, result.events, result.cycles) for result in results]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("cls", "net"),
    [
        (Sweep, "fire"),
        (Sweep, "k_sign"),
        (Sweep, "k_warm"),
        (Sweep, "since"),
        (Sweep, "sweeps"),
        (Sweep, "reads_in_period"),
        (Chopper, "sign"),
        (Chopper, "columns"),
        (Chopper, "chop_word"),
    ],
)
def test_broken_verilog_turns_red(cls, net, invert):
    result = run(cls, DESIGNS["columns too"], broken=lambda texts, top: invert(texts, top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
