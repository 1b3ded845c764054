"""Registers of write-verify: its settings, its counters, and the choice of memory behind MEM_DATA.

Part of the table of `registers.py`.  Conductances and weights are in accumulator units, as in `design_verify.py`.
Hybrid weights, whose refresh programs by write-verify, have those registers that mean something there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from crosstrain_model.cost import window_cells
from crosstrain_model.design import Design
from crosstrain_model.design_verify import Verify
from crosstrain_model.register import Field, Register

COUNTERS = {
    "ROWS": "Rows that were programmed or formed.",
    "SETS": "SET and forming pulses of devices that write-verify asked for.",
    "RESETS": "RESET pulses of devices that it asked for.",
    "PASSED": "Devices that reached their window.",
    "GAVE_UP": "Devices that did not: cycles used up, a read that failed, an abort.",
    "READS": "Row reads of write-verify.",
    "CLAMPED": "Weights whose target met RANGE.",
}
"""Counters of 32 bits, from offset 0x280, modulo 2^32."""

TEXTS = {
    "VECTORS": "Frames of changes accumulated: UPDATE and SPARSE.",
    "VISITS": "Groups of changes that were added: one clock cycle each.",
    "ISSUED": "Device pulses that were asked for: ISSUED = DELIVERED + ABORTED + FAILED + UNKNOWN once idle.",
}
"""What counters of `registers.py` count here."""
WORDS = ("frame of changes", "Always 0: changes come in one frame.")
"""Where COMMAND and STATUS speak of a vector, and of half of one."""


def cell_bits(design: Design) -> int:
    """Bits of a cell as MEM_DATA shows it, signed: wide enough for dW or L, W and the counts of pulses."""
    return max(bits + (name in ("plus", "minus")) for name, bits in window_cells(design).items())


def counters(design: Design) -> tuple[str, ...]:
    """Names of these counters that a design has."""
    return tuple(name for name in COUNTERS if design.verified or name != "CLAMPED")


def events(common: tuple[Field, ...]) -> tuple[Field, ...]:
    """Bits of IRQ_STATUS: as everywhere, but `gave_up` in place of one that outer products alone have."""
    doc = "Devices were given up: see GAVE_UP."
    return tuple(
        dataclasses.replace(field, name="gave_up", doc=doc) if field.name == "term_clipped" else field
        for field in common
    )


def registers(design: Design) -> Iterator[Register]:
    """All of them, by ascending offset."""
    memories = tuple(window_cells(design))
    if len(memories) > 1:
        yield Register(
            name="MEM_SELECT", offset=0x1F0, kind="window", width=2, high=len(memories) - 1,
            doc="Memory that MEM_DATA shows: "
            + ", ".join(f"{number} {name}" for number, name in enumerate(memories))
            + "; plus and minus: pulses of those devices.",
        )
    yield from _settings(design)
    for place, name in enumerate(counters(design)):
        yield Register(
            name=name, offset=0x280 + 4 * place, kind="status", doc=COUNTERS[name] + "  Modulo 2^32.",
        )


def _settings(design: Design) -> Iterator[Register]:
    verify = design.verify
    unsigned, signed = design.copy_bits - 1, design.copy_bits
    unit = "accumulator units"  # with hybrid weights those of changes are other ones
    if design.carried:
        unit = f"1/{1 << design.formats.fraction} of an ADC code"
    levels = {
        "RANGE": (verify.range, "Weights are clamped to +- this"),
        "BASE": (verify.base, "Where the device of a pair that does not carry the weight rests"),
        "WINDOW": (verify.window, "A device passes within target +- this"),
    }
    for place, (name, (reset, doc)) in enumerate(levels.items()):
        if not design.verified and name != "WINDOW":
            continue
        yield Register(
            name=name, offset=0x200 + 4 * place, kind="setting", width=unsigned, reset=reset,
            low=1 if name == "RANGE" else 0, doc=f"{doc} [{unit}].",
        )
    yield Register(
        name="SET_MARGIN", offset=0x20C, kind="setting", width=signed, signed=True, reset=verify.set_margin,
        doc=f"SET pulses stop at target + this [{unit}]; less than -WINDOW acts as -WINDOW.",
    )
    yield from _ramp(0x210, "set", verify)
    yield from _ramp(0x21C, "reset", verify)
    yield Register(
        name="READS_LOG2", offset=0x228, kind="setting", width=3, high=4, reset=verify.reads_log2,
        doc="2^this reads are summed for a judgement.",
    )
    yield Register(
        name="CYCLES", offset=0x22C, kind="setting", width=8, low=1, reset=verify.cycles,
        doc="SET/RESET cycles before a device is given up.",
    )
    if design.verified:
        yield from _forming(design)


def _forming(design: Design) -> Iterator[Register]:
    """Forming of new devices."""
    verify = design.verify
    yield from _ramp(0x230, "form", verify)
    yield Register(
        name="FORM_WIDTH", offset=0x23C, kind="setting", width=28, low=1, high=design.pulse.width_limit,
        reset=verify.form_width, doc="Width of a forming pulse [cycles].  The bound is fixed in hardware.",
    )
    yield Register(
        name="FORM_LEVEL", offset=0x240, kind="setting", width=design.copy_bits - 1, reset=verify.form_level,
        doc="A device is formed once it conducts so much [accumulator units].",
    )


def _ramp(offset: int, kind: str, verify: Verify) -> Iterator[Register]:
    """The amplitudes of one kind of train."""
    texts = {
        "start": "of the first pulse of a train",
        "step": "increment from pulse to pulse",
        "stop": "no pulse goes beyond it",
    }
    for place, (part, text) in enumerate(texts.items()):
        yield Register(
            name=f"{kind.upper()}_{part.upper()}", offset=offset + 4 * place, kind="setting", width=16,
            low=1 if part == "step" else 0, reset=getattr(verify, f"{kind}_{part}"),
            doc=f"Amplitude code of {kind.upper()} pulses: {text}.",
        )
