"""Beats of the input stream to frames, where changes come from the host: the rules of `model.frames`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crosstrain_model import frames
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp


class StreamReader:
    """Calls back with what counts.

    update : changes [k, columns] of the first k rows; cells : (rows, columns, changes); form : row
    program, read : as of `frame_reader.FrameReader`
    """

    def __init__(self, design: Design, **calls: Callable[..., None]):
        self.design, self.calls = design, calls
        self.errors = 0
        self.reset()

    def reset(self) -> None:
        """Forget what is half there."""
        self.beats: list[int] = []
        self.user = 0

    def beat(self, seen: dict[str, int]) -> None:
        """One beat was taken."""
        if not self.beats:
            self.user = seen["tuser"]
        self.beats.append(seen["tdata"])
        if seen["tlast"]:
            beats, self.beats = self.beats, []
            self._frame(beats)

    def _frame(self, beats: list[int]) -> None:
        design, op, row = self.design, self.user & 0xF, self.user >> 20
        beyond = op in (FrameOp.READ_ROW, FrameOp.FORM) and row >= design.array.rows
        if op not in frames.frame_ops(design) or beyond:
            self.errors += 1
        elif op == FrameOp.UPDATE:
            self._update(beats)
        elif op == FrameOp.SPARSE:
            self._sparse(beats)
        elif len(beats) != frames.frame_beats(design, FrameOp(op)):
            self.errors += 1
        elif op == FrameOp.PROGRAM:
            self.calls["program"]()
        elif op == FrameOp.FORM:
            self.calls["form"](row)
        else:
            slots = self._slots(beats)[: frames.frame_codes(design, FrameOp(op))]
            self.calls["read"](FrameOp(op), self._codes(op, slots), tag=self.user >> 12 & 0xFF, row=row)

    def _codes(self, op: int, slots: list[int]) -> list[int]:
        """Codes of a read: unsigned where devices have one sign."""
        formats = self.design.formats
        bits = formats.d if op == FrameOp.BACKWARD else formats.x
        half = 1 << (bits - 1) if self.design.carried else 0
        return [((code & ((1 << bits) - 1)) ^ half) - half for code in slots]

    def _slots(self, beats: list[int]) -> list[int]:
        design = self.design
        mask = (1 << design.stream_codes * frames.slot_bits(design)) - 1
        return frames.unpack(
            [beat & mask for beat in beats], per_beat=design.stream_codes, bits=frames.slot_bits(design)
        )

    def _update(self, beats: list[int]) -> None:
        design = self.design
        whole, width = frames.frame_beats(design, FrameOp.UPDATE), design.array.groups * design.stream_codes
        self.errors += len(beats) != whole
        codes = [self._change(code) for code in self._slots(beats[:whole])]
        codes += [0] * (-len(codes) % width)
        self.calls["update"]([codes[at : at + width][: design.array.columns] for at in range(0, len(codes), width)])

    def _sparse(self, beats: list[int]) -> None:
        slot = frames.slot_bits(self.design)
        cells = [(beat >> slot + 16 & 0xFFFF, beat >> slot & 0xFFFF, self._change(beat)) for beat in beats]
        array = self.design.array
        self.errors += any(row >= array.rows or column >= array.columns for row, column, _ in cells)
        self.calls["cells"](*(list(part) for part in zip(*cells, strict=True)))

    def _change(self, code: int) -> Any:
        bits = self.design.formats.accumulator
        return ((code & ((1 << bits) - 1)) ^ 1 << (bits - 1)) - (1 << (bits - 1))
