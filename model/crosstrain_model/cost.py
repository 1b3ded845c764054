"""Cost of a design at a glance: what follows from its sizes alone, before any hardware is generated."""

from __future__ import annotations

from crosstrain_model.design import Design


def accumulator_memory_bits(design: Design) -> int:
    """Bits of the accumulator memory: a word of `lanes` accumulators per row and group, padding included."""
    array = design.array
    return array.rows * array.groups * array.lanes * design.formats.accumulator


def cycles_per_vector(design: Design) -> int:
    """Clock cycles that accumulating a vector without zeros takes: one visit per row and group, with no bubble."""
    return design.array.rows * design.array.groups
