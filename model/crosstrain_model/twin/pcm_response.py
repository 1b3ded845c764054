"""The response of multi-level phase-change devices: to SET pulses, to time, and to programming anew.

All of it is done to arrays of the twin, by their own pulses and their own time; nothing here knows their rules.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin.pcm import NOMINAL
from crosstrain_model.twin.pcm_drift import ONE, SECOND
from crosstrain_model.twin.pcm_tile import PcmTile

Reals = npt.NDArray[np.float64]

DAY, YEAR = 86400 * SECOND, 365 * 86400 * SECOND
"""[ns]"""
AGES_NS = np.unique([*np.rint(np.geomspace(SECOND, YEAR, 46)).astype(np.int64), 20 * SECOND, DAY])
"""From a second to a year, evenly on a logarithmic axis; where drift begins, and a day."""
LEVELS = np.arange(0, 21) * ONE // 20
"""Levels that devices are programmed anew to, unit 2^-20 of G_max."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PcmResponse:
    """Conductances in units of G_max."""

    amplitude: int
    """Code of the SET pulses."""
    trace: Reals
    """After a RESET, and after each blind SET pulse that follows it [1 + pulses, devices]."""
    levels: Reals
    """What devices are programmed anew to [levels]."""
    aged: Reals
    """What they are at each of the ages, without the noise of a read [levels, ages, devices]."""

    @property
    def errors(self) -> Reals:
        """What programming anew leaves of an error [levels, devices]: none has drifted at the first of the ages."""
        missed: Reals = self.aged[:, 0] - self.levels[:, None]
        return missed

    def level(self, level: float) -> Reals:
        """What devices of the level that is closest are at each of the ages [ages, devices]."""
        found: Reals = self.aged[np.abs(self.levels - level).argmin()]
        return found

    def after(self, level: float, age_ns: int) -> Reals:
        """The same at the age that is closest [devices]."""
        found: Reals = self.level(level)[np.abs(AGES_NS - age_ns).argmin()]
        return found


def pcm_response(design: Design, devices: int, pulses: int) -> PcmResponse:
    """`devices` devices of pairs of the design take a RESET and `pulses` SET pulses of the design's amplitude, all on
    one row that stays open; others, a row for each level, are programmed anew and left for a year."""
    amplitude = design.pulse.amplitude_set
    return PcmResponse(
        amplitude=amplitude,
        trace=_blind(PcmTile(one_lane(design, 1, devices)), pulses, amplitude) / ONE,
        levels=LEVELS / ONE,
        aged=_left(PcmTile(one_lane(design, len(LEVELS), devices))) / ONE,
    )


def one_lane(design: Design, rows: int, columns: int) -> Design:
    """The design with an array of another size."""
    return dataclasses.replace(design, array=dataclasses.replace(design.array, rows=rows, columns=columns, lanes=1))


def _first(tile: PcmTile) -> npt.NDArray[np.bool_]:
    """One device of every pair [device columns]."""
    return np.asarray(np.arange(tile.device_columns) % 2 == 0)


def _blind(tile: PcmTile, pulses: int, amplitude: int) -> npt.NDArray[np.int64]:
    picked = _first(tile)
    tile.pulse_row(0, picked, direction=RESET, amplitude=NOMINAL)
    trace = [tile.g[0, picked].copy()]
    for _ in range(pulses):
        tile.pulse_row(0, picked, direction=SET, amplitude=amplitude)
        trace.append(tile.g[0, picked].copy())
    return np.stack(trace)


def _left(tile: PcmTile) -> npt.NDArray[np.int64]:
    """Every row RESET, brought to its level as by pulses that end there, and left: time closes it."""
    picked = _first(tile)
    for row, level in enumerate(LEVELS):
        tile.pulse_row(row, picked, direction=RESET, amplitude=NOMINAL)
        tile.store(row, picked, np.full(tile.device_columns, level))
    aged = []
    for age in AGES_NS:
        tile.now_ns = int(age)
        aged.append(tile.seen()[0][:, picked])
    return np.stack(aged, axis=1)
