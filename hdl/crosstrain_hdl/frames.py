"""Frames: takes the host's input stream apart and hands on what it asks for.

The rules are told in `crosstrain_model.frames`. A frame takes one cycle for its head, then its beats, then, if it makes
a vector or a pass, one cycle for the commit. A read is kept whole before it is handed on, so that a bad one never
reaches the array.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.frames_ports import load_members
from crosstrain_hdl.frames_stream import FrameStream, State
from crosstrain_hdl.gearbox import Gearbox, beat_codes
from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_model.frames import USER_BITS, FrameOp, beat_bits, frame_beats
from crosstrain_model.port import Op, code_bits


class Frames(FrameStream):
    """Members

    s_axis_* : the input stream, see `crosstrain_model.frames`
    w_*, commit_*, drop : the load side of `outer_product.OuterProduct`, words of `lanes` codes; with pulse trains that
        of `vector_store.VectorStore`, whole beats
    u_*, p_*, drop : in their place with an update stream: the input of `update_stream.UpdateStream`
    f_valid, f_ready, f_row : with it, a row to be formed; only while quiet
    h_valid, h_ready, h_op, h_row, h_tag : a read for the sequencer; h_op of `crosstrain_model.port.Op`
    dac_valid, dac_ready, dac_codes : its words of input codes, after h_ready; all are taken, whatever becomes of it
    quiet : In(1), all work handed on before is done: a read may go
    cancel : In(1), strobe: forget the frame or vector that has only half arrived; a whole read stays
    half : Out(1), an x waits for its d; 0 with an update stream
    busy : Out(1), a frame has begun, an x waits, or words of a read are left
    frame_error : Out(1), strobe
    """

    def __init__(self, design):
        self.design = design
        code, lanes = code_bits(design), design.array.lanes
        self.pulsed, self.streamed = design.pulsed, design.streamed
        self.read_words = design.array.row_words
        self.transposed = not design.verified
        if self.transposed:
            self.read_words = max(self.read_words, design.array.groups)
        super().__init__(
            {
                "s_axis_tdata": In(beat_bits(design)),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "s_axis_tuser": In(USER_BITS),
                **load_members(design),
                "drop": Out(1),
                "h_valid": Out(1),
                "h_ready": In(1),
                "h_op": Out(4),
                "h_row": Out(address_width(design.array.rows)),
                "h_tag": Out(8),
                "dac_valid": Out(1),
                "dac_ready": In(1),
                "dac_codes": Out(lanes * code),
                "quiet": In(1),
                "cancel": In(1),
                "half": Out(1),
                "busy": Out(1),
                "frame_error": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.gearbox = gearbox = Gearbox(self.design)
        self._state = state = Signal(State, init=State.HEAD)
        self._op = op = Signal(4)
        self._dac_free = Signal()
        for_lists, for_array, plain, bad = Signal(), Signal(), Signal(), Signal()
        accepted, last_beat = Signal(), Signal()
        is_x, is_d, backward = (op == name for name in (FrameOp.UPDATE_X, FrameOp.UPDATE_D, FrameOp.BACKWARD))
        if self.streamed:  # there are none of these
            is_x = is_d = 0
        if not self.transposed:
            backward = 0
        m.d.comb += [
            for_lists.eq(is_x | is_d),
            for_array.eq((op == FrameOp.FORWARD) | backward),
            plain.eq(~for_lists & ~for_array),
            bad.eq(self.s_axis_tvalid & (self.s_axis_tlast != last_beat)),
            accepted.eq(self.s_axis_tvalid & self.s_axis_tready),
            gearbox.beat_data.eq(self.s_axis_tdata),
            gearbox.is_d.eq(is_d | backward),
            gearbox.restart.eq(state == State.HEAD),
        ]
        good = (state == State.BODY) & self.s_axis_tvalid & ~plain & ~bad & ~self.cancel
        self._load(m, gearbox, good, for_lists)
        self._beats(m, gearbox.is_d, plain, accepted, last_beat)
        with m.Switch(state):
            with m.Case(State.HEAD):
                self._stream_head(m) if self.streamed else self._head(m)
            with m.Case(State.BODY):
                m.d.comb += self.s_axis_tready.eq((bad | plain | self._beat_ready) & ~self.cancel)
                with m.If(self.cancel):
                    m.d.comb += self.drop.eq(for_lists)
                    m.d.sync += [self.half.eq(0), state.eq(State.SKIP)]
                with m.Elif(bad):
                    m.d.comb += [self.frame_error.eq(1), self.drop.eq(for_lists)]
                    m.d.sync += [self.half.eq(0), state.eq(Mux(self.s_axis_tlast, State.HEAD, State.SKIP))]
                with m.Elif(accepted & last_beat):
                    m.d.sync += [self.half.eq(is_x), state.eq(self._after_body(op))]
            with m.Case(State.COMMIT):
                m.d.comb += (self.p_valid if self.streamed else self.commit_valid).eq(1)
                with m.If(self.p_ready if self.streamed else self.commit_ready):
                    m.d.sync += state.eq(State.HEAD)
            with m.Case(State.READ):
                m.d.comb += self.h_valid.eq(self.quiet)
                with m.If(self.h_valid & self.h_ready):
                    m.d.sync += state.eq(State.HEAD)
            with m.Case(State.SKIP):
                m.d.comb += self.s_axis_tready.eq(1)
                with m.If(accepted & self.s_axis_tlast):
                    m.d.sync += state.eq(State.HEAD)
            if self.streamed:
                self._stream_states(m)
        self._dac(m, gearbox, for_array)
        m.d.comb += self.busy.eq((state != State.HEAD) | self.s_axis_tvalid | self.half | ~self._dac_free)
        return m

    def _load(self, m, gearbox, good, for_lists):
        """Where the codes of beats go; an update stream leaves those of reads."""
        if self.streamed:
            self._beat_ready = gearbox.beat_ready
            m.d.comb += [gearbox.beat_valid.eq(good), gearbox.word_ready.eq(1)]
            self._stream_beats(m)
        else:
            m.d.comb += self.w_is_d.eq(gearbox.is_d)
            (self._load_beats if self.pulsed else self._load_words)(m, gearbox, good, for_lists)

    def _load_words(self, m, gearbox, good, for_lists):
        """Vectors go on as words of `lanes` codes."""
        self._beat_ready = gearbox.beat_ready
        m.d.comb += [
            gearbox.beat_valid.eq(good),
            gearbox.word_ready.eq(Mux(for_lists, self.w_ready, 1)),
            self.w_valid.eq(gearbox.word_valid & for_lists),
            self.w_codes.eq(gearbox.word_codes),
            self.commit_program.eq(self._op == FrameOp.PROGRAM),
            self.commit_empty.eq(self._op == FrameOp.PROGRAM),
        ]

    def _load_beats(self, m, gearbox, good, for_lists):
        """Vectors go on as they come, a beat a cycle; reads alone become words."""
        self._beat_ready = Mux(for_lists, self.w_ready, gearbox.beat_ready)
        m.d.comb += [
            gearbox.beat_valid.eq(good & ~for_lists),
            gearbox.word_ready.eq(1),
            self.w_valid.eq(good & for_lists),
            self.w_codes.eq(Cat(beat_codes(m, self.design, self.s_axis_tdata, gearbox.is_d))),
        ]

    def _beats(self, m, is_d, plain, accepted, last_beat):
        """Counts the beats of a body; `last_beat`: this is where TLAST belongs."""
        x_beats, d_beats = (frame_beats(self.design, op) for op in (FrameOp.UPDATE_X, FrameOp.UPDATE_D))
        beat = Signal(range(max(x_beats, d_beats, 2)))
        m.d.comb += last_beat.eq(plain | (beat == Mux(is_d, d_beats - 1, x_beats - 1)))
        with m.If(self._state != State.BODY):
            m.d.sync += beat.eq(0)
        with m.Elif(accepted):
            m.d.sync += beat.eq(beat + 1)

    def _head(self, m):
        """What the first beat's TUSER says, before the beat is taken."""
        user = self.s_axis_tuser
        op, row = user[:4], user[20:32]
        exponent = user[4:12].as_signed()
        exponent_x = Signal(signed(8))
        orphan, refused = Signal(), Signal()  # an x without its d; the frame itself is wrong
        unknown = op > FrameOp.READ_ROW
        if self.pulsed:
            unknown = unknown | (op == FrameOp.PROGRAM)
        m.d.comb += [
            orphan.eq(self.half & (op != FrameOp.UPDATE_D)),
            refused.eq(
                unknown
                | ((op == FrameOp.UPDATE_D) & ~self.half)
                | ((op == FrameOp.READ_ROW) & (row >= self.design.array.rows))
            ),
        ]
        waits = ((op == FrameOp.FORWARD) | (op == FrameOp.BACKWARD)) & ~self._dac_free
        with m.If(self.cancel):
            m.d.comb += self.drop.eq(self.half)
            m.d.sync += self.half.eq(0)
        with m.Elif(self.s_axis_tvalid & ~waits):
            m.d.comb += [self.drop.eq(orphan), self.frame_error.eq(orphan | refused)]
            m.d.sync += [
                self._op.eq(op),
                self.h_tag.eq(user[12:20]),
                self.h_row.eq(Mux(op == FrameOp.READ_ROW, row, 0)),
                self._state.eq(Mux(refused, State.SKIP, State.BODY)),
            ]
            with m.If(orphan):
                m.d.sync += self.half.eq(0)
            with m.If(op == FrameOp.UPDATE_X):
                m.d.sync += exponent_x.eq(exponent)
            with m.If(op == FrameOp.UPDATE_D):
                if self.pulsed:
                    m.d.sync += [self.commit_ex.eq(exponent_x), self.commit_ed.eq(exponent)]
                else:
                    m.d.sync += self.commit_exponent.eq(exponent_x + exponent)

    def _after_body(self, op):
        """Where a whole, good frame goes on."""
        if self.streamed:
            return self._after_stream_body(op)
        commits = (op == FrameOp.UPDATE_D) | (op == FrameOp.PROGRAM)
        return Mux(op == FrameOp.UPDATE_X, State.HEAD, Mux(commits, State.COMMIT, State.READ))

    def _dac(self, m, gearbox, for_array):
        """The words of one read: kept while it waits, then handed out, one every other cycle."""
        m.submodules.words = memory = Memory1R1W(self.read_words, len(self.dac_codes))
        sending, fetch, is_d, last = Signal(), Signal(), Signal(), Signal()
        index = Signal(range(self.read_words + 1))
        backward = self._op == FrameOp.BACKWARD if self.transposed else 0
        m.d.comb += [
            self.h_op.eq(Mux(self._op == FrameOp.FORWARD, Op.FORWARD, Mux(backward, Op.BACKWARD, Op.READ_ROW))),
            memory.W0_en.eq(gearbox.word_valid & for_array),
            memory.W0_addr.eq(gearbox.word_index),
            memory.W0_data.eq(gearbox.word_codes),
            memory.R0_en.eq(fetch),
            memory.R0_addr.eq(index),
            fetch.eq(sending & ~self.dac_valid),
            self.dac_codes.eq(memory.R0_data),
            last.eq(index == Mux(is_d, self.design.array.groups, self.design.array.row_words)),
            self._dac_free.eq(~sending),
        ]
        with m.If(fetch):
            m.d.sync += [self.dac_valid.eq(1), index.eq(index + 1)]
        with m.If(self.dac_valid & self.dac_ready):
            m.d.sync += self.dac_valid.eq(0)
            with m.If(last):
                m.d.sync += [sending.eq(0), index.eq(0)]
        with m.If(self.h_valid & self.h_ready & for_array):
            m.d.sync += [sending.eq(1), is_d.eq(gearbox.is_d)]
