"""The arrays of a tile as lanes use them: one of weights, and with row transfers the gradient array beside it."""

from __future__ import annotations

from typing import Any

from crosstrain_model.design import Design
from crosstrain_model.gradient_controller import TileArrays
from crosstrain_model.port import ArrayId
from crosstrain_model.twin.tile import ArrayTile


def lane_arrays(design: Design, engine: str, *, seed: int | None = None, tile: int = 0) -> dict[ArrayId, ArrayTile]:
    """By the number under which the port knows them, W first."""
    if not design.pulsed:
        return {ArrayId.W: ArrayTile(design, seed=seed, tile=tile, engine=engine)}
    both = TileArrays.of(design, seed=seed, tile=tile, engine=engine)
    return {ArrayId.W: both.w, **({ArrayId.A: both.a} if both.a is not None else {})}


def hooks(arrays: dict[ArrayId, ArrayTile]) -> dict[int, tuple[int, int]]:
    """What the C++ agent calls, by array."""
    return {int(name): array.hook_pointer() for name, array in arrays.items()}


def conductances(arrays: dict[ArrayId, ArrayTile]) -> dict[str, Any]:
    """Conductances of all arrays by name, as JSON takes them."""
    return {name.name: array.conductance.tolist() for name, array in arrays.items()}
