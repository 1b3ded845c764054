"""`crosstrain presets`: the designs that ship, with their cost at a glance."""

from __future__ import annotations

import argparse
from typing import Any

from crosstrain.options import add_command
from crosstrain_model.cost import cycles_per_update, weight_cells, weight_memory_bits
from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design, preset_names, source_text

COLUMNS = (
    ("preset", "{name}"),
    ("scheme", "{scheme}"),
    ("rows x columns", "{rows} x {columns}"),
    ("lanes", "{lanes}"),
    ("bits of x/d/ADC", "{x}/{d}/{adc}"),
    ("bits kept per weight", "{cells}"),
    ("weight memory bits", "{memory_bits:,}"),
    ("an update is", "{update}"),
    ("cycles per update", "{cycles_per_update:,}"),
    ("row transfer every", "{transfer_every}"),
)
"""Heading and content of the table's columns; they hold for every scheme, and `NONE` stands for what one has not."""

NONE = "-"


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(
        subparsers,
        "presets",
        help="list the designs that ship, with cost at a glance",
        design=False,
        epilog="Bits kept per weight are those of the digital half; weight memory bits its memories of them, padding "
        "included. An update is a vector pair that is accumulated, a vector pair that fires a train of pulses on an "
        "array, or changes of all weights from the host. Cycles are the most it takes with the settings of the preset; "
        "program passes and row transfers come on top, and with hybrid weights visits to array L, carries and "
        "refreshes.",
    )
    parser.add_argument("preset", nargs="?", metavar="PRESET", help="print the text of this one, to start a file from")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the table, or the text of one preset; the result holds `presets`, one object each."""
    if args.preset is not None:
        design = load_design(args.preset)
        print(source_text(args.preset), end="")
        return {"presets": [cost(design)]}
    presets = [cost(load_design(name)) for name in preset_names()]
    print("\n".join(table(presets)))
    return {"presets": presets}


def cost(design: Design) -> dict[str, Any]:
    """What one line of the table says about a design."""
    array, formats, cells = design.array, design.formats, weight_cells(design)
    return {
        "name": design.name,
        "scheme": design.scheme,
        "rows": array.rows,
        "columns": array.columns,
        "lanes": array.lanes,
        "x": formats.x,
        "d": None if design.verified else formats.d,
        "adc": formats.adc,
        "accumulator": formats.accumulator if cells else None,
        "cells": cells,
        "memory_bits": weight_memory_bits(design),
        "update": _update(design),
        "cycles_per_update": cycles_per_update(design),
        "transfer_every": design.transfer.every if design.transfers else None,
    }


def _update(design: Design) -> str:
    """What one `update` of the driver is."""
    if design.pulsed:
        return f"train on {'A' if design.transfers else 'W'}, {design.train.slots} slots"
    return "all weights" if design.streamed else "vector pair"


def _shown(preset: dict[str, Any]) -> dict[str, Any]:
    """The same as the table has it."""
    cells = ", ".join(f"{name} {bits}" for name, bits in preset["cells"].items())
    every = preset["transfer_every"]
    words = {"cells": cells or NONE, "transfer_every": f"{every} updates" if every else NONE}
    return {key: NONE if value is None else value for key, value in {**preset, **words}.items()}


def table(presets: list[dict[str, Any]]) -> list[str]:
    """Lines of a table with aligned columns, words to the left and numbers to the right."""
    columns = [[heading, *(form.format(**_shown(preset)) for preset in presets)] for heading, form in COLUMNS]
    padded = []
    for column in columns:
        width = max(map(len, column))
        words = any(cell[:1].isalpha() for cell in column[1:])
        padded.append([cell.ljust(width) if words else cell.rjust(width) for cell in column])
    return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
