"""`crosstrain generate`: a design becomes a folder of Verilog and of everything that goes with it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from crosstrain.design_check import check_design
from crosstrain.options import add_command, path
from crosstrain_model.section import one_line

FOLDER = "build"
"""Where folders go when nothing is said."""


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(
        subparsers,
        "generate",
        help="write the Verilog of a design, with registers, constraints and flow files",
        epilog="The folder's README.md says what is what. A folder generated before is replaced; --seed changes "
        "design.toml alone. --set profile=asic chooses asynchronous reset and no initial values.",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="DIR",
        default=FOLDER,
        help=f"folder in which the design's own folder DIR/NAME is made (default: {FOLDER})",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the folder and say what is in it; the result holds `folder`, `files`, `ports` and the bits of state."""
    from crosstrain_hdl.generate import MANIFEST, write
    from crosstrain_model.transfer import advice

    check_design(args)
    warnings = [text for text in (advice(args.design),) if text]
    for text in warnings:
        print(f"crosstrain: warning: {one_line(args.source)}: {text}", file=sys.stderr)
    folder, files = write(args.design, args.output)
    found = json.loads(files[MANIFEST])
    print(f"{folder}: {len(files)} files, top {found['top']} ({found['profile']}), {len(found['ports'])} ports")
    print(f"  {found['state_bits']:,} flip-flops, {found['memory_bits']:,} memory bits")
    cycles = found["cycles"]
    vector = f"trains of up to {cycles['trains_at_most']:,}" if args.design.pulsed else f"{cycles['vector']:,}"
    update = "update of all weights" if args.design.streamed else "vector"
    if args.design.carried:
        update += " as it comes in"  # visits to array L, carries and refreshes take what the array takes
    print(f"  {vector} cycles per {update}; hardware hash {found['hardware_hash'][:16]}")
    return {
        "folder": folder,
        "files": list(files),
        "ports": [{key: port[key] for key in ("name", "direction", "width")} for port in found["ports"]],
        "state_bits": found["state_bits"],
        "memory_bits": found["memory_bits"],
        "hardware_hash": found["hardware_hash"],
        "warnings": warnings,
    }
