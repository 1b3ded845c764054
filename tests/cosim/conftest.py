"""Designs and broken Verilog for the tests of the co-simulation."""

import re

import numpy as np
import pytest

from crosstrain_model.design import Array, Bus, Design, Formats, Pulse, Update

QUICK = Pulse(width_set=3, width_reset=2, guard=1)

DESIGNS = {
    "mp8": Design(name="mp8", pulse=QUICK),
    "odd": Design(
        name="odd", array=Array(rows=13, columns=7, lanes=3, pair="push-pull"), profile="asic", pulse=QUICK,
        update=Update(threshold=300, max_pulses=7), bus=Bus(stream_codes=1),
    ),
    "one": Design(
        name="one", array=Array(rows=3, columns=2, lanes=1, pair="set-only"), formats=Formats(accumulator=8, x=3, d=11),
        update=Update(threshold=8, threshold_power_of_two=True, remainder="clear", max_pulses=1), pulse=QUICK,
    ),
}  # fmt: skip


@pytest.fixture(params=DESIGNS)
def design(request):
    """Three designs that differ in everything that shapes hardware."""
    return DESIGNS[request.param]


@pytest.fixture
def designs():
    """All of them, by name."""
    return DESIGNS


@pytest.fixture
def mp8():
    """The small design."""
    return DESIGNS["mp8"]


@pytest.fixture
def invert():
    """A function that gives {file: Verilog} with the first driver of a net in one module inverted."""

    def broken(texts, module, net):
        name = f"{module}.v"
        driver = rf"((?:assign )?\b{net}(?:\[[^\]]*\])? (?:<=|=) )((?!\S*'h0+;)[^;]+);"
        text, count = re.subn(driver, r"\1~(\2);", texts[name], count=1)
        assert count == 1, f"{name} has no driver of {net}"
        return {**texts, name: text}

    return broken


@pytest.fixture
def replaced():
    """A function that gives {file: Verilog} with something else in place of whatever matches in one module."""

    def broken(texts, module, pattern, instead):
        name = f"{module}.v"
        text, count = re.subn(pattern, instead, texts[name])
        assert count, f"{name} has no {pattern}"
        return {**texts, name: text}

    return broken


@pytest.fixture
def same_on_both():
    """A check that `run(..., simulator=...)` does the same on Icarus and on Verilator."""

    def check(run, *given, **options):
        results = [run(*given, **options, simulator=simulator) for simulator in ("icarus", "verilator")]
        assert all(result.ok for result in results), results
        counts = [(result.tests, result.events, result.cycles) for result in results]
        assert counts[0] == counts[1]

    return check


def _equal(left, right):
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in zip(left, right, strict=True))


@pytest.fixture
def same_steps():
    """A check that a tile behind Verilog and one of the model learn alike and end alike; gives their answers."""

    def check(learn, tiles, batches):
        rtl, model = tiles
        answers = learn(rtl, batches)
        assert _equal(answers, learn(model, batches))
        mine, theirs = rtl.state(), model.state()
        assert mine.keys() == theirs.keys()
        assert [name for name in mine if not np.array_equal(mine[name], theirs[name])] == []
        assert rtl.updates == model.updates > 0
        assert rtl.found == 0
        return answers

    return check


@pytest.fixture
def same_future():
    """A check that a new tile, given the state that a tile has after half of the batches, goes on like it."""

    def check(learn, whole, again, batches):
        half = len(batches) // 2
        learn(whole, batches[:half])
        middle = whole.state()
        later = learn(whole, batches[half:])
        again.restore(middle)
        assert _equal(later, learn(again, batches[half:]))
        assert whole.found == again.found == 0
        return later

    return check
