"""Registers of hybrid weights: refresh, counters of L and of what happens to the pairs, and state of both.

Part of the table of `registers.py`; those of the write-verify of a refresh are in `registers_verify.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from crosstrain_model import registers_gradient, registers_verify
from crosstrain_model.design import Design
from crosstrain_model.register import Field, Register

L_COUNTERS = {
    "L_READS": "Row reads of array L by visits.",
    "L_SETS": "Commands of SET pulses to array L.",
    "L_RESETS": "Commands of RESET pulses to array L.",
    "L_READ_BACKS": "Row reads of array L that looked at what was written.",
    "L_FAILED": "Cells of L that a read-back found other than they were written.",
    "L_DROPPED": "Rounded changes that a failed read of array L dropped.",
}
"""Counters of L in binary devices, from offset 0x2E0; `hybrid_memory.COUNTERS` in the model."""

COUNTERS = {
    "WRONG": "SPARSE beats outside the tile, which were dropped.",
    "CARRY_ROWS": "Rows of carries that were done.",
    "CARRY_PULSES": "SET pulses of carries that were asked for.",
    "REFRESH_ROWS": "Rows that were refreshed.",
    "REFRESHED": "Pairs that were programmed anew.",
    "REFRESH_FAILED": "Rows whose read failed before the RESET: the next refresh comes to them.",
}
"""Counters of every tile of hybrid weights, from offset 0x300; `hybrid_controller.COUNTERS` in the model."""

TEXTS = {
    "VISITS": "Groups that frames of changes visited, those included whose changes round to 0.",
    "CLIPPED": "Weights of a visit that had more carries than it may make.",
}
"""What counters of every scheme count here."""

WEAR = ("SET of device columns", "RESET of device columns", "SET of rows", "RESET of rows")
"""Sums of pulses of array L, in the numbering of WEAR_SELECT."""


def counters(design: Design) -> tuple[str, ...]:
    """Names of these counters that a design has."""
    return (*(L_COUNTERS if design.hybrid.cells == "binary" else ()), *COUNTERS)


def words() -> tuple[str, str, str, str]:
    """What abort ends, what clear clears, and two words of STATUS; as `registers.WORDS`."""
    ends = "carries that wait are dropped, the devices of a refresh under way are given up, no row is due"
    cleared = "L where it is a memory, counts of pulses, rows that are due and batches since a refresh"
    return ends, cleared, "carry or refresh", "Rows are due for refresh."


def events(common: tuple[Field, ...]) -> tuple[Field, ...]:
    """Bits of IRQ_STATUS: as with write-verify, but for the end of a refresh in place of that of a pass, and for what
    happens to L."""
    own = {
        "pass_done": ("refresh_done", "The last row that was due has been refreshed, or an abort ended its refresh."),
        "clipped": ("clipped", "L saturated: more carries than a visit may make."),
    }
    shared = tuple(
        dataclasses.replace(field, name=own[field.name][0], doc=own[field.name][1]) if field.name in own else field
        for field in registers_verify.events(common)
    )
    return (
        *shared,
        Field(name="cell_failed", low=10, doc="A cell of L was not as it was written, or a read failed: see L_FAILED."),
    )


def registers(design: Design) -> Iterator[Register]:
    """All of them, by ascending offset."""
    array, hybrid, binary = design.array, design.hybrid, design.hybrid.cells == "binary"
    yield Register(
        name="REFRESH_EVERY", offset=0x2C0, kind="setting", width=16, reset=hybrid.refresh_every,
        doc="N_ref: batches (PROGRAM frames) between two refreshes of the pairs; 0: none.",
    )
    yield Register(
        name="SATURATION", offset=0x2C4, kind="setting", width=design.formats.adc, reset=hybrid.saturation,
        doc="G_sat: a pair is refreshed where the code of either device is above it [ADC codes of a row read].",
    )
    yield Register(
        name="REFRESH_STATE", offset=0x2C8, kind="window",
        fields=(
            Field(name="since", low=0, width=16, doc="Batches since rows became due last, up to 65535."),
            Field(
                name="place", low=16, width=10, high=array.rows - 1,
                doc="Row from which the next one that is due is looked for.",
            ),
            Field(name="refreshed_last", low=31, doc="The pairs' last row operation was a refresh, not a carry."),
        ),
        doc="State of the refresh.  While STATUS.idle no row is due.",
    )  # fmt: skip
    if binary:
        most = max(array.rows, array.columns * hybrid.bits) - 1
        yield Register(
            name="WEAR_SELECT", offset=0x2CC, kind="window", width=2, high=3,
            doc="Pulses of array L that WEAR_DATA counts: "
            + ", ".join(f"{number} {what}" for number, what in enumerate(WEAR)) + ".",
        )  # fmt: skip
        yield Register(
            name="WEAR_INDEX", offset=0x2D0, kind="window", width=max(1, most.bit_length()), high=most,
            doc="Device column or row that WEAR_DATA shows, 0 behind a write of WEAR_SELECT; advances with every read "
            "of WEAR_DATA, and wraps at the last of the columns or rows.",
        )
        yield Register(
            name="WEAR_DATA", offset=0x2D4, kind="window",
            doc="Pulses of that device column or row since reset or clear, modulo 2^32.",
        )
        yield from _counts(L_COUNTERS, 0x2E0)
    yield from _counts(COUNTERS, 0x300)


def _counts(table: dict[str, str], offset: int) -> Iterator[Register]:
    for place, (name, doc) in enumerate(table.items()):
        yield Register(name=name, offset=offset + 4 * place, kind="status", doc=doc + "  Modulo 2^32.")


def streams() -> Iterator[Register]:
    """The window of the random stream of rounding, where designs with pulse trains have that of theirs."""
    return registers_gradient.stream_window()
