"""Reads of single devices: host and write-verify at one sequencer, bit-serial words, groups, FORM."""

import importlib.util
import random
from pathlib import Path

import pytest
from amaranth import Cat, Module, Value
from amaranth.sim import Simulator

from crosstrain_hdl.bit_serial import BitSerial
from crosstrain_hdl.emit import emit
from crosstrain_hdl.port_checker import PortChecker
from crosstrain_hdl.read_switch import ReadSwitch
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_model import bit_serial as model
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.port import WEIGHTS, Op, Status, adc_codes, adc_words, code_bits, port_signals
from crosstrain_model.port_rules import RULES

_spec = importlib.util.spec_from_file_location("array_side", Path(__file__).with_name("array_side.py"))
array_side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(array_side)


def design(rows, columns, lanes, read="bit-serial", **formats):
    return Design(
        name="wu", scheme="wu", array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided", read=read),
        formats=Formats(**{"adc": 8, "fraction": 7, **formats}), update=Update(max_pulses=1, threshold=6528),
    )  # fmt: skip


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, x=2),
    "8x8": design(8, 8, 4),
    "13x7": design(13, 7, 3, x=5, d=12),
    "parallel": design(13, 7, 3, "parallel", x=5, d=12),
    "eight groups": design(16, 32, 4),
}


class Macro(array_side.Macro):
    """Answers for the groups that a READ_ROW names."""

    def _start(self, pins):
        self.groups = pins["arr_cmd_groups"]
        super()._start(pins)
        self.commands[-1]["groups"] = pins["arr_cmd_groups"]

    def _answer(self, command):
        due = self.groups.bit_count() if command["op"] == Op.READ_ROW else adc_words(self.tile, command["op"])
        bits = adc_codes(self.tile) * self.tile.formats.adc
        command["words"] = [self.random.getrandbits(bits) for _ in range(due)]
        self.words = [(word, index == due - 1) for index, word in enumerate(command["words"])]
        command["timer"] = 0


class Joined:
    """Sequencer, switch, bits and checker as one module."""

    def __init__(self, tile):
        self.sequencer, self.switch, self.checker = Sequencer(tile), ReadSwitch(tile), PortChecker(tile)
        self.bits = BitSerial(tile) if tile.array.read == "bit-serial" else None
        self.module = m = Module()
        m.submodules.sequencer, m.submodules.switch, m.submodules.checker = self.sequencer, self.switch, self.checker
        sequencer, switch = self.sequencer, self.switch
        for name in ("valid", "op", "row", "tag", "groups"):
            m.d.comb += getattr(sequencer, f"h_{name}").eq(getattr(switch, f"s_{name}"))
        m.d.comb += [switch.s_ready.eq(sequencer.h_ready), sequencer.adc_ready.eq(switch.sa_ready)]
        for name in ("adc_valid", "adc_codes", "adc_last", "r_valid", "r_op", "r_tag", "r_status"):
            m.d.comb += getattr(switch, f"s{name.replace('adc', 'a')}").eq(getattr(sequencer, name))
        m.d.comb += sequencer.r_ready.eq(switch.sr_ready)
        self.dac = sequencer
        if self.bits:
            m.submodules.bits = self.dac = self.bits
            m.d.comb += [
                sequencer.dac_valid.eq(self.bits.b_valid),
                sequencer.dac_codes.eq(self.bits.b_bits),
                self.bits.b_ready.eq(sequencer.dac_ready),
            ]
        for signal in port_signals(tile):
            m.d.comb += getattr(self.checker, signal.name).eq(getattr(sequencer, signal.name))


