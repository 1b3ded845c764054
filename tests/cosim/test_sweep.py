"""The benches of sweep and choppers are green on designs that differ in every chopper, and red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Random, Transfer


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


def run(station, design, **options):
    return station_unit(design, station).run(design, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_sweep(name):
    result = run("sweep", DESIGNS[name])
    assert result.ok, result.messages


@pytest.mark.parametrize("name", [name for name in DESIGNS if name not in ("ttv2", "sgd")])
def test_chopper(name):
    result = run("chopper", DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, "sweep", DESIGNS["columns at random"])


@pytest.mark.parametrize(
    ("station", "net"),
    [
        ("sweep", "fire"),
        ("sweep", "k_sign"),
        ("sweep", "k_warm"),
        ("sweep", "since"),
        ("sweep", "sweeps"),
        ("sweep", "reads_in_period"),
        ("chopper", "sign"),
        ("chopper", "columns"),
        ("chopper", "chop_word"),
    ],
)
def test_broken_verilog_turns_red(station, net, invert):
    unit = station_unit(DESIGNS["columns too"], station)
    result = run(station, DESIGNS["columns too"], texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
