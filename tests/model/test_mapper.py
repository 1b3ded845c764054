"""The mapper: every published figure from the counted operations, the corners of the splitting rule, and its page."""

from pathlib import Path

import pytest

from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError
from crosstrain_model.mapper import LayerShape, MapCost, MappedLayer, Mapping, map_network, tile_operation
from crosstrain_model.mapper_networks import NETWORK_SHAPES, network_shapes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mapping.md"
PAPER = {
    # network: (rows of a tile, crossbars, tile operations, in sequence, latency [ms], energy [uJ]), as printed
    "lenet-wu": (64, 6, 707, 641, "0.46", "1.9"),
    "vgg8": (256, 78, 7713, 2690, "1.94", "23"),
    "resnet18": (256, 1480, 81922, 6801, "4.90", "240"),
}


def wu(rows: int, *more: str) -> Design:
    return load_design("wu-256x64" if rows == 256 else "wu-64", [f"array.rows={rows}", *more])


def mapped(name: str) -> Mapping:
    return map_network(wu(PAPER[name][0]), network_shapes(name), MapCost())


def digits(value: float, printed: str) -> str:
    """`value` with as many decimals as the paper prints."""
    return f"{value:.{len(printed.partition('.')[2])}f}"


@pytest.mark.parametrize("name", PAPER)
def test_the_paper(name: str):
    _, crossbars, operations, sequence, latency, energy = PAPER[name]
    mapping = mapped(name)
    assert mapping.tile.cycles == 72
    assert mapping.tile.ns == 720.0
    assert (mapping.crossbars, mapping.operations, mapping.sequence) == (crossbars, operations, sequence)
    assert mapping.energy_uj is not None
    assert (digits(mapping.latency_ms, latency), digits(mapping.energy_uj, energy)) == (latency, energy)
    assert mapping.devices == 2 * mapping.weights


def test_the_weights_of_the_networks():
    assert {name: mapped(name).weights for name in PAPER} == {
        "lenet-wu": 3220,
        "vgg8": 549_984,
        "resnet18": 11_164_352,
    }
    assert list(NETWORK_SHAPES)[:3] == list(PAPER)


