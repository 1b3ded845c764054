"""Endurance: cycles of devices by class, beside a loop."""

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.endurance import LIMIT, of_cycles, of_hybrid
from crosstrain_model.hybrid_controller import HybridController


def test_numbers_and_bins():
    found = of_cycles("x", [[0, 1, 2, 3], [4, 7, 8, 0]])
    assert (found.name, found.devices, found.mean, found.most) == ("x", 8, 25 / 8, 8)
    assert found.share == 8 / 10**8 == 8 / LIMIT
    assert found.histogram == (2, 1, 2, 2, 1)
    assert of_cycles("x", [5], limit=10).share == 0.5


def test_bins_beside_a_loop():
    cycles = np.random.default_rng(1).integers(0, 2 ** np.random.default_rng(2).integers(1, 30, 500))
    wanted = [0] * 31
    for count in cycles.tolist():
        wanted[next(bin for bin in range(31) if count < 2**bin)] += 1
    found = of_cycles("x", cycles)
    assert found.histogram == tuple(wanted[: len(found.histogram)])
    assert sum(found.histogram) == 500
    assert found.histogram[-1] > 0


def test_no_device_is_refused():
    with pytest.raises(ValueError, match="endurance pairs: has no devices"):
        of_cycles("pairs", [])


def test_a_tile_bit_by_bit():
    design = Design(
        scheme="hic", array=Array(rows=16, columns=8, pair="set-only"), formats=Formats(fraction=8),
        hybrid=Hybrid(cells="sram", bits=5),
    )  # fmt: skip
    controller = HybridController(design, count_cells=True)
    rng = np.random.default_rng(3)
    for _ in range(50):
        controller.update(rng.integers(-500, 501, (16, 8)))
    pairs, *bits = of_hybrid(np.zeros((16, 16)), controller.memory.resets)
    assert (pairs.name, pairs.most, pairs.histogram) == ("multi-level", 0, (256,))
    assert [part.name for part in bits] == [f"L bit {bit}" for bit in range(5)]
    assert [part.mean for part in bits] == controller.memory.resets.mean(axis=(0, 1)).tolist()
    assert bits[0].mean > bits[3].mean > 0  # the lowest bit wears most
