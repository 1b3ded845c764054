"""The design tree: bounds of every field, rules between fields, what follows from the sizes."""

import dataclasses
import math
import re

import pytest

from crosstrain_model.cost import cycles_per_update, weight_cells, weight_memory_bits
from crosstrain_model.design import Array, Bus, Design, Formats, Pulse, Update
from crosstrain_model.design_device import Converters, Device
from crosstrain_model.design_file import load_design, section_types
from crosstrain_model.design_gradient import Transfer
from crosstrain_model.errors import UserError
from crosstrain_model.keywords import VERILOG_KEYWORDS
from crosstrain_model.reference import has_mean, reference_bits

BOUNDED = [
    (section, field.name)
    for section in (Design, *section_types().values())
    for field in dataclasses.fields(section)
    if "low" in field.metadata
]

ROOM = {
    "array.columns": {"lanes": 1},
    "array.lanes": {"columns": 1024},
    "pulse.width_set": {"width_limit": 2**28 - 1, "timeout": 2**32 - 1},
    "pulse.width_reset": {"width_limit": 2**28 - 1, "timeout": 2**32 - 1},
    "pulse.width_limit": {"width_set": 1, "width_reset": 1},
    "pulse.timeout": {"guard": 0},
    "binary_pcm.set_level": {"reset_level": 0.0, "read_level": 0.05},
    "binary_pcm.reset_level": {"read_level": 0.95, "set_level": 1.0},
    "binary_pcm.read_level": {"reset_level": 0.0, "set_level": 1.0},
}
"""What else must be said for a field to reach its bounds, given the rules between fields."""


def field_of(section, name):
    return next(field for field in dataclasses.fields(section) if field.name == name)


def refusal(section, **values) -> str:
    """The message with which `section` refuses `values`: always one line."""
    with pytest.raises(ValueError) as refused:
        section(**values)
    message = str(refused.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize(("section", "name"), BOUNDED, ids=lambda value: getattr(value, "PATH", value))
def test_bounds_are_inclusive_and_named(section, name):
    meta = field_of(section, name).metadata
    step = 1e-6 if "real" in meta else 1
    for value in (meta["low"], meta["high"]):
        others = ROOM.get(f"{section.PATH}.{name}", {})
        assert getattr(section(**{name: value} | others), name) == value
    for value in (meta["low"] - step, meta["high"] + step):
        path = f"{section.PATH}.{name}" if section.PATH else name
        assert refusal(section, **{name: value}) == f"{path} = {value}: must be {meta['low']}..{meta['high']}"


@pytest.mark.parametrize(("section", "name"), BOUNDED, ids=lambda value: getattr(value, "PATH", value))
@pytest.mark.parametrize("value", [True, "8", None, [8], math.nan, math.inf, 8.0])
def test_wrong_kinds_are_refused(section, name, value):
    meta = field_of(section, name).metadata
    if "real" in meta and isinstance(value, float) and meta["low"] <= value <= meta["high"]:
        assert getattr(section(**{name: value}), name) == value
    else:
        assert " must be " in refusal(section, **{name: value})


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (Array, {"columns": 8, "lanes": 9}, "array.lanes = 9: must be 1..8 (array.columns)"),
        (Array, {"pair": "double"}, 'array.pair = "double": must be one of single, push-pull, set-only, one-sided'),
        (Array, {"rows": 10**6000}, "array.rows = (19932-bit integer): must be 1..1024"),
        (Update, {"threshold": 0}, "update.threshold = 0: must be 1..2147483647"),
        (Update, {"threshold_power_of_two": 1}, "update.threshold_power_of_two = 1: must be true or false"),
        (Pulse, {"width_limit": 9}, "pulse.width_set = 10: must be 1..9 (pulse.width_limit)"),
        (Pulse, {"width_reset": 99, "width_limit": 98}, "pulse.width_reset = 99: must be 1..98 (pulse.width_limit)"),
        (
            Pulse,
            {"width_reset": 20, "guard": 3, "timeout": 23},
            "pulse.timeout = 23: must be more than 23, the longest pulse (pulse.width_*) and pulse.guard",
        ),
        (Device, {"kind": ""}, 'device.kind = "": must be one of ideal, constant-step, linear-step, soft-bounds'),
        (Design, {"scheme": True}, "scheme = true: must be one of mp, wu, hic, sgd, ttv2, c-ttv2, agad"),
        (Design, {"array": 8}, "array = 8: must be of class Array"),
        (Design, {"name": "module"}, 'name = "module": must not be a keyword of Verilog'),
        (
            Design,
            {"formats": Formats(accumulator=8), "update": Update(threshold=128)},
            "update.threshold = 128: must be 1..127 (formats.accumulator)",
        ),
        (
            Design,
            {"update": Update(threshold=300, threshold_power_of_two=True)},
            "update.threshold = 300: must be a power of two (update.threshold_power_of_two)",
        ),
        (
            Design,
            {"bus": Bus(stream_codes=3)},
            "bus.stream_codes = 3: must divide or be a multiple of array.lanes (4)",
        ),
    ],
)
def test_refusals(section, values, message):
    assert refusal(section, **values) == message


