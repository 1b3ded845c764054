"""The pins of a generated top: name, direction, width and a line that says what each is."""

import dataclasses

from crosstrain_hdl.emit import flat_ports, reset_port
from crosstrain_model.frames import result_bits, slot_bits
from crosstrain_model.port import Status, adc_codes, port_signals

RESETS = {
    "rst": "synchronous reset, active high: at least one rising edge of clk",
    "rst_n": "asynchronous reset, active low; must be released synchronously to clk",
}

AXI_LITE = {
    "awaddr": "byte address of a write",
    "awprot": "protection bits of a write, not looked at",
    "awvalid": "a write address is offered",
    "awready": "the write address is taken",
    "wdata": "data written",
    "wstrb": "byte strobes, all four or the write is refused",
    "wvalid": "write data is offered",
    "wready": "the write data is taken",
    "bresp": "response to a write: 0 OKAY, 2 SLVERR",
    "bvalid": "a write response is offered",
    "bready": "the write response is taken",
    "araddr": "byte address of a read",
    "arprot": "protection bits of a read, not looked at",
    "arvalid": "a read address is offered",
    "arready": "the read address is taken",
    "rdata": "data read",
    "rresp": "response to a read: 0 OKAY, 2 SLVERR",
    "rvalid": "read data is offered",
    "rready": "the read data is taken",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Port:
    """One pin or bus of the top."""

    name: str
    direction: str
    """"input" or "output"."""
    width: int
    """Bits."""
    doc: str

    @property
    def span(self):
        """Its range in Verilog with a blank after it, empty for one bit."""
        return f"[{self.width - 1}:0] " if self.width > 1 else ""


def top_ports(component, design):
    """Ports of a top in the order of its Verilog: clock, reset, then the component's, as a list of `Port`.

    component : what is emitted as the top, made from `design`
    """
    reset = reset_port(design.profile)
    docs = {"clk": "clock, rising edge", reset: RESETS[reset], **port_docs(design)}
    pins = {"clk": (1, True), reset: (1, True)}
    pins |= {name: (len(value), is_input) for name, (value, is_input) in flat_ports(component).items()}
    return [
        Port(name=name, direction="input" if is_input else "output", width=width, doc=docs.get(name, ""))
        for name, (width, is_input) in pins.items()
    ]


def port_docs(design):
    """{name of a port of the controller: what it is}, clock and reset left out."""
    codes, returned = design.stream_codes, adc_codes(design)
    extended = "unsigned" if design.verified else "sign-extended"
    if design.carried:
        extended += " (of a READ_ROW unsigned)"
    slot, result = slot_bits(design), result_bits(design)
    statuses = ", ".join(f"{status.value} {status.name}" for status in Status)
    return {
        **{f"s_axil_{name}": f"AXI4-Lite registers: {doc}" for name, doc in AXI_LITE.items()},
        "s_axis_tdata": f"frames in: {codes} codes, each in a slot of {slot} bits, code 0 lowest",
        "s_axis_tvalid": "frames in: a beat is offered",
        "s_axis_tready": "frames in: the beat is taken",
        "s_axis_tlast": "frames in: last beat of the frame",
        "s_axis_tuser": "frames in: op[3:0], exponent[11:4] signed, tag[19:12], row[31:20]; the first beat's counts",
        "m_axis_tdata": f"results out: {returned} codes, each {extended} in a slot of {result} bits, code 0 lowest",
        "m_axis_tvalid": "results out: a beat is offered",
        "m_axis_tready": "results out: the beat is taken",
        "m_axis_tlast": "results out: last beat of the result",
        "m_axis_tuser": f"results out: op[3:0], status[11:4] (valid in the last beat: {statuses}), tag[19:12]",
        "irq": "level interrupt: an event of IRQ_STATUS that IRQ_ENABLE lets through",
        **{signal.name: signal.doc for signal in port_signals(design)},
    }
