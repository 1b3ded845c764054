"""`crosstrain device`: responses, pictures, and the way from a design through a CSV back to its device."""

import dataclasses
import json
import tomllib

import numpy as np
import pytest

from crosstrain.cli import main
from crosstrain_model.design_file import load_design
from crosstrain_model.twin.measured import read
from crosstrain_model.twin.pcm_bit_response import bit_response
from crosstrain_model.twin.pcm_response import pcm_response

EITHER = "device: needs a DESIGN or --fit CSV, and not both (see crosstrain device --help)"
PNG = b"\x89PNG\r\n\x1a\n"


def test_a_design_and_back_from_its_csv(tmp_path, capsys):
    asked = ["device", "mp-8", "--set", "device.preset=soft-bounds-20", "--devices", "300"]
    assert main([*asked, "--csv", "a.csv", "--json", "a.json", "-o", "a.png"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("array W: soft-bounds devices (preset soft-bounds-20), 20 states, 300 pulsed\n")
    assert "responses       a.csv" in said
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["command"], result["design"], result["array"], result["ok"]) == ("device", "mp-8", "W", True)
    assert (result["fields"]["preset"], result["mean_step"], result["pulses"]) == ("soft-bounds-20", 0.1, 60)
    assert abs(result["upper_bound"]["sigma"] - 0.3) < 0.05
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 300 * 121

    assert main(["device", "--fit", "a.csv", "-o", "b.png", "--array", "A", "--json", "b.json"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# Fitted to a.csv: 300 devices, 36000 pulses.\n")
    section = tomllib.loads(said)["gradient_device"]
    result = json.loads((tmp_path / "b.json").read_text())
    assert (result["source"], result["design"], result["fields"]) == ("a.csv", None, section)
    assert abs(section["step"] - 0.1) < 0.01
    assert abs(section["sigma_b"] - 0.3) < 0.06
    assert (tmp_path / "b.png").read_bytes().startswith(PNG)
    # What it prints is a design file.
    (tmp_path / "mine.toml").write_text('scheme = "agad"\n[formats]\nfraction = 4\n' + said)
    assert main(["device", "mine.toml", "--array", "A", "--json", "c.json"]) == 0
    assert json.loads((tmp_path / "c.json").read_text())["fields"]["sigma_cc"] == section["sigma_cc"]


@pytest.mark.parametrize(("name", "begins"), [("a.pdf", b"%PDF-"), ("a.svg", b"<?xml")])
def test_a_picture_is_what_its_name_says(tmp_path, name, begins):
    assert main(["device", "mp-8", "--devices", "2", "--pulses", "2", "-o", name]) == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_devices_of_write_verify_answer_to_its_ramps(tmp_path, capsys):
    assert main(["device", "wu-8", "--devices", "50", "-o", "a.png", "--csv", "a.csv", "--json", "a.json"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("array W: RRAM devices of 4 levels, 0.25 to 1, 50 pulsed: 30 SET, then 30 RESET\n")
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["array"], result["pulses"], result["fields"]["levels"]) == ("W", [30, 30], 4)
    assert result["after_set"]["mean"] > 0.95
    assert result["after_reset"]["mean"] < 0.3
    assert abs(result["set_threshold"]["mean"] - 24576) < 500
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 50 * 61


@pytest.mark.parametrize(("pulses", "top"), [(1, (0.25, 0.3)), (60, (0.95, 1.0))])
def test_ramps_may_be_cut_and_go_on_at_their_end(tmp_path, pulses, top):
    asked = ["device", "wu-8", "--pulses", str(pulses), "--set", "rram.write_error=0.3", "--json", "a.json"]
    assert main(asked) == 0
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["pulses"] == [pulses, pulses]
    assert top[0] < result["after_set"]["mean"] <= top[1]
    assert 0.2 * 0.25 < result["relaxation"]["sigma"] < 0.5 * 0.25


def test_phase_change_devices_answer_to_pulses_and_time(tmp_path, capsys):
    asked = ["--devices", "50", "-o", "a.png", "--csv", "a.csv", "--json", "a.json"]
    assert main(["device", "hic-8", *asked, "--set", "binary_pcm.error_set=0.1"]) == 0
    said = capsys.readouterr().out
    begins = "array W: phase-change devices of 25 uS, 50 pulsed: a RESET, then 16 SET of amplitude 0x8000\n"
    assert said.startswith(begins)
    assert "bits of L: read wrong after a SET 0.10" in said
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["array"], result["pulses"], result["fields"]["step"]) == ("W", 16, 0.125)
    design = load_design("hic-8")
    found = pcm_response(design, 50, 16)
    assert result["after_reset"]["mean"] == found.trace[0].mean()
    assert result["levels"][10]["error"]["sigma"] == found.errors[10].std()
    assert result["levels"][20]["after_a_year"]["mean"] == found.aged[20, -1].mean()
    traces = read("a.csv")
    assert np.array_equal([trace.conductance for trace in traces], found.trace.T)
    assert all(trace.rising.all() for trace in traces)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_bits_of_hybrid_weights_answer_to_pulses_and_time(tmp_path, capsys):
    asked = ["--array", "L", "--pulses", "3", "-o", "a.svg", "--csv", "a.csv", "--json", "a.json", "--seed", "4"]
    assert main(["device", "hic-8", *asked]) == 0
    assert capsys.readouterr().out.startswith(
        "array L: binary phase-change devices, 200 pulsed: 3 SET and 3 RESET in turn\n"
    )
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["pulses"], result["stuck"], result["bits"]["after_set"]) == ([3, 3], 0, 0.0)
    found = bit_response(dataclasses.replace(load_design("hic-8"), seed=4), 200, 3)
    assert result["one_after_a_year"]["mean"] == found.aged[1, -1].mean()
    traces = read("a.csv")
    assert np.array_equal([trace.conductance for trace in traces], found.trace.T)
    assert traces[0].rising.tolist() == [True, False] * 3
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")


def test_pairs_without_an_array_l_tell_no_bits(tmp_path, capsys):
    assert main(["device", "hic-8", "--set", "hybrid.cells=sram", "--pulses", "2", "--json", "a.json"]) == 0
    assert "bits of L" not in capsys.readouterr().out
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["bits"], result["pulses"]) == (None, 2)


def test_a_second_section_of_a_device_is_told(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text("[device]\nstates = 20\n[device]\nstates = 30\n")
    assert main(["device", "mine.toml"]) == 2
    assert capsys.readouterr().err == "crosstrain: mine.toml: line 3: a second section [device]: delete one of them\n"


def test_the_gradient_array_has_its_own_device(tmp_path, capsys):
    own = ["--set", "scheme=ttv2", "--set", "formats.fraction=4", "--set", "gradient_device.preset=hfo2"]
    for array, preset in (("A", "hfo2"), ("W", "")):
        assert main(["device", "mp-8", *own, "--array", array, "--json", "r.json", "--devices", "9"]) == 0
        assert json.loads((tmp_path / "r.json").read_text())["fields"]["preset"] == preset


@pytest.mark.parametrize("devices", ["1", "1024"])
def test_the_fewest_and_the_most(devices):
    assert main(["device", "mp-8", "--devices", devices, "--pulses", "1", "-o", "a.png"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], EITHER),
        (["mp-8", "--fit", "a.csv"], EITHER),
        (["mp-8", "--array", "A"], "--array A: scheme mp has no gradient array"),
        (["mp-8", "--devices", "1025"], "--devices 1025: must be 1..1024"),
        (["mp-8", "--pulses", "0"], "--pulses 0: must be 1..100000"),
        (["mp-8", "-o", "no/a.png"], None),
        (["mp-8", "-o", "a.jpeg"], "-o a.jpeg: must end in .png, .pdf or .svg"),
        (["wu-8", "--array", "A"], "--array A: scheme wu has no gradient array"),
        (["hic-8", "--array", "A"], "--array A: scheme hic has no gradient array"),
        (["hic-8", "--array", "L", "--set", "hybrid.cells=sram"], "--array L: hic-8 has no array of binary devices"),
        (["mp-8", "--array", "L"], "--array L: mp-8 has no array of binary devices"),
        (["--fit", "bad.csv", "--array", "L"], "--array L: no device of it can be fitted"),
        (["hic-8", "--array", "L", "--set", "binary_pcm.stuck_low=1"], None),
        (["--fit", "bad.csv", "--seed", "-1"], "--seed -1: must be 0..4294967295"),
        (["--fit", "bad.csv", "--seed", "4294967296"], "--seed 4294967296: must be 0..4294967295"),
        (["mp-8", "--seed", "-1"], "mp-8: seed = -1: must be 0..4294967295"),
        (["--fit", "bad.csv", "--set", "seed=2"], "device: --set needs a DESIGN: there is none to change with --fit"),
        (["--fit", "none.csv"], "none.csv: No such file or directory"),
        (["--fit", "bad.csv"], "bad.csv: line 2: pulse = \"x\": must be an integer"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
    (tmp_path / "bad.csv").write_text("device,pulse,direction,conductance\na,x,up,1\n")
    assert main(["device", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    if message is not None:
        assert err == f"crosstrain: {message}\n"


def test_a_picture_needs_the_same_pulses_on_all_devices(tmp_path, capsys):
    rows = ["device,pulse,direction,conductance"]
    for name, ups in (("a", 10), ("b", 11)):
        rows.append(f"{name},0,,0")
        rows += [f"{name},{n},{'up' if n <= ups else 'down'},{n if n <= ups else 2 * ups - n}" for n in range(1, 21)]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    assert main(["device", "--fit", "m.csv", "-o", "m.png"]) == 2
    assert capsys.readouterr() == ("", "crosstrain: m.csv: -o and --csv need the same pulses on all devices\n")
