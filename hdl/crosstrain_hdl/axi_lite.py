"""AXI4-Lite slave in front of the register bank (AMBA IHI 0022, AXI4-Lite).

One access at a time: a write starts when both its address and its data are there, a read waits behind it; where both
wait they take turns. Responses are OKAY or SLVERR. Protection bits are not looked at.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.register import ADDRESS_BITS, OKAY, SLVERR

AXI_LITE_PORTS = {
    "awaddr": In(ADDRESS_BITS),
    "awprot": In(3),
    "awvalid": In(1),
    "awready": Out(1),
    "wdata": In(32),
    "wstrb": In(4),
    "wvalid": In(1),
    "wready": Out(1),
    "bresp": Out(2),
    "bvalid": Out(1),
    "bready": In(1),
    "araddr": In(ADDRESS_BITS),
    "arprot": In(3),
    "arvalid": In(1),
    "arready": Out(1),
    "rdata": Out(32),
    "rresp": Out(2),
    "rvalid": Out(1),
    "rready": In(1),
}
"""Ports of the slave, without their prefix."""


class AxiLite(wiring.Component):
    """Members

    s_axil_* : AXI4-Lite, see `AXI_LITE_PORTS`
    bus_* : Out, the bank's access; bus_ready, bus_error and bus_read_data are In. See `registers.Registers`

    An access is taken before the bank has looked at it; a response that waits holds back the next access of its kind.
    """

    def __init__(self):
        super().__init__(
            {
                **{f"s_axil_{name}": member for name, member in AXI_LITE_PORTS.items()},
                "bus_valid": Out(1),
                "bus_write": Out(1),
                "bus_address": Out(ADDRESS_BITS),
                "bus_data": Out(32),
                "bus_strobe": Out(4),
                "bus_ready": In(1),
                "bus_error": In(1),
                "bus_read_data": In(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        can_write, can_read, wrote_last = Signal(), Signal(), Signal()
        begin, write = Signal(), Signal()
        m.d.comb += [
            can_write.eq(self.s_axil_awvalid & self.s_axil_wvalid & ~self.s_axil_bvalid),
            can_read.eq(self.s_axil_arvalid & ~self.s_axil_rvalid),
            begin.eq(~self.bus_valid & (can_write | can_read)),
            write.eq(can_write & ~(can_read & wrote_last)),
        ]
        m.d.sync += [self.s_axil_awready.eq(begin & write), self.s_axil_arready.eq(begin & ~write)]
        m.d.comb += self.s_axil_wready.eq(self.s_axil_awready)
        with m.If(begin):
            m.d.sync += [
                self.bus_valid.eq(1),
                wrote_last.eq(write),
                self.bus_write.eq(write),
                self.bus_address.eq(Mux(write, self.s_axil_awaddr, self.s_axil_araddr)),
                self.bus_data.eq(self.s_axil_wdata),
                self.bus_strobe.eq(self.s_axil_wstrb),
            ]
        response = Mux(self.bus_error, SLVERR, OKAY)
        with m.If(self.s_axil_bvalid & self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)
        with m.If(self.s_axil_rvalid & self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)
        with m.If(self.bus_valid & self.bus_ready):
            m.d.sync += self.bus_valid.eq(0)
            with m.If(self.bus_write):
                m.d.sync += [self.s_axil_bvalid.eq(1), self.s_axil_bresp.eq(response)]
            with m.Else():
                m.d.sync += [
                    self.s_axil_rvalid.eq(1),
                    self.s_axil_rresp.eq(response),
                    self.s_axil_rdata.eq(self.bus_read_data),
                ]
        return m
