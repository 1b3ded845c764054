"""Pulses on one row of devices, in plain numpy: the definition that the compiled kernel must equal.

A device gets `total` pulses, the first `up` of them SET, the others RESET; pulse j of device column c takes word i =
256 c + j of the row's event key (noise.py).  Devices do not see each other, so only the order on one device matters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.twin import noise
from crosstrain_model.twin.device import Devices, Grid32

PULSE_LIMIT = 255
"""Most pulses one device takes in one event: words 256 c .. 256 c + 255 are its own."""


def pulse_row(
    g: Grid32, devices: Devices, row: int, up: npt.NDArray[np.int32], total: npt.NDArray[np.int32], key: noise.Key
) -> None:
    """Applies the pulses to row `row` of `g`, in place; `up` <= `total` <= 255 a device, `key` of shape [1]."""
    line = g[row]
    low, high = devices.low[row].astype(np.int32) << 6, devices.high[row].astype(np.int32) << 6
    columns = np.arange(line.size)
    for j in range(int(total.max(initial=0))):
        active, rising = j < total, j < up
        a = np.where(rising, devices.step_up[row], devices.step_down[row]).astype(np.int32)
        k = np.where(rising, devices.slope_up[row], devices.slope_down[row]).astype(np.int32)
        step = a - ((k * (line >> 6) + np.int32(8192)) >> 14)
        step = np.where(rising, np.maximum(step, 0), np.minimum(step, 0)).astype(np.int32)
        if devices.noise:
            z = noise.z_of(noise.words(key, 256 * columns + j)[0])
            zs = (z * np.int32(devices.noise)) >> 6
            step = step + (((step if devices.noise_of_step else a) * zs + np.int32(2048)) >> 12)
        moved = np.clip(line + (step << devices.exponent), low, high)
        line[active] = moved[active]
