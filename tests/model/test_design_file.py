"""Design files: round trips, hashes, presets, and the page about them."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain_model import design_file, design_page, random_lint
from crosstrain_model.design import HARDWARE_SECTIONS, Array, Bus, Design, Formats, Pulse, Update
from crosstrain_model.design_device import Device
from crosstrain_model.design_file import (
    design_hash,
    field_paths,
    hardware_hash,
    load_design,
    preset_names,
    resolve_toml,
    section_types,
)
from crosstrain_model.design_gradient import Train, Transfer
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_pcm import BinaryPcm
from crosstrain_model.schemes import SCHEMES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "design-file.md"


def from_text(folder: Path, text: str | bytes) -> str:
    """Path of a design file in the folder worked in."""
    (folder / "d.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "d.toml"


# --- random designs --------------------------------------------------------------------------------------------


def values_of(field):
    """Strategy for one field by its own metadata."""
    meta = field.metadata
    if "choices" in meta:
        return st.sampled_from(meta["choices"])
    if "flag" in meta:
        return st.booleans()
    if "real" in meta:
        return st.floats(meta["low"], meta["high"]) | st.integers(-(-meta["low"] // 1), int(meta["high"]))
    if "low" in meta:
        return st.integers(meta["low"], meta["high"])
    return st.from_regex(r"_?[A-Za-z][A-Za-z0-9]{0,15}([_-][A-Za-z0-9]{1,15})?-1", fullmatch=True)  # no keyword ends so


def sections(cls, **fixed):
    names = [field for field in dataclasses.fields(cls) if field.name not in fixed]
    return st.builds(cls, **{field.name: values_of(field) for field in names}, **fixed)


@st.composite
def designs(draw) -> Design:
    """Valid designs, with the rules between fields kept by construction."""
    columns = draw(st.integers(1, 1024))
    lanes = draw(st.integers(1, min(64, columns)))
    accumulator = draw(st.integers(8, 32))
    shift_in_place = draw(st.booleans())
    powers = st.integers(0, accumulator - 2).map(lambda power: 2**power)
    codes = [codes for codes in range(1, 65) if codes % lanes == 0 or lanes % codes == 0]
    limit = draw(st.integers(1, 2**28 - 1))
    scheme = draw(st.sampled_from(sorted(set(SCHEMES) - {"wu", "hic"})))
    pulsed = scheme != "mp"
    reference = draw(st.sampled_from(["scheme", "none", "static", "dynamic", "both"]))
    subtracted = SCHEMES[scheme].reference if reference == "scheme" else reference
    dynamic = SCHEMES[scheme].source == "read" and subtracted in ("dynamic", "both")
    pairs = st.just("single") if pulsed else st.sampled_from(["single", "push-pull", "set-only"])
    wiring = {"pair": pairs, "read": st.just("parallel")}
    parts = {
        "scheme": st.just(scheme),
        "array": sections(Array, columns=st.just(columns), lanes=st.just(lanes), **wiring),
        "formats": sections(Formats, accumulator=st.just(accumulator), fraction=st.integers(0, 12 if pulsed else 31)),
        "update": sections(
            Update,
            threshold=powers if shift_in_place else st.integers(1, 2 ** (accumulator - 1) - 1),
            threshold_power_of_two=st.just(shift_in_place),
        ),
        "pulse": sections(
            Pulse,
            width_limit=st.just(limit),
            width_set=st.integers(1, limit),
            width_reset=st.integers(1, limit),
            timeout=st.integers(2**29, 2**32 - 1),
        ),
        "bus": sections(Bus, stream_codes=st.sampled_from([0, *codes])),
        "train": sections(Train, width=st.integers(1, limit)),
        "transfer": sections(
            Transfer,
            column_chopper=st.just("none"),
            reference=st.just(reference),
            memory=st.sampled_from(["leak", "last"]) if dynamic else st.just("leak"),
        ),
        **{
            name: sections(section_types()[name])
            for name in ("random", "device", "gradient_device", "converters", "verify", "rram", "pcm")
        },
        "hybrid": sections(Hybrid, read_back=st.just(False)),
        "binary_pcm": sections(BinaryPcm, **{
            name: st.just(getattr(BinaryPcm(), name))
            for name in ("set_level", "reset_level", "read_level", "stuck_low", "stuck_high")
        }),
    }
    return draw(sections(Design, **parts))


@settings(deadline=None, derandomize=True)
@given(designs())
def test_what_is_written_reads_back(tmp_path_factory, design):
    path = tmp_path_factory.getbasetemp() / "written.toml"
    text = resolve_toml(design)
    path.write_text(text)
    again = load_design(str(path))
    assert again == design
    assert resolve_toml(again) == text
    assert (design_hash(again), hardware_hash(again)) == (design_hash(design), hardware_hash(design))


@settings(deadline=None, derandomize=True)
@given(designs(), st.data())
def test_overrides_reach_every_field(design, data):
    """A preset with every field of another design put over it, in random order, is that design."""
    tables = design_file.as_tables(design)
    flat = {key: value for key, value in tables.items() if key not in section_types()}
    flat |= {f"{name}.{key}": value for name in section_types() for key, value in tables[name].items()}
    assert set(flat) == set(field_paths())
    quoted = {key: json.dumps(value) if data.draw(st.booleans()) else value for key, value in flat.items()}
    overrides = [f"{key}={str(value).lower() if value in (True, False) else value}" for key, value in quoted.items()]
    assert load_design("mp-8", data.draw(st.permutations(overrides))) == design


# --- hashes ----------------------------------------------------------------------------------------------------


def test_every_field_counts_in_the_hash_and_the_right_ones_in_the_hardware_hash():
    plain = load_design("mp-64")
    one_sided = ["scheme=wu", "array.pair=one-sided", "update.max_pulses=1", "update.remainder=clear"]
    dynamic = load_design("mp-64", ["scheme=agad", "formats.fraction=4"])
    bases = {"array.read": load_design("mp-64", one_sided), "transfer.memory": dynamic}
    changes = {
        "name": "mp_64b",
        "profile": "asic",
        "threshold_power_of_two": True,
        "ledger": True,
        "kind": "ideal",
        "noise_base": "zero",
        "pair": "push-pull",
        "read": "bit-serial",
        "rounding": "truncate",
        "remainder": "clear",
        "scheme": "agad",
        "fraction": 4,
        "row_width": 32,
        "column_width": 31,
        "columns": "rows",
        "generator": "xoshiro128++",
        "dynamic": False,
        "permute": False,
        "polarity": "separate",
        "chopper": "none",
        "column_chopper": "period",
        "reference": "none",
        "memory": "last",
        "zero": "symmetry",
        "preset": "hfo2",
        "amplitude": "column",
        "code": "gray",
        "cells": "sram",
        "read_back": True,
        "reset_level": 0.05,
    }
    hashes = {design_hash(plain)}
    for path in field_paths():
        section, _, name = path.rpartition(".")
        base = bases.get(path, plain)
        owner = getattr(base, section) if section else base
        old = getattr(owner, name)
        named = name in changes and path not in ("array.columns", "train.amplitude")
        new = changes[name] if named else old + 1 if type(old) is int else old / 2 + 0.1
        changed = dataclasses.replace(owner, **{name: new})
        design = dataclasses.replace(base, **{section: changed}) if section else changed
        assert design != base, path
        hashes.add(design_hash(design))
        of_hardware = section in HARDWARE_SECTIONS or path in ("name", "scheme", "profile", "ledger")
        assert (hardware_hash(design) != hardware_hash(base)) == of_hardware, path
    assert len(hashes) == len(field_paths()) + 1


def test_one_design_one_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    as_integers = from_text(tmp_path, "[device]\nsigma_dd = 1\nsigma_cc = 0\n[converters]\nadc_range = 4\n")
    one = load_design(as_integers)
    other = load_design(from_text(tmp_path, "[converters]\nadc_range=4.0\n[device]\nsigma_cc=-0.0\nsigma_dd=1.0\n"))
    direct = Design(device=Device(sigma_dd=1), converters=dataclasses.replace(Design().converters, adc_range=4))
    assert one == other == direct
    assert design_hash(one) == design_hash(other) == design_hash(direct)
    assert resolve_toml(one) == resolve_toml(other) == resolve_toml(direct)


def test_hashes_do_not_depend_on_the_process():
    program = (
        "from crosstrain_model.design_file import *\n"
        "d = load_design('mp-8'); print(design_hash(d), hardware_hash(d), resolve_toml(d))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    design = load_design("mp-8")
    assert told == {f"{design_hash(design)} {hardware_hash(design)} {resolve_toml(design)}\n"}
    assert re.fullmatch("[0-9a-f]{64}", design_hash(design))


# --- presets ---------------------------------------------------------------------------------------------------


def test_presets():
    schemes = ("agad", "c-ttv2", "mp", "sgd", "ttv2")
    square = [f"{scheme}-{size}" for scheme in schemes for size in (8, 64, 512)]
    hybrid = ["hic-8", "hic-64", "hic-256"]
    place = square.index("mp-8")
    assert preset_names() == [*square[:place], *hybrid, *square[place:], "wu-8", "wu-64", "wu-256x64"]
    for name in square:
        design = load_design(name)
        scheme, _, size = name.rpartition("-")
        assert (design.name, design.scheme) == (name, scheme)
        assert (design.array.rows, design.array.columns, design.array.pair) == (int(size), int(size), "single")
        assert design.array.lanes == (4 if size == "8" else 16)
        assert (design.device.kind, design.device.sigma_dd) == ("soft-bounds", 0.3)
        assert design.device.states == (64 if scheme == "mp" else 20)
        assert design.stream_codes == (64 if size == "512" and scheme != "mp" else design.array.lanes)
        assert design.static_reference == (scheme in ("ttv2", "c-ttv2"))
        assert design.dynamic_reference == (scheme == "agad")
        if design.pulsed:
            random_lint.check(design)


def test_a_preset_wins_over_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mp-8", "bare"):
        (tmp_path / name).write_text('name = "mine"\n')
    assert load_design("mp-8").name == "mp-8"
    assert load_design("./mp-8").name == "mine"
    assert load_design("bare").name == "mine"


def test_overrides_on_a_preset():
    design = load_design("mp-8", ["array.rows=13", "array.columns=7", "array.lanes=3", "profile=asic", "name = 'mine'"])
    assert (design.array, design.profile, design.name) == (Array(rows=13, columns=7, lanes=3), "asic", "mine")
    assert load_design("mp-8", ["array.rows=9", "array.rows = 0x0A"]).array.rows == 10
    assert load_design("mp-8", ["array.rows=13"]).name == "mp-8"
    assert design_hash(load_design("mp-8", ["array.rows=13"])) != design_hash(load_design("mp-8"))
    assert load_design("mp-8", []) == load_design("mp-8", ["array.rows=8"])


# --- the page --------------------------------------------------------------------------------------------------


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == design_page.page(), f"python -m crosstrain_model.design_page > {PAGE}"


def test_every_field_has_a_docstring_of_its_own():
    for section in (Design, *section_types().values()):
        names = {field.name for field in dataclasses.fields(section)}
        plain = names - set(section_types())
        assert plain <= set(design_page.field_docs(section)), section
        assert all(len(text) > 10 for text in design_page.field_docs(section).values())


def test_the_page_names_every_field():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert rows == [path.rpartition(".")[2] for path in field_paths()]
