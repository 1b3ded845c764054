"""Pulse train: draws a train's words and compares them with every line. The rule is `crosstrain_model.pulse_train`.

`TrainThresholds` fills the next vector; `fire` copies it, chopped, to the registers of the train. Then, a slot a cycle
as long as slots are taken:

    draw        words of both streams into registers; at the end of a phase that another follows, the streams go back to
                where they stood when the train was fired
    compare     every line at once, bit plane by bit plane, into the registers of the slot
    slot        offered once the command is taken and the slots of the command before it are

The registers of a train are free with its last comparison: the train after it may be fired, and draws, while the last
slot still waits to be taken.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.random_streams import RandomStream, column_word
from crosstrain_hdl.train_thresholds import TrainThresholds, fill_members, slots_width
from crosstrain_model.pulse_train import TRAIN_BITS
from crosstrain_model.random_streams import generator, permutations

SIDES = ("rows", "columns")


def stream_ports(design):
    """The host's view of the streams."""
    ports = {"load_index": In(2), "load_data": In(32)}
    for side in SIDES:
        ports |= {f"{side}_load": In(1), f"{side}_state": Out(32 * generator(design, side).words)}
    return ports


class PulseTrain(wiring.Component):
    """Thresholds, streams, phases and slots.

    Members
    -------
    g_*, f_* : see `TrainThresholds`
    chop_rows, chop_columns : In, chopper signs, taken with `fire`
    full : Out(1), the next vector is complete, and may be fired
    silent : Out(1), with full: it gives no command
    fire : In(1), strobe, only while full: it is
    n_valid, n_ready, n_slots : Out, In, Out, the command of the vector fired last, and how many slots it has in all
    ns_valid, ns_ready, ns_rows, ns_columns, ns_direction, ns_last : slots of the command that was taken last; direction
        of a column that does not fire is 0
    over : In(1), strobe: the command whose slots are not all taken has ended, those that are left are dropped. Not for
        a command whose slots are all taken
    cancel : In(1), level: a command that is taken is dropped, without slots
    busy : Out(1), a vector, a train or draws are under way
    rows_load, columns_load, load_index, load_data, rows_state, columns_state : see `RandomStream`; only while not busy

    Attributes
    ----------
    latency : cycles from `fire` to n_valid, 1, and to the earliest ns_valid, 3
    """

    latency = (1, 3)

    def __init__(self, design):
        array = design.array
        self.design = design
        self._fill = TrainThresholds(design)
        super().__init__(
            {
                **fill_members(design),
                "chop_rows": In(array.rows),
                "chop_columns": In(array.columns),
                "full": Out(1),
                "silent": Out(1),
                "fire": In(1),
                "n_valid": Out(1),
                "n_ready": In(1),
                "n_slots": Out(TRAIN_BITS),
                "ns_valid": Out(1),
                "ns_ready": In(1),
                "ns_rows": Out(array.rows),
                "ns_columns": Out(array.columns),
                "ns_direction": Out(array.columns),
                "ns_last": Out(1),
                "over": In(1),
                "cancel": In(1),
                "busy": Out(1),
                **stream_ports(design),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fill = self._fill
        self._named_signals()
        self._connect_fill(m)
        self._load(m)
        self._command(m)
        self._draws(m, self._streams(m))
        self._slots(m)
        return m

    def _named_signals(self):
        separate = self.design.train.polarity == "separate"
        self._drawing = Signal()  # draws of the train are left
        self._waiting = Signal()  # its command is not taken
        self._commanded = Signal()  # slots of the command taken last are left
        self._load_train = Signal()  # the next vector becomes the train
        self._dropped = Signal()  # its command is dropped
        self._give_up = Signal()  # the train gives no further slot
        self._quiet = Signal()  # it gives none: draws are left, no more
        self._slots_of_phase = Signal(slots_width(self.design))
        self._left = Signal(4 if separate else 2)  # phases after the one being drawn, and that one
        self._drawn_valid = Signal()  # a word waits to be compared
        self._draw = Signal()
        self._compare = Signal()
        self._prepared = Signal()  # a slot waits to be taken
        self._take = Signal()

    def _connect_fill(self, m):
        fill = self._fill
        for name, member in fill_members(self.design).items():
            inner, own = getattr(fill, name), getattr(self, name)
            m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)
        free = ~self._drawing & ~self._drawn_valid & ~self._waiting
        rows_alone = self.design.train.polarity == "mixed"
        some = fill.any_rows if rows_alone else fill.any_rows & fill.any_columns
        m.d.comb += [
            self.full.eq(fill.complete & free),
            self.silent.eq((fill.slots == 0) | ~some),
            fill.release.eq(self.fire),
            self._load_train.eq(self.fire & (fill.slots != 0)),
            self.busy.eq(fill.busy | ~free | self._commanded),
        ]

    def _load(self, m):
        """Next vector to train: thresholds as they are, signs chopped, and which phases there will be."""
        fill = self._fill
        self._thresholds, self._negative = {}, {}
        there = {}
        for side in SIDES:
            kept = self._thresholds[side] = Signal.like(getattr(fill, side), name=f"{side}_threshold")
            negative = self._negative[side] = Signal.like(getattr(fill, f"{side}_negative"), name=f"{side}_sign")
            chopped = Signal.like(negative, name=f"{side}_chopped")
            on = getattr(fill, f"{side}_on")
            m.d.comb += chopped.eq(getattr(fill, f"{side}_negative") ^ getattr(self, f"chop_{side}"))
            with m.If(self._load_train):
                m.d.sync += [kept.eq(getattr(fill, side)), negative.eq(chopped)]
            there[side] = ((on & ~chopped).any(), (on & chopped).any())
        positive, negative = phases = there["rows"]
        slots = fill.slots << (positive & negative)
        if self.design.train.polarity == "separate":
            above, below = there["columns"]  # in phase 0 those SET that are below
            phases = [positive & below, positive & above, negative & above, negative & below]
            slots = slots << (above & below)
        self._phases = Signal(len(phases))
        m.d.comb += self._phases.eq(Cat(phases))
        with m.If(self._load_train):
            m.d.sync += [self._slots_of_phase.eq(fill.slots), self.n_slots.eq(slots)]

    def _command(self, m):
        """Offered once the slots of the command before it are taken."""
        taken = self.n_valid & self.n_ready
        ends = (self._take & self.ns_last) | self.over
        m.d.comb += [
            self.n_valid.eq(self._waiting & ~self._commanded),
            self._dropped.eq(taken & self.cancel),
            self._give_up.eq(Mux(self._waiting, self._dropped, self.over)),
        ]
        with m.If(self._load_train):
            m.d.sync += self._waiting.eq(~self.silent)
        with m.Elif(taken):
            m.d.sync += self._waiting.eq(0)
        with m.If(taken | ends):
            m.d.sync += self._commanded.eq(taken & ~self.cancel)

    def _streams(self, m):
        """The words that the next draw gives, and the streams that a draw steps."""
        choice, words, parts = self.design.random.columns, {}, []
        for side in SIDES:
            stream = RandomStream(self.design, side)
            m.submodules[f"{side}_stream"] = stream
            m.d.comb += [
                stream.load.eq(getattr(self, f"{side}_load")),
                stream.load_index.eq(self.load_index),
                stream.load_data.eq(self.load_data),
                getattr(self, f"{side}_state").eq(stream.state),
            ]
            words[side] = stream.word
            if side == "rows" or choice == "own":
                parts.append(stream)
        words["columns"] = column_word(self.design, words["rows"], words["columns"])
        self._words = {side: Signal(self.design.random.bits, name=f"{side}_drawn") for side in SIDES}
        with m.If(self._draw):
            m.d.sync += [self._words[side].eq(words[side]) for side in SIDES]
        return parts

    def _draws(self, m, parts):
        """Phase by phase; of a train that gives no slot, or no more, the rest of one phase."""
        number = Signal(slots_width(self.design))  # of the draw in its phase
        last, more = Signal(), Signal()
        first = self._left & -self._left  # the phase being drawn
        self._phase = Signal.like(self._left, name="drawn_phase")  # of the word that waits
        self._final = Signal(name="drawn_final")  # it is the train's last
        quiet = self._quiet | self._give_up
        m.d.comb += [
            self._draw.eq(self._drawing & (~self._drawn_valid | self._compare)),
            last.eq(number == self._slots_of_phase - 1),
            more.eq((self._left & (self._left - 1)).any() & ~quiet),
        ]
        for stream in parts:
            m.d.comb += [
                stream.save.eq(self._load_train),
                stream.restore.eq(self._draw & last & more),
                stream.step.eq(self._draw & ~(last & more)),
            ]
        with m.If(self._draw):
            m.d.sync += [number.eq(Mux(last, 0, number + 1)), self._phase.eq(first), self._final.eq(last & ~more)]
            with m.If(last):
                m.d.sync += [self._left.eq(self._left & (self._left - 1)), self._drawing.eq(more)]
        m.d.sync += self._drawn_valid.eq((self._draw | (self._drawn_valid & ~self._compare)) & ~quiet)
        with m.If(self._give_up):
            m.d.sync += self._quiet.eq(1)
        with m.If(self._load_train):
            m.d.sync += [
                self._drawing.eq(1),
                self._left.eq(self._phases),
                self._quiet.eq(self.silent),
            ]

    def _slots(self, m):
        """A word against every line; the slot, and what takes it away."""
        w = self.design.random.bits
        fires = {}
        for side in SIDES:
            orders = permutations(self.design, side)
            below = 0
            for place in range(w):  # upwards: the highest bit that differs decides
                word = Cat(self._words[side][int(order[place])] for order in orders)
                limit = self._thresholds[side].word_select(place, len(orders))
                differs = Signal(len(orders), name=f"{side}_differs_{place}")
                less = Signal(len(orders), name=f"{side}_less_{place}")
                m.d.comb += [differs.eq(word ^ limit), less.eq((differs & limit) | (~differs & below))]
                below = less
            fires[side] = Signal(len(orders), name=f"{side}_fire")
            m.d.comb += fires[side].eq(below | self._thresholds[side].word_select(w, len(orders)))  # or it is 2^w
        second = self._phase[len(self._phase) // 2 :].any()  # phase 1
        rows = Mux(second, self._negative["rows"], ~self._negative["rows"])
        raises = Signal.like(self._negative["columns"], name="raises")
        m.d.comb += raises.eq(Mux(second, ~self._negative["columns"], self._negative["columns"]))
        columns = fires["columns"]
        if self.design.train.polarity == "separate":
            columns = columns & Mux(self._phase[0] | self._phase[2], raises, ~raises)
        m.d.comb += [
            self._take.eq(self.ns_valid & self.ns_ready),
            self._compare.eq(self._drawn_valid & (~self._prepared | self._take)),
            self.ns_valid.eq(self._prepared & self._commanded),
        ]
        with m.If(self._compare):
            m.d.sync += [
                self.ns_rows.eq(fires["rows"] & rows),
                self.ns_columns.eq(columns),
                self.ns_direction.eq(columns & raises),
                self.ns_last.eq(self._final),
            ]
        dropped = Mux(self._commanded, self.over, self._dropped)  # the slot that waits
        m.d.sync += self._prepared.eq((self._compare & ~self._give_up) | (self._prepared & ~self._take & ~dropped))
