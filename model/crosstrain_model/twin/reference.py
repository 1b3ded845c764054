"""The reference of an array: what reads subtract from its conductances, in the array.

    none                                                                    `device.zero` absolute, no static reference
    reference = symmetry point                                              `device.zero` symmetry
    reference = symmetry point + rint(sigma_r * xi * 2^20)                  A, static reference (`transfer.reference`)

in units of 2^-20 of the half range, int32; xi is drawn once per device (noise.py, kind REFERENCE) and sigma_r is
`converters.reference_error`.  A pair subtracts the difference of its two.  The reference stays where it was programmed:
it does not follow the array.  |xi| <= 6 and sigma_r <= 4 keep |reference| below 2^25.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId
from crosstrain_model.twin import noise
from crosstrain_model.twin.device import ONE, Devices, device_of
from crosstrain_model.twin.wiring import Wiring


def make(design: Design, devices: Devices, *, seed: int, tile: int, array: int) -> npt.NDArray[np.int32] | None:
    """The reference of one array, as weights [rows, columns]; None where reads subtract nothing."""
    static = design.static_reference and array == ArrayId.A
    if not static and device_of(design, array).zero == "absolute":
        return None
    point = devices.symmetry_point()
    sigma = design.converters.reference_error
    if static and sigma:
        xi = noise.normal(noise.base_key(seed, tile, array, noise.REFERENCE), *point.shape)
        point = point + np.rint(xi * sigma * ONE).astype(np.int32)
    return np.ascontiguousarray(Wiring(design.array.pair).weights(point))
