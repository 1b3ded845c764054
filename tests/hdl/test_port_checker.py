"""Port checker: traffic that keeps the rules raises nothing, and each rule, once broken, raises its own code."""

import dataclasses

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit, flat_ports
from crosstrain_hdl.port_checker import PortChecker
from crosstrain_model.design import Array, Bus, Design, Pulse
from crosstrain_model.port import ABORT_TAG, INTERLOCK_CYCLES, ArrayId, Op, Status, port_signals
from crosstrain_model.port_rules import CODES, RULES

TILE = Design(
    array=Array(rows=5, columns=4, lanes=2),
    pulse=Pulse(width_set=3, width_reset=3, width_limit=20),
)
TALL = Design(array=Array(rows=9, columns=4, lanes=2))
IDLE = {"arr_cmd_ready": 1, "arr_slot_ready": 1, "arr_dac_ready": 1, "arr_adc_ready": 1, "arr_done_ready": 1}
IDLE |= {"arr_prog_enable": 1, "arr_rails_ok": 1}
ALL = 0b1111


def cycle(**pins):
    """One clock cycle: names without their arr_."""
    return {f"arr_{name}": int(value) for name, value in pins.items()}


def command(op, tag, **fields):
    pulses = {"cmd_width": 3, "cmd_amplitude": 7} if op in (Op.PROGRAM, Op.TRAIN, Op.FORM) else {}
    array = {} if op is Op.ABORT else {"cmd_array": ArrayId.W}
    return cycle(cmd_valid=1, cmd_op=op, cmd_tag=tag, **{**pulses, **array, **fields})


def slot(columns, last=0, direction=ALL, **more):
    return cycle(slot_valid=1, slot_columns=columns, slot_direction=direction, slot_last=last, **more)


def done(tag, status=Status.OK, pulses=0, **more):
    return cycle(done_valid=1, done_tag=tag, done_status=status, done_pulses=pulses, **more)


def dac(last=0, **more):
    return cycle(**{"dac_valid": 1, "dac_codes": 5, "dac_last": last, **more})


def adc(last=0, **more):
    return cycle(**{"adc_valid": 1, "adc_codes": 9, "adc_last": last, **more})


def pause(cycles):
    return [{}] * cycles


ABORT = command(Op.ABORT, ABORT_TAG)
ABORTED = done(ABORT_TAG, Status.ABORTED)
START = [ABORT, {}, ABORTED, {}]
PROGRAM = command(Op.PROGRAM, 0, cmd_row=4)
FORWARD = command(Op.FORWARD, 0)
WORDS = [dac(), dac(), dac(last=1)]

