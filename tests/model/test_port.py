"""The array port's table: widths follow the design, names and numbers are those of the specification."""

import itertools
from pathlib import Path

import pytest

from crosstrain_model.design import Array, Bus, Design, Formats, Update
from crosstrain_model.design_gradient import Train
from crosstrain_model.design_verify import Verify
from crosstrain_model.port import (
    ABORT_TAG,
    LAST_TAG,
    PULSES_BITS,
    ArrayId,
    Op,
    Status,
    adc_codes,
    adc_words,
    code_bits,
    dac_words,
    outstanding,
    port_signals,
    row_bits,
    train_array,
)
from crosstrain_model.port_rules import CODES, RULES

PAGE = Path(__file__).parents[2] / "docs/array-port.md"
TINY = Design(array=Array(rows=1, columns=1, lanes=1), formats=Formats(adc=1))
ODD = Design(array=Array(rows=13, columns=7, lanes=3, pair="push-pull"), formats=Formats(x=4, d=9, adc=18))
LARGE = Design(array=Array(rows=1024, columns=1024, lanes=64, pair="set-only"))


def widths(design):
    return {signal.name.removeprefix("arr_"): signal.width for signal in port_signals(design)}


def test_numbers_are_fixed_for_ever():
    """Macros are built against these."""
    ops = {"FORWARD": 0, "BACKWARD": 1, "READ_ROW": 2, "TRAIN": 3, "PROGRAM": 4, "FORM": 5, "CALIBRATE": 6, "ABORT": 7}
    assert {op.name: op.value for op in Op} == ops
    assert {a.name: a.value for a in ArrayId} == {"A": 0, "W": 1, "REFERENCE": 2, "GP": 3, "GM": 4, "L": 5}
    statuses = ["OK", "VERIFY", "TIMEOUT", "SATURATED", "INTERLOCK", "ABORTED", "PROTOCOL"]
    assert {status.name: status.value for status in Status} == {name: n for n, name in enumerate(statuses)}
    assert (ABORT_TAG, LAST_TAG) == (255, 254)


@pytest.mark.parametrize(
    ("design", "row", "columns", "dac", "adc"), [(TINY, 1, 1, 8, 1), (ODD, 4, 14, 27, 54), (LARGE, 10, 2048, 512, 576)]
)
def test_widths_follow_the_design(design, row, columns, dac, adc):
    assert widths(design) == {
        "cmd_valid": 1, "cmd_op": 4, "cmd_array": 3, "cmd_row": row, "cmd_width": 28, "cmd_amplitude": 16, "cmd_tag": 8,
        "cmd_ready": 1, "slot_valid": 1, "slot_columns": columns, "slot_direction": columns, "slot_last": 1,
        "slot_ready": 1, "dac_valid": 1, "dac_codes": dac, "dac_last": 1, "dac_ready": 1, "adc_valid": 1,
        "adc_codes": adc, "adc_last": 1, "adc_ready": 1, "done_valid": 1, "done_tag": 8, "done_status": 3,
        "done_pulses": 16, "done_ready": 1, "prog_enable": 1, "rails_ok": 1,
    }  # fmt: skip
    assert (row_bits(design), code_bits(design) * design.array.lanes) == (row, dac)


def test_every_stream_has_one_valid_against_one_ready():
    signals = port_signals(ODD)
    for stream in ("cmd", "slot", "dac", "adc", "done"):
        pins = [signal for signal in signals if signal.stream == stream]
        roles = {role: [s for s in pins if s.role == role] for role in ("valid", "ready", "payload")}
        assert (len(roles["valid"]), len(roles["ready"])) == (1, 1)
        direction = roles["valid"][0].direction
        assert roles["ready"][0].direction != direction
        assert {s.direction for s in roles["payload"]} == {direction}
    levels = [(signal.name, signal.role) for signal in signals if not signal.stream]
    assert levels == [("arr_prog_enable", "level"), ("arr_rails_ok", "level")]


