"""Compiled phase-change devices: age, reads of rows, pulses; equal to `pcm_drift`, `powers` and `pcm`, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_model.twin import pcm_drift as rule
from crosstrain_model.twin import powers
from crosstrain_model.twin.kernels import Array, compiled, event_key
from crosstrain_model.twin.noise import DEVICE_ROW, PROGRAM
from crosstrain_model.twin.powers import HIGH, LOW
from crosstrain_model.twin.read_kernels import z_of_word

_START = int(powers.log2(rule.START))
_READ = int(powers.log2(500))
STEP, SLOPE, NOISE, BOTTOM, BOTTOM_NOISE = range(5)
"""Places in `PcmConstants.numbers`."""


@compiled
def log2(n: Any) -> Any:
    """powers.log2 of one int64, 1 or more."""
    place, top = np.int64(0), n
    for shift in (32, 16, 8, 4, 2, 1):
        if top >> shift != 0:
            top >>= shift
            place += shift
    m = np.uint64(n >> (place - 31)) if place > 31 else np.uint64(n << (31 - place))
    for _ in range(16):
        m = (m * m) >> np.uint64(31)
        bit = m >> np.uint64(32)
        m = m >> bit
        place = 2 * place + np.int64(bit)
    return place


@compiled
def power(e: Any) -> Any:
    """powers.power of one int64, 0 or more."""
    mantissa = (HIGH[(e & 0xFFFF) >> 8] * LOW[e & 255] + (1 << 29)) >> 30
    return mantissa >> min(e >> 16, 62)


@compiled
def age(g: Array, xi: Array, t: Array, drift: Any, noise: Any, known: Array, seen: Array, deviation: Array) -> None:
    """g(t) and s(t) of devices, all int64 [n]; drift, noise: D and N of the rule.

    known : int64 [n, 2], a conductance (-1: none) and its q, kept from call to call: most devices are as they were
    """
    half, last, root = np.int64(1 << 15), np.int64(-1), np.int64(0)
    for i in range(g.size):
        seen[i] = g[i]
        if drift != 0 and t[i] > rule.START:
            depth = (np.int64(20) << 16) - log2(max(g[i], 1))
            mu = min(max(((rule.MU * depth + half) >> 16) + rule.MU_0, rule.MU_LOW), rule.MU_HIGH)
            sigma = min(max(((rule.SIGMA * depth + half) >> 16) + rule.SIGMA_0, rule.SIGMA_LOW), rule.SIGMA_HIGH)
            nu = (abs(mu + ((sigma * xi[i] + half) >> 16)) * drift + half) >> 16
            since = max(log2(max(t[i], 1)) - _START, 0)
            seen[i] = (g[i] * power((nu * since + (1 << 19)) >> 20) + (1 << 29)) >> 30
        deviation[i] = 0
        if noise != 0:
            if known[i, 0] != g[i]:
                depth = (np.int64(20) << 16) - log2(max(g[i], 1))
                known[i, 0], known[i, 1] = g[i], power(max(rule.Q - ((42598 * depth + half) >> 16), rule.Q_LOW))
            if t[i] != last:
                last = t[i]
                ln = (45426 * max(log2(last + 250) - _READ, 0) + half) >> 16
                root = np.int64(np.floor(np.sqrt(np.float64(ln << 16))))
            deviation[i] = ((((seen[i] * known[i, 1]) >> 20) * root >> 14) * noise + (1 << 31)) >> 32


@compiled
def sense(
    g: Array, xi: Array, since: Array, now: Any, drift: Any, noise: Any, known: Array, keys: Array, number: Any,
    row: Any, out: Array,
) -> None:  # fmt: skip
    """`PcmArray.sense` of one row, all int64 [device columns]."""
    deviation = np.empty(g.size, np.int64)
    age(g, xi, now - since, drift, noise, known, out, deviation)
    a, stride = event_key(keys, DEVICE_ROW, number, row)
    for c in range(g.size):
        if deviation[c] != 0:  # what comes of 0 is 0
            z = np.int64(z_of_word(a, stride, c))
            out[c] += (z * ((deviation[c] * 1774) >> 2) + (1 << 11)) >> 12


@compiled
def pulse(
    g: Array, xi: Array, since: Array, now: Any, drift: Any, known: Array, mask: Array, raised: bool, amplitude: Array,
    part: Array, keys: Array, number: Any, row: Any,
) -> None:  # fmt: skip
    """`PcmConstants.pulse` on the devices `mask` of a row, amplitude int64 [device columns]; part: the constants."""
    seen, deviation = np.empty(g.size, np.int64), np.empty(g.size, np.int64)
    age(g, xi, now - since, drift, 0, known, seen, deviation)
    a, stride = event_key(keys, PROGRAM, number, row)
    one = np.int64(rule.ONE)
    for c in range(g.size):
        if not mask[c]:
            continue
        z = np.int64(z_of_word(a, stride, c))
        if raised:
            mean = max(part[STEP] - ((part[SLOPE] * seen[c]) >> 20), 0)
            mean = (mean * amplitude[c] + (1 << 14)) >> 15
            step = max(mean + ((mean * ((z * part[NOISE]) >> 6) + 2048) >> 12), 0)
            g[c] = min(seen[c] + step, one)
        else:
            g[c] = min(max(part[BOTTOM] + ((z * part[BOTTOM_NOISE] + 128) >> 8), 0), one)
        since[c] = now
