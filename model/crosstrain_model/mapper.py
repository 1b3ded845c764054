"""Mapper: how the layers of a network fall on tiles of a design, and what one image costs there.

A layer is a matrix of (channels * window) x outputs weights, one input per row, applied at `positions` places of an
image.  On tiles of R rows and C columns of weights:

    whole kernels         K = R // window channels a tile, where window <= R: a kernel of one channel is never cut
    row tiles             ceil(channels / K);  with window > R, where a kernel must be cut: ceil(channels * window / R)
    column tiles          ceil(outputs / C)
    crossbars             row tiles * column tiles; no two layers share one
    operations per image  crossbars * positions
    in sequence           positions: tiles of a layer work at once, positions and layers one after the other
    cycles per operation  min(device columns, columns per ADC) * (DAC bits + 1)
    latency               sum of positions * cycles / clock
    energy                sum of operations * energy of one
    model size            weights * bits of a weight: what inference must keep;  FP32: weights * 32

Counted is the forward pass of one image in the arrays alone.  Biases, sums of partial sums, activations, pooling, the
sums of residual connections and all traffic are digital and cost nothing here; so do programming and transposed reads.

Source: Wu et al. 2023, of whose figures these rules give every one (docs/mapping.md).  A tile operation there reads
each column that shares an ADC once for every bit of the inputs and takes one more cycle to convert.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from crosstrain_model.design import Design
from crosstrain_model.section import Section, integer, real, refuse

PUBLISHED_NJ = {(64, 64): 2.66, (256, 64): 2.93}
"""Energy of a tile operation [nJ] by (rows, device columns), Wu et al. 2023: 65 nm, with `PUBLISHED_AT`."""
PUBLISHED_AT = {"columns_per_adc": 8, "dac_bits": 8, "clock_mhz": 100}
"""What the published energies hold for; another tile's is not known."""


