"""The arrays of a tile as lanes use them: one of weights, and beside it with row transfers the gradient array, with
hybrid weights array L."""

from __future__ import annotations

from typing import Any

from crosstrain_cosim.device_hook import DeviceArray, DeviceHook
from crosstrain_model.design import Design
from crosstrain_model.gradient_controller import TileArrays
from crosstrain_model.port import ArrayId
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_tile import PcmTile
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.twin.tile import ArrayTile

Arrays = dict[ArrayId, Any]
"""`ArrayTile`s, an `RramTile`, or pairs and array L, by the number under which the port knows them, W first."""


def lane_arrays(design: Design, engine: str, *, seed: int | None = None, tile: int = 0) -> Arrays:
    """By the number under which the port knows them, W first."""
    if design.verified:
        return {ArrayId.W: RramTile(design, seed=seed, tile=tile, engine=engine)}
    if design.carried:
        pairs = PcmTile(design, seed=seed, tile=tile, engine=engine)
        cells = PcmBinaryArray(design, seed=seed, tile=tile, engine=engine) if design.cells_array else None
        return {ArrayId.W: pairs, **({ArrayId.L: cells} if cells is not None else {})}
    if not design.pulsed:
        return {ArrayId.W: ArrayTile(design, seed=seed, tile=tile, engine=engine)}
    both = TileArrays.of(design, seed=seed, tile=tile, engine=engine)
    return {ArrayId.W: both.w, **({ArrayId.A: both.a} if both.a is not None else {})}


def hooks(design: Design, arrays: Arrays) -> dict[int, tuple[int, int]]:
    """What the C++ agent calls, by array."""
    return {int(name): _pointer(design, array) for name, array in arrays.items()}


def _pointer(design: Design, array: Any) -> tuple[int, int]:
    if not isinstance(array, DeviceArray):
        pointer: tuple[int, int] = array.hook_pointer()
        return pointer
    if not hasattr(array, "hook"):
        array.hook = DeviceHook(design, array)  # type: ignore[union-attr]  # lives as long as the array
    return array.hook.pointer  # type: ignore[union-attr]


def conductances(arrays: Arrays) -> dict[str, Any]:
    """Conductances of all arrays by name, as JSON takes them."""
    return {name.name: conductance_of(array).tolist() for name, array in arrays.items()}


def conductance_of(array: Any) -> Any:
    """Conductances of one array."""
    return array.g if isinstance(array, DeviceArray) else array.conductance
