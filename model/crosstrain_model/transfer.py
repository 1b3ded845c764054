"""Transfer: a row of the gradient array A was read; its codes go into H, and whole thresholds out to the weights.

State per cell: H (W = `formats.accumulator` bits, signed, unit 2^-F codes of the ADC, F = `formats.fraction`), and with
a dynamic reference P_ref and P (`reference.py`). A read of row r comes with its token (`sweep.py`: row, sign, columns,
flip, warm) and one code omega[c] per column. Per group of lanes, ascending, one group per cycle, in this order:

    o      = omega << F
    z      = o - P_ref, or o; negated where sign ^ columns[c]     `reference.py`; R + 1 bits, R = adc + F
    sum    = H + z                                                exact
    H      = clamp(sum, -2^(W-1), 2^(W-1) - 1)                    sum - H goes to the ledger, the cell is counted
    p, H   = threshold of H                                       `threshold.py`: theta, max_pulses, keep or clear
    p      = 0    where warm                                      what the hit took from H is cleared, not programmed
    P, P_ref                                                      `reference.py`, with o and flip
    counts p go to `pulse`: row r of W, SET where p > 0

This is the order of Rasch et al. 2024: the sign and P_ref in force are those of before the flip, P takes o without the
sign, P_ref takes the new P. There is no multiplier: the paper's H += lambda_H z with threshold 1 is H += z with

    theta  = round(2^F / lambda_H)                                lambda_H per ADC code; `theta_of`

A read that ends without all its words, or with a status other than OK or SATURATED, is dropped whole: nothing above
happens, its token is used up, lost_reads counts it. A flip that it was to bring has happened in the sweep all the
same; P_ref then stays as it was until the row's next flip. Codes at either end of the ADC's range count as clipped.

Two visits of one row act one after the other, however close they follow. theta and leak change between visits only and
rescale nothing. Ledger, per cell and modulo 2^64:

    initial + inputs = programmed + cleared + clipped + held

inputs: z. programmed: p * theta of the counts that went out, theta at issue. cleared: what clears, host writes and the
remainder rule took from H, and what hits of the warm-up took. clipped: sum - H at the clamp, signed. held: H.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crosstrain_model import reference, state_checks, threshold
from crosstrain_model.accumulator import Ledger, accumulate
from crosstrain_model.design import Design
from crosstrain_model.registers_gradient import MEMORIES
from crosstrain_model.section import refuse

COUNTERS = ("visits", "clipped", "adc_clipped", "lost_reads")


class TokenLike(Protocol):
    """What a visit takes from `sweep.Token`."""

    @property
    def row(self) -> int: ...
    @property
    def sign(self) -> bool: ...
    @property
    def columns(self) -> npt.NDArray[np.bool_] | None: ...
    @property
    def flip(self) -> bool: ...
    @property
    def warm(self) -> bool: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferSettings:
    """The registers of transfers."""

    theta: int
    """In units of H, also where the register holds its logarithm; 1 .. 2^(W-1) - 1."""
    leak: int
    """beta of P is 2^-leak, 0 .. 7; of no effect without P."""

    @classmethod
    def of(cls, design: Design) -> TransferSettings:
        """Reset values of a design."""
        return cls(theta=design.update.threshold, leak=design.transfer.leak_log2)


def theta_of(design: Design, rate: float) -> int:
    """theta for a learning rate lambda_H per ADC code: round(2^F / lambda_H), halves up, or the nearest power of two.

    Refused where H can not hold it.
    """
    if not rate > 0:
        raise refuse("lambda_H", rate, "must be more than 0")
    formats = design.formats
    wanted = 2.0**formats.fraction / rate
    limit = threshold.theta_limit(design)
    if wanted >= limit + 0.5:
        asked = f"this rate (lambda_H = {rate:.4g}) asks for theta = {wanted:.0f}, and H holds {limit} at most"
        mend = "raise formats.accumulator or the rate"
        if formats.fraction > 4:
            mend = f"lower formats.fraction = {formats.fraction} (presets have 4), or {mend}"
        raise refuse("formats.accumulator", formats.accumulator, f"{asked}: {mend}")
    if wanted < 0.5:
        asked = f"this rate (lambda_H = {rate:.4g}) asks for theta = {wanted:.3g}, less than 1"
        raise refuse("formats.fraction", formats.fraction, f"{asked}: raise it, or lower the rate")
    if design.update.threshold_power_of_two:
        return int(min(1 << max(0, round(float(np.log2(wanted)))), 1 << (limit.bit_length() - 1)))
    return int(np.floor(wanted + 0.5))


def advice(design: Design) -> str:
    """One line about reset values with which row transfers cannot work as meant; empty where there is nothing to say.

    H must hold more than one row read at full scale, or it clamps at once; theta must be more than one ADC code, or
    every read that is not zero is a hit.
    """
    if not design.transfers:
        return ""
    formats, said = design.formats, []
    codes = 2.0 ** (formats.accumulator - 1 - formats.fraction)
    if codes < 2 ** (formats.adc - 1):
        said.append(f"H holds {codes:g} ADC codes, and a row read has up to {2 ** (formats.adc - 1)}")
    if design.update.threshold <= 2**formats.fraction:
        theta = design.update.threshold / 2**formats.fraction
        said.append(f"theta is {theta:.4g} ADC codes, so that any read is a hit")
    if not said:
        return ""
    fields = (
        f"formats.accumulator = {formats.accumulator}, formats.fraction = {formats.fraction}, "
        f"update.threshold = {design.update.threshold}"
    )
    name = design.scheme if design.scheme in ("ttv2", "c-ttv2", "agad") else "agad"
    return f"{'; '.join(said)} ({fields}): `crosstrain presets {name}-64` has values that work"


class TransferState:
    """Memories and counters of one tile."""

    def __init__(self, design: Design):
        shape = design.array.rows, design.array.columns
        self.design = design
        self.h = np.zeros(shape, np.int32)
        """[rows, columns] H."""
        self.p: npt.NDArray[np.int32] | None = np.zeros(shape, np.int32) if reference.has_mean(design) else None
        """[rows, columns] P; None where there is none."""
        self.p_ref: npt.NDArray[np.int32] | None = np.zeros(shape, np.int32) if design.dynamic_reference else None
        """[rows, columns] P_ref; None where there is none."""
        self.visits = 0
        """Groups visited, unbounded; the hardware counts modulo 2^32, as all of these."""
        self.clipped = 0
        """Cells whose H was clamped."""
        self.adc_clipped = 0
        """Codes at an end of the ADC's range."""
        self.lost_reads = 0
        """Reads dropped whole."""

    def lose(self) -> None:
        """A read failed: its row is not visited."""
        self.lost_reads += 1

    def clear(self, ledger: Ledger | None = None) -> None:
        """All memories 0; the counters stay."""
        if ledger is not None:
            ledger.written(slice(None), self.h, np.zeros_like(self.h))
        for memory in self.memories().values():
            memory[:] = 0

    def memories(self) -> dict[str, npt.NDArray[np.int32]]:
        """The memories that there are, by their name in `registers_gradient.MEMORIES`."""
        found = zip(MEMORIES, (self.h, self.p, self.p_ref), strict=True)
        return {name: memory for name, memory in found if memory is not None}

    def read(self, select: int, row: int, column: int) -> int:
        """A cell as the host reads it; a memory that is not there reads 0."""
        memory = self.memories().get(MEMORIES[select])
        return 0 if memory is None else int(memory[row, column])

    def write(self, select: int, row: int, column: int, value: int, ledger: Ledger | None = None) -> None:
        """The host writes a cell: the low bits of `value` that it has; lost where there is no such memory."""
        memory = self.memories().get(MEMORIES[select])
        if memory is None:
            return
        half = 1 << (self._bits(MEMORIES[select]) - 1)
        kept = ((value + half) & (2 * half - 1)) - half
        if ledger is not None and select == 0:
            ledger.written((row, column), memory[row, column], kept)
        memory[row, column] = kept

    def counters(self) -> dict[str, int]:
        """Every counter by its name."""
        return {name: getattr(self, name) for name in COUNTERS}

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that the future depends on, and the counters, as arrays."""
        counts = np.array([getattr(self, name) for name in COUNTERS], np.int64)
        return {"transfer": counts, **{name.lower(): memory.copy() for name, memory in self.memories().items()}}

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()` of an equal design."""
        where = "TransferState.restore"
        counts = state_checks.counters(where, state, "transfer", COUNTERS)
        taken = {
            name: state_checks.signed(where, state, name.lower(), memory.shape, self._bits(name))
            for name, memory in self.memories().items()
        }
        for name, memory in self.memories().items():
            memory[:] = taken[name]
        for name, count in counts.items():
            setattr(self, name, count)

    def _bits(self, memory: str) -> int:
        """Bits of a word of a memory."""
        return self.design.formats.accumulator if memory == MEMORIES[0] else reference.reference_bits(self.design)


