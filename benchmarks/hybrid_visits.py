"""What the accumulator L costs where it is: cycles of an UPDATE frame, and commands to array L.

    python benchmarks/hybrid_visits.py [--frames N] [--seed N] [--json FILE]

`hic-64` gets frames of dense changes back to back over its AXI4-Stream: with L in SRAM, in binary devices, and in
binary devices that are read back after writing; changes that carry nothing, or carry from one weight in 300, as in the
training of LeNet (`mnist_hic.py`).  The bound of a frame is a cycle for every group, as `mp` has it.  Pulses are as
wide as the preset says; a read of the macro takes no time of its own here, so that what is counted is the controller's.
Cycles are those of the compiled Verilog: N frames and 2 N frames are run to idle, and the difference is what N take.

The bar: with L in SRAM, at least 98 % of the bound without carries.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt
from common import guarded, report

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.lane_arrays import hooks, lane_arrays
from crosstrain_cosim.script import Script, user_word
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_cosim.stations import controller_unit
from crosstrain_cosim.stream_lockstep import beats_of
from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design
from crosstrain_model.frames import FrameOp
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.register_files import driver_module
from crosstrain_model.registers import find, register_table

BAR = 0.98
PLACES = {
    "SRAM": ["hybrid.cells=sram"], "binary devices": ["hybrid.cells=binary"],
    "binary devices, read back": ["hybrid.cells=binary", "hybrid.read_back=true"],
}  # fmt: skip
CARRIES = {"none": 0.0, "one weight in 300": 1 / 300}
COUNTED = ("L_SETS", "L_RESETS", "CARRY_PULSES")


class Tile:
    """A brought-up controller in the compiled lane, with its arrays."""

    def __init__(self, design: Design, seed: int):
        self.design = design
        unit = controller_unit(design, None, checked=False)
        self.arrays = lane_arrays(design, "numba", seed=seed)
        self.lane = Compiled(design, unit.texts, unit.top, hook=hooks(design, self.arrays), seed=seed)
        self.transport = compiled_transport(self.lane)
        self.driver = driver_module(design).Driver(self.transport)
        self.lane.run(Script().reset())
        self.driver.bring_up()
        self.driver.enable_programming()

    def run(self, frames: list[npt.NDArray[np.int64]]) -> dict[str, int]:
        """Cycles from the first beat to idle, counters, and pulses of array L."""
        status, script = find(register_table(self.design), "STATUS").offset, Script()
        for changes in frames:
            script.frame(user_word(FrameOp.UPDATE), beats_of(self.design, changes))
        before, start = self.counts(), self.lane.cycles
        events = self.transport.run(script.poll(status, 1, 1, 1 << 30)).events
        cycles = self.lane.cycles - start
        of_l = events[events["array"] == ArrayId.L]
        reads, cells = of_l[of_l["op"] == Op.READ_ROW], of_l[of_l["op"] == Op.PROGRAM]
        found = {name: value - before[name] for name, value in self.counts().items()} | {"cycles": cycles}
        return found | {"reads": len(reads), "set": int(cells["set"].sum()), "reset": int(cells["reset"].sum())}

    def counts(self) -> dict[str, int]:
        there = self.driver.counters()
        return {name: there.get(name.lower(), 0) for name in COUNTED}


def frames(design: Design, count: int, share: float, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Changes of less than a unit of L or, for a share of the weights, of S units, which carry."""
    shape = (count, design.array.rows, design.array.columns)
    unit, carry = 1 << design.formats.fraction, design.hybrid.scale << design.formats.fraction
    small = rng.integers(1, unit, shape) * np.where(np.arange(count) % 2, 1, -1)[:, None, None]
    return list(np.where(rng.random(shape) < share, rng.choice((-carry, carry), shape), small))


def measure(place: str, share: float, count: int, seed: int) -> dict[str, Any]:
    """One row of the table, per frame."""
    design = load_design("hic-64", PLACES[place])
    tile, rng = Tile(design, seed), np.random.default_rng(seed)
    given = frames(design, 4 * count, share, rng)
    tile.run(given[:count])  # from all zeros to what is usual
    half, whole = tile.run(given[count : 2 * count]), tile.run(given[2 * count :])
    tile.lane.close()
    bound = design.array.rows * design.array.groups
    found = {name: (whole[name] - half[name]) / count for name in whole}
    return {"place": place, "carries": share, "bound": bound, "of_bound": bound / found["cycles"], **found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=40, help="frames of a case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    rows = []
    for place in PLACES:
        for name, share in CARRIES.items():
            row = measure(place, share, args.frames, args.seed)
            rows.append(row)
            told = "{cycles:.1f} cycles for {bound} groups ({of_bound:.2%}); "
            told += "array L: {reads:.1f} reads, {L_SETS:.1f} commands of SET and {L_RESETS:.1f} of RESET, "
            told += "of {set:.1f} and {reset:.1f} cells; {CARRY_PULSES:.1f} SET pulses of carries"
            print(f"{place}, carries {name}: " + told.format(**row), flush=True)
    ok = all(row["of_bound"] >= BAR for row in rows if row["place"] == "SRAM" and not row["carries"])
    return report("hybrid_visits", {"seed": args.seed, "bar": BAR, "cases": rows}, ok, args.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
