"""What a run with hybrid weights did to its devices: carries, refreshes, pulses on L, and endurance by class.

Devices that no weight of a layer uses, at the edges of tiles, do not count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from crosstrain_model.endurance import Endurance, of_hybrid
from crosstrain_model.hybrid_tile import HybridTile
from crosstrain_model.training.grid import TileGrid

Int64 = npt.NDArray[np.int64]


def used(grids: Iterable[TileGrid]) -> Iterator[tuple[HybridTile, int, int]]:
    """Tiles with the numbers of their rows and columns that hold weights of a layer."""
    for grid in grids:
        for tile, rows, columns in grid.blocks():
            yield cast(HybridTile, tile), rows.stop - rows.start, columns.stop - columns.start


def wear(grids: Iterable[TileGrid]) -> tuple[Int64, Int64, Int64]:
    """RESET pulses of the pairs' devices [n, 2], SET and RESET pulses of the cells of L [n, bits], of n weights."""
    pairs, sets, resets = [], [], []
    for tile, rows, columns in used(grids):
        pairs.append(tile.array.resets[:rows, : 2 * columns].reshape(-1, 2))
        memory = tile.controller.memory
        bits = memory.resets.shape[-1]
        sets.append(memory.sets[:rows, :columns].reshape(-1, bits))
        resets.append(memory.resets[:rows, :columns].reshape(-1, bits))
    return np.concatenate(pairs), np.concatenate(sets), np.concatenate(resets)


def endurance(grids: Iterable[TileGrid]) -> tuple[Endurance, ...]:
    """Of the multi-level devices, then bit by bit of the binary ones."""
    pairs, _, resets = wear(grids)
    return of_hybrid(pairs, resets)


def hybrid_figures(grids: list[TileGrid]) -> dict[str, Any]:
    """All of it, as results have it."""
    counts = [tile.controller.counts for tile, _, _ in used(grids)]
    verify = [tile.controller.verify.counts for tile, _, _ in used(grids)]
    _, sets, resets = wear(grids)
    names = {"carry_pulses": "carries", "refresh_rows": "refresh_rows", "refreshed": "refreshed"}
    return {
        **{told: sum(count[name] for count in counts) for name, told in names.items()},
        "gave_up": sum(count["gave_up"] for count in verify),
        "l_sets": int(sets.sum()),
        "l_resets": int(resets.sum()),
        "endurance": [dataclasses.asdict(part) for part in endurance(grids)],
    }
