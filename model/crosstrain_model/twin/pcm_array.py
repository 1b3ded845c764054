"""What every array of phase-change devices has: conductances, their age, events that count themselves, checkpoints.

An event is keyed by its number among those of its kind (noise.py), so that no split into batches changes a bit.  Time
is given from outside, `now_ns`; it may be set to any time that no device was programmed after, forward or back: reads
are functions of the time alone.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.pulse import SET
from crosstrain_model.twin import checks, noise
from crosstrain_model.twin.pcm_drift import ONE, TIME_LIMIT, Aging

Wide = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]
State = dict[str, npt.NDArray[Any]]
FORWARDS, BACKWARDS, ROW_READS, PULSES, SETTLED = range(5)
"""Places in `counters`."""


class PcmArray:
    """State and reads of `rows` x `device_columns` devices.

    g : int64 [rows, device columns], programmed conductances, unit 2^-20 of G_max
    since_ns : int64, times at which they were programmed [ns]
    sets, resets : int64, pulses that every device got; a write-erase cycle ends with its RESET
    """

    def __init__(
        self, shape: tuple[int, int], aging: Aging, *, seed: int, tile: int, array: int, engine: str
    ) -> None:
        if engine not in ("numba", "numpy"):
            raise ValueError(f'{type(self).__name__}.engine = "{engine}": must be one of numba, numpy')
        self.compiled = engine == "numba" and importlib.util.find_spec("numba") is not None
        """Whether kernels do its work; the bits are the same."""
        self.rows, self.device_columns = shape
        self.aging = aging
        self.seed = checks.within("seed", seed, 1 << 32)
        self.tile, self.array = tile, int(array)
        self.keys = [noise.base_key(self.seed, tile, array, kind) for kind in range(noise.KINDS)]
        self._packed_keys = np.array([[a[0], b[0]] for a, b in self.keys], np.uint32)
        drawn = noise.normal(self.keys[noise.DRIFT], *shape)
        self.xi: Wide = np.rint(drawn * 2.0**16).astype(np.int64)
        self.g: Wide = np.zeros(shape, np.int64)
        self.since_ns: Wide = np.zeros(shape, np.int64)
        self.sets: Wide = np.zeros(shape, np.int64)
        self.resets: Wide = np.zeros(shape, np.int64)
        self.counters: Wide = np.zeros(5, np.int64)
        self._now = 0
        self._seen: tuple[Wide, Wide] | None = None
        self._known: Wide = np.full((*shape, 2), -1, np.int64)
        """What the compiled age remembers of every device; no state."""

    @property
    def now_ns(self) -> int:
        """The time of all that happens next [ns], 0 at the beginning."""
        return self._now

    @now_ns.setter
    def now_ns(self, value: int) -> None:
        latest = int(self.since_ns.max(initial=0))
        if not latest <= value < TIME_LIMIT:
            raise ValueError(f"{type(self).__name__}.now_ns = {value}: must be {latest} (last pulse)..{TIME_LIMIT - 1}")
        self._close()
        self._now, self._seen = int(value), None

    @property
    def cycles(self) -> Wide:
        """Write-erase cycles of every device so far (a copy)."""
        return self.resets.copy()

    def _close(self) -> None:
        """What happens to an open row when time passes; nothing for devices that have no such thing."""

    def seen(self) -> tuple[Wide, Wide]:
        """g(t) of every device, and s(t), the standard deviation of a read [2^-16 of G_max]; not to be changed."""
        if self._seen is None:
            self._seen = self._seen_at(slice(None))
        return self._seen

    def drifted(self, row: int) -> Wide:
        """g(t) of one row."""
        return self._seen_at(row)[0]

    def _seen_at(self, rows: slice | int) -> tuple[Wide, Wide]:
        g, xi, age = self.g[rows], self.xi[rows], self._now - self.since_ns[rows]
        if not self.compiled:
            drifted = self.aging.drifted(g, xi, age)
            return drifted, self.aging.deviation(g, drifted, age)
        from crosstrain_model.twin import pcm_kernels

        seen, deviation = np.empty_like(g), np.empty_like(g)
        g, xi, age = (part.reshape(-1) for part in (g, xi, age))
        known, found = self._known[rows].reshape(-1, 2), (seen.reshape(-1), deviation.reshape(-1))
        pcm_kernels.age(g, xi, age, self.aging.drift, self.aging.noise, known, *found)
        return seen, deviation

    def sense(self, row: int) -> Wide:
        """Conductances of one row as one read gives them, with their noise, not clipped [2^-20 of G_max]:
        g(t) + ((z * ((s * 1774) >> 2) + 2^11) >> 12), z of kind DEVICE_ROW (1774 = rint(2^18 / 147.8))."""
        number = int(self.counters[ROW_READS])
        self.counters[ROW_READS] += 1
        if self.compiled:
            from crosstrain_model.twin import pcm_kernels

            out = np.empty(self.device_columns, np.int64)
            pcm_kernels.sense(
                self.g[row], self.xi[row], self.since_ns[row], self._now, self.aging.drift, self.aging.noise,
                self._known[row], self._packed_keys, number, row, out,
            )  # fmt: skip
            return out
        g, s = self._seen_at(row)
        z = self.z(noise.DEVICE_ROW, number, row)
        return g + ((z * ((s * 1774) >> 2) + (1 << 11)) >> 12)

    def z(self, kind: int, number: int, row: int) -> Wide:
        """z of one event [device columns]."""
        if not self.compiled:
            key = noise.event_key(self.keys[kind], np.array([number]), np.array([row]))
            plain: Wide = noise.z_of(noise.words(key, np.arange(self.device_columns)))[0].astype(np.int64)
            return plain
        from crosstrain_model.twin import rram_kernels

        drawn = np.empty(self.device_columns, np.int64)
        rram_kernels.z_row(self._packed_keys, kind, number, row, drawn)
        return drawn

    def forget(self) -> None:
        """What reads saw is no longer so: devices were changed by a kernel."""
        self._seen = None

    def store(self, row: int, columns: Masks, g: Wide) -> None:
        """Devices `columns` of a row are programmed to g [device columns], now."""
        self.g[row] = np.where(columns, g, self.g[row])
        self.since_ns[row, columns] = self._now
        self._seen = None

    def count(self, row: int, columns: Masks, direction: int) -> None:
        """One pulse on each of the devices."""
        (self.sets if direction == SET else self.resets)[row] += columns

    def state(self) -> State:
        """All that the future depends on; copies."""
        return {
            "identity": np.array([self.seed, self.tile, self.array], np.int64),
            "now_ns": np.array(self._now, np.int64),
            **{name: getattr(self, name).copy() for name in ("g", "since_ns", "sets", "resets", "counters")},
        }

    def restore(self, state: State) -> None:
        """Continues from a state of the same devices, seed, tile and array; raises ValueError for any other."""
        where = f"{type(self).__name__}.restore"
        given = state_checks.integers(where, state, "identity", (3,), state_checks.TOTAL).tolist()
        own = [self.seed, self.tile, self.array]
        if given != own:
            raise ValueError(f"{where} identity = {given}: must be {own} (seed, tile, array)")
        now = state_checks.number(where, state, "now_ns", (0, TIME_LIMIT - 1))
        bounds = {"g": (0, ONE), "since_ns": (0, now)}
        names = ("g", "since_ns", "sets", "resets", "counters")
        taken = {
            name: state_checks.integers(
                where, state, name, getattr(self, name).shape, bounds.get(name, state_checks.COUNTER)
            )
            for name in names
        }
        for name, value in taken.items():
            getattr(self, name)[...] = value
        self._now, self._seen = now, None
