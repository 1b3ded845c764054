"""Whole controllers whose changes come from the host: green on the pins, in every lane, in lockstep; red on broken
Verilog."""

import signal

import numpy as np
import pytest

from crosstrain_cosim.lanes import compare_lanes
from crosstrain_cosim.regression import GAPS, compiled_result
from crosstrain_cosim.rtl_tiles import rtl_tile
from crosstrain_cosim.stations import STREAM_BENCHES, controller_unit
from crosstrain_cosim.stream_lockstep import RtlStreamTile
from crosstrain_hdl.generate import rtl_files
from crosstrain_model.design_file import load_design
from crosstrain_model.stream_tile import VerifiedTile

DESIGNS = {
    "wu": ("wu-8", []),
    "odd": (
        "wu-8",
        ["array.rows=13", "array.columns=7", "array.lanes=3", "array.read=parallel", "profile=asic", "ledger=true",
         "verify.cell_bits=0", "verify.reads_log2=1", "formats.accumulator=18"],
    ),
    "one": (
        "wu-8",
        ["array.rows=3", "array.columns=2", "array.lanes=1", "formats.x=3", "verify.amplitude=column",
         "verify.cycles=3"],
    ),
}  # fmt: skip
"""8 x 8 bit by bit; 13 x 7 in three lanes with DACs, two reads a judgement, no counts of pulses; one lane, short
codes and amplitudes by column."""


EFFORT = 0.2
"""Share of the benches' work: `crosstrain cosim` does all of it."""


def design(name):
    return load_design(*DESIGNS[name])


def run(name, *, broken=None, **options):
    unit = controller_unit(design(name))
    return unit.run(design(name), seed=2, texts=broken and broken(unit.texts), effort=EFFORT, **options)


SHARE = {
    "wu": ("at_random_with_gaps", "host_access", "aborts", "stuck_devices", "read_timeouts"),
    "odd": ("at_random_back_to_back", "bad_frames", "faulty_array", "reset_in_mid_run"),
    "one": ("registers", "other_settings", "interlock", "saturating_reads"),
}
"""Tests that each design runs here: `crosstrain cosim` runs all of any."""


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(name, only="|".join(SHARE[name]))
    assert result.ok, result.messages
    assert result.tests == len(SHARE[name])
    assert controller_unit(design(name)).controller_benches == STREAM_BENCHES


BROKEN = [
    ("write_verify", "q_groups", "whole_tile"),
    ("write_verify", "p_amplitude", "whole_tile"),
    ("weight_copy", "t_flags", "whole_tile"),
    ("registers", "irq", "registers"),
    ("sequencer", "arr_prog_enable", "interlock"),
]


