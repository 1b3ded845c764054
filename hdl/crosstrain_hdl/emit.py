"""Turns a component into Verilog: the text that is simulated is the text that is shipped.

    texts = emit(Threshold(config), name="threshold", profile="fpga")     # {"threshold.v": "// threshold ..."}

Each file holds one module of its own name: the top first, then the units it asks for (see `unit`), then the memory
wrappers. Clock port `clk`; reset port by profile, before the component's ports in the header of every module:

    fpga   rst, synchronous, active high; registers have initial values
    asic   rst_n, asynchronous, active low; every register has it, and no initial values

Everything is in the `sync` domain, and `ResetSignal()` is high during reset in both profiles. The same component and
the same arguments give the same bytes on every machine; `docs/emission.md` tells how the text is made.
"""

import re

from amaranth import ClockDomain, Signal
from amaranth.back import rtlil
from amaranth.hdl import Fragment
from amaranth.hdl._ir import PortDirection  # what the public `rtlil.convert(ports=...)` takes

from crosstrain_hdl.emit_netlist import check_module, unread_bits
from crosstrain_hdl.emit_platform import PROFILES, EmissionError, EmissionPlatform, flat_ports, unit
from crosstrain_hdl.emit_text import KEYWORDS, module_text, plain_names, split_modules
from crosstrain_hdl.emit_yosys import run_pass
from crosstrain_hdl.memory import address_width, ram_name, ram_text

__all__ = ["PROFILES", "EmissionError", "emit", "flat_ports", "reset_port", "unit"]

RAM_BLACKBOX = """
attribute \\blackbox 1
module \\{name}
  wire input 1 \\R0_clk
  wire width {addr} input 2 \\R0_addr
  wire input 3 \\R0_en
  wire width {width} output 4 \\R0_data
  wire input 5 \\W0_clk
  wire width {addr} input 6 \\W0_addr
  wire input 7 \\W0_en
  wire width {width} input 8 \\W0_data
end
"""


def reset_port(profile):
    """Name of the reset port: `rst` (fpga, active high) or `rst_n` (asic, active low)."""
    return "rst_n" if profile == "asic" else "rst"


def emit(component, *, name, profile, header="", names=None):
    """Verilog of a component and of all it instantiates: {file name: text}, the top's file first.

    component : wiring.Component whose logic is in the `sync` domain
    name : module name of the top, and prefix of its units' names
    profile : "fpga" or "asic"
    header : text put as a comment at the head of every file, below the module's name and profile
    names : dict that receives {module: {hierarchical name: name in the text}}, if given

    Raises EmissionError (a ValueError) where the component breaks a rule of the profile.
    """
    platform = EmissionPlatform(profile=profile, prefix=f"{name}_")
    sources, ports = convert_all(component, name, platform)
    rams = sorted(platform.rams)
    blackboxes = [RAM_BLACKBOX.format(name=ram_name(*ram), addr=address_width(ram[0]), width=ram[1]) for ram in rams]
    rtlil_text = "\n".join([*sources.values(), *blackboxes])
    foreign = set(re.findall(r"^  cell \\(\S+)", rtlil_text, re.M)) - set(
        re.findall(r"^module \\(\S+)", rtlil_text, re.M)
    )
    if foreign:
        raise EmissionError(f"{name}: an instance of {min(foreign)}, which is not part of the emission")
    verilog, netlist = run_pass(rtlil_text, modules=list(sources), profile=profile)
    lines = split_modules(verilog)
    texts = {}
    for module, order in ports.items():
        cells = netlist["modules"][module]
        check_module(module, cells, profile=profile)
        plain = plain_names(cells, order)
        if names is not None:
            names[module] = {old: new for old, new in plain.items() if "$" not in old}
        texts[f"{module}.v"] = module_text(
            module,
            lines[module],
            names=plain,
            ports=order,
            unread=unread_bits(cells, plain),
            comment=f"{module}, {profile} profile\n{header}",
        )
    for ram in rams:
        texts[f"{ram_name(*ram)}.v"] = ram_text(*ram)
    return texts


def convert_all(component, name, platform):
    """RTLIL and port order of the top and of every unit below it: ({module: text}, {module: [port]})."""
    sources, ports = {}, {}
    waiting = [(name, component)]
    while waiting:
        module, part = waiting.pop(0)
        if not module.isidentifier() or "__" in module or module in KEYWORDS:
            raise EmissionError(f"emit.name: {module!r} is not a flat Verilog name")
        text, order = _convert(part, module, platform)
        waiting += platform.units
        platform.units = []
        if sources.setdefault(module, text) != text:
            raise EmissionError(f"unit {module}: two different {type(part).__name__} share the name; name them apart")
        ports[module] = order
    return sources, ports


def _convert(component, module, platform):
    """RTLIL of one module and its sub-modules, and its port names in order."""
    asic = platform.profile == "asic"
    domain = ClockDomain("sync", async_reset=True)  # the last step of the pass makes it synchronous for fpga
    domain.clk = Signal(name="clk")
    domain.rst = Signal(name="rst")
    fragment = Fragment.get(component, platform)
    if "sync" in fragment.domains:
        raise EmissionError(f"{type(component).__name__}: declares a sync domain; emission gives it clock and reset")
    registers = list(_registers(fragment))
    fragment.add_domains(domain)
    reset = domain.rst
    if asic:
        reset = platform.rst_n
        fragment.add_statements("comb", domain.rst.eq(~reset))
    ports = {"clk": (domain.clk, PortDirection.Input), reset_port(platform.profile): (reset, PortDirection.Input)}
    for port, (value, is_input) in flat_ports(component).items():
        if port in KEYWORDS:
            raise EmissionError(f"{type(component).__name__}.{port}: a Verilog keyword cannot be a port")
        ports[port] = (value, PortDirection.Input if is_input else PortDirection.Output)
    text, paths = rtlil.convert_fragment(fragment, ports, module, emit_src=False)
    if not text.isascii():
        found = re.search(r"\S*[^\x00-\x7f]\S*", text)
        raise EmissionError(f"{type(component).__name__}: the name {found[0]} is not ASCII")
    if found := re.search(r"^module \\(\S*U\$\d\S*)", text, re.MULTILINE):
        raise EmissionError(f"{type(component).__name__}: sub-module {found[1]} has no name; add it by name")
    if found := re.search(r"connect \\CLK (?!\\clk \[0\]$|\\clk$)(.*)$", text, re.MULTILINE):
        raise EmissionError(f"{type(component).__name__}: a register's clock is {found[1].strip()}, not the port clk")
    return _mark_registers(text, registers, paths), list(ports)


def _registers(fragment):
    """Signals that are assigned at clock edges, in the fragment and below."""
    for domain, statements in fragment.statements.items():
        if domain != "comb":
            for statement in statements:
                yield from statement._lhs_signals()
    for inner, _name, _src_loc in fragment.subfragments:
        yield from _registers(inner)


def _mark_registers(text, registers, paths):
    """RTLIL with an attribute on the wire of every register: of two names for one net Yosys keeps the marked one."""
    places = {(".".join(paths[signal][:-1]), paths[signal][-1]) for signal in registers if signal in paths}
    lines, module = [], None
    for line in text.split("\n"):
        if line.startswith("module \\"):
            module = line.removeprefix("module \\")
        elif line.startswith("  wire ") and (module, line.split(" \\")[-1]) in places:
            lines.append("  attribute \\register 1")
        lines.append(line)
    return "\n".join(lines)
