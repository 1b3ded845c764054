"""The sequencer with pulse and port checker, a macro in Python on the pins: in order, nothing lost, nothing twice."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from crosstrain_hdl.emit import emit
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.port import ABORT_TAG, INTERLOCK_CYCLES, LAST_TAG, Op, Status, adc_words, code_bits, dac_words

_spec = importlib.util.spec_from_file_location("array_side", Path(__file__).with_name("array_side.py"))
array_side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(array_side)
ArraySide, TIMEOUT = array_side.ArraySide, array_side.TIMEOUT


def design(rows, columns, lanes, pair="single", max_pulses=3, **formats):
    return Design(
        array=Array(rows=rows, columns=columns, lanes=lanes, pair=pair),
        update=Update(max_pulses=max_pulses),
        formats=Formats(**formats),
    )


CONFIGURATIONS = {
    "1x1": design(1, 1, 1, max_pulses=1, adc=1),
    "1-column-pair": design(3, 1, 1, "push-pull", max_pulses=15),
    "13x7": design(13, 7, 3, max_pulses=15, d=12),
    "13x7-push-pull": design(13, 7, 3, "push-pull"),
    "13x7-set-only": design(13, 7, 3, "set-only"),
    "one-group": design(4, 8, 8, adc=18),
}
EVERY = list(CONFIGURATIONS)


def rows_of(tile, seed, count):
    """Corners first, then random rows."""
    rng = np.random.default_rng(seed)
    most, columns = tile.update.max_pulses, tile.array.columns
    rows = [np.full(columns, value) for value in (most, -most, 0, 1)]
    while len(rows) < count:
        rows.append(rng.integers(-most, most + 1, columns) * (rng.random(columns) < rng.choice([0.1, 0.5, 1.0])))
    return [(index % tile.array.rows, row) for index, row in enumerate(rows)][:count]


def full_rows(tile, count):
    """Rows in which every column gets pulses, both signs where there is more than one column."""
    signs = np.where(np.arange(tile.array.columns) % 2, -1, 1)
    return [(row % tile.array.rows, signs * tile.update.max_pulses) for row in range(count)]


def reads_of(tile, bench, count):
    """Reads of every kind with random codes."""
    bits = tile.array.lanes * code_bits(tile)
    reads = []
    for index in range(count):
        op = (Op.FORWARD, Op.BACKWARD, Op.READ_ROW)[index % 3]
        row = bench.random.randrange(tile.array.rows) if op is Op.READ_ROW else 0
        codes = [bench.random.getrandbits(bits) for _ in range(dac_words(tile, op))]
        reads.append((op, row, bench.random.getrandbits(8), codes))
    return reads


def check_programs(bench, cut=()):
    """Commands and slots are the model's, in order; those in `cut` may lack slots at their end."""
    expected = bench.expected_commands()
    for index, (got, want) in enumerate(zip(bench.programs(), expected, strict=False)):
        fields = (got["row"], got["width"], got["amplitude"])
        assert fields == (want.row, want.width, want.amplitude), index
        masks = [columns for columns, _ in got["slots"]]
        assert masks == want.slot_masks[: len(masks) if index in cut else None], index
        columns = bench.tile.array.device_columns
        assert {direction for _, direction in got["slots"]} <= {want.direction * (2**columns - 1)}, index


def tags(bench):
    return [command["tag"] for command in bench.macro.commands if command["op"] != Op.ABORT]


@pytest.mark.parametrize("patience", [1.0, 0.4])
@pytest.mark.parametrize("name", EVERY)
def test_rows_reach_the_array_in_order_and_every_pulse_is_delivered(name, patience):
    tile = CONFIGURATIONS[name]
    bench = ArraySide(tile, seed=4, patience=patience)
    bench.rows = rows_of(tile, seed=4, count=10)
    bench.run()
    expected = bench.expected_commands()
    assert len(bench.programs()) == len(expected)
    check_programs(bench)
    assert bench.macro.commands[0]["op"] == Op.ABORT
    assert tags(bench) == list(range(len(expected)))
    total = sum(c.pulses for c in expected)
    want = {"commands": len(expected), "issued": total, "delivered": total}
    assert bench.counters == {"aborted": 0, "failed": 0, "unknown": 0, "stray": 0} | want
    assert bench.broken == []
    assert not any(bench.seen_events.values())


