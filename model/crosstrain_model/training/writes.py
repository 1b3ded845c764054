"""What write-verify did to the weights of every layer, from the counters of its tiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain_model.training.grid import TileGrid


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerWrites:
    """One layer."""

    weights: int
    writes: int
    """Devices programmed: those that passed and those given up."""
    writes_per_weight: float
    gave_up: int
    """Devices that were left where they were after the last of CYCLES."""
    pulses_per_write: float
    clamped: int
    """Targets that were cut off at the range."""
    error_levels: float
    """Standard deviation between the weights in the array and their copy, in levels."""


def layer_writes(grids: Sequence[TileGrid]) -> list[dict[str, Any]]:
    """`LayerWrites` of every layer, as plain values; of tiles that write and verify."""
    return [dataclasses.asdict(_of_layer(grid)) for grid in grids]


def _of_layer(grid: TileGrid) -> LayerWrites:
    controllers = [tile.controller for tile in grid.tiles]  # type: ignore[attr-defined]  # of stream tiles
    counts = [controller.verify.counts for controller in controllers]
    passed, lost, sets, resets = (sum(c[name] for c in counts) for name in ("passed", "gave_up", "sets", "resets"))
    weights, writes = grid.inputs * grid.outputs, passed + lost
    real = grid.weights() / grid.tiles[0].array.weight_one - grid.copy() / grid.scale
    return LayerWrites(
        weights=weights, writes=writes, writes_per_weight=writes / weights, gave_up=lost,
        pulses_per_write=(sets + resets) / max(1, writes), clamped=sum(c.clamped for c in controllers),
        error_levels=float(np.std(real) / grid.design.rram.level),
    )  # fmt: skip
