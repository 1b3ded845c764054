"""The regression of the update stream: green on designs that differ in lanes and formats, red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Update, Verify


def design(rows=8, columns=8, lanes=4, accumulator=16, profile="fpga"):
    return Design(
        name="streamed", scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=8, accumulator=accumulator, fraction=4), update=Update(max_pulses=1, threshold=100),
        verify=Verify(range=100, base=50, window=5, set_margin=0, form_level=50), profile=profile,
    )  # fmt: skip


DESIGNS = {
    "as presets": design(),
    "odd": design(13, 7, 3, 11, "asic"),
    "one lane": design(3, 5, 1, 32),
    "one by one": design(1, 1, 1, 8, "asic"),
}


def run(tile, **options):
    return station_unit(tile, "update_stream").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages
    assert result.payload["visits_per_cycle"] == 1.0


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["odd"])


@pytest.mark.parametrize("net", ["v_row", "v_terms", "v_null", "v_last", "frame_error", "place_row", "told"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "update_stream")
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net), only="corners")
    assert not result.ok
    assert result.failed > 0
    assert result.messages


BROKEN = {
    "a beat is taken together with a drop": (r"(assign u_ready = \w+) & \w+;", r"\1;"),
    "a beat is taken in the place of the end of a dropped frame": (r"(assign u_ready_n1 = advance) & \w+;", r"\1;"),
    "a beat alone is not busy": (r"(assign busy_n\d = beat_valid) \| parts_valid;", r"\1 & parts_valid;"),
    "an empty end waits to be taken": (r"assign advance = \w+ \| v_ready;", "assign advance = v_ready;"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_turns_red(name, replaced):
    unit = station_unit(DESIGNS["as presets"], "update_stream")
    result = run(DESIGNS["as presets"], texts=replaced(unit.texts, unit.top, *BROKEN[name]))
    assert not result.ok
    assert result.mismatches
