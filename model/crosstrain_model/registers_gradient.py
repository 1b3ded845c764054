"""Registers of in-memory gradients: pulse trains, row transfers, and the state of their stations.

Part of the table of `registers.py`.  Windows reach state that a checkpoint needs; all of them need STATUS.idle.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from crosstrain_model.chopper import chopped, chopper_words
from crosstrain_model.design import Design
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.register import Field, Register
from crosstrain_model.scale import EXPONENT_BITS, ScaleSettings

STREAM_WORDS = 4
"""Words of 32 bits that STREAM_INDEX counts per stream; an LFSR has the first alone, the others read 0."""
MEMORIES = ("H", "P", "P_ref")
"""Memories, in the numbering of MEM_SELECT."""

STATE_WINDOWS = (
    "MEAN_X", "MEAN_X_EXPONENT", "MEAN_D", "MEAN_D_EXPONENT", "SINCE_TRANSFER", "SWEEP_ROW", "SWEEP_READS", "SWEEPS",
)  # fmt: skip
"""Windows of a single word, which hold state that a checkpoint needs."""


def cell_bits(design: Design) -> int:
    """Bits of a cell as MEM_DATA shows it: wide enough for H, and for P and P_ref."""
    return max(design.formats.accumulator, design.formats.adc + design.formats.fraction)


def streams(design: Design) -> tuple[str, ...]:
    """The streams that a design has."""
    if design.carried:
        return ("rounding",)
    return ("rows", "columns", *(("choppers",) if chopped(design, "random") else ()))


def events(common: tuple[Field, ...]) -> tuple[Field, ...]:
    """Bits of IRQ_STATUS: as everywhere, but for two that digital accumulation alone has."""
    own = {
        "term_clipped": ("adc_clipped", "A code of a transfer read was at an end of the ADC's range."),
        "pass_done": ("lost_read", "A transfer read failed; its row was not visited."),
    }
    return tuple(
        dataclasses.replace(field, name=own[field.name][0], doc=own[field.name][1]) if field.name in own else field
        for field in common
    )


def words(design: Design) -> tuple[str, str, str, str]:
    """What abort ends, what clear clears, and two words of STATUS; as `registers.WORDS`, without passes."""
    there = "the running means and the count of vectors"
    if design.transfers:
        memories = "H"
        if design.dynamic_reference:
            memories = "H, P, P_ref" if design.transfer.memory == "leak" else "H, P_ref"
        there = f"{memories}, the running means, row signs and the place in the sweep"
    ledger = "; what it takes from H is `cleared` in the ledger" if design.transfers else ""
    ends = "trains and transfers that are under way end" if design.transfers else "trains that are under way end"
    cleared = f"{there}; the random streams stay{ledger}"
    return ends, cleared, "transfer" if design.transfers else "train", "Always 0: there are no passes."


def registers(design: Design) -> Iterator[Register]:
    """All of them, by ascending offset."""
    yield from _train_settings(design)
    if design.transfers:
        yield from _transfer_settings(design)
    for place, (name, doc) in enumerate(_COUNTERS.items()):
        if name in counters(design):
            yield Register(name=name, offset=0x180 + 4 * place, kind="status", doc=doc + "  Modulo 2^32.")
    yield from _windows(design)


def _train_settings(design: Design) -> Iterator[Register]:
    train, scale = design.train, ScaleSettings.of(design)
    yield Register(
        name="TRAIN_RATE", offset=0x140, kind="setting", width=16, signed=True, reset=scale.rate,
        doc="256 * log2(eta0 * l_max): pulses of the strongest coincidence when both vectors are as large as usual.",
    )
    yield Register(
        name="TRAIN_MOMENTUM", offset=0x144, kind="setting", width=4, high=12, reset=train.momentum_log2,
        doc="Running means of max|x| and max|d| move by 2^-this of the difference with every vector.",
    )
    yield Register(
        name="TRAIN_DYNAMIC", offset=0x148, kind="setting", width=1, reset=int(train.dynamic),
        doc="1: a train has as many slots as its vectors need; 0: always l_max.",
    )
    yield Register(
        name="TRAIN_WIDTH", offset=0x14C, kind="setting", width=28, low=1, high=design.pulse.width_limit,
        reset=train.width, doc="Width of a pulse of a train [cycles].  The bound is fixed in hardware.",
    )
    yield Register(
        name="TRAIN_GUARD", offset=0x150, kind="setting", width=16, reset=train.guard,
        doc="Quiet time after each slot of a train [cycles].",
    )
    yield Register(
        name="TRAIN_AMPLITUDE", offset=0x154, kind="setting", width=16, reset=train.amplitude,
        doc="Amplitude code of trains, passed on to the macro as it is.",
    )


def _transfer_settings(design: Design) -> Iterator[Register]:
    transfer = design.transfer
    yield Register(
        name="TRANSFER_EVERY", offset=0x158, kind="setting", width=16, low=1, reset=transfer.every,
        doc="n_s: vectors between two row transfers.",
    )
    kinds = (design.row.chopper, transfer.column_chopper)
    if "period" in kinds:
        yield Register(
            name="CHOPPER_PERIOD", offset=0x15C, kind="setting", width=16, low=2, reset=transfer.period,
            doc="Reads of a row (sweeps) between flips of choppers.",
        )
    if "random" in kinds:
        yield Register(
            name="FLIP_PROBABILITY", offset=0x160, kind="setting", width=17, high=2**16,
            reset=transfer.flip_probability, doc="Probability of a flip at a read [2^-16].",
        )
    if design.dynamic_reference and transfer.memory == "leak":
        yield Register(
            name="LEAK", offset=0x164, kind="setting", width=3, reset=transfer.leak_log2,
            doc="beta = 2^-this: how fast P follows the reads.",
        )
    yield Register(
        name="WARMUP", offset=0x168, kind="setting", width=16, reset=design.warmup_sweeps,
        doc="Sweeps over all rows before W is first written.",
    )


_COUNTERS = {
    "TRANSFERS": "Rows read for transfer.",
    "LOST_READS": "Transfer reads that failed: their rows were not visited.",
    "ADC_CLIPPED": "Codes of transfer reads at an end of the ADC's range.",
    "TRAIN_ISSUED": "Slots of trains: TRAIN_ISSUED = sum of the other four once idle.",
    "TRAIN_DELIVERED": "Slots that the array reported as fired.",
    "TRAIN_ABORTED": "Slots that an abort or a dropped interlock kept from being fired.",
    "TRAIN_FAILED": "Slots of completed trains that the array did not fire.",
    "TRAIN_UNKNOWN": "Slots of trains whose completion never came.",
}


def counters(design: Design) -> tuple[str, ...]:
    """Names of these counters that a design has."""
    return tuple(name for name in _COUNTERS if design.transfers or name.startswith("TRAIN_"))


def _windows(design: Design) -> Iterator[Register]:
    for name, what in (("MEAN_X", "max|x|"), ("MEAN_D", "max|d|")):
        offset = 0x1C0 if name == "MEAN_X" else 0x1C8
        yield Register(
            name=name, offset=offset, kind="window", width=24,
            doc=f"Mantissa of the running mean of {what}; 0: none yet.",
        )
        yield Register(
            name=f"{name}_EXPONENT", offset=offset + 4, kind="window", width=EXPONENT_BITS, signed=True,
            doc="Its exponent: the mean is mantissa * 2^exponent.",
        )
    yield from stream_window()
    if not design.transfers:
        return
    yield from _sweep_windows(design)


def stream_window() -> Iterator[Register]:
    """The states of all random streams, word by word."""
    last = STREAM_WORDS * len(STREAMS) - 1
    yield Register(
        name="STREAM_INDEX", offset=0x1D0, kind="window", width=last.bit_length(), high=last,
        doc="Which word of a random stream STREAM_DATA shows: 4 * stream + word, streams "
        + ", ".join(f"{number} {name}" for number, name in enumerate(STREAMS))
        + ".  Advances with every access to that, and wraps.",
    )
    yield Register(
        name="STREAM_DATA", offset=0x1D4, kind="window",
        doc="State of a random stream: a seed is written here.  A state of all zeros becomes 1.  Words that a "
        "stream does not have read 0 and are not kept.",
    )


def _sweep_windows(design: Design) -> Iterator[Register]:
    """Where the transfers stand."""
    yield Register(
        name="SINCE_TRANSFER", offset=0x1D8, kind="window", width=16, doc="Vectors since the last transfer.",
    )
    yield Register(
        name="SWEEP_ROW", offset=0x1DC, kind="window", width=max(1, (design.array.rows - 1).bit_length()),
        high=design.array.rows - 1, doc="Row that the next transfer reads.",
    )
    if "period" in (design.row.chopper, design.transfer.column_chopper):
        yield Register(
            name="SWEEP_READS", offset=0x1E0, kind="window", width=16, doc="Sweeps since choppers last flipped.",
        )
    yield Register(
        name="SWEEPS", offset=0x1E4, kind="window", width=16, doc="Finished sweeps, up to 65535: the clock of warm-up.",
    )
    if words := chopper_words(design):
        yield Register(
            name="CHOPPER_INDEX", offset=0x1E8, kind="window", width=max(1, (words - 1).bit_length()), high=words - 1,
            doc="Which 32 choppers CHOPPER_DATA shows, rows first, then columns; advances with every access to that, "
            "and wraps.",
        )
        yield Register(
            name="CHOPPER_DATA", offset=0x1EC, kind="window",
            doc="Signs of 32 choppers, first line in bit 0, 1: negative.  Bits beyond the last line read 0.",
        )
    if design.dynamic_reference:
        most = 2 if design.transfer.memory == "leak" else 1
        yield Register(
            name="MEM_SELECT", offset=0x1F0, kind="window", width=2, high=2,
            doc="Memory that MEM_DATA shows: 0 H, 1 P, 2 P_ref"
            + ("." if most == 2 else " (there is no P: it reads 0 and is not kept)."),
        )
