"""The regression of bit-serial reads: green on both simulators, the cycles of a read, red on broken Verilog."""

import pytest

from crosstrain_cosim.simulators import run_bench
from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Update


def design(rows=8, columns=8, lanes=4, x=8, d=8, profile="fpga"):
    return Design(
        name="serial", scheme="wu", profile=profile,
        array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided", read="bit-serial"),
        formats=Formats(x=x, d=d, adc=8, fraction=7), update=Update(max_pulses=1, threshold=6528),
    )  # fmt: skip


DESIGNS = {
    "as presets": (design(), 18),
    "eight groups": (design(64, 32, 4), 72),
    "odd": (design(13, 7, 3, 5, 12, "asic"), 18),
    "one by one": (design(1, 1, 1, 2, 2), 3),
}
"""With the cycles of a tile operation."""


def run(tile, *, simulator="icarus", texts=None):
    unit = station_unit(tile, "bit_serial")
    return run_bench(
        simulator, texts=texts or unit.texts, top=unit.top, bench=unit.bench, seed=3, settings=unit.settings(tile)
    )


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    tile, cycles = DESIGNS[name]
    result = run(tile)
    assert result.ok, result.messages
    assert result.payload["operation"] == cycles


def test_both_simulators_do_the_same():
    results = [run(DESIGNS["odd"][0], simulator=simulator) for simulator in ("icarus", "verilator")]
    assert all(result.ok for result in results), results
    counts = [(result.tests, result.events, result.cycles) for result in results]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("net", ["b_bits", "plane_3", "dac_ready", "busy", "b_valid"])
def test_broken_verilog_turns_red(net, invert):
    tile = DESIGNS["as presets"][0]
    unit = station_unit(tile, "bit_serial")
    result = run(tile, texts=invert(unit.texts, unit.top, net))
    assert not result.ok
    assert result.failed > 0
    assert result.messages
