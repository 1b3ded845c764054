"""`crosstrain generate`: the result as JSON, the choice of profile and place, and bad input in one line."""

import json
import os
import re
import subprocess
import sys

import pytest

from crosstrain.cli import main
from crosstrain_model.design_file import load_design
from crosstrain_model.design_text import design_hash

TINY = ("mp-8", "--set", "array.rows=2", "--set", "array.columns=2", "--set", "array.lanes=1")


def test_result(tmp_path, capsys):
    assert main(["generate", *TINY, "-o", "out", "--json", "result.json"]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    design = load_design("mp-8", ["array.rows=2", "array.columns=2", "array.lanes=1"])
    manifest = json.loads((tmp_path / "out" / "mp-8" / "manifest.json").read_text())
    assert (result["command"], result["design"], result["ok"]) == ("generate", "mp-8", True)
    assert result["design_hash"] == design_hash(design) == manifest["design_hash"]
    assert result["folder"] == os.path.join("out", "mp-8")
    written = {str(p.relative_to("out/mp-8")) for p in (tmp_path / "out/mp-8").relative_to(tmp_path).rglob("*.*")}
    assert set(result["files"]) == {path for path in written if os.path.isfile(f"out/mp-8/{path}")}
    assert result["ports"] == [{k: port[k] for k in ("name", "direction", "width")} for port in manifest["ports"]]
    assert result["state_bits"] == manifest["state_bits"] > 500
    assert result["memory_bits"] == manifest["memory_bits"] >= 2 * 2 * 16
    said = capsys.readouterr().out
    assert said.startswith(f"out/mp-8: {len(result['files'])} files, top mp_8 (fpga), {len(result['ports'])} ports\n")


def test_the_place_when_none_is_said_and_the_profile(tmp_path):
    assert main(["generate", *TINY, "--set", "profile=asic"]) == 0
    text = (tmp_path / "build" / "mp-8" / "rtl" / "mp_8.v").read_text()
    assert re.search(r"input +wire rst_n,", text)
    assert "initial" not in "".join(path.read_text() for path in (tmp_path / "build/mp-8/rtl").iterdir())


def test_defaults_that_cannot_work_are_told_in_one_line(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text('name = "mine"\nscheme = "agad"\n[array]\nrows = 4\ncolumns = 4\n')
    assert main(["generate", "mine.toml", "--json", "result.json"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("crosstrain: warning: mine.toml: H holds 8 ADC codes, and a row read has up to 256;")
    assert error.count("\n") == 1
    assert len(json.loads((tmp_path / "result.json").read_text())["warnings"]) == 1


def existing_file(place):
    (place / "out").write_text("mine\n")
    return "out/mp-8: Not a directory"


def foreign_folder(place):
    (place / "out" / "mp-8").mkdir(parents=True)
    (place / "out" / "mp-8" / "thesis.tex").write_text("mine\n")
    return "out/mp-8: is not empty and has no manifest.json: not replaced"


def dangling_link(place):
    (place / "out").symlink_to(place / "nowhere" / "at all")
    return "out/mp-8: the folder "


@pytest.mark.parametrize("prepare", [existing_file, foreign_folder, dangling_link])
def test_a_bad_place_is_one_line(tmp_path, capsys, prepare):
    said = prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["generate", *TINY, "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"crosstrain: {said}")
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_whose_folder_is_missing_is_one_line(tmp_path, capsys):
    assert main(["generate", *TINY, "-o", "not/there"]) == 2
    assert re.fullmatch(r"crosstrain: not/there: the folder \S+/not does not exist\n", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_too_large_is_one_line(tmp_path):
    """The system's own refusal: no file may have more than 4 KiB, as on a full disk."""
    code = (
        "import resource, signal, sys\n"
        "from crosstrain_hdl import generate\n"
        "made = generate.generated_files\n"
        "def limited(design, **keywords):\n"
        "    files = made(design, **keywords)\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "    return files\n"
        "generate.generated_files = limited\n"
        "from crosstrain.cli import main\n"
        f"sys.exit(main(['generate', *{TINY!r}, '-o', 'out']))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "crosstrain: out/mp-8: File too large\n"
    assert list(tmp_path.iterdir()) == []
