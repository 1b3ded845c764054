"""Port checker of designs that read single devices: groups of a READ_ROW, bits of a read, FORM as PROGRAM."""

import importlib.util
from pathlib import Path

import pytest

from crosstrain_hdl.port_checker import PortChecker
from crosstrain_model.design import Array, Design, Formats, Pulse, Update, Verify
from crosstrain_model.port import ABORT_TAG, Op, Status
from crosstrain_model.port_rules import CODES

_spec = importlib.util.spec_from_file_location("checker_scripts", Path(__file__).with_name("test_port_checker.py"))
scripts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scripts)
adc, command, dac, done, pause, slot, watch = (
    getattr(scripts, name) for name in ("adc", "command", "dac", "done", "pause", "slot", "watch")
)
START = scripts.START


def design(read, amplitude="common"):
    return Design(
        scheme="wu", array=Array(rows=5, columns=5, lanes=2, pair="one-sided", read=read),
        formats=Formats(x=3, adc=8, fraction=7), update=Update(max_pulses=1),
        pulse=Pulse(width_set=3, width_reset=3, width_limit=20), verify=Verify(form_width=5, amplitude=amplitude),
    )  # fmt: skip


SERIAL, PARALLEL = design("bit-serial"), design("parallel")
FORM = command(Op.FORM, 0, cmd_row=4)
ALL = (1 << 10) - 1
BITS = [dac()] * 8 + [dac(last=1)]


def row(groups, tag=0, **fields):
    return command(Op.READ_ROW, tag, cmd_row=2, cmd_groups=groups, **fields)


LEGAL = {
    "one group": [*START, row(0b010), adc(last=1), done(0), {}],
    "two groups": [*START, row(0b101), adc(), adc(adc_ready=0, last=1), adc(last=1), done(0, Status.SATURATED), {}],
    "all groups, then none": [
        *START, row(0b111), adc(), adc(), adc(last=1), done(0), command(Op.PROGRAM, 1, cmd_row=1),
        slot(1, last=1, direction=ALL), *pause(3), done(1, pulses=1), {},
    ],
    "forming": [*START, FORM, slot(0b11, last=1, direction=ALL), *pause(3), done(0, pulses=2), {}],
    "bits": [*START, command(Op.FORWARD, 0), *BITS, adc(), adc(), adc(last=1), done(0), {}],
    "bits and words": [
        *START, command(Op.FORWARD, 0), *[dac()] * 3, adc() | dac(), dac(), dac(), adc() | dac(), dac(), dac(last=1),
        adc(last=1), done(0), {},
    ],
}  # fmt: skip

BROKEN = [
    ("CMD_FIELDS", [*START, row(0)]),
    ("CMD_FIELDS", [*START, command(Op.FORWARD, 0, cmd_groups=1)]),
    ("CMD_FIELDS", [*START, FORM | {"arr_cmd_groups": 4}]),
    ("CMD_FIELDS", [command(Op.ABORT, ABORT_TAG, cmd_groups=7)]),
    ("CMD_STABLE", [*START, row(1) | {"arr_cmd_ready": 0}, row(3)]),
    ("ADC_COUNT", [*START, row(0b101), adc(last=1)]),
    ("ADC_COUNT", [*START, row(0b101), adc(), adc(last=1), adc()]),
    ("ADC_COUNT", [*START, row(0b100), adc()]),
    ("DONE_EARLY", [*START, row(0b101), adc(), done(0)]),
    ("DAC_COUNT", [*START, command(Op.FORWARD, 0), *[dac()] * 8, dac()]),
    ("DAC_COUNT", [*START, row(0b101), dac()]),
    ("SLOT_POLARITY", [*START, FORM, slot(3, direction=1)]),
    ("SLOT_EMPTY", [*START, FORM, slot(0)]),
    ("CMD_WIDTH", [*START, FORM | {"arr_cmd_width": 0}]),
]


@pytest.mark.parametrize("name", LEGAL)
def test_legal_traffic_breaks_nothing(name):
    assert watch(LEGAL[name], SERIAL) == (0, [])


def test_parallel_reads_take_words_of_codes():
    script = [*START, command(Op.FORWARD, 0), dac(), dac(), dac(last=1), adc(), adc(), adc(last=1), done(0), {}]
    assert watch(script, PARALLEL) == (0, [])


@pytest.mark.parametrize("place", range(len(BROKEN)))
def test_a_broken_rule_is_named(place):
    name, script = BROKEN[place]
    assert watch(script, SERIAL) == (CODES[name], [name])


@pytest.mark.parametrize("column", [0, 9])
def test_amplitudes_of_every_column_are_watched(column):
    """They stay while a command is offered, and commands without pulses have none."""
    tile, one = design("bit-serial", "column"), 1 << 16 * column
    held, other = (FORM | {"arr_cmd_amplitude": word, "arr_cmd_ready": ready} for word, ready in ((one, 0), (0, 1)))
    assert watch([*START, held, held | {"arr_cmd_ready": 1}], tile) == (0, [])
    assert watch([*START, held, other], tile) == (CODES["CMD_STABLE"], ["CMD_STABLE"])
    assert watch([*START, row(1, cmd_amplitude=one)], tile) == (CODES["CMD_FIELDS"], ["CMD_FIELDS"])


def test_only_these_designs_have_groups():
    assert not hasattr(PortChecker(Design()), "arr_cmd_groups")
    assert len(PortChecker(SERIAL).arr_cmd_groups) == SERIAL.array.groups