class Side:
    """One simulation. `host`: [(op, row, tag, codes)], `verify`: [(row, groups)], `trains`: [(op, row, columns)]."""

    def __init__(self, tile, host, verify, trains, *, seed=1, patience=0.6, abort_at=()):
        self.tile, self.host, self.verify, self.trains = tile, list(host), list(verify), list(trains)
        self.random, self.patience, self.abort_at = random.Random(seed), patience, abort_at
        self.parts, self.macro = Joined(tile), Macro(tile, self.random, patience)
        self.results, self.answers = [], []  # of the host (op, tag, status, words), of write-verify (status, words)
        self._words, self._verify_words, self._codes, self._slots, self._held = [], [], [], [], {}
        sequencer, switch, dac = self.parts.sequencer, self.parts.switch, self.parts.dac
        self._inputs = {
            **{name: getattr(switch, name) for name in "h_valid h_op h_row h_tag q_valid q_row q_groups".split()},
            **{name: getattr(switch, name) for name in "adc_ready r_ready qa_ready qr_ready".split()},
            **{name: getattr(dac, name) for name in ("dac_valid", "dac_codes")},
            **{name: getattr(sequencer, name) for name in "t_valid t_op t_row t_width t_pulses t_direction".split()},
            **{name: getattr(sequencer, name) for name in "slot_valid slot_columns slot_last".split()},
            **{name: getattr(sequencer, name) for name in "pulse_empty host_abort timeout".split()},
            **{name: getattr(sequencer, name) for name in ("program_enable", "arr_rails_ok")},
            **{s.name: getattr(sequencer, s.name) for s in port_signals(tile) if s.direction == "in"},
        }
        outputs = "h_ready q_ready adc_valid adc_codes r_valid r_op r_tag r_status qa_valid qa_codes qa_last".split()
        self._outputs = {name: getattr(switch, name) for name in (*outputs, "qr_valid", "qr_status")}
        self._outputs |= {"dac_ready": dac.dac_ready, "busy": sequencer.busy, "ready": sequencer.ready}
        self._outputs |= {name: getattr(sequencer, name) for name in ("t_ready", "slot_ready", "cancel", "over")}
        self._outputs |= {s.name: getattr(sequencer, s.name) for s in port_signals(tile)}

    def run(self, cycles=6000):
        simulator = Simulator(self.parts.module)
        simulator.add_clock(1e-8)

        async def bench(ctx):
            rest = 0
            for cycle in range(cycles):
                drive = self._drive(cycle)
                self._write(ctx, drive)
                pins = self._read(ctx)
                self._after(drive, pins)
                left = self.host or self.verify or self.trains or self._codes or self._slots or self.macro.outbox
                rest = 0 if left or pins["busy"] or not pins["ready"] else rest + 1
                if rest > 9:
                    broken = ctx.get(self.parts.checker.broken)
                    self.broken = [rule.name for rule in RULES if broken >> (rule.code - 1) & 1]
                    return
                await ctx.tick()
            raise AssertionError("it does not come to rest")

        simulator.add_testbench(bench)
        simulator.run()
        return self

    def _write(self, ctx, drive):
        word = shift = 0
        for name, value in drive.items():
            width = len(Value.cast(self._inputs[name]))
            word, shift = word | (int(value) & (1 << width) - 1) << shift, shift + width
        ctx.set(Cat(self._inputs[name] for name in drive), word)

    def _read(self, ctx):
        word, pins = ctx.get(Cat(self._outputs.values())), {}
        for name, value in self._outputs.items():
            pins[name], word = word & (1 << len(value)) - 1, word >> len(value)
        return pins

    def _offer(self, name, queue):
        """valid, once up, stays."""
        self._held[name] = bool(queue) and (self._held.get(name, False) or self.random.random() < self.patience)
        return self._held[name]

    def _drive(self, cycle):
        drive = {"program_enable": 1, "arr_rails_ok": 1, "timeout": 60, "host_abort": cycle in self.abort_at}
        drive |= {"h_valid": self._offer("h", self.host if not self._codes else [])}
        drive |= {"q_valid": self._offer("q", self.verify)}
        drive |= {"t_valid": self._offer("t", self.trains if not self._slots else [])}
        drive |= {"dac_valid": self._offer("dac", self._codes), "slot_valid": bool(self._slots)}
        for name, queue in (("h", self.host), ("q", self.verify), ("t", self.trains)):
            if drive[f"{name}_valid"]:
                fields = {"h": ("op", "row", "tag"), "q": ("row", "groups"), "t": ("op", "row", "pulses")}[name]
                drive |= {f"{name}_{field}": value for field, value in zip(fields, queue[0], strict=False)}
        if drive["t_valid"]:
            drive["t_pulses"] = self.trains[0][2].bit_count()
        drive |= {"t_width": 2, "t_direction": 1, "pulse_empty": not self.trains and not self._slots}
        drive["dac_codes"] = self._codes[0] if self._codes else 0
        drive |= {"slot_columns": self._slots[0] if self._slots else 0, "slot_last": 1}
        for name in ("adc", "r", "qa", "qr"):
            drive[f"{name}_ready"] = self.random.random() < self.patience
        return drive | self.macro.offer()

    def _after(self, drive, pins):
        if drive["h_valid"] and pins["h_ready"]:
            self._codes, self._held["h"] = list(self.host.pop(0)[3]), False
        if drive["q_valid"] and pins["q_ready"]:
            self.verify.pop(0)
            self._held["q"] = False
        if drive["slot_valid"] and pins["slot_ready"] or pins["over"]:
            self._slots = []
        if drive["t_valid"] and pins["t_ready"]:
            self._slots, self._held["t"] = [] if pins["cancel"] else [self.trains[0][2]], False
            self.trains.pop(0)
        if drive["dac_valid"] and pins["dac_ready"]:
            self._codes.pop(0)
            self._held["dac"] = False
        if drive["adc_ready"] and pins["adc_valid"]:
            self._words.append(pins["adc_codes"])
        if drive["qa_ready"] and pins["qa_valid"]:
            self._verify_words.append((pins["qa_codes"], pins["qa_last"]))
        if drive["r_ready"] and pins["r_valid"]:
            self.results.append((pins["r_op"], pins["r_tag"], pins["r_status"], self._words))
            self._words = []
        if drive["qr_ready"] and pins["qr_valid"]:
            self.answers.append((pins["qr_status"], self._verify_words))
            self._verify_words = []
        self.macro.settle(pins)


