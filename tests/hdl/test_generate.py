"""The generated folder: complete, clean under every tool, true to the design, and the same bytes everywhere."""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from crosstrain_hdl.generate import MANIFEST, generated_files
from crosstrain_hdl.tools import lint, yosys
from crosstrain_model.cost import weight_cells
from crosstrain_model.design_file import load_design
from crosstrain_model.registers import register_table

DESIGNS = {
    "fpga": ("mp-8",),
    "asic": ("mp-8", "profile=asic"),
    "odd": (
        "mp-8", "name=odd", "profile=asic", "ledger=true", "array.rows=13", "array.columns=7", "array.lanes=3",
        "array.pair=push-pull", "update.remainder=clear", "clock_mhz=333",
    ),
    "tiny": (
        "mp-8", "name=tiny", "array.rows=1", "array.columns=1", "array.lanes=1", "formats.adc=1", "bus.vectors=3",
        "formats.accumulator=8", "update.threshold=1", "update.program_every=1", "bus.stream_codes=2",
    ),
    "agad": ("agad-8",),
    "agad-odd": (
        "agad-8", "name=agad-odd", "profile=asic", "ledger=true", "array.rows=13", "array.columns=7", "array.lanes=3",
        "bus.stream_codes=6", "update.max_pulses=15", "update.threshold_power_of_two=true", "clock_mhz=333",
    ),
    "sgd": ("sgd-8", "train.polarity=separate", "train.slots=31", "formats.adc=3"),
    "wu": ("wu-8",),
    "wu-odd": (
        "wu-8", "name=wu-odd", "profile=asic", "ledger=true", "array.rows=13", "array.columns=7", "array.lanes=3",
        "array.read=parallel", "verify.amplitude=column", "verify.cell_bits=0", "verify.reads_log2=2", "clock_mhz=333",
    ),
    "wu-tiny": ("wu-8", "name=wu-tiny", "array.rows=1", "array.columns=1", "array.lanes=1", "formats.accumulator=16"),
    "hic": ("hic-8",),
    "hic-odd": (
        "hic-8", "name=hic-odd", "profile=asic", "array.rows=13", "array.columns=7", "array.lanes=3", "hybrid.bits=12",
        "hybrid.read_back=true", "clock_mhz=333",
    ),
    "hic-sram": ("hic-8", "name=hic-sram", "hybrid.cells=sram", "verify.cell_bits=5"),
    "c-ttv2-tiny": (
        "c-ttv2-8", "name=c-ttv2-tiny", "array.rows=1", "array.columns=1", "array.lanes=1", "bus.stream_codes=2",
        "transfer.column_chopper=random", "random.generator=xoshiro128++",
    ),
}


@functools.cache
def generated(name):
    """One of the designs, and its files."""
    source, *overrides = DESIGNS[name]
    design = load_design(source, overrides)
    return design, generated_files(design)


class Folder:
    """One of the designs and its files, written out."""

    def __init__(self, place, name):
        self.design, self.files = generated(name)
        self.manifest = json.loads(self.files[MANIFEST])
        self.place = place
        for path, text in self.files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)

    def listed(self, name):
        """Paths in a file list."""
        return [self.place / line for line in self.files[name].splitlines()]

    def smoke(self, place, standard="2012"):
        """What the smoke test prints, run on Icarus as the README says."""
        top = f"{self.design.top}_smoke"
        build = ["iverilog", f"-g{standard}", "-s", top, "-o", str(place / "smoke.vvp"), "-f", "sim/filelist.f"]
        subprocess.run(build, cwd=self.place, check=True, capture_output=True, text=True)
        ran = subprocess.run(["vvp", "-n", str(place / "smoke.vvp")], capture_output=True, text=True, check=True)
        return ran.stdout


@pytest.fixture(scope="module", params=DESIGNS)
def folder(request, tmp_path_factory):
    return Folder(tmp_path_factory.mktemp(request.param), request.param)


# --- the text --------------------------------------------------------------------------------------------------


