"""Statistics of pulse trains as the Verilog emits them: slots from the pins, judged by `crosstrain_model.random_lint`.

    python -m crosstrain_cosim.train_statistics DESIGN [TRAINS]         exit status 1 where a bound is broken

The `random` section of a design goes into a whole controller of in-memory SGD, 32 x 32 lines and trains of 31 slots,
the sample of the linter. It gets the same pair of vectors over and over, with magnitudes spread over all probabilities
and signs that alternate, and the compiled lane notes the masks of every slot that the array port takes. A line's bits
are read from the pins alone: those of a row from the phase of its sign, those of a column from both, which must be
alike.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.script import Script
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_hdl.generate import rtl_files
from crosstrain_model.design import Array, Design, Train
from crosstrain_model.design_file import load_design
from crosstrain_model.design_gradient import Random
from crosstrain_model.port import Op, Status
from crosstrain_model.random_lint import LINES, NAMES, SLOTS, Statistics, faults, statistics
from crosstrain_model.register_files import driver_module
from crosstrain_model.registers import find, register_table
from crosstrain_model.scale import Means, ScaleSettings, scale, thresholds

TRAINS = 2000
"""Trains of a sample."""
CYCLES = 4 * SLOTS
"""Cycles in which a train certainly ends, with pulses of one."""

Bools = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]


def sample_design(random: Random) -> Design:
    """The controller whose trains are judged."""
    array = Array(rows=LINES, columns=LINES, lanes=8)
    return Design(name="trains", scheme="sgd", array=array, random=random, train=Train(slots=SLOTS, dynamic=False))


def codes(bits: int) -> npt.NDArray[np.int64]:
    """Codes of the lines of a side: magnitudes from small to the greatest, every other one negative."""
    magnitudes = (np.arange(LINES) + 1) * (2 ** (bits - 1) - 1) // LINES
    return np.where(np.arange(LINES) % 2, -magnitudes, magnitudes)


def probabilities(design: Design) -> tuple[Reals, Reals]:
    """With which each row and each column should fire, by `scale`."""
    x, d = codes(design.formats.x), codes(design.formats.d)
    sizes = int(np.abs(x).max()), int(np.abs(d).max())
    scaled = scale(design, ScaleSettings.of(design), Means(), sizes[0], 0, sizes[1], 0)
    full = 2**design.random.bits
    return thresholds(design, x, scaled.m_x) / full, thresholds(design, d, scaled.m_d) / full


def emitted(design: Design, trains: int, rtl: dict[str, str] | None = None) -> npt.NDArray[np.uint32]:
    """Masks of every slot that the array port took, uint32[trains, slots, 3]: rows, columns, directions.

    rtl : {file name: Verilog} in place of the generated text
    """
    lane = Compiled(design, rtl or rtl_files(design), design.top)
    try:
        transport = compiled_transport(lane)
        driver = driver_module(design).Driver(transport)
        transport.run(Script().reset())
        driver.bring_up()
        driver.configure(train_width=1, train_guard=0)
        driver.enable_programming()
        x, d = (np.tile(codes(bits), (trains, 1)) for bits in (design.formats.x, design.formats.d))
        exponents = np.zeros(trains, np.int64)
        idle = find(register_table(design), "STATUS").offset
        transport.run(Script().vectors(x, exponents, d, exponents).poll(idle, 1, 1, trains * CYCLES))
        events, slots = np.concatenate(transport.events), np.concatenate(transport.slots)
    finally:
        lane.close()
    whole = (events["op"] == Op.TRAIN) & (events["status"] == Status.OK) & (events["pulses"] == 2 * SLOTS)
    if len(events) != trains or not whole.all():
        raise RuntimeError(f"trains: {int(whole.sum())} whole ones of {len(events)}, must be {trains}")
    return slots.reshape(trains, 2 * SLOTS, 3)


def line_bits(slots: npt.NDArray[np.uint32], x: npt.ArrayLike, d: npt.ArrayLike) -> tuple[Bools, Bools]:
    """Which lines fired, bool[trains, slots of a phase, lines] of rows and of columns.

    slots : as `emitted` gives them, two phases after each other
    x, d : codes; RuntimeError where a line fires in a phase or in a direction that its sign forbids, or where the
        phases show different columns
    """
    bits = np.unpackbits(np.ascontiguousarray(slots).view(np.uint8), axis=-1, bitorder="little").astype(bool)
    trains, both = slots.shape[:2]
    rows, columns, raises = (bits.reshape(trains, 2, both // 2, 3, 32)[:, :, :, side] for side in range(3))
    negative, lowers = np.asarray(x) < 0, np.asarray(d) < 0
    wrong = {
        "rows in the other phase": rows[:, 0] & negative | rows[:, 1] & ~negative,
        "columns that differ between phases": columns[:, 0] ^ columns[:, 1],
        "directions of phase 0": raises[:, 0] ^ (columns[:, 0] & lowers),
        "directions of phase 1": raises[:, 1] ^ (columns[:, 1] & ~lowers),
    }
    for what, where in wrong.items():
        if where.any():
            raise RuntimeError(f"pins: {int(where.sum())} {what}")
    return rows[:, 0] | rows[:, 1], columns[:, 0]


def measure(random: Random, trains: int = TRAINS, rtl: dict[str, str] | None = None) -> Statistics:
    """Statistics of what a controller with these streams emits."""
    design = sample_design(random)
    bits = line_bits(emitted(design, trains, rtl), codes(design.formats.x), codes(design.formats.d))
    return statistics(*bits, *probabilities(design))


def main(arguments: list[str]) -> int:
    """Print what was measured and what is wrong with it."""
    source, *more = arguments
    seen = measure(load_design(source).random, *map(int, more))
    print(f"{seen.trains} trains of {seen.slots} slots, {LINES} x {LINES} lines, from the pins of the controller")
    for name in NAMES:
        low, high = seen.bounds[name]
        told = "" if seen.excess(name) <= 1 else "   WRONG"
        print(f"  {NAMES[name]:52} {getattr(seen, name):7.4f}   {low:.2f} .. {high:.4f}{told}")
    print(f"  {'mean correlation of neighbouring lines of a side':52} {seen.lines:7.4f}")
    return int(bool(faults(seen)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
