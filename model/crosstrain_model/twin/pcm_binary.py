"""Binary phase-change devices in integers: single bits, written by one pulse and read against a threshold.

Conductance, age, drift and read noise are those of `pcm_drift`.  Of a pulse at time `now`, per device column, u a word
and z the noise of the event (noise.py, kinds WRITE and PROGRAM):

    fails    u < rint(error_set 2^32), or error_reset           the device stays as it was, its age too
    SET      g = clamp(SET_LEVEL + ((z * N + 128) >> 8), 0, ONE);  since = now
    RESET    the same with RESET_LEVEL and N_0                  SET_LEVEL = rint(set_level ONE), and so on
             N = rint(level_noise ONE 2^8 / 147.8),  N_0 = rint(level_noise reset_level / set_level ONE 2^8 / 147.8)
    read     bit = g(t) with the noise of a read > rint(read_level ONE)      (`PcmArray.sense`)

Stuck devices give their bit in every read; pulses on them count, and change nothing.  New devices are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId
from crosstrain_model.pulse import SET
from crosstrain_model.twin import checks, noise
from crosstrain_model.twin.pcm_array import PULSES, Masks, PcmArray, Wide
from crosstrain_model.twin.pcm_drift import ONE, Aging

Codes = npt.NDArray[np.int32]


class PcmBinaryArray(PcmArray):
    """The twin of an array of `hybrid.bits` devices for each weight of the design, bit 0 first, weight by weight.

    Device columns bits * c .. bits * c + bits - 1 belong to column c; groups are those of the design.
    """

    def __init__(
        self, design: Design, *, seed: int | None = None, tile: int = 0, array: int = ArrayId.L,
        engine: str = "numba",
    ) -> None:  # fmt: skip
        part, bits = design.binary_pcm, design.hybrid.bits
        super().__init__(
            (design.array.rows, design.array.columns * bits),
            Aging.of(drift=part.drift, read_noise=part.read_noise),
            seed=design.seed if seed is None else seed, tile=tile, array=array, engine=engine,
        )  # fmt: skip
        self.part, self.group = part, design.array.lanes * bits
        self.threshold = round(part.read_level * ONE)
        unit = part.level_noise * ONE * 2**8 / noise.Z_SIGMA
        self._levels = {
            True: (round(part.set_level * ONE), round(unit)),
            False: (round(part.reset_level * ONE), round(unit * part.reset_level / part.set_level)),
        }
        self.stuck = self._stuck()
        self.g[...] = self._levels[False][0]

    def _stuck(self) -> npt.NDArray[np.int8]:
        """-1 stuck at 0, 1 stuck at 1, 0 free: one word of a device decides."""
        rows = np.arange(self.rows)
        key = noise.event_key(self.keys[noise.DEVICE_UPPER], np.zeros(self.rows, np.int64), rows)
        drawn = noise.words(key, np.arange(self.device_columns)).astype(np.int64)
        stuck = np.zeros(drawn.shape, np.int8)
        stuck[drawn >= (1 << 32) - round(self.part.stuck_high * 2**32)] = 1
        stuck[drawn < round(self.part.stuck_low * 2**32)] = -1
        return stuck

    def sense_row(self, row: int, groups: Masks | None = None) -> Codes:
        """Bits [device columns] of a row as 0 and 1; those of groups [groups] that are not read are 0."""
        read = self.sense(checks.within("sense_row row", row, self.rows)) > self.threshold
        stuck = self.stuck[row]
        bits = np.where(stuck == 0, read, stuck > 0)
        if groups is not None:
            bits &= np.repeat(groups, self.group)[: self.device_columns]
        return bits.astype(np.int32)

    def pulse_row(self, row: int, columns: Masks, *, direction: int, amplitude: object = 0, form: bool = False) -> int:
        """One pulse on the devices `columns` [device columns] of a row, SET or RESET; these devices have no amplitudes
        and need no forming.  Returns the pulses delivered; none is no event."""
        del amplitude, form
        if not columns.any():
            return 0
        checks.within("pulse_row row", row, self.rows)
        number, raised = int(self.counters[PULSES]), direction == SET
        works = ~self._fails(number, row, self.part.error_set if raised else self.part.error_reset)
        level, spread = self._levels[raised]
        written = np.clip(level + ((self.z(noise.PROGRAM, number, row) * spread + 128) >> 8), 0, ONE)
        self.store(row, columns & works, written)
        self.count(row, columns, direction)
        self.counters[PULSES] += 1
        return int(columns.sum())

    def kernel_arrays(self) -> tuple[Any, ...]:
        """Its state as kernels change it: `forget` after that."""
        return self.g, self.xi, self.since_ns, self._known, self.stuck, self.sets, self.resets

    def kernel_numbers(self) -> tuple[Wide, Wide, Any, Wide]:
        """What is constant, in the places of `hybrid_kernel`: numbers of a read, of a RESET and of a SET pulse; keys
        and counters of events."""
        errors = (round(self.part.error_reset * 2**32), round(self.part.error_set * 2**32))
        levels = [(*self._levels[raised], errors[raised]) for raised in (False, True)]
        part = np.array((self.threshold, self.aging.drift, self.aging.noise), np.int64)
        return part, np.array(levels, np.int64), self._packed_keys, self.counters

    def _fails(self, number: int, row: int, error: float) -> Masks:
        """Devices [device columns] that a pulse leaves as they were."""
        if not error:
            return np.zeros(self.device_columns, np.bool_)
        key = noise.event_key(self.keys[noise.WRITE], np.array([number]), np.array([row]))
        drawn = noise.words(key, np.arange(self.device_columns))[0].astype(np.int64)
        return np.asarray(drawn < round(error * 2**32))