def test_every_tool_takes_the_rtl_without_a_warning(folder, tmp_path):
    rtl, top = folder.listed("filelist.f"), folder.design.top
    assert lint(rtl, top, waivers=()) == []
    for standard in ("2005", "2012"):
        command = ["iverilog", f"-g{standard}", "-Wall", "-s", top, "-o", str(tmp_path / "x"), "-f", "filelist.f"]
        ran = subprocess.run(command, cwd=folder.place, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("array", ["stub", "model"])
def test_the_example_is_clean_with_the_stub_and_with_the_model(folder, array):
    top = folder.design.top
    array = folder.place / {"stub": f"{top}_array_stub.v", "model": f"sim/{top}_array.v"}[array]
    files = [*folder.listed("filelist.f"), folder.place / f"example/{top}_tile.v", array]
    assert lint(files, f"{top}_tile", waivers=()) == []


@pytest.mark.parametrize("name", ["fpga", "agad"])
def test_synthesis_keeps_the_array_of_the_example_as_a_black_box(tmp_path, name):
    folder = Folder(tmp_path, name)
    top = folder.design.top
    files = [*folder.files["filelist.f"].split(), f"example/{top}_tile.v", f"{top}_array_stub.v"]
    steps = [f"hierarchy -check -top {top}_tile", "proc", "check -assert", "select -list c:u_array"]
    script = "\n".join([f"read_verilog {' '.join(files)}", *steps, ""])
    assert f"{top}_tile/u_array" in yosys(script, cwd=folder.place, quiet=False)


def test_the_smoke_test_passes(folder, tmp_path):
    unit = "slots" if folder.design.pulsed else "pulses"
    assert re.fullmatch(rf"PASS: [1-9]\d* {unit} at {folder.design.top}\n", folder.smoke(tmp_path))


@pytest.mark.parametrize(
    ("name", "path", "pattern", "replacement", "says"),
    [
        ("fpga", "sim/mp_8_array.v", r"direction\[c\] \? 1", "direction[c] ? 2", "weight read back"),
        ("fpga", "sim/mp_8_array.v", r"fired <= fired \+ total\[15:0\]", "fired <= fired", "DELIVERED"),
        ("fpga", "rtl/mp_8_sequencer.v", r"arr_cmd_array <= \{ 2'h0", "arr_cmd_array <= { 2'h1", "broken rule"),
        ("wu", "sim/wu_8_array.v", r"\? STEP", "? 2 * STEP", "ISSUED"),
        ("wu", "rtl/wu_8_weight_copy.v", r"t_row <= (\w+);", r"t_row <= ~\1;", "weight read back"),
        ("wu", "rtl/wu_8_update_stream.v", r"v_group <= (\w+);", r"v_group <= ~\1;", "weight read back"),
        ("agad", "sim/agad_8_array.v", r"\? 1 : -1\)", "? 2 : -1)", "weight read back"),
        ("agad", "sim/agad_8_array.v", r"total = 1;", "total = 0;", "DELIVERED"),
        ("agad", "rtl/agad_8_dispatcher.v", r"arr_cmd_array <= arr", "arr_cmd_array <= 3'h4 | arr", "broken rule"),
        ("agad", "rtl/agad_8_transfer.v", r"c_row <= (\w+);", r"c_row <= ~\1;", "weight read back"),
        ("sgd", "rtl/sgd_8_pulse_train.v", r"ns_rows <= \w+;", "ns_rows <= 8'h80;", "weight read back"),
    ],
)
def test_the_smoke_test_turns_red(tmp_path, name, path, pattern, replacement, says):
    folder = Folder(tmp_path, name)
    broken, count = re.subn(pattern, replacement, folder.files[path])
    assert count == 1
    (folder.place / path).write_text(broken)
    said = folder.smoke(tmp_path)
    assert f"FAIL {says}" in said
    assert "PASS" not in said


# --- the folder ------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_is_promised(folder):
    name, top = folder.design.name, folder.design.top
    promised = {
        f"rtl/{top}.v", f"{top}_array_stub.v", "filelist.f", f"example/{top}_tile.v", "sim/filelist.f",
        f"sim/{top}_array.v", f"sim/{top}_port_checker.v", f"sim/{top}_smoke.v", f"{name}.core", f"{name}.sdc",
        f"{name}.xdc", "config.json", "regs.md", "regs.h", "regs.json", "regs.svd", "regs.rdl", "driver.py",
        "design.toml", "README.md", MANIFEST,
    }
    assert {path for path in folder.files if not path.startswith("rtl/")} | {f"rtl/{top}.v"} == promised
    assert {f"rtl/{module}.v" for module in folder.manifest["modules"]} == {p for p in folder.files if "rtl/" in p}
    assert list(folder.manifest["files"]) == [path for path in folder.files if path != MANIFEST]
    for path, digest in folder.manifest["files"].items():
        assert hashlib.sha256((folder.place / path).read_bytes()).hexdigest() == digest, path


def test_the_manual_speaks_of_the_scheme():
    """Of passes where there are some; with hybrid weights of carries, and of array L where it is an array."""
    manuals = {name: generated(name)[1]["README.md"] for name in ("fpga", "agad", "wu", "hic", "hic-sram")}
    smokes = ("reset, one vector, one program pass, reads", "reset, one vector, reads")
    assert all(smoke in manuals[name] for smoke, name in zip(smokes, ("fpga", "agad"), strict=True))
    assert "reset, changes of two weights, one program pass, reads" in manuals["wu"]
    for name, takes in (("hic", "Visits to array L, carries and refreshes"), ("hic-sram", "Carries and refreshes")):
        assert "reset, changes of two weights, carries, reads" in manuals[name]
        assert f" {takes} take what your array takes" in manuals[name]
        assert "program pass" not in manuals[name]


def test_ports_in_the_manifest_are_those_of_the_text(folder):
    text = folder.files[f"rtl/{folder.design.top}.v"]
    header = text[text.index("(\n") : text.index(");\n")]
    found = re.findall(r"^  (input|output) +(?:wire|reg) +(?:\[(\d+):0\] )?(\w+),?$", header, re.MULTILINE)
    ports = [(port["name"], port["direction"], port["width"]) for port in folder.manifest["ports"]]
    assert ports == [(name, direction, int(high or 0) + 1) for direction, high, name in found]
    assert [port["name"] for port in folder.manifest["ports"] if not port["doc"]] == []
    assert header.count("\n") - 1 == len(ports)


def test_the_design_reads_back_equal(folder):
    assert load_design(str(folder.place / "design.toml")) == folder.design


def test_no_text_tells_where_or_when_it_was_made(folder):
    for path, text in folder.files.items():
        found = re.search(r"/(?:home|tmp|root|usr|work|opt)\b\S*|\b20\d\d-\d\d-\d\d|\b\d\d:\d\d:\d\d\b", text)
        assert found is None, (path, found)
        assert text.isascii(), path
        assert text.endswith("\n"), path
        assert re.search(r"\t|[ \r]$", text, re.MULTILINE) is None, path


def test_memories_and_their_bits(folder):
    array = folder.design.array
    kept = list(weight_cells(folder.design).values())[:1]  # accumulators, H, or L
    word = array.lanes * (kept or [folder.design.formats.accumulator])[0]
    kinds = {(memory["depth"], memory["width"]) for memory in folder.manifest["memories"]}
    assert ((array.rows * array.groups, word) in kinds) == bool(kept)
    bits = [memory["depth"] * memory["width"] * memory["instances"] for memory in folder.manifest["memories"]]
    assert folder.manifest["memory_bits"] == sum(bits)


# --- files for other tools -------------------------------------------------------------------------------------


def test_every_pin_is_constrained_once(folder):
    for kind in ("sdc", "xdc"):
        text = folder.files[f"{folder.design.name}.{kind}"].replace("\\\n", " ")
        period = {100: "10.000", 333: "3.003"}[folder.design.clock_mhz]
        assert f"create_clock -name clk -period {period} [get_ports clk]" in text
        delays = re.findall(r"^(set_\w+_delay) .*\[get_ports \{ *(.*?) *\}\]$", text, re.MULTILINE)
        timed = [(name, command) for command, names in delays for name in names.split()]
        untimed = re.findall(r"^set_false_path -from \[get_ports (\w+)\]$", text, re.MULTILINE)
        assert untimed == ["arr_rails_ok"]
        wanted = [
            (port["name"] + ("[*]" if port["width"] > 1 else ""), f"set_{port['direction']}_delay")
            for port in folder.manifest["ports"]
            if port["name"] not in ("clk", *untimed)
        ]
        assert sorted(timed) == sorted(wanted)
        reset = "rst_n" if folder.design.profile == "asic" else "rst"
        assert f"set_false_path -from [get_ports {reset}] -to [get_ports arr_prog_enable]" in text


def test_flow_files_name_files_that_are_there(folder):
    design = folder.design
    flow = json.loads(folder.files["config.json"])
    assert flow["DESIGN_NAME"] == design.top
    assert [f"dir::{line}" for line in folder.files["filelist.f"].splitlines()] == flow["VERILOG_FILES"]
    named = [*flow["VERILOG_FILES"], flow["PNR_SDC_FILE"], flow["SIGNOFF_SDC_FILE"]]
    core = folder.files[f"{design.name}.core"]
    assert core.startswith("CAPI=2:\n")
    inside = re.findall(r"^      - (\S+)$", core, re.MULTILINE)
    verilog = [path for path in folder.files if path.endswith((".v", ".xdc"))]
    assert sorted(inside) == sorted(verilog)
    for path in [*(name.removeprefix("dir::") for name in named), *inside, *folder.files["sim/filelist.f"].split()]:
        assert path in folder.files, path


def test_register_maps_say_what_the_table_says(folder):
    table = register_table(folder.design)
    wanted = [(register.name, register.offset) for register in table]
    svd = ElementTree.fromstring(folder.files["regs.svd"].encode())
    found = list(svd.iter("register"))
    assert [(r.findtext("name"), int(r.findtext("addressOffset"), 16)) for r in found] == wanted
    assert [int(r.findtext("resetValue"), 16) for r in found] == [register.reset_word for register in table]
    rdl = folder.files["regs.rdl"]
    found = re.findall(r"^  \} (\w+) @ 0x([0-9A-F]+);$", rdl, re.MULTILINE)
    assert [(name, int(offset, 16)) for name, offset in found] == wanted
    for name, offset in wanted:
        assert f"#define {folder.design.top.upper()}_{name} 0x{offset:03X}u\n" in folder.files["regs.h"]
        assert f"{name}" in folder.files["regs.md"]


@pytest.mark.parametrize("compiler", [("gcc", "-std=c99"), ("g++", "-std=c++11", "-xc++")])
def test_the_header_compiles_without_a_warning(folder, tmp_path, compiler):
    (tmp_path / "user.c").write_text('#include "regs.h"\n#include "regs.h"\nint main(void) { return 0; }\n')
    command = [*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{folder.place}", "-c", "user.c"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_driver_imports_on_its_own(folder):
    """Without site-packages, without this project on the path, and with warnings as errors."""
    code = "import sys; sys.path.insert(0, '.'); import driver; print(driver.__name__)"
    command = [sys.executable, "-I", "-S", "-W", "error", "-B", "-c", code]
    ran = subprocess.run(command, cwd=folder.place, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "driver\n"), ran.stderr


# --- the same bytes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fpga", "odd", "agad", "agad-odd", "c-ttv2-tiny"])
def test_same_bytes_under_another_hash_seed(tmp_path, name):
    """As in this process, whose seed is drawn, or not the one asked for here."""
    code = (
        "import sys, json, hashlib\n"
        "from crosstrain_hdl.generate import generated_files\n"
        "from crosstrain_model.design_file import load_design\n"
        f"files = generated_files(load_design({DESIGNS[name][0]!r}, {DESIGNS[name][1:]!r}))\n"
        "print(json.dumps([(path, hashlib.sha256(text.encode()).hexdigest()) for path, text in files.items()]))\n"
    )
    root = Path(__file__).resolve().parents[2]
    path = ":".join(str(root / floor) for floor in ("model", "hdl"))
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": path, "HOME": str(Path.home()), "LC_ALL": "C"}
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    _design, files = generated(name)
    here = [[path, hashlib.sha256(text.encode()).hexdigest()] for path, text in files.items()]
    assert json.loads(ran.stdout) == here
    assert len(here) > 20
