"""The whole controller through its generated driver, against the bit-true model; faults, aborts, resets."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from crosstrain_hdl.controller import Controller
from crosstrain_hdl.emit import emit
from crosstrain_hdl.tools import lint
from crosstrain_model.controller import Controller as Model
from crosstrain_model.design import Array, Bus, Design, Formats, Pulse, Update
from crosstrain_model.port import Op, Status
from crosstrain_model.pulse import PulseSettings, row_commands

_spec = importlib.util.spec_from_file_location("controller_bench", Path(__file__).with_name("controller_bench.py"))
_bench = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_bench)
Bench = _bench.Bench

QUICK = Pulse(width_set=3, width_reset=2, guard=1, timeout=400)
DESIGNS = {
    "tiny": Design(
        name="tiny", array=Array(rows=1, columns=1, lanes=1), formats=Formats(accumulator=8),
        update=Update(threshold=9), pulse=QUICK, ledger=True,
    ),
    "13x7": Design(
        name="odd", array=Array(rows=13, columns=7, lanes=3, pair="push-pull"), update=Update(threshold=300),
        pulse=QUICK, ledger=True,
    ),
    "saturates": Design(
        name="saturates", array=Array(rows=5, columns=4, lanes=2), formats=Formats(accumulator=10, fraction=4),
        update=Update(threshold=16, threshold_power_of_two=True, max_pulses=1, program_every=3), pulse=QUICK,
        ledger=True,
    ),
    "clear": Design(
        name="clear", array=Array(rows=8, columns=4, lanes=4, pair="set-only"), bus=Bus(stream_codes=2),
        update=Update(threshold=200, remainder="clear", max_pulses=7), formats=Formats(x=6, d=9, adc=12), pulse=QUICK,
    ),
}  # fmt: skip


def vectors(design, count, seed):
    """Codes with zeros, exponents around what the shift expects."""
    rng = np.random.default_rng(seed)
    half_x, half_d = 1 << (design.formats.x - 1), 1 << (design.formats.d - 1)
    rows, columns = design.array.rows, design.array.columns
    x = rng.integers(-half_x, half_x, (count, rows)) * (rng.random((count, rows)) < 0.5)
    d = rng.integers(-half_d, half_d, (count, columns)) * (rng.random((count, columns)) < 0.7)
    middle = -(design.reset_shift // 2) - 3
    return [
        (x[i].tolist(), int(rng.integers(middle, middle + 4)), d[i].tolist(), int(rng.integers(middle, middle + 4)))
        for i in range(count)
    ]


def ready(name, **options):
    """A bench whose driver has brought the controller up, and the model beside it."""
    bench = Bench(DESIGNS[name], **options)
    bench.driver.bring_up()
    bench.driver.enable_programming()
    return bench, Model(DESIGNS[name], ledger=True)


def both(bench, model, batch):
    """Updates on both sides; the model's row programs."""
    programs = []
    for x, ex, d, ed in batch:
        bench.driver.update(x, ex, d, ed)
        programs += model.update(x, ex, d, ed)
    return programs


def check_events(bench, programs):
    """The array got the model's commands, in order, pulse by pulse."""
    settings = PulseSettings.of(bench.design)
    expected = [
        (Op.PROGRAM, command.row, command.width, command.amplitude, command.slot_masks)
        for row, counts in programs
        for command in row_commands(bench.design, row, counts, settings)
    ]
    assert [command for command in bench.macro.commands if command[0] is Op.PROGRAM] == expected


def check_state(bench, model):
    driver = bench.driver
    assert driver.dump_accumulators() == model.dump().tolist()
    assert driver.touched_rows() == np.flatnonzero(model.schedule.touched).tolist()
    assert driver.read("VECTORS_SINCE_PASS") == model.schedule.since_pass
    counters = driver.counters()
    for name in ("vectors", "visits", "clipped", "issued"):
        assert counters[name] == getattr(model, name), name
    assert ("term_clipped" in driver.irq_status()) == (model.term_clipped > 0)
    assert driver.pulses_are_conserved()
    if bench.design.ledger:
        assert driver.accumulation_is_conserved()
        totals = {name: int(getattr(model.ledger, name).sum()) for name in ("programmed", "cleared", "clipped")}
        totals |= {"input": int(model.ledger.inputs.sum()), "loaded": int(model.ledger.initial.sum())}
        assert driver.totals() == totals


