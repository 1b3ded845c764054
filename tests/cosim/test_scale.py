"""The regression of scale: green at every corner of its formats on both simulators, red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Design, Formats
from crosstrain_model.design_gradient import Random, Train


def design(x, d, slots, bits, profile="fpga", **train):
    return Design(
        name="scaled", scheme="agad", formats=Formats(x=x, d=d), train=Train(slots=slots, **train),
        random=Random(bits=bits), profile=profile,
    )  # fmt: skip


DESIGNS = {
    "as presets": design(8, 8, 5, 8),
    "one slot": design(12, 2, 1, 4, "asic", dynamic=False),
    "thirty-one slots": design(7, 9, 31, 10, momentum_log2=12, eta_log2=-300),
    "sixty-three slots": design(2, 12, 63, 10, "asic"),
    "small": design(2, 2, 2, 4),
}


def run(tile, **options):
    return station_unit(tile, "scale").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages
    assert result.payload["interval"] <= 17


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["as presets"])


@pytest.mark.parametrize("net", ["g_slots", "g_mx", "g_md", "mean_x", "mean_d_exponent", "fewer"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "scale")
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net), only="corners")
    assert not result.ok
    assert result.failed > 0
    assert result.messages
