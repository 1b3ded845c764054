"""Array stub: the analog macro as implementation flows see it, a module of pins and nothing in it.

Pins are the array port with every direction turned, clock and reset first, named as on the controller. The file is
`<top>_array_stub.v`; the module is `<top>_array`, so that a layout, or a behavioural model, takes its place by name.
"""

from crosstrain_hdl.emit import reset_port
from crosstrain_hdl.emit_text import port_line
from crosstrain_model.port import port_signals

STUB_TEXT = """\
// {module}: black box of the analog array of {top}, {profile} profile.
// Directions are the macro's. The protocol: docs/array-port.md of crosstrain.
/* verilator lint_off UNDRIVEN */
/* verilator lint_off UNUSEDSIGNAL */
(* blackbox *) (* black_box *)
module {module} (
{ports}
);
endmodule
/* verilator lint_on UNUSEDSIGNAL */
/* verilator lint_on UNDRIVEN */
"""


def stub_name(design):
    """Name of the stub's module."""
    return f"{design.top}_array"


def stub_text(design):
    """Verilog of the stub, for the file `<top>_array_stub.v`."""
    lines = [port_line("clk", "input", ""), port_line(reset_port(design.profile), "input", "")]
    for signal in port_signals(design):
        span = f"[{signal.width - 1}:0] " if signal.width > 1 else ""
        lines.append(port_line(signal.name, "input" if signal.direction == "out" else "output", span))
    return STUB_TEXT.format(module=stub_name(design), top=design.top, profile=design.profile, ports=",\n".join(lines))