LEGAL = {
    "nothing": [{}],
    "program": [*START, PROGRAM, slot(0b0110), *pause(2), slot(0b0100, last=1), *pause(3), done(0, pulses=3), {}],
    "second phase": [
        *START, PROGRAM, slot(1, last=1), *pause(4), done(0, pulses=1),
        command(Op.PROGRAM, 1), slot(2, last=1, direction=0), *pause(4), done(1, pulses=1), {},
    ],
    "waiting": [
        *[ABORT | {"arr_cmd_ready": 0}] * 2, ABORT, {}, ABORTED | {"arr_done_ready": 0}, ABORTED,
        PROGRAM | {"arr_cmd_ready": 0}, PROGRAM, slot(3, last=1, slot_ready=0), slot(3, last=1),
        *pause(3), done(0, pulses=2),
    ],
    "train in both directions": [
        *START, command(Op.TRAIN, 0), slot(3, direction=1), *pause(2), slot(3, direction=2, last=1), *pause(3),
        done(0, pulses=4), {},
    ],
    "forward": [*START, FORWARD, *WORDS, adc(adc_ready=0), adc(), adc(last=1), done(0), {}],
    "saturated": [*START, command(Op.READ_ROW, 0, cmd_row=2), adc(), adc(last=1), done(0, Status.SATURATED), {}],
    "backward": [*START, command(Op.BACKWARD, 0), dac(), dac(last=1), adc(), adc(), adc(last=1), done(0), {}],
    "failed early": [*START, PROGRAM, slot(1), done(0, Status.VERIFY, 1), {}],
    "abort of a train": [
        *START, PROGRAM, slot(3), *pause(3), slot(1, slot_ready=0), ABORT, {}, done(0, Status.ABORTED, 2), ABORTED,
        command(Op.PROGRAM, 1), slot(1, last=1), *pause(3), done(1, pulses=1), {},
    ],
    "abort of a read": [
        *START, FORWARD, dac(), dac(dac_ready=0), ABORT, {}, done(0, Status.ABORTED), ABORTED,
        command(Op.READ_ROW, 1), adc(), adc(last=1, adc_ready=0), ABORT | adc(last=1, adc_ready=0), {},
        done(1, Status.ABORTED), ABORTED,
    ],
    "abort sent twice": [
        ABORT, *pause(9), ABORT, {}, ABORTED, PROGRAM, slot(1, last=1), ABORTED, *pause(3), done(0, pulses=1),
    ],
    "old epoch": [done(3), adc(), ABORT, done(4, Status.VERIFY, 9), adc(last=1), ABORTED, ABORTED, {}],
    "rails fail": [
        *START, PROGRAM, *[slot(1, slot_ready=0, prog_enable=0, rails_ok=0)] * INTERLOCK_CYCLES,
        cycle(prog_enable=0), ABORT | cycle(prog_enable=0), {}, done(0, Status.ABORTED), ABORTED, {},
    ],
    "tags wrap": [
        *START, *[c for n in range(256) for c in (command(Op.CALIBRATE, n % 255), {}, done(n % 255))],
    ],
}

