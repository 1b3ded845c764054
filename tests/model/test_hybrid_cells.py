"""L in binary devices: equal to L in SRAM while no cell fails, every pulse accounted for, and cells that fail."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_pcm import BinaryPcm
from crosstrain_model.hybrid import decode, encode
from crosstrain_model.hybrid_cells import CellMemory, make
from crosstrain_model.hybrid_memory import SramMemory
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.pcm_binary import PcmBinaryArray

ROWS = np.arange(13)


def tile(rows=13, columns=7, lanes=3):
    return Design(
        name="sample", scheme="hic", array=Array(rows=rows, columns=columns, lanes=lanes, pair="set-only"),
        formats=Formats(fraction=8), update=Update(max_pulses=3),
    )  # fmt: skip


def of(hybrid, design=None, remainder="keep"):
    """A design with this section."""
    design = design or tile()
    return dataclasses.replace(
        design, hybrid=hybrid, update=dataclasses.replace(design.update, remainder=remainder)
    )


def pair(hybrid, design=None, seed=1, remainder="keep", **device):
    design = dataclasses.replace(of(hybrid, design, remainder), binary_pcm=BinaryPcm(**device))
    return CellMemory(design), PcmBinaryArray(design, seed=seed)


def some_changes(rng, hybrid, shape=(13, 7), density=0.3):
    return rng.integers(-2 * hybrid.scale, 2 * hybrid.scale + 1, shape) * (rng.random(shape) < density)


def bits_of(memory, array):
    return decode(memory.hybrid, np.array([array.sense_row(row) for row in ROWS]).reshape(13, 7, -1))


class Log:
    """An array in between that keeps what it was asked for; `refuse` tells which reads, counted from 0, fail."""

    def __init__(self, array, refuse=()):
        self.array, self.asked, self.refuse, self.reads = array, [], refuse, 0

    def sense_row(self, row, groups):
        self.asked.append(("read", row, tuple(np.flatnonzero(groups).tolist())))
        self.reads += 1
        return None if self.reads - 1 in self.refuse else self.array.sense_row(row, groups)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        self.asked.append((direction, row, tuple(np.flatnonzero(columns).tolist())))
        return self.array.pulse_row(row, columns, direction=direction, amplitude=amplitude)


# --- equal to SRAM ----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    st.integers(4, 12),
    st.sampled_from(["twos-complement", "gray"]),
    st.sampled_from(["keep", "clear"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_devices_that_do_not_fail_are_as_good_as_sram(bits, code, remainder, read_back, seed):
    hybrid = Hybrid(bits=bits, code=code, read_back=read_back)
    memory, array = pair(hybrid, remainder=remainder)
    sram = SramMemory(of(Hybrid(bits=bits, code=code, cells="sram"), remainder=remainder), count_cells=True)
    rng = np.random.default_rng(seed)
    start = rng.integers(-hybrid.scale, hybrid.scale, (13, 7))
    for each in (memory, sram):
        each.load(start, array)
    for _ in range(4):
        rows = rng.permutation(13)[: rng.integers(1, 14)]
        q = some_changes(rng, hybrid, (len(rows), 7))
        carries = memory.add_rows(rows, q, array)
        assert np.array_equal(carries, sram.add_rows(rows, q, None))
        assert np.array_equal(memory.held, sram.held)
        assert np.array_equal(bits_of(memory, array), memory.held)
    assert all(np.array_equal(memory.ledger[name], sram.ledger[name]) for name in memory.ledger)
    assert np.array_equal(memory.sets, sram.sets)
    assert np.array_equal(memory.resets, sram.resets)
    assert not memory.imbalance().any()
    assert (memory.counts["failed"], memory.ledger["disturbed"].any()) == (0, False)


def test_the_choice_of_the_memory():
    assert type(make(of(Hybrid()))) is CellMemory
    assert type(make(of(Hybrid(cells="sram")))) is SramMemory


# --- what the array is asked ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["twos-complement", "gray"])
@pytest.mark.parametrize("read_back", [False, True])
def test_the_array_is_asked_for_what_changes_alone(code, read_back):
    """Beside a loop over all cells: reads of groups with changes, one command a direction, and only what differs."""
    hybrid = Hybrid(bits=5, code=code, read_back=read_back)
    memory, array = pair(hybrid)
    log, rng = Log(array), np.random.default_rng(4)
    held = np.zeros((13, 7), int)
    sets, resets = np.zeros((2, 13, 7, 5), int)
    for _ in range(6):
        q = some_changes(rng, hybrid)
        log.asked.clear()
        memory.add_rows(ROWS, q, log)
        wanted = []
        for row in range(13):
            groups = tuple(g for g in range(3) if q[row, 3 * g : 3 * g + 3].any())
            if not groups:
                continue
            up, down = [], []
            for c in range(7):
                if c // 3 not in groups:
                    continue
                old = encode(hybrid, held[row, c])
                total = held[row, c] + q[row, c]
                held[row, c] = total - int(total / 16) * 16
                new = encode(hybrid, held[row, c])
                for k in range(5):
                    if new[k] and not old[k]:
                        up.append(5 * c + k)
                        sets[row, c, k] += 1
                    if old[k] and not new[k]:
                        down.append(5 * c + k)
                        resets[row, c, k] += 1
            wanted.append(("read", row, groups))
            wanted += [(SET, row, tuple(up))] * bool(up) + [(RESET, row, tuple(down))] * bool(down)
            wanted += [("read", row, groups)] * (read_back and bool(up or down))
        assert log.asked == wanted
    assert np.array_equal(memory.sets, sets)
    assert np.array_equal(memory.resets, resets)
    assert np.array_equal(array.sets.reshape(13, 7, 5), sets)
    assert memory.column_pulses[0].tolist() == sets.reshape(13, 35).sum(axis=0).tolist()
    assert memory.row_pulses[1].tolist() == resets.sum(axis=(1, 2)).tolist()
    assert (memory.counts["read_backs"] > 0) == read_back


def test_no_change_is_no_read():
    memory, array = pair(Hybrid())
    log = Log(array)
    assert not memory.add_rows(ROWS, np.zeros((13, 7), int), log).any()
    assert log.asked == []


def test_a_carry_that_leaves_l_as_it_was_writes_nothing_and_reads_nothing_back():
    memory, array = pair(Hybrid(bits=5, read_back=True))
    log, q = Log(array), np.zeros((1, 7), int)
    q[0, 4] = 16
    assert memory.add_rows(np.array([2]), q, log).tolist() == [[0, 0, 0, 0, 1, 0, 0]]
    assert log.asked == [("read", 2, (1,))]


def test_gray_code_writes_one_cell_where_l_moves_by_one():
    walks = {}
    for code in ("twos-complement", "gray"):
        memory, array = pair(Hybrid(bits=7, code=code))
        rng = np.random.default_rng(8)
        for _ in range(60):
            memory.add_rows(ROWS, rng.choice([-1, 1], (13, 7)), array)
        walks[code] = memory.sets.sum(axis=(0, 1)) + memory.resets.sum(axis=(0, 1))
    assert walks["gray"].sum() == 60 * 13 * 7
    assert walks["twos-complement"].sum() > 2 * walks["gray"].sum()  # about zero all bits turn with the sign
    assert walks["twos-complement"][0] == 60 * 13 * 7  # the lowest bit turns every time
    assert walks["gray"][0] < 0.6 * walks["twos-complement"][0]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_back", [False, True])
def test_failed_cells_are_noticed_by_read_back_alone_and_the_ledger_has_them(read_back):
    hybrid = Hybrid(bits=6, read_back=read_back)
    memory, array = pair(hybrid, error_set=0.05, error_reset=0.05)
    rng = np.random.default_rng(5)
    for _ in range(10):
        memory.add_rows(ROWS, some_changes(rng, hybrid), array)
        assert not memory.imbalance().any()
    pulses = int(memory.sets.sum() + memory.resets.sum())
    assert (memory.held != bits_of(memory, array)).any()
    assert memory.ledger["disturbed"].any()
    if read_back:
        assert memory.counts["failed"] == pytest.approx(0.05 * pulses, rel=0.25)
    else:
        assert memory.counts["failed"] == 0


def test_a_failed_cell_is_counted_once_for_each_write_that_finds_it_wrong():
    memory, array = pair(Hybrid(bits=4, read_back=True), stuck_low=1.0)
    q = np.zeros((1, 7), int)
    q[0, 2] = 3
    memory.add_rows(np.array([4]), q, array)
    assert (memory.counts["failed"], memory.held[4, 2]) == (2, 3)
    memory.add_rows(np.array([4]), q, array)  # read as 0, written 3 again
    assert (memory.counts["failed"], memory.held[4, 2], memory.ledger["disturbed"][4, 2]) == (4, 3, -3)


def test_a_read_that_fails_drops_its_changes_and_no_more():
    memory, array = pair(Hybrid())
    memory.add_rows(ROWS, np.ones((13, 7), int), array)
    carries = memory.add_rows(ROWS[2:5], np.full((3, 7), 64), Log(array, refuse={1}))
    assert carries.tolist() == [[1] * 7, [0] * 7, [1] * 7]
    assert (memory.held == 1).all()
    assert np.array_equal(bits_of(memory, array), memory.held)
    assert memory.counts["dropped"] == 7
    assert not memory.imbalance().any()


def test_a_read_back_that_fails_counts_its_cells():
    memory, array = pair(Hybrid(bits=4, read_back=True))
    q = np.zeros((1, 7), int)
    q[0, 1] = 1
    memory.add_rows(np.array([0]), q, Log(array, refuse={1}))
    assert (memory.counts["failed"], memory.held[0, 1]) == (12, 1)


def test_a_load_replaces_and_is_accounted_for():
    memory, array = pair(Hybrid())
    rng = np.random.default_rng(6)
    memory.add_rows(ROWS, some_changes(rng, memory.hybrid), array)
    wanted = rng.integers(-64, 64, (13, 7))
    memory.load(wanted, array)
    assert np.array_equal(bits_of(memory, array), wanted)
    assert not memory.imbalance().any()
    before = memory.held.copy()
    memory.load(-wanted // 2, Log(array, refuse={5 * 3 + 1}))  # the second group of row 5
    assert np.array_equal(memory.held[5, 3:6], before[5, 3:6])
    assert np.array_equal(memory.held[5, :3], -wanted[5, :3] // 2)
    assert np.array_equal(bits_of(memory, array), memory.held)
    for wrong in (np.full((13, 7), 64), np.full((13, 7), -65), np.zeros((13, 6))):
        with pytest.raises(ValueError, match=r"hybrid L: must be -64..63 \(hybrid.bits\) in the shape \(13, 7\)"):
            memory.load(wrong, array)


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", ["binary", "sram"])
def test_a_checkpoint_continues_to_the_same_bits(cells):
    hybrid = Hybrid(cells=cells)
    rng = np.random.default_rng(7)
    one, two = (make(of(hybrid), count_cells=True) for _ in range(2))
    array = pair(hybrid, error_set=0.1)[1]
    one.add_rows(ROWS, some_changes(rng, hybrid), array)
    two.restore(one.state())
    other = pair(hybrid, error_set=0.1)[1]
    other.restore(array.state())
    q = some_changes(rng, hybrid)
    assert np.array_equal(one.add_rows(ROWS, q, array), two.add_rows(ROWS, q, other))
    assert all(np.array_equal(value, two.state()[name]) for name, value in one.state().items())
    with pytest.raises(ValueError, match="restore held"):
        two.restore(one.state() | {"held": np.full((13, 7), 64)})
    assert one.sets.any()
    with pytest.raises(ValueError, match="restore sets"):
        make(of(Hybrid(cells="sram"))).restore(one.state())
    with pytest.raises(ValueError, match="restore counts"):
        two.restore(one.state() | {"counts": np.zeros(2, int)})
