"""The dispatcher with pulse and port checker: in order, back to back, nothing lost, nothing twice."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from crosstrain_hdl.dispatcher import Dispatcher
from crosstrain_hdl.emit import emit
from crosstrain_model.design import Array, Bus, Design, Formats, Update
from crosstrain_model.design_gradient import Train
from crosstrain_model.port import ABORT_TAG, ArrayId, Op, Status, adc_words, code_bits, dac_words
from crosstrain_model.pulse import PulseLedger, PulseSettings, row_commands

_spec = importlib.util.spec_from_file_location("dispatcher_side", Path(__file__).with_name("dispatcher_side.py"))
dispatcher_side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dispatcher_side)
Bench, TIMEOUT = dispatcher_side.Bench, dispatcher_side.TIMEOUT

SETTINGS = PulseSettings(
    width_set=4, width_reset=3, guard=1, amplitude_set=0x1234, amplitude_reset=0xFEDC, width_limit=2**20
)


def design(scheme, rows, columns, lanes, outstanding=4, width=5, guard=0, **formats):
    return Design(
        scheme=scheme,
        array=Array(rows=rows, columns=columns, lanes=lanes),
        update=Update(max_pulses=3),
        formats=Formats(**formats),
        train=Train(width=width, guard=guard, amplitude=0x4321),
        bus=Bus(outstanding=outstanding),
    )


CONFIGURATIONS = {
    "agad": design("agad", 5, 7, 3),
    "two-open": design("ttv2", 3, 4, 4, outstanding=2, width=2, guard=2),
    "eight-open": design("c-ttv2", 13, 2, 1, outstanding=8, width=1),
    "sgd": design("sgd", 6, 5, 2),
    "1x1": design("agad", 1, 1, 1, adc=2, width=3),
}
EVERY = list(CONFIGURATIONS)
TRANSFERS = [name for name, tile in CONFIGURATIONS.items() if tile.transfers]
WRONG_WORDS = [
    (name, words) for name in TRANSFERS for words in (0, 1, 9) if words != adc_words(CONFIGURATIONS[name], Op.READ_ROW)
]
"""Numbers of words that a read of a row must not have."""


def train(tile, rng, slots):
    """Random slots: rows, columns, directions."""
    masks = []
    for _ in range(slots):
        columns = rng.getrandbits(tile.array.columns)
        masks.append((rng.getrandbits(tile.array.rows), columns, rng.getrandbits(tile.array.columns) & columns))
    return masks


def fill(bench, trains, rows=0, reads=0, every=2):
    """Trains, a row read after every so many, rows of pulses and reads of the host, all random."""
    tile, rng = bench.tile, bench.random
    for index in range(trains):
        read = rng.randrange(tile.array.rows) if tile.transfers and index % every == every - 1 else None
        bench.trains.queue.append((train(tile, rng, rng.randrange(1, 7)), read))
    if tile.transfers:
        counts = np.random.default_rng(trains).integers(-3, 4, (rows, tile.array.columns))
        bench.rows = [(rng.randrange(tile.array.rows), row) for row in counts]
    for index in range(reads):
        op = (Op.FORWARD, Op.BACKWARD, Op.READ_ROW)[index % 3]
        codes = [rng.getrandbits(tile.array.lanes * code_bits(tile)) for _ in range(dac_words(tile, op))]
        row = rng.randrange(tile.array.rows) if op is Op.READ_ROW else 0
        bench.reads.append((op, row, rng.getrandbits(8), codes))
    bench.given = list(bench.trains.queue), list(bench.rows), list(bench.reads)


def taken(bench, *ops):
    return [command for command in bench.macro.commands if command["op"] in ops]


def check_trains(bench, cut=()):
    """Trains reach the array as they were, in order; those in `cut` may lack slots at their end."""
    tile = bench.tile
    array = ArrayId.A if tile.transfers else ArrayId.W
    commands = taken(bench, Op.TRAIN)
    for index, (got, (slots, _)) in enumerate(zip(commands, bench.given[0], strict=False)):
        fields = [got[name] for name in ("array", "row", "width", "amplitude")]
        assert fields == [array, 0, tile.train.width, tile.train.amplitude]
        passed = [slot[1:] for slot in got["slots"]]
        assert passed == slots[: len(passed) if index in cut else None], index
    return commands


def check_rows(bench, cut=()):
    """PROGRAM commands are the model's."""
    expected = [c for row, counts in bench.given[1] for c in row_commands(bench.tile, row, counts, bench.settings)]
    commands = taken(bench, Op.PROGRAM)
    for index, (got, want) in enumerate(zip(commands, expected, strict=False)):
        fields = [got[name] for name in ("array", "row", "width", "amplitude")]
        assert fields == [ArrayId.W, want.row, want.width, want.amplitude], index
        slots = [slot[1:] for slot in got["slots"]]
        full = 2**bench.tile.array.columns - 1
        wanted = [(0, columns, want.direction * full) for columns in want.slot_masks]
        assert slots == wanted[: len(slots) if index in cut else None], index
    return commands, expected