def test_words_of_codes():
    assert [(dac_words(ODD, op), adc_words(ODD, op)) for op in Op] == [(5, 3), (3, 5), (0, 3)] + [(0, 0)] * 5
    assert {(dac_words(TINY, op), adc_words(TINY, op)) for op in (Op.FORWARD, Op.BACKWARD)} == {(1, 1)}


def test_a_command_of_the_largest_tile_can_report_its_pulses():
    design = Design(array=Array(rows=1, columns=1024, lanes=1, pair="push-pull"), update=Update(max_pulses=15))
    assert design.array.columns * design.update.max_pulses < 2**PULSES_BITS


def test_rules_are_numbered_and_named_apart():
    assert [rule.code for rule in RULES] == list(range(1, len(RULES) + 1))
    assert len(CODES) == len(RULES)
    assert {rule.side for rule in RULES} == {"controller", "macro"}


def test_the_page_has_the_table_and_the_rules_as_they_are():
    text = PAGE.read_text()
    for signal in port_signals(Design()):
        assert f"| `{signal.name}` | {signal.direction} | {signal.width} | {signal.doc} |" in text
    for rule in RULES:
        assert f"| {rule.code} | {rule.name} | {rule.side} | {rule.text} |" in text
    for kind, member in itertools.chain.from_iterable([[(kind, m) for m in kind] for kind in (Op, ArrayId, Status)]):
        assert f"| {member.value} | {member.name} |" in text, kind


@pytest.mark.parametrize(("scheme", "array"), [("sgd", "W"), ("agad", "A")])
def test_trains_have_rows_and_several_open_commands(scheme, array):
    design = Design(scheme=scheme, array=Array(rows=13, columns=7, lanes=3), bus=Bus(outstanding=6))
    pins = widths(design)
    assert pins.pop("slot_rows") == 13
    assert pins.keys() == widths(ODD).keys()
    assert (outstanding(design), train_array(design).name) == (6, array)
    assert outstanding(ODD) == 1


def test_a_train_of_the_longest_can_report_its_slots():
    assert 4 * Train(slots=63).slots < 2**PULSES_BITS


def test_the_page_has_the_pins_of_trains():
    known = {signal.name: signal for signal in port_signals(Design())}
    for signal in port_signals(Design(scheme="agad")):
        if known.get(signal.name) != signal:
            assert f"| `{signal.name}` | {signal.direction} | {signal.width} | {signal.doc} |" in PAGE.read_text()


def devices(read, amplitude="common"):
    return Design(
        scheme="wu", array=Array(pair="one-sided", read=read), formats=Formats(adc=8, fraction=7),
        update=Update(max_pulses=1, threshold=6528), verify=Verify(amplitude=amplitude),
    )  # fmt: skip


def test_reads_of_single_devices_have_groups_and_a_code_per_device():
    serial, parallel = devices("bit-serial"), devices("parallel")
    pins = widths(serial)
    assert (pins.pop("cmd_groups"), pins["adc_codes"], pins["dac_codes"], pins["slot_columns"]) == (2, 64, 8, 16)
    assert pins.keys() == widths(ODD).keys()
    assert widths(parallel)["dac_codes"] == 32
    assert [dac_words(tile, Op.FORWARD) for tile in (serial, parallel)] == [16, 2]
    assert (outstanding(serial), adc_codes(serial), adc_codes(Design())) == (1, 8, 4)


def test_an_amplitude_for_each_device_column():
    assert widths(devices("parallel"))["cmd_amplitude"] == 16
    assert widths(devices("parallel", "column"))["cmd_amplitude"] == 16 * 16
    assert widths(Design(verify=Verify(amplitude="column")))["cmd_amplitude"] == 16


@pytest.mark.parametrize("amplitude", ["common", "column"])
@pytest.mark.parametrize("read", ["bit-serial", "parallel"])
def test_the_page_has_the_pins_of_single_devices(read, amplitude):
    known = {signal.name: signal for signal in port_signals(Design())}
    for signal in port_signals(devices(read, amplitude)):
        if known.get(signal.name) != signal:
            assert f"| `{signal.name}` | {signal.direction} | {signal.width} | {signal.doc} |" in PAGE.read_text()
