"""The array port: the pins between the controller and one analog macro, as data.

Everything that knows the port takes it from here: the hardware its signature, the protocol checker its codes, the stub
and the documentation their tables, the array agents their numbers.  Directions are the controller's.

Five streams, each valid/ready/payload, and two levels.  A transfer happens in a clock cycle in which valid and ready
are both 1.  Accepting a command is not finishing it: it ends with its completion.  In designs with pulse trains the
macro holds up to `bus.outstanding` unfinished commands, and executes and completes them in the order in which it took
them.  `port_rules.py` holds the protocol; docs/array-port.md says it in full.
"""

from __future__ import annotations

import dataclasses
import enum

from crosstrain_model.design import Design


class Op(enum.IntEnum):
    """What a command does (`arr_cmd_op`)."""

    FORWARD = 0
    """y = W x: one input code per row in, one output code per column out."""
    BACKWARD = 1
    """Transposed read: one input code per column in, one output code per row out."""
    READ_ROW = 2
    """One-hot read of one row: no input codes, one output code per column out."""
    TRAIN = 3
    """Parallel pulse train over the whole array."""
    PROGRAM = 4
    """Pulses of one direction on one row, the columns of every slot in parallel."""
    FORM = 5
    """Forming pulses on one row."""
    CALIBRATE = 6
    """Whatever the macro wants to do for itself."""
    ABORT = 7
    """Stop at once; the only command that may be given at any time."""


class ArrayId(enum.IntEnum):
    """Which array of the tile a command is for (`arr_cmd_array`)."""

    A = 0
    """Gradient array of the transfer schemes."""
    W = 1
    """Weights; the only array of a tile that transfers nothing."""
    REFERENCE = 2
    GP = 3
    """Plus devices of a pair that is addressed by halves."""
    GM = 4
    L = 5
    """Least significant array of a hybrid weight."""


class Status(enum.IntEnum):
    """How a command ended (`arr_done_status`)."""

    OK = 0
    VERIFY = 1
    """Write-verify did not reach its target."""
    TIMEOUT = 2
    """The macro gave up; also what the controller reports of a command it gave up itself."""
    SATURATED = 3
    """An ADC clipped; the codes are delivered all the same."""
    INTERLOCK = 4
    """Programming was disabled while pulses were due."""
    ABORTED = 5
    """Stopped by ABORT."""
    PROTOCOL = 6
    """Never sent by a macro: the controller's report of a read whose codes were not as many as they must be."""


PULSE_OPS = (Op.TRAIN, Op.PROGRAM, Op.FORM)
"""Commands that take slots, need `arr_prog_enable` and carry a pulse width."""
READ_OPS = (Op.FORWARD, Op.BACKWARD, Op.READ_ROW)
"""Commands that return codes."""
WEIGHTS = ArrayId.W
"""The array of weights."""

ABORT_TAG = 0xFF
"""Tag of ABORT and of nothing else; the others count 0..LAST_TAG from reset and wrap."""
LAST_TAG = 0xFE

OP_BITS = 4
ARRAY_BITS = 3
STATUS_BITS = 3
TAG_BITS = 8
WIDTH_BITS = 28
"""Pulse width in clock cycles."""
AMPLITUDE_BITS = 16
PULSES_BITS = 16
"""Device pulses of one command: at most 1024 columns times 15.  Of a TRAIN, slots: at most 4 phases of 63."""
INTERLOCK_CYCLES = 3
"""Cycles for which slots may still be offered after `arr_prog_enable` fell: `arr_rails_ok` passes registers inside."""

OWN_STATUS = f"; {Status.PROTOCOL.value} {Status.PROTOCOL.name} is the controller's own"


def row_bits(design: Design) -> int:
    """Bits of a row number, at least 1."""
    return max(1, (design.array.rows - 1).bit_length())


def outstanding(design: Design) -> int:
    """Commands that may be unfinished at a time, ABORTs not counted."""
    return design.bus.outstanding if design.pulsed else 1


def train_array(design: Design) -> ArrayId:
    """The array that trains pulse: the gradients, or the weights where nothing is transferred."""
    return ArrayId.A if design.transfers else ArrayId.W


def code_bits(design: Design) -> int:
    """Bits of one input code at the DACs: the wider of x and d."""
    return max(design.formats.x, design.formats.d)


def dac_words(design: Design, op: int) -> int:
    """Words of `lanes` input codes that a command takes."""
    array = design.array
    forward = array.groups * design.formats.x if array.read == "bit-serial" else array.row_words
    return {Op.FORWARD: forward, Op.BACKWARD: array.groups}.get(Op(op), 0)


def dac_bits(design: Design) -> int:
    """Bits of a word of input codes: `lanes` codes, or one bit of every row."""
    array = design.array
    return array.rows if array.read == "bit-serial" else array.lanes * code_bits(design)


def amplitude_bits(design: Design) -> int:
    """Bits of the amplitude of a command: one code, or one for each device column."""
    return AMPLITUDE_BITS * (design.array.device_columns if design.column_amplitudes else 1)


def adc_codes(design: Design) -> int:
    """Codes in a word of output codes: those of `lanes` weights, or of the devices of `lanes` pairs, where they are
    read one by one."""
    return design.array.lanes * (2 if design.device_reads else 1)


def adc_bits(design: Design) -> int:
    """Bits of a word of output codes; of a row of array L it has a bit for each cell of `lanes` weights."""
    cells = design.array.lanes * design.hybrid.bits if design.cells_array else 0
    return max(adc_codes(design) * design.formats.adc, cells)


def slot_columns(design: Design) -> int:
    """Device columns of the widest array."""
    cells = design.array.columns * design.hybrid.bits if design.cells_array else 0
    return max(design.array.device_columns, cells)


