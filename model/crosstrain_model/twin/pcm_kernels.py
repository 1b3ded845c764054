"""Compiled age of phase-change devices: equal to `pcm_drift` and `powers`, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_model.twin import pcm_drift as rule
from crosstrain_model.twin import powers
from crosstrain_model.twin.kernels import Array, compiled
from crosstrain_model.twin.powers import HIGH, LOW

_START = int(powers.log2(rule.START))
_READ = int(powers.log2(500))


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
def age(g: Array, xi: Array, t: Array, drift: Any, noise: Any, seen: Array, deviation: Array) -> None:
    """g(t) and s(t) of devices, all int64 [n]; drift, noise: D and N of the rule."""
    half = np.int64(1 << 15)
    for i in range(g.size):
        depth = (np.int64(20) << 16) - log2(max(g[i], 1))
        seen[i] = g[i]
        if drift != 0:
            mu = min(max(((rule.MU * depth + half) >> 16) + rule.MU_0, rule.MU_LOW), rule.MU_HIGH)
            sigma = min(max(((rule.SIGMA * depth + half) >> 16) + rule.SIGMA_0, rule.SIGMA_LOW), rule.SIGMA_HIGH)
            nu = (abs(mu + ((sigma * xi[i] + half) >> 16)) * drift + half) >> 16
            since = max(log2(max(t[i], 1)) - _START, 0)
            seen[i] = (g[i] * power((nu * since + (1 << 19)) >> 20) + (1 << 29)) >> 30
        deviation[i] = 0
        if noise != 0:
            q = power(max(rule.Q - ((42598 * depth + half) >> 16), rule.Q_LOW))
            ln = (45426 * max(log2(t[i] + 250) - _READ, 0) + half) >> 16
            root = np.int64(np.floor(np.sqrt(np.float64(ln << 16))))
            deviation[i] = ((((seen[i] * q) >> 20) * root >> 14) * noise + (1 << 31)) >> 32
