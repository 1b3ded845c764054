"""`crosstrain presets`: the designs that ship, with their cost at a glance."""

from __future__ import annotations

import argparse
from typing import Any

from crosstrain.options import add_command
from crosstrain_model.cost import accumulator_memory_bits, cycles_per_vector
from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design, preset_names, source_text

COLUMNS = (
    ("preset", "{name}"),
    ("scheme", "{scheme}"),
    ("rows x columns", "{rows} x {columns}"),
    ("lanes", "{lanes}"),
    ("bits x/d/ADC/accumulator", "{x}/{d}/{adc}/{accumulator}"),
    ("accumulator bits", "{memory_bits:,}"),
    ("cycles per vector", "{cycles_per_vector:,}"),
)
"""Heading and content of the table's columns."""


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(subparsers, "presets", help="list the designs that ship, with cost at a glance", design=False)
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
    array, formats = design.array, design.formats
    return {
        "name": design.name,
        "scheme": design.scheme,
        "rows": array.rows,
        "columns": array.columns,
        "lanes": array.lanes,
        "x": formats.x,
        "d": formats.d,
        "adc": formats.adc,
        "accumulator": formats.accumulator,
        "memory_bits": accumulator_memory_bits(design),
        "cycles_per_vector": cycles_per_vector(design),
    }


def table(presets: list[dict[str, Any]]) -> list[str]:
    """Lines of a table with aligned columns, words to the left and numbers to the right."""
    columns = [[heading, *(form.format(**preset) for preset in presets)] for heading, form in COLUMNS]
    padded = []
    for column in columns:
        width = max(map(len, column))
        words = column[1][:1].isalpha()
        padded.append([cell.ljust(width) if words else cell.rjust(width) for cell in column])
    return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
