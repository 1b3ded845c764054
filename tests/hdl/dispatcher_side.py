"""Dispatcher, pulse and port checker joined, a macro that holds several commands on their pins: for amaranth.sim."""

import random

from amaranth import Cat, ClockDomain, Module
from amaranth.sim import Simulator

from crosstrain_hdl.dispatcher import Dispatcher
from crosstrain_hdl.port_checker import PortChecker
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import (
    ABORT_TAG,
    PULSE_OPS,
    READ_OPS,
    Op,
    Status,
    adc_words,
    dac_words,
    outstanding,
    port_signals,
)
from crosstrain_model.port_rules import RULES

TIMEOUT = 90
EVENTS = ("timed_out", "array_error", "interlock", "strayed")
COUNTERS = ("issued", "delivered", "aborted", "failed", "unknown")


class Macro:
    """One analog tile: commands wait in a queue, the analog part does one thing at a time, in order.

    read_cycles : analog time of a read
    faults : place of a command, ABORTs not counted -> what goes wrong: `status` and `used` (ends with that, as soon as
        its work begins), `lost` (never ends), `words` (ADC words in place of those due), `slow` (extra cycles)
    """

    def __init__(self, tile, rng, patience, read_cycles):
        self.tile, self.random, self.patience, self.read_cycles = tile, rng, patience, read_cycles
        self.faults, self.commands = {}, []
        self.open, self.done, self.words = [], [], []
        self.short = None  # tag of a command that ended before its last slot; until that is known slots are its own
        self.now = self.free_at = 0
        self.started = 0
        self.read_tags = set()  # of the read that gave words last
        self.busy = []
        """(first cycle, last cycle + 1, tag) of everything the analog part did."""

    def coin(self):
        return self.random.random() < self.patience

    def held(self, stream):
        """valid, once up, stays."""
        holding = getattr(self, f"holding_{stream}", False) or self.coin()
        setattr(self, f"holding_{stream}", holding)
        return holding

    def _working(self):
        """The command that the analog part is at, or None."""
        return next((command for command in self.open if not command["worked"]), None)

    def offer(self):
        """What the macro drives in this cycle."""
        at = self._working()
        takes = at is not None and at["op"] in PULSE_OPS and self.free_at <= self.now and self.short is None
        codes, last = self.words[0] if self.words else (self.random.getrandbits(8), 0)
        tag, status, pulses = self.done[0] if self.done else (self.random.getrandbits(8), 0, 0)
        return {
            "arr_cmd_ready": self.coin(),
            "arr_slot_ready": takes and self.coin(),
            "arr_dac_ready": at is not None and at["op"] not in PULSE_OPS and self.coin(),
            "arr_adc_valid": bool(self.words) and self.held("adc"),
            "arr_adc_codes": codes,
            "arr_adc_last": last,
            "arr_done_valid": bool(self.done) and self.held("done"),
            "arr_done_tag": tag,
            "arr_done_status": status,
            "arr_done_pulses": pulses,
        }

    def settle(self, pins):
        """What happened in this cycle: pins are {signal: value} just before the clock edge."""
        self.now += 1
        if pins["arr_adc_valid"] and pins["arr_adc_ready"]:
            self.words.pop(0)
            self.holding_adc = False
        if pins["arr_done_valid"] and pins["arr_done_ready"]:
            if self.done.pop(0)[0] == self.short:
                self.short = None
            self.holding_done = False
        at = self._working()
        if pins["arr_slot_valid"] and pins["arr_slot_ready"]:
            self._slot(at, pins)
        if pins["arr_dac_valid"] and pins["arr_dac_ready"] and at is not None:
            at["codes"].append(pins["arr_dac_codes"])
            at["has_all"] = pins["arr_dac_last"]
        if pins["arr_cmd_valid"] and pins["arr_cmd_ready"]:
            self._take(pins)
        self._work()
        self._end()

    def _take(self, pins):
        command = {name: pins[f"arr_cmd_{name}"] for name in ("op", "array", "row", "width", "amplitude", "tag")}
        command |= {"slots": [], "codes": [], "used": 0, "outcome": None, "worked": False, "due": None, "words": None}
        self.commands.append(command)
        if command["op"] == Op.ABORT:
            for other in self.open:
                self._finish(other, Status.ABORTED, other["used"])
            self.open, self.words, self.holding_adc, self.free_at, self.short = [], [], False, self.now, None
            self.done.append((ABORT_TAG, Status.ABORTED, 0))
            return
        command["fault"] = self.faults.get(self.started, {})
        command["has_all"] = dac_words(self.tile, command["op"]) == 0
        self.started += 1
        self.open.append(command)
        assert len(self.open) + len(self.done) <= outstanding(self.tile)

    def _slot(self, at, pins):
        if at is None or at["op"] not in PULSE_OPS:
            return
        slot = (pins.get("arr_slot_rows", 0), pins["arr_slot_columns"], pins["arr_slot_direction"])
        at["slots"].append((self.now, *slot))
        if pins["arr_prog_enable"]:
            at["used"] += 1 if at["op"] == Op.TRAIN else pins["arr_slot_columns"].bit_count()
        self.free_at = self.now + at["width"] - 1
        self.busy.append((self.now, self.now + at["width"], at["tag"]))
        if pins["arr_slot_last"]:
            self._worked(at, self.free_at)

    def _worked(self, at, when):
        late = 0 if self.patience == 1 else self.random.randrange(4)
        at["worked"], at["due"] = True, when + late + at["fault"].get("slow", 0)

    def _work(self):
        """Reads start as soon as the analog part is free; a fault strikes when the work begins."""
        at = self._working()
        if at is None or self.free_at > self.now:
            return
        if "status" in at["fault"] and at["op"] in PULSE_OPS and at["slots"]:
            self._worked(at, self.now)
            self.short = at["tag"]
        elif at["op"] in READ_OPS and at["has_all"]:
            self.busy.append((self.now + 1, self.now + 1 + self.read_cycles, at["tag"]))
            self.free_at = self.now + self.read_cycles
            self._worked(at, self.free_at)
            given = at["fault"].get("words", adc_words(self.tile, at["op"]))
            bits = self.tile.array.lanes * self.tile.formats.adc
            at["words"] = [self.random.getrandbits(bits) for _ in range(given)]
            at["pending"] = True
            self._work()

    def _end(self):
        """Words of the oldest read, completions in order."""
        reads = [command for command in self.open if command["op"] in READ_OPS]
        known = not any(tag in self.read_tags for tag, *_ in self.done)  # the read before is over for both sides
        if reads and known and reads[0].get("pending") and self.now >= reads[0]["due"]:
            words = reads[0]["words"]
            due = adc_words(self.tile, reads[0]["op"])
            self.words = [(word, index == due - 1) for index, word in enumerate(words)]
            self.read_tags = {reads[0]["tag"]}
            reads[0]["pending"] = False
        while self.open and self.open[0]["worked"] and self.now >= self.open[0]["due"]:
            first = self.open[0]
            if first["fault"].get("lost") or first.get("pending") or (first["op"] in READ_OPS and self.words):
                return
            self._finish(first, first["fault"].get("status", Status.OK), first["fault"].get("used", first["used"]))
            self.open.pop(0)

    def _finish(self, command, status, used):
        command["outcome"] = (status, used)
        if not command["fault"].get("lost"):
            self.done.append((command["tag"], status, used))
        else:
            command["outcome"] = None


