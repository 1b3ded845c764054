"""Refresh: what of a row is due, what is programmed, reads that fail, and which row comes next."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_device import Converters
from crosstrain_model.design_pcm import IDEAL
from crosstrain_model.design_verify import Verify
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.refresh import RefreshQueue, refresh_row
from crosstrain_model.twin.pcm_drift import ONE, SECOND
from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.write_verify import WriteVerify

EXACT = Verify(window=0, set_margin=0, set_start=1, set_step=1, set_stop=4096, reset_start=1, reset_stop=1)
FINE = dataclasses.replace(EXACT, window=4 << 4, set_start=2048, cycles=3)


def tile(verify=EXACT, reads_log2=0, rows=6, columns=5, lanes=2):
    return Design(
        name="sample", array=Array(rows=rows, columns=columns, lanes=lanes, pair="set-only"),
        formats=Formats(fraction=4), verify=dataclasses.replace(verify, reads_log2=reads_log2),
        converters=Converters(adc_range=4.0),
    )  # fmt: skip


class Steps:
    """Devices that a SET pulse of write-verify raises by a code, and a RESET pulse brings to 0.

    g : int [rows, device columns], in codes;  refuse : which reads, counted from 0, fail;  deaf : these feel nothing
    """

    def __init__(self, design, g, refuse=(), deaf=()):
        self.g, self.refuse, self.deaf = np.array(g), refuse, list(deaf)
        self.lanes, self.reads, self.resets, self.asked = design.array.lanes, 0, [], []

    def sense_row(self, row, groups):
        self.asked.append(("read", row))
        self.reads += 1
        if self.reads - 1 in self.refuse:
            return None
        return np.where(np.repeat(groups, 2 * self.lanes)[: self.g.shape[1]], self.g[row], 0)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        self.asked.append((direction, row))
        felt = columns.copy()
        felt[self.deaf] = False
        self.g[row] = np.where(felt, self.g[row] + 1 if direction == SET else 0, self.g[row])
        if direction == RESET:
            self.resets.append(np.flatnonzero(columns).tolist())


START = [  # plus, minus of five pairs; G_sat = 100
    [101, 30, 100, 100, 20, 250, 180, 180, 0, 0],
    [3, 99, 0, 0, 1, 2, 3, 4, 5, 6],
]


def start(more=4):
    return START + [[0] * 10] * more


@pytest.mark.parametrize("reads_log2", [0, 2])
def test_pairs_above_saturation_alone_are_programmed_anew_to_their_weight(reads_log2):
    design = tile(reads_log2=reads_log2)
    array, verify = Steps(design, start()), WriteVerify(design)
    done = refresh_row(verify, array, 0, 100)
    assert (done.row, done.failed, done.lost.any()) == (0, False, False)
    assert done.pairs.tolist() == [True, False, True, True, False]
    assert array.g[0].tolist() == [71, 0, 100, 100, 0, 230, 0, 0, 0, 0]
    assert array.resets == [[0, 1, 4, 5, 6, 7]]
    assert array.g[1:].tolist() == start()[1:]


def test_a_row_below_saturation_is_read_and_no_more():
    design = tile(reads_log2=1)
    array, verify = Steps(design, start()), WriteVerify(design)
    done = refresh_row(verify, array, 1, 100)
    assert (array.asked, done.pairs.any(), verify.counts["rows"]) == ([("read", 1)] * 2, False, 0)


def test_sums_of_reads_are_compared_whole():
    """Four reads of which one is above: 401 > 4 * 100."""
    design = tile(reads_log2=2)

    class Flicker(Steps):
        def sense_row(self, row, groups):
            return super().sense_row(row, groups) + (self.reads == 3) * (np.arange(10) == 2)

    array = Flicker(design, start())
    assert refresh_row(WriteVerify(design), array, 0, 100).pairs.tolist() == [True, True, True, True, False]
    assert array.g[0, 2:4].tolist() == [0, 0]  # |w| is a quarter of a code, which no pulse gives: given up


@pytest.mark.parametrize("refuse", [0, 1])
def test_a_read_that_fails_before_the_reset_leaves_the_row_as_it_is(refuse):
    design = tile(reads_log2=1)
    array = Steps(design, start(), refuse={refuse})
    done = refresh_row(WriteVerify(design), array, 0, 100)
    assert (done.failed, done.pairs.any(), done.lost.any(), array.resets) == (True, False, False, [])
    assert array.g.tolist() == start()


def test_a_read_that_fails_behind_the_reset_gives_the_devices_up_and_says_so():
    design = tile()
    array, verify = Steps(design, start(), refuse={1}), WriteVerify(design)
    done = refresh_row(verify, array, 0, 100)
    assert (done.failed, np.flatnonzero(done.lost).tolist()) == (False, [0, 1, 4, 5, 6, 7])
    assert verify.counts["gave_up"] == 6


def test_a_device_that_does_not_move_is_given_up_and_the_others_are_not_disturbed():
    design = tile()
    array, verify = Steps(design, start(), deaf={0}), WriteVerify(design)
    done = refresh_row(verify, array, 0, 100)
    assert np.flatnonzero(done.lost).tolist() == [0]
    assert array.g[0].tolist() == [101, 0, 100, 100, 0, 230, 0, 0, 0, 0]


def test_ideal_phase_change_devices_keep_their_weights():
    design = tile(FINE)
    array, verify = PcmTile(dataclasses.replace(design, pcm=IDEAL)), WriteVerify(design)
    array.g[...] = np.random.default_rng(1).integers(0, ONE + 1, array.g.shape)
    before = array.weights.copy()
    pairs = np.array([refresh_row(verify, array, row, 410).pairs for row in range(6)])
    assert pairs.any()
    assert np.array_equal(pairs, (array.resets[:, 0::2] > 0) & (array.resets[:, 1::2] > 0))
    assert (np.abs(array.weights - before)[pairs] < ONE // 512 * 6).all()
    assert np.array_equal(array.weights[~pairs], before[~pairs])
    assert (np.minimum(array.g[:, 0::2], array.g[:, 1::2])[pairs] == 0).all()


def test_noisy_devices_keep_their_weights_but_for_the_noise_of_programming():
    design = tile(FINE, rows=32, columns=32, lanes=4)
    array, verify = PcmTile(design), WriteVerify(design)
    rng = np.random.default_rng(2)
    common = rng.integers(0, ONE // 2, (32, 32))
    wanted = rng.integers(-ONE // 2, ONE // 2, (32, 32))
    array.g[:, 0::2], array.g[:, 1::2] = common + np.maximum(wanted, 0), common + np.maximum(-wanted, 0)
    array.now_ns = 5 * SECOND
    pairs = np.array([refresh_row(verify, array, row, 300).pairs for row in range(32)])
    array.now_ns += 1
    error = (array.weights - wanted)[pairs] / ONE
    assert 0.2 < pairs.mean() < 0.9
    assert np.array_equal(array.weights[~pairs], wanted[~pairs])
    assert abs(error.mean()) < 0.01
    assert 0.02 < error.std() < 0.06  # 0.95 uS of 25 in the middle of the range, more than that for the read


# --- which row --------------------------------------------------------------------------------------------------------


def test_batches_make_rows_due():
    queue = RefreshQueue(4)
    for n in range(7):
        queue.batch(3)
        assert queue.due.all() == (n >= 2)
        if n == 4:
            assert [queue.next_row() for _ in range(5)] == [0, 1, 2, 3, None]
            queue.due[:] = True
    never = RefreshQueue(4)
    for _ in range(3):
        never.batch(0)
    assert (never.due.any(), never.next_row(), never.since) == (False, None, 3)


@given(st.integers(1, 9), st.lists(st.booleans(), max_size=80))
def test_no_row_waits_for_more_than_all_others(rows, events):
    """Also where rows become due again while a refresh is under way."""
    queue, waited = RefreshQueue(rows), {}
    for begins in events:
        if begins:
            queue.batch(1)
            for row in range(rows):
                waited.setdefault(row, 0)
            continue
        row = queue.next_row()
        assert (row is None) == (not waited)
        if row is not None:
            assert waited.pop(row) <= rows - 1
            waited = {other: n + 1 for other, n in waited.items()}
    assert set(np.flatnonzero(queue.due).tolist()) == set(waited)
