"""What emission refuses, what it names, and what its text promises in each profile."""

import re

import pytest
from amaranth import Assert, ClockDomain, ClockSignal, Instance, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.emit import EmissionError, emit, unit
from crosstrain_hdl.emit_text import plain_names, rename, repeated, separated
from crosstrain_hdl.tools import lint


class Body(wiring.Component):
    """One input, one output, and whatever `fill(m, self)` makes of them."""

    _MustUse__silence = True  # some are refused before Amaranth sees them

    def __init__(self, fill, signature=None):
        self.fill = fill
        super().__init__(signature or {"x": In(4), "y": Out(4)})

    def elaborate(self, platform):
        m = Module()
        self.fill(m, self)
        return m


def own_domain(m, body):
    m.domains.sync = ClockDomain("sync")
    m.d.sync += body.y.eq(body.x)


def other_domain(m, body):
    m.domains.fast = ClockDomain("fast")
    m.d.fast += body.y.eq(body.x)


def inner_domain(m, body):
    def fill(inner, _):
        inner.domains.hidden = ClockDomain("hidden", local=True)
        inner.d.hidden += body.y.eq(body.x)

    m.submodules.inner = Body(fill)


def falling_edge(m, body):
    m.domains.late = ClockDomain("late", clk_edge="neg")
    m.d.comb += ClockSignal("late").eq(ClockSignal())
    m.d.late += body.y.eq(body.x)


def unnamed(m, body):
    m.submodules += Body(lambda inner, _: inner.d.sync.__iadd__(body.y.eq(body.x)))


def foreign(m, body):
    m.submodules.cell = Instance("PLL", i_x=body.x, o_y=body.y)


def library_memory(m, body):
    m.submodules.words = words = memory.Memory(shape=4, depth=16, init=[])
    port = words.read_port()
    m.d.comb += [port.addr.eq(body.x), body.y.eq(port.data)]


def statement(m, body):
    m.d.sync += [body.y.eq(body.x), Assert(body.x != 3)]


def accent(m, body):
    m.d.sync += body.y.eq(body.x)
    m.submodules.schwelle_ü = Body(lambda inner, b: inner.d.sync.__iadd__(b.y.eq(b.x)))


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (own_domain, "declares a sync domain"),
        (other_domain, "clock is 1'0"),
        (inner_domain, "clock is 1'0"),
        (falling_edge, "rising edge of clk|reset|clock is"),
        (unnamed, "has no name"),
        (foreign, "instance of PLL"),
        (library_memory, "use Memory1R1W"),
        (statement, "check statement"),
        (accent, "schwelle_ü.* is not ASCII"),
    ],
)
@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_refused_in_both_profiles(fill, says, profile):
    with pytest.raises(EmissionError, match=says):
        emit(Body(fill), name="dut", profile=profile)


def without_reset(m, body):
    kept = Signal(4, reset_less=True)
    m.d.sync += [kept.eq(body.x), body.y.eq(kept)]


def test_asic_refuses_a_register_without_reset_by_name():
    with pytest.raises(EmissionError, match="register kept has no reset"):
        emit(Body(without_reset), name="dut", profile="asic")
    assert "kept <= x" in emit(Body(without_reset), name="dut", profile="fpga")["dut.v"]


def test_refused_names_and_profiles():
    body = Body(lambda m, b: m.d.sync.__iadd__(b.y.eq(b.x)))
    with pytest.raises(ValueError, match="emit.profile .* not 'rad-hard'"):
        emit(body, name="dut", profile="rad-hard")
    with pytest.raises(EmissionError, match="'a__b' is not a flat"):
        emit(body, name="a__b", profile="fpga")
    with pytest.raises(ValueError, match="unit.name"):
        unit(body, "1st")
    keyword = Body(lambda m, b: m.d.comb.__iadd__(b.do.eq(1)), {"do": Out(1)})
    with pytest.raises(EmissionError, match="do: a Verilog keyword"):
        emit(keyword, name="dut", profile="fpga")
    taken = Body(lambda m, b: m.d.comb.__iadd__(b.rst.eq(1)), {"rst": Out(1)})
    with pytest.raises(EmissionError, match="rst: the port name is taken"):
        emit(taken, name="dut", profile="asic")


def delay(init):
    def fill(m, body):
        state = Signal(4, init=init)
        m.d.sync += state.eq(body.x)
        m.d.comb += body.y.eq(state)

    return fill


@pytest.mark.parametrize("second", [1, 2])
def test_units_of_one_name_are_one_module_or_an_error(second):
    first, other = Body(delay(1)), Body(delay(second))

    def fill(m, body):
        m.submodules.first = unit(first, "delay")
        m.submodules.other = unit(other, "delay")
        m.d.comb += [first.x.eq(body.x), other.x.eq(first.y), body.y.eq(other.y)]

    if second == 1:
        texts = emit(Body(fill), name="dut", profile="asic")
        assert list(texts) == ["dut.v", "dut_delay.v"]
        assert len(re.findall(r"^  dut_delay u_(first|other) \($", texts["dut.v"], re.MULTILINE)) == 2
    else:
        with pytest.raises(EmissionError, match="dut_delay: two different Body share the name"):
            emit(Body(fill), name="dut", profile="asic")


