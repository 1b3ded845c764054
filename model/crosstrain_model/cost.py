"""Cost of a design at a glance: what follows from its sizes alone, before any hardware is generated."""

from __future__ import annotations

from crosstrain_model.design import Design


def weight_cells(design: Design) -> dict[str, int]:
    """{name: bits} of what the chip keeps of a weight, accumulator first.

    Digital accumulation has chi, an update stream dW, row transfers H, and in-memory SGD nothing.  Hybrid weights have
    L, unless binary devices behind the array port hold it.  Write-verify adds the copy W (hybrid weights have none)
    and, where they are counted, the pulses of both devices; a dynamic reference adds P_ref and, where it leaks, P.
    """
    if design.row.source == "none":
        return {}
    name = {"outer-product": "chi", "stream": "dW", "read": "H"}[design.row.source]
    cells = {name: design.formats.accumulator}
    if design.carried:
        cells = {"L": design.hybrid.bits} if design.hybrid.cells == "sram" else {}
    if design.verified:
        cells |= {"W": design.copy_bits}
    if (design.verified or design.carried) and design.verify.cell_bits:
        cells |= {"plus": design.verify.cell_bits, "minus": design.verify.cell_bits}
    if design.dynamic_reference:
        bits = design.formats.adc + design.formats.fraction  # `reference.reference_bits`, without its numpy
        cells |= ({"P": bits} if design.transfer.memory == "leak" else {}) | {"P_ref": bits}
    return cells


def window_cells(design: Design) -> dict[str, int]:
    """{name: bits} of what MEM_DATA shows, in the numbering of MEM_SELECT: `weight_cells`, and L wherever it is."""
    if design.cells_array:
        return {"L": design.hybrid.bits} | weight_cells(design)
    return weight_cells(design)


def weight_memory_bits(design: Design) -> int:
    """Bits of the memories of all weights, padding included: a word of `lanes` cells per row and group."""
    array = design.array
    return array.rows * array.groups * array.lanes * sum(weight_cells(design).values())


def sweep_cycles(design: Design) -> int:
    """Clock cycles of a sweep over all memories, one group per cycle."""
    return design.array.rows * design.array.groups


def cycles_per_update(design: Design) -> int:
    """Clock cycles that one `update` of the driver takes at most, reset values assumed.

    Digital accumulation: a vector without zeros, one visit per row and group, with no bubble.  Update stream: changes
    of all weights, a group a cycle.  Trains: the time of the array, two phases (four where a macro cannot mix
    polarities) of l_max slots; transfers come on top.
    """
    if not design.pulsed:
        return sweep_cycles(design)
    phases = 2 if design.train.polarity == "mixed" else 4
    return phases * design.train.slots * (design.train.width + design.train.guard)
