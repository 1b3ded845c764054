"""What an array is made of: its devices, converters, noise keys, and the arrays that events change in place.

The engines work on it; `tile.ArrayTile` adds everything that a user calls.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.twin import checks, converter, device, noise, reference
from crosstrain_model.twin.wiring import Wiring

FORWARDS, BACKWARDS, ROW_READS, PROGRAMS, TRAINS = range(5)
"""Places in `counters`."""


class ArrayState:
    """Devices and state of one array; the arrays stay where they are for the life of the object."""

    def __init__(self, design: Design, *, seed: int | None, tile: int, array: int, count_pulses: bool) -> None:
        self.design = design
        self.seed = checks.within("seed", design.seed if seed is None else seed, 1 << 32)
        self.tile, self.array = checks.within("tile", tile, 1 << 32), checks.within("array", array, 1 << 32)
        self.rows, self.columns = design.array.rows, design.array.columns
        self.device_columns = design.array.device_columns
        self.wiring = Wiring(design.array.pair)
        part, formats = design.converters, design.formats
        self.device = device.device_of(design, array)
        self.devices = device.make(design, seed=self.seed, tile=tile, array=array)
        self.reference = reference.make(design, self.devices, seed=self.seed, tile=tile, array=array)
        """What reads subtract, weights [rows, columns] in units of 1 / weight_one; None: nothing."""
        self.forward_converter = converter.make(design, bits=formats.x, full_range=part.adc_range)
        self.backward_converter = converter.make(design, bits=formats.d, full_range=part.adc_range_backward)
        self.row_converter = converter.make(design, bits=formats.x, full_range=part.adc_range_row)
        keys = [noise.base_key(self.seed, tile, array, kind) for kind in range(noise.KINDS)]
        self.keys = np.array([[a[0], b[0]] for a, b in keys], dtype=np.uint32)
        shape = (self.rows, self.device_columns)
        rest = self.devices.symmetry_point() if self.device.zero == "symmetry" else np.int32(self.wiring.rest)
        self.rest: npt.NDArray[np.int32] = self.devices.clamp(np.full(shape, rest, dtype=np.int32))
        """Conductances of new devices, to which they decay."""
        self.g: npt.NDArray[np.int32] = self.rest.copy()
        self.levels: npt.NDArray[np.int16] = np.empty((self.rows, self.columns), dtype=np.int16)
        self.counters: npt.NDArray[np.int64] = np.zeros(5, dtype=np.int64)
        self.pulses: npt.NDArray[np.int64] = np.zeros(shape if count_pulses else (0, 0), dtype=np.int64)
        self.refresh()

    def refresh(self) -> None:
        """Levels anew from all conductances."""
        self.levels[...] = self.wiring.levels(self.g, self.reference)