def drawn(tile, rng, count):
    """Host reads and the codes of each, reads of write-verify, trains."""
    array, bits = tile.array, code_bits(tile)
    host, codes = [], []
    for tag in range(count):
        op = rng.choice((Op.FORWARD, Op.READ_ROW))
        given = [rng.randrange(1 << tile.formats.x) for _ in range(array.rows)] if op == Op.FORWARD else []
        padded = given + [0] * (-len(given) % array.lanes)
        words = [sum(code << lane * bits for lane, code in enumerate(padded[start : start + array.lanes]))
                 for start in range(0, len(given), array.lanes)]  # fmt: skip
        host.append((op, rng.randrange(array.rows) if op == Op.READ_ROW else 0, tag, words))
        codes.append((given, words))
    every = (1 << array.groups) - 1
    verify = [(rng.randrange(array.rows), rng.choice([every, 1, rng.randint(1, every)])) for _ in range(count)]
    columns = array.device_columns
    trains = [(rng.choice((Op.PROGRAM, Op.FORM)), rng.randrange(array.rows), rng.randrange(1, 1 << columns))
              for _ in range(count)]  # fmt: skip
    return host, codes, verify, trains


@pytest.mark.parametrize("patience", [1.0, 0.5])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_each_read_goes_to_whom_it_belongs(name, patience):
    tile = CONFIGURATIONS[name]
    host, codes, verify, trains = drawn(tile, random.Random(name), 8)
    side = Side(tile, host, verify, trains, patience=patience).run()
    assert side.broken == []
    taken = [c for c in side.macro.commands if c["op"] != Op.ABORT]
    pulses = [c for c in taken if c["op"] in (Op.PROGRAM, Op.FORM)]
    assert [(c["op"], c["row"], c["slots"][0][0], c["groups"]) for c in pulses] == [(*t, 0) for t in trains]
    assert {c["array"] for c in taken} == {WEIGHTS}
    forwards = [c for c in taken if c["op"] == Op.FORWARD]
    given = [pair for pair in codes if pair[0]]
    for command, (plain, words) in zip(forwards, given, strict=True):
        assert command["groups"] == 0
        assert command["codes"] == (model.words(tile, plain) if tile.array.read == "bit-serial" else words)
    every = (1 << tile.array.groups) - 1
    asked = [(row, groups) for row, groups in verify] + [(r[1], every) for r in host if r[0] == Op.READ_ROW]
    assert sorted((c["row"], c["groups"]) for c in taken if c["op"] == Op.READ_ROW) == sorted(asked)
    assert [result[:3] for result in side.results] == [(op, tag, Status.OK) for op, _, tag, _ in host]
    assert [len(words) for _, words in side.answers] == [groups.bit_count() for _, groups in verify]
    assert all(last == (place == len(words) - 1) for _, words in side.answers for place, (_, last) in enumerate(words))
    sent = [c["words"] for c in taken if c["op"] not in (Op.PROGRAM, Op.FORM)]
    got = [words for *_, words in side.results] + [[word for word, _ in words] for _, words in side.answers]
    assert sorted(sent) == sorted(got)


