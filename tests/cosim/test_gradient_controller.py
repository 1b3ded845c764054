"""Whole controllers with in-memory gradients: green on the pins, in every lane, in lockstep; red on broken Verilog."""

import numpy as np
import pytest

from crosstrain_cosim.gradient_lockstep import RtlGradientTile
from crosstrain_cosim.lanes import compare_lanes
from crosstrain_cosim.regression import GAPS, compiled_result
from crosstrain_cosim.stations import GRADIENT_BENCHES, controller_unit
from crosstrain_hdl.generate import rtl_files
from crosstrain_model.design_file import load_design
from crosstrain_model.gradient_tile import GradientTile

FINE = ["formats.fraction=4", "formats.accumulator=18", "update.threshold=300"]
DESIGNS = {
    "agad": ("agad-8", ["transfer.every=1", "transfer.warmup=1"]),
    "c-ttv2": (
        "c-ttv2-8",
        ["array.rows=13", "array.columns=7", "array.lanes=3", "profile=asic", "transfer.column_chopper=random",
         "transfer.flip_probability=20000", "ledger=true", *FINE],
    ),
    "sgd": ("sgd-8", ["array.rows=5", "array.columns=4", "array.lanes=2", "random.generator=xoshiro128++"]),
}  # fmt: skip
"""8 x 8; 13 x 7 in three lanes with column choppers; 5 x 4 without transfers, other random words."""
TINY = ("agad-8", ["array.rows=3", "array.columns=3", "array.lanes=2", "transfer.warmup=1", *FINE])
"""The smallest that has every register of transfers by period, for the edges."""


EFFORT = 0.2
"""Share of the benches' work: `crosstrain cosim` does all of it."""


def design(name):
    return load_design(*{**DESIGNS, "tiny": TINY}[name])


def run(name, *, broken=None, **options):
    unit = controller_unit(design(name))
    return unit.run(design(name), seed=2, texts=broken and broken(unit.texts), effort=EFFORT, **options)


SHARE = {
    "agad": ("at_random_back_to_back", "seeds_and_state", "aborts"),
    "c-ttv2": ("eager_with_gaps", "faulty_array", "reset_in_mid_run"),
    "sgd": ("registers", "at_random_with_gaps", "interlock", "stream_words"),
    "tiny": ("register_bounds", "far_settings", "both_ends", "sweep_counts", "ends_of_slots", "dropped_reads"),
}
"""Tests that each design runs here, all together: `crosstrain cosim` runs all of any."""


@pytest.mark.parametrize("name", SHARE)
def test_on_icarus(name):
    result = run(name, only="|".join(SHARE[name]))
    assert result.ok, result.messages
    assert result.tests == len(SHARE[name])
    assert controller_unit(design(name)).controller_benches == GRADIENT_BENCHES


BROKEN = [
    ("sweep", "k_warm", "at_random_back_to_back"),
    ("pulse_train", "raises", "at_random_back_to_back"),
    ("pulse", "t_amplitude", "at_random_back_to_back"),
    ("registers", "irq", "registers"),
    ("dispatcher", "arr_prog_enable", "interlock"),
]


@pytest.mark.parametrize(("module", "net", "test"), BROKEN)
def test_broken_verilog_turns_red(invert, module, net, test):
    result = run("agad", only=test, broken=lambda texts: invert(texts, f"agad_8_{module}", net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages


EDGES = [
    ("registers", "bus_data <= 32'd7;", "bus_data <= 32'd255;", "register_bounds"),
    ("scale", "{ {4{rate[15]}}, rate, 4'h0 }", "{ 4'h0, rate, 4'h0 }", "far_settings"),
    ("transfer", "clip_0 ? clip_0_n1 : sum_0", "sum_0", "both_ends"),
    ("sweep", "sweeps != 16'hffff", "1'h1", "sweep_counts"),
    ("dispatcher", "arr_done_status == 3'h5", "arr_done_status == 3'h1", "ends_of_slots"),
]
"""What random work does not meet: LEAK beyond 7; a rate below 0; H that wraps; SWEEPS that wraps; failed slots counted
as aborted."""


@pytest.mark.parametrize(("module", "right", "wrong", "test"), EDGES)
def test_wrong_edges_turn_red(module, right, wrong, test):
    def broken(texts):
        name = f"agad_8_{module}.v"
        assert right in texts[name]
        return {**texts, name: texts[name].replace(right, wrong)}

    result = run("tiny", only=test, broken=broken)
    assert not result.ok
    assert result.failed > 0
    assert result.mismatches > 0


@pytest.mark.parametrize("name", DESIGNS)
def test_lanes_agree(name):
    events, found = compare_lanes(design(name), seed=7, count=60, lanes=("model", "compiled"))
    assert events > 40
    assert found == []


def test_compiled_lane_equals_the_model_whatever_the_gaps():
    result = compiled_result(design("agad"), seed=4, count=60)
    assert result.ok, result.messages
    assert result.tests == len(GAPS)


def steps(made, count, seed=1):
    """Batches of codes and exponents with many zeros, and vectors that are all zero."""
    rng = np.random.default_rng(seed)
    rows, columns = made.array.rows, made.array.columns
    for _ in range(count):
        x = rng.integers(-128, 128, (6, rows)) * (rng.random((6, rows)) < 0.6)
        d = rng.integers(-128, 128, (6, columns)) * (rng.random((6, columns)) < 0.6)
        d[rng.random(6) < 0.1] = 0
        yield x, rng.integers(-11, -8, 6), d, rng.integers(-11, -8, 6)


def learn(tile, batches):
    answers = []
    for x, ex, d, ed in batches:
        answers += [tile.forward(x), tile.backward(d)]
        tile.accumulate(x, ex, d, ed)
        answers.append(tile.program())
    return answers


@pytest.mark.parametrize("name", DESIGNS)
def test_verilog_and_model_take_the_same_steps(name, same_steps):
    made = design(name)
    tiles = [kind(made, seed=5, tile=2) for kind in (RtlGradientTile, GradientTile)]
    weights = np.random.default_rng(1).integers(-2**12, 2**12, (made.array.rows, made.array.columns))
    for tile in tiles:
        tile.array.load_weights(weights)  # into the Verilog's array alone
    answers = same_steps(learn, tiles, list(steps(made, 30)))
    assert sum(step.pulses for step in answers[2::3]) > 30
    assert sum(step.mismatches for step in answers[2::3]) == 0


@pytest.mark.parametrize("name", DESIGNS)
def test_a_restored_tile_has_the_same_future(name, same_future):
    whole, again = (RtlGradientTile(design(name), seed=5, tile=1) for _ in range(2))
    same_future(learn, whole, again, list(steps(design(name), 15)))


def test_registers_reach_both_sides(same_steps):
    made = design("agad")
    tiles = [kind(made, seed=1, tile=0) for kind in (RtlGradientTile, GradientTile)]
    for tile in tiles:
        tile.configure(threshold=500, transfer_every=3, train_rate=300, leak=3, chopper_period=3)
    same_steps(learn, tiles, list(steps(made, 12)))


def test_wrong_verilog_is_counted_and_named(capsys, invert):
    made = design("sgd")
    wrong = invert(rtl_files(made), "sgd_8_pulse_train", "raises")
    tile = RtlGradientTile(made, seed=1, tile=0, rtl=wrong)
    answers = learn(tile, list(steps(made, 4)))
    assert sum(step.mismatches for step in answers[2::3]) > 0
    assert "first divergence: tile 0, pass 0, conductance of W" in capsys.readouterr().err