BROKEN = {
    "CMD_STABLE": [
        [ABORT | {"arr_cmd_ready": 0}, {}],
        [*START, PROGRAM | {"arr_cmd_ready": 0}, PROGRAM | {"arr_cmd_row": 3}],
        [*START, PROGRAM | {"arr_cmd_ready": 0}, ABORT],
    ],
    "SLOT_STABLE": [
        [*START, PROGRAM, slot(1, slot_ready=0), slot(3)],
        [*START, PROGRAM, slot(1, slot_ready=0), slot(1, last=1)],
        [*START, PROGRAM, slot(1, slot_ready=0), {}, slot(1)],
    ],
    "DAC_STABLE": [
        [*START, FORWARD, dac(dac_ready=0), dac(dac_codes=6)],
        [*START, FORWARD, dac(dac_ready=0), {}, dac()],
    ],
    "ADC_STABLE": [
        [*START, FORWARD, *WORDS, adc(adc_ready=0), adc(adc_codes=8)],
        [*START, FORWARD, *WORDS, adc(adc_ready=0), {}],
    ],
    "DONE_STABLE": [
        [*START, PROGRAM, done(0, Status.VERIFY, done_ready=0), {}],
        [*START, PROGRAM, done(0, Status.VERIFY, done_ready=0), done(0, Status.INTERLOCK)],
    ],
    "CMD_RESYNC": [[PROGRAM], [ABORT, PROGRAM], [dac()], [ABORT, slot(1)]],
    "CMD_OUTSTANDING": [
        [*START, PROGRAM, command(Op.READ_ROW, 1)],
        [*START, PROGRAM, done(0, Status.VERIFY), ABORT, command(Op.READ_ROW, 1)],
    ],
    "CMD_FIELDS": [
        [*START, command(8, 0)],
        [*START, command(Op.READ_ROW, 0, cmd_array=6)],
        [*START, command(Op.READ_ROW, 0, cmd_row=5)],
        [*START, command(Op.FORWARD, 0, cmd_row=1)],
        [*START, command(Op.FORWARD, 0, cmd_width=1)],
        [*START, command(Op.FORWARD, 0, cmd_amplitude=1)],
        [command(Op.ABORT, ABORT_TAG, cmd_array=1)],
    ],
    "CMD_TAG": [
        [command(Op.ABORT, 0)],
        [*START, command(Op.READ_ROW, ABORT_TAG)],
        [*START, command(Op.READ_ROW, 1)],
        [*START, PROGRAM, done(0, Status.VERIFY), command(Op.PROGRAM, 0)],
    ],
    "CMD_WIDTH": [[*START, PROGRAM | {"arr_cmd_width": 0}], [*START, PROGRAM | {"arr_cmd_width": 21}]],
    "PROG_DISABLED": [
        [*START, *[cycle(prog_enable=0)] * INTERLOCK_CYCLES, PROGRAM | cycle(prog_enable=0)],
        [*START, PROGRAM, *[slot(1, slot_ready=0, prog_enable=0)] * (INTERLOCK_CYCLES + 1)],
    ],
    "PROG_RAILS": [[cycle(rails_ok=0)]],
    "SLOT_COMMAND": [
        [*START, slot(1)],
        [*START, PROGRAM | slot(1)],
        [*START, FORWARD, slot(1)],
        [*START, PROGRAM, done(0, Status.VERIFY), slot(1)],
        [*START, PROGRAM, slot(1, last=1), *pause(3), slot(1)],
    ],
    "SLOT_EMPTY": [[*START, PROGRAM, slot(0)]],
    "SLOT_POLARITY": [
        [*START, PROGRAM, slot(3, direction=1)],
        [*START, PROGRAM, slot(3, direction=3), *pause(3), slot(3, direction=0)],
        [*START, PROGRAM, slot(3, direction=0), *pause(3), slot(4, direction=4)],
    ],
    "SLOT_OVERLAP": [
        [*START, PROGRAM, slot(1), slot(1)],
        [*START, PROGRAM, slot(1), {}, slot(1)],
        [*START, PROGRAM, slot(1, last=1), done(0, Status.VERIFY, 1), command(Op.PROGRAM, 1)],
    ],
    "DAC_COUNT": [
        [*START, dac()],
        [*START, PROGRAM, dac()],
        [*START, FORWARD, dac(last=1)],
        [*START, FORWARD, dac(), dac(), dac()],
        [*START, FORWARD, *WORDS, dac()],
        [*START, FORWARD, done(0, Status.TIMEOUT), dac()],
    ],
    "ADC_COUNT": [
        [*START, adc()],
        [*START, FORWARD, *WORDS, adc(last=1)],
        [*START, FORWARD, *WORDS, adc(), adc()],
        [*START, FORWARD, *WORDS, adc(), adc(last=1), adc()],
        [*START, FORWARD, done(0, Status.TIMEOUT), adc()],
    ],
    "DONE_TAG": [
        [*START, done(0, Status.VERIFY)],
        [*START, PROGRAM, done(1, Status.VERIFY)],
        [*START, PROGRAM | done(0, Status.VERIFY)],
        [*START, PROGRAM, done(0, Status.VERIFY), done(0, Status.VERIFY)],
        [*START, PROGRAM, ABORTED],
    ],
    "DONE_STATUS": [
        [*START, PROGRAM, done(0, 6)],
        [*START, PROGRAM, done(0, Status.ABORTED)],
        [*START, ABORT, done(ABORT_TAG, Status.OK)],
    ],
    "DONE_PULSES": [
        [*START, PROGRAM, slot(3, last=1), *pause(3), done(0, pulses=3)],
        [*START, FORWARD, *WORDS, adc(), adc(last=1), done(0, pulses=1)],
        [*START, ABORT, done(ABORT_TAG, Status.ABORTED, 1)],
    ],
    "DONE_EARLY": [
        [*START, PROGRAM, done(0)],
        [*START, PROGRAM, slot(3), *pause(3), done(0, Status.SATURATED, 2)],
        [*START, FORWARD, *WORDS, adc(), done(0)],
        [*START, FORWARD, *WORDS, adc(), adc(last=1) | done(0)],
        [*START, command(Op.BACKWARD, 0), dac(), adc(), adc(), adc(last=1), done(0)],
        [*START, PROGRAM, ABORT, ABORTED],
    ],
}


