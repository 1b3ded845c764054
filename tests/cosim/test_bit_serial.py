"""The regression of bit-serial reads: green on both simulators, the cycles of a read, red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Update


def design(rows=8, columns=8, lanes=4, x=8, d=8, profile="fpga"):
    return Design(
        name="serial", scheme="wu", profile=profile,
        array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided", read="bit-serial"),
        formats=Formats(x=x, d=d, adc=8, fraction=7), update=Update(max_pulses=1, threshold=6528),
    )  # fmt: skip


DESIGNS = {
    "as presets": (design(), 18),
    "eight groups": (design(64, 32, 4), 72),
    "odd": (design(13, 7, 3, 5, 12, "asic"), 18),
    "one by one": (design(1, 1, 1, 2, 2), 3),
}
"""With the cycles of a tile operation."""


def run(tile, **options):
    return station_unit(tile, "bit_serial").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    tile, cycles = DESIGNS[name]
    result = run(tile)
    assert result.ok, result.messages
    assert result.payload["operation"] == cycles


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["odd"][0])


@pytest.mark.parametrize("net", ["b_bits", "plane_3", "dac_ready", "busy", "b_valid"])
def test_broken_verilog_turns_red(net, invert):
    tile = DESIGNS["as presets"][0]
    unit = station_unit(tile, "bit_serial")
    result = run(tile, texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
