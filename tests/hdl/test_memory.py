"""Memory1R1W: amaranth.sim and the wrapper's text follow the rule at the head of the module, at every size."""

import random

import pytest

from crosstrain_hdl.emit import PROFILES, emit
from crosstrain_hdl.memory import Memory1R1W, address_width, ram_text
from crosstrain_hdl.tools import lint

SIZES = [(1, 1), (1, 8), (2, 3), (6, 9), (16, 1), (64, 32)]


def stimulus_and_answer(depth, width, *, steps, seed):
    """Random accesses, collisions included, and R0_data by the rule: None where it is unknown."""
    rng = random.Random(seed)
    words, data = [None] * depth, None
    stimulus, answer = [], []
    for step in range(steps):
        write = step < depth or rng.random() < 0.5
        row = {
            "reset": int(step < 2),
            "R0_addr": rng.randrange(depth),
            "R0_en": rng.getrandbits(1),
            "W0_addr": step if step < depth else rng.randrange(depth),
            "W0_en": int(write),
            "W0_data": rng.getrandbits(width),
        }
        stimulus.append(row)
        answer.append(data)
        if row["R0_en"]:
            data = words[row["R0_addr"]]
        if write:
            words[row["W0_addr"]] = row["W0_data"]
    return stimulus, answer


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("depth", "width"), SIZES)
def test_simulation_and_text_follow_the_rule(bench, depth, width, profile):
    memory = Memory1R1W(depth, width)
    stimulus, answer = stimulus_and_answer(depth, width, steps=40 + 4 * depth, seed=depth * width)
    expected = ["x" * width if word is None else f"{word:0{width}b}" for word in answer]
    assert any("x" not in row for row in expected)
    texts = emit(memory, name="dut", profile=profile)
    assert list(texts) == ["dut.v", f"ram_{depth}x{width}.v"]
    assert bench.replay(texts, "dut", memory, stimulus, profile=profile) == expected
    # amaranth.sim has no unknown values, its memories start at zero
    seen = bench.record(memory, stimulus, profile="fpga")
    assert seen == [row.replace("x", "0") for row in expected]
    assert lint([bench.folder / name for name in texts], "dut", waivers=()) == []


def test_a_transparent_wrapper_turns_red(bench):
    memory = Memory1R1W(4, 8)
    stimulus, _ = stimulus_and_answer(4, 8, steps=60, seed=3)
    texts = emit(memory, name="dut", profile="fpga")
    held = bench.replay(texts, "dut", memory, stimulus, profile="fpga")
    broken = {name: text.replace("if (R0_en) R0_data", "R0_data") for name, text in texts.items()}
    assert bench.replay(broken, "dut", memory, stimulus, profile="fpga") != held


def test_the_text_has_nothing_that_the_profile_forbids():
    text = ram_text(64, 32)
    assert "initial" not in text
    assert "(*" not in text


@pytest.mark.parametrize(("depth", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (512, 9), (513, 10)])
def test_address_width(depth, bits):
    assert address_width(depth) == bits


@pytest.mark.parametrize(("depth", "width", "text"), [(0, 8, "depth .* not 0"), (4, True, "width .* not True")])
def test_wrong_sizes(depth, width, text):
    with pytest.raises(ValueError, match=rf"Memory1R1W\.{text}"):
        Memory1R1W(depth, width)
