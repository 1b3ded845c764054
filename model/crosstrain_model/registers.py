"""The register table: one list from which the bank in hardware, the driver, the C header and the pages are made.

What a register is, and the rule of an access, is told in `register.py`.  Offsets are the same in every design; a design
without `ledger` lacks the totals, and each scheme has the registers of its stations alone (in-memory gradients:
`registers_gradient.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from crosstrain_model import __version__, registers_gradient, registers_hybrid, registers_verify
from crosstrain_model.cost import window_cells
from crosstrain_model.design import Design
from crosstrain_model.design_text import hardware_hash
from crosstrain_model.register import Field, Register

ID = 0x43545231
"""Content of the ID register: "CTR1" in ASCII, first letter in the top byte."""

PAIRS = ("single", "push-pull", "set-only", "one-sided")
"""Number of `array.pair` in FORMATS."""

TOTALS = {
    "INPUT": "the terms that accumulate visits added, after their clamp to the accumulator's range",
    "PROGRAMMED": "p * theta over all program visits, theta as it was at the visit",
    "CLEARED": "what clears took, what loads replaced, and with remainder = clear what hits left over",
    "CLIPPED": "a + term - a' over all saturated accumulations",
    "LOADED": "values written through MEM_DATA",
}
"""Totals of the conservation ledger, 64 bits each, two's complement:
LOADED + INPUT = PROGRAMMED + CLEARED + CLIPPED + held, once no work is left."""


def register_table(design: Design) -> tuple[Register, ...]:
    """Every register of the design's controller, by ascending offset."""
    parts = [identity(design), operation(design), settings(design), statistics(design), windows(design), totals(design)]
    if design.pulsed:
        parts.append(registers_gradient.registers(design))
    if design.carried:
        parts.append(registers_hybrid.streams())
    if design.verified or design.carried:
        parts.append(registers_verify.registers(design))
    if design.carried:
        parts.append(registers_hybrid.registers(design))
    table = tuple(register for part in parts for register in part)
    offsets = [register.offset for register in table]
    assert offsets == sorted(set(offsets)), "offsets must ascend"
    assert len({register.name for register in table}) == len(table), "names must differ"
    return table


def find(table: tuple[Register, ...], name: str) -> Register:
    """The register of that name; `KeyError` if there is none."""
    for register in table:
        if register.name == name:
            return register
    raise KeyError(name)


def settings_at_reset(design: Design) -> dict[str, int]:
    """{name in lower case: value after reset} of all settings, as the driver reads them."""
    return {one.name.lower(): one.reset for one in register_table(design) if one.kind == "setting"}