class Joined:
    """The hardware of the array side as one module."""

    def __init__(self, tile):
        self.dispatcher, self.checker = Dispatcher(tile), PortChecker(tile)
        self.module = m = Module()
        self.domain = m.domains.sync = ClockDomain("sync")
        m.submodules.dispatcher, m.submodules.checker = dispatcher, _ = self.dispatcher, self.checker
        if tile.transfers:
            m.submodules.pulse = self.pulse = pulse = Pulse(tile)
            for name in ("valid", "row", "direction", "width", "amplitude", "pulses"):
                m.d.comb += getattr(dispatcher, f"p_{name}").eq(getattr(pulse, f"t_{name}"))
            m.d.comb += pulse.t_ready.eq(dispatcher.p_ready)
            for name in ("slot_valid", "slot_columns", "slot_last", "pacing"):
                m.d.comb += getattr(dispatcher, name).eq(getattr(pulse, name))
            for name in ("slot_ready", "over", "cancel"):
                m.d.comb += getattr(pulse, name).eq(getattr(dispatcher, name))
            m.d.comb += dispatcher.pulse_empty.eq(pulse.empty)
        for signal in port_signals(tile):
            m.d.comb += getattr(self.checker, signal.name).eq(getattr(dispatcher, signal.name))


class Trains:
    """Stands for the trains: one vector after the other, its slots ready two cycles after the one before was taken.

    The next command comes `turn` cycles after the last slot of the train before was taken; a list in `reads` gives the
    row that is read after a train, which then waits until the read is taken.
    """

    def __init__(self, rng, turn=2):
        self.random, self.turn = rng, turn
        self.queue = []  # (slots, row to read or None)
        self.slots, self.wait, self.slot_wait, self.read = [], 0, 0, None
        self.offered = self.taken = self.dropped = 0

    @property
    def idle(self):
        return not (self.queue or self.slots or self.read is not None)

    def offer(self):
        valid = bool(self.queue) and not self.slots and self.read is None and self.wait == 0
        drive = {"n_valid": valid, "n_slots": len(self.queue[0][0]) if valid else 0}
        drive |= {"ns_valid": bool(self.slots) and self.slot_wait == 0, "ns_last": len(self.slots) == 1}
        names = ("ns_rows", "ns_columns", "ns_direction")
        drive |= dict(zip(names, self.slots[0] if self.slots else (0, 0, 0), strict=True))
        return drive | {"in_trains": not self.idle}

    def settle(self, pins):
        self.wait, self.slot_wait = max(0, self.wait - 1), max(0, self.slot_wait - 1)
        if pins["ns_valid"] and pins["ns_ready"]:
            self.slots.pop(0)
            self.slot_wait = 1
            if not self.slots:
                self.wait = self.turn - 1
        if pins["train_over"]:
            self.slots, self.wait = [], self.turn
        if pins.get("q_valid") and pins["q_ready"]:
            self.read = None
        if pins["n_valid"] and pins["n_ready"]:
            slots, self.read = self.queue.pop(0)
            self.slots = [] if pins["cancel"] else list(slots)
            self.slot_wait = 1


