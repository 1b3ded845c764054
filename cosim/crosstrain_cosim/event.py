"""What happens at the array port: finished commands, and what can go wrong with one."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.port import AMPLITUDE_BITS, Status

Mask = npt.NDArray[np.bool_]
Amplitude = int | tuple[int, ...]
"""Of a command, or of each device column where the port tells them."""


def amplitude_on_pins(design: Design, word: int) -> Amplitude:
    """What the bits of the pin say."""
    if not design.column_amplitudes:
        return word
    mask = (1 << AMPLITUDE_BITS) - 1
    return tuple(word >> AMPLITUDE_BITS * column & mask for column in range(design.array.device_columns))


def amplitude_of(given: int | npt.NDArray[np.int64]) -> Amplitude:
    """What the model gives an array, as an event has it."""
    return tuple(given.tolist()) if isinstance(given, np.ndarray) else given


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one command."""

    kind: str
    """status: ends with `status` after `after` slots or words.  lost: never completes.  late: completes `delay` cycles
    after its work.  twice: completes a second time.  stray: a completion of another tag comes before its own.
    excess: a pulse command reports more pulses than it was given.  mark: a read marks the last of its words as not the
    last, and with `after` the others as the last."""
    status: int = Status.OK
    after: int = 0
    delay: int = 0


@dataclasses.dataclass(kw_only=True)
class Event:
    """One finished command and what it did; equal in every lane."""

    op: int
    array: int
    row: int
    tag: int
    width: int
    amplitude: Amplitude
    groups: int = 0
    """Groups that a READ_ROW names, where the port has them."""
    status: int = Status.OK
    pulses: int = 0
    set_counts: tuple[int, ...] = ()
    """SET pulses fired per device column (pulse commands)."""
    reset_counts: tuple[int, ...] = ()
    slots: list[tuple[Mask, Mask, Mask]] = dataclasses.field(default_factory=list)
    """Slots of a TRAIN that were fired: rows [rows], columns and directions [device columns] (True: SET)."""
    codes: tuple[int, ...] = ()
    """Codes in, then codes out (reads)."""
    fault: str = ""
    """Kind of the fault that was applied."""
