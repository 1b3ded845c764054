"""What the tops of all schemes share: their pins, and how stations are joined."""

from amaranth import Cat
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.array_port import port_members
from crosstrain_hdl.axi_lite import AXI_LITE_PORTS
from crosstrain_model.frames import RESULT_USER_BITS, USER_BITS, beat_bits, result_bits
from crosstrain_model.port import adc_codes


def top_members(design):
    """Members of a controller: AXI4-Lite registers, interrupt, AXI4-Streams in and out, array port."""
    return {
        **{f"s_axil_{name}": member for name, member in AXI_LITE_PORTS.items()},
        "irq": Out(1),
        "s_axis_tdata": In(beat_bits(design)),
        "s_axis_tvalid": In(1),
        "s_axis_tready": Out(1),
        "s_axis_tlast": In(1),
        "s_axis_tuser": In(USER_BITS),
        "m_axis_tdata": Out(adc_codes(design) * result_bits(design)),
        "m_axis_tvalid": Out(1),
        "m_axis_tready": In(1),
        "m_axis_tlast": Out(1),
        "m_axis_tuser": Out(RESULT_USER_BITS),
        **port_members(design),
    }


def join_pins(m, top, *stations):
    """Connect the stations' members that are pins of the top."""
    for station in stations:
        for name, member in station.signature.members.items():
            if name in top.signature.members and name != "irq":
                own, inner = getattr(top, name), getattr(station, name)
                m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)


def join(m, source, target, *prefixes):
    """Connect the members of both that have the same name with one of the prefixes, each from its driver."""
    for name, member in source.signature.members.items():
        if name.startswith(prefixes) and name in target.signature.members:
            one, other = getattr(source, name), getattr(target, name)
            m.d.comb += other.eq(one) if member.flow == Out else one.eq(other)


def connect(m, source, prefix, target, other, names):
    """Connect members `prefix` + name of one station with `other` + name of another, each from its driver."""
    for name in names:
        one, its = getattr(source, prefix + name), getattr(target, other + name)
        flow = source.signature.members[prefix + name].flow
        m.d.comb += its.eq(one) if flow == Out else one.eq(its)


def join_windows(m, registers, window, names):
    """Connect registers of kind window with the station that answers them."""
    m.d.comb += window.write_data.eq(registers.write_data)
    for name in names:
        for suffix in ("_read", "_write"):
            m.d.comb += getattr(window, name + suffix).eq(getattr(registers, name + suffix))
        for suffix in ("", "_ready", "_error"):
            m.d.comb += getattr(registers, name + suffix).eq(getattr(window, name + suffix))


def join_totals(m, registers, station, names):
    """Connect the 64-bit totals of a station with their registers."""
    for name in names:
        low, high = (getattr(registers, f"total_{name}_{half}") for half in ("low", "high"))
        m.d.comb += Cat(low, high).eq(getattr(station, f"total_{name}"))
