"""Members of the dispatcher beside the array port; `Dispatcher` tells what they are."""

from amaranth.lib.wiring import In, Out

from crosstrain_hdl.pulse import GUARD_BITS
from crosstrain_hdl.pulse_ledger import COUNTERS
from crosstrain_hdl.sequencer_ports import control_members, pulse_members
from crosstrain_model.port import AMPLITUDE_BITS, PULSES_BITS, WIDTH_BITS, row_bits
from crosstrain_model.pulse import COUNTER_BITS

TRAIN_COUNTERS = tuple(name for name in COUNTERS if name not in ("commands", "stray"))
"""Counters that there are of pulses and of slots of trains."""


def program_members(design):
    """Towards `Pulse`: as the sequencer has them, but for the prefix of its commands."""
    return {
        f"p_{name.removeprefix('t_')}" if name.startswith("t_") else name: member
        for name, member in pulse_members(design).items()
        if name != "cancel"
    }


def train_members(design):
    """Towards `PulseTrain`, and the registers of trains."""
    array = design.array
    return {
        "n_valid": In(1),
        "n_ready": Out(1),
        "n_slots": In(PULSES_BITS),
        "ns_valid": In(1),
        "ns_ready": Out(1),
        "ns_rows": In(array.rows),
        "ns_columns": In(array.device_columns),
        "ns_direction": In(array.device_columns),
        "ns_last": In(1),
        "train_over": Out(1),
        "in_trains": In(1),
        "cancel": Out(1),
        "train_width": In(WIDTH_BITS),
        "train_guard": In(GUARD_BITS),
        "train_amplitude": In(AMPLITUDE_BITS),
    }


def row_members(design):
    """Reads of rows of A for transfers, and their words."""
    return {
        "q_valid": In(1),
        "q_ready": Out(1),
        "q_row": In(row_bits(design)),
        "z_valid": Out(1),
        "z_ready": In(1),
        "z_codes": Out(design.array.lanes * design.formats.adc),
        "z_end": Out(1),
        "z_good": Out(1),
    }


def state_members(design):
    """Settings, commands, state, events and counters."""
    common = control_members()
    if not design.transfers:
        common = {name: member for name, member in common.items() if name not in TRAIN_COUNTERS}
    return common | {f"train_{name}": Out(COUNTER_BITS) for name in TRAIN_COUNTERS}
