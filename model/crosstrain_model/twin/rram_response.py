"""The response of one-sided devices to the ramps of write-verify, and what is left when they have relaxed."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.rram import ONE
from crosstrain_model.twin.rram_tile import RramTile

Reals = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RampResponse:
    """Conductances in units of the largest."""

    amplitudes: npt.NDArray[np.int64]
    """Codes [pulses]."""
    rising: npt.NDArray[np.bool_]
    """Whether a pulse was a SET [pulses]."""
    trace: Reals
    """Before the first pulse and after each [1 + pulses, devices]."""
    thresholds: tuple[Reals, Reals]
    """Amplitude codes whose SET plateau is the bottom, whose RESET plateau is the top [devices]."""
    relaxed: Reals
    """How far devices at the middle of the range move when their row is left [devices]."""


def ramp(start: int, step: int, stop: int, pulses: int | None) -> npt.NDArray[np.int64]:
    """Amplitudes of a train: those of write-verify, or `pulses` of them, the last one repeated."""
    whole = np.arange(start, stop + 1, step)
    return whole if pulses is None else whole[np.minimum(np.arange(pulses), len(whole) - 1)]


def ramp_response(design: Design, devices: int, pulses: int | None = None, *, seed: int | None = None) -> RampResponse:
    """`devices` devices of the design's array start at the bottom, take a whole SET train, then a whole RESET train.

    pulses : of each train; None: as many as the registers of write-verify allow
    """
    alone = dataclasses.replace(design, array=dataclasses.replace(design.array, rows=1, columns=devices, lanes=1))
    part, tile = design.verify, RramTile(alone, seed=seed)
    trains = (
        (SET, ramp(part.set_start, part.set_step, part.set_stop, pulses)),
        (RESET, ramp(part.reset_start, part.reset_step, part.reset_stop, pulses)),
    )
    picked = np.arange(tile.device_columns) % 2 == 0  # one device of every pair
    trace = [tile.g[0, picked].copy()]
    for direction, amplitudes in trains:
        for amplitude in amplitudes:
            tile.pulse_row(0, picked, direction=direction, amplitude=int(amplitude))
            trace.append(tile.g[0, picked].copy())
    lengths = [len(amplitudes) for _, amplitudes in trains]
    thresholds = (tile.devices.threshold_set, tile.devices.threshold_reset)
    return RampResponse(
        amplitudes=np.concatenate([amplitudes for _, amplitudes in trains]),
        rising=np.repeat([True, False], lengths),
        trace=np.stack(trace) / ONE,
        thresholds=(thresholds[0][0, picked].astype(np.float64), thresholds[1][0, picked].astype(np.float64)),
        relaxed=_relaxed(alone, seed)[picked],
    )


def _relaxed(design: Design, seed: int | None) -> Reals:
    """What a row at the middle of the range moves by once it is left."""
    tile = RramTile(dataclasses.replace(design, array=dataclasses.replace(design.array, rows=2)), seed=seed)
    middle = (int(tile.devices.low) + ONE) // 2
    tile.g[0] = middle
    tile.begin_row(0)
    tile.end_row(0, np.ones(tile.device_columns, np.bool_))
    tile.begin_row(1)
    moved: Reals = (tile.g[0] - middle) / ONE
    return moved
