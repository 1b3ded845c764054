"""Registers of in-memory gradients: each design has those of its stations, at the same offsets."""

import pytest

from crosstrain_model.chopper import chopper_words
from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_gradient import Random, Transfer
from crosstrain_model.register_files import driver_module, register_files
from crosstrain_model.registers import counters, find, register_table
from crosstrain_model.registers_gradient import STATE_WINDOWS, cell_bits, streams

FORMATS = Formats(fraction=4)
DESIGNS = {
    "sgd": Design(name="a", scheme="sgd"),
    "ttv2": Design(name="a", scheme="ttv2", formats=FORMATS),
    "c-ttv2": Design(name="a", scheme="c-ttv2", formats=FORMATS, random=Random(generator="xoshiro128++")),
    "agad": Design(name="a", scheme="agad", formats=FORMATS, ledger=True, array=Array(rows=40, columns=7, lanes=3)),
    "last": Design(name="a", scheme="agad", formats=FORMATS, transfer=Transfer(memory="last")),
    "columns": Design(
        name="a", scheme="ttv2", formats=FORMATS, array=Array(columns=33), transfer=Transfer(column_chopper="random")
    ),
}


def names(design):
    return {register.name for register in register_table(design)}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def test_every_register_is_whole(design):
    for register in register_table(design):
        assert register.doc.endswith("."), register.name
        assert register.kind == "constant" or register.fits(register.reset_word), register.name


def test_offsets_are_the_same_in_every_design():
    offsets = {}
    for design in (Design(name="a", ledger=True), *DESIGNS.values()):
        for register in register_table(design):
            assert offsets.setdefault(register.name, register.offset) == register.offset, register.name


def test_digital_accumulation_alone_has_passes(design):
    assert not names(design) & {"SHIFT", "PROGRAM_EVERY", "VECTORS_SINCE_PASS", "TOUCHED_DATA"}
    assert not names(Design(name="a")) & {"TRAIN_RATE", "STREAM_DATA", "MEAN_X", "TRANSFERS"}


def test_stations_that_are_not_there_have_no_registers():
    assert not names(DESIGNS["sgd"]) & {"THRESHOLD", "WIDTH_SET", "MEM_DATA", "SWEEPS", "ISSUED", "TRANSFERS", "LEAK"}
    assert not names(DESIGNS["ttv2"]) & {"LEAK", "CHOPPER_DATA", "CHOPPER_PERIOD", "FLIP_PROBABILITY", "MEM_SELECT"}
    assert names(DESIGNS["c-ttv2"]) >= {"FLIP_PROBABILITY", "CHOPPER_DATA"}
    assert not names(DESIGNS["c-ttv2"]) & {"CHOPPER_PERIOD", "SWEEP_READS", "MEM_SELECT"}
    assert names(DESIGNS["agad"]) >= {"LEAK", "CHOPPER_PERIOD", "SWEEP_READS", "MEM_SELECT", "TOTAL_INPUT_LOW"}
    assert "LEAK" not in names(DESIGNS["last"])


def test_sizes():
    assert [chopper_words(DESIGNS[name]) for name in ("sgd", "ttv2", "c-ttv2", "agad", "columns")] == [0, 0, 1, 2, 2]
    assert streams(DESIGNS["agad"]) == ("rows", "columns")
    assert streams(DESIGNS["c-ttv2"]) == ("rows", "columns", "choppers")
    assert cell_bits(DESIGNS["agad"]) == 16
    assert find(register_table(DESIGNS["agad"]), "MEM_DATA").width == 16


def test_events_keep_their_bits(design):
    common = {field.low: field.name for field in find(register_table(Design(name="a")), "IRQ_STATUS").fields}
    own = {field.low: field.name for field in find(register_table(design), "IRQ_STATUS").fields}
    assert {bit for bit in common if common[bit] != own[bit]} == {3, 7}
    assert (own[3], own[7]) == ("adc_clipped", "lost_read")


def test_the_driver_has_the_methods_of_its_scheme(design):
    module = driver_module(design)
    driver = module.Driver
    assert not hasattr(driver, "program_pass")
    assert not hasattr(driver, "set_shift")
    assert hasattr(driver, "set_threshold") == hasattr(driver, "dump_accumulators") == design.transfers
    assert hasattr(driver, "dump_memory") == design.dynamic_reference
    assert list(module.COUNTERS) == counters(design)
    assert set(module.STATE_WINDOWS) == names(design) & set(STATE_WINDOWS)
    assert chopper_words(design) == module.CHOPPER_WORDS
    assert hasattr(driver, "seed")


def test_files_name_every_register(design):
    files = register_files(design)
    for name in names(design):
        assert name in files["regs.md"]
        assert name in files["regs.h"]
