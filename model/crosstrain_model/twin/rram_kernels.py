"""Compiled reads and noise of RRAM arrays: equal to `rram.py`, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_model.twin import noise
from crosstrain_model.twin.kernels import Array, compiled, event_key
from crosstrain_model.twin.read_kernels import z_of_word
from crosstrain_model.twin.rram import ONE

ADC, MULTIPLIER, SHIFT, READ_NOISE, ADC_NOISE = 1, 3, 4, 6, 7
"""Places of a `Converter` as numbers."""
LOW, GAIN, RATE, NOISE = range(4)
"""Places in `RramDevices.numbers`."""


@compiled
def forward(levels: Array, samples: Array, keys: Array, counters: Array, part: Array, codes: Array, out: Array) -> None:
    """levels int16 [rows, device columns], samples int64 [2^x], codes int32 [B, rows], out int32 [B, width]: the first
    device columns.

    Sums are exact in int32: at most 1024 rows of 255 * 2^14 need more, so they go over to int64 every 256 rows.
    """
    rows, width = levels.shape[0], out.shape[1]
    part32, sums = np.empty(width, np.int32), np.empty(width, np.int64)
    for b in range(codes.shape[0]):
        squares = np.int64(0)
        sums[:] = 0
        for first in range(0, rows, 256):
            part32[:] = 0
            for r in range(first, min(first + 256, rows)):
                code = codes[b, r]
                if code == 0:
                    continue
                squares += samples[code]
                for c in range(np.uint64(width)):
                    part32[c] = np.int32(part32[c] + np.int32(code * np.int32(levels[r, c])))
            for c in range(width):
                sums[c] += part32[c]
        root = np.int64(np.floor(np.sqrt(np.float64(squares << 8))))
        _to_codes(part, sums, root, keys, noise.READ_FORWARD, counters[0] + b, 0, out[b])


@compiled
def read_row(levels: Array, row: int, full: int, keys: Array, number: int, part: Array, out: Array) -> None:
    """A one-hot read: levels of the row and out int32 [device columns], full the code of the row, 2^x."""
    sums = np.empty(out.size, np.int64)
    for c in range(out.size):
        sums[c] = np.int64(levels[c]) * full
    _to_codes(part, sums, np.int64(full << 4), keys, noise.READ_ROW, number, row, out)


@compiled
def pulse(
    g: Array, mask: Array, stuck: Array, threshold: Array, amplitude: Array, sign: int, device: Array, key: Any
) -> None:
    """One pulse on the mask of a row, SET (sign 1) or RESET (-1): g int32, threshold, amplitude [device columns]."""
    a, stride = key
    low, one = device[LOW], np.int64(ONE)
    for c in range(g.size):
        if not mask[c] or stuck[c] != 0:
            continue
        way, wide = ((amplitude[c] - np.int64(threshold[c])) * device[GAIN]) >> 10, np.int64(g[c])
        plateau = low + way if sign > 0 else one - way
        step = (max(sign * (plateau - wide), 0) * device[RATE] + 128) >> 8
        z = np.int64(z_of_word(a, stride, c))
        step = max(step + ((step * ((z * device[NOISE]) >> 6) + 2048) >> 12), 0)
        g[c] = np.int32(min(max(wide + sign * step, low), one))


@compiled
def pulse_row(
    g: Array, mask: Array, stuck: Array, threshold: Array, amplitude: Array, sign: int, device: Array, keys: Array,
    number: int, row: int,
) -> None:  # fmt: skip
    """`pulse` number `number`."""
    pulse(g, mask, stuck, threshold, amplitude, sign, device, event_key(keys, noise.PROGRAM, number, row))


@compiled
def z_row(keys: Array, kind: int, number: int, row: int, out: Array) -> None:
    """z of an event for every device column: out int64 [device columns]."""
    a, stride = event_key(keys, kind, number, row)
    for c in range(out.size):
        out[c] = z_of_word(a, stride, c)


@compiled
def code_of(part: Array, total: Any, root: Any, z_read: Any, z_adc: Any) -> Any:
    """The code of one sum."""
    noisy = total + ((np.int64(z_read) * part[READ_NOISE] * root + 32768) >> 16)
    v = ((noisy * part[MULTIPLIER]) >> (part[SHIFT] - 8)) + ((np.int64(z_adc) * part[ADC_NOISE] + 128) >> 8)
    return min(max((v + 128) >> 8, 0), (np.int64(1) << part[ADC]) - 1)


@compiled
def _to_codes(part: Array, sums: Array, root: Any, keys: Array, kind: int, number: Any, row: int, out: Array) -> None:
    """`kind` is the read's, the ADC's follows it."""
    read, read_stride = event_key(keys, kind, number, row)
    adc, adc_stride = event_key(keys, kind + 1, number, row)
    for c in range(out.size):
        z_read = z_of_word(read, read_stride, c) if part[READ_NOISE] != 0 else np.int32(0)
        z_adc = z_of_word(adc, adc_stride, c) if part[ADC_NOISE] != 0 else np.int32(0)
        out[c] = np.int32(code_of(part, sums[c], root, z_read, z_adc))
