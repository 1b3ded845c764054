"""A scheme that nobody ships, composed in the TOML file of docs/schemes.md alone, passes `crosstrain cosim`."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from crosstrain.cli import main
from crosstrain_cosim.stations import controller_unit, stations
from crosstrain_hdl.generate import rtl_files
from crosstrain_model import registers
from crosstrain_model.design_file import load_design
from crosstrain_model.design_text import hardware_hash
from crosstrain_model.registers import register_table
from crosstrain_model.schemes import SCHEMES

PAGE = Path(__file__).parents[2] / "docs" / "schemes.md"
NEW = ("chopper", "reference", "transfer", "controller")
"""What the composed scheme has otherwise than every preset; other stations are those of presets."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The file of the page."""
    path = tmp_path_factory.mktemp("composed") / "mine.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    return path
NEEDS = {
    "hic": ("array.pair=set-only", "formats.adc=9"),
    "wu": ("array.pair=one-sided", "array.read=bit-serial", "update.max_pulses=1", "update.remainder=clear"),
}
"""What the presets of other schemes must change to become one."""


def rows(start):
    """Cells of the table of the page whose head begins so, without links and code marks."""
    lines = PAGE.read_text().split(f"| {start} |")[1].split("\n\n")[0].splitlines()
    head, _, *others = [[cell.strip().strip("`") for cell in line.strip().strip("|").split("|")] for line in lines]
    return head, others


def test_nobody_ships_it(source):
    row = load_design(str(source)).row
    assert (row.chopper, row.reference, row.remainder) == ("random", "dynamic", "keep")
    assert row not in SCHEMES.values()
    others = [dataclasses.replace(scheme, paper=row.paper) for scheme in SCHEMES.values()]
    assert row not in others


@pytest.mark.parametrize("name", NEW)
def test_it_passes_the_regression(source, name, tmp_path):
    status = main(["cosim", str(source), "--only", name, "--json", str(tmp_path / "result.json")])
    result = json.loads((tmp_path / "result.json").read_text())
    assert (status, result["ok"], result["failed"], result["mismatches"]) == (0, True, 0, 0)
    assert result["events"] > 500


@pytest.mark.parametrize(
    ("section", "choice"), [("update", {"remainder": "clear"}), ("transfer", {"memory": "leak"})]
)
def test_verilog_of_another_choice_turns_red(source, section, choice, monkeypatch):
    """So that the regression tests the choices, and not what all schemes have in common."""
    design = load_design(str(source))
    other = dataclasses.replace(design, **{section: dataclasses.replace(getattr(design, section), **choice)})
    unit, digest = controller_unit(design), hardware_hash(design)
    monkeypatch.setattr(registers, "hardware_hash", lambda _: digest)  # or the driver would not talk to it
    texts = {**unit.texts, **rtl_files(other)}
    result = unit.run(design, seed=1, texts=texts, only="at_random_back_to_back")
    assert result.mismatches > 0
    assert result.messages[0].startswith("pulses at vector ")


def test_hardware_that_it_does_not_name_is_not_there(source):
    design = load_design(str(source))
    assert {"chopper", "reference", "random_streams_choppers"} <= set(stations(design))
    names = {register.name for register in register_table(design)}
    assert {"FLIP_PROBABILITY", "WARMUP", "MEM_SELECT"} <= names
    assert not names & {"LEAK", "CHOPPER_PERIOD"}


def test_the_page_has_the_table():
    head, lines = rows("scheme")
    fields = [field.name for field in dataclasses.fields(next(iter(SCHEMES.values())))]
    assert head == fields
    assert lines == [[name, *(getattr(row, field) for field in fields)] for name, row in SCHEMES.items()]


def test_the_page_says_what_is_generated():
    schemes, lines = rows("station")
    has = {name: set() for name in schemes}
    for station, *marks in lines:
        for name, mark in zip(schemes, marks, strict=True):
            has[name] |= {re.match(r"\[(\w+)\]", station)[1]} if mark == "+" else set()
    designs = {name: load_design("mp-8", [f"scheme={name}", *NEEDS.get(name, ())]) for name in SCHEMES}
    assert has == {name: set(stations(design)) for name, design in designs.items()}
