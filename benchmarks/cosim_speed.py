"""How fast a controller runs through cocotb on Verilator with the array attached, in clock cycles per second.

    python benchmarks/cosim_speed.py [--json FILE]

Clock, host and array are in the simulation (`native/bulk.sv`); Python is woken once per batch of 64 vectors and a
program pass. Counted is what cocotb's process does after its start-up, waking and taking of events included.
"""

from __future__ import annotations

import argparse
import sys

from common import report

from crosstrain_cosim.native import simulation_model
from crosstrain_cosim.simulators import run_bench
from crosstrain_cosim.stations import controller_unit
from crosstrain_model.design_file import load_design

BAR = 1e6
BENCH = "crosstrain_cosim.bench_speed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", default="mp-64", help="preset or design file (default: mp-64)")
    parser.add_argument("--batches", type=int, default=300, help="batches of 64 vectors (default: 300)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    arguments = parser.parse_args()
    design = load_design(arguments.design)
    unit = controller_unit(design, checked=False)
    model = simulation_model(design, unit.texts, unit.top)
    settings = unit.settings(design, batches=arguments.batches)
    result = run_bench("verilator", texts=unit.texts, top="bulk", bench=BENCH, settings=settings, model=model)
    if not result.ok:
        print(*result.messages, sep="\n")
        return 1
    figures = {"design": design.name, **result.payload}
    rate = figures["cycles_per_second"]
    print(f"{design.name}: {rate / 1e6:.2f} M cycles/s through cocotb on Verilator (bar {BAR / 1e6:.0f}),", end=" ")
    print(f"{figures['updates_per_second'] / 1e6:.1f} M updates/s, {figures['events']:,} events")
    return report("cosim_speed", figures, rate >= BAR, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
