"""The register bank and its AXI4-Lite slave against the table's own rule, access by access."""

import random

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator

from crosstrain_hdl.axi_lite import AxiLite
from crosstrain_hdl.registers import Registers
from crosstrain_model.design import Array, Design, Update
from crosstrain_model.register import OKAY, SLVERR
from crosstrain_model.registers import register_table

WAS_RESET = 1 << 9
DESIGNS = {
    "default": Design(name="a"),
    "ledger": Design(name="a", ledger=True, array=Array(rows=67, columns=7, lanes=3)),
    "log2": Design(name="a", update=Update(threshold=256, threshold_power_of_two=True)),
}


class Bank(wiring.Component):
    """Bank and slave joined; windows are answered by the test."""

    def __init__(self, design):
        self.axi, self.bank = AxiLite(), Registers(design)
        super().__init__({"irq": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.axi, m.submodules.bank = self.axi, self.bank
        for name in ("valid", "write", "address", "data", "strobe"):
            m.d.comb += getattr(self.bank, f"bus_{name}").eq(getattr(self.axi, f"bus_{name}"))
        for name in ("ready", "error", "read_data"):
            m.d.comb += getattr(self.axi, f"bus_{name}").eq(getattr(self.bank, f"bus_{name}"))
        keep = Signal()
        m.d.sync += keep.eq(self.bank.irq)  # a register, so that there is a clock
        m.d.comb += self.irq.eq(self.bank.irq)
        return m


async def write(ctx, axi, address, data, strobe=0xF, *, delay_data=0):
    ctx.set(axi.s_axil_awaddr, address)
    ctx.set(axi.s_axil_awvalid, 1)
    for _ in range(delay_data):
        await ctx.tick()
    ctx.set(axi.s_axil_wdata, data & 0xFFFFFFFF)
    ctx.set(axi.s_axil_wstrb, strobe)
    ctx.set(axi.s_axil_wvalid, 1)
    ctx.set(axi.s_axil_bready, 1)
    for _ in range(100):
        *_, taken, valid, response = await ctx.tick().sample(axi.s_axil_awready, axi.s_axil_bvalid, axi.s_axil_bresp)
        if taken:
            ctx.set(axi.s_axil_awvalid, 0)
            ctx.set(axi.s_axil_wvalid, 0)
        if valid:
            return response
    raise AssertionError(f"no response to a write at {address:#x}")


async def read(ctx, axi, address):
    ctx.set(axi.s_axil_araddr, address)
    ctx.set(axi.s_axil_arvalid, 1)
    ctx.set(axi.s_axil_rready, 1)
    for _ in range(100):
        *_, taken, valid, response, data = await ctx.tick().sample(
            axi.s_axil_arready, axi.s_axil_rvalid, axi.s_axil_rresp, axi.s_axil_rdata
        )
        if taken:
            ctx.set(axi.s_axil_arvalid, 0)
        if valid:
            return response, data
    raise AssertionError(f"no response to a read at {address:#x}")


def simulate(design, body):
    top = Bank(design)
    simulator = Simulator(top)
    simulator.add_clock(1e-8)

    async def bench(ctx):
        await body(ctx, top.axi, top.bank)

    simulator.add_testbench(bench)
    simulator.run()


def drawn_value(rng, register):
    """A word around the register's bounds, or anything."""
    corners = [0, 1, 0xFFFFFFFF, register.reset_word]
    if not register.fields:
        bounds = (register.minimum, register.maximum)
        corners += [(bound + step) & 0xFFFFFFFF for bound in bounds for step in (-1, 0, 1)]
    else:
        corners += [rng.getrandbits(32) & sum(field.mask for field in register.fields) for _ in range(4)]
    return rng.choice([*corners, rng.getrandbits(32)])


@pytest.mark.parametrize("name", DESIGNS)
def test_random_accesses_follow_the_rule(name):
    design = DESIGNS[name]
    table = register_table(design)
    rng = random.Random(11)
    expected = {register.name: register.reset_word for register in table}
    seen = {"refused": 0, "okay": 0, "illegal": 0}

    async def body(ctx, axi, bank):
        for register in table:  # levels of what the controller would drive
            if register.kind == "window":
                ctx.set(getattr(bank, f"{register.name.lower()}_ready"), 1)
                ctx.set(getattr(bank, register.name.lower()), expected[register.name])
            elif register.kind == "status" and not register.fields:
                expected[register.name] = rng.getrandbits(register.width)
                ctx.set(getattr(bank, register.name.lower()), expected[register.name])
        for _ in range(600):
            idle = rng.random() < 0.7
            ctx.set(bank.idle, idle)
            register = rng.choice(table)
            wrong = rng.choice([register.offset + 2, rng.randrange(0x200, 4096)])
            address = register.offset if rng.random() < 0.9 else wrong
            exists = address == register.offset
            if rng.random() < 0.5:
                strobe = 0xF if rng.random() < 0.9 else rng.randrange(15)
                data = drawn_value(rng, register)
                legal = exists and register.access != "ro"
                refused = legal and register.write_refused(data, strobe, idle)
                response = await write(ctx, axi, address, data, strobe, delay_data=rng.randrange(3))
                if legal and not refused:
                    enter(expected, register, data)
            else:
                legal = exists and register.access != "wo"
                refused = legal and register.read_refused(idle)
                response, data = await read(ctx, axi, address)
                if legal and not refused:
                    assert data == expected[register.name], register.name
                else:
                    assert data == 0
            assert response == (OKAY if legal and not refused else SLVERR), (register.name, hex(address))
            seen["refused" if refused else "okay" if legal else "illegal"] += 1
            if refused:
                expected["IRQ_STATUS"] |= 2
            await ctx.tick()
            assert ctx.get(bank.irq) == bool(expected["IRQ_STATUS"] & expected["IRQ_ENABLE"])

    simulate(design, body)
    assert min(seen.values()) > 30, seen


def enter(expected, register, data):
    """What an accepted write leaves to be read (windows: the test's own level stays)."""
    if register.kind == "sticky":
        expected[register.name] &= ~data
    elif register.kind in ("setting", "control"):
        expected[register.name] = data


def test_commands_and_settings_leave_by_their_ports():
    async def body(ctx, axi, bank):
        ctx.set(bank.idle, 1)
        heard = dict.fromkeys(("command_abort", "command_clear", "command_clear_counters", "threshold_written"), 0)

        async def listen(cycles=4):
            for _ in range(cycles):
                for name in heard:
                    heard[name] += ctx.get(getattr(bank, name))
                await ctx.tick()

        for address, data in ((0x24, 0b001), (0x24, 0b110), (0x40, 77), (0x44, -5)):
            ctx.set(axi.s_axil_awaddr, address)
            ctx.set(axi.s_axil_wdata, data & 0xFFFFFFFF)
            ctx.set(axi.s_axil_wstrb, 0xF)
            ctx.set(axi.s_axil_awvalid, 1)
            ctx.set(axi.s_axil_wvalid, 1)
            ctx.set(axi.s_axil_bready, 1)
            while not ctx.get(axi.s_axil_awready):
                await listen(1)
            await listen(1)
            ctx.set(axi.s_axil_awvalid, 0)
            ctx.set(axi.s_axil_wvalid, 0)
            await listen()
        assert set(heard.values()) == {1}
        assert (ctx.get(bank.threshold), ctx.get(bank.shift)) == (77, -5)

    simulate(DESIGNS["default"], body)


def test_a_reset_is_an_event_until_it_is_cleared():
    async def body(ctx, axi, bank):
        assert await read(ctx, axi, 0x2C) == (OKAY, WAS_RESET)
        assert ctx.get(bank.irq) == 0
        assert await write(ctx, axi, 0x30, WAS_RESET) == OKAY
        await ctx.tick()
        assert ctx.get(bank.irq) == 1
        assert await write(ctx, axi, 0x2C, WAS_RESET) == OKAY
        assert await read(ctx, axi, 0x2C) == (OKAY, 0)
        await ctx.tick()
        assert ctx.get(bank.irq) == 0

    simulate(DESIGNS["default"], body)


def test_events_stick_until_cleared_and_win_over_clearing():
    async def body(ctx, axi, bank):
        assert await write(ctx, axi, 0x2C, WAS_RESET) == OKAY
        ctx.set(bank.irq_status_timeout, 1)
        await ctx.tick()
        ctx.set(bank.irq_status_timeout, 0)
        assert await read(ctx, axi, 0x2C) == (OKAY, 1 << 5)
        assert ctx.get(bank.irq) == 0
        assert await write(ctx, axi, 0x30, 1 << 5) == OKAY
        await ctx.tick()
        assert ctx.get(bank.irq) == 1
        ctx.set(bank.irq_status_timeout, 1)
        assert await write(ctx, axi, 0x2C, 1 << 5) == OKAY
        ctx.set(bank.irq_status_timeout, 0)
        assert await read(ctx, axi, 0x2C) == (OKAY, 1 << 5)
        assert await write(ctx, axi, 0x2C, 1 << 5) == OKAY
        assert await read(ctx, axi, 0x2C) == (OKAY, 0)
        await ctx.tick()
        assert ctx.get(bank.irq) == 0

    simulate(DESIGNS["default"], body)


def test_a_window_makes_the_bus_wait_and_may_refuse():
    async def body(ctx, axi, bank):
        ctx.set(bank.idle, 1)
        ctx.set(axi.s_axil_araddr, 0xD0)
        ctx.set(axi.s_axil_arvalid, 1)
        ctx.set(axi.s_axil_rready, 1)
        await ctx.tick().until(axi.s_axil_arready)
        ctx.set(axi.s_axil_arvalid, 0)
        for _ in range(8):
            await ctx.tick()
        assert ctx.get(bank.mem_data_read) == 1
        ctx.set(bank.idle, 0)  # the window's own doing
        for _ in range(3):
            await ctx.tick()
            assert ctx.get(bank.bus_ready) == 0
        ctx.set(bank.mem_data, 0xFFFFFFFE)
        ctx.set(bank.mem_data_ready, 1)
        *_, response, data = await ctx.tick().sample(axi.s_axil_rresp, axi.s_axil_rdata).until(axi.s_axil_rvalid)
        assert (response, data) == (OKAY, 0xFFFFFFFE)
        ctx.set(bank.idle, 1)
        ctx.set(bank.mem_address_ready, 1)
        ctx.set(bank.mem_address_error, 1)
        assert await write(ctx, axi, 0xCC, 0) == SLVERR
        assert await read(ctx, axi, 0x2C) == (OKAY, WAS_RESET | 2)

    simulate(DESIGNS["default"], body)


def test_reads_and_writes_take_turns():
    async def body(ctx, axi, bank):
        ctx.set(bank.idle, 1)
        for name in ("awvalid", "wvalid", "arvalid", "bready", "rready"):
            ctx.set(getattr(axi, f"s_axil_{name}"), 1)
        ctx.set(axi.s_axil_awaddr, 0x30)
        ctx.set(axi.s_axil_wstrb, 0xF)
        answers = []
        for _ in range(60):
            *_, wrote, got = await ctx.tick().sample(axi.s_axil_bvalid, axi.s_axil_rvalid)
            answers += "w" * wrote + "r" * got
        assert len(answers) > 12
        assert all(a != b for a, b in zip(answers, answers[1:], strict=False)), answers

    simulate(DESIGNS["default"], body)