def zero(names):
    return dict.fromkeys(names, 0)


@pytest.mark.parametrize("patience", [1.0, 0.5])
@pytest.mark.parametrize("name", EVERY)
def test_everything_arrives_in_order(name, patience):
    tile = CONFIGURATIONS[name]
    bench = Bench(tile, SETTINGS, seed=3, patience=patience)
    fill(bench, 12, rows=6, reads=3)
    bench.run()
    assert bench.broken == []
    assert bench.seen_events == zero(bench.seen_events)
    commands = [command for command in bench.macro.commands if command["op"] != Op.ABORT]
    assert [command["tag"] for command in commands] == list(range(len(commands)))
    kinds = {Op.PROGRAM: "p", Op.TRAIN: "n"}
    reads = {ArrayId.A: "q", ArrayId.W: "h"}
    order = [kinds.get(command["op"]) or reads[command["array"]] for command in commands]
    assert order == [kind for kind, *_ in bench.issued]
    trains = check_trains(bench)
    assert len(trains) == 12
    slots = sum(len(slots) for slots, _ in bench.given[0])
    assert bench.slots == zero(bench.slots) | {"issued": slots, "delivered": slots}
    assert bench.counted == {"commands": len(commands), "stray": 0}
    assert [result[:3] for result in bench.results] == [(op, tag, Status.OK) for op, _, tag, _ in bench.given[2]]
    answers = [command for command in commands if command["array"] == ArrayId.W and command["words"]]
    for result, command in zip(bench.results, answers, strict=True):
        assert [word for word, _ in result[3]] == command["words"]
    if tile.transfers:
        programs, expected = check_rows(bench)
        assert len(programs) == len(expected)
        pulses = sum(command.pulses for command in expected)
        assert bench.pulses == zero(bench.pulses) | {"issued": pulses, "delivered": pulses}
        rows = [command for command in commands if command["op"] == Op.READ_ROW and command["array"] == ArrayId.A]
        assert [command["row"] for command in rows] == [row for _, row in bench.given[0] if row is not None]
        assert bench.transfers == [(1, command["words"]) for command in rows]


def gaps(bench):
    """Idle cycles of the analog part between its first and its last work, and its work between two tags of trains."""
    busy = bench.macro.busy
    return [(second[2], second[0] - first[1]) for first, second in zip(busy, busy[1:], strict=False)]


@pytest.mark.parametrize(("name", "reads"), [("agad", False), ("agad", True), ("sgd", False)])
def test_trains_follow_each_other_without_a_bubble(name, reads):
    """Pulses of 5 cycles, no guard: the analog part is never idle, also with reads of 40 cycles between trains."""
    tile = CONFIGURATIONS[name]
    bench = Bench(tile, SETTINGS, patience=1.0, read_cycles=40)
    fill(bench, 20)
    if not reads:
        bench.trains.queue = [(slots, None) for slots, _ in bench.trains.queue]
    bench.run()
    assert {gap for _, gap in gaps(bench)} == {0}
    work = sum(end - start for start, end, _ in bench.macro.busy)
    slots = sum(len(slots) for slots, _ in bench.given[0])
    assert work == 5 * slots + (40 * 10 if reads else 0)
    assert bench.macro.busy[-1][1] - bench.macro.busy[0][0] == work


