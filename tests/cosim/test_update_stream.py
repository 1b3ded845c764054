"""The regression of the update stream: green on designs that differ in lanes and formats, red on broken Verilog."""

import re

import pytest

from crosstrain_cosim.simulators import run_bench
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


def run(tile, *, simulator="icarus", texts=None, only=""):
    unit = station_unit(tile, "update_stream")
    return run_bench(
        simulator, texts=texts or unit.texts, top=unit.top, bench=unit.bench, seed=3, settings=unit.settings(tile),
        only=only,
    )  # fmt: skip


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages
    assert result.payload["visits_per_cycle"] == 1.0


def test_both_simulators_do_the_same():
    results = [run(DESIGNS["odd"], simulator=simulator) for simulator in ("icarus", "verilator")]
    assert all(result.ok for result in results), results
    counts = [(result.tests, result.events, result.cycles) for result in results]
    assert counts[0] == counts[1]


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
def test_a_broken_rule_turns_red(name):
    unit = station_unit(DESIGNS["as presets"], "update_stream")
    file = f"{unit.top}.v"
    text, count = re.subn(*BROKEN[name], unit.texts[file])
    assert count == 1
    result = run(DESIGNS["as presets"], texts={**unit.texts, file: text})
    assert not result.ok
    assert result.mismatches
