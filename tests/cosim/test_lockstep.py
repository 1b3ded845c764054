"""Tiles behind their Verilog: equal to the model for whole training steps, and red as soon as the Verilog is wrong."""

import numpy as np
import pytest

from crosstrain_cosim.lockstep import RtlTile
from crosstrain_hdl.generate import rtl_files
from crosstrain_model.design_file import load_design
from crosstrain_model.tile import ModelTile

NOISE = ["converters.adc_noise=0.7", "converters.read_noise=0.02", "converters.dac_noise=0.01"]
DESIGNS = {
    "mp-8": ["formats.accumulator=12", "update.threshold=40"],
    "odd": ["array.rows=13", "array.columns=7", "array.lanes=3", "array.pair=push-pull", "update.max_pulses=5"],
    "narrow": ["array.lanes=1", "array.pair=set-only", "update.remainder=clear", "profile=asic"],
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return load_design("mp-8", DESIGNS[request.param] + NOISE)


def steps(design, count, seed=1):
    """Batches of codes and exponents with many zeros."""
    rng = np.random.default_rng(seed)
    rows, columns = design.array.rows, design.array.columns
    for _ in range(count):
        x = rng.integers(-128, 128, (4, rows)) * (rng.random((4, rows)) < 0.6)
        d = rng.integers(-128, 128, (4, columns)) * (rng.random((4, columns)) < 0.6)
        yield x, rng.integers(-11, -8, 4), d, rng.integers(-11, -8, 4)


def learn(tile, batches):
    answers = []
    for x, ex, d, ed in batches:
        answers += [tile.forward(x), tile.backward(d)]
        tile.accumulate(x, ex, d, ed)
        answers.append(tile.program())
    return answers


def test_verilog_and_model_take_the_same_steps(design, same_steps):
    tiles = [kind(design, seed=5, tile=2) for kind in (RtlTile, ModelTile)]
    answers = same_steps(learn, tiles, list(steps(design, 40)))
    assert sum(step.pulses for step in answers[2::3]) > 30
    assert sum(step.mismatches for step in answers[2::3]) == 0


def test_a_restored_tile_has_the_same_future(design, same_future):
    whole, again = (RtlTile(design, seed=5, tile=0) for _ in range(2))
    same_future(learn, whole, again, list(steps(design, 20)))


def test_registers_of_the_rate_reach_both_sides(design, same_steps):
    tiles = [kind(design, seed=1, tile=0) for kind in (RtlTile, ModelTile)]
    for tile in tiles:
        tile.configure(threshold=64, shift=9)
    same_steps(learn, tiles, list(steps(design, 5)))


def test_wrong_verilog_is_counted_and_named(capsys, invert):
    design = load_design("mp-8")
    wrong = invert(rtl_files(design), "mp_8_accumulator", "c_counts")
    tile = RtlTile(design, seed=1, tile=0, rtl=wrong)
    answers = learn(tile, list(steps(design, 20)))
    assert sum(step.mismatches for step in answers[2::3]) > 0
    assert "first divergence: tile 0, pass " in capsys.readouterr().err
