"""One array of differential pairs of multi-level phase-change devices: w = G+ - G-, plus before minus.

Device columns 2c and 2c + 1 are plus and minus of weight c.  Reads, with the converters of the design (converter.py)
and s of `pcm_drift`; G of a read is g(t) rounded to 2^-14, (g + 32) >> 6:

    forward, backward   levels and sums as in converter.py, of weights G+ - G-;  then the noise of the devices, one draw
                        for a line (kind DEVICE_FORWARD or DEVICE_BACKWARD), as their variances add up:
                            V    = sum over lines of code^2 * (s+^2 + s-^2)                  exact
                            root = floor(sqrt(V)) of double precision
                            sum  = sum + (((z * root * 1774 << F) + 2^19) >> 20)
                        before the noises of the converter
    row read            of single devices, code 2^x on one row: sum = 2^x * clamp((sense + 32) >> 6, 0, 2^15),
                        sense: a read with its noise (`PcmArray.sense`);  code = rram.to_codes, unsigned, range
                        `converters.adc_range_row`; one line that is full on or off has no noise of a DAC

Pulses act as `pcm.py` says.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId
from crosstrain_model.pulse import SET
from crosstrain_model.section import refuse
from crosstrain_model.twin import checks, converter, noise, rram
from crosstrain_model.twin import pcm_array as at
from crosstrain_model.twin.context import numbers_of
from crosstrain_model.twin.converter import Converter
from crosstrain_model.twin.pcm import Amplitude, PcmConstants
from crosstrain_model.twin.pcm_array import Masks, PcmArray, State, Wide
from crosstrain_model.twin.pcm_drift import ONE, Aging
from crosstrain_model.twin.pcm_reads import Floats, Matrices, product

Ints = npt.NDArray[np.integer[Any]]
Codes = npt.NDArray[np.int32]
_NONE: Floats = np.empty((0, 0))


class PcmTile(PcmArray):
    """The twin of one array; the design gives sizes, formats, converters, devices and seed.

    design : `array.pair` must be "set-only"
    """

    def __init__(
        self, design: Design, *, seed: int | None = None, tile: int = 0, array: int = ArrayId.W,
        engine: str = "numba",
    ) -> None:  # fmt: skip
        if design.array.pair != "set-only":
            raise refuse("array.pair", design.array.pair, "must be set-only: pairs of phase-change devices")
        super().__init__(
            (design.array.rows, design.array.device_columns),
            Aging.of(drift=design.pcm.drift, read_noise=design.pcm.read_noise),
            seed=design.seed if seed is None else seed, tile=tile, array=array, engine=engine,
        )  # fmt: skip
        self.design, self.columns, self.lanes = design, design.array.columns, design.array.lanes
        self.constants = PcmConstants.of(design.pcm)
        self._numbers = self.constants.numbers
        part = design.converters
        self.set_ranges(forward=part.adc_range, backward=part.adc_range_backward)
        quiet = dataclasses.replace(design, converters=dataclasses.replace(part, dac_noise=0.0))
        self.row_converter = converter.make(quiet, bits=design.formats.x, full_range=part.adc_range_row)
        self._row_numbers = np.array(dataclasses.astuple(self.row_converter)[:-1], np.int64)
        self._matrices: Matrices | None = None
        self.g[...] = self.constants.bottom
        self.open_row = -1
        self.fresh: Masks = np.zeros(self.device_columns, np.bool_)
        """Devices of the open row that were RESET."""

    def set_ranges(self, *, forward: float | None = None, backward: float | None = None) -> None:
        """Full scale of the ADCs of forward and of transposed reads, in full-scale products."""
        if forward is not None:
            self.range_forward = forward
            self.forward_converter = converter.make(self.design, bits=self.design.formats.x, full_range=forward)
        if backward is not None:
            self.range_backward = backward
            self.backward_converter = converter.make(self.design, bits=self.design.formats.d, full_range=backward)

    # ---- weights ----

    @property
    def weight_one(self) -> int:
        """The integer weight that is full scale, one G_max."""
        return ONE

    @property
    def weights(self) -> Wide:
        """G+ - G- [rows, columns], as seen at `now_ns`, without the noise of a read."""
        seen = self.seen()[0]
        difference: Wide = seen[:, 0::2] - seen[:, 1::2]
        return difference

    def load_weights(self, target: Ints) -> int:
        """Sets weights [rows, columns] (units of 1 / weight_one) as no machine could, |w| on the device of its sign,
        the other at 0, now; returns how many clip."""
        self._close()
        wanted = checks.whole("load_weights target", target, (self.rows, self.columns)).astype(np.int64)
        pair = np.stack((np.maximum(wanted, 0), np.maximum(-wanted, 0)), axis=-1).reshape(self.g.shape)
        self.g[...] = np.minimum(pair, ONE)
        self.since_ns[...] = self._now
        self._seen = None
        return int(np.count_nonzero(np.abs(wanted) > ONE))

    # ---- reads ----

    def forward(self, x_codes: Ints, outputs: int | None = None) -> Codes:
        """Codes [B, columns] of input codes [B, rows].

        Codes of fewer rows belong to the first ones, the others get 0; `outputs`: of the first so many columns alone.
        """
        return self._read(self.forward_converter, x_codes, outputs, transposed=False)

    def backward(self, d_codes: Ints, outputs: int | None = None) -> Codes:
        """The transposed read: codes [B, rows] of error codes [B, columns]; fewer as in `forward`."""
        return self._read(self.backward_converter, d_codes, outputs, transposed=True)

    @property
    def levels(self) -> Wide:
        """Weights as reads see them, unit 2^-14 [rows, columns]."""
        return self._of_reads().levels

    def _read(self, part: Converter, given: Ints, outputs: int | None, *, transposed: bool) -> Codes:
        name = "backward d_codes" if transposed else "forward x_codes"
        lines, most = (self.columns, self.rows) if transposed else (self.rows, self.columns)
        wanted = most if outputs is None else checks.within(f"{name} outputs", outputs, most + 1)
        codes = np.asarray(given, np.int32)
        if codes.ndim != 2 or codes.shape[1] > lines:
            raise ValueError(f"PcmTile.{name} {codes.shape}: must be [B, {lines}]")
        if part.dac_noise and codes.shape[1] < lines:  # lines of code 0 have noise too
            codes = np.pad(codes, ((0, 0), (0, lines - codes.shape[1])))
        part.check_codes(codes, name)
        self._close()
        levels, variances = self._of_reads().part(codes.shape[1], wanted, transposed=transposed)
        kinds = _BACKWARD if transposed else _FORWARD
        place = at.BACKWARDS if transposed else at.FORWARDS
        numbers = self.counters[place] + np.arange(len(codes))
        self.counters[place] += len(codes)
        dac, device, read, adc = kinds
        sums = product(part.levels(codes, self._key(dac, numbers)) if part.dac_noise else codes, levels)
        spread = product(codes.astype(np.int64) ** 2, variances) if self.aging.noise else _NONE
        if self.compiled:
            from crosstrain_model.twin import pcm_read_kernels

            out = np.empty((len(codes), wanted), np.int32)
            converters, first = np.array(numbers_of(part), np.int64), int(self.counters[place]) - len(codes)
            pcm_read_kernels.finish(sums, spread, codes, converters, self._packed_keys, (device, read), first, out)
            return out
        exact = sums.astype(np.int64)
        if spread.size:
            z = noise.z_of(noise.words(self._key(device, numbers), np.arange(wanted))).astype(np.int64)
            root = np.floor(np.sqrt(spread)).astype(np.int64)
            exact = exact + (((z * root * 1774 << part.fraction) + (1 << 19)) >> 20)
        return part.codes(exact, part.root(codes), self._key(read, numbers), self._key(adc, numbers))

    def _of_reads(self) -> Matrices:
        seen = self.seen()
        if self._matrices is None or self._matrices.seen is not seen:
            self._matrices = Matrices.of(seen)
        return self._matrices

    def _key(self, kind: int, numbers: Wide) -> noise.Key:
        return noise.event_key(self.keys[kind], numbers, np.zeros(numbers.shape, np.int64))

    def sense_row(self, row: int, groups: Masks | None = None) -> Codes:
        """Unsigned codes [device columns] of a one-hot read; those of groups [groups] that do not convert are 0."""
        self._settle(checks.within("sense_row row", row, self.rows))
        number, full = int(self.counters[at.ROW_READS]), 1 << self.design.formats.x
        levels = np.clip((self.sense(row) + 32) >> 6, 0, 1 << 15)
        if self.compiled:
            from crosstrain_model.twin import rram_kernels

            codes = np.empty(self.device_columns, np.int32)
            rram_kernels.read_row(levels, row, full, self._packed_keys, number, self._row_numbers, codes)
            return self._named(codes, groups)
        read, adc = (self.z(kind, number, row)[None, :] for kind in (noise.READ_ROW, noise.ADC_ROW))
        root = np.array([[full << 4]], np.int64)
        return self._named(rram.to_codes(self.row_converter, levels[None, :] * full, root, read, adc)[0], groups)

    def _named(self, codes: Codes, groups: Masks | None) -> Codes:
        """Codes [device columns], 0 outside the groups [groups] that convert."""
        if groups is None:
            return codes
        named: Codes = np.where(np.repeat(groups, 2 * self.lanes)[: self.device_columns], codes, 0).astype(np.int32)
        return named

    # ---- pulses ----

    def pulse_row(
        self, row: int, columns: Masks, *, direction: int, amplitude: Amplitude, form: bool = False
    ) -> int:
        """One pulse on the devices `columns` [device columns] of a row, SET or RESET, of one amplitude, or of one for
        each device column; a forming pulse acts as a SET pulse.  Returns the pulses delivered; none is no event."""
        del form
        if not columns.any():
            return 0
        self._settle(checks.within("pulse_row row", row, self.rows))
        number = int(self.counters[at.PULSES])
        if self.compiled:
            from crosstrain_model.twin import pcm_kernels

            amplitudes = np.full(self.device_columns, amplitude, np.int64)
            pcm_kernels.pulse(
                self.g[row], self.xi[row], self.since_ns[row], self._now, self.aging.drift, self._known[row], columns,
                direction == SET, amplitudes, self._numbers, self._packed_keys, number, row,
            )  # fmt: skip
            self._seen = None
        else:
            z = self.z(noise.PROGRAM, number, row)
            self.store(row, columns, self.constants.pulse(self.drifted(row), direction, amplitude, z))
        self.count(row, columns, direction)
        self.counters[at.PULSES] += 1
        if direction != SET:
            self.open_row = row
            self.fresh |= columns
        return int(columns.sum())

    def begin_row(self, row: int) -> Masks:
        """A kernel is about to read and pulse this row: the mask [device columns] in which it marks RESET pulses."""
        self._settle(row)
        return np.zeros(self.device_columns, np.bool_)

    def end_row(self, row: int, resets: Masks) -> None:
        """It has done so."""
        if resets.any():
            self.open_row = row
            self.fresh |= resets
        self.forget()

    def kernel_arrays(self, row: int) -> tuple[tuple[Wide, Wide, Wide, Wide], tuple[Wide, Wide]]:
        """State of a row as kernels change it, between `begin_row` and `end_row`."""
        state = self.g[row], self.xi[row], self.since_ns[row], self._known[row]
        return state, (self.sets[row], self.resets[row])

    def kernel_numbers(self) -> tuple[Wide, Any, Wide, Wide, Wide]:
        """Drift, noise and time; keys and counters of events; the converter of row reads; the devices."""
        aging = np.array((self.aging.drift, self.aging.noise, self._now), np.int64)
        return aging, self._packed_keys, self.counters, self._row_numbers, self._numbers

    def _settle(self, row: int) -> None:
        """Settles the open row, unless the event is one of that row."""
        if self.open_row in (-1, row):
            return
        row, self.open_row = self.open_row, -1
        z = self.z(noise.RELAX, int(self.counters[at.SETTLED]), row)
        self.g[row] = np.where(self.fresh, self.constants.settle(self.g[row], z), self.g[row])
        self.counters[at.SETTLED] += 1
        self.fresh[:] = False
        self._seen = None

    def _close(self) -> None:
        self._settle(-2)

    # ---- checkpoints ----

    def state(self) -> State:
        own = {"open_row": np.array(self.open_row, np.int64), "fresh": self.fresh.copy()}
        return super().state() | own | {"ranges": np.array([self.range_forward, self.range_backward])}

    def restore(self, state: State) -> None:
        where = "PcmTile.restore"
        open_row = state_checks.number(where, state, "open_row", (-1, self.rows - 1))
        fresh = state_checks.flags(where, state, "fresh", self.fresh.shape)
        forward, backward = state_checks.reals(where, state, "ranges", (2,)).tolist()
        if not min(forward, backward) > 0:
            raise ValueError(f"{where} ranges = {[forward, backward]}: must be more than 0")
        super().restore(state)
        self.open_row, self.fresh[:] = open_row, fresh
        self.set_ranges(forward=forward, backward=backward)


_FORWARD = (noise.DAC_FORWARD, noise.DEVICE_FORWARD, noise.READ_FORWARD, noise.ADC_FORWARD)
_BACKWARD = (noise.DAC_BACKWARD, noise.DEVICE_BACKWARD, noise.READ_BACKWARD, noise.ADC_BACKWARD)
