"""Refresh of differential pairs: where blind SET pulses have filled a device, the pair is programmed anew to w.

One row, which nothing else comes between on that array; k = READS_LOG2 of `write_verify`, F = `formats.fraction`:

    read      the row, 2^k times: sums S+ and S- of every pair
    due       pairs with S+ > G_sat * 2^k or S- > G_sat * 2^k;  if there are none, the row is done
    reset     one RESET pulse on both devices of the pairs that are due
    program   w = S+ - S-;  by write-verify, within the window of
                  (|w| * 2^F) >> k     G+ where w > 0, else G-
                  0                    the other device
A read that fails before the RESET leaves the row as it is: nothing is lost, and the next refresh comes to it again.
One that fails behind it gives the devices up, which is counted and told (`write_verify`): their weights are lost.

Which rows, and when:

    batch     (frame PROGRAM) since = since + 1;  if N_ref > 0 and since >= N_ref: since = 0, all rows are due
    next      the first row from `place` on that is due, cyclic; it is due no more, and place is the row behind it

So a row that becomes due is refreshed after at most rows - 1 others, also where refreshes come faster than they end.

Source: Joshi et al. 2021, reconstructed: G_sat and what a failure costs are ours.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.pulse import RESET, PulseSettings
from crosstrain_model.write_verify import Row, WriteVerify
from crosstrain_model.write_verify_batch import program_row

Int64 = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]
SINCE_LIMIT = 2**16 - 1
"""Where the count of batches stops."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refreshed:
    """What came of a row."""

    row: int
    failed: bool
    """Whether a read before the RESET failed; the row is as it was."""
    pairs: Masks
    """[columns] Pairs that were programmed anew."""
    lost: Masks
    """[device columns] Devices that were given up."""


def refresh_row(
    verify: WriteVerify, array: Row, row: int, saturation: int, settings: PulseSettings | None = None
) -> Refreshed:
    """The rule for one row; saturation: G_sat in ADC codes of a row read; settings: the registers of pulses, reset
    values of the design if not given."""
    design, k = verify.design, verify.settings.reads_log2
    every = np.ones(design.array.groups, np.bool_)
    none, no_devices = np.zeros(design.array.columns, np.bool_), np.zeros(design.array.device_columns, np.bool_)
    sums = np.zeros(design.array.device_columns, np.int64)
    for _ in range(1 << k):
        codes = array.sense_row(row, every)
        if codes is None:
            return Refreshed(row=row, failed=True, pairs=none, lost=no_devices)
        sums += codes
    plus, minus = sums[0::2], sums[1::2]
    pairs = np.maximum(plus, minus) > saturation << k
    if not pairs.any():
        return Refreshed(row=row, failed=False, pairs=none, lost=no_devices)
    devices = np.repeat(pairs, 2)
    amplitude = (settings or PulseSettings.of(design)).amplitude_reset
    array.pulse_row(row, devices, direction=RESET, amplitude=amplitude)
    w = plus - minus
    wanted = np.stack((np.maximum(w, 0), np.maximum(-w, 0)), axis=-1).reshape(-1)
    targets = np.where(devices, (wanted << design.formats.fraction) >> k, 0)
    lost = program_row(verify, array, row, devices, targets)
    return Refreshed(row=row, failed=False, pairs=pairs, lost=lost)


class RefreshQueue:
    """Which rows are due, of one tile.

    due : bool [rows]
    place : the row from which the next one is looked for
    since : batches since the rows became due last
    """

    def __init__(self, rows: int):
        self.due: Masks = np.zeros(rows, np.bool_)
        self.place = self.since = 0

    def batch(self, every: int) -> None:
        """The end of a batch; every: N_ref, 0: no refresh."""
        self.since = min(self.since + 1, SINCE_LIMIT)
        if 0 < every <= self.since:
            self.since = 0
            self.due[:] = True

    def next_row(self) -> int | None:
        """The row that is refreshed now; None: none is due."""
        behind = self.due[self.place :]
        row = self.place + int(behind.argmax()) if behind.any() else int(self.due.argmax())
        if not self.due[row]:
            return None
        self.due[row] = False
        self.place = (row + 1) % len(self.due)
        return row

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All of it; copies."""
        return {"due": self.due.copy(), "refresh": np.array([self.place, self.since], np.int64)}

    def restore(self, where: str, state: dict[str, npt.NDArray[Any]]) -> None:
        """Continues from `state()`."""
        due = state_checks.flags(where, state, "due", self.due.shape)
        bounds = {"place": (0, len(due) - 1), "since": (0, SINCE_LIMIT)}
        numbers = state_checks.numbers(where, state, "refresh", bounds)
        self.due[:], self.place, self.since = due, numbers["place"], numbers["since"]
