"""Controllers and stations of hybrid weights: green on the pins; red on broken Verilog."""

import pytest

from crosstrain_cosim.lanes import compare_lanes
from crosstrain_cosim.stations import HYBRID_BENCHES, controller_unit, station_unit, stations
from crosstrain_model.design_file import load_design

DESIGNS = {
    "hic": ("hic-8", []),
    "odd": (
        "hic-8",
        ["array.rows=13", "array.columns=7", "array.lanes=3", "hybrid.bits=5", "hybrid.read_back=true",
         "hybrid.code=gray", "update.remainder=clear", "profile=asic", "verify.reads_log2=1",
         "pulse.amplitude_reset=49152"],
    ),
    "sram": ("hic-8", ["hybrid.cells=sram", "verify.cell_bits=4", "random.generator=xoshiro128++", "hybrid.bits=12",
             "formats.accumulator=24"]),
    "tall": ("hic-8", ["array.rows=16", "array.columns=4", "hybrid.bits=4", "update.max_pulses=1"]),
}  # fmt: skip
"""L in devices, two's complement; 13 x 7 in three lanes with a read-back, in Gray code, with pulses of two amplitudes;
L in a memory, with changes so large that they are clipped, and counts of pulses; more rows than words of columns in
the counts of pulses of L."""


EFFORT = 0.2
"""Share of their work that the benches of controllers do here: `crosstrain cosim` does all of it."""


def design(name):
    return load_design(*DESIGNS[name])


def run(name, station="controller", *, broken=None, **options):
    made, controller = design(name), station == "controller"
    unit = controller_unit(made) if controller else station_unit(made, station)
    texts = broken and broken(unit.texts)
    return unit.run(made, seed=2, texts=texts, effort=EFFORT if controller else 1.0, **options)


SHARE = {
    "hic": ("at_random_with_gaps", "host_access", "aborts", "cells_that_fail", "reset_between_read_and_write",
            "window_under_work"),
    "odd": ("at_random_back_to_back", "bad_frames", "cells_that_fail", "interlock", "writes_cut_by_reset"),
    "sram": ("registers", "refresh_all_the_time", "faulty_arrays", "refresh_reads_fail", "host_access",
             "whole_rows_at_once"),
}  # fmt: skip
"""Tests that each design runs here: `crosstrain cosim` runs all of any."""


@pytest.mark.parametrize("name", SHARE)
def test_on_icarus(name):
    result = run(name, only="|".join(SHARE[name]))
    assert result.ok, result.messages
    assert result.tests == len(SHARE[name])
    assert controller_unit(design(name)).controller_benches == HYBRID_BENCHES


@pytest.mark.parametrize(
    ("name", "station"),
    [("hic", "hybrid_cells"), ("odd", "hybrid_cells"), ("tall", "hybrid_cells"), ("sram", "hybrid_memory"),
     ("odd", "refresh"), ("odd", "sequencer"), ("sram", "refresh")],
)  # fmt: skip
def test_stations(name, station):
    assert station in stations(design(name))
    result = run(name, station)
    assert result.ok, result.messages


BROKEN = [
    ("hybrid_cells", "q_groups", "at_random_back_to_back"),
    ("hybrid_cells", "slot_columns", "at_random_back_to_back"),
    ("hybrid_round", "r_q", "at_random_back_to_back"),
    ("hybrid_turns", "refresh_row", "at_random_back_to_back"),
    ("refresh", "p_amplitude", "at_random_back_to_back"),
    ("read_switch", "s_cells", "at_random_back_to_back"),
    ("sequencer", "arr_prog_enable", "interlock"),
]


@pytest.mark.parametrize(("module", "net", "test"), BROKEN)
def test_broken_verilog_turns_red(invert, module, net, test):
    result = run("hic", only=test, broken=lambda texts: invert(texts, f"hic_8_{module}", net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages


@pytest.mark.parametrize(
    ("name", "station", "net"),
    [("odd", "hybrid_cells", "w_word"), ("odd", "hybrid_cells", "p_pulses"), ("sram", "hybrid_memory", "w_word"),
     ("odd", "refresh", "slot_columns")],
)  # fmt: skip
def test_broken_stations_turn_red(invert, name, station, net):
    result = run(name, station, only="at_random_back_to_back",
                 broken=lambda texts: invert(texts, f"hic_8_{station}", net))  # fmt: skip
    assert result.failed > 0


def test_weights_clipped_together_count_one_by_one(replaced):
    """A count of one for all lanes of a group turns red."""
    rule = r"(assign clip_count = )[^;]+;", r"\g<1>3'h1;"
    result = run(
        "sram", only="whole_rows_at_once", broken=lambda texts: replaced(texts, "hic_8_hybrid_memory", *rule)
    )  # fmt: skip
    assert result.mismatches > 0


def test_the_lanes_on_the_pins_agree():
    events, found = compare_lanes(design("odd"), seed=3, count=20, lanes=("model", "icarus"))
    assert events > 40
    assert found == []
