"""The register table and the rule of an access."""

import pytest

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_text import hardware_hash
from crosstrain_model.registers import find, register_table

DESIGNS = {
    "default": Design(name="a"),
    "ledger": Design(name="a", ledger=True, array=Array(rows=13, columns=7, lanes=3, pair="push-pull")),
    "log2": Design(name="a", formats=Formats(accumulator=32), update=Update(threshold_power_of_two=True)),
    "large": Design(name="a", array=Array(rows=1024, columns=1024, lanes=64)),
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def test_every_register_is_whole(design):
    table = register_table(design)
    assert len({register.name for register in table}) == len(table)
    for register in table:
        assert register.offset % 4 == 0
        assert 0 <= register.offset < 4096
        assert register.doc.endswith("."), register.name
        assert len({field.name for field in register.fields}) == len(register.fields)
        used = 0
        for field in register.fields:
            assert not used & field.mask, f"{register.name}.{field.name} overlaps"
            assert field.mask < 2**32
            assert field.reset <= field.maximum
            assert field.doc.endswith("."), f"{register.name}.{field.name}"
            used |= field.mask
        if register.kind != "constant":
            assert register.fits(register.reset_word), register.name


def test_resets_are_the_design(design):
    table = register_table(design)
    theta = find(table, "THRESHOLD").reset
    assert (1 << theta if design.update.threshold_power_of_two else theta) == design.update.threshold
    assert find(table, "SHIFT").reset == design.reset_shift
    assert find(table, "TIMEOUT").reset == design.pulse.timeout
    assert find(table, "HASH").reset_word == int(hardware_hash(design)[:8], 16)
    shape = find(table, "SHAPE").reset_word
    assert (shape & 0x7FF, shape >> 11 & 0x7FF, shape >> 22) == (
        design.array.rows,
        design.array.columns,
        design.array.lanes,
    )


def test_totals_only_with_a_ledger():
    names = {key: {register.name for register in register_table(DESIGNS[key])} for key in DESIGNS}
    assert names["ledger"] - names["default"] == {
        f"TOTAL_{name}_{half}"
        for name in ("INPUT", "PROGRAMMED", "CLEARED", "CLIPPED", "LOADED")
        for half in ("LOW", "HIGH")
    }
    with pytest.raises(KeyError):
        find(register_table(DESIGNS["default"]), "TOTAL_INPUT_LOW")


@pytest.mark.parametrize(
    ("name", "word", "fits"),
    [
        ("THRESHOLD", 0, False),
        ("THRESHOLD", 1, True),
        ("THRESHOLD", 32767, True),
        ("THRESHOLD", 32768, False),
        ("THRESHOLD", 0xFFFFFFFF, False),
        ("SHIFT", 127, True),
        ("SHIFT", 128, False),
        ("SHIFT", 0xFFFFFF80, True),
        ("SHIFT", 0xFFFFFF7F, False),
        ("WIDTH_SET", 0, False),
        ("WIDTH_SET", 2**20, True),
        ("WIDTH_SET", 2**20 + 1, False),
        ("TIMEOUT", 15, False),
        ("TIMEOUT", 0xFFFFFFFF, True),
        ("CONTROL", 1, True),
        ("CONTROL", 2, False),
        ("MEM_ADDRESS", 7 << 20 | 1 << 8 | 3, True),
        ("MEM_ADDRESS", 8 << 20, False),
        ("MEM_ADDRESS", 2 << 8, False),
        ("MEM_ADDRESS", 4, False),
        ("MEM_DATA", 0xFFFF8000, True),
        ("MEM_DATA", 0x8000, False),
    ],
)
def test_bounds(name, word, fits):
    assert find(register_table(DESIGNS["default"]), name).fits(word) is fits


def test_refusals():
    table = register_table(DESIGNS["default"])
    threshold, command, control, data = (find(table, name) for name in ("THRESHOLD", "COMMAND", "CONTROL", "MEM_DATA"))
    assert not threshold.write_refused(5, 0xF, True)
    assert threshold.write_refused(5, 0xF, False)
    assert threshold.write_refused(5, 0x7, True)
    assert not control.write_refused(1, 0xF, False)
    assert not command.write_refused(1, 0xF, False)  # abort
    assert command.write_refused(2, 0xF, False)  # clear
    assert command.write_refused(3, 0xF, False)
    assert not command.write_refused(3, 0xF, True)
    assert (data.read_refused(False), data.read_refused(True), threshold.read_refused(False)) == (True, False, False)
