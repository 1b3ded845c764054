"""Who sets the pace of in-memory gradients: the array, or the controller? Time per vector in cycles of the Verilog.

    python benchmarks/pace.py [--size 512] [--schemes sgd ttv2 c-ttv2 agad] [--vectors N] [--fmax] [--json FILE]

A tile of 512 x 512 with n_s = 2 and l_max = 5 gets vectors back to back; its array takes 5 ns a pulse and 40 ns a row
read, one after the other (`paced_tile.py`). Trains are 5 slots long, as in the paper's estimate, or as long as the
vectors ask for (dynamic). "1 phase": the choppers' signs are known to who makes x, so that the second phase is empty,
and W gets one pulse per transfer; that is how the paper's table counts. "2 phases": both. "4 sub-phases": a macro that
can not mix polarities (train.polarity = separate). The bound is analog work alone, and busy the share of time in which
the array does such work; the rest is the controller's. Counts are between two completions in mid-run.

The bars, at 1 GHz: busy at least 99 %, and less time than the paper's estimate, which adds digital work to the analog
one. At slower clocks pulse and read are rounded up to whole cycles, and the controller has fewer cycles to hide in.
--fmax adds what open synthesis says of the clock (`fmax.py`). A cycle count is not silicon.
"""

import argparse
import re

from common import reduced, report
from fmax import fmax_table
from paced_tile import PULSE, READ, PacedTile, ticks

from crosstrain_model.design_file import load_design

SCHEMES = ("sgd", "ttv2", "c-ttv2", "agad")
CLOCKS = (1000, 500, 250, 100)
BUSY = 0.99
SIZE = 512
"""Of the paper's tile: the bars are of that one."""
PAPER = {"sgd": (30.9, None), "ttv2": (56.3, 83.8), "c-ttv2": (56.3, 83.8), "agad": (62.1, 89.6)}
"""ns per vector that the paper estimates, with one phase; and the same digital work added to trains of two phases."""

HEAD = "scheme   clock  phases  train    pulse  slots   bound      time  cycles   busy  controller   paper"
LINE = (
    "{scheme:7s} {mhz:5d}M  {phases:6d}  {train:7s} {pulse_ns:3.0f} ns  {slots:5.2f}  {bound_ns:6.1f} {time_ns:6.1f} ns"
    "  {cycles_per_vector:6.2f}  {busy:6.2%}  {controller_ns:7.2f} ns  {paper}"
)



def expected(design, phases, pulse_ns, read_ns):
    """The paper's formula with trains of full length: (l + 1 / n_s) pulses per phase, 1 / n_s reads."""
    slots, every = design.train.slots, design.transfer.every
    if not design.transfers:
        return phases * slots * pulse_ns
    return (phases * slots + min(phases, 2) / every) * pulse_ns + read_ns / every


def measured(tile, scheme, count, mhz, phases, dynamic):
    """One row of the table."""
    row = tile.measure(count, mhz, one_sign=phases == 1, dynamic=dynamic)
    period = 1000 / mhz
    pulse_ns, read_ns = ticks(PULSE, mhz) * period, ticks(READ, mhz) * period
    paper = PAPER[scheme][phases - 1] if phases <= 2 else None
    row |= {
        "scheme": scheme,
        "mhz": mhz,
        "phases": phases,
        "train": "dynamic" if dynamic else "fixed",
        "pulse_ns": pulse_ns,
        "slots": row["train_slots_per_vector"],
        "time_ns": row["cycles_per_vector"] * period,
        "bound_ns": row["busy_cycles_per_vector"] * period,
        "controller_ns": (row["cycles_per_vector"] - row["busy_cycles_per_vector"]) * period,
        "full_train_bound_ns": expected(tile.design, phases, pulse_ns, read_ns),
        "paper_ns": paper,
    }
    shown = "" if paper is None else f"{paper:5.1f} ns"
    print(LINE.format(**{**row, "paper": shown}), flush=True)
    return row


def held(row):
    """Whether a row has bars."""
    return row["mhz"] == CLOCKS[0] and row["scheme"] != "sgd"


