"""The bench of the random streams is green on every kind of generator, and red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Random


def design(profile="fpga", **random):
    return Design(name="a", scheme="agad", profile=profile, array=Array(rows=5, columns=3, lanes=2),
                  random=Random(**random))  # fmt: skip


DESIGNS = {
    "default": design(),
    "xoshiro": design(generator="xoshiro128++", bits=10, profile="asic"),
    "smallest": design(bits=4, leap=1, row_width=8, column_width=8, profile="asic"),
    "longest leap": design(bits=10, leap=32, row_width=32, column_width=31),
}


def run(design, name, **options):
    return station_unit(design, f"random_streams_{name}").run(design, seed=3, **options)


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


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["xoshiro"], "rows")


@pytest.mark.parametrize("net", ["word", "held", "saved", "zero"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["smallest"], "random_streams_rows")
    result = run(DESIGNS["smallest"], "rows", texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