def adc_words(design: Design, op: int) -> int:
    """Words of output codes that a command returns before it completes; of a READ_ROW with `arr_cmd_groups` one for
    each group that it names."""
    array = design.array
    return {Op.FORWARD: array.groups, Op.READ_ROW: array.groups, Op.BACKWARD: array.row_words}.get(Op(op), 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortSignal:
    """One pin or bus of the array port."""

    name: str
    direction: str
    """"out" or "in", as the controller sees it."""
    width: int
    stream: str
    """Stream it belongs to: cmd, slot, dac, adc, done; empty for the two levels."""
    doc: str

    @property
    def role(self) -> str:
        """valid, ready or payload; level for the two that belong to no stream."""
        if not self.stream:
            return "level"
        last = self.name.rsplit("_", 1)[1]
        return last if last in ("valid", "ready") else "payload"


def port_signals(design: Design) -> tuple[PortSignal, ...]:
    """The pins of the port of one design, in the order in which they appear everywhere."""
    lanes, columns = design.array.lanes, slot_columns(design)
    rows, code, returned = row_bits(design), code_bits(design), adc_codes(design)
    pair = "; of weight c: 2c is its plus device, 2c + 1 its minus device" if design.array.differential else ""
    fired = "device pulses that were fired, each column of each slot one; 0 for reads"
    masks = []
    if design.pulsed:
        fired += "; of a TRAIN, slots that were fired"
        masks = [("out", "slot_rows", design.array.rows, "rows that get a pulse, of a TRAIN, else 0")]
    groups, signed, device = [], "signed", ""
    amplitude = "amplitude code, opaque to the controller, else 0"
    if design.column_amplitudes:
        each = f"{AMPLITUDE_BITS} bits for each device column, column 0 lowest"
        amplitude = f"amplitude codes, opaque to the controller: {each}; 0 where it gets no pulse"
    if design.verified:
        signed, device = "unsigned", ", of single devices, plus before minus"
    if design.carried:
        device = "; of a READ_ROW unsigned, of single devices, plus before minus; else of the lower half alone"
    if design.cells_array:
        bits = design.hybrid.bits
        pair += f"; of array L {bits}c is cell 0 of weight c"
        device += f"; of array L a bit for each of {bits * lanes} cells"
    if design.device_reads:
        text = "groups of columns whose ADCs convert, of a READ_ROW, else 0; bit g: columns lanes * g and up"
        groups = [("out", "cmd_groups", design.array.groups, text)]
    words = f"{lanes} {signed} codes of {code} bits, line 0 of the word lowest"
    if design.array.read == "bit-serial":
        words = "bit k of the code of every row, lowest first, for k = 0 .. x - 1, and that for each group in turn"
    answers = f"{returned} {signed} codes of {design.formats.adc} bits, line 0 of the word lowest{device}"
    table = [
        ("out", "cmd_valid", 1, "a command is offered"),
        ("out", "cmd_op", OP_BITS, "operation: " + _numbers(Op)),
        ("out", "cmd_array", ARRAY_BITS, "array: " + _numbers(ArrayId)),
        ("out", "cmd_row", rows, "row of READ_ROW, PROGRAM and FORM, else 0"),
        ("out", "cmd_width", WIDTH_BITS, "width of every pulse of the command [cycles], else 0"),
        ("out", "cmd_amplitude", amplitude_bits(design), amplitude),
        *groups,
        ("out", "cmd_tag", TAG_BITS, f"tag the completion repeats: 0..{LAST_TAG}, {ABORT_TAG} is ABORT's"),
        ("in", "cmd_ready", 1, "the command is taken"),
        ("out", "slot_valid", 1, "a pulse slot is offered"),
        *masks,
        ("out", "slot_columns", columns, "device columns that get a pulse" + pair),
        ("out", "slot_direction", columns, "direction per device column: 1 SET, 0 RESET"),
        ("out", "slot_last", 1, "last slot of the command"),
        ("in", "slot_ready", 1, "the slot is taken and its pulses start"),
        ("out", "dac_valid", 1, "a word of input codes is offered"),
        ("out", "dac_codes", dac_bits(design), words),
        ("out", "dac_last", 1, "last word of the read"),
        ("in", "dac_ready", 1, "the word is taken"),
        ("in", "adc_valid", 1, "a word of output codes is offered"),
        ("in", "adc_codes", adc_bits(design), answers),
        ("in", "adc_last", 1, "last word of the read"),
        ("out", "adc_ready", 1, "the word is taken"),
        ("in", "done_valid", 1, "a completion is offered"),
        ("in", "done_tag", TAG_BITS, "tag of the command that ended"),
        ("in", "done_status", STATUS_BITS, "status: " + _numbers(Status, but=Status.PROTOCOL) + OWN_STATUS),
        ("in", "done_pulses", PULSES_BITS, fired),
        ("out", "done_ready", 1, "the completion is taken"),
        ("out", "prog_enable", 1, "programming is enabled: no pulse without it; drops with reset and with rails_ok"),
        ("in", "rails_ok", 1, "programming supplies are in order; may change at any time"),
    ]
    return tuple(
        PortSignal(name=f"arr_{name}", direction=direction, width=width, stream=_stream(name), doc=doc)
        for direction, name, width, doc in table
    )


def _stream(name: str) -> str:
    stem = name.split("_")[0]
    return stem if stem in ("cmd", "slot", "dac", "adc", "done") else ""


def _numbers(kind: type[enum.IntEnum], but: enum.IntEnum | None = None) -> str:
    return ", ".join(f"{member.value} {member.name}" for member in kind if member is not but)
