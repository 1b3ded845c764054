"""Reference rule: demodulation, and P that follows the reads without ever leaving the range of a read."""

import numpy as np
import pytest

from crosstrain_model import reference
from crosstrain_model.design import Design, Formats, Transfer


def design(memory="leak", scheme="agad", **formats):
    return Design(scheme=scheme, formats=Formats(**{"fraction": 4, **formats}), transfer=Transfer(memory=memory))


def test_widths():
    assert reference.reference_bits(design(adc=18, fraction=12)) == 30
    assert reference.reference_bits(design(adc=1, fraction=0)) == 1


def test_who_has_a_mean():
    assert reference.has_mean(design())
    assert not reference.has_mean(design(memory="last"))
    assert not reference.has_mean(design(scheme="ttv2"))


def test_extremes_are_exact():
    """The largest differences need one bit more than a read."""
    tile = design(adc=18, fraction=12)
    low, high = reference.read_out(tile, [-(2**17), 2**17 - 1])
    z = reference.demodulated([low, high], [high + 4095, low], [True, False])
    assert z.tolist() == [2**30 - 1, 2**30 - 4096]


def test_signs():
    assert reference.demodulated([5, 5, -5], None, [False, True, True]).tolist() == [5, -5, 5]
    assert reference.demodulated([5, 5], [7, 7], True).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("rounding", "wanted"),
    [("nearest", [0, 0, 1, 1, 1, 0, 0, -1, -1, -1]), ("truncate", [0, 0, 0, 0, 1, -1, -1, -1, -1, -2])],
)
def test_rounding(rounding, wanted):
    """Halves up, or down: steps for differences 0, 1, 2, 3, 4, -1, -2, -3, -4, -5 at leak 2."""
    tile = design(rounding=rounding)
    steps = [0, 1, 2, 3, 4, -1, -2, -3, -4, -5]
    assert reference.leaked(tile, np.full(10, 100), np.add(100, steps), 2).tolist() == np.add(100, wanted).tolist()


@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
@pytest.mark.parametrize("leak", range(8))
def test_the_mean_stays_between_itself_and_the_read(rounding, leak):
    """For all pairs of 6-bit numbers, so for all widths: P and P_ref can not overflow."""
    tile = design(rounding=rounding)
    p, o = np.meshgrid(np.arange(-32, 32), np.arange(-32, 32))
    after = reference.leaked(tile, p, o, leak)
    assert (np.minimum(p, o) <= after).all()
    assert (after <= np.maximum(p, o)).all()
    if leak == 0:
        assert np.array_equal(after, o)


def test_the_mean_arrives():
    """Down to half a step of the last place, as the rule says."""
    tile = design()
    p = np.zeros(2, np.int64)
    for _ in range(2000):
        p = reference.leaked(tile, p, [1600, -1600], 5)
    assert p.tolist() == [1600 - 15, -1600 + 16]
