"""The bench of the dispatcher is green on designs that differ in all that shapes it, and red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Bus, Design, Formats, Update


def design(scheme, *, rows=5, columns=7, lanes=3, profile="fpga", outstanding=4, **formats):
    return Design(
        name="a", scheme=scheme, profile=profile, array=Array(rows=rows, columns=columns, lanes=lanes),
        bus=Bus(outstanding=outstanding), update=Update(max_pulses=3), formats=Formats(**formats),
    )  # fmt: skip


DESIGNS = {
    "agad": design("agad"),
    "two, asic": design("ttv2", rows=9, columns=2, lanes=2, profile="asic", outstanding=2, x=4, d=9),
    "eight": design("c-ttv2", rows=2, columns=12, lanes=1, outstanding=8),
    "sgd": design("sgd", rows=6, columns=4, lanes=4),
}


def run(design, **options):
    return station_unit(design, "dispatcher").run(design, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_dispatcher(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["agad"])


@pytest.mark.parametrize("net", ["arr_cmd_tag", "arr_slot_last", "arr_prog_enable", "z_good"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["agad"], "dispatcher")
    result = run(DESIGNS["agad"], texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