@pytest.mark.parametrize("patience", [1.0, 0.6])
@pytest.mark.parametrize("name", DESIGNS)
def test_events_and_state_are_the_models(name, patience):
    bench, model = ready(name, seed=3, ready=patience)
    programs = []
    for seed in range(3):
        programs += both(bench, model, vectors(bench.design, 5, seed))
        bench.driver.program_pass()
        programs += model.program()
    bench.driver.wait_idle()
    assert programs
    check_events(bench, programs)
    check_state(bench, model)
    assert bench.driver.counters()["commands"] == model.commands
    if name == "saturates":
        assert model.clipped > 0


def test_reads_come_after_the_pulses_before_them():
    bench, model = ready("clear", seed=5)
    w = np.zeros((8, 4), np.int64)
    for seed in range(2):
        programs = both(bench, model, vectors(bench.design, 4, seed))
        bench.driver.program_pass()
        for row, counts in programs + model.program():
            w[row] += counts
        x = [1, -1, 2, 0, 0, 3, -32, 31]
        assert bench.driver.forward(x) == (np.array(x) @ w).tolist()
        assert bench.driver.backward([1, 0, -1, 2]) == (w @ [1, 0, -1, 2]).tolist()
        assert bench.driver.read_row(7) == w[7].tolist()
    assert w.any()


def test_a_restored_state_continues_to_the_same_bits():
    first, model = ready("saturates", seed=1)
    both(first, model, vectors(first.design, 5, 1))
    first.driver.wait_idle()
    first.driver.set_threshold(32)
    model.configure(threshold=32)
    programs = both(first, model, vectors(first.design, 2, 2))
    first.driver.wait_idle()
    state = first.driver.state()
    second, _ = ready("saturates", seed=2)
    second.driver.restore(state)
    assert second.driver.state() == state
    batch = vectors(first.design, 4, 3)
    commands = len(first.macro.commands)
    programs = both(first, model, batch)
    for vector in batch:
        second.driver.update(*vector)
    for bench in (first, second):
        bench.driver.wait_idle()
    assert programs
    assert first.macro.commands[commands:] == second.macro.commands
    assert first.driver.state() == second.driver.state()
    assert first.driver.dump_accumulators() == model.dump().tolist()


def test_cells_one_by_one_and_clear():
    bench, model = ready("13x7", seed=1)
    driver, chi = bench.driver, np.zeros((13, 7), np.int64)
    rng = np.random.default_rng(4)
    for row, column in ((0, 0), (12, 6), (5, 2), (5, 3), (4, 6)):
        value = int(rng.integers(-32768, 32768))
        driver.write_accumulator(row, column, value)
        chi[row, column] = value
        assert driver.read_accumulator(row, column) == value
    assert driver.dump_accumulators() == chi.tolist()
    assert driver.touched_rows() == list(range(13))
    driver.load_accumulators((-chi).clip(-32768, 32767).tolist())
    model.load(chi)
    model.load((-chi).clip(-32768, 32767))
    both(bench, model, vectors(bench.design, 2, 1))
    driver.wait_idle()
    driver.clear()
    model.clear()
    assert driver.dump_accumulators() == np.zeros((13, 7), int).tolist()
    assert driver.touched_rows() == []
    assert driver.accumulation_is_conserved()
    with pytest.raises(bench.module.RefusedError, match="MEM_ADDRESS"):
        driver.write("MEM_ADDRESS", 2 << 8 | 1)  # a padding lane of the last group


