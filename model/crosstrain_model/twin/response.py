"""The response of devices to a run of pulses: what device papers plot."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Array, Design
from crosstrain_model.twin.tile import ArrayTile


def pulse_response(
    design: Design,
    pulses_up: int,
    pulses_down: int,
    *,
    devices: int = 1,
    seed: int | None = None,
    engine: str = "numba",
) -> npt.NDArray[np.int32]:
    """Conductances [1 + pulses_up + pulses_down, devices], unit 2^-20 of the half range, after each of a run of pulses.

    `devices` devices of the design start at their lower bounds, take `pulses_up` SET pulses, then `pulses_down` RESETs.
    """
    alone = dataclasses.replace(design, array=Array(rows=1, columns=devices, lanes=1))
    tile = ArrayTile(alone, seed=seed, engine=engine)
    tile.load_weights(np.full((1, devices), -(1 << 21), dtype=np.int64))
    trace = np.empty((1 + pulses_up + pulses_down, devices), dtype=np.int32)
    trace[0] = tile.g[0]
    for step in range(1, len(trace)):
        tile.program_row(0, np.full(devices, 1 if step <= pulses_up else -1))
        trace[step] = tile.g[0]
    return trace
