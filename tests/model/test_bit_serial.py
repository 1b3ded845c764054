"""Bit-serial reads: words of one bit per row, for each group, and back to codes."""

import numpy as np
import pytest

from crosstrain_model.bit_serial import codes, cycles, words
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.port import Op, dac_bits, dac_words


def design(rows, columns, lanes, x):
    return Design(
        scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided", read="bit-serial"),
        formats=Formats(x=x, adc=8, fraction=7), update=Update(max_pulses=1),
    )  # fmt: skip


def test_bit_0_comes_first_and_row_0_lies_lowest():
    assert words(design(3, 1, 1, 2), [1, 2, 3]) == [0b101, 0b110]
    assert words(design(3, 2, 1, 2), [1, 2, 3]) == [0b101, 0b110] * 2


@pytest.mark.parametrize("tile", [design(13, 7, 3, 5), design(8, 8, 4, 8), design(1, 1, 1, 12)])
def test_every_group_gets_all_bits(tile):
    given = np.random.default_rng(1).integers(0, 1 << tile.formats.x, tile.array.rows)
    sent = words(tile, given)
    assert len(sent) == dac_words(tile, Op.FORWARD) == tile.array.groups * tile.formats.x
    assert max(sent) < 1 << dac_bits(tile)
    for start in range(0, len(sent), tile.formats.x):
        assert np.array_equal(codes(tile, sent[start : start + tile.formats.x]), given)


def test_eight_groups_of_eight_bits_take_72_cycles():
    assert cycles(design(64, 32, 4, 8)) == 72


@pytest.mark.parametrize("given", [[1, 2], [0, 0, 4], [-1, 0, 0]])
def test_what_has_no_code_is_refused(given):
    with pytest.raises(ValueError, match="must be 3 of 0..3"):
        words(design(3, 1, 1, 2), given)


def test_a_group_has_a_word_per_bit():
    with pytest.raises(ValueError, match="must be 2"):
        codes(design(3, 1, 1, 2), [1, 2, 3])
