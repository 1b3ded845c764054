"""The controller never keeps the analog half waiting: pulses of 5 cycles without guard, reads of rows between."""

import dataclasses

import numpy as np
import pytest

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.script import Script
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_cosim.stations import controller_unit
from crosstrain_model.design import Design, Pulse
from crosstrain_model.design_gradient import Transfer
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.register_files import driver_module
from crosstrain_model.registers import register_table
from crosstrain_model.twin.tile import ArrayTile

VECTORS = 300


def paced(design, row_cycles):
    """Analog time of a batch of random vectors, and how many commands of each kind it took."""
    unit = controller_unit(design, checked=False)
    arrays = {ArrayId.W: ArrayTile(design, array=ArrayId.W)}
    if design.transfers:
        arrays[ArrayId.A] = ArrayTile(design, array=ArrayId.A)
    hooks = {array: tile.hook_pointer() for array, tile in arrays.items()}
    lane = Compiled(design, unit.texts, unit.top, hook=hooks, row_cycles=row_cycles)
    try:
        transport = compiled_transport(lane)
        driver = driver_module(design).Driver(transport)
        lane.run(Script().reset())
        driver.bring_up()
        driver.enable_programming()
        rng = np.random.default_rng(5)
        x, d = (rng.integers(-128, 128, (VECTORS, lines)) for lines in (design.array.rows, design.array.columns))
        status = next(register.offset for register in register_table(design) if register.name == "STATUS")
        script = Script().vectors(x, np.zeros(VECTORS, int), d, np.full(VECTORS, -7)).poll(status, 1, 1, 10**6)
        events = transport.run(script).events
        return lane.analog, {op: int((events["op"] == op).sum()) for op in Op}
    finally:
        lane.close()


@pytest.mark.parametrize(("scheme", "row_cycles"), [("agad", 0), ("agad", 40)])
def test_trains_follow_each_other_without_a_bubble(scheme, row_cycles):
    design = Design(name="paced", scheme=scheme, transfer=Transfer(warmup=2**16 - 1))
    analog, commands = paced(design, row_cycles)
    reads = VECTORS // 2 if scheme == "agad" else 0
    assert (commands[Op.TRAIN], commands[Op.READ_ROW], commands[Op.PROGRAM]) == (VECTORS, reads, 0)
    assert analog["reads"] == row_cycles * reads
    assert analog["last"] - analog["first"] == analog["pulses"] + analog["reads"]


def test_rows_of_pulses_wait_for_nothing_but_each_other():
    """Behind the last train the second phase of a row costs the controller a few cycles: nothing else does."""
    design = Design(name="paced", scheme="agad", pulse=dataclasses.replace(Pulse(), guard=0))
    analog, commands = paced(design, 40)
    idle = analog["last"] - analog["first"] - analog["pulses"] - analog["reads"]
    assert commands[Op.PROGRAM] > 50
    assert idle in range(8)
