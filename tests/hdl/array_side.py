"""Pulse, sequencer and port checker joined, a macro in Python on their pins, and a host in front: for amaranth.sim."""

import random

from amaranth import Cat, ClockDomain, Module
from amaranth.sim import Simulator

from crosstrain_hdl.port_checker import PortChecker
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import ABORT_TAG, PULSE_OPS, Op, Status, adc_words, dac_words, port_signals
from crosstrain_model.port_rules import RULES
from crosstrain_model.pulse import PulseLedger, PulseSettings, row_commands

TIMEOUT = 60
SETTINGS = PulseSettings(
    width_set=3, width_reset=2, guard=1, amplitude_set=0x1234, amplitude_reset=0xFEDC, width_limit=2**20
)


class Macro:
    """One analog array. `faults` maps the place of a command, ABORTs not counted, to what goes wrong with it:

    status, used    complete with that status, reporting that many pulses
    lost            never complete
    deaf            cycles for which the command is not taken
    slow            cycles of extra time before the completion
    words           ADC words to return instead of those due
    last            place of the word that is marked as the last, instead of the last one's
    """

    def __init__(self, tile, rng, patience):
        self.tile, self.random, self.patience = tile, rng, patience
        self.faults = {}
        self.mute_aborts = 0  # so many ABORTs are taken and not answered
        self.commands = []  # dict per command taken, ABORTs included
        self.outbox = []  # completions to send: (tag, status, pulses)
        self.words = []  # ADC words to send: (codes, last)
        self.current = None
        self.started = 0
        self.deaf = None

    def coin(self):
        return self.random.random() < self.patience

    def offer(self):
        """What the macro drives in this cycle: {signal: value}."""
        drive = {"arr_cmd_ready": self._hears() and self.coin()}
        drive |= {"arr_slot_ready": self.coin(), "arr_dac_ready": self.coin()}
        codes, last = self.words[0] if self.words else (self.random.getrandbits(8), 0)
        tag, status, pulses = self.outbox[0] if self.outbox else (self.random.getrandbits(8), 0, 0)
        drive |= {"arr_adc_valid": bool(self.words) and self.held("adc"), "arr_adc_codes": codes, "arr_adc_last": last}
        ready = bool(self.outbox) and not self.words
        drive |= {"arr_done_valid": ready and self.held("done"), "arr_done_tag": tag}
        return drive | {"arr_done_status": status, "arr_done_pulses": pulses}

    def held(self, stream):
        """valid, once up, stays."""
        holding = getattr(self, f"holding_{stream}", False) or self.coin()
        setattr(self, f"holding_{stream}", holding)
        return holding

    def _hears(self):
        fault = self.faults.get(self.started, {})
        if self.deaf is None:
            self.deaf = fault.get("deaf", 0)
        self.deaf = max(self.deaf - 1, 0)
        return self.deaf == 0

    def settle(self, pins):
        """What happened in this cycle: pins are {signal: value} just before the clock edge."""
        if pins["arr_adc_valid"] and pins["arr_adc_ready"]:
            self.words.pop(0)
            self.holding_adc = False
        if pins["arr_done_valid"] and pins["arr_done_ready"]:
            self.outbox.pop(0)
            self.holding_done = False
        self._work(pins)
        if pins["arr_cmd_valid"] and pins["arr_cmd_ready"]:
            self._start(pins)

    def _start(self, pins):
        command = {name: pins[f"arr_cmd_{name}"] for name in ("op", "array", "row", "width", "amplitude", "tag")}
        command |= {"slots": [], "codes": [], "used": 0, "outcome": None, "timer": None, "fault": {}}
        self.commands.append(command)
        if command["op"] == Op.ABORT:
            if self.current:
                self._finish(self.current, Status.ABORTED, self.current["used"])
            self.words, self.holding_adc = [], False
            if self.mute_aborts:
                self.mute_aborts -= 1
            else:
                self.outbox.append((ABORT_TAG, Status.ABORTED, 0))
            return
        command["fault"] = self.faults.get(self.started, {})
        self.started, self.deaf, self.current = self.started + 1, None, command
        if dac_words(self.tile, command["op"]) == 0 and command["op"] not in PULSE_OPS:
            self._answer(command)

    def _work(self, pins):
        command = self.current
        if command is None:
            return
        if pins["arr_slot_valid"] and pins["arr_slot_ready"]:
            command["slots"].append((pins["arr_slot_columns"], pins["arr_slot_direction"]))
            if pins["arr_prog_enable"]:
                command["used"] += pins["arr_slot_columns"].bit_count()
            if pins["arr_slot_last"]:
                command["timer"] = command["width"] + self.random.randrange(4) + command["fault"].get("slow", 0)
        if pins["arr_dac_valid"] and pins["arr_dac_ready"]:
            command["codes"].append(pins["arr_dac_codes"])
            if pins["arr_dac_last"]:
                self._answer(command)
        if command["timer"] is not None:
            command["timer"] -= 1
            if command["timer"] < 0 and not self.words:
                self._end(command)

    def _answer(self, command):
        due = adc_words(self.tile, command["op"])
        given = command["fault"].get("words", due)
        bits = self.tile.array.lanes * self.tile.formats.adc
        command["words"] = [self.random.getrandbits(bits) for _ in range(given)]
        last = command["fault"].get("last", due - 1)
        self.words = [(word, index == last) for index, word in enumerate(command["words"])]
        command["timer"] = command["fault"].get("slow", 0)

    def _end(self, command):
        fault = command["fault"]
        if fault.get("lost"):
            command["timer"] = None  # only an ABORT ends it
            return
        self._finish(command, fault.get("status", Status.OK), fault.get("used", command["used"]))

    def _finish(self, command, status, used):
        command["outcome"] = (status, used)
        self.current = None
        if not command["fault"].get("lost"):
            self.outbox.append((command["tag"], status, used))


