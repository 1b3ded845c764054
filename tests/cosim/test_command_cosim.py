"""`crosstrain cosim`: its result, its exit status, and Verilog given from outside."""

import dataclasses
import importlib.util
import json
import re
from pathlib import Path

import pytest

from crosstrain.cli import main
from crosstrain_cosim.regression import complete
from crosstrain_cosim.selection import Part, count, parts
from crosstrain_cosim.simulators import Result
from crosstrain_cosim.stations import bench_modules, controller_unit
from crosstrain_model.design_file import load_design, preset_names

KEYS = {"simulator", "tests", "failed", "events", "mismatches", "cycles", "cycles_per_second"}


def cosim(*arguments, tmp_path):
    status = main(["cosim", *arguments, "--json", str(tmp_path / "result.json")])
    return status, json.loads((tmp_path / "result.json").read_text())


def test_one_station(tmp_path, capsys):
    status, result = cosim("mp-8", "--only", "threshold", "--seed", "5", tmp_path=tmp_path)
    assert status == 0
    assert result.keys() >= KEYS | {"command", "version", "design", "design_hash", "ok", "seconds"}
    assert (result["simulator"], result["failed"], result["mismatches"], result["ok"]) == ("icarus", 0, 0, True)
    assert result["events"] > 0
    assert result["seed"] == 5
    assert "seed 5" in capsys.readouterr().out


def test_verilog_from_outside(tmp_path, invert):
    texts = controller_unit(load_design("mp-8"), checked=False).texts
    for name, good in (("good", texts), ("bad", invert(texts, "mp_8_schedule", "a_last"))):
        files = []
        for file, text in good.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_text(text)
            files.append(str(tmp_path / name / file))
        status, result = cosim("mp-8", "--simulator", "compiled", "--rtl", *files, tmp_path=tmp_path)
        assert (status, result["ok"]) == ((0, True) if name == "good" else (1, False))


def test_a_missing_top_is_one_line(tmp_path, capsys):
    (tmp_path / "top.v").write_text("module mp_80; endmodule\n")
    assert main(["cosim", "mp-8", "--rtl", str(tmp_path / "top.v")]) == 2
    assert capsys.readouterr().err == "crosstrain: --rtl: no module mp_8 in the files given\n"


def test_binary_file_is_one_line(tmp_path, capsys):
    (tmp_path / "top.v").write_bytes(b"\x7fELF\xff\xfe")
    assert main(["cosim", "mp-8", "--rtl", str(tmp_path / "top.v")]) == 2
    error = capsys.readouterr().err
    assert "top.v: is not Verilog text" in error
    assert error.count("\n") == 1


def test_a_part_says_so(tmp_path, capsys):
    """Exactly the tests named, of the benches that have them; 43 is what the whole regression of mp-8 has."""
    design = load_design("mp-8")
    whole = parts(design, simulator="icarus")
    asked = r"pulse.*cor|threshold\.corners|sequencer.aborts$"
    status, result = cosim("mp-8", "--test", asked, tmp_path=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert (status, result["ok"], result["tests"], result["failed"]) == (0, True, 3, 0)
    assert [(bench["bench"], bench["tests"]) for bench in result["benches"]] == [
        ("threshold", 1), ("pulse", 1), ("sequencer", 1),
    ]  # fmt: skip
    assert (result["part"], result["tests_in_whole"], result["only"], result["test"]) == (True, 43, None, asked)
    assert count(whole) == 43
    part = f"a part: 3 of 43 tests (--test {asked})"
    assert lines[0] == f"mp-8: icarus, seed 1, {part}"
    assert lines[-1].startswith(f"ok, {part}, ")
    assert [re.search(r"\d+ of \d+", line)[0] for line in lines[1:-1]] == ["1 of 2", "1 of 3", "1 of 9"]


def test_one_station_is_a_part_too(tmp_path, capsys):
    _, result = cosim("mp-8", "--only", "threshold", tmp_path=tmp_path)
    assert (result["part"], result["tests"], result["tests_in_whole"], result["only"]) == (True, 2, 43, "threshold")
    assert "ok, a part: 2 of 43 tests (--only threshold), " in capsys.readouterr().out


def test_a_part_that_fails_and_a_pattern_that_leaves_nothing_out(tmp_path, capsys, invert):
    texts = controller_unit(load_design("mp-8"), checked=False).texts
    files = []
    for file, text in invert(texts, "mp_8_schedule", "a_last").items():
        (tmp_path / file).write_text(text)
        files.append(str(tmp_path / file))
    common = ("mp-8", "--simulator", "compiled", "--rtl", *files)
    status, result = cosim(*common, "--test", "without", tmp_path=tmp_path)
    assert (status, result["ok"], result["part"], result["tests"], result["tests_in_whole"]) == (1, False, True, 1, 3)
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"FAILED: 1 of 1 tests \(.*\); a part: 1 of 3 tests \(--test without\)", last)
    status, result = cosim(*common, "--test", "gaps", tmp_path=tmp_path)
    assert (status, result["part"], result["tests"], result["tests_in_whole"]) == (1, False, 3, 3)
    assert "a part" not in capsys.readouterr().out


@pytest.mark.parametrize("name", preset_names())
def test_no_test_of_a_bench_is_overlooked(name):
    design = load_design(name)
    for part in parts(design, simulator="icarus"):
        modules = bench_modules(design, part.station)
        texts = [Path(importlib.util.find_spec(module).origin).read_text() for module in modules]
        assert len(part.tests) == sum(len(re.findall(r"^@harness\.bench\(", text, re.M)) for text in texts) > 0


def test_other_tests_than_those_chosen_are_a_failure():
    part = Part(simulator="icarus", station="pulse", tests=("corners", "at_random"))
    ran = Result(bench="pulse", simulator="icarus", tests=2, failed=0, events=5)
    assert complete(ran, part) == ran
    for tests in (1, 3):
        result = complete(dataclasses.replace(ran, tests=tests), part)
        assert (result.ok, result.failed) == (False, 1)
        assert result.messages == (f"{tests} tests ran, not the 2 that were to run: corners, at_random",)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--test", "pusle"], "--test pusle: matches none of the 43 tests: outer_product: corners, at_random_"),
        (["--only", "pulse", "--test", "shifts"], "--test shifts: matches none of the 3 tests: pulse: corners, at_"),
        (["--test", "shifts("], "--test shifts(: is no regular expression: missing ), unterminated"),
        (["--test", ""], "--test '': must be a part of a test's name"),
        (["--only", "pulse", "--simulator", "compiled"], "--only pulse: --simulator compiled is for the controller"),
        (["--simulator", "modelsim"], "--simulator modelsim: must be one of icarus"),
        (["--only", "adder"], "--only adder: must be one of outer_product"),
        (["--only", "pulse", "--rtl", "top.v"], "--only pulse: --rtl is for the controller alone"),
        (["--rtl", "no/such/file.v"], "no/such/file.v: No such file"),
        (["--rtl", "a/top.v", "b/top.v"], "--rtl top.v: two files have this name"),
    ],
)
def test_bad_input_is_one_line(arguments, said, capsys):
    assert main(["cosim", "mp-8", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
