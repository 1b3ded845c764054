"""Reads of a layer in one compiled call, where every tile's reads are those of a compiled array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.errors import UserError
from crosstrain_model.tile import Tile
from crosstrain_model.training.converters import DIVERGED, Codes, Exponents
from crosstrain_model.twin.tile import ArrayTile

Floats = npt.NDArray[np.float32]
_NO_BIAS = np.empty(0, np.float32)


class GridReads:
    """What `TileGrid.forward` and `backward` do to float32 vectors, to the same bits.

    arrays : of the grid's tiles, row blocks outer, which must outlive this; blocks : of inputs, of outputs
    shape : inputs, outputs; scale : real weight at full scale
    """

    def __init__(
        self, design: Design, arrays: Sequence[ArrayTile], blocks: tuple[int, int], shape: tuple[int, int], scale: float
    ):
        from crosstrain_model.training import converter_kernels

        self._kernel = converter_kernels.read_layer
        contexts = np.array([array.context for array in arrays], np.int64).reshape(blocks)
        self._contexts = contexts, np.ascontiguousarray(contexts.T)
        self._lengths = shape[1], shape[0]
        self._units = arrays[0].forward_converter.lsb * scale, arrays[0].backward_converter.lsb * scale
        self._largest = tuple(float(2 ** (bits - 1) - 1) for bits in (design.formats.x, design.formats.d))

    @classmethod
    def of(
        cls, design: Design, tiles: Sequence[Tile], blocks: tuple[int, int], shape: tuple[int, int], scale: float
    ) -> GridReads | None:
        """None where a tile reads in another way, or numba does not run its array."""
        arrays = [tile.array for tile in tiles if getattr(tile, "reads_array", False)]
        if len(arrays) < len(tiles) or any(type(array) is not ArrayTile or array.context is None for array in arrays):
            return None
        return cls(design, arrays, blocks, shape, scale)

    def read(self, which: int, given: Floats, bias: Floats | None = None) -> tuple[Floats, Codes, Exponents]:
        """Forward (0) or backward (1): results, codes and exponents."""
        values = np.ascontiguousarray(given)
        vectors = len(values)
        codes, exponents = np.empty(values.shape, np.int16), np.empty(vectors, np.int16)
        out = np.empty((vectors, self._lengths[which]), np.float32)
        done = self._kernel(
            self._contexts[which], which, values, self._largest[which], self._units[which],
            _NO_BIAS if bias is None else bias, codes, exponents, out,
        )  # fmt: skip
        if not done:
            raise UserError(DIVERGED)
        return out, codes, exponents
