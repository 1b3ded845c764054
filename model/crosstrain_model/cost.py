"""Cost of a design at a glance: what follows from its sizes alone, before any hardware is generated."""

from __future__ import annotations

from crosstrain_model.design import Design


def accumulator_memory_bits(design: Design) -> int:
    """Bits of the memories of accumulators, padding included: a word of `lanes` cells per row and group.

    Designs with row transfers have H, with a dynamic reference P_ref and, where it leaks, P beside it; in-memory SGD
    has none.
    """
    array, formats = design.array, design.formats
    cell = 0 if design.row.source == "none" else formats.accumulator
    if design.dynamic_reference:
        cell += (formats.adc + formats.fraction) * (2 if design.transfer.memory == "leak" else 1)
    return array.rows * array.groups * array.lanes * cell


def sweep_cycles(design: Design) -> int:
    """Clock cycles of a sweep over all memories, one group per cycle."""
    return design.array.rows * design.array.groups


def cycles_per_vector(design: Design) -> int:
    """Clock cycles that a vector takes at most, reset values assumed.

    Digital accumulation: a vector without zeros, one visit per row and group, with no bubble.  Trains: the time of
    the array, two phases (four where a macro cannot mix polarities) of l_max slots; transfers come on top.
    """
    if not design.pulsed:
        return sweep_cycles(design)
    phases = 2 if design.train.polarity == "mixed" else 4
    return phases * design.train.slots * (design.train.width + design.train.guard)