def missed(row):
    """What of the bars a row misses, in words."""
    if not held(row):
        return []
    name = f"{row['scheme']}, {row['phases']} phases, {row['train']}"
    found = []
    if row["busy"] < BUSY:
        found.append(f"{name}: busy {row['busy']:.2%}, below {BUSY:.0%}")
    if row["train"] == "fixed":
        if abs(row["bound_ns"] / row["full_train_bound_ns"] - 1) > 1e-3:
            found.append(f"{name}: {row['bound_ns']:.2f} ns of analog work, not {row['full_train_bound_ns']:.1f}")
        if row["paper_ns"] is not None and row["time_ns"] >= row["paper_ns"]:
            found.append(f"{name}: {row['time_ns']:.1f} ns, not below {row['paper_ns']}")
    return found


def memories(tile):
    """{unit: {depth x width: how many}} of the memories, each with one read and one write port."""
    found = {}
    for name, text in tile.texts.items():
        unit = name.removesuffix(".v").removeprefix(tile.design.top).removeprefix("_")
        for depth, width in re.findall(r"^  ram_(\d+)x(\d+) \w+ \(", text, re.MULTILINE):
            sizes = found.setdefault(unit, {})
            sizes[f"{depth} x {width}"] = sizes.get(f"{depth} x {width}", 0) + 1
    return found


def needs(tile):
    """Codes a beat, lanes and memories of a tile, and the cycles that the array leaves for them at the first clock."""
    design, array = tile.design, tile.design.array
    cycles = expected(design, 1, PULSE, READ) * CLOCKS[0] / 1000
    beats = sum(-(-lines // design.stream_codes) for lines in (array.rows, array.columns))
    found = {
        "scheme": design.scheme,
        "stream_codes": design.stream_codes,
        "input_cycles": beats + 3,  # a head per frame, a commit per vector
        "cycles_per_vector": cycles,
        "memories": memories(tile),
    }
    if design.transfers:
        every = design.transfer.every
        span = int(cycles * every)
        least = -(-array.columns // span)
        found |= {"lanes": array.lanes, "groups": array.groups, "cycles_per_transfer": span, "least_lanes": least}
        # A read ends with its last word, long after its conversion: up to there trains and pulses are commanded ahead.
        found |= {"outstanding": design.bus.outstanding, "most_open": every + 4}
    return found


def print_needs(found):
    """In words."""
    said = "{scheme}: {stream_codes} codes a beat, a vector comes in {input_cycles} of {cycles_per_vector:.1f} cycles"
    if "groups" in found:
        said += "; {lanes} lanes, {groups} groups a row in {cycles_per_transfer} cycles (at least {least_lanes} lanes)"
        said += "; {outstanding} commands open ({most_open} can be of use)"
    print(said.format(**found))
    for unit, sizes in found["memories"].items():
        words = ", ".join(f"{number} of {size}" for size, number in sizes.items())
        print(f"    {unit}, words x bits, one read and one write port each: {words}")


def cases(args):
    """(scheme, polarity) of the tiles to be built."""
    for scheme in args.schemes:
        yield scheme, "mixed"
        if scheme in args.separate:
            yield scheme, "separate"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=SIZE, help="of the presets: 64 is a quick check (default: 512)")
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--separate", nargs="*", choices=SCHEMES, default=["agad"], help="also with four sub-phases")
    parser.add_argument("--vectors", type=int, default=240, help="vectors per row of the table")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the presets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fmax", action="store_true", help="clock that open synthesis gives the stations")
    parser.add_argument("--json", metavar="FILE", help="write the result to FILE as one JSON object")
    args = parser.parse_args()
    rows, resources = [], []
    for scheme, polarity in cases(args):
        design = load_design(f"{scheme}-{args.size}", [*args.set, f"train.polarity={polarity}"])
        tile = PacedTile(design, args.seed)
        resources += [needs(tile)] if polarity == "mixed" else []
        print(HEAD)
        for mhz in CLOCKS if polarity == "mixed" else CLOCKS[:1]:
            for phases in (1, 2) if polarity == "mixed" else (4,):
                for dynamic in (False, True):
                    rows.append(measured(tile, scheme, args.vectors, mhz, phases, dynamic))
        tile.lane.close()
    for found in resources:
        print_needs(found)
    figures = {"size": args.size, "seed": args.seed, "rows": rows, "needs": resources}
    if args.fmax:
        figures["fmax"] = fmax_table()
    wrong = [line for row in rows for line in missed(row)] if args.size >= SIZE else []
    for line in wrong:
        print(f"missed: {line}")
    unheld = "" if any(held(row) for row in rows) else "these schemes have none"
    unheld = reduced(size=(args.size, SIZE)) or unheld
    return report("pace", figures, not wrong, args.json, unheld=unheld)


if __name__ == "__main__":
    raise SystemExit(main())
