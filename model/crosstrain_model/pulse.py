"""Pulses: turns the signed counts of one row into commands of pulse slots, and accounts for every pulse.

For a row with counts p[c] (signed, 0 <= c < columns, -max_pulses <= p <= max_pulses), in this order:

    phase SET, then phase RESET; a phase without pulses is skipped, a row without pulses gives nothing at all
    u = max(p[c], 0), d = max(-p[c], 0); pulses n[device column] of a phase, by array.pair:
        single      SET: n[c] = u                      RESET: n[c] = d
        push-pull   SET: n[2c] = u, n[2c+1] = d        RESET: n[2c] = d, n[2c+1] = u
        set-only    SET: n[2c] = u, n[2c+1] = d        no RESET
    one PROGRAM command per phase; its slot i (i = 0 .. max(n) - 1) pulses the device columns with n > i

So SET and RESET never meet in one command, let alone on one column (the phases of NeuRRAM, Wan 2022, for one row).

    width       min(max(width register, 1), pulse.width_limit)                 cycles, of every pulse of the phase
    slots       the next is offered width + guard cycles after one was taken, or later
    phases      the next command is offered width + guard cycles after the last slot was taken, or later, and not before
                the completion of the command before it; where the array holds several commands (pulse trains) it
                is offered at once, and its first slot waits that long

The ledger: issued = delivered + aborted + failed + unknown, once no command is unfinished. A command of n pulses ends
with used = min(pulses reported, n) and

    ABORTED                                                     delivered += used, aborted += n - used
    any other status                                            delivered += used, failed += n - used
    no completion: timeout, or ABORT answered without it        unknown += n
    dropped before it was offered, by an abort of the host      aborted += n
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstrain_model.design import Array, Design
from crosstrain_model.port import Status

COUNTER_BITS = 32
"""The hardware's counters wrap at 2^32, so that each is one register and one read."""
SET, RESET = 1, 0
"""Direction bits of the array port."""
PIPELINE = 6
"""Cycles, at most, from the last visit of a row to its counts at the buffer; sizes `row_buffers`."""


def row_buffers(design: Design) -> int:
    """Rows of counts that wait for the array: as many as keep rows without pulses from slowing a pass down."""
    return 2 + -(-PIPELINE // design.array.groups)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PulseSettings:
    """The registers of pulse programming.  Times in clock cycles."""

    width_set: int
    width_reset: int
    guard: int
    amplitude_set: int
    amplitude_reset: int
    width_limit: int

    @classmethod
    def of(cls, design: Design) -> PulseSettings:
        """Reset values of a design."""
        pulse = design.pulse
        return cls(
            width_set=pulse.width_set,
            width_reset=pulse.width_reset,
            guard=pulse.guard,
            amplitude_set=pulse.amplitude_set,
            amplitude_reset=pulse.amplitude_reset,
            width_limit=pulse.width_limit,
        )

    def width(self, direction: int) -> int:
        """Width of the pulses of one direction, within its bounds [cycles]."""
        return min(max(self.width_set if direction == SET else self.width_reset, 1), self.width_limit)

    def amplitude(self, direction: int) -> int:
        """Amplitude code of one direction."""
        return self.amplitude_set if direction == SET else self.amplitude_reset

    def spacing(self, direction: int) -> int:
        """Cycles from a slot that is taken to the earliest offer of the next slot or command."""
        return self.width(direction) + self.guard


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhaseCommand:
    """One PROGRAM command: the pulses of one direction on one row."""

    row: int
    direction: int
    """SET (1) or RESET (0)."""
    width: int
    amplitude: int
    counts: NDArray[np.int64]
    """[device columns] Pulses each gets, 0..max_pulses."""

    @property
    def pulses(self) -> int:
        """Device pulses of the command."""
        return int(self.counts.sum())

    @property
    def slots(self) -> NDArray[np.bool_]:
        """[slots, device columns] Which device columns each slot pulses."""
        steps = np.arange(int(self.counts.max()))
        return np.asarray(self.counts[None, :] > steps[:, None])

    @property
    def slot_masks(self) -> list[int]:
        """The slots as integers, device column 0 in the lowest bit: what `arr_slot_columns` carries."""
        return [sum(1 << int(column) for column in np.flatnonzero(slot)) for slot in self.slots]


def phase_counts(array: Array, counts: ArrayLike) -> list[tuple[int, NDArray[np.int64]]]:
    """Direction and pulses per device column of each phase that the pairing has, empty ones included.

    counts : [..., columns] signed pulse counts
    Returns a list of (SET or RESET, [..., device columns]).
    """
    p = np.asarray(counts, dtype=np.int64)
    if p.shape[-1:] != (array.columns,):
        raise ValueError(f"phase_counts.counts: last axis must be {array.columns} (array.columns), not {p.shape}")
    up, down = np.maximum(p, 0), np.maximum(-p, 0)
    if array.pair == "single":
        return [(SET, up), (RESET, down)]
    shape = (*p.shape[:-1], array.device_columns)
    phases = [(SET, np.stack([up, down], axis=-1).reshape(shape))]
    if array.pair == "push-pull":
        phases.append((RESET, np.stack([down, up], axis=-1).reshape(shape)))
    return phases


def row_commands(
    design: Design, row: int, counts: ArrayLike, settings: PulseSettings | None = None
) -> list[PhaseCommand]:
    """The commands of one row, in order.

    counts : [columns] signed pulse counts, within +-max_pulses
    settings : the registers; reset values of the design if not given
    """
    settings = settings or PulseSettings.of(design)
    limit = design.update.max_pulses
    if np.abs(np.asarray(counts)).max() > limit:
        raise ValueError(f"row_commands.counts must be -{limit}..{limit} (update.max_pulses)")
    return [
        PhaseCommand(
            row=row,
            direction=direction,
            width=settings.width(direction),
            amplitude=settings.amplitude(direction),
            counts=n,
        )
        for direction, n in phase_counts(design.array, counts)
        if n.any()
    ]


@dataclasses.dataclass(kw_only=True)
class PulseLedger:
    """Where every issued device pulse went.  Exact integers here, modulo 2^32 in hardware."""

    issued: int = 0
    delivered: int = 0
    aborted: int = 0
    failed: int = 0
    unknown: int = 0
    open: int = 0
    """Pulses of the command that is unfinished."""

    def issue(self, pulses: int) -> None:
        """A command with so many pulses is offered to the array."""
        self.issued += pulses
        self.open += pulses

    def complete(self, pulses: int, status: int, reported: int) -> None:
        """The command ended: `reported` of its `pulses` were fired, says the array."""
        used = min(reported, pulses)
        self.open -= pulses
        self.delivered += used
        if status == Status.ABORTED:
            self.aborted += pulses - used
        else:
            self.failed += pulses - used

    def lose(self, pulses: int) -> None:
        """The command was given up without a completion."""
        self.open -= pulses
        self.unknown += pulses

    def drop(self, pulses: int) -> None:
        """A command was dropped before it was offered."""
        self.issued += pulses
        self.aborted += pulses

    @property
    def balanced(self) -> bool:
        """Whether nothing was lost and nothing counted twice."""
        return self.issued == self.delivered + self.aborted + self.failed + self.unknown + self.open

    def wrapped(self) -> dict[str, int]:
        """The counters as the hardware shows them."""
        names = ("issued", "delivered", "aborted", "failed", "unknown")
        return {name: getattr(self, name) % 2**COUNTER_BITS for name in names}
