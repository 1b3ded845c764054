"""The response of binary phase-change devices: what pulses write, what time leaves of it, and how often bits are wrong.

All of it is done to arrays of the twin, by their own pulses, time and reads.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.errors import UserError
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.pcm_array import Masks
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_drift import ONE
from crosstrain_model.twin.pcm_response import AGES_NS, YEAR, Reals, one_lane

ROWS = 64
"""Of the array whose errors are counted; a row has about a thousand devices."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BitResponse:
    """Conductances in units of G_max, of devices that are not stuck."""

    threshold: float
    """Reads give 1 above it."""
    stuck: int
    """Devices that were left out."""
    rising: Masks
    """Whether a pulse was a SET [pulses]."""
    trace: Reals
    """Before the first pulse and after each [1 + pulses, devices]."""
    aged: Reals
    """After a RESET, and after a SET: at each of `AGES_NS`, without the noise of a read [2, ages, devices]."""


def bit_response(design: Design, devices: int, pulses: int) -> BitResponse:
    """`devices` devices of an array L take `pulses` SET and as many RESET pulses in turn; then they are left for a
    year, and once more after a last SET.  Raises `UserError` where all are stuck."""
    array = PcmBinaryArray(one_lane(design, 1, -(-devices // design.hybrid.bits)))
    picked = np.arange(array.device_columns) < devices
    free = picked & (array.stuck[0] == 0)
    if not free.any():
        raise UserError(f"--array L: all of {devices} devices are stuck (binary_pcm.stuck_low, binary_pcm.stuck_high)")
    rising = np.arange(2 * pulses) % 2 == 0
    trace = [array.g[0, free].copy()]
    for up in rising:
        array.pulse_row(0, picked, direction=SET if up else RESET)
        trace.append(array.g[0, free].copy())
    zeros = _aged(array, free)
    array.pulse_row(0, picked, direction=SET)
    return BitResponse(
        threshold=array.threshold / ONE,
        stuck=devices - int(free.sum()),
        rising=rising,
        trace=np.stack(trace) / ONE,
        aged=np.stack([zeros, _aged(array, free)]) / ONE,
    )


def _aged(array: PcmBinaryArray, picked: Masks) -> npt.NDArray[np.int64]:
    """What devices of its row are at each of the ages from now on [ages, devices]."""
    start, aged = array.now_ns, []
    for age in AGES_NS:
        array.now_ns = start + int(age)
        aged.append(array.drifted(0)[picked])
    return np.stack(aged)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BitErrors:
    """Parts of the devices of L that are read wrong."""

    devices: int
    after_set: float
    """Read 0 after a SET pulse."""
    after_reset: float
    """Still read 1 after a RESET pulse, of those that had become 1."""
    ones_lost: float
    """Of ones that were read right, read 0 after a year."""
    zeros_lost: float
    """Of zeros that were read right, read 1 after a year."""


def bit_errors(design: Design) -> BitErrors:
    """All devices of an array L take a SET and a RESET pulse, wait for a year, take a SET pulse, and wait again."""
    array = PcmBinaryArray(one_lane(design, ROWS, -(-1000 // design.hybrid.bits)))
    every, rows = np.ones(array.device_columns, np.bool_), range(array.rows)

    def read() -> Masks:
        return np.asarray(np.stack([array.sense_row(row) for row in rows]) == 1)

    def written(direction: int) -> Masks:
        for row in rows:
            array.pulse_row(row, every, direction=direction)
        return read()

    ones = written(SET)
    stayed = _part(written(RESET), ones)
    zeros = ~read()
    array.now_ns += YEAR
    zeros_lost = _part(read(), zeros)
    ones_again = written(SET)
    array.now_ns += YEAR
    return BitErrors(
        devices=ones.size,
        after_set=_part(~ones, np.ones_like(ones)),
        after_reset=stayed,
        ones_lost=_part(~read(), ones_again),
        zeros_lost=zeros_lost,
    )


def _part(wrong: Masks, of: Masks) -> float:
    """The part of the devices `of` that are `wrong`; 0 where there are none."""
    return float((wrong & of).sum() / max(int(of.sum()), 1))
