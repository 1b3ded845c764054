"""Tiles of hybrid weights behind their Verilog: equal to the model for whole training steps, and red as soon as the
Verilog is wrong."""

import re

import numpy as np
import pytest

from crosstrain_cosim.hybrid_lockstep import RtlHybridTile
from crosstrain_cosim.lanes import compare_lanes
from crosstrain_cosim.regression import compiled_result
from crosstrain_cosim.rtl_tiles import rtl_tile
from crosstrain_cosim.selection import GAPS
from crosstrain_hdl.generate import rtl_files
from crosstrain_model.design_file import load_design
from crosstrain_model.hybrid_tile import HybridTile

SOON = ["hybrid.refresh_every=2", "hybrid.saturation=100", "binary_pcm.error_set=0.02", "converters.read_noise=0.01"]
DESIGNS = {
    "hic": [],
    "odd": [
        "array.rows=13", "array.columns=7", "array.lanes=3", "hybrid.bits=5", "hybrid.read_back=true",
        "hybrid.code=gray", "update.remainder=clear", "profile=asic", "verify.reads_log2=1",
        "binary_pcm.stuck_high=0.02", "converters.dac_noise=0.01",
    ],
    "sram": ["hybrid.cells=sram", "verify.cell_bits=4", "random.generator=xoshiro128++", "hybrid.bits=5"],
}  # fmt: skip
"""L in devices, two's complement; 13 x 7 in three lanes with a read-back, in Gray code, with stuck devices; L in a
memory, with counts of pulses of the pairs' devices."""


def design(name):
    return load_design("hic-8", [*SOON, *DESIGNS[name]])


def steps(made, count, seed=1):
    """Codes into the array, and changes: most of a few units of L, some of a carry or more."""
    rng, array = np.random.default_rng(seed), made.array
    half = 1 << made.formats.accumulator - 1
    for _ in range(count):
        x, d = (rng.integers(-128, 128, (3, lines)) for lines in (array.rows, array.columns))
        shape = (array.rows, array.columns)
        yield x, d, rng.integers(-half, half + 1, shape) >> rng.integers(0, 9, shape)


def learn(tile, batches):
    answers = []
    for x, d, changes in batches:
        if not tile.calibrated:
            tile.calibrate(x)
            tile.calibrate_backward(d)
        answers += [tile.forward(x), tile.backward(d)]
        tile.update(changes)
        answers.append(tile.program())
    return answers


def loaded(tile):
    rng = np.random.default_rng(3)
    shape = (tile.design.array.rows, tile.design.array.columns)
    tile.array.load_weights(rng.integers(-(1 << 18), 1 << 18, shape))
    return tile


@pytest.mark.parametrize("name", DESIGNS)
def test_verilog_and_model_take_the_same_steps(name, same_steps):
    made = design(name)
    rtl, model = (loaded(kind(made, seed=5, tile=2)) for kind in (RtlHybridTile, HybridTile))
    answers = same_steps(learn, (rtl, model), list(steps(made, 12)))
    assert sum(step.mismatches for step in answers[2::3]) == 0
    counts = model.controller.counts
    assert min(counts[name] for name in ("carry_rows", "refresh_rows", "refreshed")) > 20
    assert model.controller.memory.counts["failed"] > 0 or not made.hybrid.read_back
    assert rtl.audit() == 0


@pytest.mark.parametrize("name", DESIGNS)
def test_a_restored_tile_has_the_same_future(name, same_future):
    whole, again = (RtlHybridTile(design(name), seed=5, tile=1) for _ in range(2))
    loaded(whole).configure(amplitude_set=0x5000, amplitude_reset=0x6000, width_set=3)
    later = same_future(learn, whole, again, list(steps(design(name), 9)))
    assert sum(step.mismatches for step in later[2::3]) == 0
    assert whole.audit() == again.audit() == 0


def test_registers_reach_both_sides(same_steps):
    tiles = [loaded(kind(design("hic"), seed=1, tile=0)) for kind in (RtlHybridTile, HybridTile)]
    for tile in tiles:
        tile.configure(refresh_every=1, saturation=60, window=300, cycles=1, reads_log2=2, set_step=200, width_set=3)
        tile.configure(amplitude_set=0x5000, amplitude_reset=0x6000)
    same_steps(learn, tiles, list(steps(tiles[0].design, 5)))


def test_who_builds_it():
    assert isinstance(rtl_tile(design("hic"), 1, 0), RtlHybridTile)


