"""The context of a tile: one int64 array of sizes, settings and addresses, all that a compiled kernel is told.

A single argument keeps calls short (each array argument costs a call about 150 ns), and its address is the `user`
pointer of the hook.  The arrays that it points at belong to the tile, which must outlive every use of the context.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.twin.array_state import ArrayState
from crosstrain_model.twin.converter import Converter

ROWS, COLUMNS, DEVICE_COLUMNS, WIRING, SCALE, NOISE, NOISE_OF_STEP = range(7)
G, STEP_UP, SLOPE_UP, STEP_DOWN, SLOPE_DOWN, LOW, HIGH, LEVELS, COUNTERS, KEYS = range(7, 17)
REST, PULSES, REFERENCE = 17, 18, 19
"""From G on addresses; PULSES and REFERENCE are 0 where there is none."""
DECAY_EVERY, DECAY_LOG2 = 20, 21
RESPONSES, BOUNDS = 22, 23
"""Addresses of `words_of`."""
CONVERTERS = 24
"""Three converters follow (forward, backward, row), of CONVERTER_SIZE numbers each."""
BITS, ADC, FRACTION, MULTIPLIER, SHIFT, DAC_NOISE, READ_NOISE, ADC_NOISE, CHUNK = range(9)
CONVERTER_SIZE = 9
CONTEXT_SIZE = CONVERTERS + 3 * CONVERTER_SIZE

SINGLE, PUSH_PULL, SET_ONLY = range(3)
WIRINGS = ("single", "push-pull", "set-only")


Words = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


def words_of(state: ArrayState) -> Words:
    """What a pulse needs of a device, two numbers to a word, so that a gather takes fewer: slope and step [2, rows,
    device columns], up and down; upper and lower bound [rows, device columns]."""
    devices = state.devices
    sides = ((devices.slope_up, devices.step_up), (devices.slope_down, devices.step_down))
    responses = np.stack([_word(slope, step) for slope, step in sides])
    return responses, _word(devices.high, devices.low)


def _word(upper: npt.NDArray[np.int16], lower: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
    return np.ascontiguousarray((upper.astype(np.int32) << 16) | (lower.astype(np.int32) & 0xFFFF))


def make(state: ArrayState, words: Words) -> npt.NDArray[np.int64]:
    """The context of a tile, whose arrays, and whose words, must stay where they are."""
    devices = state.devices
    context = np.zeros(CONTEXT_SIZE, dtype=np.int64)
    context[ROWS], context[COLUMNS], context[DEVICE_COLUMNS] = state.rows, state.columns, state.device_columns
    context[WIRING] = WIRINGS.index(state.wiring.kind)
    context[SCALE], context[NOISE], context[NOISE_OF_STEP] = 1 << devices.exponent, devices.noise, devices.noise_of_step
    grids = (devices.step_up, devices.slope_up, devices.step_down, devices.slope_down, devices.low, devices.high)
    arrays: list[npt.NDArray[Any]] = [state.g, *grids, state.levels, state.counters, state.keys]
    for place, array in enumerate(arrays, start=G):
        assert array.flags.carray
        context[place] = array.ctypes.data
    context[REST] = state.rest.ctypes.data
    context[DECAY_EVERY], context[DECAY_LOG2] = state.device.decay_every, state.device.decay_log2
    context[PULSES] = state.pulses.ctypes.data if state.pulses.size else 0
    context[REFERENCE] = 0 if state.reference is None else state.reference.ctypes.data
    context[RESPONSES], context[BOUNDS] = (word.ctypes.data for word in words)
    parts = (state.forward_converter, state.backward_converter, state.row_converter)
    context[CONVERTERS:] = [number for part in parts for number in numbers_of(part)]
    return context


def numbers_of(part: Converter) -> list[int]:
    """A converter in the places from BITS to CHUNK."""
    return [
        part.bits,
        part.adc,
        part.fraction,
        part.multiplier,
        part.shift,
        part.dac_noise,
        part.read_noise,
        part.adc_noise,
        lines_per_chunk(part),
    ]


def lines_per_chunk(part: Converter) -> int:
    """How many products of a level and a weight an int32 holds for certain."""
    limit = 1 << (part.bits - 1)
    if part.dac_noise:
        limit = min((limit << part.fraction) + ((510 * part.dac_noise + 2048) >> 12), 32767)
    return (2**31 - 1) // (limit * 32767)
