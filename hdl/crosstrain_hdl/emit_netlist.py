"""Checks of emission on the netlist that the text says, and the bits that nobody reads."""

from crosstrain_hdl.emit_platform import EmissionError

FLOPS = {
    "fpga": ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce"),
    "asic": ("$adff", "$adffe"),
}
FORMAL = ("$check", "$print", "$assert", "$assume", "$cover", "$live", "$fair", "$any", "$all", "$initstate")
STATE = ("$dff", "$adff", "$sdff", "$aldff", "$dffsr", "$dlatch", "$adlatch", "$sr", "$mem", "$ff")


def check_module(name, module, *, profile):
    """Raise EmissionError unless every register of a module is as the profile says.

    name, module : the module and its entry in Yosys' JSON netlist
    """
    clock = module["ports"]["clk"]["bits"]
    reset = module["ports"]["rst_n" if profile == "asic" else "rst"]["bits"]
    for cell_name, cell in module["cells"].items():
        kind, wires, settings = cell["type"], cell["connections"], cell["parameters"]
        if kind.startswith(FORMAL):
            raise EmissionError(f"{name}: a {kind[1:]} statement ({cell_name}) cannot be emitted")
        if not kind.startswith(STATE):
            continue
        fault = None
        if profile == "asic" and kind in FLOPS["fpga"]:
            fault = "has no reset, which the asic profile demands (reset_less?)"
        elif kind not in FLOPS[profile]:
            fault = f"is a {kind[1:]}, which the {profile} profile does not allow"
        elif wires["CLK"] != clock or int(settings["CLK_POLARITY"], 2) != 1:
            fault = "is not clocked by the rising edge of clk"
        elif profile == "asic" and (wires["ARST"] != reset or int(settings["ARST_POLARITY"], 2) != 0):
            fault = "is reset by something else than rst_n"
        if fault:
            raise EmissionError(f"{name}: register {_net_of(module, wires.get('Q', []))} {fault}")


def _net_of(module, bits):
    """Name of a net that carries any of the bits."""
    wanted = {bit for bit in bits if isinstance(bit, int)}
    return next((net for net, entry in module["netnames"].items() if wanted & set(entry["bits"])), "without a name")


def unread_bits(module, names):
    """Expressions, in text names, of the bits of a module that nothing reads, in the order of the netlist.

    module : its entry in Yosys' JSON netlist
    names : {netlist name: text name}
    """
    read = set()
    for cell in module["cells"].values():
        for port, direction in cell["port_directions"].items():
            if direction != "output":
                read.update(cell["connections"][port])
    for port in module["ports"].values():
        if port["direction"] != "input":
            read.update(port["bits"])
    found = []
    for net, entry in module["netnames"].items():
        bits = entry["bits"]
        unread = [isinstance(bit, int) and bit not in read for bit in bits]
        if all(unread):
            found.append(names[net])
        else:
            found += [f"{names[net]}{span}" for span in _spans(unread, entry.get("offset", 0))]
    return found


def _spans(flags, offset):
    """Ranges of set flags as Verilog selections of a net that starts at `offset`: [F, T, T, F, T] is "[2:1]", "[4]"."""
    spans = []
    start = None
    for index, flag in enumerate([*flags, False], offset):
        if flag and start is None:
            start = index
        elif not flag and start is not None:
            spans.append(f"[{start}]" if index - 1 == start else f"[{index - 1}:{start}]")
            start = None
    return spans
