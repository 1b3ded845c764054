"""What a component meets while it is turned into Verilog: its memories and units become instances.

A *unit* is a sub-module that keeps its own Verilog module. Mark it where it is added:

    m.submodules.lane = unit(self.lane, "lane")      # instead of  m.submodules.lane = self.lane

and connect `self.lane`'s members as always. In `amaranth.sim` the mark changes nothing.
"""

from amaranth import ClockSignal, Elaboratable, Instance, ResetSignal, Signal, Value
from amaranth.lib.wiring import In

from crosstrain_hdl.memory import ram_name

PROFILES = ("fpga", "asic")


class EmissionError(ValueError):
    """The component cannot become Verilog that the profile allows; one line says which part and why."""


class _Unit(Elaboratable):
    """The mark that `unit` leaves: an instance when emitting, the component itself otherwise."""

    def __init__(self, component, name):
        self.component = component
        self.name = name

    def elaborate(self, platform):
        request_unit = getattr(platform, "request_unit", None)
        return self.component if request_unit is None else request_unit(self.component, self.name)


def unit(component, name):
    """Mark a sub-module as a Verilog module of its own, called `<top>_<name>`.

    component : wiring.Component in the `sync` domain; its members become the module's ports (see `flat_ports`)
    name : str, a Verilog identifier. Units of one name must be the same hardware: they share one module

    Returns what goes into `m.submodules`. EnableInserter, ResetInserter and DomainRenamer do not reach into a unit.
    """
    if not name.isidentifier() or "__" in name:
        raise ValueError(f"unit.name must be a Verilog identifier without double underscores, not {name!r}")
    return _Unit(component, name)


def flat_ports(component):
    """Ports of a component in the order of its signature: {name: (Value, is_input)}.

    Members of nested interfaces are joined by one underscore: `s_axil.awaddr` is `s_axil_awaddr`, `x[2]` is `x_2`.
    """
    ports = {}
    for path, member, value in component.signature.flatten(component):
        name = "_".join(str(step) for step in path)
        if name in ports or name in ("clk", "rst", "rst_n"):
            raise EmissionError(f"{type(component).__name__}.{name}: the port name is taken twice")
        if "__" in name or not name.isidentifier():
            raise EmissionError(f"{type(component).__name__}.{name}: not a flat Verilog name")
        value = Value.cast(value)
        if len(value) == 0:
            raise EmissionError(f"{type(component).__name__}.{name}: a port of no bits")
        ports[name] = (value, member.flow == In)
    return ports


class EmissionPlatform:
    """Platform of one emission. It collects what the text needs besides the module being converted.

    profile : "fpga" or "asic"
    prefix : str put before every unit's name

    Attributes
    ----------
    rst_n : Signal, the reset port of the `asic` profile, active low
    rams : {(depth, width)} of the memories met
    units : [(module name, component)] requested and not yet converted; emission empties it
    """

    def __init__(self, *, profile, prefix):
        if profile not in PROFILES:
            raise ValueError(f"emit.profile must be one of {', '.join(PROFILES)}, not {profile!r}")
        self.profile = profile
        self.prefix = prefix
        self.rst_n = Signal(name="rst_n")
        self.rams = set()
        self.units = []

    def request_ram(self, depth, width):
        """Name of the wrapper module for a memory, whose text will be part of the emission."""
        self.rams.add((depth, width))
        return ram_name(depth, width)

    def request_unit(self, component, name):
        """Instance that stands for a unit inside its parent."""
        module = self.prefix + name
        self.units.append((module, component))
        wires = {"i_clk": ClockSignal()}
        if self.profile == "asic":
            wires["i_rst_n"] = self.rst_n
        else:
            wires["i_rst"] = ResetSignal()
        for port, (value, is_input) in flat_ports(component).items():
            wires[("i_" if is_input else "o_") + port] = value
        return Instance(module, **wires)

    def get_memory(self, memory):
        """Amaranth's own memories are refused: they would need initial values or reads between clock edges."""
        raise EmissionError("amaranth.lib.memory.Memory cannot be emitted: use Memory1R1W, or registers if it is small")
