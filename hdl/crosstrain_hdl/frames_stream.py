"""What `frames.Frames` does otherwise where changes come from the host: UPDATE and SPARSE pass through, FORM.

Their beats go on as they come; `update_stream` knows how many there must be. A FORM waits as a read does.
"""

import enum

from amaranth import Mux, Signal
from amaranth.lib import wiring

from crosstrain_model.frames import FrameOp, frame_ops


class State(enum.IntEnum):
    """Where in a frame we are."""

    HEAD = 0
    BODY = 1
    COMMIT = 2
    READ = 3
    SKIP = 4
    STREAM = 5
    """In an UPDATE or a SPARSE."""
    FORM = 6


class FrameStream(wiring.Component):
    """Base of `Frames`: its states STREAM and FORM, and the heads of frames in such designs."""

    def _stream_head(self, m):
        """What the first beat's TUSER says, before the beat is taken."""
        user = self.s_axis_tuser
        op, row = user[:4], user[20:32]
        known, of_row, streams, refused = (Signal(name=name) for name in ("known", "of_row", "streams", "refused"))
        with m.Switch(op), m.Case(*frame_ops(self.design)):
            m.d.comb += known.eq(1)
        m.d.comb += [
            of_row.eq((op == FrameOp.READ_ROW) | (op == FrameOp.FORM)),
            streams.eq((op == FrameOp.UPDATE) | (op == FrameOp.SPARSE)),
            refused.eq(~known | (of_row & (row >= self.design.array.rows))),
        ]
        reads = op == FrameOp.FORWARD
        if self.transposed:
            reads = reads | (op == FrameOp.BACKWARD)
        waits = reads & ~self._dac_free
        with m.If(self.s_axis_tvalid & ~waits & ~self.cancel):
            m.d.comb += self.frame_error.eq(refused)
            m.d.sync += [
                self._op.eq(op),
                self.h_tag.eq(user[12:20]),
                self.h_row.eq(Mux(of_row, row, 0)),
                self.u_first.eq(1),
                self._state.eq(Mux(refused, State.SKIP, Mux(streams, State.STREAM, State.BODY))),
            ]

    def _stream_states(self, m):
        """Cases of the state; to be called inside of its Switch."""
        with m.Case(State.STREAM):
            m.d.comb += [
                self.u_valid.eq(self.s_axis_tvalid & ~self.cancel),
                self.s_axis_tready.eq(self.u_ready & ~self.cancel),
            ]
            with m.If(self.cancel):
                m.d.comb += self.drop.eq(1)
                m.d.sync += self._state.eq(State.SKIP)
            with m.Elif(self.s_axis_tvalid & self.s_axis_tready):
                m.d.sync += self.u_first.eq(0)
                with m.If(self.s_axis_tlast):
                    m.d.sync += self._state.eq(State.HEAD)
        with m.Case(State.FORM):
            m.d.comb += self.f_valid.eq(self.quiet)
            with m.If(self.f_valid & self.f_ready):
                m.d.sync += self._state.eq(State.HEAD)

    def _stream_beats(self, m):
        """What passes through, and the row to form."""
        m.d.comb += [
            self.u_sparse.eq(self._op == FrameOp.SPARSE),
            self.u_data.eq(self.s_axis_tdata),
            self.u_last.eq(self.s_axis_tlast),
            self.f_row.eq(self.h_row),
        ]

    def _after_stream_body(self, op):
        """Where a whole, good frame goes on."""
        return Mux(op == FrameOp.PROGRAM, State.COMMIT, Mux(op == FrameOp.FORM, State.FORM, State.READ))