def test_what_would_disturb_is_refused_while_busy():
    bench, model = ready("13x7", seed=1)
    driver = bench.driver
    programs = both(bench, model, vectors(bench.design, 3, 1))
    driver.program_pass()
    programs += model.program()
    for name, value in (("THRESHOLD", 5), ("SHIFT", 0), ("GUARD", 9), ("MEM_ADDRESS", 0), ("TOUCHED_DATA", 0)):
        with pytest.raises(bench.module.RefusedError, match=name):
            driver.write(name, value)
    with pytest.raises(bench.module.RefusedError, match="COMMAND"):
        driver.command("clear")
    with pytest.raises(bench.module.RefusedError, match="MEM_DATA"):
        driver.read("MEM_DATA")
    assert not driver.fields("STATUS")["idle"]
    assert "refused" in driver.irq_status()
    driver.wait_idle()
    check_events(bench, programs)
    check_state(bench, model)
    driver.irq_clear("refused")
    for name, value in (("THRESHOLD", 0), ("WIDTH_SET", 0), ("TIMEOUT", 3)):
        with pytest.raises(bench.module.RefusedError):
            driver.write(name, value)
    assert "refused" in driver.irq_status()
    assert driver.settings()["threshold"] == 300


def test_bad_frames_disturb_nothing_else():
    bench, model = ready("13x7", seed=6)
    user = bench.module._user
    x, d = [1] * 13, [2] * 7
    batch = vectors(bench.design, 4, 1)
    programs = both(bench, model, batch[:2])
    bench.queue_frame(x, user(0), cut=1)  # early TLAST
    bench.queue_frame(d, user(1))  # then a d without its x
    bench.queue_frame(x, user(0))
    bench.queue_frame(d + d, user(1))  # TLAST late: the vector goes
    bench.queue_frame(x, user(9))
    bench.queue_frame(x, user(3), cut=2)  # a read that must never reach the array
    bench.queue_frame([], user(5, row=13))
    bench.queue_frame(x, user(0))  # left alone: the next x takes its place
    programs += both(bench, model, batch[2:])
    bench.driver.wait_idle()
    check_events(bench, programs)
    check_state(bench, model)
    assert "frame_error" in bench.driver.irq_status()
    assert bench.driver.counters()["commands"] == 0


def test_interrupt_is_a_level():
    bench, _ = ready("tiny", seed=1)
    bench.driver.irq_enable("pass_done")
    assert bench.seen.irq == 0
    bench.driver.program_pass()
    bench.run_until(lambda: bench.seen.irq, "irq", 200)
    bench.driver.irq_clear("pass_done")
    bench.run(3)
    assert bench.seen.irq == 0
    with pytest.raises(ValueError, match="no event pas_done"):
        bench.driver.irq_enable("pas_done")


def full_tile(bench, model, value):
    """Every accumulator at a value that asks for pulses everywhere."""
    chi = np.full(model.chi.shape, value)
    bench.driver.load_accumulators(chi.tolist())
    model.load(chi)


@pytest.mark.parametrize("after", [3, 77])
def test_an_abort_loses_nothing(after):
    bench, model = ready("13x7", seed=after)
    driver = bench.driver
    full_tile(bench, model, 301)
    driver.program_pass()
    bench.run(after)
    driver.abort()
    counters = driver.counters()
    assert driver.pulses_are_conserved()
    assert driver.accumulation_is_conserved()
    assert counters["unknown"] == counters["failed"] == 0
    assert counters["delivered"] == np.abs(bench.macro.g).sum()
    # What was taken from the accumulators is what was issued; rows that the pass did not reach are still touched.
    chi = np.array(driver.dump_accumulators())
    reached = (chi == 1).all(axis=1)
    assert ((chi == 301).all(axis=1) | reached).all()
    assert driver.touched_rows() == np.flatnonzero(~reached).tolist()
    assert counters["issued"] == 2 * 7 * reached.sum()
    driver.program_pass()
    driver.wait_idle()
    assert (np.array(driver.dump_accumulators()) == 1).all()
    assert driver.counters()["issued"] == 2 * 7 * 13
    assert driver.pulses_are_conserved()