@pytest.mark.parametrize("name", EVERY)
def test_reads_take_and_give_their_words(name):
    tile = CONFIGURATIONS[name]
    bench = ArraySide(tile, seed=5)
    bench.reads = reads_of(tile, bench, 7)
    bench.rows = rows_of(tile, seed=5, count=3)
    bench.macro.faults = {}
    bench.run()
    taken = [c for c in bench.macro.commands if c["op"] in (Op.FORWARD, Op.BACKWARD, Op.READ_ROW)]
    assert [(c["op"], c["row"], c["codes"]) for c in taken] == [(op, row, codes) for op, row, _, codes in bench.reads]
    expected = []
    for command, (op, _, tag, _) in zip(taken, bench.reads, strict=True):
        due = adc_words(tile, op)
        words = [(word, int(index == due - 1)) for index, word in enumerate(command["words"])]
        expected.append((op, tag, Status.OK, words))
    assert bench.results == expected
    assert bench.counters["commands"] == len(tags(bench)) == 7 + len(bench.expected_commands())
    assert bench.broken == []
    check_programs(bench)


def test_tags_wrap_and_never_meet_the_tag_of_abort():
    tile = CONFIGURATIONS["1x1"]
    bench = ArraySide(tile, patience=1.0)
    bench.rows = full_rows(tile, LAST_TAG + 4)
    bench.run(cycles=8000)
    assert tags(bench) == [*range(LAST_TAG + 1), 0, 1, 2]
    assert bench.broken == []


@pytest.mark.parametrize("status", [Status.VERIFY, Status.TIMEOUT, Status.INTERLOCK, Status.SATURATED, Status.ABORTED])
def test_other_statuses_are_accounted_for(status):
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=6)
    bench.rows = full_rows(tile, 3)
    bench.reads = reads_of(tile, bench, 1)
    bench.macro.faults = {1: {"status": status, "used": 5}, 2: {"status": status, "used": 0}, 6: {"status": status}}
    bench.run()
    assert {name: bench.counters[name] for name in bench.ledger()} == bench.ledger()
    lost = sum(c.pulses for c in bench.expected_commands()[1:3]) - 5
    assert bench.counters["aborted" if status is Status.ABORTED else "failed"] == lost
    assert [status for _, _, status, _ in bench.results] == [status]
    assert bool(bench.seen_events["array_error"]) == (status is not Status.ABORTED)
    assert set(bench.broken) <= {"DONE_STATUS"}
    check_programs(bench)


def test_more_pulses_reported_than_given_are_not_believed():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile)
    bench.rows = full_rows(tile, 2)
    bench.reads = reads_of(tile, bench, 1)
    bench.macro.faults = {0: {"used": 65535}, 4: {"used": 3}}
    bench.run()
    assert bench.counters["delivered"] == bench.counters["issued"] == sum(c.pulses for c in bench.expected_commands())
    assert bench.seen_events["array_error"] == 2
    assert bench.broken == ["DONE_PULSES"]


@pytest.mark.parametrize("name", ["1x1", "13x7-push-pull", "one-group"])
def test_a_completion_that_never_comes_times_out_and_the_port_is_resynchronised(name):
    tile = CONFIGURATIONS[name]
    bench = ArraySide(tile, seed=8)
    bench.rows = full_rows(tile, 3)
    bench.reads = reads_of(tile, bench, 2)
    programs = len(bench.expected_commands())
    bench.macro.faults = {1: {"lost": True}, programs: {"lost": True}}
    bench.run()
    assert {n: bench.counters[n] for n in bench.ledger()} == bench.ledger()
    assert bench.counters["unknown"] == bench.expected_commands()[1].pulses
    assert [status for _, _, status, _ in bench.results] == [Status.TIMEOUT, Status.OK]
    assert bench.seen_events["timed_out"] == 2
    assert [c["op"] for c in bench.macro.commands].count(Op.ABORT) == 3
    assert len(tags(bench)) == programs + 2
    assert set(bench.broken) <= {"DONE_EARLY"}  # the macro forgot the command that it was told to abort
    check_programs(bench)


def test_a_late_completion_of_a_command_that_was_given_up_counts_nothing():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=9)
    bench.rows = full_rows(tile, 2)
    bench.macro.faults = {0: {"slow": 3 * TIMEOUT}}
    bench.run()
    counts = bench.counters
    first, *others = bench.expected_commands()
    assert (counts["unknown"], counts["delivered"]) == (first.pulses, sum(c.pulses for c in others))
    assert (counts["stray"], counts["aborted"], counts["failed"]) == (1, 0, 0)  # its completion, as ABORT asked for
    assert bench.broken == []


