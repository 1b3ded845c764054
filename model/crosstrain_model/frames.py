"""Frames: what the host sends and gets on its two streams.

A frame is one or more beats, the last marked by TLAST.  TUSER of its first beat says what it is:

    op[3:0]  exponent[11:4] signed  tag[19:12]  row[31:20]

    op          codes     then
    UPDATE_X    rows      kept, with its exponent, until the UPDATE_D that must follow
    UPDATE_D    columns   with the x before it a vector pair of exponents ex, ed
    PROGRAM     none (1)  a program pass; an unknown op in designs with pulse trains
    FORWARD     rows      read y = W x: a result frame of `columns` codes, tag repeated
    BACKWARD    columns   transposed read: a result frame of `rows` codes
    READ_ROW    none (1)  one-hot read of `row`: a result frame of `columns` codes
    UPDATE      rows * columns   changes of all weights, `update_stream`: in place of UPDATE_X and UPDATE_D where the
                          scheme's source is the stream
    SPARSE      any       changes of single weights, one a beat; likewise
    FORM        none (1)  form the devices of `row`, `write_verify`; likewise

With one-sided pairs (write-verify) results have the codes of devices, 2 * columns of them, unsigned, 2 * lanes a beat,
the codes of FORWARD are unsigned, and BACKWARD is an unknown op: the host has the weights.  With hybrid weights only
READ_ROW has those; results of FORWARD and BACKWARD have signed codes in the lower half of such beats, zeros above.

A beat carries `stream_codes` codes, each in a slot of `slot_bits` (8, 16 or 32) bits, code 0 lowest; bits above a code
and codes beyond the last are ignored.  A row of an UPDATE begins a beat.  A beat of SPARSE holds the change in its
lowest slot, the column in the 16 bits above, the row in the next 16; a beat is at least that wide (`beat_bits`).
Frames act in order.  A read waits until all earlier work, program passes and their
commands included, is done.

A frame error is raised, and nothing else is disturbed, by

    an unknown op, or a row that does not exist (READ_ROW, FORM)  the frame is discarded
    TLAST early or missing                                        the frame is discarded, up to its TLAST
    errors of UPDATE and SPARSE                                   as `update_stream` has them
    UPDATE_D without UPDATE_X before it                           the frame is discarded
    any other frame after UPDATE_X                                the x is discarded, the frame counts
    a discarded UPDATE_D                                          takes its x along

A result frame has beats of `lanes` codes, each sign-extended in a slot of `result_bits` (8, 16 or 32) bits.  Its TUSER:

    op[3:0]  status[11:4]  tag[19:12]

where status is that of the array's completion (`port.Status`) and valid in the last beat; 0 in the others.  A read that
failed has fewer beats than it should, at least one, and a status that tells.
"""

from __future__ import annotations

import dataclasses
import enum

from crosstrain_model.design import Design
from crosstrain_model.port import code_bits


class FrameOp(enum.IntEnum):
    """What a frame is (TUSER[3:0])."""

    UPDATE_X = 0
    UPDATE_D = 1
    PROGRAM = 2
    FORWARD = 3
    BACKWARD = 4
    READ_ROW = 5
    UPDATE = 6
    SPARSE = 7
    FORM = 8


OP_BITS, EXPONENT_BITS, TAG_BITS, ROW_BITS, STATUS_BITS = 4, 8, 8, 12, 8
USER_BITS = OP_BITS + EXPONENT_BITS + TAG_BITS + ROW_BITS
RESULT_USER_BITS = OP_BITS + STATUS_BITS + TAG_BITS


@dataclasses.dataclass(frozen=True, kw_only=True)
class User:
    """TUSER of a frame."""

    op: int
    exponent: int = 0
    """-128..127, of an UPDATE."""
    tag: int = 0
    """0..255, of a read."""
    row: int = 0
    """Of a READ_ROW."""

    def word(self) -> int:
        """The 32 bits of TUSER."""
        return self.op | (self.exponent & 0xFF) << 4 | self.tag << 12 | self.row << 20


def slot_bits(design: Design) -> int:
    """Bits of a code's slot in the input stream: whole bytes, and a power of two of them."""
    widest = max(code_bits(design), design.formats.accumulator if design.streamed else 0)
    return next(bits for bits in (8, 16, 32) if bits >= widest)


def beat_bits(design: Design) -> int:
    """Bits of a beat of the input stream."""
    codes = design.stream_codes * slot_bits(design)
    return max(codes, slot_bits(design) + 32) if design.streamed else codes


def frame_ops(design: Design) -> tuple[FrameOp, ...]:
    """The frames that a design knows."""
    reads = (FrameOp.FORWARD, *(() if design.verified else (FrameOp.BACKWARD,)), FrameOp.READ_ROW)
    if design.streamed:
        formed = (FrameOp.FORM,) if design.verified else ()
        return (FrameOp.UPDATE, FrameOp.SPARSE, FrameOp.PROGRAM, *reads, *formed)
    return (FrameOp.UPDATE_X, FrameOp.UPDATE_D, *(() if design.pulsed else (FrameOp.PROGRAM,)), *reads)


def result_bits(design: Design) -> int:
    """Bits of a code's slot in the result stream."""
    return next(bits for bits in (8, 16, 32) if bits >= design.formats.adc)


def frame_codes(design: Design, op: FrameOp) -> int:
    """Codes that a frame must carry; 0 for those of one beat whose data is ignored, and for SPARSE, which has any."""
    array = design.array
    if op == FrameOp.UPDATE:
        return array.rows * array.groups * array.lanes
    over_rows, over_columns = (FrameOp.UPDATE_X, FrameOp.FORWARD), (FrameOp.UPDATE_D, FrameOp.BACKWARD)
    return array.rows if op in over_rows else array.columns if op in over_columns else 0


def frame_beats(design: Design, op: FrameOp) -> int:
    """Beats of a frame."""
    return max(1, -(-frame_codes(design, op) // design.stream_codes))


def pack(codes: list[int], *, per_beat: int, bits: int) -> list[int]:
    """Codes as beats, code 0 of a beat lowest; at least one beat."""
    mask = (1 << bits) - 1
    beats = [codes[start : start + per_beat] for start in range(0, len(codes), per_beat)] or [[]]
    return [sum((code & mask) << bits * place for place, code in enumerate(beat)) for beat in beats]


def unpack(beats: list[int], *, per_beat: int, bits: int) -> list[int]:
    """The signed codes in beats, padding included."""
    half = 1 << (bits - 1)
    words = [(beat >> bits * place) & ((1 << bits) - 1) for beat in beats for place in range(per_beat)]
    return [(word ^ half) - half for word in words]
