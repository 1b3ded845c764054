"""The protocol of the array port: one numbered rule per way to break it.

The checker in hardware (`port_checker.py`) reports these numbers, docs/array-port.md lists them.  Rules on the macro
hold from the first completion of an ABORT after reset: what it sends before that belongs to an old epoch.

Where several commands may be unfinished (designs with pulse trains: `port.outstanding`) each stream serves one of them:

    slots    the oldest unfinished pulse command that has not had its last slot
    codes    the oldest unfinished read, in both directions
    done     the oldest unfinished command
"""

from __future__ import annotations

import dataclasses

from crosstrain_model.port import ABORT_TAG, INTERLOCK_CYCLES, LAST_TAG


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortRule:
    """One rule of the protocol."""

    code: int
    """Number the checker reports, from 1."""
    name: str
    side: str
    """Who can break it: controller or macro."""
    text: str


def _rules(*rows: tuple[str, str, str]) -> tuple[PortRule, ...]:
    return tuple(PortRule(code=n, name=r[0], side=r[1], text=r[2]) for n, r in enumerate(rows, start=1))


CONTROLLER, MACRO = "controller", "macro"

RULES = _rules(
    ("CMD_STABLE", CONTROLLER, "A command that is offered stays, unchanged, until it is taken."),
    (
        "SLOT_STABLE",
        CONTROLLER,
        "A slot that is offered stays, unchanged, until it is taken; it may be withdrawn when its command ends or is"
        " about to be aborted, and then no slot is offered before the next command; where several may be unfinished,"
        " before that command has ended.",
    ),
    ("DAC_STABLE", CONTROLLER, "The same for words of input codes."),
    (
        "ADC_STABLE",
        MACRO,
        "A word of output codes that is offered stays, unchanged, until it is taken, or until an ABORT is taken.",
    ),
    ("DONE_STABLE", MACRO, "A completion that is offered stays, unchanged, until it is taken."),
    (
        "CMD_RESYNC",
        CONTROLLER,
        "The first command after reset is ABORT, and nothing else is offered before an ABORT has completed.",
    ),
    (
        "CMD_OUTSTANDING",
        CONTROLLER,
        "No command but ABORT is offered while another is unfinished; in designs with pulse trains, while as many as"
        " bus.outstanding are.",
    ),
    (
        "CMD_FIELDS",
        CONTROLLER,
        "Operation, array and row exist; fields that an operation does not use are 0; where a READ_ROW names groups it"
        " names at least one.",
    ),
    ("CMD_TAG", CONTROLLER, f"ABORT has tag {ABORT_TAG}; the others count 0..{LAST_TAG} from reset and wrap."),
    ("CMD_WIDTH", CONTROLLER, "The width of a pulse command is 1..pulse.width_limit of the design."),
    (
        "PROG_DISABLED",
        CONTROLLER,
        f"No pulse command is newly offered, and no slot is offered, from {INTERLOCK_CYCLES} cycles after prog_enable"
        " went low.",
    ),
    ("PROG_RAILS", CONTROLLER, "prog_enable is low whenever rails_ok is low."),
    (
        "SLOT_COMMAND",
        CONTROLLER,
        "Slots are offered only for a pulse command that was taken and is unfinished, and none after its last; in order"
        " where there are several.",
    ),
    ("SLOT_EMPTY", CONTROLLER, "A slot has at least one column, but in a TRAIN; only slots of a TRAIN name rows."),
    (
        "SLOT_POLARITY",
        CONTROLLER,
        "All pulses of one PROGRAM or FORM command have the same direction; with train.polarity = separate also those"
        " of one slot of a TRAIN.",
    ),
    (
        "SLOT_OVERLAP",
        CONTROLLER,
        "A slot is offered no sooner than one pulse width after the slot before it was taken; nor is a pulse command,"
        " where only one command may be unfinished.",
    ),
    (
        "DAC_COUNT",
        CONTROLLER,
        "Words of input codes are offered only to an unfinished read, as many as it takes, the last one marked.",
    ),
    (
        "ADC_COUNT",
        MACRO,
        "Words of output codes come only for an unfinished read, as many as it returns, the last one marked; in order"
        " where there are several, and none before the completion of the read before.",
    ),
    ("DONE_TAG", MACRO, "A completion has the tag of the oldest unfinished command, taken in an earlier cycle."),
    (
        "DONE_STATUS",
        MACRO,
        "The status exists; ABORT completes as ABORTED, and another command does so only after an ABORT was taken.",
    ),
    (
        "DONE_PULSES",
        MACRO,
        "No more pulses are reported than the slots taken had columns, of a TRAIN than slots were taken; none by other"
        " commands.",
    ),
    (
        "DONE_EARLY",
        MACRO,
        "OK and SATURATED come after all slots and words of the command; an ABORT completes after what it stopped.",
    ),
)
"""The protocol, in the order of its codes 1, 2, ..."""

CODES = {rule.name: rule.code for rule in RULES}
"""Code of a rule by its name."""
