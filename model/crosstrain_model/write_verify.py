"""Write-verify: brings the flagged devices of one row to their targets by incremental pulses with reads between.

Per row, with targets t[device column] of the flagged devices, BASE units of `weight_copy`, k = READS_LOG2, F =
`formats.fraction`, and S the sum of 2^k codes of one device:

    below   S * 2^F < (t - WINDOW) * 2^k
    above   S * 2^F > (t + WINDOW) * 2^k                          neither: the device passes, and is flagged no more
    enough  S * 2^F >= (t + max(SET_MARGIN, -WINDOW)) * 2^k

    1  read the groups with flagged devices, 2^k times; judge them: below, above or passed
    2  up to CYCLES times, while devices are flagged:
         SET train     mask = flagged devices that are below;  none if SET_START is beyond SET_STOP
                       while the mask is not empty:
                           one SET pulse of amplitude a on the mask                    (PROGRAM, one slot)
                           read the groups of the mask, 2^k times                      (READ_ROW with `arr_cmd_groups`)
                           devices of the mask that have enough leave it and are judged
                           devices whose next amplitude is beyond SET_STOP leave it, and stay below
         RESET train   mask = flagged devices that are above
                       the same with RESET pulses and numbers; devices that are not above leave the mask and are judged
    3  what is still flagged is given up, and counted

The amplitude a, by `verify.amplitude`:

    common   a = SET_START when a train begins, a + SET_STEP after each of its pulses.  One for all: the devices that
             are left in the mask leave it together, and the train is over.
    column   every device has an a for SET and one for RESET: SET_START, RESET_START when its row begins; after each of
             its pulses a + SET_STEP if it stays in the mask, max(a - SET_STEP, SET_START) if it leaves it.  So a later
             train begins one step below the last pulse of the device, and does not climb the ramp again.  A command
             tells the amplitude of each device column, 0 where there is no pulse.

So each device leaves the mask when it is done; one that was reset too far is below, and waits for the next SET train.
All flagged devices of a row start together, so that the cycles of a row are those of each of its devices.  Only devices
of the mask are judged, others keep what they are.

A read that fails (status neither OK nor SATURATED, or words missing) gives up what is flagged, at once.  A pulse that
fails counts as such (`pulse`); the read behind it tells what came of it.  An abort of the host gives up what is flagged
and drops the rows that wait; so W is ahead of the array there.

Forming a row (frame FORM): every device of the row is flagged, its target FORM_LEVEL; one FORM train instead of the
cycles: amplitude FORM_START, FORM_STEP, FORM_STOP, pulses of FORM_WIDTH, command FORM, direction SET; a device with
S * 2^F >= FORM_LEVEL * 2^k passes, also in the first read.  What does not pass is given up.  In one train all devices
have the same amplitude, told per column where amplitudes are.

Every device has a count of pulses that saturates at 2^cell_bits - 1.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.pulse import RESET, SET

Masks = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]
Amplitude = int | Int64
"""Of a pulse: one for all devices, or [device columns] with 0 where there is no pulse."""

COUNTERS = ("rows", "sets", "resets", "passed", "gave_up", "reads")
"""rows programmed or formed, SET (and forming) and RESET pulses of devices asked for, devices passed and given up, row
reads."""


class Row(Protocol):
    """What write-verify asks of an array."""

    def sense_row(self, row: int, groups: Masks) -> npt.NDArray[np.int32] | None:
        """Codes [device columns] of a one-hot read in which only `groups` [groups] convert, others are 0; None: it
        failed."""

    def pulse_row(
        self, row: int, columns: Masks, *, direction: int, amplitude: Amplitude, form: bool = False
    ) -> object:
        """One pulse on the devices `columns` [device columns] of a row."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """The registers."""

    window: int
    set_margin: int
    set_start: int
    set_step: int
    set_stop: int
    reset_start: int
    reset_step: int
    reset_stop: int
    reads_log2: int
    cycles: int
    form_start: int
    form_step: int
    form_stop: int
    form_level: int

    @classmethod
    def of(cls, design: Design) -> VerifySettings:
        """Their reset values."""
        return cls(**{field.name: getattr(design.verify, field.name) for field in dataclasses.fields(cls)})


class WriteVerify:
    """The state machine of one tile; `cells` [rows, device columns] counts pulses, empty without cell_bits."""

    def __init__(self, design: Design):
        self.design, self.settings = design, VerifySettings.of(design)
        array = design.array
        shape = (array.rows, array.device_columns) if design.verify.cell_bits else (0, 0)
        self.cells: npt.NDArray[np.int64] = np.zeros(shape, np.int64)
        self.counts = dict.fromkeys(COUNTERS, 0)
        group = np.arange(array.device_columns) // (2 * array.lanes)
        self._of_group: Masks = group[None, :] == np.arange(array.groups)[:, None]

    def program(self, array: Row, row: int, flagged: Masks, targets: Int64) -> Masks:
        """Steps 1 to 3 for a row: flagged and targets [device columns]; the devices that were given up."""
        self._begin(array, row, flagged, targets)
        s = self.settings
        low, high = targets - s.window, targets + s.window
        for cycle in range(s.cycles + 1):
            if cycle == 0:
                self._judge(flagged, low, high)
            else:
                enough = targets + max(s.set_margin, -s.window)
                self._train(SET, (s.set_start, s.set_step, s.set_stop), enough, low, high)
                self._train(RESET, (s.reset_start, s.reset_step, s.reset_stop), high, low, high)
            if not self._left.any():
                break
        return self._end()

    def form(self, array: Row, row: int) -> Masks:
        """Forms a row; the devices that were given up."""
        every = np.ones(self.design.array.device_columns, np.bool_)
        level = np.full(every.shape, self.settings.form_level, np.int64)
        self._begin(array, row, every, level)
        no_limit = np.full(every.shape, np.iinfo(np.int64).max >> 8)
        self._judge(every, level, no_limit)
        s = self.settings
        self._train(SET, (s.form_start, s.form_step, s.form_stop), level, level, no_limit, form=True)
        return self._end()

    def _begin(self, array: Row, row: int, flagged: Masks, targets: Int64) -> None:
        self._array, self._row = array, row
        self._left = flagged.copy()
        self._below, self._above = np.zeros_like(flagged), np.zeros_like(flagged)
        self._amplitudes: dict[int, Int64] = {}
        self._value = np.zeros(targets.shape, np.int64)
        self._sense(flagged)
        self.counts["rows"] += 1

    def _end(self) -> Masks:
        self.counts["gave_up"] += int(self._lost.sum() + self._left.sum())
        return self._left | self._lost

    def _sense(self, mask: Masks) -> bool:
        """The sums of the groups of the mask, times 2^F / 2^k of the rule kept whole; False: the row is given up."""
        groups: Masks = np.asarray((self._of_group & mask).any(axis=1))
        columns: Masks = np.asarray(self._of_group[groups].any(axis=0))
        total = np.zeros(mask.shape, np.int64)
        self._lost = np.zeros_like(mask)
        for _ in range(1 << self.settings.reads_log2):
            codes = self._array.sense_row(self._row, groups)
            self.counts["reads"] += 1
            if codes is None:
                self._lost, self._left = self._left, np.zeros_like(mask)
                return False
            total += codes
        self._value[columns] = total[columns] << self.design.formats.fraction
        return True

    def _judge(self, who: Masks, low: Int64, high: Int64) -> None:
        k = self.settings.reads_log2
        below, above = self._value < (low << k), self._value > (high << k)
        who = who & self._left
        self._below = np.where(who, below, self._below)
        self._above = np.where(who, above, self._above)
        passed = who & ~below & ~above
        self._left &= ~passed
        self.counts["passed"] += int(passed.sum())

    def _train(
        self, direction: int, ramp: tuple[int, int, int], stop: Int64, low: Int64, high: Int64, *, form: bool = False
    ) -> None:
        """A SET, RESET or FORM train; stop [device columns]: where a device leaves the mask."""
        start, step, last = ramp
        k, by_column = self.settings.reads_log2, self.design.column_amplitudes
        amplitude = np.full(stop.shape, start, np.int64)
        if by_column:
            amplitude = self._amplitudes.setdefault(direction, amplitude)
        mask = self._left & (self._below if direction == SET else self._above) & (start <= last)
        while mask.any():
            given = np.where(mask, amplitude, 0) if by_column else int(amplitude[mask][0])
            self._array.pulse_row(self._row, mask, direction=direction, amplitude=given, form=form)
            self.counts["sets" if direction == SET else "resets"] += int(mask.sum())
            if self.cells.size:
                top = (1 << self.design.verify.cell_bits) - 1
                self.cells[self._row] = np.minimum(self.cells[self._row] + mask, top)
            if not self._sense(mask):
                return
            done = mask & ((self._value >= (stop << k)) if direction == SET else (self._value <= (stop << k)))
            self._judge(done, low, high)
            stays = mask & ~done & (amplitude + step <= last)
            amplitude[stays] += step
            leaves = mask & ~stays
            amplitude[leaves] = np.maximum(amplitude[leaves] - step, start)
            mask = stays