class Joined:
    """The hardware of the array side as one module."""

    def __init__(self, tile):
        self.pulse, self.sequencer, self.checker = Pulse(tile), Sequencer(tile), PortChecker(tile)
        self.module = m = Module()
        self.domain = m.domains.sync = ClockDomain("sync")
        m.submodules.pulse, m.submodules.sequencer, m.submodules.checker = self.pulse, self.sequencer, self.checker
        pulse, sequencer = self.pulse, self.sequencer
        for name in ("t_valid", "t_row", "t_direction", "t_width", "t_amplitude", "t_pulses"):
            m.d.comb += getattr(sequencer, name).eq(getattr(pulse, name))
        for name in ("slot_valid", "slot_columns", "slot_last", "pacing"):
            m.d.comb += getattr(sequencer, name).eq(getattr(pulse, name))
        for name in ("t_ready", "slot_ready", "over", "cancel"):
            m.d.comb += getattr(pulse, name).eq(getattr(sequencer, name))
        m.d.comb += sequencer.pulse_empty.eq(pulse.empty)
        for signal in port_signals(tile):
            m.d.comb += getattr(self.checker, signal.name).eq(getattr(sequencer, signal.name))


class ArraySide:
    """The bench. Fill `rows` and `reads`, set `events` = {cycle: function(bench, ctx)}, then `run`.

    rows : [(row, counts)] for Pulse
    reads : [(op, row, tag, [words of input codes])] for the sequencer
    results : [(op, tag, status, [words])] that came back
    """

    def __init__(self, tile, seed=1, patience=0.6, settings=SETTINGS):
        self.tile, self.settings = tile, settings
        self.random = random.Random(seed)
        self.patience = patience
        self.hardware = Joined(tile)
        self.macro = Macro(tile, self.random, patience)
        self.rows, self.reads, self.events, self.results = [], [], {}, []
        self.when = []  # [(condition(bench, pins), function(bench, ctx))], each done once
        self.seen_events = dict.fromkeys(("timed_out", "array_error", "interlock", "strayed"), 0)
        self.trace = []
        watched = [*(signal.name for signal in port_signals(tile)), *self.seen_events]
        values = [getattr(self.hardware.sequencer, name) for name in watched]
        self._everything = Cat(values)
        self._places = [(name, len(value)) for name, value in zip(watched, values, strict=True)]
        self.rails, self.program = 1, 1
        self.finished = 0

    def run(self, cycles=6000):
        sim = Simulator(self.hardware.module)
        sim.add_clock(1e-8)

        async def bench(ctx):
            for cycle in range(cycles):
                self.cycle = cycle
                if await self._cycle(ctx, cycle):
                    return
            raise AssertionError("the array side does not come to rest")

        sim.add_testbench(bench)
        sim.run()
        return self

    async def _cycle(self, ctx, cycle):
        sequencer, pulse = self.hardware.sequencer, self.hardware.pulse
        if cycle == 0:
            for name in ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset"):
                ctx.set(getattr(pulse, name), getattr(self.settings, name))
            ctx.set(sequencer.timeout, TIMEOUT)
            self._rows, self._reads, self._word, self._codes = list(self.rows), list(self.reads), 0, []
            self._output = []
        ctx.set(sequencer.host_abort, 0)
        if cycle in self.events:
            self.events[cycle](self, ctx)
        self._feed_rows(ctx)
        drive = {"arr_rails_ok": self.rails, "program_enable": self.program}
        self._set(ctx, sequencer, drive | self._feed_reads(ctx) | self.macro.offer())
        pins = self._look(ctx)
        self.trace.append(pins)
        for name in self.seen_events:
            self.seen_events[name] += pins[name]
        self._take_results(ctx)
        for condition, action in list(self.when):
            if condition(self, pins):
                self.when.remove((condition, action))
                self.events[cycle + 1] = action
        rest = not (self._rows or self._reads or self._codes or self.macro.outbox or self.macro.words)
        idle = ctx.get(pulse.empty) and not ctx.get(sequencer.busy) and ctx.get(sequencer.ready)
        quiet = rest and idle and not self.when and cycle > max(self.events, default=0)
        self.finished = self.finished + 1 if quiet else 0
        if self.finished > 8:
            names = ("commands", "issued", "delivered", "aborted", "failed", "unknown", "stray")
            self.counters = {name: ctx.get(getattr(sequencer, name)) for name in names}
            broken = ctx.get(self.hardware.checker.broken)
            self.broken = [rule.name for rule in RULES if broken >> (rule.code - 1) & 1]
            return True
        self.macro.settle(pins)
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
        """All pins and events, fetched at once: one access to the simulator costs more than the splitting."""
        word = ctx.get(self._everything)
        pins = {}
        for name, width in self._places:
            pins[name] = word & ((1 << width) - 1)
            word >>= width
        return pins

    def _feed_rows(self, ctx):
        pulse, array = self.hardware.pulse, self.tile.array
        ctx.set(pulse.c_valid, 0)
        starts = self._word == 0
        go = self._rows and self.random.random() < 0.7 and not (starts and not ctx.get(pulse.pulse_free))
        ctx.set(self.hardware.sequencer.in_pass, self._word != 0)
        if not go:
            return
        row, counts = self._rows[0]
        padded = [int(p) & (2**COUNT_BITS - 1) for p in counts] + [0] * (array.groups * array.lanes - array.columns)
        group = padded[self._word * array.lanes : (self._word + 1) * array.lanes]
        packed = sum(p << (lane * COUNT_BITS) for lane, p in enumerate(group))
        word = {"c_valid": 1, "c_row": row, "c_counts": packed, "c_last": self._word == array.groups - 1}
        self._set(ctx, pulse, word)
        self._word = (self._word + 1) % array.groups
        if self._word == 0:
            self._rows.pop(0)

    def _feed_reads(self, ctx):
        """One read after the other; its words come after it was taken. valid stays until ready."""
        sequencer = self.hardware.sequencer
        if getattr(self, "_read_offered", False) and ctx.get(sequencer.h_valid) and self._read_taken:
            self._codes = list(self._reads.pop(0)[3])
            self._read_offered = False
        offer = bool(self._reads) and not self._codes and not self._rows and ctx.get(self.hardware.pulse.empty)
        self._read_offered = offer and (getattr(self, "_read_offered", False) or self.random.random() < 0.5)
        drive = {"h_valid": self._read_offered}
        if self._read_offered:
            drive |= dict(zip(("h_op", "h_row", "h_tag"), self._reads[0], strict=False))
        self._dac_offered = bool(self._codes) and (getattr(self, "_dac_offered", False) or self.random.random() < 0.5)
        drive |= {"dac_valid": self._dac_offered, "dac_codes": self._codes[0] if self._codes else 0}
        drive |= {"adc_ready": self.random.random() < self.patience, "r_ready": self.random.random() < self.patience}
        return drive

    def _take_results(self, ctx):
        sequencer = self.hardware.sequencer
        self._read_taken = ctx.get(sequencer.h_valid) and ctx.get(sequencer.h_ready)
        if ctx.get(sequencer.dac_valid) and ctx.get(sequencer.dac_ready):
            self._codes.pop(0)
            self._dac_offered = False
        if ctx.get(sequencer.adc_valid) and ctx.get(sequencer.adc_ready):
            self._output.append((ctx.get(sequencer.adc_codes), ctx.get(sequencer.adc_last)))
        if ctx.get(sequencer.r_valid) and ctx.get(sequencer.r_ready):
            fields = [ctx.get(getattr(sequencer, f"r_{name}")) for name in ("op", "tag", "status")]
            self.results.append((*fields, self._output))
            self._output = []

    def expected_commands(self):
        """The model's commands of all rows."""
        return [c for row, counts in self.rows for c in row_commands(self.tile, row, counts, self.settings)]

    def programs(self):
        """The PROGRAM commands that the macro took."""
        return [c for c in self.macro.commands if c["op"] == Op.PROGRAM]

    def ledger(self):
        """The model's ledger of what happened on the pins; commands that never came were dropped."""
        ledger = PulseLedger()
        expected = self.expected_commands()
        for want, got in zip(expected, self.programs(), strict=False):
            ledger.issue(want.pulses)
            if got["outcome"] is None or got["fault"].get("lost") or got["fault"].get("deaf", 0) > TIMEOUT:
                ledger.lose(want.pulses)
            else:
                ledger.complete(want.pulses, *got["outcome"])
        for want in expected[len(self.programs()) :]:
            ledger.drop(want.pulses)
        assert ledger.balanced
        return ledger.wrapped()