@pytest.mark.parametrize(("module", "net", "test"), BROKEN)
def test_broken_verilog_turns_red(invert, module, net, test):
    result = run("wu", only=test, broken=lambda texts: invert(texts, f"wu_8_{module}", net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages


@pytest.mark.parametrize("name", DESIGNS)
def test_lanes_agree(name):
    events, found = compare_lanes(design(name), seed=7, count=40, lanes=("model", "compiled"))
    assert events > 40
    assert found == []


@pytest.mark.parametrize(("name", "lanes"), [("wu", ("icarus", "host")), ("one", ("host",))])
def test_the_lanes_of_simulators_agree(name, lanes):
    events, found = compare_lanes(design(name), seed=3, count=12, lanes=("model", *lanes))
    assert events > 10
    assert found == []


def test_compiled_lane_equals_the_model_whatever_the_gaps():
    result = compiled_result(design("wu"), seed=4, count=30)
    assert result.ok, result.messages
    assert result.tests == len(GAPS)


def steps(made, count, seed=1):
    """Input codes of a few vectors, and changes of a few rows."""
    rng = np.random.default_rng(seed)
    shape, top, theta = (made.array.rows, made.array.columns), (1 << made.formats.x) - 1, made.update.threshold
    for number in range(count):
        changes = rng.integers(-2 * theta, 2 * theta, shape) * (rng.random((shape[0], 1)) < 0.3)
        yield rng.integers(-top, top + 1, (3, shape[0])), np.where(rng.random(shape) < 0.5, changes, number)


def learn(tile, batches):
    answers = []
    for codes, changes in batches:
        if not tile.calibrated:
            tile.calibrate(codes)
        answers.append(tile.forward(codes))
        tile.update(changes)
        answers += [tile.program(), tile.copy()]
    return answers


def loaded(tile, seed=1):
    weights = np.random.default_rng(seed).uniform(-0.5, 0.5, (tile.array.rows, tile.array.columns))
    tile.array.load_weights(np.rint(weights * tile.array.weight_one).astype(np.int32))
    tile.read_copy()
    return tile


@pytest.mark.parametrize("name", DESIGNS)
def test_verilog_and_model_take_the_same_steps(name, same_steps):
    made = design(name)
    tiles = [loaded(kind(made, seed=5, tile=2)) for kind in (RtlStreamTile, VerifiedTile)]
    answers = same_steps(learn, tiles, list(steps(made, 8)))
    assert sum(step.pulses for step in answers[1::3]) > 30


@pytest.mark.parametrize("name", ["wu", "odd"])
def test_a_restored_tile_has_the_same_future(name, same_future):
    whole, again = (RtlStreamTile(design(name), seed=5, tile=1) for _ in range(2))
    same_future(learn, loaded(whole), again, list(steps(design(name), 8)))


def test_registers_reach_both_sides(same_steps):
    made = design("wu")
    tiles = [loaded(kind(made, seed=1, tile=0)) for kind in (RtlStreamTile, VerifiedTile)]
    for tile in tiles:
        tile.configure(threshold=3000, range=9000, window=200, set_margin=100, cycles=1, reads_log2=1, set_step=2000)
    same_steps(learn, tiles, list(steps(made, 5)))


def test_wrong_verilog_is_counted_and_named(capsys, invert):
    made = design("wu")
    wrong = invert(rtl_files(made), "wu_8_weight_copy", "t_flags")
    tile = loaded(RtlStreamTile(made, seed=1, tile=0, rtl=wrong))
    answers = learn(tile, list(steps(made, 2)))
    assert sum(step.mismatches for step in answers[1::3]) > 0
    assert "first divergence: tile 0, pass 0, " in capsys.readouterr().err


def test_a_wrong_amplitude_is_counted_and_named(capsys, replaced):
    """Of a column without a pulse, so that no device answers differently."""
    made = design("one")
    rule = r"(slot_columns\[2\] \? \S+ : )16'h0000;", r"\g<1>16'h0001;"
    wrong = replaced(rtl_files(made), "wu_8_write_verify", *rule)
    tile = loaded(RtlStreamTile(made, seed=1, tile=0, rtl=wrong))
    answers = learn(tile, list(steps(made, 6)))
    assert sum(step.mismatches for step in answers[1::3]) > 0
    assert "amplitude[2]: model 0, Verilog 1\n" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["sense_row", "pulse_row"])
def test_an_interrupt_while_the_array_answers_is_one(what, monkeypatch, request):
    """Not an array that refuses; and the library asks no more."""
    tile, calls = loaded(RtlStreamTile(design("wu"), seed=1, tile=0)), []
    outside = signal.signal(signal.SIGINT, before := signal.default_int_handler)  # else maybe ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, outside))

    def interrupted(*given, **named):
        calls.append(given)
        signal.raise_signal(signal.SIGINT)
        return 0

    batches = list(steps(tile.design, 3))
    learn(tile, batches[:1])
    monkeypatch.setattr(tile.array, what, interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn(tile, batches[1:])
    assert len(calls) <= 2  # a command is a call for SET and one for RESET
    assert signal.getsignal(signal.SIGINT) is before


def test_who_builds_it():
    tile = rtl_tile(design("wu"), 1, 0)
    assert isinstance(tile, RtlStreamTile)


@pytest.mark.parametrize("memory", ["dw", "copy"])
def test_memories_that_no_pass_shows_are_audited(memory):
    tile = loaded(RtlStreamTile(design("one"), seed=1, tile=0))
    learn(tile, steps(design("one"), 2))
    assert tile.audit() == 0
    getattr(tile.model, memory)[1, 1] += 1
    assert tile.audit() == 1
    assert tile.audit() == 1
    assert tile.found == 0
