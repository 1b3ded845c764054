"""The regression of vector_store: green on designs that differ in beats and slots, red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Bus, Design, Formats


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


def run(tile, **options):
    return station_unit(tile, "vector_store").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["odd"])


@pytest.mark.parametrize("net", ["f_is_d", "f_last", "found_s_x", "load_slot", "fill_place"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "vector_store")
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