def test_a_silent_array_is_given_up_and_found_again():
    bench, model = ready("13x7", seed=8)
    driver = bench.driver
    full_tile(bench, model, 301)
    bench.macro.answers = False
    driver.program_pass()
    bench.run_until(lambda: len(bench.macro.commands) > 2, "two commands given up", 20000)
    bench.macro.answers = True
    driver.wait_idle()
    counters = driver.counters()
    assert counters["unknown"] + counters["aborted"] > 0
    assert driver.pulses_are_conserved()
    assert "timeout" in driver.irq_status()
    bench.macro.answers = False
    with pytest.raises(bench.module.ReadError) as caught:
        driver.forward([0] * 13)
    assert caught.value.status in (Status.TIMEOUT, Status.ABORTED)
    bench.macro.answers = True
    assert driver.read_row(3) == bench.macro.weights()[3].tolist()


def test_a_failing_read_tells_its_status():
    bench, _ = ready("13x7", seed=8)
    bench.macro.status = Status.INTERLOCK
    with pytest.raises(bench.module.ReadError, match="INTERLOCK") as caught:
        bench.driver.read_row(1)
    assert caught.value.status == Status.INTERLOCK
    assert "array_error" in bench.driver.irq_status()


def test_programming_waits_for_its_enable():
    bench, model = ready("tiny", seed=1)
    driver = bench.driver
    driver.enable_programming(False)
    full_tile(bench, model, 10)
    driver.program_pass()
    bench.run(300)
    assert not bench.macro.commands
    assert "interlock" in driver.irq_status()
    bench.rails_ok = 0
    driver.enable_programming()
    bench.run(100)
    assert not bench.macro.commands
    assert bench.seen.arr_prog_enable == 0
    bench.rails_ok = 1
    driver.wait_idle()
    assert bench.macro.weights().tolist() == [[1]]


def power_up_state(design):
    bench = Bench(design)
    bench.driver.bring_up()
    return bench.driver.state()


def test_reset_in_mid_run_is_power_up_plus_clear():
    after = 90
    bench, model = ready("13x7", seed=after)
    driver = bench.driver
    both(bench, model, vectors(bench.design, 2, 1))
    driver.wait_idle()
    saved = driver.state()
    driver.set_shift(3)
    full_tile(bench, model, -700)
    driver.program_pass()
    for vector in vectors(bench.design, 3, 2):
        bench.queue_frame(vector[0], bench.module._user(0))
        bench.queue_frame(vector[2], bench.module._user(1))
    bench.run(after)
    bench.reset = 1
    bench.run(2)
    assert bench.seen.arr_prog_enable == 0
    bench.power_cycle()
    driver.bring_up()
    assert driver.state() == power_up_state(bench.design)
    assert not any(value for name, value in driver.counters().items() if name != "stray")
    assert all(value == 0 for value in driver.totals().values())
    driver.restore(saved)
    assert driver.state() == saved
    driver.enable_programming()
    fresh = Model(bench.design)
    fresh.load(np.array(saved["accumulators"]))
    fresh.schedule.touched[:] = False
    fresh.schedule.touched[saved["touched"]] = True
    bench.macro.commands.clear()
    programs = both(bench, fresh, vectors(bench.design, 3, 5))
    driver.program_pass()
    programs += fresh.program()
    driver.wait_idle()
    check_events(bench, programs)
    assert driver.dump_accumulators() == fresh.dump().tolist()



@pytest.mark.parametrize(("name", "profile"), [("13x7", "asic"), ("clear", "fpga"), ("tiny", "fpga")])
def test_the_text_is_clean(name, profile, tmp_path):
    design = DESIGNS[name]
    texts = emit(Controller(design), name=design.top, profile=profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([tmp_path / file for file in texts], design.top) == []
