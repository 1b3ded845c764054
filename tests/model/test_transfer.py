"""Transfer rule against the real-valued equations of the paper, its corners, and the conservation of every cell."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.accumulator import Ledger
from crosstrain_model.design import Array, Design, Formats, Transfer, Update
from crosstrain_model.design_file import load_design, preset_names
from crosstrain_model.errors import UserError
from crosstrain_model.sweep import Token
from crosstrain_model.threshold import theta_limit
from crosstrain_model.transfer import TransferSettings, TransferState, advice, theta_of, visit_row


def design(scheme="agad", rows=3, columns=4, lanes=2, transfer=None, update=None, **formats):
    return Design(
        scheme=scheme, array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(**{"adc": 6, "fraction": 3, "accumulator": 16, **formats}),
        update=Update(**{"threshold": 100, "max_pulses": 1, **(update or {})}),
        transfer=Transfer(**(transfer or {})),
    )  # fmt: skip


def token(row=0, sign=False, columns=None, flip=False, warm=False):
    return Token(row=row, sign=sign, columns=columns, flip=flip, warm=warm)


DESIGNS = {
    "leak": design(),
    "last": design(transfer={"memory": "last"}),
    "keep": design("ttv2", update={"remainder": "keep", "max_pulses": 3}),
    "clear": design("ttv2"),
    "columns": design("c-ttv2", rows=13, columns=7, lanes=3, transfer={"column_chopper": "random"}),
    "tiny": design(rows=1, columns=1, lanes=1, adc=1, fraction=0, accumulator=8, update={"threshold": 1}),
    "wide": design(adc=18, fraction=12, accumulator=32, update={"threshold": 2**30}),
    "saturating": design("agad", adc=18, fraction=12, accumulator=8, update={"threshold": 127}),
    "truncate": design(rounding="truncate", transfer={"leak_log2": 3}),
    "shift": design("ttv2", update={"threshold": 64, "threshold_power_of_two": True, "max_pulses": 15}),
}


class Cell:
    """One cell in plain Python integers, the rule line by line."""

    def __init__(self):
        self.h = self.p = self.p_ref = 0

    def visit(self, tile, settings, omega, negative, flip, warm):
        o = omega << tile.formats.fraction
        z = o - self.p_ref if tile.dynamic_reference else o
        z = -z if negative else z
        half = 1 << (tile.formats.accumulator - 1)
        self.h = max(-half, min(half - 1, self.h + z))
        p = min(abs(self.h) // settings.theta, tile.update.max_pulses)
        sign = 1 if self.h > 0 else -1
        if p:
            self.h = self.h - sign * p * settings.theta if tile.remainder == "keep" else 0
        if tile.dynamic_reference and tile.transfer.memory == "leak":
            half = (1 << settings.leak) // 2 if tile.formats.rounding == "nearest" else 0
            self.p += (o - self.p + half) // 2**settings.leak
            self.p_ref = self.p if flip else self.p_ref
        elif tile.dynamic_reference:
            self.p_ref = o if flip else self.p_ref
        return 0 if warm else sign * p


@pytest.mark.parametrize("name", DESIGNS)
def test_against_single_cells(name):
    tile = DESIGNS[name]
    rng = np.random.default_rng(len(name))
    rows, columns, half = tile.array.rows, tile.array.columns, 1 << (tile.formats.adc - 1)
    state, settings = TransferState(tile), TransferSettings.of(tile)
    cells = [[Cell() for _ in range(columns)] for _ in range(rows)]
    ledger = Ledger.of(state.h)
    pulses = clipped = 0
    for step in range(400):
        if step % 100 == 50:
            limit = theta_limit(tile)
            theta = int(rng.integers(1, limit, endpoint=True))
            theta = 1 << (theta.bit_length() - 1) if tile.update.threshold_power_of_two else theta
            settings = dataclasses.replace(settings, theta=theta, leak=int(rng.integers(8)))
        codes = rng.integers(-half, half, columns)
        codes = np.where(rng.random(columns) < 0.3, rng.choice([-half, half - 1], columns), codes)
        signs = rng.random(columns) < 0.5 if tile.transfer.column_chopper != "none" else None
        given = token(int(rng.integers(rows)), rng.random() < 0.5, signs, rng.random() < 0.3, rng.random() < 0.2)
        counts = visit_row(tile, settings, state, given, codes, ledger)
        assert counts.dtype == np.int8
        for column, cell in enumerate(cells[given.row]):
            negative = given.sign ^ bool(signs is not None and signs[column])
            wanted = cell.visit(tile, settings, int(codes[column]), negative, given.flip, given.warm)
            assert counts[column] == wanted
        pulses += int(np.abs(counts).sum())
        clipped += int(np.isin(codes, (-half, half - 1)).sum())
        assert not ledger.imbalance(state.h).any()
    for name, memory in state.memories().items():
        assert memory.dtype == np.int32
        assert memory.tolist() == [[getattr(cell, name.lower()) for cell in row] for row in cells]
    assert (state.visits, state.adc_clipped) == (400 * tile.array.groups, clipped)
    assert pulses > 0


def test_saturation_twice_running():
    tile = design("ttv2", adc=8, fraction=0, accumulator=8, update={"threshold": 127, "remainder": "keep"})
    state, settings = TransferState(tile), TransferSettings.of(tile)
    ledger = Ledger.of(state.h)
    counts = [visit_row(tile, settings, state, token(warm=True), [-128] * 4, ledger)[0] for _ in range(3)]
    assert counts == [0, 0, 0]
    assert state.h[0].tolist() == [-1] * 4  # each took 127 from -128 or clipped before that
    assert state.clipped == 8
    assert ledger.programmed.sum() == 0
    assert not ledger.imbalance(state.h).any()


def test_warm_up_clears_what_would_have_been_programmed():
    tile = design("ttv2", update={"threshold": 16, "remainder": "keep", "max_pulses": 2})
    state, settings = TransferState(tile), TransferSettings.of(tile)
    ledger = Ledger.of(state.h)
    assert visit_row(tile, settings, state, token(warm=True), [5, -5, 1, 0], ledger).tolist() == [0, 0, 0, 0]
    assert state.h[0].tolist() == [8, -8, 8, 0]
    assert (ledger.cleared[0].tolist(), ledger.programmed.sum()) == ([32, -32, 0, 0], 0)
    assert visit_row(tile, settings, state, token(), [5, -5, 1, 0], ledger).tolist() == [2, -2, 1, 0]
    assert ledger.programmed[0].tolist() == [32, -32, 16, 0]


def test_a_flip_takes_its_own_read_and_does_not_touch_it():
    """z of a flipping read is against the old P_ref, with the old sign; P_ref takes the P that this read made."""
    tile = design(transfer={"leak_log2": 1}, update={"threshold": 32767})
    state, settings = TransferState(tile), TransferSettings.of(tile)
    visit_row(tile, settings, state, token(sign=True, flip=True), [10, 0, 0, 0])
    assert (state.h[0, 0], state.p[0, 0], state.p_ref[0, 0]) == (-80, 40, 40)
    visit_row(tile, settings, state, token(), [10, 0, 0, 0])
    assert (state.h[0, 0], state.p[0, 0], state.p_ref[0, 0]) == (-80 + 40, 60, 40)


def test_columns_demodulate():
    tile = DESIGNS["columns"]
    state, settings = TransferState(tile), TransferSettings.of(tile)
    signs = np.array([0, 1, 0, 1, 1, 0, 0], bool)
    visit_row(tile, settings, state, token(row=12, sign=True, columns=signs), [1] * 7)
    assert state.h[12].tolist() == [-8, 8, -8, 8, 8, -8, -8]


def test_lost_reads_change_nothing_but_their_count():
    state = TransferState(DESIGNS["leak"])
    state.lose()
    assert state.counters() == {"visits": 0, "clipped": 0, "adc_clipped": 0, "lost_reads": 1}


def test_state_goes_round():
    tile = DESIGNS["leak"]
    first, second, settings = TransferState(tile), TransferState(tile), TransferSettings.of(tile)
    for row in range(3):
        visit_row(tile, settings, first, token(row, flip=True), [31, -32, 7, 1])
    second.restore(first.state())
    assert second.counters() == first.counters()
    for state in (first, second):
        visit_row(tile, settings, state, token(1), [3, 3, 3, 3])
    assert all(np.array_equal(second.state()[name], value) for name, value in first.state().items())


def test_the_host_reads_writes_and_clears():
    tile = DESIGNS["leak"]
    state = TransferState(tile)
    ledger = Ledger.of(state.h)
    for select, bits in ((0, 16), (1, 9), (2, 9)):
        state.write(select, 2, 3, (1 << (bits - 1)) + 5, ledger)  # beyond its range: the low bits
        assert state.read(select, 2, 3) == -(1 << (bits - 1)) + 5
    assert ledger.initial[2, 3] == -(2**15) + 5
    state.clear(ledger)
    assert not any(memory.any() for memory in state.memories().values())
    assert not ledger.imbalance(state.h).any()
    without = TransferState(DESIGNS["last"])
    without.write(1, 0, 0, 3)
    assert (without.p, without.read(1, 0, 0)) == (None, 0)


def test_wrong_codes_are_refused():
    tile = DESIGNS["leak"]
    state, settings = TransferState(tile), TransferSettings.of(tile)
    with pytest.raises(ValueError, match=r"shape \(3,\): must be \(4,\) \(array.columns\)"):
        visit_row(tile, settings, state, token(), [0, 0, 0])
    with pytest.raises(ValueError, match=r"must be -32..31 \(formats.adc\)"):
        visit_row(tile, settings, state, token(), [0, 0, 0, 32])


def test_reset_values_that_cannot_work_are_told():
    assert [name for name in preset_names() if advice(load_design(name))] == []
    short = Design(scheme="agad")
    assert advice(short) == (
        "H holds 8 ADC codes, and a row read has up to 256; theta is 0.0625 ADC codes, so that any read is a hit "
        "(formats.accumulator = 16, formats.fraction = 12, update.threshold = 256): "
        "`crosstrain presets agad-64` has values that work"
    )
    assert advice(Design(scheme="sgd")) == advice(Design(scheme="mp")) == ""


def test_theta_of_a_learning_rate():
    tile = design(fraction=4, accumulator=12)
    assert [theta_of(tile, rate) for rate in (1, 0.1, 0.3, 16, 32)] == [16, 160, 53, 1, 1]
    with pytest.raises(UserError, match=r"formats.accumulator = 12: .* theta = 16000, and H holds 2047 .*: raise"):
        theta_of(tile, 0.001)
    with pytest.raises(UserError, match=r"formats.fraction = 4: .* theta = 0.25, less than 1: raise it"):
        theta_of(tile, 64)
    with pytest.raises(UserError, match="must be more than 0"):
        theta_of(tile, 0)
    power = design(fraction=4, accumulator=12, update={"threshold": 16, "threshold_power_of_two": True})
    assert [theta_of(power, rate) for rate in (1, 0.1, 0.0079)] == [16, 128, 1024]
