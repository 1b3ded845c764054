"""The response of devices to a run of pulses: what device papers plot."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Array, Design
from crosstrain_model.twin.tile import ArrayTile


def row_of_devices(
    design: Design, devices: int, *, array: int = 0, seed: int | None = None, engine: str = "numba"
) -> ArrayTile:
    """`devices` (1..1024) devices of an array of the design, side by side on one row, at their lower bounds."""
    alone = dataclasses.replace(design, array=Array(rows=1, columns=devices, lanes=1))
    tile = ArrayTile(alone, seed=seed, array=array, engine=engine)
    tile.conductance = tile.devices.low.astype(np.int32) << 6
    return tile


def pulse_response(
    design: Design,
    pulses_up: int,
    pulses_down: int,
    *,
    devices: int = 1,
    array: int = 0,
    seed: int | None = None,
    engine: str = "numba",
) -> npt.NDArray[np.int32]:
    """Conductances [1 + pulses_up + pulses_down, devices], unit 2^-20 of the half range, after each of a run of pulses.

    `devices` devices of an array of the design start at their lower bounds, take `pulses_up` SET pulses, then
    `pulses_down` RESETs.
    """
    tile = row_of_devices(design, devices, array=array, seed=seed, engine=engine)
    return run_of_pulses(tile, np.arange(pulses_up + pulses_down) < pulses_up)


def run_of_pulses(tile: ArrayTile, rising: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Conductances [1 + pulses, devices] of a row now and after each pulse: SET where `rising`, or RESET."""
    trace = np.empty((1 + rising.size, tile.device_columns), dtype=np.int32)
    trace[0] = tile.g[0]
    counts = np.ones(tile.columns, dtype=np.int16)
    for step, up in enumerate(rising, start=1):
        tile.program_row(0, counts if up else -counts)
        trace[step] = tile.g[0]
    return trace
