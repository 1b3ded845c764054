"""What is made from the register table: it says what the table says, and the driver refuses what cannot be."""

import ast
import json
import re
import shutil
import subprocess
import sys

import pytest

from crosstrain_model.design import Array, Design, Update
from crosstrain_model.design_file import load_design
from crosstrain_model.register_files import driver_module, register_files
from crosstrain_model.registers import find, register_table

DESIGNS = {
    "mp-8": Design(name="mp-8"),
    "odd": Design(
        name="odd",
        ledger=True,
        array=Array(rows=67, columns=7, lanes=3),
        update=Update(threshold_power_of_two=True),
    ),
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def test_data_is_the_table(design):
    data = json.loads(register_files(design)["regs.json"])
    table = register_table(design)
    assert [(r["name"], r["offset"], r["access"], r["reset"]) for r in data["registers"]] == [
        (r.name, r.offset, r.access, r.reset_word) for r in table
    ]
    assert [[f["name"] for f in r.get("fields", [])] for r in data["registers"]] == [
        [f.name for f in r.fields] for r in table
    ]


def test_page_tells_every_register_and_field(design):
    page = register_files(design)["regs.md"]
    for register in register_table(design):
        assert f"\n## {register.name}\n\n`0x{register.offset:03X}`, {register.access}" in page
        assert f"\n{register.doc}\n" in page
        for field in register.fields:
            assert re.search(rf"^\| [0-9:]+ \| `{field.name}` \| {field.reset} \|", page, re.MULTILINE)


def test_header_compiles_and_holds_the_offsets(design, tmp_path):
    header = register_files(design)["regs.h"]
    defined = re.findall(r"^#define (\w+) (0x[0-9A-F]+)u$", header, re.MULTILINE)
    found = {name: int(value, 16) for name, value in defined}
    for register in register_table(design):
        assert found[f"{design.top.upper()}_{register.name}"] == register.offset
    compiler = shutil.which("cc")
    command = [compiler] if compiler else [sys.executable, "-m", "ziglang", "cc"]
    (tmp_path / "regs.h").write_text(header)
    (tmp_path / "main.c").write_text('#include "regs.h"\n#include "regs.h"\nint main(void) { return 0; }\n')
    check = [*command, "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "main.c"]
    subprocess.run(check, cwd=tmp_path, check=True)


def test_driver_stands_alone(design):
    text = register_files(design)["driver.py"]
    tree = ast.parse(text, feature_version=(3, 9))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert max(len(line) for line in text.splitlines()) <= 120
    module = driver_module(design)
    assert {name: entry[0] for name, entry in module.REGISTERS.items()} == {
        register.name: register.offset for register in register_table(design)
    }


@pytest.fixture
def bare(design, memory_of):
    module = driver_module(design)
    memory = memory_of(module)
    return module, module.Driver(memory), memory


def test_names_signs_and_refusals(design, bare):
    module, driver, memory = bare
    driver.write("SHIFT", -3)
    assert (driver.read("SHIFT"), memory.words[0x44]) == (-3, 0xFFFFFFFD)
    memory.refuses.add(0x5C)
    with pytest.raises(module.RefusedError, match=f"{design.name}: write of 1 to GUARD was refused"):
        driver.configure(guard=1)
    with pytest.raises(ValueError, match="no setting gard; there are threshold, shift"):
        driver.configure(gard=1)
    with pytest.raises(ValueError, match="no register GARD"):
        driver.read("GARD")


def test_threshold_in_its_own_unit(design, bare):
    _, driver, _ = bare
    assert driver.threshold() == design.update.threshold
    driver.set_threshold(64)
    assert driver.threshold() == 64
    assert driver.read("THRESHOLD") == (6 if design.update.threshold_power_of_two else 64)
    if design.update.threshold_power_of_two:
        with pytest.raises(ValueError, match="threshold 65 must be a power of two"):
            driver.set_threshold(65)


def test_frames_and_results(design, bare):
    module, driver, memory = bare
    rows, columns = design.array.rows, design.array.columns
    driver.update([-128] * rows, -128, [127] * columns, 127)
    driver.program_pass()
    assert memory.frames == [([-128] * rows, 0x80 << 4), ([127] * columns, 0x7F << 4 | 1), ([], 2)]
    padded = list(range(columns)) + [0] * 5
    memory.results += [(padded, 3 | 0 << 12), (padded, 5 | 3 << 4 | 1 << 12), (padded, 4 | 2 << 4 | 2 << 12)]
    assert driver.forward([0] * rows) == list(range(columns))
    assert driver.read_row(rows - 1) == list(range(columns))  # SATURATED is a result
    assert memory.frames[-1] == ([], 5 | 1 << 12 | (rows - 1) << 20)
    with pytest.raises(module.ReadError, match="TIMEOUT"):
        driver.backward([0] * columns)
    memory.results.append((padded, 3))
    with pytest.raises(module.DriverError, match="tag 0 came for op 3, tag 3"):
        driver.forward([0] * rows)
    for call, message in (
        (lambda: driver.update([0] * (rows + 1), 0, [0] * columns, 0), f"x has {rows + 1} codes, must have {rows}"),
        (lambda: driver.update([128] * rows, 0, [0] * columns, 0), "must be -128..127"),
        (lambda: driver.update([0] * rows, 128, [0] * columns, 0), "exponent ex = 128"),
        (lambda: driver.read_row(rows), "row"),
        (lambda: driver.load_accumulators([[0]]), "accumulators must be"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_bring_up_knows_its_chip(design, bare):
    module, driver, memory = bare
    with pytest.raises(module.NotReadyError, match="bring-up: not ready after 5 polls; STATUS shows nothing"):
        driver.bring_up(polls=5)
    status = module.FIELDS["STATUS"]
    memory.words[0x28] = 1 << status["idle"][0] | 1 << status["array_ready"][0]
    driver.bring_up()
    memory.words[find(register_table(design), "HASH").offset] ^= 1
    with pytest.raises(module.DriverError, match="HASH is"):
        driver.bring_up()


def test_pages_of_gradient_designs_do_not_speak_of_passes():
    for name, cleared in (("agad-8", "Clears H, P, P_ref, the"), ("ttv2-8", "Clears H, the"), ("sgd-8", "Clears the")):
        text = register_files(load_design(name))["regs.md"]
        assert cleared in text
        commands = text[text.index("## COMMAND\n") : text.index("## STATUS\n")]
        assert "touched" not in text
        assert "running pass" not in commands
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert any(r"max\|x\|" in row for row in rows)
        assert [row for row in rows if "|x|" in row] == []