def test_ports_of_nested_interfaces_are_flat():
    bus = wiring.Signature({"awaddr": Out(5), "awready": In(1)})
    body = Body(lambda m, b: m.d.comb.__iadd__(b.s_axil.awready.eq(b.s_axil.awaddr[0])), {"s_axil": In(bus)})
    text = emit(body, name="dut", profile="asic")["dut.v"]
    ports = re.findall(r"^  (?:input|output) +\w+ +(?:\[\d+:0\] )?(\w+),?$", text, re.MULTILINE)
    assert ports == ["clk", "rst_n", "s_axil_awaddr", "s_axil_awready"]


def test_header_comment_and_name_map():
    inner = Body(delay(1))

    def fill(m, body):
        m.submodules.stage = inner
        m.d.comb += [inner.x.eq(body.x), body.y.eq(inner.y ^ 1)]

    names = {}
    text = emit(Body(fill), name="dut", profile="fpga", header="crosstrain 1.2\nhash 00ff", names=names)["dut.v"]
    assert text.startswith("// dut, fpga profile\n// crosstrain 1.2\n// hash 00ff\nmodule dut (\n")
    assert names["dut"]["stage.state"] == "stage_state"
    assert "reg [3:0] stage_state;" in text


def test_names_that_clash_are_told_apart(tmp_path):
    def fill(m, body):
        words = [Signal(4, name=name) for name in ("bit", "a_b", "a__b", "a_b", "u", "logic")]
        last = body.x
        for word in words:
            m.d.sync += word.eq(last)
            last = word
        m.d.comb += body.y.eq(last)

    text = emit(Body(fill), name="dut", profile="fpga")["dut.v"]
    (tmp_path / "dut.v").write_text(text)
    assert len(set(re.findall(r"^  reg \[3:0\] (\w+);$", text, re.MULTILINE))) == 5
    assert lint([tmp_path / "dut.v"], "dut", waivers=()) == []


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_a_register_may_drive_a_part_of_a_port(tmp_path, profile):
    def fill(m, body):
        m.d.sync += body.y.eq(body.x[:2])

    text = emit(Body(fill), name="dut", profile=profile)["dut.v"]
    (tmp_path / "dut.v").write_text(text)
    assert "reg [1:0] y_n1;" in text
    assert "assign y[1:0] = y_n1;" in text
    assert lint([tmp_path / "dut.v"], "dut", waivers=()) == []


def test_a_unit_may_hold_a_signal_of_its_instance_name(tmp_path):
    inner = Body(delay(1), {"x": In(4), "state": In(1), "y": Out(4)})

    def fill(m, body):
        m.submodules.state = unit(inner, "delay")
        m.d.comb += [inner.x.eq(body.x), body.y.eq(inner.y)]

    texts = emit(Body(fill), name="dut", profile="asic")
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert lint([tmp_path / name for name in texts], "dut", waivers=()) == []


def test_text_pass_pieces():
    assert repeated("{ a[3], a[3], a[3], a }") == "{ {3{a[3]}}, a }"
    assert repeated("{ a[3], a[3:0], b, bb }") == "{ a[3], a[3:0], b, bb }"
    widths = {"y": (5, 0), "z": (3, 2), "w": (2, 0)}
    assert separated("  assign { y[4], y[1:0], w } = { y[3], 3'h5, z[3] };", widths) == [
        "  assign w = { 1'b1, z[3] };",
        "  assign y[1:0] = 2'b10;",
        "  assign y[4] = y[3];",
    ]
    assert separated("  assign { z[2], w } = { z[4:3], 1'hx };", widths) == [
        "  assign w = { z[3], 1'bx };",
        "  assign z[2] = z[4];",
    ]
    assert separated("  assign { y[4], w } = y[2:0];", widths) == [
        "  assign w = y[1:0];",
        "  assign y[4] = y[2];",
    ]
    assert separated("  assign { z, w } = y + 5'h01;", widths) == ["  assign { z, w } = y + 5'h01;"]
    assert rename("assign \\p.q  = r ? 4'hab : .r(r);", {"p.q": "p_q", "r": "s", "hab": "no"}) == (
        "assign p_q = s ? 4'hab : .r(s);"
    )
    module = {"cells": {}, "netnames": {name: {"bits": [i]} for i, name in enumerate(["x", "a.b", "a_b", "x_$add_Y"])}}
    assert plain_names(module, ["x"]) == {"x": "x", "a.b": "a_b", "a_b": "a_b_n1", "x_$add_Y": "x_n1"}