BROKEN = [
    ("hic", "pulse", "polarity", "set pulses of W"),  # the sign of carries
    ("hic", "hybrid_turns", "refresh_row", "row of W"),
    ("hic", "hybrid_cells", "w_word", "(op|row|set pulses) of W"),
    ("sram", "hybrid_memory", "w_word", "(op|row|set pulses) of W"),
]


@pytest.mark.parametrize(("name", "module", "net", "told"), BROKEN)
def test_wrong_verilog_is_counted_and_named(name, module, net, told, capsys, invert):
    made = design(name)
    wrong = invert(rtl_files(made), f"hic_8_{module}", net)
    tile = loaded(RtlHybridTile(made, seed=1, tile=0, rtl=wrong))
    answers = learn(tile, steps(made, 4))
    assert sum(step.mismatches for step in answers[2::3]) > 0
    assert re.match(rf"first divergence: tile 0, pass \d, {told}\[", capsys.readouterr().err)


def test_a_refresh_of_the_wrong_device_is_counted_and_named(capsys, replaced):
    """The target of plus goes to minus, and the other way round, in one lane."""
    made = design("hic")
    swapped = r"(_n21 <= \{ (?:\w+, )*)(pairs_t_targets_16_0_n16), (pairs_t_targets_16_0_n18)( \};)", r"\1\3, \2\4"
    tile = loaded(RtlHybridTile(made, seed=1, tile=0, rtl=replaced(rtl_files(made), "hic_8_refresh", *swapped)))
    answers = learn(tile, steps(made, 4))
    assert [step.mismatches > 0 for step in answers[2::3]][:2] == [False, True]  # the refresh is at the second end
    assert re.match(r"first divergence: tile 0, pass 1, ", capsys.readouterr().err)


def plant(tile, where):
    """Something that no frame shows, on the model's side."""
    if where == "counts":
        tile.controller.verify.cells[1, 3] ^= 1
    elif where == "wear":
        tile.controller.memory.sets[2, 3, 1] += 1


@pytest.mark.parametrize(("name", "where", "found"), [("hic", "wear", 2), ("sram", "counts", 1)])
def test_memories_that_no_frame_shows_are_audited(name, where, found):
    tile = loaded(RtlHybridTile(design(name), seed=1, tile=0))
    learn(tile, steps(tile.design, 2))
    assert tile.audit() == 0
    plant(tile, where)
    assert tile.audit() == found
    assert tile.audit() == found
    assert tile.found == 0


def test_l_as_the_host_reads_it_is_audited(capsys, invert):
    """Hardware whose visits are right, but which shows the host another L."""
    made = design("hic")
    wrong = invert(rtl_files(made), "hic_8_hybrid_cells", "l_data")
    tile = loaded(RtlHybridTile(made, seed=1, tile=0, rtl=wrong))
    answers = learn(tile, steps(made, 2))
    assert sum(step.mismatches for step in answers[2::3]) == 0
    assert tile.audit() == made.array.rows * made.array.columns
    assert "L[0, 0]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "net", "told"),
    [("sequencer", "arr_cmd_array", "a command for an array that is not there"),
     ("command_switch", "slot_columns", "a pulse beyond the last device column")],
)  # fmt: skip
def test_what_no_array_takes_stops_the_run(module, net, told, invert):
    made = design("hic")
    tile = RtlHybridTile(made, seed=1, tile=0, rtl=invert(rtl_files(made), f"hic_8_{module}", net))
    with pytest.raises(RuntimeError, match=told):
        learn(tile, steps(made, 1))


# ---- the compiled lane of `crosstrain cosim`, on the same libraries ----


@pytest.mark.parametrize("name", DESIGNS)
def test_the_compiled_lane_agrees(name):
    events, found = compare_lanes(design(name), seed=7, count=40, lanes=("model", "compiled"))
    assert events > 40
    assert found == []


def test_the_compiled_lane_equals_the_model_whatever_the_gaps():
    result = compiled_result(design("hic"), seed=4, count=30)
    assert result.ok, result.messages
    assert result.tests == len(GAPS)


@pytest.mark.parametrize(("name", "module", "net"), [broken[:3] for broken in BROKEN])
def test_wrong_verilog_is_seen_by_the_compiled_lane(name, module, net, invert):
    made = design(name)
    texts = invert(rtl_files(made), f"hic_8_{module}", net)
    result = compiled_result(made, 4, texts, 30, ("without_gaps",))
    assert result.failed == 1
    assert result.messages
