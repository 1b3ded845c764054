"""How fast a controller runs as compiled RTL with its array attached: cycles and weight updates per second.

    python benchmarks/compiled_speed.py [--json FILE]

Dense vectors in batches of 64 and a program pass after each go through the shared library; the array is the twin with
30 % device and cycle noise, called at every finished command. Counted are the clock cycles and the weights that the
controller's VISITS say were updated. Then two tiles run on two threads. The best of a few runs counts.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from typing import Any

import numpy as np
from common import report

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.script import Script, user_word
from crosstrain_cosim.stations import controller_unit
from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design
from crosstrain_model.frames import FrameOp
from crosstrain_model.registers import register_table
from crosstrain_model.twin.tile import ArrayTile

CYCLES_BAR, UPDATES_BAR, THREADS_BAR = 3e6, 45e6, 1.8
VECTORS, BATCH, RUNS = 2000, 64, 5


class Tile:
    """One compiled controller with its array, ready to work."""

    def __init__(self, design: Design, seed: int):
        self.design, array = design, design.array
        unit = controller_unit(design, checked=False)
        self.array = ArrayTile(design, seed=seed, engine="numba")
        self.lane = Compiled(design, unit.texts, unit.top, hook=self.array.hook_pointer())
        self.address = {register.name: register.offset for register in register_table(design)}
        ready = Script().reset().poll(self.address["STATUS"], 5, 5, 1 << 24).write(self.address["CONTROL"], 1)
        self.lane.ask(ready)
        rng = np.random.default_rng(seed)
        half_x, half_d = 1 << (design.formats.x - 1), 1 << (design.formats.d - 1)
        self.x = rng.integers(1 - half_x, half_x, (VECTORS, array.rows))
        self.d = rng.integers(1 - half_d, half_d, (VECTORS, array.columns))
        self.script = self._script()

    def _script(self) -> Script:
        exponents = np.full(VECTORS, -10)
        script = Script()
        for start in range(0, VECTORS, BATCH):
            batch = slice(start, start + BATCH)
            script.vectors(self.x[batch], exponents[batch], self.d[batch], exponents[batch])
            script.frame(user_word(FrameOp.PROGRAM), [0])
        return script.poll(self.address["STATUS"], 1, 1, 1 << 31).read(self.address["VISITS"])

    def run(self) -> dict[str, float]:
        """One pass over all vectors."""
        before, cycles = self.visits(), self.lane.cycles
        start = time.perf_counter()
        self.lane.run(self.script)
        seconds = time.perf_counter() - start
        gathered = self.lane.take()
        visits = int(gathered.answers[-2]) - before
        return {
            "seconds": seconds,
            "cycles": self.lane.cycles - cycles,
            "updates": visits * self.design.array.lanes,
            "events": len(gathered.events),
            "pulses": int(gathered.events["pulses"].sum()),
        }

    def visits(self) -> int:
        """The controller's own count."""
        return int(self.lane.ask(Script().read(self.address["VISITS"])).answers[0])


def two_threads(tiles: list[Tile]) -> float:
    """Updates per second of two tiles at once, over the time in which both ran."""
    results: list[dict[str, float]] = [{}, {}]
    gate = threading.Barrier(2)

    def work(number: int) -> None:
        gate.wait()
        results[number] = tiles[number].run()

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(result["updates"] for result in results) / (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", default="mp-64", help="preset or design file (default: mp-64)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    arguments = parser.parse_args()
    design = load_design(arguments.design)
    tiles = [Tile(design, seed) for seed in (1, 2)]
    best = max((tiles[0].run() for _ in range(RUNS)), key=lambda run: run["cycles"] / run["seconds"])
    cycles, updates = best["cycles"] / best["seconds"], best["updates"] / best["seconds"]
    both = max(two_threads(tiles) for _ in range(RUNS))
    figures: dict[str, Any] = {
        "design": design.name,
        "cycles_per_second": round(cycles),
        "updates_per_second": round(updates),
        "events_per_second": round(best["events"] / best["seconds"]),
        "pulses_per_update": best["pulses"] / best["updates"],
        "two_threads_updates_per_second": round(both),
        "two_threads_gain": round(both / updates, 2),
    }
    print(f"{design.name}: {cycles / 1e6:.2f} M cycles/s (bar {CYCLES_BAR / 1e6:.0f}),", end=" ")
    print(f"{updates / 1e6:.1f} M updates/s (bar {UPDATES_BAR / 1e6:.0f}),", end=" ")
    print(f"{figures['events_per_second'] / 1e3:.0f} k events/s, {figures['pulses_per_update']:.4f} pulses per update")
    print(f"two tiles on two threads: {both / 1e6:.1f} M updates/s, {both / updates:.2f} times (bar {THREADS_BAR})")
    ok = cycles >= CYCLES_BAR and updates >= UPDATES_BAR and both / updates >= THREADS_BAR
    return report("compiled_speed", figures, ok, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
