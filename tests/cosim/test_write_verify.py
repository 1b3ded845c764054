"""The regression of write-verify: green on designs that differ in all that shapes it, red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Pulse, Update
from crosstrain_model.design_verify import Verify


def design(rows=8, columns=8, lanes=4, adc=8, fraction=7, profile="fpga", limit=2**20, **verify):
    scale = 1 << fraction
    levels = {"range": 100 * scale, "base": 40 * scale, "window": 3 * scale, "set_margin": -scale, "form_width": 5}
    return Design(
        name="verified", scheme="wu", profile=profile,
        array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=adc, fraction=fraction), update=Update(max_pulses=1),
        pulse=Pulse(width_set=3, width_reset=2, guard=1, width_limit=limit),
        verify=Verify(**{**levels, "form_level": 40 * scale, **verify}),
    )  # fmt: skip


DESIGNS = {
    "as presets": design(),
    "odd": design(13, 7, 3, profile="asic"),
    "one by one": design(1, 1, 1, profile="asic", cell_bits=16),
    "adc 12": design(3, 4, 4, adc=12, fraction=12, cell_bits=3),
    "no fraction": design(3, 5, 2, fraction=0, reads_log2=4, cell_bits=1),
    "no counts": design(4, 3, 1, fraction=2, reads_log2=1, cell_bits=0, limit=12),
    "by column": design(5, 4, 2, amplitude="column", cycles=3, profile="asic"),
}


def run(tile, **options):
    return station_unit(tile, "write_verify").run(tile, seed=3, **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, DESIGNS["odd"])


BROKEN = {
    "window compare: its upper bound is outside": (r"(\$signed\(judge_error_0\)) > ", r"\1 >= "),
    "window compare: its lower bound is outside": (r"(\$signed\(judge_error_0\)) < ", r"\1 <= "),
    "cycle limit: one cycle too many": (r"train_cycle >= cycles", "train_cycle > cycles"),
    "cycle limit: none": (r"train_cycle >= cycles", "1'b0"),
    "mask: devices that are above get SET pulses too": (
        r"(assign slot_columns\S* =) [^;]+;",
        r"\1 devices_left[15:0];",
    ),
}


BROKEN_BY_COLUMN = {
    "a device's amplitude does not advance": (
        r"(assign amplitudes_following_0 =) [^;]+;",
        r"\1 amplitudes_due_amplitudes[15:0];",
    ),
    "a device's amplitude comes from another column": (
        r"(assign amplitudes_following_1 =) [^;]+;",
        r"\1 amplitudes_following_2;",
    ),
    "a later train begins at the last amplitude": (
        r"(assign amplitudes_following_3 =) [^;]+;",
        r"\1 amplitudes_on_3 ? amplitudes_due_amplitudes[63:48] + amplitudes_step : amplitudes_due_amplitudes[63:48];",
    ),
    "a device goes on beyond its ramp": (r"(assign amplitudes_on_\d =) [^;]+;", r"\1 1'b1;"),
}


BROKEN_ELSEWHERE = {
    "busy is not told": ("as presets", "forming", r"(assign busy = \S+) \| ", r"\1 & "),
    "forming: a level that no device reaches": (
        "as presets", "forming", r"train_form \? \{ 1'h0, form_level \}", "train_form ? { 1'h1, form_level }"
    ),
    "forming: a row that comes meanwhile takes its place": (
        "as presets", "forming", r"(assign p_row_n1 =) rest & ", r"\1 "
    ),
    "buffers: the number of a row is that of the last": (
        "as presets", "full_buffers", r"else if \(\w+\) (\w+ <= t_row;)", r"else \1"
    ),
    "abort: sums of the row before are judged": (
        "as presets", "abort_before_a_read", r"cancel \? 1'h1 : train_keep", "train_keep"
    ),
    "counts go on beyond the last": ("as presets", "host_visits", r"(assign cells_count_n\d+ =) ~ .*;", r"\1 1'b1;"),
    "eight reads are taken for sixteen": ("as presets", "corners", "reads_log2 == 3'h3", "1'b0"),
    "ramp: its end is outside": ("as presets", "corners", r"train_ramp <= \{", "train_ramp < {"),
    "a device that is out comes back at once": ("by column", "small_windows", r"= on \? 1'h0 : ", "= "),
    "a ramp shorter than a step": ("by column", "corners", " & amplitudes_fits", ""),
}  # fmt: skip
"""Design, the test that tells, and what is wrong."""


@pytest.fixture
def check_red(replaced):
    """A check that its bench finds what is wrong with write-verify; gives what it says."""

    def check(tile, pattern, instead, only="corners|at_random_back_to_back"):
        unit = station_unit(tile, "write_verify")
        result = run(tile, texts=replaced(unit.texts, unit.top, pattern, instead), only=only)
        assert not result.ok
        assert result.mismatches
        assert "hardware" in result.messages[0]
        return result.messages

    return check


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_turns_red(name, check_red):
    check_red(DESIGNS["as presets"], *BROKEN[name])


@pytest.mark.parametrize("name", BROKEN_ELSEWHERE)
def test_a_broken_rule_turns_its_test_red(name, check_red):
    tile, only, pattern, instead = BROKEN_ELSEWHERE[name]
    check_red(DESIGNS[tile], pattern, instead, only)


@pytest.mark.parametrize("name", BROKEN_BY_COLUMN)
def test_a_broken_amplitude_turns_red(name, check_red):
    messages = check_red(DESIGNS["by column"], *BROKEN_BY_COLUMN[name])
    assert any(message.startswith("p_amplitude") for message in messages)


@pytest.mark.parametrize("net", ["q_row", "p_pulses", "judge_low", "train_keep", "cells_counted", "train_asked"])
def test_broken_verilog_turns_red(net, invert):
    unit = station_unit(DESIGNS["as presets"], "write_verify")
    only = "failing_array|at_random_back_to_back"
    result = run(DESIGNS["as presets"], texts=invert(unit.texts, unit.top, net), only=only)
    assert not result.ok
    assert result.failed > 0