def _parts(whole: int, part: int) -> int:
    """Parts of size `part` at most that `whole` needs."""
    return -(-whole // part)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerShape(Section):
    """One layer with weights: a convolution or a dense layer (window and positions 1).  Biases are not in the array."""

    PATH: ClassVar[str] = "layer"

    name: str = ""
    """Name of the layer in its network."""
    channels: int = integer(1, 1, 2**31 - 1)
    """Input channels of a convolution, inputs of a dense layer."""
    window: int = integer(1, 1, 2**20)
    """Weights of a kernel in one channel: 9 for 3 x 3."""
    outputs: int = integer(1, 1, 2**31 - 1)
    """Output channels or outputs."""
    positions: int = integer(1, 1, 2**31 - 1)
    """Places of one image at which the weights are applied: height x width of the output."""

    @property
    def rows(self) -> int:
        """Rows of the weight matrix."""
        return self.channels * self.window

    @property
    def weights(self) -> int:
        """Weights of the layer."""
        return self.rows * self.outputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapCost(Section):
    """What a tile operation costs beyond what the design says: 0: as the design has it, or unknown."""

    PATH: ClassVar[str] = "map"

    columns_per_adc: int = integer(0, 0, 2048)
    """Device columns that share one ADC and are read one after the other; 0: those of the design, `array.groups`, as
    the devices of a group convert together."""
    dac_bits: int = integer(0, 0, 16)
    """Bits of an input, applied one a cycle; 0: those of the design, `formats.x`."""
    energy_nj: float = real(0.0, 0.0, 1e6)
    """Energy of a tile operation [nJ]; 0: the published one of the tile (`PUBLISHED_NJ`), unknown elsewhere."""
    weight_bits: int = integer(0, 0, 32)
    """Bits of a weight as inference keeps it, of both devices of a pair; 0: not known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TileOperation:
    """One product of a vector with a tile of weights, all columns."""

    rows: int
    """Rows R of the tile."""
    columns: int
    """Columns C of weights."""
    device_columns: int
    """Columns of devices: twice as many where a weight is a pair."""
    cycles: int
    """Clock cycles."""
    clock_mhz: int
    """Clock [MHz]."""
    energy_nj: float | None
    """Energy [nJ]; None where it is not known."""

    @property
    def devices_per_weight(self) -> int:
        """1, or 2 for a pair."""
        return self.device_columns // self.columns

    @property
    def ns(self) -> float:
        """Duration [ns]."""
        return 1000.0 * self.cycles / self.clock_mhz


def tile_operation(design: Design, cost: MapCost) -> TileOperation:
    """The operation of a design's tile."""
    array = design.array
    bits, shared = cost.dac_bits or design.formats.x, cost.columns_per_adc or array.groups
    here = {"columns_per_adc": shared, "dac_bits": bits, "clock_mhz": design.clock_mhz}
    published = PUBLISHED_NJ.get((array.rows, array.device_columns)) if here == PUBLISHED_AT else None
    return TileOperation(
        rows=array.rows,
        columns=array.columns,
        device_columns=array.device_columns,
        cycles=min(array.device_columns, shared) * (bits + 1),
        clock_mhz=design.clock_mhz,
        energy_nj=cost.energy_nj or published,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MappedLayer:
    """A layer on its tiles."""

    shape: LayerShape
    tile: TileOperation

    @property
    def row_tiles(self) -> int:
        """Tiles that the rows are split over, by whole kernels where a tile holds one."""
        shape, rows = self.shape, self.tile.rows
        if shape.window > rows:
            return _parts(shape.rows, rows)
        return _parts(shape.channels, rows // shape.window)

    @property
    def column_tiles(self) -> int:
        """Tiles that the outputs are split over."""
        return _parts(self.shape.outputs, self.tile.columns)

    @property
    def crossbars(self) -> int:
        """Tiles of the layer."""
        return self.row_tiles * self.column_tiles

    @property
    def devices(self) -> int:
        """Devices that hold weights; the rest of the layer's crossbars is empty."""
        return self.shape.weights * self.tile.devices_per_weight

    @property
    def operations(self) -> int:
        """Tile operations of one image."""
        return self.crossbars * self.shape.positions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mapping:
    """A network on tiles of one design."""

    layers: tuple[MappedLayer, ...]
    tile: TileOperation
    weight_bits: int
    """Bits of a weight; 0: not known."""

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(layer.shape.weights for layer in self.layers)

    @property
    def model_bytes(self) -> float | None:
        """Size of the inference model [bytes]; None where the bits of a weight are not known."""
        return self.weights * self.weight_bits / 8 if self.weight_bits else None

    @property
    def fp32_bytes(self) -> int:
        """Size of the same weights in FP32 [bytes]."""
        return 4 * self.weights

    @property
    def devices(self) -> int:
        """Devices that hold weights."""
        return sum(layer.devices for layer in self.layers)

    @property
    def crossbars(self) -> int:
        """Tiles of all layers."""
        return sum(layer.crossbars for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Part of the crossbars' devices that hold weights, 0..1."""
        return self.devices / (self.crossbars * self.tile.rows * self.tile.device_columns)

    @property
    def operations(self) -> int:
        """Tile operations of one image."""
        return sum(layer.operations for layer in self.layers)

    @property
    def sequence(self) -> int:
        """Tile operations of one image that follow each other; the others are beside them."""
        return sum(layer.shape.positions for layer in self.layers)

    @property
    def latency_ms(self) -> float:
        """Time of one image [ms]."""
        return self.sequence * self.tile.cycles / self.tile.clock_mhz / 1000.0

    @property
    def energy_uj(self) -> float | None:
        """Energy of one image [uJ]; None where that of a tile operation is not known."""
        return None if self.tile.energy_nj is None else self.operations * self.tile.energy_nj / 1000.0


def map_network(design: Design, shapes: Sequence[LayerShape], cost: MapCost) -> Mapping:
    """Put the layers `shapes`, in the order in which they work, on tiles of the design."""
    if not shapes:
        raise refuse("map.layers", 0, "must be 1 or more")
    tile = tile_operation(design, cost)
    layers = tuple(MappedLayer(shape=shape, tile=tile) for shape in shapes)
    return Mapping(layers=layers, tile=tile, weight_bits=cost.weight_bits)