def test_an_array_that_takes_no_command_is_waited_for():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=10)
    bench.rows = full_rows(tile, 2)
    bench.macro.faults = {1: {"deaf": 5 * TIMEOUT}}
    bench.run()
    assert {n: bench.counters[n] for n in bench.ledger()} == bench.ledger()
    assert bench.counters["unknown"] == bench.expected_commands()[1].pulses
    assert bench.seen_events["timed_out"] >= 1
    assert bench.broken == []
    check_programs(bench, cut=(1,))


def test_an_abort_that_is_not_answered_is_sent_again():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=11)
    bench.rows = full_rows(tile, 1)
    bench.macro.mute_aborts = 3
    bench.run()
    assert [c["op"] for c in bench.macro.commands[:5]] == [Op.ABORT] * 4 + [Op.PROGRAM]
    assert bench.seen_events["timed_out"] == 3
    assert bench.counters["delivered"] == bench.counters["issued"] > 0
    assert bench.broken == []


def test_rails_that_fail_in_mid_train_stop_it_and_the_rest_waits():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=12)
    bench.rows = full_rows(tile, 3)

    def fail(bench, ctx):
        bench.rails = 0
        bench.failed = bench.cycle
        bench.events[bench.cycle + 200] = restore

    def restore(bench, ctx):
        bench.rails = 1

    bench.when = [(lambda bench, pins: bench.programs() and len(bench.programs()[0]["slots"]) == 4, fail)]
    bench.run()
    low = bench.trace[bench.failed : bench.failed + 200]
    assert not any(pins["arr_prog_enable"] for pins in low)
    assert not any(pins["arr_slot_valid"] for pins in low[INTERLOCK_CYCLES:])
    assert not any(pins["arr_cmd_valid"] and pins["arr_cmd_op"] == Op.PROGRAM for pins in low[INTERLOCK_CYCLES:])
    assert len(bench.programs()) == 6
    assert bench.programs()[0]["outcome"][0] == Status.ABORTED
    assert {n: bench.counters[n] for n in bench.ledger()} == bench.ledger()
    assert bench.counters["aborted"] > 0
    assert bench.seen_events["interlock"] > 100
    assert bench.broken == []
    check_programs(bench, cut=(0,))


def test_nothing_is_programmed_while_the_host_does_not_allow_it():
    tile = CONFIGURATIONS["one-group"]
    bench = ArraySide(tile)
    bench.rows = full_rows(tile, 2)
    bench.program = 0

    def allow(bench, ctx):
        assert bench.programs() == []
        bench.program = 1

    bench.events = {150: allow}
    bench.run()
    assert bench.counters["delivered"] == bench.counters["issued"] == sum(c.pulses for c in bench.expected_commands())
    assert bench.broken == []


@pytest.mark.parametrize("name", ["13x7", "13x7-push-pull", "1x1"])
@pytest.mark.parametrize("slots", [0, 1, 3])
def test_abort_of_the_host_stops_the_train_and_drops_the_waiting_rows(name, slots):
    tile = CONFIGURATIONS[name]
    bench = ArraySide(tile, seed=13 + slots)
    bench.rows = full_rows(tile, 6)

    def abort(bench, ctx):
        ctx.set(bench.hardware.sequencer.host_abort, 1)
        bench.rows = bench.rows[: len(bench.rows) - len(bench._rows) + (bench._word != 0)]
        bench._rows = bench._rows[:1] if bench._word else []  # the schedule ends its pass with the row that it is in

    def due(bench, pins):
        return bench.programs() and len(bench.programs()[-1]["slots"]) >= min(slots, tile.update.max_pulses)

    bench.when = [(due, abort)]
    bench.run()
    assert {n: bench.counters[n] for n in bench.ledger()} == bench.ledger()
    assert bench.counters["aborted"] > 0
    assert len(bench.programs()) < len(bench.expected_commands())
    assert bench.macro.commands[-1]["op"] == Op.ABORT
    assert bench.broken == []
    check_programs(bench, cut=(len(bench.programs()) - 1,))


