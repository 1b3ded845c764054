"""A tile whose changes come from the host as training sees it: the bit-true controller with its one-sided pairs.

input codes    signed, -(2^x - 1)..2^x - 1, for rows that take unsigned codes: a vector with negative codes is read
               twice, first its positive part, then the size of its negative part, and the result is the difference;
               vectors in order, a vector without negative codes is read once
result         plus - minus of each weight, so up to +-(2^adc - 1), or twice that
the copy       W when weights have been loaded without the controller: of every row, ascending, the sums S of
               `reads` row reads of each device:
                   W = clamp(((S_plus - S_minus) * 2^F + reads / 2) // reads, -RANGE, RANGE)
the range      of forward ADCs, tile by tile, each time the host asks for it: such that the largest exact sum of any
               device over the codes given, times `converters.adc_headroom`, is the largest code; no event of the array
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.outer_product import limits
from crosstrain_model.stream_controller import StreamController
from crosstrain_model.tile import Ints, Programmed, State
from crosstrain_model.twin.rram_tile import RramTile
from crosstrain_model.write_verify import Row

READS = 16
"""Reads of a row that make its part of the copy."""


def read_signed(array: RramTile, codes: Ints, outputs: int | None = None) -> npt.NDArray[np.int32]:
    """plus - minus [V, columns] of signed codes [V, k], k <= rows: the others are 0; the first `outputs` columns."""
    width = 2 * (array.columns if outputs is None else outputs)
    given = np.zeros((len(codes), array.rows), np.int32)
    given[:, : codes.shape[1]] = codes
    if codes.size == 0 or codes.min() >= 0:
        answers = array.forward(given, width)
        return answers[:, 0::2] - answers[:, 1::2]
    twice = (given < 0).any(axis=1)
    last = np.cumsum(1 + twice) - 1  # place of a vector's last read
    reads = np.empty((len(given) + int(twice.sum()), array.rows), np.int32)
    reads[last - twice] = np.maximum(given, 0)
    reads[last[twice]] = np.maximum(-given[twice], 0)
    answers = array.forward(reads, width)
    differences: npt.NDArray[np.int32] = answers[:, 0::2] - answers[:, 1::2]
    result: npt.NDArray[np.int32] = differences[last - twice]
    result[twice] -= differences[last[twice]]
    return result


def range_of(array: RramTile, codes: Ints) -> float | None:
    """`full_range` of the rule for signed codes [V, k]; None where every sum is 0."""
    levels = array.levels[: codes.shape[1]].astype(np.int64)
    wide = codes.astype(np.int64)
    sums = (np.maximum(sign * wide, 0) @ levels for sign in (1, -1))
    largest = max((int(part.max()) for part in sums if part.size), default=0)
    if not largest:
        return None
    formats, headroom = array.design.formats, array.design.converters.adc_headroom
    return float(headroom * largest * 2.0 ** (formats.adc - formats.x - 14) / (2**formats.adc - 1))


def read_out(array: RramTile, *, limit: int, reads: int = READS) -> npt.NDArray[np.int32]:
    """W [rows, columns] of the rule; limit: RANGE."""
    copy = np.empty((array.rows, array.columns), np.int32)
    for row in range(array.rows):
        total = sum(array.sense_row(row).astype(np.int64) for _ in range(reads))
        assert isinstance(total, np.ndarray)
        difference = (total[0::2] - total[1::2]) << array.design.formats.fraction
        copy[row] = np.clip((difference + reads // 2) // reads, -limit, limit)
    return copy


def pass_digest(controller: StreamController) -> bytes:
    """8-byte BLAKE2b over the last pass: of every programmed row its number as 4 bytes, the devices flagged and those
    given up, a bit each, and its copy afterwards, 4 bytes each; then the counters of write-verify, 8 bytes each."""
    digest = hashlib.blake2b(digest_size=8)
    for row, flagged, lost in controller.last:
        digest.update(row.to_bytes(4, "little"))
        digest.update(np.packbits(flagged).tobytes() + np.packbits(lost).tobytes())
        digest.update(controller.copy[row].astype("<i4").tobytes())
    for count in controller.verify.counts.values():
        digest.update(count.to_bytes(8, "little"))
    return digest.digest()


def clipped_changes(design: Design, changes: Ints) -> npt.NDArray[np.int32]:
    """Changes as the host sends them: clipped to the accumulator's range."""
    low, high = limits(design)
    return np.clip(changes, low, high).astype(np.int32)


class VerifiedTile:
    """The bit-true controller and the array model of one tile; the contract is `tile.StreamTile`.

    calibrated : whether the range of the ADCs was set
    """

    def __init__(self, design: Design, *, seed: int, tile: int):
        self.design = design
        self.controller = StreamController(design)
        self.array = RramTile(design, seed=seed, tile=tile)
        self.calibrated = False

    @property
    def updates(self) -> int:
        return self.controller.visits * self.design.array.lanes

    def configure(self, **registers: int) -> None:
        self.controller.configure(**registers)

    def calibrate(self, codes: Ints) -> None:
        """Sets the range of the ADCs of forward reads for vectors like these, signed codes [V, k]."""
        full_range = range_of(self.array, codes)
        if full_range is not None:
            self.array.full_range = full_range
            self.calibrated = True

    def forward(self, codes: Ints, outputs: int | None = None) -> Ints:
        return read_signed(self.array, codes, outputs)

    def read_copy(self) -> None:
        """The copy of the rule above."""
        self.controller.load(copy=read_out(self.array, limit=self.controller.limit))

    def update(self, codes: Ints) -> None:
        self.controller.update(clipped_changes(self.design, codes))

    def copy(self) -> Ints:
        return self.controller.copy.copy()

    def program(self) -> Programmed:
        return programmed(self.controller, self.array)

    def form(self, rows: range | None = None) -> int:
        """Forms rows, all of them without `rows`; how many devices were given up."""
        return sum(self.controller.form(self.array, row) for row in rows or range(self.design.array.rows))

    def state(self) -> State:
        parts = {"controller": self.controller.state(), "array": self.array.state()}
        state = {f"{part}.{name}": value for part, owned in parts.items() for name, value in owned.items()}
        return state | {"calibrated": np.array(self.calibrated)}

    def restore(self, state: State) -> None:
        for part, owner in (("controller", self.controller), ("array", self.array)):
            prefix = f"{part}."
            owner.restore({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})
        self.calibrated = bool(state_checks.flags("tile", state, "calibrated", ()))


def programmed(controller: StreamController, array: Row) -> Programmed:
    """A program pass, and what it did."""
    before = pulses_of(controller)
    controller.program(array)
    return Programmed(
        commands=len(controller.last), pulses=pulses_of(controller) - before, digest=pass_digest(controller)
    )


def pulses_of(controller: StreamController) -> int:
    """Pulses of devices so far, both directions."""
    return controller.verify.counts["sets"] + controller.verify.counts["resets"]
