"""The regression of the sequencer where devices are read one by one; `test_stations` has the other designs."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Update


def design(rows=8, columns=8, lanes=4, read="bit-serial", x=8, d=8, profile="fpga"):
    return Design(
        name="devices", scheme="wu", profile=profile,
        array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided", read=read),
        formats=Formats(x=x, d=d, adc=8, fraction=7), update=Update(max_pulses=1, threshold=6528),
    )  # fmt: skip


DESIGNS = {
    "as presets": design(),
    "odd": design(13, 7, 3, x=5, d=12, profile="asic"),
    "parallel": design(13, 7, 3, "parallel", 5, 12),
    "one group": design(2, 1, 1, x=2),
}


def run(tile, **options):
    return station_unit(tile, "sequencer").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


@pytest.mark.parametrize("net", ["arr_cmd_groups", "arr_cmd_op", "arr_dac_codes", "adc_codes"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "sequencer")
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net), only="at_random")
    assert not result.ok
    assert result.failed > 0
    assert result.messages


BROKEN = {
    "a forgotten command stays open": ("aborts_of_lost_commands", r"(assign lose_n1 = timed_out) \| \w+;", r"\1;"),
    "marks of words are not looked at": ("faults", r"(assign reads_wrong_n2 = \w+) \| \w+;", r"\1;"),
    "words are silence": ("slow_words", r"(assign progress_n3 = \w+) \| \w+;", r"\1;"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_turns_its_test_red(name, replaced):
    only, pattern, instead = BROKEN[name]
    unit = station_unit(DESIGNS["as presets"], "sequencer")
    result = run(DESIGNS["as presets"], texts=replaced(unit.texts, unit.top, pattern, instead), only=only)
    assert not result.ok
    assert result.failed > 0