@pytest.mark.parametrize("name", ["13x7", "one-group", "1x1"])
@pytest.mark.parametrize("stage", ["offered", "codes", "words"])
def test_abort_of_the_host_in_a_read_gives_a_result_and_the_next_read_is_whole(name, stage):
    tile = CONFIGURATIONS[name]
    bench = ArraySide(tile, seed=17)
    bench.reads = reads_of(tile, bench, 2)
    bench.macro.faults = {0: {"slow": 10}}

    def abort(bench, ctx):
        ctx.set(bench.hardware.sequencer.host_abort, 1)

    due = {
        "offered": lambda bench, pins: pins["arr_cmd_valid"] and pins["arr_cmd_op"] != Op.ABORT,
        "codes": lambda bench, pins: pins["arr_dac_valid"] and pins["arr_dac_ready"],
        "words": lambda bench, pins: pins["arr_adc_valid"] and pins["arr_adc_ready"],
    }
    bench.when = [(due[stage], abort)]
    bench.run()
    first, second = bench.results
    assert first[:3] == (bench.reads[0][0], bench.reads[0][2], Status.ABORTED)
    assert len(first[3]) <= adc_words(tile, first[0])
    command = bench.macro.commands[-1]
    assert (second[:3], command["codes"]) == ((bench.reads[1][0], bench.reads[1][2], Status.OK), bench.reads[1][3])
    assert [word for word, _ in second[3]] == command["words"]
    assert bench.broken == []


def aborted_read(condition, fault, *, deaf=0):
    """Three reads; in the second the host aborts in the cycle after `condition`, and the array finishes it still.

    fault : of the second read, as `Macro` takes it
    deaf : cycles from the first read's on in which the array takes no command; it is 30 from the second's on
    """
    bench = ArraySide(CONFIGURATIONS["13x7"], seed=20, patience=1.0)
    bench.reads = [(Op.READ_ROW, row, 70 + row, []) for row in (4, 5, 6)]
    bench.macro.faults = {1: fault | {"deaf": deaf}, 2: {"deaf": 30}}
    bench.when = [(condition, lambda bench, ctx: ctx.set(bench.hardware.sequencer.host_abort, 1))]
    bench.run()
    reads = [c for c in bench.macro.commands if c["op"] != Op.ABORT]
    assert [c["op"] for c in bench.macro.commands] == [Op.ABORT, Op.READ_ROW, Op.READ_ROW, Op.ABORT, Op.READ_ROW]
    assert reads[1]["outcome"][0] == fault.get("status", Status.OK)  # it was not stopped
    assert [tag for _, tag, *_ in bench.results] == [74, 75, 76]
    assert [bench.results[place][2] for place in (0, 2)] == [Status.OK] * 2
    _, _, status, words = bench.results[1]
    for command, result, count in zip(reads, bench.results, (3, len(words), 3), strict=True):
        assert [word for word, _ in result[3]] == command["words"][:count]
    assert bench.seen_events["timed_out"] == 0
    return bench, status, len(words)


def while_offered(bench, pins):
    return pins["arr_cmd_valid"] and pins["arr_cmd_row"] == 5


def at_the_word(place):
    """Condition: so many words of the second read have come, this one included; three came before them."""

    def condition(bench, pins):
        return sum(p["arr_adc_valid"] and p["arr_adc_ready"] for p in bench.trace) == 3 + place

    return condition


@pytest.mark.parametrize(
    ("condition", "deaf", "passed", "status"),
    [
        (while_offered, 40, 0, Status.ABORTED),
        (while_offered, 0, 1, Status.ABORTED),
        (at_the_word(1), 0, 2, Status.ABORTED),
        (at_the_word(2), 0, 3, Status.OK),  # the last word passes in the cycle of the strobe
        (at_the_word(3), 0, 3, Status.OK),
    ],
)
def test_a_read_that_the_array_finishes_under_an_abort_is_good_only_when_whole(condition, deaf, passed, status):
    bench, *result = aborted_read(condition, {"slow": 5}, deaf=deaf)
    assert result == [status, passed]
    assert (bench.seen_events["array_error"], bench.counters["stray"], bench.broken) == (0, 0, [])


