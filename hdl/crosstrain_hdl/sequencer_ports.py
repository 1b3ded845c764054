"""Members of the sequencer beside the array port; `Sequencer` tells what they are."""

from amaranth.lib.wiring import In, Out

from crosstrain_hdl.pulse_ledger import COUNTERS
from crosstrain_hdl.watchdog import TIMEOUT_BITS
from crosstrain_model.port import (
    OP_BITS,
    PULSES_BITS,
    STATUS_BITS,
    TAG_BITS,
    WIDTH_BITS,
    adc_bits,
    amplitude_bits,
    dac_bits,
    row_bits,
    slot_columns,
)
from crosstrain_model.pulse import COUNTER_BITS


def pulse_members(design):
    """Towards `Pulse`, or write-verify, and the schedule behind it."""
    return {
        **({"t_op": In(OP_BITS)} if design.verified else {}),
        **({"t_cells": In(1)} if design.cells_array else {}),
        "t_valid": In(1),
        "t_ready": Out(1),
        "t_row": In(row_bits(design)),
        "t_direction": In(1),
        "t_width": In(WIDTH_BITS),
        "t_amplitude": In(amplitude_bits(design)),
        "t_pulses": In(PULSES_BITS),
        "slot_valid": In(1),
        "slot_ready": Out(1),
        "slot_columns": In(slot_columns(design)),
        "slot_last": In(1),
        "over": Out(1),
        "cancel": Out(1),
        "pacing": In(1),
        "pulse_empty": In(1),
        "in_pass": In(1),
    }


def read_members(design):
    """Reads of the host, their words and their results."""
    return {
        **({"h_groups": In(design.array.groups)} if design.device_reads else {}),
        **({"h_cells": In(1)} if design.cells_array else {}),
        "h_valid": In(1),
        "h_ready": Out(1),
        "h_op": In(OP_BITS),
        "h_row": In(row_bits(design)),
        "h_tag": In(TAG_BITS),
        "dac_valid": In(1),
        "dac_ready": Out(1),
        "dac_codes": In(dac_bits(design)),
        "adc_valid": Out(1),
        "adc_ready": In(1),
        "adc_codes": Out(adc_bits(design)),
        "adc_last": Out(1),
        "r_valid": Out(1),
        "r_ready": In(1),
        "r_op": Out(OP_BITS),
        "r_tag": Out(TAG_BITS),
        "r_status": Out(STATUS_BITS),
    }


def control_members():
    """Settings, commands, state, events and counters."""
    return {
        "program_enable": In(1),
        "host_abort": In(1),
        "timeout": In(TIMEOUT_BITS),
        "clear_counters": In(1),
        "ready": Out(1),
        "busy": Out(1),
        "timed_out": Out(1),
        "array_error": Out(1),
        "interlock": Out(1),
        "strayed": Out(1),
        **{name: Out(COUNTER_BITS) for name in COUNTERS},
    }