def watch(script, tile=TILE):
    """(code of the first rule broken, names of all that ever were)."""
    dut = PortChecker(tile)
    seen = {}

    async def bench(ctx):
        before = {}
        for pins in [*script, {}]:
            now = IDLE | pins
            for name in before.keys() | now.keys():
                ctx.set(getattr(dut, name), now.get(name, 0))
            before = now
            await ctx.tick()
        broken = ctx.get(dut.broken)
        seen["first"] = ctx.get(dut.first)
        seen["names"] = [rule.name for rule in RULES if broken >> (rule.code - 1) & 1]

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return seen["first"], seen["names"]


@pytest.mark.parametrize("name", LEGAL)
def test_legal_traffic_breaks_nothing(name):
    assert watch(LEGAL[name]) == (0, [])


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in BROKEN for place in range(len(BROKEN[name]))])
def test_a_broken_rule_is_named(name, place):
    first, names = watch(BROKEN[name][place])
    assert name in names
    assert first == min(CODES[other] for other in names)


def test_every_rule_has_a_script_that_breaks_it():
    assert list(BROKEN) == [rule.name for rule in RULES]


def test_each_rule_is_broken_alone_by_some_script():
    alone = {names[0] for scripts in BROKEN.values() for script in scripts if len(names := watch(script)[1]) == 1}
    assert alone == {rule.name for rule in RULES}


def test_what_is_broken_stays_known():
    script = [*START, PROGRAM, slot(0), *pause(4), slot(1, last=1), *pause(3), done(0, pulses=9), {}, {}]
    assert watch(script) == (CODES["SLOT_EMPTY"], ["SLOT_EMPTY", "DONE_PULSES"])


def test_the_checker_is_a_module_of_its_own_with_the_ports_of_the_table():
    dut = PortChecker(TALL)
    names = [signal.name for signal in port_signals(TALL)]
    assert list(flat_ports(dut)) == [*names, "broken", "first"]
    texts = emit(dut, name="tile_port_checker", profile="asic")
    assert list(texts) == ["tile_port_checker.v"]


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    """amaranth.sim and Icarus agree on both outputs in every cycle."""
    dut = PortChecker(TILE)
    rare = dict.fromkeys(["arr_slot_valid", "arr_dac_valid", "arr_adc_valid", "arr_done_valid"], lambda rng, step: 0)
    always = dict.fromkeys(["arr_prog_enable", "arr_rails_ok", "arr_cmd_ready"], lambda rng, step: 1)
    seen = []
    for quiet in ({**rare, **always}, {}):
        stimulus = bench.stimulus(dut, steps=150, seed=5, **quiet)
        texts = emit(dut, name="dut", profile=profile)
        text = bench.replay(texts, "dut", dut, stimulus, profile=profile)
        assert text == bench.record(dut, stimulus, profile=profile)
        seen.append(text[-1])
    assert len(set(seen)) == 2


# --- several open commands ---------------------------------------------------------------------------------------

SEVERAL = Design(scheme="agad", array=Array(rows=5, columns=4, lanes=2), pulse=TILE.pulse, bus=Bus(outstanding=3))


def train(tag, **fields):
    return command(Op.TRAIN, tag, cmd_array=ArrayId.A, **fields)


def row(tag, **fields):
    return command(Op.READ_ROW, tag, cmd_array=ArrayId.A, cmd_row=2, **fields)


def hit(rows, columns=ALL, last=0, **more):
    return slot(columns, last=last, slot_rows=rows, **more)


PAUSE = pause(2)