@pytest.mark.parametrize(
    ("fault", "status", "broken"),
    [
        ({"words": 2}, Status.PROTOCOL, ["DONE_EARLY"]),
        ({"words": 4}, Status.PROTOCOL, ["ADC_COUNT"]),
        ({"last": 1}, Status.PROTOCOL, ["ADC_COUNT"]),
        ({"status": Status.SATURATED}, Status.ABORTED, []),
        ({"status": Status.VERIFY}, Status.VERIFY, []),
    ],
)
def test_what_the_array_does_wrong_under_an_abort_is_reported(fault, status, broken):
    bench, *result = aborted_read(while_offered, fault | {"slow": 5})
    assert result == [status, 1]
    assert bench.seen_events["array_error"] == 1
    assert bench.broken == broken


def test_abort_of_the_host_at_rest_is_sent_and_harmless():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=14)
    bench.events = {100: lambda bench, ctx: ctx.set(bench.hardware.sequencer.host_abort, 1)}
    bench.run()
    assert [c["op"] for c in bench.macro.commands] == [Op.ABORT, Op.ABORT]
    assert not any(bench.counters.values())
    assert bench.broken == []


@pytest.mark.parametrize(("given", "broken"), [(0, {"DONE_EARLY"}), (1, {"DONE_EARLY"}), (4, {"ADC_COUNT"})])
def test_a_read_with_too_few_or_too_many_words_is_reported(given, broken):
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=15)
    bench.reads = reads_of(tile, bench, 2)
    bench.macro.faults = {0: {"words": given}}
    bench.run()
    due = adc_words(tile, Op.FORWARD)
    assert [(status, len(words)) for _, _, status, words in bench.results] == [
        (Status.PROTOCOL, min(given, due)),
        (Status.OK, adc_words(tile, Op.BACKWARD)),
    ]
    assert bench.counters["stray"] == max(given - due, 0)
    assert set(bench.broken) == broken


def test_completions_and_words_that_nothing_waits_for_are_discarded_and_counted():
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=16)
    bench.rows = full_rows(tile, 2)

    def stray(bench, ctx):
        bench.macro.outbox += [(77, Status.OK, 9), (ABORT_TAG, Status.ABORTED, 0), (77, Status.VERIFY, 0)]
        bench.macro.words += [(1, 0), (2, 1)]

    bench.when = [(lambda bench, pins: len(bench.programs()) == 2, stray)]
    bench.run()
    assert bench.counters["stray"] == 5
    assert bench.counters["delivered"] == bench.counters["issued"] == sum(c.pulses for c in bench.expected_commands())
    assert set(bench.broken) == {"ADC_COUNT", "DONE_TAG"} | (set(bench.broken) & {"DONE_STATUS", "DONE_PULSES"})


@pytest.mark.parametrize("moment", ["command", "slots", "words", "abort"])
def test_reset_in_mid_run_starts_a_new_epoch(moment):
    """The macro is not reset: what it still sends belongs to the old epoch."""
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile, seed=18)
    bench.rows = full_rows(tile, 1) if moment in ("command", "slots") else []
    bench.reads = [] if bench.rows else reads_of(tile, bench, 1)

    def reset(bench, ctx):
        assert ctx.get(bench.hardware.sequencer.arr_prog_enable) == 1
        ctx.set(bench.hardware.domain.rst, 1)
        assert ctx.get(bench.hardware.sequencer.arr_prog_enable) == 0  # at once, before any clock edge
        bench._rows, bench._reads, bench._codes, bench._word, bench._output = [], [], [], 0, []
        bench._read_offered = bench._dac_offered = False
        bench.macro.holding_adc = bench.macro.holding_done = False
        bench.results.clear()
        bench.old = len(bench.macro.commands)
        bench.events[bench.cycle + 2] = release

    def release(bench, ctx):
        ctx.set(bench.hardware.domain.rst, 0)
        bench.rows = full_rows(bench.tile, 2)
        bench._rows = list(bench.rows)
        bench.reads = bench._reads = reads_of(bench.tile, bench, 2)
        bench.macro.commands = []

    due = {
        "command": lambda bench, pins: pins["arr_cmd_valid"] and pins["arr_cmd_op"] != Op.ABORT,
        "slots": lambda bench, pins: bench.programs() and len(bench.programs()[0]["slots"]) == 2,
        "words": lambda bench, pins: pins["arr_adc_valid"],
        "abort": lambda bench, pins: pins["arr_cmd_valid"] and pins["arr_cmd_op"] == Op.ABORT,
    }
    bench.when = [(due[moment], reset)]
    bench.run()
    total = sum(c.pulses for c in bench.expected_commands())
    assert bench.counters["delivered"] == bench.counters["issued"] == total
    assert bench.counters["unknown"] == bench.counters["failed"] == bench.counters["aborted"] == 0
    assert [result[2] for result in bench.results] == [Status.OK, Status.OK]
    assert bench.macro.commands[0]["op"] == Op.ABORT
    assert tags(bench) == list(range(6))
    assert bench.broken == []
    check_programs(bench)


