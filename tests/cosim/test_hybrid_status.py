"""STATUS of a controller of hybrid weights while memories are cleared and arrays are at work, as a host sees it that
looks again and again."""

import pytest

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.lane_arrays import hooks, lane_arrays
from crosstrain_cosim.script import Script
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_cosim.stations import controller_unit
from crosstrain_model.design_file import load_design
from crosstrain_model.register_files import driver_module

LOOKS = 60


@pytest.fixture(scope="module")
def driver():
    """Of a controller whose counts of the pairs' pulses, 128 words, are cleared after reset when those of array L are
    already; of a slow array."""
    changes = ["array.rows=64", "array.columns=4", "array.lanes=2", "hybrid.bits=4", "verify.cell_bits=4"]
    design = load_design("hic-8", changes)
    unit, arrays = controller_unit(design, checked=False), lane_arrays(design, "numba")
    lane = Compiled(design, unit.texts, unit.top, hook=hooks(design, arrays), row_cycles=100)
    lane.run(Script().reset())
    made = driver_module(design).Driver(compiled_transport(lane))
    made.lane, made.design = lane, design
    yield made
    lane.close()


def looks(driver):
    """STATUS, time and time again, and the cycles that it took."""
    began = driver.lane.cycles
    seen = [driver.fields("STATUS") for _ in range(LOOKS)]
    return seen, driver.lane.cycles - began


def test_it_is_not_idle_before_the_last_memory_is_cleared(driver):
    driver.lane.run(Script().reset())
    seen, cycles = looks(driver)
    clearing, idle = ([status[name] for status in seen] for name in ("clearing", "idle"))
    assert cycles > 2 * 128
    assert (clearing[0], clearing[-1]) == (1, 0)
    assert clearing == sorted(clearing, reverse=True)
    assert idle == sorted(idle)
    assert idle[-1] == 1
    assert 128 <= (idle.index(1) + 1) * cycles // LOOKS < 128 + 40
    assert driver.fields("STATUS")["array_ready"]


def test_clearing_on_command_is_told(driver):
    driver.bring_up()
    driver.write("COMMAND", 2)
    seen, _ = looks(driver)
    first, last = ((status["clearing"], status["idle"]) for status in (seen[0], seen[-1]))
    assert (first, last) == ((1, 0), (0, 1))


def test_the_array_is_busy_until_a_carry_is_done(driver):
    driver.bring_up()
    driver.enable_programming()
    formats = driver.design.formats
    top = (1 << formats.accumulator - 1) - 1
    driver.update_cells([(0, 0, top)] * (2 * (driver.design.hybrid.scale << formats.fraction) // top + 1))
    seen, _ = looks(driver)
    driver.wait_idle()
    assert driver.counters()["carry_rows"] > 0
    busy = [status["array_busy"] for status in seen]
    assert any(busy)
    assert not any(status["array_busy"] and status["idle"] for status in seen)
    assert not driver.fields("STATUS")["array_busy"]
