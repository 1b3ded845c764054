"""Trains on the pins: the default assignment of random streams keeps all bounds, those known to be wrong do not."""

import numpy as np
import pytest

from crosstrain_cosim.train_statistics import (
    LINES,
    SLOTS,
    TRAINS,
    codes,
    emitted,
    line_bits,
    main,
    probabilities,
    sample_design,
)
from crosstrain_model.design_gradient import Random
from crosstrain_model.random_lint import NAMES, faults, statistics
from crosstrain_model.random_streams import Stream, permuted
from crosstrain_model.scale import ScaleSettings

WRONG = {
    "columns take them reversed": ({"columns": "rows-reversed"}, "bias"),
    "one step a word": ({"leap": 1}, "variance"),
}
"""Two assignments that are wrong, and the first bound that each breaks; the linter's tests have them all."""


def bits(random):
    """Row and column bits of a controller with these streams, and the probabilities that they should have."""
    design = sample_design(random)
    x, d = codes(design.formats.x), codes(design.formats.d)
    return *line_bits(emitted(design, TRAINS), x, d), *probabilities(design)


@pytest.fixture(scope="module")
def good():
    """Bits of the default."""
    return bits(Random())


def test_the_default_keeps_all_bounds(good):
    seen = statistics(*good)
    assert (seen.trains, seen.slots) == (TRAINS, SLOTS)
    assert faults(seen) == []


def test_bits_are_those_of_the_streams(good):
    """Line by line and slot by slot, drawn from reset by the model."""
    design = sample_design(Random())
    for side, seen, probability in zip(("rows", "columns"), good[:2], good[2:], strict=True):
        drawn = permuted(design, side)[Stream(design, side).draws(TRAINS * SLOTS)] / 2**design.random.bits
        assert np.array_equal(seen, (drawn < probability).reshape(TRAINS, SLOTS, LINES))


def test_the_sample_spans_the_probabilities(good):
    """So that a fault at any threshold can show; and every train has all its slots."""
    for probability in good[2:]:
        assert probability.min() < 0.05
        assert probability.max() > 0.98
        assert len(set(probability)) == LINES
    assert not ScaleSettings.of(sample_design(Random())).dynamic


@pytest.mark.parametrize("what", WRONG)
def test_assignments_known_to_be_wrong_fail(what):
    random, bound = WRONG[what]
    found = faults(statistics(*bits(Random(**random))))
    assert found
    assert found[0].startswith(NAMES[bound])


@pytest.mark.parametrize(
    ("side", "slot", "said"),
    [
        (0, SLOTS, "rows in the other phase"),
        (1, 3, "columns that differ between phases"),
        (2, 3, "directions of phase 0"),
        (2, SLOTS + 3, "directions of phase 1"),
    ],
)
def test_a_bit_that_no_train_has_is_named(side, slot, said):
    """Two trains in which every line fires in every slot, and one bit of it turned over: line 2, positive."""
    x = codes(8)
    lowered = int(sum(1 << line for line in np.flatnonzero(x < 0)))
    raised, every = lowered ^ 2**32 - 1, 2**32 - 1
    train = [[raised, every, lowered]] * SLOTS + [[lowered, every, raised]] * SLOTS
    slots = np.array([train, train], np.uint32)
    rows, columns = line_bits(slots, x, x)
    assert rows.all()
    assert columns.all()
    slots[1, slot, side] ^= 4
    with pytest.raises(RuntimeError, match=f"^pins: 1 {said}"):
        line_bits(slots, x, x)


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    (tmp_path / "wrong.toml").write_text('scheme = "agad"\n[random]\nleap = 1\n')
    assert main([str(tmp_path / "wrong.toml")]) == 1
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines() if line.endswith("WRONG")] == ["variance", "correlation"]
    assert main(["sgd-8", "300"]) == 0
    assert "WRONG" not in capsys.readouterr().out