LEGAL_SEVERAL = {
    "trains and a read between": [
        *START, train(0), row(1) | hit(1), train(2), {}, hit(0, 0, last=1, slot_ready=0), hit(0, 0, last=1),
        *PAUSE, done(0, pulses=2), hit(31, last=1), adc(), adc(last=1), done(1), done(2, pulses=1), {},
    ],
    "rows of pulses among trains": [
        *START, train(0), command(Op.PROGRAM, 1, cmd_row=3), hit(7, last=1), *PAUSE, slot(3), *PAUSE, slot(1, last=1),
        done(0, pulses=1), *PAUSE, done(1, pulses=3), {},
    ],
    "words of two reads": [
        *START, row(0), row(1), adc(), adc(last=1), done(0), adc(), adc(last=1), done(1), {},
    ],
    "a command that ended early": [
        *START, train(0), train(1), hit(3, slot_ready=0), hit(3, slot_ready=0) | done(0, Status.VERIFY), hit(9, last=1),
        *PAUSE, done(1, pulses=1), {},
    ],
    "abort of all": [
        *START, train(0), row(1), train(2), hit(3), *PAUSE, hit(3, slot_ready=0), ABORT, {},
        done(0, Status.ABORTED, 1), done(1, Status.ABORTED), done(2, Status.ABORTED), ABORTED,
        train(3), hit(1, last=1), *PAUSE, done(3, pulses=1), {},
    ],
}  # fmt: skip

BROKEN_SEVERAL = {
    "CMD_OUTSTANDING": [[*START, train(0), train(1), row(2), row(3)]],
    "SLOT_STABLE": [
        [*START, train(0), train(1), hit(1, slot_ready=0), hit(2)],
        [*START, train(0), train(1), hit(1, slot_ready=0), {}, hit(1)],
    ],
    "SLOT_COMMAND": [
        [*START, row(0), hit(1)],
        [*START, train(0), train(1), hit(1, last=1), *PAUSE, hit(1, last=1), *PAUSE, hit(1)],
    ],
    "SLOT_EMPTY": [
        [*START, command(Op.PROGRAM, 0), slot(0)],
        [*START, command(Op.PROGRAM, 0), hit(1)],
    ],
    "SLOT_POLARITY": [[*START, train(0), command(Op.PROGRAM, 1), hit(1, last=1), *PAUSE, slot(3, direction=1)]],
    "SLOT_OVERLAP": [[*START, train(0), train(1), hit(1, last=1), {}, hit(1)]],
    "ADC_COUNT": [
        [*START, row(0), row(1), adc(), adc(last=1), adc()],
        [*START, row(0), row(1), adc(), adc()],
    ],
    "DONE_TAG": [[*START, train(0), row(1), adc(), adc(last=1), done(1)]],
    "DONE_PULSES": [[*START, train(0), hit(1, last=1), *PAUSE, done(0, pulses=4)]],
    "DONE_EARLY": [
        [*START, train(0), row(1), hit(1), *PAUSE, done(0, pulses=1)],
        [*START, train(0), row(1), ABORT, ABORTED],
    ],
}


def test_slots_of_trains_with_separate_polarities():
    """Directions may change between slots of a train, and columns in one slot must share theirs."""
    separate = dataclasses.replace(SEVERAL, train=dataclasses.replace(SEVERAL.train, polarity="separate"))
    legal = [*START, train(0), hit(1, 3, direction=3), *PAUSE, hit(1, 12, direction=0), *PAUSE, hit(2, 0, last=1)]
    mixed = [*START, train(0), hit(1, 3, direction=1)]
    assert watch(legal, separate) == watch(mixed, SEVERAL) == (0, [])
    assert watch(mixed, separate) == (CODES["SLOT_POLARITY"], ["SLOT_POLARITY"])


@pytest.mark.parametrize("name", LEGAL_SEVERAL)
def test_several_open_commands_break_nothing(name):
    assert watch(LEGAL_SEVERAL[name], SEVERAL) == (0, [])


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name in BROKEN_SEVERAL for place in range(len(BROKEN_SEVERAL[name]))]
)
def test_a_rule_broken_among_several_is_named(name, place):
    first, names = watch(BROKEN_SEVERAL[name][place], SEVERAL)
    assert (first, names) == (CODES[name], [name])
