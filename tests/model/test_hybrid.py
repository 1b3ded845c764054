"""The rule of a visit to L beside plain integers: rounding, carry, codes, and what of it wears which cell."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.design_file import load_design
from crosstrain_model.design_gradient import Random
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_verify import Verify
from crosstrain_model.errors import UserError
from crosstrain_model.hybrid import add, decode, encode, round_changes, visited_groups
from crosstrain_model.hybrid_memory import SramMemory
from crosstrain_model.random_streams import Stream, permuted

BITS = [4, 5, 7, 12]


def tile(rows=13, columns=7, lanes=3, fraction=8, pulses=3, random=None, pair="set-only"):
    return Design(
        name="sample", scheme="hic", array=Array(rows=rows, columns=columns, lanes=lanes, pair=pair),
        formats=Formats(fraction=fraction), update=Update(max_pulses=pulses), random=random or Random(),
        verify=Verify(window=0, set_margin=0),
    )  # fmt: skip


def of(hybrid, design=None, remainder="keep"):
    """A design with this section."""
    design = design or tile()
    return dataclasses.replace(
        design, hybrid=hybrid, update=dataclasses.replace(design.update, remainder=remainder)
    )


# --- add and carry ----------------------------------------------------------------------------------------------------


def by_hand(l_before, q, bits, remainder, most):
    """L, p, cleared, clipped of one cell."""
    scale, total = 2 ** (bits - 1), l_before + q
    p = 0
    while total >= scale and p < most:
        total, p = total - scale, p + 1
    while total <= -scale and p > -most:
        total, p = total + scale, p - 1
    if p and remainder == "clear":
        return 0, p, total, 0
    after = scale - 1 if total >= scale else -scale if total < -scale else total
    return after, p, 0, total - after


@given(
    st.sampled_from(BITS),
    st.sampled_from(["keep", "clear"]),
    st.integers(1, 15),
    st.lists(st.tuples(st.integers(-(2**12), 2**12), st.integers(-(2**15), 2**15)), min_size=1, max_size=20),
)
def test_every_cell_by_hand(bits, remainder, most, cells):
    scale = 2 ** (bits - 1)
    cells = [(max(min(value, scale - 1), -scale), q) for value, q in cells]
    before, q = (np.array(values) for values in zip(*cells, strict=True))
    visit = add(of(Hybrid(bits=bits), tile(pulses=most), remainder), before, q)
    found = zip(*(part.tolist() for part in (visit.after, visit.carries, visit.cleared, visit.clipped)), strict=True)
    assert list(found) == [by_hand(*cell, bits, remainder, most) for cell in cells]
    assert np.array_equal(before + q, visit.carries * scale + visit.cleared + visit.clipped + visit.after)
    assert ((visit.after >= -scale) & (visit.after < scale)).all()


def test_corners_of_the_carry():
    table = {  # L, q: L afterwards, p; b_L = 4, S = 8
        (7, 1): (0, 1),
        (7, 0): (7, 0),
        (-7, -1): (0, -1),
        (-7, 14): (7, 0),
        (7, -14): (-7, 0),
        (7, 10): (1, 2),
        (-8, 0): (0, -1),  # only a failed cell or a host made it
        (-8, 1): (-7, 0),
        (7, 24): (7, 3),
        (7, 25): (7, 3),  # more than three pulses: the clamp
        (-7, -27): (-8, -3),
    }
    for (before, q), wanted in table.items():
        visit = add(of(Hybrid(bits=4)), before, q)
        assert (int(visit.after), int(visit.carries)) == wanted, (before, q)


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(4, 13))
@pytest.mark.parametrize("code", ["twos-complement", "gray"])
def test_codes_are_told_apart_and_come_back(bits, code):
    hybrid = Hybrid(bits=bits, code=code)
    values = np.arange(-hybrid.scale, hybrid.scale)
    cells = encode(hybrid, values)
    assert cells.shape == (2**bits, bits)
    assert len({tuple(row) for row in cells.tolist()}) == 2**bits
    assert np.array_equal(decode(hybrid, cells), values)
    if code == "gray":
        assert ((cells ^ np.roll(cells, 1, axis=0)).sum(axis=1) == 1).all()  # neighbours, and around
    else:
        text = [format(int(value) % 2**bits, f"0{bits}b")[::-1] for value in values]
        assert ["".join("01"[bit] for bit in row) for row in cells.tolist()] == text


def test_gray_code_of_small_numbers():
    cells = encode(Hybrid(bits=4, code="gray"), [-2, -1, 0, 1, 2])
    found = ["".join("01"[bit] for bit in row[::-1]) for row in cells.tolist()]
    assert found == ["1001", "1000", "0000", "0001", "0011"]


# --- rounding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0, 1, 8, 12])
@pytest.mark.parametrize("random", [Random(), Random(generator="xoshiro128++"), Random(permute=False)])
def test_rounding_beside_a_loop(fraction, random):
    design = tile(fraction=fraction, random=random)
    changes = np.random.default_rng(1).integers(-(2**15), 2**15, (13, 7))
    changes[3:6, :3] = 0
    changes[7] = 0
    groups = visited_groups(design, changes)
    loop, stream = Stream(design, "rounding"), Stream(design, "rounding")
    wanted = np.zeros_like(changes)
    visits = 0
    for row in range(13):
        for group in range(3):
            columns = range(3 * group, min(3 * group + 3, 7))
            if not any(changes[row, c] for c in columns):
                continue
            visits += 1
            draw = int(loop.draws(1)[0])
            for c in columns:
                word = int(permuted(design, "lanes")[draw, c - 3 * group])
                wanted[row, c] = (int(changes[row, c]) + (word >> (16 - fraction))) >> fraction
    assert np.array_equal(round_changes(design, changes, groups, stream), wanted)
    assert stream.state == loop.state
    assert visits == groups.sum() == 39 - 3 - 3


@pytest.mark.parametrize("change", [1, 77, -77, 128, -255, 300])
def test_rounding_is_right_in_the_mean_in_every_lane(change):
    design = tile(columns=8, lanes=4, rows=1000)
    changes = np.full((1000, 8), change)
    stream = Stream(design, "rounding")
    q = np.concatenate([round_changes(design, changes, visited_groups(design, changes), stream) for _ in range(8)])
    assert {int(value) for value in np.unique(q)} <= {change // 256, change // 256 + 1}
    assert np.abs(q.mean(axis=0) - change / 256).max() < 4.5 * 0.5 / np.sqrt(len(q))


def test_whole_changes_round_to_themselves():
    design = tile()
    changes = np.random.default_rng(2).integers(-9, 10, (13, 7)) * 256
    q = round_changes(design, changes, visited_groups(design, changes), Stream(design, "rounding"))
    assert np.array_equal(q * 256, changes)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("array.pair=push-pull", 'array.pair = "push-pull": must be set-only: carries are SET pulses (scheme hic)'),
        ("formats.fraction=13", "formats.fraction = 13: must be 0..12 (scheme hic)"),
        ("bus.stream_codes=2", "bus.stream_codes = 2: must be 0 or 4 (array.lanes): an update has a group a beat"),
        (
            "array.pair=one-sided",
            'array.pair = "one-sided": must be set-only: one-sided is for weights that are programmed by write-verify',
        ),
        ("hybrid.saturation=512", "hybrid.saturation = 512: must be 0..511 (formats.adc)"),
        ("hybrid.bits=3", "hybrid.bits = 3: must be 4..12"),
        ("hybrid.bits=13", "hybrid.bits = 13: must be 4..12"),
        ("verify.amplitude=column", 'verify.amplitude = "column": must be common (scheme hic)'),
        ("verify.window=131072", "verify.window = 131072: must be 0..131071 (formats.adc and formats.fraction)"),
        ("verify.set_stop=2047", "verify.set_stop = 2047: must be at least 2048 (verify.set_start)"),
        ("verify.set_margin=131072", "verify.set_margin = 131072: must be at most 131071 (formats)"),
        ("ledger=true", "ledger = true: must be false: a machine does not see which cells failed (scheme hic)"),
        ("pcm.batch_ns=-1", "pcm.batch_ns = -1: must be 0..1000000000000000"),
        ("binary_pcm.read_level=0.9", "binary_pcm.read_level = 0.9: must be between 0.02 (reset_level) and 0.8 (set_"),
    ],
)
def test_a_design_that_does_not_fit(change, message):
    with pytest.raises(UserError, match=f"^hic-8: {re.escape(message)}"):
        load_design("hic-8", [change])


def test_no_memory_reads_back():
    with pytest.raises(UserError, match="hybrid.read_back = true: must be false where L is in SRAM"):
        load_design("hic-8", ["hybrid.cells=sram", "hybrid.read_back=true"])


def test_other_schemes_have_no_hybrid_weights():
    with pytest.raises(UserError, match='scheme = "mp": must be one with hybrid weights: hic'):
        SramMemory(load_design("mp-8"))