def visit_row(
    design: Design,
    settings: TransferSettings,
    state: TransferState,
    token: TokenLike,
    codes: npt.ArrayLike,
    ledger: Ledger | None = None,
) -> npt.NDArray[np.int8]:
    """Visit the row of a read that ended well; returns its pulse counts [columns].

    codes : [columns] ADC codes.  State and ledger change in place.
    """
    row = token.row
    omega = np.asarray(codes, np.int64)
    half = 1 << (design.formats.adc - 1)
    if omega.shape != (design.array.columns,):
        raise ValueError(f"visit_row.codes has shape {omega.shape}: must be ({design.array.columns},) (array.columns)")
    if omega.min() < -half or omega.max() >= half:
        raise ValueError(f"visit_row.codes must be {-half}..{half - 1} (formats.adc)")
    o = reference.read_out(design, omega)
    negative = token.sign if token.columns is None else token.sign ^ token.columns
    z = reference.demodulated(o, None if state.p_ref is None else state.p_ref[row], negative)
    before, clipped = accumulate(design, state.h[row], z)
    p, after, _ = threshold.compare(design, before, settings.theta)
    if token.warm:
        p = np.zeros_like(p)
    state.h[row] = after
    if state.p_ref is not None:
        newest = o
        if state.p is not None:
            newest = reference.leaked(design, state.p[row], o, settings.leak)
            state.p[row] = newest
        if token.flip:
            state.p_ref[row] = newest
    state.visits += design.array.groups
    state.clipped += int(np.count_nonzero(clipped))
    state.adc_clipped += int(np.count_nonzero((omega == -half) | (omega == half - 1)))
    if ledger is not None:
        ledger.inputs[row] += z
        ledger.clipped[row] += clipped
        ledger.compared(row, before, p, settings.theta, after)
    return p.astype(np.int8)
