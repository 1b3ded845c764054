"""The regression of the weight copy: green on designs that differ in all that shapes it, red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_verify import Verify


def design(rows=8, columns=8, lanes=4, adc=8, fraction=7, accumulator=16, profile="fpga"):
    levels = dict.fromkeys(("range", "base", "window", "form_level"), 1)
    return Design(
        name="copied", scheme="wu", profile=profile,
        array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=adc, fraction=fraction, accumulator=accumulator),
        update=Update(max_pulses=1, threshold=5), verify=Verify(**levels, set_margin=0),
    )  # fmt: skip


DESIGNS = {
    "as presets": design(),
    "odd": design(13, 7, 3, profile="asic"),
    "one by one": design(1, 1, 1, profile="asic"),
    "narrow": design(3, 5, 2, adc=3, fraction=0, accumulator=32),
    "wide": design(2, 12, 4, adc=12, fraction=12, accumulator=8),
}


def run(tile, **options):
    return station_unit(tile, "weight_copy").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["odd"])


BROKEN = {
    "pair rule: both devices move": (r"(assign plus_moves_0 =) [^;]+;", r"\1 changed_0;"),
    "pair rule: the sign of the old weight is forgotten": (r"(assign minus_moves_0 =) [^;]+;", r"\1 new_0[15];"),
    "clamp: one beyond RANGE": (r"(assign above_0 = .*) > ", r"\1 >= "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_turns_red(name, replaced):
    unit = station_unit(DESIGNS["as presets"], "weight_copy")
    texts = replaced(unit.texts, unit.top, *BROKEN[name])
    result = run(DESIGNS["as presets"], texts=texts, only="corners|at_random_back_to_back")
    assert not result.ok
    assert result.mismatches
    assert "hardware" in result.messages[0]


@pytest.mark.parametrize("net", ["t_row", "clamp_count", "w_ready", "total_0", "clamp_0"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "weight_copy")
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
