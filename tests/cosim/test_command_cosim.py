"""`crosstrain cosim`: its result, its exit status, and Verilog given from outside."""

import json

import pytest

from crosstrain.cli import main
from crosstrain_cosim.stations import controller_unit
from crosstrain_model.design_file import load_design

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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
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
