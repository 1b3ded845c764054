"""The arrays of a tile as lanes use them: one of weights, and with row transfers the gradient array beside it."""

from __future__ import annotations

from typing import Any

from crosstrain_cosim.device_hook import DeviceHook
from crosstrain_model.design import Design
from crosstrain_model.gradient_controller import TileArrays
from crosstrain_model.port import ArrayId
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.twin.tile import ArrayTile

Arrays = dict[ArrayId, Any]
"""`ArrayTile`s, or an `RramTile`, by the number under which the port knows them, W first."""


def lane_arrays(design: Design, engine: str, *, seed: int | None = None, tile: int = 0) -> Arrays:
    """By the number under which the port knows them, W first."""
    if design.verified:
        return {ArrayId.W: RramTile(design, seed=seed, tile=tile, engine=engine)}
    if not design.pulsed:
        return {ArrayId.W: ArrayTile(design, seed=seed, tile=tile, engine=engine)}
    both = TileArrays.of(design, seed=seed, tile=tile, engine=engine)
    return {ArrayId.W: both.w, **({ArrayId.A: both.a} if both.a is not None else {})}


def hooks(arrays: Arrays) -> dict[int, tuple[int, int]]:
    """What the C++ agent calls, by array."""
    return {int(name): _pointer(array) for name, array in arrays.items()}


def _pointer(array: Any) -> tuple[int, int]:
    if not isinstance(array, RramTile):
        pointer: tuple[int, int] = array.hook_pointer()
        return pointer
    if not hasattr(array, "hook"):
        array.hook = DeviceHook(array)  # type: ignore[attr-defined]  # lives as long as the array
    return array.hook.pointer  # type: ignore[attr-defined]


def conductances(arrays: Arrays) -> dict[str, Any]:
    """Conductances of all arrays by name, as JSON takes them."""
    return {name.name: conductance_of(array).tolist() for name, array in arrays.items()}


def conductance_of(array: Any) -> Any:
    """Conductances of one array."""
    return array.g if isinstance(array, RramTile) else array.conductance
