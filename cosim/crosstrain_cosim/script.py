"""Scripts for the C++ host of `native/bulk.h`: what to do on the buses, as an array of 32-bit words."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt


class Code(enum.IntEnum):
    """First word of an instruction; `enum Code` of bulk.h."""

    END = 0
    WRITE = 1
    READ = 2
    FRAME = 3
    WAIT = 4
    POLL = 5
    RESULTS = 6
    RESET = 7
    RAILS = 8
    IRQ = 9


def user_word(op: int, *, exponent: int = 0, tag: int = 0, row: int = 0) -> int:
    """TUSER of a frame: row, tag, exponent and operation."""
    return (row & 0xFFF) << 20 | (tag & 0xFF) << 12 | (exponent & 0xFF) << 4 | op & 0xF


class Script:
    """Builds one script; every method adds an instruction and returns the script."""

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[np.uint32]] = []

    def _add(self, *words: int) -> Script:
        self._parts.append(np.array([word & 0xFFFFFFFF for word in words], dtype=np.uint32))
        return self

    def _limit(self, cycles: int) -> int:
        """A number of cycles, which must fit a word."""
        if not 0 <= cycles < 1 << 32:
            raise ValueError(f"Script: {cycles} cycles: must be 0..2^32-1")
        return cycles

    def reset(self, cycles: int = 4) -> Script:
        """Hold reset."""
        return self._add(Code.RESET, cycles)

    def write(self, address: int, data: int) -> Script:
        """Register write; answers its response."""
        return self._add(Code.WRITE, address, data)

    def read(self, address: int) -> Script:
        """Register read; answers data and response."""
        return self._add(Code.READ, address)

    def poll(self, address: int, mask: int, value: int, limit: int) -> Script:
        """Read until (data & mask) == value, at most `limit` cycles; answers the last data and response."""
        return self._add(Code.POLL, address, mask, value, self._limit(limit))

    def wait(self, cycles: int) -> Script:
        """Let time pass."""
        return self._add(Code.WAIT, self._limit(cycles))

    def rails(self, good: bool) -> Script:
        """Drive arr_rails_ok."""
        return self._add(Code.RAILS, int(good))

    def irq(self, level: bool, limit: int) -> Script:
        """Wait until irq has that level."""
        return self._add(Code.IRQ, int(level), self._limit(limit))

    def results(self, count: int, limit: int) -> Script:
        """Wait until `count` result frames have come since they were last taken."""
        return self._add(Code.RESULTS, count, self._limit(limit))

    def frame(self, user: int, codes: npt.ArrayLike) -> Script:
        """One stream frame."""
        values = np.asarray(codes, dtype=np.int32).ravel()
        self._add(Code.FRAME, user, values.size)
        self._parts.append(values.view(np.uint32))
        return self

    def frames(self, users: npt.ArrayLike, codes: npt.ArrayLike) -> Script:
        """Frames of equal length: users [n], codes [n, count]."""
        values = np.asarray(codes, dtype=np.int32)
        self._parts.append(self._packed(np.asarray(users), values).ravel())
        return self

    def vectors(self, x: npt.ArrayLike, ex: npt.ArrayLike, d: npt.ArrayLike, ed: npt.ArrayLike) -> Script:
        """Updates: of each of n vectors its x frame [n, rows] and its d frame [n, columns], with exponents [n]."""
        parts = []
        for op, codes, exponents in ((0, x, ex), (1, d, ed)):
            users = (np.asarray(exponents, dtype=np.int64) & 0xFF) << 4 | op
            parts.append(self._packed(users, np.asarray(codes, dtype=np.int32)))
        self._parts.append(np.concatenate(parts, axis=1).ravel())
        return self

    @staticmethod
    def _packed(users: npt.NDArray[np.integer], codes: npt.NDArray[np.int32]) -> npt.NDArray[np.uint32]:
        head = np.empty((len(codes), 3), dtype=np.uint32)
        head[:, 0], head[:, 1], head[:, 2] = Code.FRAME, users & 0xFFFFFFFF, codes.shape[1]
        return np.concatenate([head, codes.view(np.uint32)], axis=1)

    def words(self) -> npt.NDArray[np.uint32]:
        """The script so far."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.uint32)
