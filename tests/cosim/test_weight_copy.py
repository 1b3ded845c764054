"""The regression of the weight copy: green on designs that differ in all that shapes it, red on broken Verilog."""

import re

import pytest

from crosstrain_cosim.simulators import run_bench
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


def run(tile, *, simulator="icarus", texts=None, only=""):
    unit = station_unit(tile, "weight_copy")
    return run_bench(
        simulator, texts=texts or unit.texts, top=unit.top, bench=unit.bench, seed=3,
        settings=unit.settings(tile), only=only,
    )  # fmt: skip


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same():
    results = [run(DESIGNS["odd"], simulator=simulator) for simulator in ("icarus", "verilator")]
    assert all(result.ok for result in results), results
    counts = [(result.tests, result.events, result.cycles) for result in results]
    assert counts[0] == counts[1]


BROKEN = {
    "pair rule: both devices move": (r"(assign plus_moves_0 =) [^;]+;", r"\1 changed_0;"),
    "pair rule: the sign of the old weight is forgotten": (r"(assign minus_moves_0 =) [^;]+;", r"\1 new_0[15];"),
    "clamp: one beyond RANGE": (r"(assign above_0 = .*) > ", r"\1 >= "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_turns_red(name):
    unit = station_unit(DESIGNS["as presets"], "weight_copy")
    pattern, replacement = BROKEN[name]
    file = f"{unit.top}.v"
    text, count = re.subn(pattern, replacement, unit.texts[file])
    assert count == 1
    result = run(DESIGNS["as presets"], texts={**unit.texts, file: text}, only="corners|at_random_back_to_back")
    assert not result.ok
    assert result.mismatches
    assert "hardware" in result.messages[0]


@pytest.mark.parametrize("net", ["t_row", "clamp_count", "w_ready", "total_0", "clamp_0"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "weight_copy")
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
