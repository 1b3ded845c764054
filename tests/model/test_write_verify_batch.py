"""Compiled rows of write-verify: the same bits as the plain rule, in the array, the controller and every counter."""

import numpy as np
import pytest

from crosstrain_model import write_verify_batch
from crosstrain_model.design_file import load_design
from crosstrain_model.hybrid_controller import HybridController
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.twin.rram_tile import RramTile

DESIGNS = {
    "preset": [],
    "column": ["verify.amplitude=column", "verify.cycles=3"],
    "odd": ["array.rows=13", "array.columns=7", "array.lanes=3", "verify.cell_bits=0", "verify.reads_log2=1"],
    "poor": ["verify.cell_bits=2", "verify.cycles=1", "rram.stuck_low=0.1", "rram.stuck_high=0.1", "rram.sigma_cc=0.4",
             "converters.adc_noise=2", "converters.read_noise=0.1"],
    "ideal": ["rram.sigma_cc=0", "rram.sigma_threshold=0", "rram.write_error=0", "converters.adc_noise=0"],
    "single pulses": ["verify.set_start=1000", "verify.set_stop=1000", "verify.set_step=1"],
}  # fmt: skip


def learnt(design, engine):
    """A controller and its array after some passes, with reads of vectors between."""
    controller, array = StreamController(design), RramTile(design, engine=engine)
    rng = np.random.default_rng(2)
    shape, theta = (design.array.rows, design.array.columns), design.update.threshold
    for _ in range(6):
        controller.update(rng.integers(-2 * theta, 2 * theta, shape))
        controller.program(array)
        array.forward(rng.integers(0, 1 << design.formats.x, (2, design.array.rows)))
    return controller, array


@pytest.mark.parametrize("name", DESIGNS)
def test_equal_to_the_plain_way(name, monkeypatch):
    design = load_design("wu-8", DESIGNS[name])
    asked = []
    plain = write_verify_batch.WriteVerify.program
    monkeypatch.setattr(write_verify_batch.WriteVerify, "program", lambda *args: asked.append(0) or plain(*args))
    compiled = learnt(design, "numba")
    assert asked == []
    slow = learnt(design, "numpy")
    assert len(asked) > 6
    for left, right in zip(compiled, slow, strict=True):
        state, other = left.state(), right.state()
        assert [key for key in state if not np.array_equal(state[key], other[key])] == []
    counters = compiled[0].counters()
    assert counters == slow[0].counters()
    assert counters["rows"] > 6
    assert counters["sets"] > 0
    assert counters["resets"] > 0


PAIRS = {
    "preset": [],
    "odd": ["array.rows=13", "array.columns=7", "array.lanes=3", "verify.cell_bits=3", "verify.reads_log2=1"],
    "poor": ["verify.window=300", "verify.cycles=2", "verify.set_stop=2100", "verify.set_start=1900",
             "verify.set_step=9", "pcm.read_noise=2", "converters.adc_noise=2", "converters.read_noise=0.05"],
    "ideal": ["pcm.sigma_cc=0", "pcm.slope=0", "pcm.read_noise=0", "pcm.reset_noise=0", "verify.cycles=1",
              "verify.window=10"],
}  # fmt: skip


def refreshed(design, engine):
    """A controller of hybrid weights and its pairs after some refreshes, with time and reads between."""
    controller, pairs = HybridController(design), PcmTile(design, engine=engine)
    rng = np.random.default_rng(4)
    pairs.g[...] = rng.integers(0, 2**20, pairs.g.shape)
    shape = (design.array.rows, design.array.columns)
    for step in range(3):
        pairs.now_ns += 10 ** (5 * step)
        controller.update(rng.integers(-30000, 30000, shape))
        controller.batch()
        controller.drain(pairs)
        pairs.forward(rng.integers(-100, 100, (2, design.array.rows)))
    return controller, pairs


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_equal_to_the_plain_way(name, monkeypatch):
    design = load_design("hic-8", ["hybrid.cells=sram", "hybrid.refresh_every=1", *PAIRS[name]])
    asked, plain = [], write_verify_batch.WriteVerify.program
    monkeypatch.setattr(write_verify_batch.WriteVerify, "program", lambda *args: asked.append(0) or plain(*args))
    compiled = refreshed(design, "numba")
    assert asked == []
    slow = refreshed(design, "numpy")
    assert len(asked) > 6
    for left, right in zip(compiled, slow, strict=True):
        state, other = left.state(), right.state()
        assert [key for key in state if not np.array_equal(state[key], other[key])] == []
    counts = compiled[0].verify.counts
    assert counts["rows"] > 6
    assert counts["sets"] > 500
    assert counts["gave_up"] > 0 or name not in ("poor", "ideal")


def test_arrays_that_are_watched_go_the_plain_way():
    class Watched(RramTile):
        reads = 0

        def sense_row(self, *args):
            self.reads += 1
            return super().sense_row(*args)

    design = load_design("wu-8")
    controller, array = StreamController(design), Watched(design)
    controller.update(np.full((8, 8), design.update.threshold))
    controller.program(array)
    assert array.reads == controller.counters()["reads"] > 0