class Bench:
    """Fill `trains.queue`, `rows`, `reads`, set `events` = {cycle: function(bench, ctx)}, then `run`.

    rows : [(row, counts)] for Pulse
    reads : [(op, row, tag, [words of input codes])] of the host
    transfers : [(good, [words])] as they came
    """

    def __init__(self, tile, settings, seed=1, patience=0.6, read_cycles=4, turn=2):
        self.tile, self.settings, self.patience = tile, settings, patience
        self.random = random.Random(seed)
        self.hardware = Joined(tile)
        self.macro = Macro(tile, self.random, patience, read_cycles)
        self.trains = Trains(self.random, turn)
        self.rows, self.reads, self.events, self.results, self.transfers = [], [], {}, [], []
        self.seen_events = dict.fromkeys(EVENTS, 0)
        self.rails, self.program, self.finished = 1, 1, 0
        self.row_gate = lambda: True
        self._word, self._codes, self._output, self._words, self._offered = 0, [], [], [], False
        self.issued = []  # (kind, what) in the order taken
        members = self.hardware.dispatcher.signature.members
        names = [*members]
        values = [getattr(self.hardware.dispatcher, name) for name in names]
        self._everything = Cat(values)
        self._places = [(name, len(value)) for name, value in zip(names, values, strict=True)]

    def run(self, cycles=5000):
        sim = Simulator(self.hardware.module)
        sim.add_clock(1e-8)

        async def bench(ctx):
            self._begin(ctx)
            for cycle in range(cycles):
                self.cycle = cycle
                if await self._cycle(ctx):
                    return
            raise AssertionError("the array side does not come to rest")

        sim.add_testbench(bench)
        sim.run()
        return self

    def _begin(self, ctx):
        dut, settings = self.hardware.dispatcher, self.settings
        if self.tile.transfers:
            for name in ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset"):
                ctx.set(getattr(self.hardware.pulse, name), getattr(settings, name))
        train = self.tile.train
        for name in ("width", "guard", "amplitude"):
            ctx.set(getattr(dut, f"train_{name}"), getattr(train, name))
        ctx.set(dut.timeout, TIMEOUT)

    async def _cycle(self, ctx):
        dut = self.hardware.dispatcher
        ctx.set(dut.host_abort, 0)
        if self.cycle in self.events:
            self.events[self.cycle](self, ctx)
        drive = {"arr_rails_ok": self.rails, "program_enable": self.program}
        drive |= self.macro.offer() | self.trains.offer() | self._feed_reads(ctx)
        if self.tile.transfers:
            drive |= {"q_valid": self.trains.read is not None, "q_row": self.trains.read or 0}
            drive |= {"z_ready": self.random.random() < self.patience}
            self._feed_rows(ctx)
        self._set(ctx, dut, drive)
        pins = self._look(ctx)
        self._note(pins)
        if self._at_rest(ctx, pins):
            return True
        self.macro.settle(pins)
        self.trains.settle(pins)
        await ctx.tick()
        return False

    def _set(self, ctx, part, values):
        """Set pins of a part at once, or the circuit would settle after each."""
        word = shift = 0
        for name, value in values.items():
            width = len(getattr(part, name))
            word |= (int(value) & ((1 << width) - 1)) << shift
            shift += width
        ctx.set(Cat(getattr(part, name) for name in values), word)

    def _look(self, ctx):
        """All members, fetched at once."""
        word, pins = ctx.get(self._everything), {}
        for name, width in self._places:
            pins[name] = word & ((1 << width) - 1)
            word >>= width
        return pins

    def _note(self, pins):
        for name in EVENTS:
            self.seen_events[name] += pins[name]
        for kind in "pnqh":
            if pins.get(f"{kind}_valid") and pins[f"{kind}_ready"]:
                self.issued.append((kind, pins.get("cancel"), pins.get(f"{kind}_row"), pins.get(f"{kind}_slots")))
        if pins.get("z_valid") and pins["z_ready"]:
            self._words.append(pins["z_codes"])
        if pins.get("z_end"):
            self.transfers.append((pins["z_good"], self._words))
            self._words = []
        self._read_taken = pins["h_valid"] and pins["h_ready"]
        if self._read_taken:
            self._codes = list(self.reads.pop(0)[3])
            self._offered = False
        if pins["dac_valid"] and pins["dac_ready"]:
            self._codes.pop(0)
        if pins["adc_valid"] and pins["adc_ready"]:
            self._output.append((pins["adc_codes"], pins["adc_last"]))
        if pins["r_valid"] and pins["r_ready"]:
            self.results.append((pins["r_op"], pins["r_tag"], pins["r_status"], self._output))
            self._output = []

    def _at_rest(self, ctx, pins):
        waits = self.rows or self.reads or self._codes or self.macro.done or self.macro.words or not self.trains.idle
        idle = pins["ready"] and not pins["busy"] and pins.get("pulse_empty", 1)
        quiet = idle and not waits and self.cycle > max(self.events, default=0)
        self.finished = self.finished + 1 if quiet else 0
        if self.finished <= 8:
            return False
        self.pulses = {name: pins[name] for name in COUNTERS if name in pins}
        self.slots = {name: pins[f"train_{name}"] for name in COUNTERS}
        self.counted = {"commands": pins["commands"], "stray": pins["stray"]}
        broken = ctx.get(self.hardware.checker.broken)
        self.broken = [rule.name for rule in RULES if broken >> (rule.code - 1) & 1]
        return True

    def _feed_rows(self, ctx):
        pulse, array = self.hardware.pulse, self.tile.array
        ctx.set(pulse.c_valid, 0)
        starts = self._word == 0
        go = self.rows and self.row_gate() and not (starts and not ctx.get(pulse.pulse_free))
        ctx.set(self.hardware.dispatcher.in_pass, self._word != 0)
        if not go:
            return
        row, counts = self.rows[0]
        padded = [int(p) & (2**COUNT_BITS - 1) for p in counts] + [0] * (array.groups * array.lanes - array.columns)
        group = padded[self._word * array.lanes : (self._word + 1) * array.lanes]
        packed = sum(p << (lane * COUNT_BITS) for lane, p in enumerate(group))
        word = {"c_valid": 1, "c_row": row, "c_counts": packed, "c_last": self._word == array.groups - 1}
        self._set(ctx, pulse, word)
        self._word = (self._word + 1) % array.groups
        if self._word == 0:
            self.rows.pop(0)

    def _feed_reads(self, ctx):
        """Reads of the host, one after the other; valid stays until ready."""
        self._offered = bool(self.reads) and not self._codes and (self._offered or self.random.random() < 0.5)
        op, row, tag, _ = self.reads[0] if self._offered else (0, 0, 0, ())
        drive = {"h_valid": self._offered, "h_op": op, "h_row": row, "h_tag": tag}
        drive |= {"dac_valid": bool(self._codes), "dac_codes": self._codes[0] if self._codes else 0}
        drive |= {"adc_ready": self.random.random() < self.patience, "r_ready": self.random.random() < self.patience}
        return drive