def test_the_page_says_so():
    text = PAGE.read_text()
    for name, (rows, crossbars, operations, sequence, latency, energy) in PAPER.items():
        ours = mapped(name)
        line = (
            f"| `{name}` | {rows} x {ours.tile.device_columns} | {ours.crossbars:,} ({crossbars:,}) "
            f"| {ours.operations:,} ({operations:,}) | {ours.sequence:,} ({sequence:,}) "
            f"| {ours.latency_ms:.3f} ({latency}) | {ours.energy_uj:.2f} ({energy}) |\n"
        )
        assert line in text
    resnet = network_shapes("resnet18")
    packed = [(-(-shape.rows // 256) * -(-shape.outputs // 32), shape.positions) for shape in resnet]
    crossbars, operations = sum(tiles for tiles, _ in packed), sum(tiles * places for tiles, places in packed)
    assert f"{crossbars:,} crossbars and {operations:,} operations" in text


WIDTHS = {"resnet32": 1.0, "resnet32-1.25": 1.25, "resnet32-1.5": 1.5, "resnet32-1.75": 1.75, "resnet32-2": 2.0}


def test_resnet32_at_all_widths_and_its_size_beside_fp32():
    assert list(NETWORK_SHAPES)[3:] == list(WIDTHS)
    text, plain = PAGE.read_text(), map_network(wu(256), network_shapes("resnet32"), MapCost()).fp32_bytes
    for name, width in WIDTHS.items():
        a, b, c = (int(width * channels) for channels in (16, 32, 64))
        weights = 9 * (3 * a + 10 * a * a + a * b + 9 * b * b + b * c + 9 * c * c) + 10 * c
        mapping = map_network(wu(256), network_shapes(name), MapCost(weight_bits=4))
        assert (mapping.weights, len(mapping.layers), mapping.devices) == (weights, 32, 2 * weights)
        assert (mapping.model_bytes, mapping.fp32_bytes) == (weights / 2, 4 * weights)
        line = (
            f"| `{name}` | {weights:,} | {4 * weights / 1e6:.3f} | {weights / 2e6:.3f} "
            f"| {100 * mapping.model_bytes / plain:.1f} % |\n"
        )
        assert line in text, line
    assert plain == 4 * 461_872


def test_without_bits_there_is_no_size():
    mapping = map_network(wu(64), network_shapes("lenet-wu"), MapCost())
    assert (mapping.model_bytes, mapping.fp32_bytes) == (None, 12_880)


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "window", "outputs", "tiles"),
    [
        (1, 1, 1, (1, 1)),
        (64, 1, 32, (1, 1)),
        (65, 1, 33, (2, 2)),
        (7, 9, 1, (1, 1)),  # 63 rows
        (8, 9, 1, (2, 1)),
        (14, 9, 1, (2, 1)),  # 126 rows, two rows empty
        (15, 9, 1, (3, 1)),  # 135 rows: packed they would take three tiles too
        (57, 9, 1, (9, 1)),  # 513 rows, nine tiles either way
        (64, 9, 1, (10, 1)),  # 576 rows: packed they would take nine
        (3, 64, 1, (3, 1)),
        (3, 65, 1, (4, 1)),  # a kernel larger than the tile is cut: 195 rows
        (1, 121, 1, (2, 1)),
    ],
)
def test_tiles_of_a_layer(channels, window, outputs, tiles):
    shape = LayerShape(name="x", channels=channels, window=window, outputs=outputs, positions=5)
    layer = MappedLayer(shape=shape, tile=tile_operation(wu(64), MapCost()))
    assert (layer.row_tiles, layer.column_tiles) == tiles
    assert layer.crossbars == tiles[0] * tiles[1]
    assert layer.operations == 5 * layer.crossbars
    assert layer.devices == 2 * channels * window * outputs
    assert layer.row_tiles * 64 >= shape.rows


def test_single_devices_have_half_the_devices():
    mapping = map_network(load_design("mp-8"), [LayerShape(channels=8, outputs=9)], MapCost())
    assert (mapping.devices, mapping.crossbars, mapping.utilization) == (72, 2, 72 / 128)


@pytest.mark.parametrize(
    ("design", "cost", "cycles", "energy"),
    [
        (wu(64), MapCost(), 72, 2.66),
        (wu(256), MapCost(), 72, 2.93),
        (wu(128), MapCost(), 72, None),
        (wu(64, "array.columns=64"), MapCost(), 144, None),
        (wu(64, "array.lanes=8"), MapCost(), 36, None),
        (wu(64, "array.lanes=8"), MapCost(columns_per_adc=8), 72, 2.66),
        (wu(64, "clock_mhz=200"), MapCost(), 72, None),
        (wu(64), MapCost(columns_per_adc=1), 9, None),
        (wu(64), MapCost(columns_per_adc=2048), 576, None),  # one ADC for all 64
        (wu(64), MapCost(dac_bits=4), 40, None),
        (wu(64, "formats.x=4"), MapCost(), 40, None),
        (wu(64, "formats.x=4"), MapCost(dac_bits=8), 72, 2.66),
        (wu(128), MapCost(energy_nj=2.0), 72, 2.0),
        (wu(64), MapCost(energy_nj=2), 72, 2.0),
    ],
)
def test_a_tile_operation(design, cost, cycles, energy):
    operation = tile_operation(design, cost)
    assert (operation.cycles, operation.energy_nj) == (cycles, energy)
    assert operation.ns == 1000 * cycles / design.clock_mhz
    mapping = map_network(design, network_shapes("lenet-wu"), cost)
    assert mapping.latency_ms == 641 * cycles / design.clock_mhz / 1000
    assert (mapping.energy_uj is None) == (energy is None)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: MapCost(columns_per_adc=2049), "map.columns_per_adc = 2049: must be 0..2048"),
        (lambda: MapCost(dac_bits=17), "map.dac_bits = 17: must be 0..16"),
        (lambda: MapCost(weight_bits=33), "map.weight_bits = 33: must be 0..32"),
        (lambda: MapCost(energy_nj=float("nan")), "map.energy_nj = nan: must be 0.0..1000000.0"),
        (lambda: LayerShape(channels=0), "layer.channels = 0: must be 1..2147483647"),
        (lambda: LayerShape(window=1.5), "layer.window = 1.5: must be an integer"),
        (lambda: map_network(wu(64), [], MapCost()), "map.layers = 0: must be 1 or more"),
        (
            lambda: network_shapes("vgg\n"),
            f'map.network = "vgg\\n": must be one of {", ".join(NETWORK_SHAPES)}; nearest is vgg8',
        ),
    ],
)
def test_bad_input_is_one_line(work, message):
    with pytest.raises(UserError) as caught:
        work()
    assert str(caught.value) == message
