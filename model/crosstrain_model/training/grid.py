"""A layer's weights on tiles: split over rows and columns, partial sums added after the ADCs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.tile import HybridStreamTile, Programmed, StreamTile, Tile, VectorTile
from crosstrain_model.training.converters import (
    COMPILED,
    Codes,
    Exponents,
    copy_unit,
    from_codes,
    from_units,
    registers_of_rate,
    to_codes,
    to_units,
)
from crosstrain_model.training.grid_reads import GridReads

TileFactory = Callable[[Design, int, int], Tile]
"""Builds tile number `tile` of a run: (design, seed, tile)."""
Floats = npt.NDArray[np.float32]


class TileGrid:
    """`inputs` x `outputs` real weights on as many tiles as they need; edge tiles are padded with weights that stay 0.

    One exponent serves a whole vector, so the ADC codes of a column's partial sums share their unit and are added as
    integers (as floats where tiles have ADC ranges of their own).  Weights are W[r, c] of input r and output c, the
    transpose of torch's.
    """

    def __init__(
        self,
        design: Design,
        inputs: int,
        outputs: int,
        *,
        scale: float,
        seed: int,
        first: int,
        factory: TileFactory,
        averaged: int = 1,
    ):
        self.design, self.inputs, self.outputs, self.scale = design, inputs, outputs, scale
        self.averaged = averaged
        """Reads of a vector whose mean is the result, where tiles have ADC ranges of their own."""
        self.rows, self.columns = design.array.rows, design.array.columns
        self.row_blocks, self.column_blocks = -(-inputs // self.rows), -(-outputs // self.columns)
        self.tiles = [factory(design, seed, first + k) for k in range(self.row_blocks * self.column_blocks)]
        blocks = self.row_blocks, self.column_blocks
        self.reads = GridReads.of(design, self.tiles, blocks, (inputs, outputs), scale) if COMPILED else None
        """Reads of float32 vectors in one call; None where tiles read otherwise."""

    def blocks(self) -> Iterator[tuple[Tile, slice, slice]]:
        """(tile, its inputs, its outputs), row blocks outer: also the order of updates."""
        for k, tile in enumerate(self.tiles):
            i, j = divmod(k, self.column_blocks)
            rows = slice(i * self.rows, min((i + 1) * self.rows, self.inputs))
            columns = slice(j * self.columns, min((j + 1) * self.columns, self.outputs))
            yield tile, rows, columns

    @property
    def streamed(self) -> bool:
        """Whether weight changes come from the host: tiles are then `StreamTile`s, and `update` and `copy` work."""
        return self.design.row.source == "stream"

    @property
    def copied(self) -> bool:
        """Whether such tiles keep a digital copy of their weights; others are `HybridStreamTile`s."""
        return self.streamed and not self.design.carried

    def configure(self, rate: float) -> None:
        """Set every tile's registers for learning rate `rate` per sample; nothing where the host has the rate."""
        for tile in () if self.streamed else self.tiles:
            tile.configure(**registers_of_rate(self.design, tile.array.pulse_step, self.scale, rate))

    def load_weights(self, weights: Floats) -> None:
        """Program real weights (inputs, outputs), ideally placed; beyond a device's bounds they are clipped there."""
        for tile, rows, columns in self.blocks():
            target = np.zeros((self.rows, self.columns))
            block = weights[rows, columns].astype(np.float64) / self.scale
            target[: block.shape[0], : block.shape[1]] = block
            tile.array.load_weights(np.rint(target * tile.array.weight_one).astype(np.int32))
            if self.copied:
                cast(StreamTile, tile).read_copy()

    def weights(self) -> npt.NDArray[np.int32]:
        """Integer weights (inputs, outputs) in the array model's unit."""
        whole = np.zeros((self.inputs, self.outputs), dtype=np.int32)
        for tile, rows, columns in self.blocks():
            whole[rows, columns] = tile.array.weights[: rows.stop - rows.start, : columns.stop - columns.start]
        return whole

    def forward(self, x: Floats, bias: Floats | None = None) -> tuple[Floats, Codes, Exponents]:
        """y = x W + bias for x (vectors, inputs); also the codes and exponents that the DACs got."""
        if self.reads is not None and x.dtype == np.float32:
            return self.reads.read(0, x, bias)
        one_sided = self.design.array.pair == "one-sided"  # codes are unsigned, their sign is another read
        codes, exponents = to_codes(x, self.design.formats.x + int(one_sided))
        if self.streamed:
            return _results(self._partial_sums(codes), codes, exponents, self.scale, bias), codes, exponents
        total = np.zeros((len(codes), self.outputs), dtype=np.int64)
        for tile, rows, columns in self.blocks():
            total[:, columns] += tile.forward(codes[:, rows], columns.stop - columns.start)
        unit = self.tiles[0].array.forward_converter.lsb * self.scale
        return _results(total, codes, exponents, unit, bias), codes, exponents

    def calibrate(self) -> None:
        """Have tiles with ADC ranges of their own set them by the next vectors that they read."""
        for tile in self.tiles if self.streamed else ():
            cast(StreamTile, tile).calibrated = False
            if not self.copied:
                cast(HybridStreamTile, tile).calibrated_backward = False

    def _partial_sums(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Sums of partial sums where every tile has an ADC range of its own, set by the vectors it reads first.

        float64, in full-scale weights times input codes.
        """
        total = np.zeros((len(codes), self.outputs))
        for tile, rows, columns in self.blocks():
            stream = cast(StreamTile, tile)
            if not stream.calibrated:
                stream.calibrate(codes[:, rows])
            for _ in range(self.averaged):
                read = tile.forward(codes[:, rows], columns.stop - columns.start)
                total[:, columns] += read * tile.array.forward_converter.lsb
        return total / self.averaged

    def _partial_backward(self, codes: Codes) -> npt.NDArray[np.float64]:
        """The same of transposed reads, in full-scale weights times error codes."""
        total = np.zeros((len(codes), self.inputs))
        for tile, rows, columns in self.blocks():
            hybrid = cast(HybridStreamTile, tile)
            if not hybrid.calibrated_backward:
                hybrid.calibrate_backward(codes[:, columns])
            for _ in range(self.averaged):
                read = hybrid.backward(codes[:, columns], rows.stop - rows.start)
                total[:, rows] += read * tile.array.backward_converter.lsb
        return total / self.averaged

    def error_codes(self, d: Floats) -> tuple[Codes, Exponents]:
        """Codes and exponents of errors d (vectors, outputs)."""
        return to_codes(d, self.design.formats.d)

    def backward(self, d: Floats) -> tuple[Floats, Codes, Exponents]:
        """d W^T for d (vectors, outputs); also the codes and exponents of d."""
        if self.reads is not None and d.dtype == np.float32:
            return self.reads.read(1, d)
        codes, exponents = self.error_codes(d)
        if self.streamed:
            return _results(self._partial_backward(codes), codes, exponents, self.scale), codes, exponents
        total = np.zeros((len(codes), self.inputs), dtype=np.int64)
        for tile, rows, columns in self.blocks():
            total[:, rows] += cast(VectorTile, tile).backward(codes[:, columns], rows.stop - rows.start)
        unit = self.tiles[0].array.backward_converter.lsb * self.scale
        return _results(total, codes, exponents, unit), codes, exponents

    def accumulate(self, x: Codes, ex: Exponents, d: Codes, ed: Exponents) -> None:
        """Hand a batch of outer products to every tile."""
        for tile, rows, columns in self.blocks():
            given = (_padded(x[:, rows], self.rows), ex, _padded(d[:, columns], self.columns), ed)
            cast(VectorTile, tile).accumulate(*given)

    def update(self, delta: Floats) -> None:
        """Hand changes of weights, real (inputs, outputs), to the tiles of a stream scheme, rounded to their unit."""
        for tile, rows, columns in self.blocks():
            codes = np.zeros((self.rows, self.columns), dtype=np.int32)
            block = to_units(delta[rows, columns], copy_unit(self.design) * self.scale)
            codes[: block.shape[0], : block.shape[1]] = block
            cast(StreamTile, tile).update(codes)

    def copy(self) -> Floats:
        """The digital copy of the weights, real (inputs, outputs), of a stream scheme; 0 where tiles keep none."""
        whole = np.zeros((self.inputs, self.outputs), dtype=np.float32)
        if not self.copied:
            return whole
        for tile, rows, columns in self.blocks():
            held = cast(StreamTile, tile).copy()[: rows.stop - rows.start, : columns.stop - columns.start]
            whole[rows, columns] = from_units(held, copy_unit(self.design) * self.scale)
        return whole

    def program(self) -> list[Programmed]:
        """One program pass of every tile."""
        return [tile.program() for tile in self.tiles]


def _results(
    total: npt.NDArray[np.int64] | npt.NDArray[np.float64],
    codes: Codes,
    exponents: Exponents,
    unit: float,
    bias: Floats | None = None,
) -> Floats:
    """What a read of `codes` gave, as floats; 0 for vectors of zeros, whose exponent says nothing about noise."""
    results = from_codes(total, exponents, unit)
    results[~codes.any(axis=1)] = 0.0
    return results if bias is None else results + bias


def _padded(codes: Codes, length: int) -> Codes:
    """Zero codes on the lines of an edge tile that the layer does not use."""
    if codes.shape[1] == length:
        return np.ascontiguousarray(codes)
    padded = np.zeros((codes.shape[0], length), dtype=codes.dtype)
    padded[:, : codes.shape[1]] = codes
    return padded