@pytest.mark.parametrize("name", ["", "8mp", "a b", "a.b", "a/b", "../a", "é", "a" * 65, "a\nb", 7, None])
def test_names_that_no_tool_takes(name):
    assert refusal(Design, name=name).endswith(
        ": must be letters, digits, - and _, not starting with a digit, at most 64"
    )


@pytest.mark.parametrize("name", ["my-", "my--tile", "my-_tile", "a__b", "-", "_", "_8", "--", "__a"])
def test_names_that_generated_modules_cannot_have(name):
    bound = "must have a letter, no two of - and _ in a row, and neither at the end"
    assert refusal(Design, name=name) == f'name = "{name}": {bound}'


def test_a_memory_of_a_reference_that_is_not_there():
    bound = "must be leak without a dynamic reference (scheme, transfer.reference)"
    for scheme, reference in (("mp", "scheme"), ("ttv2", "scheme"), ("agad", "static"), ("sgd", "dynamic")):
        values = {"scheme": scheme, "transfer": Transfer(memory="last", reference=reference)}
        values["formats"] = Formats(fraction=4)
        assert refusal(Design, **values) == f'transfer.memory = "last": {bound}'
    for scheme, reference in (("agad", "scheme"), ("ttv2", "dynamic"), ("ttv2", "both")):
        transfer = Transfer(memory="last", reference=reference)
        assert Design(scheme=scheme, formats=Formats(fraction=4), transfer=transfer).dynamic_reference


@pytest.mark.parametrize("name", ["mp-8", "a" * 64, "_a", "Module"])
def test_names_that_become_modules(name):
    assert re.fullmatch(r"[A-Za-z_]\w*", Design(name=name).top)


def test_keywords_are_words():
    assert {"module", "wire", "logic", "endmodule", "xor"} <= VERILOG_KEYWORDS
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", word) for word in VERILOG_KEYWORDS)


@pytest.mark.parametrize(
    ("rows", "columns", "lanes", "groups", "row_words", "bits", "cycles"),
    [
        (1, 1, 1, 1, 1, 16, 1),
        (13, 7, 3, 3, 5, 13 * 3 * 3 * 16, 39),
        (8, 8, 8, 1, 1, 1024, 8),
        (64, 64, 16, 4, 4, 65536, 256),
        (1024, 1024, 64, 16, 16, 2**24, 2**14),
    ],
)
def test_sizes(rows, columns, lanes, groups, row_words, bits, cycles):
    design = Design(array=Array(rows=rows, columns=columns, lanes=lanes))
    assert (design.array.groups, design.array.row_words) == (groups, row_words)
    assert (weight_memory_bits(design), cycles_per_update(design)) == (bits, cycles)


@pytest.mark.parametrize(
    ("name", "changes", "cells"),
    [
        ("mp-8", [], {"chi": 16}),
        ("sgd-8", [], {}),
        ("c-ttv2-8", [], {"H": 18}),
        ("agad-8", [], {"H": 18, "P": 13, "P_ref": 13}),
        ("agad-8", ["transfer.memory=last"], {"H": 18, "P_ref": 13}),
        ("wu-8", [], {"dW": 16, "W": 16, "plus": 8, "minus": 8}),
        ("wu-8", ["verify.cell_bits=0"], {"dW": 16, "W": 16}),
    ],
)
def test_what_is_kept_of_a_weight(name, changes, cells):
    design = load_design(name, changes)
    assert weight_cells(design) == cells
    assert weight_memory_bits(design) == 64 * sum(cells.values())
    if "P_ref" in cells:
        assert (cells["P_ref"], "P" in cells) == (reference_bits(design), has_mean(design))


def test_a_pair_takes_two_device_columns():
    assert [Array(columns=7, lanes=3, pair=pair).device_columns for pair in ("single", "push-pull", "set-only")] == [
        7,
        14,
        14,
    ]


@pytest.mark.parametrize(("codes", "resolved"), [(0, 4), (1, 1), (2, 2), (4, 4), (8, 8)])
def test_stream_codes(codes, resolved):
    assert Design(bus=Bus(stream_codes=codes)).stream_codes == resolved


def test_the_shift_of_a_fresh_chip():
    assert Design(formats=Formats(fraction=10), update=Update(rate_log2=-3)).reset_shift == 7


def test_designs_are_values():
    assert Design() == Design()
    assert len({Design(), Design(), Design(seed=2)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Design().seed = 2
    with pytest.raises(TypeError):
        Design("mp")
    with pytest.raises(ValueError, match=r"array\.lanes = 9"):
        dataclasses.replace(Design().array, lanes=9)
    assert dataclasses.replace(Design(), converters=Converters(adc_noise=1)).converters.adc_noise == 1


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["update.remainder=keep"], r'update\.remainder = "keep": must be clear'),
        (["verify.base=30000"], r"verify\.range = 19584: must be at most 2767, .*verify\.base"),
        (["verify.range=40000"], r"verify\.range = 40000: must be 1\.\.32767"),
    ],
)
def test_what_write_verify_cannot_do_is_refused(overrides, told):
    with pytest.raises(UserError, match=told):
        load_design("wu-8", overrides)
