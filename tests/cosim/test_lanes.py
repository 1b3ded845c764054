"""All lanes give the same events, results, state and weights; the fast ones also say what went wrong."""

import threading

import numpy as np
import pytest

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.lanes import LANES, compare_lanes, compiled_record
from crosstrain_cosim.model_driver import model_record
from crosstrain_cosim.regression import GAPS, compiled_result
from crosstrain_cosim.scenario import first_difference
from crosstrain_cosim.script import Code, Script, user_word
from crosstrain_cosim.stations import controller_unit
from crosstrain_model.frames import FrameOp
from crosstrain_model.registers import register_table
from crosstrain_model.twin.tile import ArrayTile


def test_all_lanes_agree(mp8):
    events, found = compare_lanes(mp8, seed=7, count=40)
    assert events > 20
    assert found == []
    assert set(LANES) == {"model", "icarus", "verilator", "host", "compiled"}


def test_a_difference_is_seen_and_told(mp8):
    one, other = (model_record(mp8, seed=7, count=40) for _ in range(2))
    assert first_difference(one, other) == ""
    number = next(n for n, event in enumerate(other["events"]) if event[7])
    other["events"][number][9 if sum(other["events"][number][9]) else 8][0] += 1
    assert first_difference(one, other).startswith(f"event {number}, PROGRAM of row ")
    del other["events"][number:]
    assert first_difference(one, other).startswith("number of events")


def test_compiled_lane_equals_the_model(design):
    result = compiled_result(design, seed=4, count=40)
    assert result.ok, result.messages
    assert result.tests == len(GAPS)


def test_compiled_lane_turns_red_on_broken_verilog(mp8, invert):
    unit = controller_unit(mp8, checked=False)
    result = compiled_result(mp8, seed=4, count=30, rtl=invert(unit.texts, "mp8_accumulator", "c_counts"))
    assert not result.ok
    assert "other is the model" in result.messages[0]


def opened(design, **options):
    """A compiled controller after reset, with its array and the addresses of its registers."""
    unit = controller_unit(design, checked=False)
    array = ArrayTile(design, engine="numba")
    lane = Compiled(design, unit.texts, unit.top, hook=array.hook_pointer(), **options)
    address = {register.name: register.offset for register in register_table(design)}
    lane.run(Script().reset().poll(address["STATUS"], 5, 5, 100_000).write(address["CONTROL"], 1))
    lane.take()
    return lane, array, address


def batch(design, seed, count=30):
    """Vectors as arrays, a pass behind them."""
    rng, array = np.random.default_rng(seed), design.array
    x, d = rng.integers(-128, 128, (count, array.rows)), rng.integers(-128, 128, (count, array.columns))
    exponents = np.full(count, -10)
    return Script().vectors(x, exponents, d, exponents).frame(user_word(FrameOp.PROGRAM), [0])


def test_two_threads_give_what_one_gives(mp8):
    def work(seed, into):
        lane, array, address = opened(mp8)
        lane.run(batch(mp8, seed).poll(address["STATUS"], 1, 1, 1_000_000))
        into[seed] = lane.take().events.tobytes(), array.conductance.tobytes()
        lane.close()

    together, alone = {}, {}
    threads = [threading.Thread(target=work, args=(seed, together)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        work(seed, alone)
    assert together == alone
    assert len(alone[1][0]) > 0


def test_answers_and_errors_of_registers(mp8):
    lane, _, address = opened(mp8)
    gathered = lane.ask(Script().read(address["ID"]).write(address["ID"], 0).read(0xFFC))
    assert gathered.answers.tolist() == [0x43545231, 0, 2, 0, 2]
    lane.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([99], "not well formed"),
        ([Code.WRITE, 0], "not well formed"),
        ([Code.FRAME, 0, 5, 1], "not well formed"),
        ([Code.FRAME, 0, 0], "not well formed"),
        ([Code.RESULTS, 1, 50], "did not end in time"),
        ([Code.IRQ, 1, 50], "did not end in time"),
    ],
)
def test_scripts_that_cannot_end_say_so(mp8, script, said):
    lane, _, _ = opened(mp8)
    lane.submit(np.array(script, dtype=np.uint32))
    with pytest.raises(RuntimeError, match=said):
        lane.check(lane.library.bulk_run(lane.handle, 10_000))
    lane.close()


def test_an_access_that_nobody_answers_says_so(mp8):
    unit = controller_unit(mp8, checked=False)
    lane = Compiled(mp8, unit.texts, unit.top)  # not reset: nothing is ready
    with pytest.raises(RuntimeError, match="did not end in time"):
        lane.run(Script().read(0))
    lane.close()


def test_a_poll_that_fails_says_so(mp8):
    lane, _, address = opened(mp8)
    with pytest.raises(RuntimeError, match="did not end in time"):
        lane.run(Script().poll(address["ID"], 0xFFFFFFFF, 1, 200))
    lane.close()


def test_gaps_change_cycles_and_nothing_else(mp8):
    records = [compiled_record(mp8, 9, 30, **options) for options in GAPS.values()]
    assert len({record["cycles"] for record in records}) == len(GAPS)
    assert [first_difference(records[0], record) for record in records] == [""] * len(GAPS)


def test_reads_are_kept_with_their_codes(mp8):
    lane, array, _ = opened(mp8)
    gathered = lane.ask(Script().frame(user_word(FrameOp.FORWARD, tag=3), range(8)).results(1, 10_000))
    (user, codes), wanted = gathered.results[0], ArrayTile(mp8).forward(np.arange(8))
    assert (user & 0xF, user >> 12) == (FrameOp.FORWARD, 3)
    assert codes.tolist() == wanted.tolist()
    assert gathered.reads.tolist() == [*range(8), *wanted.tolist()]
    assert array.counters[0] == 1
    lane.close()
