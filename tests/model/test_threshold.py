"""Threshold rule: exhaustive over a small format, corners of a large one, and the greedy chain of the hardware."""

import numpy as np
import pytest

from crosstrain_model import threshold
from crosstrain_model.design import Design, Formats, Update


def design(accumulator=8, **update):
    return Design(formats=Formats(accumulator=accumulator), update=Update(**{"threshold": 1, **update}))


def greedy(magnitude, theta, steps):
    """What the hardware does, on one number."""
    count = 0
    for step in steps:
        if magnitude >= step * theta:
            magnitude -= step * theta
            count += step
    return count, magnitude


@pytest.mark.parametrize("max_pulses", range(1, 16))
def test_steps_find_every_count(max_pulses):
    steps = threshold.steps(max_pulses)
    assert sum(steps) == max_pulses
    assert all(step & (step - 1) == 0 for step in steps)
    for theta in (1, 3, 8):
        for magnitude in range((max_pulses + 3) * theta):
            count = min(magnitude // theta, max_pulses)
            assert greedy(magnitude, theta, steps) == (count, magnitude - count * theta)


def test_steps_of_the_contract():
    assert threshold.steps(15) == [8, 4, 2, 1]
    assert threshold.steps(5) == [2, 2, 1]
    assert threshold.steps(1) == [1]


@pytest.mark.parametrize("max_pulses", [1, 3, 5, 15])
@pytest.mark.parametrize("theta", [1, 2, 7, 64, 126, 127])
def test_every_accumulator_of_eight_bits(max_pulses, theta):
    a = np.arange(-128, 128)
    p, after, left = threshold.compare(design(max_pulses=max_pulses), a, theta)
    for before, pulses, rest, more in zip(a.tolist(), p.tolist(), after.tolist(), left.tolist(), strict=True):
        wanted = min(abs(before) // theta, max_pulses) * (1 if before >= 0 else -1)
        assert pulses == wanted
        assert rest == before - pulses * theta
        assert more == (abs(rest) >= theta)


def test_clear_forgets_the_remainder_of_hits_alone():
    p, after, left = threshold.compare(design(remainder="clear", max_pulses=2), [9, -9, 4, -4, 127, 0], 5)
    assert p.tolist() == [1, -1, 0, 0, 2, 0]
    assert after.tolist() == [0, 0, 4, -4, 0, 0]
    assert not left.any()


def test_most_negative_accumulator():
    limit = 2**31 - 1
    p, after, left = threshold.compare(design(accumulator=32), [-(2**31), 2**31 - 1], limit)
    assert (p.tolist(), after.tolist(), left.tolist()) == ([-1, 1], [-1, 0], [False, False])
    p, after, left = threshold.compare(design(accumulator=32, max_pulses=1), [-(2**31)], 2**30)
    assert (p.tolist(), after.tolist(), left.tolist()) == ([-1], [-(2**30)], [True])


@pytest.mark.parametrize("theta", [0, -1, 128])
def test_illegal_theta_is_refused(theta):
    with pytest.raises(ValueError, match=rf"^update.threshold = {theta}: must be 1..127 "):
        threshold.compare(design(), [0], theta)
