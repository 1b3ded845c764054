"""The emitted text does what the component does, every tool takes it, and the same bytes come out every time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crosstrain_hdl.emit import PROFILES, emit
from crosstrain_hdl.tools import lint, yosys

SAMPLES = ("SignedLane", "Walker", "Nest", "Mixture", "Corners")

# Inputs that must not be left to chance: loading fills the memory before the first walk.
CHOSEN = {
    "SignedLane": {"clear": lambda rng, step: rng.random() < 0.05},
    "Walker": {"load": lambda rng, step: step < 20, "start": lambda rng, step: step % 40 == 24},
    "Nest": {
        "enable": lambda rng, step: 7 if step < 40 else rng.randrange(8),
        "start": lambda rng, step: step % 64 > 60,
    },
    "Mixture": {},
    "Corners": {},
}


def chosen_stimulus(bench, component, *, steps=400, seed=1, **options):
    name = type(component).__name__
    stimulus = bench.stimulus(component, steps=steps, seed=seed, **options, **CHOSEN[name])
    # Resets that come in the middle of a walk, while it reads: amaranth.sim would write at an asynchronous reset.
    for step in range(147, steps, 80):
        stimulus[step]["reset"] = stimulus[step + 1]["reset"] = 1
    return stimulus


def first_difference(expected, seen):
    """None when equal, otherwise where they part."""
    if len(expected) != len(seen):
        return f"{len(seen)} steps instead of {len(expected)}"
    pairs = enumerate(zip(expected, seen, strict=True))
    return next((f"step {i}: {b} instead of {a}" for i, (a, b) in pairs if a != b), None)


@pytest.mark.parametrize("profile", PROFILES)
def test_registers_of_one_reset_and_enable_share_a_block(samples, profile):
    text = emit(samples.SignedLane(), name="dut", profile=profile)["dut.v"]
    clears = r"(?: begin\n(?:      .*\n)+    end else| .*;\n    else)"
    guards = re.findall(rf"^  (always .*)\n    if \((\S+)\){clears} ?(if \(.*?\))?", text, re.MULTILINE)
    assert len(guards) == text.count("always @") > 2
    assert len(set(guards)) == len(guards)
    assert "end else" in text, "nothing was gathered"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_text_equals_component(bench, samples, sample, profile):
    component = getattr(samples, sample)()
    texts = emit(component, name="dut", profile=profile)
    for seed in (1, 2):
        stimulus = chosen_stimulus(bench, component, seed=seed)
        expected = bench.record(component, stimulus, profile=profile)
        assert len(set(expected)) > 20, "the stimulus moves nothing"
        for standard in ("2012", "2005"):
            seen = bench.replay(texts, "dut", component, stimulus, profile=profile, standard=standard)
            assert first_difference(expected, seen) is None, (seed, standard)


@pytest.mark.parametrize("sample", SAMPLES)
def test_fpga_text_is_right_from_time_0_without_reset(bench, samples, sample):
    component = getattr(samples, sample)()
    stimulus = chosen_stimulus(bench, component, steps=60, reset_steps=0)
    expected = bench.record(component, stimulus, profile="fpga")
    seen = bench.replay(emit(component, name="dut", profile="fpga"), "dut", component, stimulus, profile="fpga")
    assert first_difference(expected, seen) is None


@pytest.mark.parametrize("sample", SAMPLES)
def test_asic_text_starts_unknown_and_reset_makes_all_known(bench, samples, sample):
    component = getattr(samples, sample)()
    stimulus = chosen_stimulus(bench, component, steps=100, reset_steps=0)
    for step in (5, 6):
        stimulus[step] = dict.fromkeys(stimulus[step], 0) | {"reset": 1}
    expected = bench.record(component, stimulus, profile="asic")
    texts = emit(component, name="dut", profile="asic")
    seen = bench.replay(texts, "dut", component, stimulus, profile="asic")
    assert "x" in seen[0]
    # Reset falls between two clock edges: the outputs are known before the next edge comes.
    assert first_difference(expected[5:], seen[5:]) is None


@pytest.mark.parametrize("profile", PROFILES)
def test_a_gated_output_drops_without_a_clock_edge(bench, samples, profile):
    component = samples.Walker()
    stimulus = chosen_stimulus(bench, component, steps=30)
    stimulus[27]["reset"] = 1
    texts = emit(component, name="dut", profile=profile)
    enabled = [row[-1] for row in bench.replay(texts, "dut", component, stimulus, profile=profile)]
    assert enabled[25:29] == ["1", "1", "0", "0"]  # seen in step 27 before its rising edge
    ungated = {name: re.sub(r"(prog_enable = armed).*;", r"\1;", text) for name, text in texts.items()}
    assert ungated != texts
    late = [row[-1] for row in bench.replay(ungated, "dut", component, stimulus, profile=profile)]
    assert late[27] == ("1" if profile == "fpga" else "0")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_tool_takes_the_text(tmp_path, samples, sample, profile):
    texts = emit(getattr(samples, sample)(), name="dut", profile=profile)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [name.removesuffix(".v")]
        assert not re.search(r"\\|\w\$|posedge 1'|always @\*", text)
        assert "initial" not in text or profile == "fpga"
    assert next(iter(texts)) == "dut.v"
    assert lint([tmp_path / name for name in texts], "dut", waivers=()) == []
    yosys(f"read_verilog {' '.join(texts)}\nhierarchy -check -top dut\nproc\ncheck -assert", cwd=tmp_path)


def test_lint_sees_a_defect(tmp_path):
    (tmp_path / "dut.v").write_text("module dut(input wire [3:0] a, output wire [1:0] y); assign y = a; endmodule\n")
    assert any("WIDTHTRUNC" in warning for warning in lint([tmp_path / "dut.v"], "dut"))


MUTATIONS = [
    ("SignedLane", "sum", r"(assign wide\w* = .*) \+ ", r"\1 - "),
    ("SignedLane", "saturation", r"12'h7ff", "12'h7fe"),
    ("SignedLane", "reset value", r"history_2 <= 12'h000", "history_2 <= 12'h001"),
    ("SignedLane", "signed compare", r"(order\[1\] = )\$signed\((.*)\) >= \$signed\((.*)\);", r"\1\2 >= \3;"),
    ("SignedLane", "array element", r"\? history_1 :", "? history_2 :"),
    ("Walker", "state", r"2'h2 :", "2'h1 :"),
    ("Walker", "enable", r"if \(R0_en\)", "if (!R0_en)"),
    ("Walker", "gate", r"(prog_enable = armed &) ", r"\1 ~"),
    ("Walker", "async reset", r", (neg|pos)edge rst(_n)?\)", ")"),
    ("Nest", "port of a unit", r"\.shift\(3'h2\)", ".shift(3'h1)"),
    ("Nest", "multiplexer", r"(ab = \w+ \?) (\w+) : (\w+)", r"\1 \3 : \2"),
    ("Mixture", "part", r"(part \} = a) >> ", r"\1 << "),
]


@pytest.mark.parametrize(("sample", "what", "pattern", "replacement"), MUTATIONS, ids=lambda value: value)
def test_a_broken_text_turns_red(bench, samples, sample, what, pattern, replacement):
    component = getattr(samples, sample)()
    texts = emit(component, name="dut", profile="asic")
    broken = {name: re.sub(pattern, replacement, text) for name, text in texts.items()}
    assert broken != texts, f"no {what} in the text to break"
    stimulus = chosen_stimulus(bench, component, steps=600)
    expected = bench.record(component, stimulus, profile="asic")
    seen = bench.replay(broken, "dut", component, stimulus, profile="asic")
    assert first_difference(expected, seen) is not None


@pytest.mark.parametrize("profile", PROFILES)
def test_same_bytes_under_two_hash_seeds(profile):
    program = (
        "import runpy, sys, json; from crosstrain_hdl.emit import emit;"
        "s = runpy.run_path(sys.argv[1]);"
        f"print(json.dumps([emit(s[n](), name='dut', profile='{profile}', header='h') for n in {SAMPLES!r}]))"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    argv = [sys.executable, "-c", program, str(Path(__file__).with_name("emit_samples.py"))]
    outputs = [
        subprocess.run(
            argv, env=dict(os.environ, PYTHONHASHSEED=seed, PYTHONPATH=path), capture_output=True, check=True
        )
        for seed in ("1", "4242")
    ]
    assert outputs[0].stdout == outputs[1].stdout
    assert b"module dut" in outputs[0].stdout
