"""`crosstrain map`: the table, the totals, the JSON result and bad input."""

import json

import pytest

from crosstrain.cli import main

WU = ["wu-64"]


def test_lenet(tmp_path, capsys):
    assert main(["map", *WU, "--network", "lenet-wu", "--json", "r.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "lenet-wu on tiles of 64 x 32 weights, 64 x 64 devices",
        "layer  rows  columns  weights  devices  tiles  crossbars  positions  tile operations",
        "conv1    25        4      100      200  1 x 1          1        576              576",
        "conv2   100       12    1,200    2,400  2 x 1          2         64              128",
        "fc      192       10    1,920    3,840  3 x 1          3          1                3",
        "weights    3,220 in 6,440 devices",
        "crossbars  6, filled to 26.2 %",
        "operations 707 per image, 641 in sequence",
        "latency    0.462 ms: 641 operations of 720 ns, 72 cycles",
        "energy     1.88 uJ: 707 operations of 2.66 nJ",
    ]
    told = json.loads((tmp_path / "r.json").read_text())
    assert list(told)[:5] == ["command", "version", "design", "design_hash", "ok"]
    assert (told["command"], told["design"], told["ok"], told["network"]) == ("map", "wu-64", True, "lenet-wu")
    assert told["layers"][1] == {
        "name": "conv2", "rows": 100, "columns": 12, "weights": 1200, "devices": 2400, "row_tiles": 2,
        "column_tiles": 1, "crossbars": 2, "positions": 64, "operations": 128,
    }  # fmt: skip
    assert told["tile"] == {
        "rows": 64, "columns": 32, "device_columns": 64, "cycles": 72, "clock_mhz": 100, "ns": 720.0, "energy_nj": 2.66,
    }  # fmt: skip
    assert told["totals"] == {
        "weights": 3220, "devices": 6440, "crossbars": 6, "utilization": 6440 / (6 * 4096), "operations": 707,
        "sequence": 641, "latency_ms": 0.46152, "energy_uj": pytest.approx(1.88062), "model_bytes": None,
        "fp32_bytes": 12_880,
    }  # fmt: skip


def test_an_unknown_energy_is_said(tmp_path, capsys):
    assert main(["map", "mp-8", "--network", "resnet18", "--json", "r.json"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("energy     unknown: no figure is published for this tile, give one with --energy-nj\n")
    assert max(map(len, out.splitlines())) <= 120
    told = json.loads((tmp_path / "r.json").read_text())
    assert (told["totals"]["energy_uj"], told["tile"]["energy_nj"]) == (None, None)
    options = ["--energy-nj", "2.5", "--dac-bits", "4", "--columns-per-adc", "4"]
    assert main(["map", "mp-8", "--network", "lenet-wu", *options, "--json", "r.json"]) == 0
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["tile"]["cycles"] == 20
    assert told["totals"]["energy_uj"] == told["totals"]["operations"] * 2.5 / 1000


def test_the_size_of_the_model_is_said_where_bits_are(tmp_path, capsys):
    assert main(["map", "wu-64", "--network", "resnet32-2", "--weight-bits", "4", "--json", "r.json"]) == 0
    assert "\nmodel size 0.923 MB: 4 bits a weight, 12.5 % of FP32, 7.381 MB\ncrossbars " in capsys.readouterr().out
    told = json.loads((tmp_path / "r.json").read_text())["totals"]
    assert (told["model_bytes"], told["fp32_bytes"]) == (told["weights"] / 2, told["weights"] * 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "map: the following arguments are required: --network (see crosstrain map --help)"),
        (
            ["--network", "resnet"],
            'map.network = "resnet": must be one of lenet-wu, vgg8, resnet18, resnet32, resnet32-1.25, resnet32-1.5, '
            "resnet32-1.75, resnet32-2; nearest is resnet18",
        ),
        (["--network", "vgg8", "--columns-per-adc", "2049"], "map.columns_per_adc = 2049: must be 0..2048"),
        (["--network", "vgg8", "--dac-bits", "17"], "map.dac_bits = 17: must be 0..16"),
        (["--network", "vgg8", "--energy-nj", "inf"], "map.energy_nj = inf: must be 0.0..1000000.0"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    assert main(["map", "mp-8", *arguments]) == 2
    assert capsys.readouterr() == ("", f"crosstrain: {message}\n")
