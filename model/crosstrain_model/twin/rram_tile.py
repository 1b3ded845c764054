"""One array of one-sided pairs of RRAM devices: read device by device, pulsed row by row.

The rules are told in `rram.py`.  Events count themselves (forward vectors, row reads, pulses, relaxations), and their
numbers key their noise: no split into batches changes a bit.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.pulse import SET
from crosstrain_model.twin import checks, converter, noise, rram
from crosstrain_model.twin.rram import ONE

Ints = npt.NDArray[np.integer[Any]]
Codes = npt.NDArray[np.int32]
Masks = npt.NDArray[np.bool_]
FORWARDS, ROW_READS, PULSES, RELAXED = range(4)
"""Places in `counters`."""


class RramTile:
    """The twin of one array of a design with one-sided pairs; arguments as of `ArrayTile`.

    g : int32 [rows, device columns], conductances
    clipped : forward codes at the top of their range so far, of those that somebody wanted
    """

    def __init__(
        self, design: Design, *, seed: int | None = None, tile: int = 0, array: int = 0, engine: str = "numba"
    ) -> None:
        if engine not in ("numba", "numpy"):
            raise ValueError(f'RramTile.engine = "{engine}": must be one of numba, numpy')
        self.design, self.engine = design, engine
        self.seed = checks.within("seed", design.seed if seed is None else seed, 1 << 32)
        self.tile, self.array = tile, array
        self.rows, self.columns = design.array.rows, design.array.columns
        self.device_columns, self.lanes = design.array.device_columns, design.array.lanes
        self.devices = rram.make(design, seed=self.seed, tile=tile, array=array)
        self.samples = rram.sample_weights(design)
        self.row_converter = converter.make(design, bits=design.formats.x, full_range=design.converters.adc_range_row)
        self.full_range = design.converters.adc_range
        keys = [noise.base_key(self.seed, tile, array, kind) for kind in range(noise.KINDS)]
        self.keys = np.array([[a[0], b[0]] for a, b in keys], dtype=np.uint32)
        self.counters: npt.NDArray[np.int64] = np.zeros(4, np.int64)
        rest = np.where(self.devices.stuck > 0, ONE, self.devices.low)
        self.g: npt.NDArray[np.int32] = rest.astype(np.int32)
        self.open_row = -1
        self.fresh: Masks = np.zeros(self.device_columns, np.bool_)
        """Devices of the open row that were pulsed."""
        self.clipped = 0
        self.compiled = engine == "numba" and importlib.util.find_spec("numba") is not None
        """Whether kernels do its work."""

    # ---- state ----

    @property
    def full_range(self) -> float:
        """Full scale of the ADCs of forward reads, in full-scale devices times full-scale codes (`converters.adc_range`
        of this tile)."""
        return self._full_range

    @full_range.setter
    def full_range(self, value: float) -> None:
        self._full_range = float(value)
        self.forward_converter = converter.make(self.design, bits=self.design.formats.x, full_range=self._full_range)

    @property
    def row_numbers(self) -> npt.NDArray[np.int64]:
        """The converter of row reads as kernels take it."""
        return _numbers(self.row_converter)

    @property
    def weight_one(self) -> int:
        """The integer weight that is full scale: a difference of one largest conductance."""
        return ONE

    @property
    def weights(self) -> npt.NDArray[np.int32]:
        """g_plus - g_minus [rows, columns] (a copy)."""
        difference: npt.NDArray[np.int32] = self.g[:, 0::2] - self.g[:, 1::2]
        return difference

    @property
    def levels(self) -> npt.NDArray[np.int16]:
        """What reads see of g."""
        return ((self.g + np.int32(32)) >> 6).astype(np.int16)

    def load_weights(self, target: Ints) -> int:
        """Sets weights [rows, columns] (units of 1 / weight_one) by the pair rule, as no machine could; returns how
        many clip."""
        wanted = checks.whole("load_weights target", target, (self.rows, self.columns)).astype(np.int64)
        pair = np.stack((np.maximum(wanted, 0), np.maximum(-wanted, 0)), axis=-1).reshape(self.g.shape)
        placed = np.clip(pair + self.devices.low, self.devices.low, ONE)
        self.g[...] = np.where(self.devices.stuck == 0, placed, self.g)
        self.open_row = -1
        self.fresh[:] = False
        return int(np.count_nonzero(self.weights != wanted))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that a later `restore` needs to continue to the same bits; copies."""
        return {
            "identity": np.array([self.seed, self.tile, self.array], np.int64),
            "g": self.g.copy(),
            "counters": self.counters.copy(),
            "open": np.array([self.open_row, self.clipped], np.int64),
            "fresh": self.fresh.copy(),
            "full_range": np.array(self.full_range),
        }

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Takes a state of the same design, seed, tile and array; raises ValueError for any other."""
        for name, mine in self.state().items():
            if name not in state or state[name].shape != mine.shape:
                raise ValueError(f"RramTile.restore {name}: must be an array of shape {mine.shape}")
        identity = state_checks.integers("RramTile.restore", state, "identity", (3,), state_checks.TOTAL)
        given, own = identity.tolist(), [self.seed, self.tile, self.array]
        if given != own:
            raise ValueError(f"RramTile.restore identity = {given}: must be {own} (seed, tile, array)")
        where = "RramTile.restore"
        g = state_checks.integers(where, state, "g", self.g.shape, (int(self.devices.low), ONE))
        counters = state_checks.integers(where, state, "counters", self.counters.shape, state_checks.COUNTER)
        fresh = state_checks.flags(where, state, "fresh", self.fresh.shape)
        bounds = {"open_row": (-1, self.rows - 1), "clipped": state_checks.COUNTER}
        opened = state_checks.numbers(where, state, "open", bounds)
        full_range = float(state_checks.reals(where, state, "full_range", ()))
        if not full_range > 0:
            raise ValueError(f"{where} full_range = {full_range}: must be more than 0")
        self.g[...], self.counters[...], self.fresh[...] = g, counters, fresh
        self.open_row, self.clipped = opened["open_row"], opened["clipped"]
        self.full_range = full_range

    # ---- reads ----

    def forward(self, x_codes: Ints, width: int | None = None) -> Codes:
        """Unsigned codes of devices [B, device columns] of unsigned input codes [B, rows]; of the first `width` alone,
        for those who want no more."""
        codes = np.ascontiguousarray(x_codes, np.int32)
        width = self.device_columns if width is None else width
        if codes.ndim != 2 or codes.shape[1] != self.rows:
            raise ValueError(f"RramTile.forward x_codes {codes.shape}: must be [B, {self.rows}]")
        if codes.size and (codes.min() < 0 or codes.max() >= len(self.samples)):
            worst = int(codes.min() if codes.min() < 0 else codes.max())
            raise ValueError(f"RramTile.forward x_codes = {worst}: codes must be 0..{len(self.samples) - 1}")
        self._settle(-1)
        out = np.empty((len(codes), width), np.int32)
        if self.compiled:
            from crosstrain_model.twin import rram_kernels

            part = _numbers(self.forward_converter)
            rram_kernels.forward(self.levels, self.samples, self.keys, self.counters, part, codes, out)
        else:
            squares = (self.samples[codes].sum(axis=1, keepdims=True) << 8).astype(np.float64)
            root = np.floor(np.sqrt(squares)).astype(np.int64)
            sums = codes.astype(np.int64) @ self.levels.astype(np.int64)
            numbers = self.counters[FORWARDS] + np.arange(len(codes))
            read, adc = (self._plain_z(kind, numbers, 0) for kind in (noise.READ_FORWARD, noise.ADC_FORWARD))
            out[...] = rram.to_codes(self.forward_converter, sums, root, read, adc)[:, :width]
        self.counters[FORWARDS] += len(codes)
        self.clipped += int(np.count_nonzero(out == (1 << self.design.formats.adc) - 1))
        return out

    def sense_row(self, row: int, groups: Masks | None = None) -> Codes:
        """Unsigned codes [device columns] of a one-hot read; those of groups [groups] that do not convert are 0."""
        self._settle(checks.within("sense_row row", row, self.rows))
        full, number = 1 << self.design.formats.x, int(self.counters[ROW_READS])
        levels = (self.g[row : row + 1] + np.int32(32)) >> 6
        if self.compiled:
            from crosstrain_model.twin import rram_kernels

            codes = np.empty(self.device_columns, np.int32)
            rram_kernels.read_row(levels[0], row, full, self.keys, number, self.row_numbers, codes)
        else:
            read, adc = (self._z(kind, number, row) for kind in (noise.READ_ROW, noise.ADC_ROW))
            root = np.array([[full << 4]], np.int64)
            codes = rram.to_codes(self.row_converter, levels.astype(np.int64) * full, root, read, adc)[0]
        self.counters[ROW_READS] += 1
        if groups is not None:
            codes = np.where(np.repeat(groups, 2 * self.lanes)[: self.device_columns], codes, 0)
        return codes

    # ---- pulses ----

    def pulse_row(
        self, row: int, columns: Masks, *, direction: int, amplitude: rram.Amplitude, form: bool = False
    ) -> int:
        """One pulse on the devices `columns` [device columns] of a row, of one amplitude, or of one for each device
        column; a forming pulse acts as a SET pulse (the twin's devices are formed).  Returns the pulses delivered; none
        is no event."""
        del form
        if not columns.any():
            return 0
        self._settle(checks.within("pulse_row row", row, self.rows))
        if isinstance(amplitude, np.ndarray):
            checks.whole("pulse_row amplitude", amplitude, (self.device_columns,))
        devices, number = self.devices, int(self.counters[PULSES])
        if self.compiled:
            from crosstrain_model.twin import rram_kernels

            threshold = (devices.threshold_set if direction == SET else devices.threshold_reset)[row]
            amplitudes = np.broadcast_to(np.asarray(amplitude, np.int64), columns.shape)
            rram_kernels.pulse_row(
                self.g[row], columns, devices.stuck[row], threshold, np.ascontiguousarray(amplitudes),
                1 if direction == SET else -1, devices.numbers, self.keys, number, row,
            )  # fmt: skip
        else:
            z = self._z(noise.PROGRAM, number, row)[0].astype(np.int32)
            moved = devices.pulse(self.g[row], row, direction, amplitude, z)
            self.g[row] = np.where(columns, moved, self.g[row])
        self.counters[PULSES] += 1
        self.open_row = row
        self.fresh |= columns
        return int(columns.sum())

    def begin_row(self, row: int) -> None:
        """Before a kernel reads and pulses a row: what an event of that row does first."""
        self._settle(checks.within("begin_row row", row, self.rows))

    def end_row(self, row: int, pulsed: Masks) -> None:
        """After it: the devices [device columns] that it pulsed."""
        if pulsed.any():
            self.open_row = row
            self.fresh |= pulsed

    def _settle(self, row: int) -> None:
        """Relaxes the open row, unless the event is one of that row."""
        if self.open_row in (-1, row):
            return
        z = self._z(noise.RELAX, int(self.counters[RELAXED]), self.open_row)[0].astype(np.int32)
        relaxed = self.devices.relax(self.g[self.open_row], self.open_row, z)
        self.g[self.open_row] = np.where(self.fresh, relaxed, self.g[self.open_row])
        self.counters[RELAXED] += 1
        self.open_row = -1
        self.fresh[:] = False

    def _z(self, kind: int, number: int, row: int) -> npt.NDArray[np.int64]:
        """z [1, device columns] of one event."""
        if not self.compiled:
            return self._plain_z(kind, np.array([number]), row)
        from crosstrain_model.twin import rram_kernels

        z = np.empty((1, self.device_columns), np.int64)
        rram_kernels.z_row(self.keys, kind, number, row, z[0])
        return z

    def _plain_z(self, kind: int, numbers: npt.NDArray[np.int64], row: int) -> npt.NDArray[np.int64]:
        """z [events, device columns]."""
        key = noise.event_key((self.keys[kind, 0:1], self.keys[kind, 1:2]), numbers, np.full(numbers.shape, row))
        return noise.z_of(noise.words(key, np.arange(self.device_columns))).astype(np.int64)


@functools.cache
def _numbers(part: converter.Converter) -> npt.NDArray[np.int64]:
    """A converter as kernels take it."""
    return np.array(dataclasses.astuple(part)[:-1], np.int64)
