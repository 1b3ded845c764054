"""The stub: its pins mate with the controller's, and every tool takes it."""

import re

import pytest
from amaranth.lib.wiring import In

from crosstrain_hdl.array_port import port_members
from crosstrain_hdl.array_stub import stub_name, stub_text
from crosstrain_hdl.dispatcher import Dispatcher
from crosstrain_hdl.emit import emit, flat_ports
from crosstrain_hdl.sequencer import Sequencer
from crosstrain_hdl.tools import lint, yosys
from crosstrain_model.design import Array, Design, Formats

DESIGNS = {
    "pair": Design(name="a-tile", array=Array(rows=13, columns=7, lanes=3, pair="push-pull"), profile="asic"),
    "one": Design(array=Array(rows=1, columns=1, lanes=1), formats=Formats(adc=1)),
    "trains": Design(scheme="agad", array=Array(rows=13, columns=7, lanes=3)),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_pins_are_the_controllers_turned_round(name):
    design = DESIGNS[name]
    pins = re.findall(r"^  (input|output) +wire (?:\[(\d+):0\] )?(\w+),?$", stub_text(design), re.M)
    expected = [("input", 1, "clk"), ("input", 1, "rst_n" if design.profile == "asic" else "rst")]
    for port, member in port_members(design).items():
        expected.append(("output" if member.flow == In else "input", member.shape, port))
    assert [(direction, int(high or 0) + 1, pin) for direction, high, pin in pins] == expected


@pytest.mark.parametrize("name", DESIGNS)
def test_every_tool_takes_it_beside_the_master_of_the_port(tmp_path, name):
    design = DESIGNS[name]
    master = Dispatcher(design) if design.pulsed else Sequencer(design)
    texts = {**emit(master, name="master", profile=design.profile), "stub.v": stub_text(design)}
    reset = "rst_n" if design.profile == "asic" else "rst"
    ports = {name: len(value) for name, (value, _) in flat_ports(master).items() if name.startswith("arr_")}
    wires = [f"  wire [{width - 1}:0] {name};" for name, width in ports.items()]
    connected = ", ".join(f".{pin}({pin})" for pin in ["clk", reset, *ports])
    cells = [f"  {module} {place} ({connected});" for module, place in (("master", "us"), (stub_name(design), "it"))]
    texts["tile.v"] = "\n".join([f"module tile (input wire clk, input wire {reset});", *wires, *cells, "endmodule\n"])
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([tmp_path / "stub.v"], stub_name(design)) == []
    files = " ".join(texts)
    stubs = f"select -assert-count 1 t:{stub_name(design)}"
    yosys(f"read_verilog {files}\nhierarchy -check -top tile\n{stubs}", cwd=tmp_path)