def test_programs_between_trains_cost_no_bubble():
    """Rows of pulses that come at any time among trains and reads: the analog part waits for a guard alone."""
    tile = CONFIGURATIONS["agad"]
    bench = Bench(tile, dataclasses.replace(SETTINGS, guard=0), patience=1.0, read_cycles=40)
    fill(bench, 30, rows=12)
    bench.row_gate = lambda: bench.cycle > 20 and bench.random.random() < 0.05
    bench.run()
    check_rows(bench)
    programs = [command["tag"] for command in taken(bench, Op.PROGRAM)]
    assert len(programs) > 10
    trains = [command["tag"] for command in taken(bench, Op.TRAIN)]
    idle = [(tag, gap) for tag, gap in gaps(bench) if gap and tag < trains[-1]]
    assert idle == []


@pytest.mark.parametrize("name", EVERY)
def test_a_guard_lies_between_slots(name):
    tile = dataclasses.replace(CONFIGURATIONS[name], train=Train(width=3, guard=4, amplitude=0x4321))
    bench = Bench(tile, SETTINGS, patience=1.0, read_cycles=0)
    fill(bench, 6, every=100)
    bench.run()
    assert {gap for _, gap in gaps(bench)} == {4}
    assert bench.broken == []


def known(bench, *ops):
    return [command for command in taken(bench, *ops) if command["outcome"] is not None]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("fault", ["status", "lost", "excess"])
def test_a_command_that_fails_is_accounted_for(name, fault):
    tile = CONFIGURATIONS[name]
    bench = Bench(tile, SETTINGS, seed=8, patience=0.7)
    fill(bench, 10, rows=4)
    faults = {"status": {"status": Status.VERIFY}, "lost": {"lost": True}, "excess": {"used": 5000}}
    bench.macro.faults = dict.fromkeys((2, 5, 6), faults[fault])
    bench.run()
    check_trains(bench, cut=range(10))
    check_rows(bench, cut=range(100))
    balance = [bench.slots] + ([bench.pulses] if tile.transfers else [])
    for counts in balance:
        assert counts["issued"] == sum(counts[name] for name in ("delivered", "aborted", "failed", "unknown"))
    assert bench.slots["issued"] == sum(len(slots) for slots, _ in bench.given[0])
    assert bool(bench.seen_events["timed_out"]) == (fault == "lost")
    if fault != "lost":
        assert len(taken(bench, Op.TRAIN)) == 10
        ledger = PulseLedger()
        for got, (slots, _) in zip(taken(bench, Op.TRAIN), bench.given[0], strict=True):
            ledger.issue(len(slots))
            ledger.complete(len(slots), *got["outcome"])
        assert bench.slots == ledger.wrapped()
    assert not {rule for rule in bench.broken if not rule.startswith("DONE_")}


@pytest.mark.parametrize(("name", "words"), WRONG_WORDS)
def test_a_read_with_wrong_words_is_not_good(name, words):
    tile = CONFIGURATIONS[name]
    due = adc_words(tile, Op.READ_ROW)
    bench = Bench(tile, SETTINGS, seed=5)
    fill(bench, 6, every=1)
    bench.macro.faults = {3: {"words": words}, 7: {"status": Status.SATURATED}, 9: {"status": Status.TIMEOUT}}
    bench.run()
    assert [good for good, _ in bench.transfers] == [1, 0, 1, 1, 0, 1]
    assert [len(passed) for _, passed in bench.transfers] == [due, min(words, due), due, due, due, due]
    assert bench.seen_events["array_error"] == 3
    assert bench.counted["stray"] == 0


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("seed", range(4))
def test_an_abort_drops_what_waits(name, seed):
    tile = CONFIGURATIONS[name]
    bench = Bench(tile, SETTINGS, seed=seed, patience=0.7, read_cycles=10)
    fill(bench, 12, rows=6, reads=2, every=1)

    def abort(bench, ctx):
        ctx.set(bench.hardware.dispatcher.host_abort, 1)

    bench.events = {40 + 31 * seed: abort}
    bench.run()
    slots = bench.slots
    assert slots["issued"] == slots["delivered"] + slots["aborted"] == sum(len(s) for s, _ in bench.given[0])
    assert slots["delivered"] == sum(command["outcome"][1] for command in taken(bench, Op.TRAIN))
    assert slots["failed"] == slots["unknown"] == 0 < slots["aborted"]
    assert len(bench.transfers) == sum(row is not None for _, row in bench.given[0])
    if tile.transfers:
        assert bench.pulses["issued"] == bench.pulses["delivered"] + bench.pulses["aborted"]
        assert bench.pulses["delivered"] == sum(command["outcome"][1] for command in taken(bench, Op.PROGRAM))
    assert [result[:2] for result in bench.results] == [(op, tag) for op, _, tag, _ in bench.given[2]]
    assert (bench.broken, bench.seen_events["array_error"], bench.counted["stray"]) == ([], 0, 0)