@pytest.mark.parametrize("seed", range(6))
def test_everything_at_once(seed):
    """Random faults, interlock and aborts of the host: the ledger balances and the controller breaks no rule."""
    tile = list(CONFIGURATIONS.values())[seed]
    bench = ArraySide(tile, seed=100 + seed, patience=0.5)
    bench.rows = rows_of(tile, seed, 8)
    bench.reads = reads_of(tile, bench, 5)
    kinds = [{}, {}, {"lost": True}, {"status": Status.VERIFY, "used": 1}, {"slow": 30}, {"deaf": 20}, {"words": 0}]
    bench.macro.faults = {index: bench.random.choice(kinds) for index in range(40)}

    def toggle(bench, ctx):
        bench.rails = bench.random.random() < 0.6

    def abort(bench, ctx):
        ctx.set(bench.hardware.sequencer.host_abort, 1)

    bench.events = dict.fromkeys(range(50, 1200, 90), toggle) | {400: abort, 777: abort}
    bench.events[1300] = lambda bench, ctx: setattr(bench, "rails", 1)
    bench.run()
    counts = bench.counters
    assert counts["issued"] == sum(c.pulses for c in bench.expected_commands())
    assert counts["issued"] == counts["delivered"] + counts["aborted"] + counts["failed"] + counts["unknown"]
    known = [c for c in bench.programs() if c["outcome"] and not c["fault"].get("lost")]
    assert counts["delivered"] == sum(c["outcome"][1] for c in known)
    assert [result[:2] for result in bench.results] == [(op, tag) for op, _, tag, _ in bench.reads]
    assert not {name for name in bench.broken if not name.startswith(("DONE_", "ADC_"))}


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_emitted_text_does_the_same(bench, profile):
    """amaranth.sim and Icarus agree on every output in every cycle, X included."""
    tile = CONFIGURATIONS["13x7-push-pull"]
    dut = Sequencer(tile)

    def tag(rng, step):
        return rng.choice([ABORT_TAG, 0, 1, 2, step // 20])

    stimulus = bench.stimulus(
        dut,
        steps=600,
        seed=3,
        arr_done_tag=tag,
        h_op=lambda rng, step: rng.randrange(3),
        timeout=lambda rng, step: 16,
        host_abort=lambda rng, step: rng.random() < 0.01,
        program_enable=lambda rng, step: rng.random() < 0.98,
        arr_rails_ok=lambda rng, step: rng.random() < 0.98,
        clear_counters=lambda rng, step: rng.random() < 0.01,
    )
    texts = emit(dut, name="sequencer", profile=profile)
    seen = bench.replay(texts, "sequencer", dut, stimulus, profile=profile)
    assert seen == bench.record(dut, stimulus, profile=profile)


def test_the_ledger_turns_red():
    """The comparison of counters is not blind: one pulse less in what the macro did is seen."""
    tile = CONFIGURATIONS["13x7"]
    bench = ArraySide(tile)
    bench.rows = full_rows(tile, 1)
    bench.run()
    assert {n: bench.counters[n] for n in bench.ledger()} == bench.ledger()
    bench.macro.commands[-1]["outcome"] = (Status.OK, bench.macro.commands[-1]["outcome"][1] - 1)
    assert {n: bench.counters[n] for n in bench.ledger()} != bench.ledger()


def test_width_limit_reaches_the_pins():
    tile = CONFIGURATIONS["13x7"]
    tile = dataclasses.replace(tile, pulse=dataclasses.replace(tile.pulse, width_limit=10))
    settings = dataclasses.replace(array_side.SETTINGS, width_set=2**28 - 1, width_reset=0, width_limit=10)
    bench = ArraySide(tile, settings=settings)
    bench.rows = full_rows(tile, 1)
    bench.run()
    assert [c["width"] for c in bench.programs()] == [10, 1]
    assert bench.broken == []