def touched_words(design: Design) -> int:
    """Words of 32 rows' touched bits that TOUCHED_INDEX counts."""
    return -(-design.array.rows // 32)


def version_word() -> int:
    """VERSION: major, minor, patch in bytes 2, 1, 0."""
    major, minor, patch = (int(part) for part in __version__.split("."))
    return major << 16 | minor << 8 | patch


def identity(design: Design) -> Iterator[Register]:
    """Who answers, and what was generated: constants."""
    array, formats, update = design.array, design.formats, design.update
    digest = int(hardware_hash(design)[:8], 16)
    yield Register(name="ID", offset=0x000, kind="constant", reset=ID, doc='"CTR1" in ASCII: a crosstrain controller.')
    yield Register(
        name="VERSION", offset=0x004, kind="constant", reset=version_word(),
        doc="Version of the generator: major in bits 23..16, minor in 15..8, patch in 7..0.",
    )
    yield Register(
        name="HASH", offset=0x008, kind="constant", reset=digest,
        doc="First 32 bits of the hash of everything in the design that the Verilog depends on.  A driver "
        "refuses another one.",
    )
    yield Register(
        name="SHAPE", offset=0x00C, kind="constant",
        fields=(
            Field(name="rows", low=0, width=11, reset=array.rows, doc="Rows of weights."),
            Field(name="columns", low=11, width=11, reset=array.columns, doc="Columns of weights."),
            Field(name="lanes", low=22, width=7, reset=array.lanes, doc="Weights handled in one clock cycle."),
        ),
        doc="Shape of the tile.",
    )
    yield Register(
        name="FORMATS", offset=0x010, kind="constant",
        fields=(
            Field(name="x", low=0, width=4, reset=formats.x, doc="Bits of an input code."),
            Field(name="d", low=4, width=4, reset=formats.d, doc="Bits of an error code."),
            Field(name="adc", low=8, width=5, reset=formats.adc, doc="Bits of an ADC code."),
            Field(name="accumulator", low=13, width=6, reset=formats.accumulator, doc="Bits of an accumulator."),
            Field(
                name="max_pulses", low=19, width=4, reset=update.max_pulses,
                doc="Most pulses a weight gets in one visit.",
            ),
            Field(
                name="theta_log2", low=23, reset=int(update.threshold_power_of_two),
                doc="THRESHOLD holds log2(theta).",
            ),
            Field(name="clear", low=24, reset=int(design.remainder == "clear"), doc="A hit clears what is left over."),
            Field(
                name="pair", low=25, width=2, reset=PAIRS.index(array.pair),
                doc="0 single, 1 push-pull, 2 set-only, 3 one-sided.",
            ),
            Field(name="ledger", low=27, reset=int(design.ledger), doc="The totals of the ledger are there."),
        ),
        doc="Number formats and choices of generation.",
    )


WORDS = (
    "a running pass ends and leaves its remaining rows touched",
    "all accumulators, touched bits and VECTORS_SINCE_PASS; what it takes is `cleared` in the ledger",
    "pass",
    "A program pass is running.",
)
"""Where COMMAND and STATUS speak of what is done with vectors: what abort ends, what clear clears, two of STATUS."""
HALF = "An x frame has come and its d frame has not."


def operation(design: Design) -> Iterator[Register]:
    """What is going on, and what to do about it."""
    events: tuple[Field, ...] = EVENTS
    words = WORDS
    if design.pulsed:
        events, words = registers_gradient.events(EVENTS), registers_gradient.words(design)
    elif design.verified:
        events = registers_verify.events(EVENTS)
    elif design.carried:
        events, words = registers_hybrid.events(EVENTS), registers_hybrid.words()
    ends, cleared, busy, running = words
    given, half = registers_verify.WORDS if design.streamed else ("vector", HALF)
    yield Register(
        name="CONTROL", offset=0x020, kind="control",
        fields=(
            Field(
                name="program", low=0,
                doc="Programming is allowed: `arr_prog_enable` follows it while the rails are good and reset is off.  "
                "While it is 0 program commands wait.",
            ),
        ),
        doc="Switches.",
    )
    yield Register(
        name="COMMAND", offset=0x024, kind="command",
        fields=(
            Field(
                name="abort", low=0,
                doc="Stops programming now: ABORT goes to the array, pulses not yet fired count as aborted, "
                f"{ends}, a {given} or read that has only half arrived is dropped.",
            ),
            Field(
                name="clear", low=1, needs_idle=True,
                doc=f"Clears {cleared}.",
            ),
            Field(name="clear_counters", low=2, needs_idle=True, doc="Sets all counters to 0; the totals stay."),
        ),
        doc="Commands: a written 1 acts once.",
    )
    yield Register(
        name="STATUS", offset=0x028, kind="status",
        fields=(
            Field(
                name="idle", low=0,
                doc=f"No work anywhere: no {given} or half of one, no {busy}, no command, no memory sweep.",
            ),
            Field(name="clearing", low=1, doc="Memories are being cleared (after reset or on command)."),
            Field(
                name="array_ready", low=2,
                doc="The array has answered the ABORT after reset: completions are in step.",
            ),
            Field(name="prog_enable", low=3, doc="The pin `arr_prog_enable`."),
            Field(name="rails_ok", low=4, doc="The pin `arr_rails_ok`."),
            Field(name="in_pass", low=5, doc=running),
            Field(name="half_vector", low=6, doc=half),
            Field(name="array_busy", low=7, doc="A command is at the array, or pulses wait for one."),
        ),
        doc="State of the controller.",
    )
    yield Register(
        name="IRQ_STATUS", offset=0x02C, kind="sticky", fields=events,
        doc="Sticky events; write 1 to clear.",
    )
    yield Register(
        name="IRQ_ENABLE", offset=0x030, kind="control",
        fields=tuple(Field(name=event.name, low=event.low, doc=f"Let {event.name} raise `irq`.") for event in events),
        doc="Which events raise the level interrupt `irq`.",
    )


EVENTS = (
    Field(name="frame_error", low=0, doc="A stream frame broke a rule; its vector or read was discarded."),
    Field(
        name="refused", low=1,
        doc="An access was refused: a write without all four byte strobes or of a value that does not fit, or what "
        "needs idle while STATUS.idle was 0.  An access that the table does not have answers SLVERR alone.",
    ),
    Field(name="clipped", low=2, doc="An accumulator saturated."),
    Field(name="term_clipped", low=3, doc="A term of the outer product was clamped to the accumulator's range."),
    Field(name="array_error", low=4, doc="A command ended with a status other than OK or ABORTED."),
    Field(
        name="timeout", low=5,
        doc="The array was silent for TIMEOUT cycles; its command was given up and the port resynchronised.",
    ),
    Field(
        name="interlock", low=6,
        doc="A program command had to wait, or was stopped, because `arr_prog_enable` was low.",
    ),
    Field(name="pass_done", low=7, doc="A program pass has ended and the array has completed its last command."),
    Field(name="stray", low=8, doc="A completion or ADC word came that nothing was waiting for."),
    Field(
        name="was_reset", low=9, reset=1,
        doc="The controller was reset: memories and counters started anew, and what was under way ended where it was.  "
        "`bring_up` clears it, so that it tells of a reset the host did not ask for.",
    ),
)
"""Bits of IRQ_STATUS and IRQ_ENABLE (schemes with digital accumulators)."""


def settings(design: Design) -> Iterator[Register]:
    """What a laboratory tunes; reset values are the design's."""
    if design.row.source != "none" and not design.carried:  # a carry is worth 2^(hybrid.bits - 1)
        yield _threshold(design)
    if design.row.source == "outer-product":
        yield Register(
            name="SHIFT", offset=0x044, kind="setting", width=8, signed=True, reset=design.reset_shift,
            doc="Binary places that a product is shifted left, beside the vectors' exponents: fraction + "
            "log2(learning rate).  The sum "
            "ex + ed + SHIFT is clamped to -31..15.",
        )
        yield Register(
            name="PROGRAM_EVERY", offset=0x048, kind="setting", width=16, reset=design.update.program_every,
            doc="Vectors between program passes; 0: only a PROGRAM frame starts one.",
        )
    if design.row.programming != "none":
        yield from _row_pulses(design)
    yield Register(
        name="TIMEOUT", offset=0x060, kind="setting", low=16, reset=design.pulse.timeout,
        doc="Longest silence of the array before a command is given up [cycles].",
    )


def _threshold(design: Design) -> Register:
    width, log2, theta = design.formats.accumulator, design.update.threshold_power_of_two, design.update.threshold
    touches = "" if design.pulsed else "  A write sets all touched bits."
    return Register(
        name="THRESHOLD", offset=0x040, kind="setting",
        width=(width - 2).bit_length() if log2 else width - 1,
        low=0 if log2 else 1,
        high=width - 2 if log2 else 2 ** (width - 1) - 1,
        reset=theta.bit_length() - 1 if log2 else theta,
        doc=("log2(theta)" if log2 else "theta") + ": the accumulated change worth one pulse." + touches,
    )


def _row_pulses(design: Design) -> Iterator[Register]:
    """Programming of rows; amplitudes are here where pulses are blind."""
    pulse = design.pulse
    for name, offset, reset in (("SET", 0x04C, pulse.width_set), ("RESET", 0x050, pulse.width_reset)):
        yield Register(
            name=f"WIDTH_{name}", offset=offset, kind="setting", width=28, low=1, high=pulse.width_limit, reset=reset,
            doc=f"Width of a {name} pulse [cycles].  The bound is fixed in hardware.",
        )
    amplitudes = (("SET", 0x054, pulse.amplitude_set), ("RESET", 0x058, pulse.amplitude_reset))
    for name, offset, reset in () if design.verified else amplitudes:
        yield Register(
            name=f"AMPLITUDE_{name}", offset=offset, kind="setting", width=16, reset=reset,
            doc=f"Amplitude code of {name} pulses, passed on to the macro as it is.",
        )
    yield Register(
        name="GUARD", offset=0x05C, kind="setting", width=16, reset=pulse.guard,
        doc="Quiet time after each pulse [cycles].",
    )


COUNTERS = {
    "VECTORS": "Vectors accumulated, those without any visit included.",
    "VISITS": "Group visits that accumulated: one clock cycle each.",
    "COMMANDS": "Commands sent to the array, reads included; the ABORTs are not.",
    "ISSUED": "Device pulses that thresholds asked for: ISSUED = DELIVERED + ABORTED + FAILED + UNKNOWN once idle.",
    "DELIVERED": "Device pulses that the array reported as fired.",
    "ABORTED": "Device pulses that an abort or a dropped interlock kept from being fired.",
    "FAILED": "Device pulses of completed commands that the array did not fire.",
    "UNKNOWN": "Device pulses of commands whose completion never came.",
    "STRAY": "Completions and ADC words that nothing was waiting for.",
    "CLIPPED": "Accumulations that saturated (cells).",
}
"""Counters of 32 bits, from offset 0x080, modulo 2^32."""


def counters(design: Design) -> list[str]:
    """Names of all counters of a design."""
    if design.verified or design.carried:
        hybrid = registers_hybrid.counters(design) if design.carried else ()
        return [*COUNTERS, *registers_verify.counters(design), *hybrid]
    if not design.pulsed:
        return list(COUNTERS)
    own = registers_gradient.counters(design)
    return [name for name in COUNTERS if _has_counter(design, name)] + list(own)


def _has_counter(design: Design, name: str) -> bool:
    """Without transfers there is no digital memory and no row program."""
    digital = ("VISITS", "ISSUED", "DELIVERED", "ABORTED", "FAILED", "UNKNOWN", "CLIPPED")
    return design.row.source != "none" or name not in digital


def statistics(design: Design) -> Iterator[Register]:
    """What has happened since reset or `clear_counters`."""
    texts = COUNTERS | registers_verify.TEXTS if design.streamed else COUNTERS
    texts |= registers_hybrid.TEXTS if design.carried else {}
    for place, (name, doc) in enumerate(texts.items()):
        if _has_counter(design, name):
            yield Register(name=name, offset=0x080 + 4 * place, kind="status", doc=doc + "  Modulo 2^32.")


def windows(design: Design) -> Iterator[Register]:
    """The state that a checkpoint needs, besides the settings."""
    if not design.pulsed and not design.carried:
        yield from _pass_state(design, "Frames of changes" if design.streamed else "Vectors")
    if window_cells(design):
        yield from _memory_window(design)


def _pass_state(design: Design, counted: str) -> Iterator[Register]:
    """State of the schedule of program passes."""
    last = touched_words(design) - 1
    yield Register(
        name="VECTORS_SINCE_PASS", offset=0x0C0, kind="window", width=16,
        doc=f"{counted} since the last program pass: the pointer of the schedule.",
    )
    yield Register(
        name="TOUCHED_INDEX", offset=0x0C4, kind="window", width=max(1, last.bit_length()), high=last,
        doc="Which 32 rows TOUCHED_DATA shows; advances with every access to that, and wraps.",
    )
    yield Register(
        name="TOUCHED_DATA", offset=0x0C8, kind="window",
        doc="Touched bits of rows 32 * TOUCHED_INDEX and up, first row in bit 0: rows that the next pass visits.  Bits "
        "beyond the last row read 0 and are not kept.",
    )


def _memory_window(design: Design) -> Iterator[Register]:
    """Accumulators, cell by cell."""
    array, width = design.array, design.formats.accumulator
    touches = "" if design.pulsed or design.carried else "  A write sets all touched bits."
    shown = "The accumulator"
    if design.transfers:
        width = registers_gradient.cell_bits(design)
    if design.verified or design.carried:
        width = registers_verify.cell_bits(design)
        shown, touches = "The cell of the memory in MEM_SELECT", touches.replace("A write", "A write of dW")
        if len(window_cells(design)) == 1:  # L alone
            shown = "L of the weight"
    yield Register(
        name="MEM_ADDRESS", offset=0x0CC, kind="window",
        fields=(
            Field(
                name="lane", low=0, width=8, high=array.lanes - 1,
                doc="Lane in the group: column = group * lanes + lane.",
            ),
            Field(name="group", low=8, width=12, high=array.groups - 1, doc="Group of columns."),
            Field(name="row", low=20, width=12, high=array.rows - 1, doc="Row."),
        ),
        doc=f"{shown} that MEM_DATA shows.  A lane beyond the last column is refused.",
    )
    yield Register(
        name="MEM_DATA", offset=0x0D0, kind="window", width=width, signed=True,
        doc=f"{shown} at MEM_ADDRESS, which then advances along the row, to the next row, and at the last cell to the "
        f"first.{touches}",
    )


def totals(design: Design) -> Iterator[Register]:
    """The conservation ledger in hardware, where the design asks for it."""
    if not design.ledger or design.row.source == "none":
        return
    for place, (name, doc) in enumerate(TOTALS.items()):
        for half, part in enumerate(("LOW", "HIGH")):
            yield Register(
                name=f"TOTAL_{name}_{part}", offset=0x100 + 8 * place + 4 * half, kind="status",
                doc=f"Sum of {doc}; {'bits 31..0' if half == 0 else 'bits 63..32'} of 64, modulo 2^64.",
            )
