"""Threshold hardware against the model, in amaranth.sim."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.threshold import COUNT_BITS, Threshold, theta_width
from crosstrain_model import threshold as model
from crosstrain_model.design import Array, Design, Formats, Update


def design(lanes, accumulator, **update):
    return Design(
        array=Array(rows=2, columns=lanes, lanes=lanes),
        formats=Formats(accumulator=accumulator),
        update=Update(threshold=1, **update),
    )


CONFIGURATIONS = {
    "tiny": design(1, 8, max_pulses=1),
    "keep": design(3, 16, max_pulses=3),
    "clear": design(3, 16, max_pulses=5, remainder="clear"),
    "long": design(2, 32, max_pulses=15),
    "uneven": design(2, 13, max_pulses=6),
    "shift": design(3, 16, max_pulses=5, threshold_power_of_two=True),
    "shift-long": design(2, 32, max_pulses=15, threshold_power_of_two=True),
    "shift-tiny": design(1, 8, max_pulses=1, threshold_power_of_two=True, remainder="clear"),
}


def unpack(word, lanes, bits):
    """Signed fields of a packed word."""
    fields = [word >> (lane * bits) & ((1 << bits) - 1) for lane in range(lanes)]
    return [field - (field >> (bits - 1) << bits) for field in fields]


def pack(values, bits):
    """The packed word of signed fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (lane * bits) for lane, value in enumerate(values))


def thetas(tile, rng):
    """Legal register values: both ends, and random ones of every size."""
    if tile.update.threshold_power_of_two:
        return list(range(tile.formats.accumulator - 1))
    limit = model.theta_limit(tile)
    return [1, 2, 3, limit - 1, limit, *(int(rng.integers(1, (1 << b) + 1)) % limit + 1 for b in range(1, 31))]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_equals_the_model(name):
    tile = CONFIGURATIONS[name]
    lanes, width = tile.array.lanes, tile.formats.accumulator
    rng = np.random.default_rng(7)
    dut = Threshold(tile)
    seen = {"left": 0, "pulses": 0}

    async def check(ctx):
        for register in thetas(tile, rng):
            theta = 1 << register if tile.update.threshold_power_of_two else register
            half = 1 << (width - 1)
            corners = [-half, half - 1, 0, -1, 1]
            corners += [
                k * theta + by for k in (-16, -3, -1, 1, 2, 15) for by in (-1, 0, 1) if abs(k * theta) < half - 1
            ]
            near = rng.integers(-20 * theta, 20 * theta + 1, 20).clip(-half, half - 1)
            values = [*corners, *near.tolist(), *rng.integers(-half, half, 10).tolist()]
            values += [0] * (-len(values) % lanes)
            ctx.set(dut.theta, register)
            for a in np.array(values, np.int64).reshape(-1, lanes):
                ctx.set(dut.a, pack(a, width))
                p, after, left = model.compare(tile, a, theta)
                await ctx.delay(1e-9)
                where = f"a {a.tolist()}, theta {theta}"
                assert unpack(ctx.get(dut.p), lanes, COUNT_BITS) == p.tolist(), where
                assert unpack(ctx.get(dut.a_next), lanes, width) == after.tolist(), where
                assert ctx.get(dut.left) == left.any(), where
                seen["left"] += int(left.any())
                seen["pulses"] += int(abs(p).sum())

    simulator = Simulator(dut)
    simulator.add_testbench(check)
    simulator.run()
    assert seen["pulses"] > 100
    assert (seen["left"] > 0) == (tile.remainder == "keep")


def test_register_width():
    assert theta_width(CONFIGURATIONS["keep"]) == 15
    assert theta_width(CONFIGURATIONS["long"]) == 31
    assert theta_width(CONFIGURATIONS["shift"]) == 4
    assert theta_width(CONFIGURATIONS["shift-tiny"]) == 3
