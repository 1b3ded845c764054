"""Compiled visits to L: the same bits as the plain rule, in the array, the controller and every counter."""

import numpy as np
import pytest

from crosstrain_model import hybrid_batch
from crosstrain_model.design_file import load_design
from crosstrain_model.hybrid_cells import CellMemory
from crosstrain_model.hybrid_controller import HybridController
from crosstrain_model.hybrid_memory import SramMemory
from crosstrain_model.twin.pcm_binary import PcmBinaryArray

ODD = ["array.rows=13", "array.columns=7", "array.lanes=3"]
DESIGNS = {
    "preset": [],
    "gray": [*ODD, "hybrid.code=gray", "hybrid.bits=5", "hybrid.read_back=true"],
    "few": [*ODD, "hybrid.bits=4", "update.max_pulses=1", "update.remainder=clear"],
    "many": ["hybrid.bits=12", "formats.fraction=0", "verify.window=64"],
    "poor": ["binary_pcm.error_set=0.1", "binary_pcm.error_reset=0.2", "binary_pcm.stuck_low=0.05",
             "binary_pcm.stuck_high=0.05", "hybrid.read_back=true"],
    "noisy": ["binary_pcm.read_level=0.75", "binary_pcm.read_noise=2", "hybrid.code=gray"],
}  # fmt: skip


def changes_of(design, rng):
    """Some rows and groups are left out, the others have changes up to the accumulator's limit."""
    shape, limit = (design.array.rows, design.array.columns), 2 ** (design.formats.accumulator - 1)
    left = (rng.random(shape) < 0.5) & (rng.random(shape[0]) < 0.8)[:, None]
    return np.where(left, rng.integers(-limit, limit, shape) >> rng.integers(0, 12, shape), 0)


def learnt(design, engine=None):
    """A controller and its array L (None: it is in SRAM) after some frames, with time between."""
    controller = HybridController(design, count_cells=True)
    array = None if engine is None else PcmBinaryArray(design, engine=engine)
    rng = np.random.default_rng(2)
    for step in range(8):
        controller.update(changes_of(design, rng), array)
        rows, columns = rng.integers(design.array.rows, size=5), rng.integers(design.array.columns, size=5)
        controller.update_cells(rows, columns, rng.integers(-9000, 9000, 5), array)
        if array is not None:
            array.now_ns += 10 ** (2 * step)
    return controller, array


def assert_equal(left, right):
    state, other = left.state(), right.state()
    assert [name for name in state if not np.array_equal(state[name], other[name])] == []


@pytest.mark.parametrize("name", DESIGNS)
def test_devices_are_equal_to_the_plain_way(name, monkeypatch):
    design, plain, asked = load_design("hic-8", DESIGNS[name]), CellMemory.add_rows, []
    monkeypatch.setattr(CellMemory, "add_rows", lambda *args: asked.append(0) or plain(*args))
    compiled = learnt(design, "numba")
    assert asked == []
    slow = learnt(design, "numpy")
    assert len(asked) == 8 * 6
    for left, right in zip(compiled, slow, strict=True):
        assert_equal(left, right)
    counts = compiled[0].memory.counts
    assert (counts["reads"] > 30, counts["read_backs"] > 30) == (True, design.hybrid.read_back)
    assert (counts["failed"] > 0) == (name == "poor")
    assert compiled[0].memory.ledger["disturbed"].any() == (name in ("poor", "noisy"))
    assert not compiled[0].memory.imbalance().any()


@pytest.mark.parametrize("name", ["preset", "gray", "few", "many"])
def test_sram_is_equal_to_the_plain_way(name, monkeypatch):
    design = load_design("hic-8", [*DESIGNS[name], "hybrid.cells=sram", "hybrid.read_back=false"])
    compiled, plain, asked = learnt(design)[0], SramMemory.add_rows, []
    monkeypatch.setattr(hybrid_batch, "COMPILED", False)
    monkeypatch.setattr(SramMemory, "add_rows", lambda *args: asked.append(0) or plain(*args))
    slow = learnt(design)[0]
    assert len(asked) == 8 * 6
    assert_equal(compiled, slow)
    parts = compiled.memory.ledger
    assert parts["clipped"].any() == (name in ("gray", "many"))
    assert parts["cleared"].any() == (name == "few")
    assert compiled.memory.sets.sum() > 100


def test_arrays_that_are_watched_go_the_plain_way():
    class Watched(PcmBinaryArray):
        reads = 0

        def sense_row(self, *args):
            self.reads += 1
            return super().sense_row(*args)

    design = load_design("hic-8")
    controller, array = HybridController(design), Watched(design)
    controller.update(np.full((8, 8), 999), array)
    assert array.reads == controller.memory.counts["reads"] == 8
