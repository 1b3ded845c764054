"""Registers of hybrid weights: those of their stations, and none of what they do not have."""

import pytest

from crosstrain_model import hybrid_controller, hybrid_memory, write_verify
from crosstrain_model.design_file import load_design
from crosstrain_model.frames import FrameOp, frame_ops
from crosstrain_model.registers import counters, find, register_table
from crosstrain_model.registers_hybrid import L_COUNTERS, WEAR

SRAM = ["hybrid.cells=sram", "verify.cell_bits=8"]


def names(*changes):
    return {register.name for register in register_table(load_design("hic-8", changes))}


def test_resets_are_the_design():
    changes = ["hybrid.refresh_every=7", "hybrid.saturation=300", "verify.window=99", "verify.set_margin=-5"]
    table = register_table(load_design("hic-8", [*changes, "verify.cycles=9"]))
    wanted = {"REFRESH_EVERY": 7, "SATURATION": 300, "WINDOW": 99, "SET_MARGIN": -5, "CYCLES": 9, "SET_STOP": 4096}
    assert {name: find(table, name).reset for name in wanted} == wanted
    assert find(table, "SATURATION").maximum == 511


def test_what_hybrid_weights_do_not_have():
    absent = {"THRESHOLD", "RANGE", "BASE", "FORM_START", "FORM_LEVEL", "CLAMPED", "TOUCHED_DATA", "VECTORS_SINCE_PASS"}
    assert not absent & names()
    assert absent <= {register.name for register in register_table(load_design("wu-8"))}
    assert FrameOp.FORM not in frame_ops(load_design("hic-8"))
    assert FrameOp.BACKWARD in frame_ops(load_design("hic-8"))


def test_where_l_is_decides_what_is_counted_and_shown():
    wear = {"WEAR_SELECT", "WEAR_INDEX", "WEAR_DATA", *L_COUNTERS}
    assert wear <= names()
    assert {"MEM_ADDRESS", "MEM_DATA"} <= names()  # the host reads and writes L wherever it is
    assert "MEM_SELECT" not in names()
    assert names("hybrid.cells=sram") == names() - wear
    assert names(*SRAM) == names("hybrid.cells=sram") | {"MEM_SELECT"}
    table = register_table(load_design("hic-8", SRAM))
    assert "0 L, 1 plus, 2 minus;" in find(table, "MEM_SELECT").doc
    assert find(table, "MEM_DATA").width == 9  # a count of 8 bits is not negative
    assert find(register_table(load_design("hic-8", ["hybrid.cells=sram"])), "MEM_DATA").width == 7


def test_texts_speak_of_hybrid_weights():
    """Of no register that is not there, and of ADC codes and units of L, where other schemes have accumulator units."""
    for changes in ((), SRAM[:1], SRAM):
        table = register_table(load_design("hic-8", ["formats.fraction=5", *changes]))
        shown = "The cell of the memory in MEM_SELECT" if changes == SRAM else "L of the weight"
        assert all(find(table, name).doc.startswith(shown) for name in ("MEM_ADDRESS", "MEM_DATA"))
        assert all("[1/32 of an ADC code]" in find(table, name).doc for name in ("WINDOW", "SET_MARGIN"))
        assert not [register.name for register in table if "accumulator unit" in register.doc]
        assert "one clock cycle each" not in find(table, "VISITS").doc
    table = register_table(load_design("wu-8"))
    assert "[accumulator units]" in find(table, "WINDOW").doc
    assert find(table, "MEM_DATA").doc.startswith("The cell of the memory in MEM_SELECT")


@pytest.mark.parametrize(
    ("changes", "most"), [((), 8 * 7 - 1), (("array.rows=100",), 99), (("hybrid.bits=12",), 95)]
)
def test_wear_is_that_of_every_device_column_and_row(changes, most):
    table = register_table(load_design("hic-8", changes))
    assert find(table, "WEAR_INDEX").maximum == most
    assert find(table, "WEAR_SELECT").maximum == len(WEAR) - 1


def test_every_counter_of_the_model_has_a_register():
    """`vectors` and `visits` are those of every scheme; write-verify's `reads` are its own, as those of L."""
    told = {name.lower() for name in counters(load_design("hic-8"))}
    assert set(hybrid_controller.COUNTERS) <= told
    assert set(write_verify.COUNTERS) <= told
    assert len(L_COUNTERS) == len(hybrid_memory.COUNTERS)
    assert {name.lower() for name in L_COUNTERS} <= told


def test_streams_are_where_pulse_trains_have_theirs():
    ours, theirs = (register_table(load_design(name)) for name in ("hic-8", "agad-8"))
    for name in ("STREAM_INDEX", "STREAM_DATA"):
        assert find(ours, name) == find(theirs, name)
    ours, theirs = (register_table(load_design(name)) for name in ("hic-8", "wu-8"))
    for name in ("WINDOW", "SET_MARGIN", "SET_START", "RESET_STOP", "READS_LOG2", "CYCLES", "ROWS", "READS"):
        assert find(ours, name).offset == find(theirs, name).offset
