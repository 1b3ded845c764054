"""Update stream: beats of the host's changes become visits, one per cycle.

The rule is `crosstrain_model.update_stream`. A beat passes three register stages, all moved by one enable:

    beat     as it came, with its row and group by counting, or none where it is a token
    parts    the group of a SPARSE beat; which beats visit: all good ones, but of an UPDATE groups that are not zero
    visit    the lane of a SPARSE beat is decoded; beats that neither visit nor end something are left out
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_model.frames import beat_bits, slot_bits

COLUMN_BITS, ROW_BITS = 16, 16
"""Of a SPARSE beat, above its change."""
QUOTIENT_BITS = 16
"""column // lanes is column * ceil(2^16 / lanes) >> 16, exact for lanes <= 64 and columns < 1024."""
MARKERS = ("sparse", "last", "program")


class UpdateStream(wiring.Component):
    """Members

    u_valid, u_ready : a beat of an UPDATE or SPARSE frame
    u_sparse, u_first, u_last, u_data : it is of a SPARSE frame, begins its frame, ends it, and what it holds
    p_valid, p_ready : a program pass is wanted; not while a frame is under way
    drop : In(1), strobe: the frame under way ends here, what has come of it stays; no beat and no token is taken in
        this cycle, and the next beat is the first of a frame
    v_valid, v_ready : a visit; everything stays while v_valid is high and v_ready low
    v_row, v_group, v_terms : where, and Out(lanes * accumulator) signed changes
    v_null : no visit here, only the markers: the end of a frame, or with v_program a token
    v_last : the frame (or token) ends with this; v_program : a program pass follows
    v_row_end : with hybrid weights alone: no more visits of this row follow, but in another frame; a beat of a SPARSE
        frame is a row of its own
    frame_error : Out(1), for one cycle per frame that is too short or too long, and per SPARSE beat of no weight
    wrong_beat : Out(1), with hybrid weights alone: it is such a beat
    busy : Out(1), a beat or token has not left

    Attributes
    ----------
    latency : cycles from a beat to its v_valid, 3
    """

    latency = 3

    def __init__(self, design):
        self.design = design
        array = design.array
        self.row_bits, self.group_bits = address_width(array.rows), address_width(array.groups)
        self.word = array.lanes * design.formats.accumulator
        self._markers = (*MARKERS, "row_end") if design.carried else MARKERS
        super().__init__(
            {
                "u_valid": In(1),
                "u_ready": Out(1),
                "u_sparse": In(1),
                "u_first": In(1),
                "u_data": In(beat_bits(design)),
                "u_last": In(1),
                "p_valid": In(1),
                "p_ready": Out(1),
                "drop": In(1),
                "v_valid": Out(1),
                "v_ready": In(1),
                "v_row": Out(self.row_bits),
                "v_group": Out(self.group_bits),
                "v_terms": Out(self.word),
                "v_null": Out(1),
                "v_last": Out(1),
                "v_program": Out(1),
                **({"v_row_end": Out(1), "wrong_beat": Out(1)} if design.carried else {}),
                "frame_error": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._advance = Signal()
        m.d.comb += self._advance.eq(~self.v_valid | self.v_ready)
        beat, cut = self._take(m)
        parts = self._split(m, beat)
        self._visit(m, parts)
        m.d.comb += self.busy.eq(beat["valid"] | parts["valid"] | self.v_valid | cut)
        return m

    def _take(self, m):
        """Beats, tokens and ends of frames that were cut, one a cycle; returns the first stage and whether a cut waits.

        A row of an UPDATE begins a beat, and a beat holds a group, so that counting says where a beat belongs.
        """
        free = Signal()
        inside, cut, begins_cut = Signal(), Signal(), Signal()  # a frame is under way; its end must be put in
        taken, token, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(self._advance & ~cut & ~self.drop),
            self.u_ready.eq(free),
            self.p_ready.eq(free & ~self.u_valid),
            taken.eq(self.u_valid & self.u_ready),
            token.eq(self.p_valid & self.p_ready),
            begins_cut.eq(self.drop & inside),
            ends.eq(token | (cut & self._advance)),
        ]
        with m.If(self.drop):
            m.d.sync += inside.eq(0)
        with m.Elif(taken):
            m.d.sync += inside.eq(~self.u_last)
        m.d.sync += cut.eq(begins_cut | (cut & ~self._advance))

        names = {"valid": 1, "data": beat_bits(self.design), "row": self.row_bits, "group": self.group_bits,
                 "beyond": 1, "wrong": 1}  # fmt: skip
        beat = {name: Signal(width, name=f"beat_{name}") for name, width in names.items()}
        beat |= {name: Signal(name=f"beat_{name}") for name in ("token", *self._markers)}
        place = self._places(m, taken)
        with m.If(self._advance):
            m.d.sync += [
                beat["valid"].eq(taken | ends),
                beat["token"].eq(ends),
                beat["last"].eq(ends | self.u_last),
                beat["program"].eq(token),
                beat["sparse"].eq(self.u_sparse),
                beat["beyond"].eq(place["beyond"]),
                beat["wrong"].eq(taken & ~self.u_sparse & (place["late"] | (self.u_last & place["early"]))),
            ]
        if "row_end" in beat:
            with m.If(self._advance):
                m.d.sync += beat["row_end"].eq(ends | self.u_last | self.u_sparse | place["last_group"])
        with m.If(taken):
            m.d.sync += [beat["data"].eq(self.u_data), beat["row"].eq(place["row"]), beat["group"].eq(place["group"])]
        return beat, cut

    def _places(self, m, taken):
        """Where the beat of an UPDATE belongs, and whether it may end there."""
        array = self.design.array
        row, group = Signal(self.row_bits), Signal(self.group_bits)  # of the next beat
        past, told = Signal(), Signal()  # the matrix is whole; that there is more has been said
        place = {"row": Signal.like(row, name="place_row"), "group": Signal.like(group, name="place_group")}
        place |= {name: Signal(name=f"place_{name}") for name in ("beyond", "late", "early")}
        last_group, last_row = Signal(), Signal()
        place["last_group"] = last_group
        m.d.comb += [
            place["row"].eq(Mux(self.u_first, 0, row)),
            place["group"].eq(Mux(self.u_first, 0, group)),
            place["beyond"].eq(~self.u_first & past),
            place["late"].eq(place["beyond"] & ~told),
            last_group.eq(place["group"] == array.groups - 1),
            last_row.eq(place["row"] == array.rows - 1),
            place["early"].eq(~place["beyond"] & ~(last_group & last_row)),
        ]
        with m.If(taken):
            m.d.sync += [
                group.eq(Mux(last_group, 0, place["group"] + 1)),
                row.eq(Mux(last_group, place["row"] + 1, place["row"])),
                past.eq(place["beyond"] | (last_group & last_row)),
                told.eq(place["beyond"]),
            ]
        return place

    def _split(self, m, beat):
        """The second stage: what a beat means."""
        array, slot, width = self.design.array, slot_bits(self.design), self.design.formats.accumulator
        data = beat["data"]
        codes = [data[lane * slot :][:width] for lane in range(array.lanes)]
        column, row = data[slot:][:COLUMN_BITS], data[slot + COLUMN_BITS :][:ROW_BITS]
        exists, filled, hit = Signal(), Signal(), Signal()
        used = array.columns - (array.groups - 1) * array.lanes  # lanes of the last group
        short = beat["group"] == array.groups - 1
        word = Cat(codes[:used], (Mux(short, 0, code) for code in codes[used:]))
        m.d.comb += [
            exists.eq((column < array.columns) & (row < array.rows)),
            filled.eq(word.any() & ~beat["beyond"]),
            hit.eq(beat["valid"] & ~beat["token"] & Mux(beat["sparse"], exists, filled)),
            self.frame_error.eq(
                self._advance & beat["valid"] & ~beat["token"] & Mux(beat["sparse"], ~exists, beat["wrong"])
            ),
        ]
        if self.design.carried:
            m.d.comb += self.wrong_beat.eq(self.frame_error & beat["sparse"])
        kept = ("valid", "row", "group", *self._markers)
        parts = {name: Signal.like(beat[name], name=f"parts_{name}") for name in kept}
        parts |= {"hit": Signal(name="parts_hit"), "word": Signal(self.word, name="parts_word")}
        parts["column"] = Signal(address_width(array.lanes), name="parts_column")  # its low bits
        with m.If(self._advance):
            m.d.sync += parts["valid"].eq(beat["valid"])
            m.d.sync += parts["hit"].eq(hit)
            m.d.sync += [parts[name].eq(beat[name]) for name in self._markers]
        quotient = (column[:10] * -(-(1 << QUOTIENT_BITS) // array.lanes)) >> QUOTIENT_BITS
        with m.If(self._advance & hit):
            m.d.sync += [
                parts["row"].eq(Mux(beat["sparse"], row, beat["row"])),
                parts["group"].eq(Mux(beat["sparse"], quotient, beat["group"])),
                parts["column"].eq(column),
                parts["word"].eq(word),
            ]
        return parts

    def _visit(self, m, parts):
        """The third stage: the visit, or an end without one, or nothing."""
        lanes, width = self.design.array.lanes, self.design.formats.accumulator
        lane = Signal.like(parts["column"], name="lane")
        change = parts["word"][:width]
        sparse = Cat(Mux(lane == number, change, 0) for number in range(lanes))
        m.d.comb += lane.eq(parts["column"] - parts["group"] * lanes)
        needed = parts["hit"] | parts["last"]
        if "row_end" in parts:
            needed = needed | parts["row_end"]
            with m.If(self._advance):
                m.d.sync += self.v_row_end.eq(parts["row_end"])
        with m.If(self._advance):
            m.d.sync += [
                self.v_valid.eq(parts["valid"] & needed),
                self.v_null.eq(~parts["hit"]),
                self.v_last.eq(parts["last"]),
                self.v_program.eq(parts["program"]),
            ]
        with m.If(self._advance & parts["hit"]):
            m.d.sync += [
                self.v_row.eq(parts["row"]),
                self.v_group.eq(parts["group"]),
                self.v_terms.eq(Mux(parts["sparse"], sparse, parts["word"])),
            ]
