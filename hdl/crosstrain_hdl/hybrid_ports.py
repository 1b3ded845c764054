"""Members that stations of hybrid weights share; each station tells what they are."""

from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.pace import GUARD_BITS
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_model.port import AMPLITUDE_BITS, PULSES_BITS, STATUS_BITS, WIDTH_BITS, row_bits
from crosstrain_model.pulse import COUNTER_BITS


def q_bits(design):
    """Bits of a rounded change, signed: one more than what is left of a change, as it may be rounded up."""
    return max(design.formats.accumulator - design.formats.fraction, 1) + 1


def visit_members(design):
    """Rounded visits: of a group in which some q is not 0, or the end of a row alone."""
    array = design.array
    return {
        "r_valid": Out(1),
        "r_ready": In(1),
        "r_row": Out(address_width(array.rows)),
        "r_group": Out(address_width(array.groups)),
        "r_q": Out(array.lanes * q_bits(design)),
        "r_visit": Out(1),
        "r_row_end": Out(1),
    }


def carry_members(design):
    """Carries, as `row_queue.RowQueue` takes them."""
    array = design.array
    return {
        "w_ready": In(1),
        "w_valid": Out(1),
        "w_row": Out(address_width(array.rows)),
        "w_group": Out(address_width(array.groups)),
        "w_word": Out(array.lanes * COUNT_BITS),
        "w_end": Out(1),
    }


def host_members(design):
    """Visits of the host to L."""
    array, word = design.array, design.array.lanes * design.hybrid.bits
    return {
        "m_valid": In(1),
        "m_ready": Out(1),
        "m_write": In(1),
        "m_row": In(address_width(array.rows)),
        "m_group": In(address_width(array.groups)),
        "m_data": In(word),
        "l_valid": Out(1),
        "l_data": Out(word),
    }


def wear_members(design):
    """Reads of the host."""
    array = design.array
    return {
        "x_valid": In(1),
        "x_ready": Out(1),
        "x_of_row": In(1),
        "x_row": In(address_width(array.rows)),
        "x_group": In(address_width(array.groups)),
        "x_lane": In(address_width(array.lanes)),
        "x_bit": In(range(design.hybrid.bits)),
        "y_valid": Out(1),
        "y_sets": Out(COUNTER_BITS),
        "y_resets": Out(COUNTER_BITS),
    }


def cell_read_members(design):
    """Reads of rows of L, their words, and how they ended."""
    array = design.array
    return {
        "q_valid": Out(1),
        "q_ready": In(1),
        "q_row": Out(row_bits(design)),
        "q_groups": Out(array.groups),
        "qa_valid": In(1),
        "qa_ready": Out(1),
        "qa_cells": In(array.lanes * design.hybrid.bits),
        "qr_valid": In(1),
        "qr_ready": Out(1),
        "qr_status": In(STATUS_BITS),
    }


def command_members(design, columns):
    """Commands of pulses, each of one slot, on so many device columns."""
    return {
        "p_valid": Out(1),
        "p_ready": In(1),
        "p_row": Out(row_bits(design)),
        "p_direction": Out(1),
        "p_width": Out(WIDTH_BITS),
        "p_amplitude": Out(AMPLITUDE_BITS),
        "p_pulses": Out(PULSES_BITS),
        "slot_valid": Out(1),
        "slot_ready": In(1),
        "slot_columns": Out(columns),
        "slot_last": Out(1),
        "over": In(1),
        "cancel": In(1),
        "pacing": Out(1),
    }


def pulse_settings():
    """Registers of blind pulses."""
    return {
        "width_set": In(WIDTH_BITS),
        "width_reset": In(WIDTH_BITS),
        "guard": In(GUARD_BITS),
        "amplitude_set": In(AMPLITUDE_BITS),
        "amplitude_reset": In(AMPLITUDE_BITS),
    }
