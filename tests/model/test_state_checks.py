"""What a controller or an array refuses to continue from: every array of its state, damaged in many ways."""

import numpy as np
import pytest

from crosstrain_model import state_checks
from crosstrain_model.controller import Controller
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_gradient import Random, Transfer
from crosstrain_model.design_verify import Verify
from crosstrain_model.gradient_controller import GradientController
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.twin.tile import ArrayTile

FORMATS = Formats(adc=6, fraction=3, accumulator=12)
ARRAY = Array(rows=5, columns=7, lanes=3)
PLAIN = Design(array=ARRAY, formats=FORMATS)
POWER = Design(array=ARRAY, formats=FORMATS, update=Update(threshold_power_of_two=True))
AGAD = Design(scheme="agad", array=ARRAY, formats=FORMATS, transfer=Transfer(chopper="random"))
COLUMNS = Design(
    scheme="c-ttv2", array=ARRAY, formats=FORMATS, transfer=Transfer(column_chopper="random"),
    random=Random(generator="xoshiro128++"),
)  # fmt: skip
SGD = Design(scheme="sgd", array=ARRAY)
WU = Design(
    scheme="wu", array=Array(rows=5, columns=7, lanes=3, pair="one-sided"), formats=FORMATS,
    update=Update(max_pulses=1), verify=Verify(cell_bits=8, range=200, base=0, window=16, set_margin=0, form_level=100),
)  # fmt: skip

OWNERS = {
    "mp": lambda: Controller(PLAIN),
    "mp, ledger": lambda: Controller(POWER, ledger=True),
    "agad": lambda: GradientController(AGAD, ledger=True),
    "columns": lambda: GradientController(COLUMNS),
    "sgd": lambda: GradientController(SGD),
    "wu": lambda: StreamController(WU),
    "array": lambda: ArrayTile(PLAIN, engine="numpy", count_pulses=True),
    "rram": lambda: RramTile(WU, engine="numpy"),
}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def damages(name, array):
    """The array in shapes, kinds and ranges that no state has."""
    yield np.array(np.nan)
    yield np.zeros(0, array.dtype)
    yield np.zeros((2, *array.shape), array.dtype)
    yield np.zeros((), array.dtype) if array.shape else np.zeros(1, array.dtype)
    yield np.full(array.shape, np.nan)
    if array.dtype.kind == "b":
        yield array.astype(np.int64)
        return
    yield array.astype(np.float64) if array.dtype.kind != "f" else -array
    if array.size and not name.startswith("ledger_") and array.dtype.kind != "f":
        yield np.full(array.shape, 2**63, np.uint64)
        yield np.full(array.shape, -(2**40))


@pytest.mark.parametrize("owner", OWNERS)
def test_what_does_not_fit_is_refused_by_its_name(owner):
    mine = OWNERS[owner]()
    state = mine.state()
    mine.restore(state)
    assert same(state, mine.state())
    for name, array in state.items():
        if array.size == 0:
            continue
        with pytest.raises(ValueError, match=name):
            mine.restore({n: a for n, a in state.items() if n != name})
        for other in damages(name, array):
            with pytest.raises(ValueError, match=name) as caught:
                mine.restore({**state, name: other})
            assert "\n" not in str(caught.value)
    mine.restore(state)
    assert same(state, mine.state())


@pytest.mark.parametrize(
    ("owner", "name", "place", "value", "line"),
    [
        ("mp", "chi", (4, 6), 2048, "Controller.restore chi: values 0..2048: must be -2048..2047"),
        ("mp", "settings", 0, 0, "Controller.restore settings: theta = 0: must be 1..2047"),
        ("mp, ledger", "settings", 0, 3, "Controller.threshold = 3: must be a power of two"),
        ("mp", "counters", 4, -1, "Controller.restore counters: commands = -1: must be 0..9223372036854775807"),
        ("mp", "since_pass", (), 65536, "Controller.restore since_pass: values 65536..65536: must be 0..65535"),
        ("agad", "h", (0, 0), -2049, "TransferState.restore h: values -2049..0: must be -2048..2047"),
        ("agad", "p", (0, 0), 256, "TransferState.restore p: values 0..256: must be -256..255"),
        ("agad", "p_ref", (0, 0), -257, "TransferState.restore p_ref: values -257..0: must be -256..255"),
        ("agad", "sweep", 1, 5, "Sweep.restore sweep: row = 5: must be 0..4"),
        ("agad", "sweep", 5, -1, "Sweep.restore sweep: transfers = -1: must be 0..9223372036854775807"),
        ("agad", "means", 0, 2**24, "GradientController.restore means: m_x = 16777216: must be 0..16777215"),
        ("agad", "settings", 1, 13, "GradientController.restore settings: train_momentum = 13: must be 0..12"),
        ("wu", "cells", (4, 13), 256, "StreamController.restore cells: values 0..256: must be 0..255"),
        ("wu", "copy", (0, 0), 512, "StreamController.restore copy: values 0..512: must be -512..511"),
        ("wu", "settings", 0, 0, "StreamController.restore settings: theta = 0: must be 1..2047"),
        ("rram", "open", 0, 5, "RramTile.restore open: open_row = 5: must be -1..4"),
        ("rram", "full_range", (), np.inf, "RramTile.restore full_range: must be finite"),
    ],
)
def test_values_are_bounded(owner, name, place, value, line):
    mine = OWNERS[owner]()
    state = mine.state()
    state[name] = np.array(state[name], np.float64 if name == "full_range" else np.int64)
    state[name][place] = value
    with pytest.raises(ValueError, match="must be") as caught:
        mine.restore(state)
    assert str(caught.value) == line


def test_the_form_of_a_complaint():
    state = {"chi": np.zeros(8)}
    with pytest.raises(ValueError, match="must be") as caught:
        state_checks.integers("Controller.restore", state, "chi", (8, 8), state_checks.TOTAL)
    assert str(caught.value) == (
        "Controller.restore chi: must be integers of shape (8, 8), not float64 of shape (8,)"
    )
    with pytest.raises(ValueError, match=r"^tile touched: is missing$"):
        state_checks.flags("tile", state, "touched", (8,))
