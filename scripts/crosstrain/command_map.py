"""`crosstrain map`: how a network's layers fall on tiles of a design, and what one image costs there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from crosstrain.options import add_command

if TYPE_CHECKING:
    from crosstrain_model.mapper import MapCost, MappedLayer, Mapping

COLUMNS = {
    "layer": "name",
    "rows": "rows",
    "columns": "columns",
    "weights": "weights",
    "devices": "devices",
    "tiles": "tiles",
    "crossbars": "crossbars",
    "positions": "positions",
    "tile operations": "operations",
}
"""Heading of a column and the key of the JSON result that it shows; `tiles` is row tiles x column tiles."""


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(
        subparsers,
        "map",
        help="lay a network's layers on tiles, and count what one image costs",
        epilog="Counted is the forward pass in the arrays. The energy of a tile operation is published for 64 x 64 and "
        "256 x 64 devices at 100 MHz, 8 columns an ADC, 8 bits (Wu et al. 2023); elsewhere say it with --energy-nj.",
    )
    networks = "lenet-wu, vgg8, resnet18, resnet32, or wider: resnet32-1.25, -1.5, -1.75, -2"
    parser.add_argument("--network", metavar="N", required=True, help=f"network: {networks}")
    parser.add_argument(
        "--columns-per-adc", metavar="K", type=int, help="device columns that share an ADC (groups of the design)"
    )
    parser.add_argument("--dac-bits", metavar="B", type=int, help="bits of an input, one a cycle (formats.x)")
    parser.add_argument("--energy-nj", metavar="E", type=float, help="energy of a tile operation (the published one)")
    parser.add_argument("--weight-bits", metavar="B", type=int, help="bits of a weight, for the size of the model")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the table and the totals; the result holds `layers`, one object each, `tile` and `totals`."""
    from crosstrain_model.mapper import map_network
    from crosstrain_model.mapper_networks import network_shapes

    mapping = map_network(args.design, network_shapes(args.network), _cost(args))
    layers = [_layer(layer) for layer in mapping.layers]
    _print(args.network, mapping, layers)
    return {"network": args.network, "tile": _tile(mapping), "layers": layers, "totals": _totals(mapping)}


def _cost(args: argparse.Namespace) -> MapCost:
    from crosstrain_model.mapper import MapCost

    names = ("columns_per_adc", "dac_bits", "energy_nj", "weight_bits")
    return MapCost(**{name: getattr(args, name) for name in names if getattr(args, name) is not None})


def _layer(layer: MappedLayer) -> dict[str, Any]:
    shape = layer.shape
    return {
        "name": shape.name,
        "rows": shape.rows,
        "columns": shape.outputs,
        "weights": shape.weights,
        "devices": layer.devices,
        "row_tiles": layer.row_tiles,
        "column_tiles": layer.column_tiles,
        "crossbars": layer.crossbars,
        "positions": shape.positions,
        "operations": layer.operations,
    }


def _tile(mapping: Mapping) -> dict[str, Any]:
    tile = mapping.tile
    names = ("rows", "columns", "device_columns", "cycles", "clock_mhz", "ns", "energy_nj")
    return {name: getattr(tile, name) for name in names}


def _totals(mapping: Mapping) -> dict[str, Any]:
    names = "weights devices crossbars utilization operations sequence latency_ms energy_uj".split()
    names += ["model_bytes", "fp32_bytes"]
    return {name: getattr(mapping, name) for name in names}


def _print(network: str, mapping: Mapping, layers: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    tile = mapping.tile
    print(f"{network} on tiles of {tile.rows} x {tile.columns} weights, {tile.rows} x {tile.device_columns} devices")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in COLUMNS:
        table.add_column(heading, justify="left" if heading == "layer" else "right", no_wrap=True)
    for layer in layers:
        shown = layer | {"tiles": f"{layer['row_tiles']} x {layer['column_tiles']}"}
        cells = [shown[key] for key in COLUMNS.values()]
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells))
    Console(width=120, highlight=False).print(table)  # a fixed width: nothing is cut where output is no terminal
    energy = "unknown: no figure is published for this tile, give one with --energy-nj"
    if mapping.energy_uj is not None:
        energy = f"{mapping.energy_uj:,.2f} uJ: {mapping.operations:,} operations of {tile.energy_nj:g} nJ"
    print(f"weights    {mapping.weights:,} in {mapping.devices:,} devices")
    if mapping.model_bytes is not None:
        size = f"{mapping.weight_bits} bits a weight, {100 * mapping.model_bytes / mapping.fp32_bytes:.1f} % of FP32"
        print(f"model size {mapping.model_bytes / 1e6:,.3f} MB: {size}, {mapping.fp32_bytes / 1e6:,.3f} MB")
    print(f"crossbars  {mapping.crossbars:,}, filled to {100 * mapping.utilization:.1f} %")
    print(f"operations {mapping.operations:,} per image, {mapping.sequence:,} in sequence")
    duration = f"{tile.ns:g} ns, {tile.cycles} cycles"
    print(f"latency    {mapping.latency_ms:,.3f} ms: {mapping.sequence:,} operations of {duration}")
    print(f"energy     {energy}")