@pytest.mark.parametrize("name", ["8x8", "13x7", "parallel"])
def test_aborts_of_the_host_cost_a_result_each_at_most(name):
    tile = CONFIGURATIONS[name]
    host, _, verify, trains = drawn(tile, random.Random(3), 12)
    side = Side(tile, host, verify, trains, abort_at=range(60, 900, 83)).run()
    assert side.broken == []
    assert [result[1] for result in side.results] == list(range(12))
    assert len(side.answers) == 12
    statuses = {status for _, _, status, _ in side.results} | {status for status, _ in side.answers}
    assert statuses == {Status.OK, Status.ABORTED}


class AtOnce(Macro):
    """Always ready; converts a group in the cycle after its last word of bits."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.cycle, self.first, self.converted = 0, None, []

    def settle(self, pins):
        self.cycle += 1
        if pins["arr_adc_valid"] and pins["arr_adc_ready"]:
            self.converted.append(self.cycle)
        bits = pins["arr_dac_valid"] and pins["arr_dac_ready"]
        if bits and self.first is None:
            self.first = self.cycle
        if bits and self.current:
            taken = len(self.current["codes"]) + 1
            if taken % self.tile.formats.x == 0:
                self.words.append((taken, pins["arr_dac_last"]))
        super().settle(pins)

    def _answer(self, command):
        command["timer"] = 0


def test_a_read_of_eight_groups_and_eight_bits_takes_72_cycles():
    tile = CONFIGURATIONS["eight groups"]
    host, _, _, _ = drawn(tile, random.Random(5), 1)
    host = [(Op.FORWARD, 0, 1, (host[0][3] or [0] * 4))]
    side = Side(tile, host, [], [], patience=1.0)
    side.macro = macro = AtOnce(tile, side.random, 1.0)
    side.run()
    assert (side.broken, side.results[0][:3], len(macro.converted)) == ([], (Op.FORWARD, 1, Status.OK), 8)
    assert macro.converted[-1] - macro.first + 1 == 72 == model.cycles(tile)


@pytest.mark.parametrize("profile", ["fpga", "asic"])
@pytest.mark.parametrize("part", [ReadSwitch, Sequencer])
def test_emitted_text_does_the_same(bench, part, profile):
    dut = part(CONFIGURATIONS["13x7"])
    reads = {"h_op": lambda rng, step: rng.choice((0, 2)), "timeout": lambda rng, step: 16}
    chosen = reads if part is Sequencer else {}
    stimulus = bench.stimulus(dut, steps=300, seed=3, **chosen)
    texts = emit(dut, name="dut", profile=profile)
    assert bench.replay(texts, "dut", dut, stimulus, profile=profile) == bench.record(dut, stimulus, profile=profile)
