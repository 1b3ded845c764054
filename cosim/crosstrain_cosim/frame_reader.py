"""Beats of the input stream, as the pins show them, to frames: the host side of the controller's scoreboard."""

from __future__ import annotations

from collections.abc import Callable

from crosstrain_model import frames
from crosstrain_model.design import Design
from crosstrain_model.frames import FrameOp


class FrameReader:
    """Turns beats into frames by the rules of `model.frames`; calls back with what counts."""

    def __init__(
        self, design: Design, vector: Callable[..., None], program: Callable[[], None], read: Callable[..., None]
    ):
        self.design, self.vector, self.program, self.read = design, vector, program, read
        self.beats: list[int] = []
        self.user = 0
        self.x: tuple[list[int], int] | None = None
        self.errors = 0

    def reset(self) -> None:
        """Forget what is half there."""
        self.beats, self.x = [], None

    def beat(self, seen: dict[str, int]) -> None:
        """One beat was taken."""
        if not self.beats:
            self.user = seen["tuser"]
        self.beats.append(seen["tdata"])
        if seen["tlast"]:
            beats, self.beats = self.beats, []
            self._frame(beats)

    def _frame(self, beats: list[int]) -> None:
        user, design = self.user, self.design
        op, row = user & 0xF, user >> 20
        known = op in FrameOp._value2member_map_ and not (op == FrameOp.READ_ROW and row >= design.array.rows)
        known = known and not (op == FrameOp.PROGRAM and design.pulsed)
        fits = known and len(beats) == frames.frame_beats(design, FrameOp(op))
        x, self.x = self.x, None
        if not fits or (op == FrameOp.UPDATE_D and x is None) or (op != FrameOp.UPDATE_D and x is not None):
            self.errors += 1
        if not fits or (op == FrameOp.UPDATE_D and x is None):
            return
        codes = self._codes(beats, FrameOp(op))
        exponent = ((user >> 4 & 0xFF) ^ 0x80) - 0x80
        if op == FrameOp.UPDATE_X:
            self.x = codes, exponent
        elif op == FrameOp.UPDATE_D:
            assert x is not None
            self.vector(*x, codes, exponent)
        elif op == FrameOp.PROGRAM:
            self.program()
        else:
            self.read(FrameOp(op), codes, tag=user >> 12 & 0xFF, row=row)

    def _codes(self, beats: list[int], op: FrameOp) -> list[int]:
        design = self.design
        slots = frames.unpack(beats, per_beat=design.stream_codes, bits=frames.slot_bits(design))
        bits = design.formats.x if op in (FrameOp.UPDATE_X, FrameOp.FORWARD) else design.formats.d
        half, mask = 1 << (bits - 1), (1 << bits) - 1
        return [((code & mask) ^ half) - half for code in slots[: frames.frame_codes(design, op)]]