@pytest.mark.parametrize("name", EVERY)
def test_no_pulse_while_programming_is_disabled(name):
    tile = CONFIGURATIONS[name]
    bench = Bench(tile, SETTINGS, seed=6, patience=0.8)
    fill(bench, 25, rows=8)

    def toggle(bench, ctx):
        bench.rails = not bench.rails

    bench.events = dict.fromkeys(range(60, 60 + 46 * 6, 46), toggle)
    bench.run()
    assert bench.seen_events["interlock"] > 0
    assert bench.broken == []
    assert bench.slots["issued"] == sum(len(slots) for slots, _ in bench.given[0])
    kept = bench.slots["aborted"] + bench.slots["failed"]  # failed: a last slot that was taken, but not fired
    assert (bench.slots["issued"], bench.slots["unknown"]) == (bench.slots["delivered"] + kept, 0)
    assert bench.slots["delivered"] == sum(command["outcome"][1] for command in taken(bench, Op.TRAIN))
    check_trains(bench, cut=range(25))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", EVERY)
def test_at_random(name, seed):
    """Faults of every kind, rails and aborts at any time: the balance holds and every read has one result."""
    tile = CONFIGURATIONS[name]
    bench = Bench(tile, SETTINGS, seed=50 + seed, patience=0.6, read_cycles=6)
    fill(bench, 25, rows=8, reads=3)
    kinds = [{}, {}, {}, {"lost": True}, {"status": Status.VERIFY}, {"slow": 30}, {"words": 0}, {"used": 1}]
    bench.macro.faults = {index: bench.random.choice(kinds) for index in range(60)}

    def toggle(bench, ctx):
        bench.rails = bench.random.random() < 0.7

    def abort(bench, ctx):
        ctx.set(bench.hardware.dispatcher.host_abort, 1)

    bench.events = dict.fromkeys(range(50, 900, 90), toggle) | {777: abort}
    bench.events[1000] = lambda bench, ctx: setattr(bench, "rails", 1)
    bench.run()
    for counts in [bench.slots] + ([bench.pulses] if tile.transfers else []):
        assert counts["issued"] == sum(counts[name] for name in ("delivered", "aborted", "failed", "unknown"))
    assert bench.slots["issued"] == sum(len(slots) for slots, _ in bench.given[0])
    assert len(bench.transfers) == sum(row is not None for _, row in bench.given[0])
    assert [result[:2] for result in bench.results] == [(op, tag) for op, _, tag, _ in bench.given[2]]
    assert not {name for name in bench.broken if not name.startswith(("DONE_", "ADC_"))}


@pytest.mark.parametrize("profile", ["fpga", "asic"])
@pytest.mark.parametrize("name", ["agad", "sgd"])
def test_emitted_text_does_the_same(bench, name, profile):
    """amaranth.sim and Icarus agree on every output in every cycle, X included."""
    dut = Dispatcher(CONFIGURATIONS[name])
    often = ("program_enable", "arr_rails_ok")
    fixed = {pin: (lambda rng, step: rng.random() < 0.98) for pin in often}
    fixed |= {pin: (lambda rng, step: rng.random() < 0.01) for pin in ("host_abort", "clear_counters")}
    stimulus = bench.stimulus(
        dut,
        steps=600,
        seed=3,
        arr_done_tag=lambda rng, step: rng.choice([ABORT_TAG, 0, 1, 2, step // 20]),
        h_op=lambda rng, step: rng.randrange(3),
        timeout=lambda rng, step: 16,
        train_width=lambda rng, step: 2,
        train_guard=lambda rng, step: 1,
        **fixed,
    )
    texts = emit(dut, name="dispatcher", profile=profile)
    seen = bench.replay(texts, "dispatcher", dut, stimulus, profile=profile)
    assert seen == bench.record(dut, stimulus, profile=profile)
