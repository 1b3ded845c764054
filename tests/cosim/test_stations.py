"""Every station's regression is green on three designs, and red on broken Verilog."""

import dataclasses

import pytest

from crosstrain_cosim.stations import station_unit, stations
from crosstrain_model.design import Design


def run(design, station, **options):
    return station_unit(design, station).run(design, seed=3, **options)


@pytest.mark.parametrize("station", stations(Design()))
def test_on_icarus(design, station):
    result = run(design, station)
    assert result.ok, result.messages


@pytest.mark.parametrize("station", ["accumulator", "pulse"])
def test_both_simulators_do_the_same(mp8, station, same_on_both):
    same_on_both(run, mp8, station)


BROKEN = [
    ("outer_product", "v_row"),
    ("schedule", "a_group"),
    ("schedule", "in_pass"),
    ("accumulator", "a_ready"),
    ("accumulator", "clip_count"),
    ("threshold", "left"),
    ("threshold", "p"),
    ("pulse", "slot_last"),
    ("pulse", "t_direction"),
    ("sequencer", "arr_cmd_tag"),
    ("sequencer", "arr_prog_enable"),
]


@pytest.mark.parametrize(("station", "net"), BROKEN)
def test_broken_verilog_turns_red(mp8, station, net, invert):
    unit = station_unit(mp8, station)
    result = run(mp8, station, texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages


def test_a_divergence_says_where(mp8, invert):
    unit = station_unit(mp8, "threshold")
    result = run(mp8, "threshold", texts=invert(unit.texts, unit.top, "left"), only="corners")
    assert result.mismatches > 0
    assert result.messages[0].startswith("left at vector ")
    assert "hardware" in result.messages[0]
    assert "model" in result.messages[0]


def test_a_run_without_tests_is_a_failure(mp8):
    result = run(mp8, "threshold", only="no_such_test")
    assert (result.tests, result.ok) == (0, False)
    assert result.failed == 1


def test_nothing_compared_is_not_ok(mp8):
    result = run(mp8, "threshold")
    assert result.ok
    assert not dataclasses.replace(result, events=0).ok


def test_waves_and_log_on_request(mp8, tmp_path):
    unit = station_unit(mp8, "threshold")
    result = run(mp8, "threshold", only="corners", waves=tmp_path)
    assert result.ok
    assert (tmp_path / f"{unit.top}.fst").stat().st_size > 0
    assert (tmp_path / f"{unit.top}.log").stat().st_size > 0


def test_an_unknown_simulator_is_refused(mp8):
    with pytest.raises(ValueError, match="must be one of icarus, verilator"):
        run(mp8, "threshold", simulator="modelsim")
