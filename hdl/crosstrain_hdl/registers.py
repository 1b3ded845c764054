"""The register bank, built from the register table; bus-neutral, one access at a time.

The rule of an access is told in `crosstrain_model.register`.  An access is held on `bus_*` until `bus_ready`; response
and data are valid in that cycle.  It takes two cycles, more where a window makes it wait.

Ports of the registers follow from the table.  A register with fields has a port per field, `<register>_<field>`, one
without has a port of its own name, all in lower case:

    constant  no port
    status    in, the value
    setting   out, the value held by the bank, and `<register>_written`, high for a cycle after a write
    control   out, the value held by the bank
    command   out, high for a cycle
    sticky    in, the event; out `irq`: any event that is set and enabled
    window    in `<register>` the word read, out `<register>_read`, `<register>_write` (held until the window is ready),
              in `<register>_ready`, in `<register>_error` (refuse); the data written is `write_data`
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.register import ADDRESS_BITS
from crosstrain_model.registers import find, register_table

REFUSED = ("IRQ_STATUS", "refused")
"""The event that the bank raises itself; it has no port."""


class Registers(wiring.Component):
    """Members, besides the registers' own ports (see the module's head)

    bus_valid : In(1), an access is wanted; it and the rest of bus_* stay until bus_ready
    bus_write : In(1), it is a write
    bus_address : In(12), byte address
    bus_data : In(32), what is written
    bus_strobe : In(4), bytes written
    bus_ready : Out(1), done
    bus_error : Out(1), SLVERR, with bus_ready
    bus_read_data : Out(32), what is read, with bus_ready; 0 with an error
    idle : In(1), STATUS.idle
    write_data : Out(32), data of a window's write
    irq : Out(1)

    Attributes
    ----------
    latency : cycles from bus_valid to bus_ready, without windows' waits
    """

    latency = 1

    def __init__(self, design):
        self.table = register_table(design)
        ports = {
            "bus_valid": In(1),
            "bus_write": In(1),
            "bus_address": In(ADDRESS_BITS),
            "bus_data": In(32),
            "bus_strobe": In(4),
            "bus_ready": Out(1),
            "bus_error": Out(1),
            "bus_read_data": Out(32),
            "idle": In(1),
            "write_data": Out(32),
            "irq": Out(1),
        }
        for register in self.table:
            ports.update(_ports(register))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        answering = Signal()  # second cycle of an access: `selects` tell the register
        begun = Signal()  # a window has taken the access, so STATUS.idle may be low by its own doing
        selects = [Signal(name=f"select_{register.name.lower()}") for register in self.table]
        table = list(zip(self.table, selects, strict=True))
        windows = [(register, select) for register, select in table if register.kind == "window"]

        legal, refused, waits, declined = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            legal.eq(_any(select & _legal(register, self.bus_write) for register, select in table)),
            refused.eq(_any(select & self._refused(register) for register, select in table)),
            waits.eq(_any(select & ~self._port(register, "ready") for register, select in windows)),
            declined.eq(_any(select & self._port(register, "error") for register, select in windows)),
        ]
        allowed, ends, done, refusal = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            allowed.eq(legal & (begun | ~refused)),
            ends.eq(answering & ~(allowed & waits)),
            done.eq(ends & allowed & ~declined),
            refusal.eq(ends & legal & ~done),
            self.bus_ready.eq(ends),
            self.bus_error.eq(~done),
            self.write_data.eq(self.bus_data),
        ]
        with m.If(ends):
            m.d.sync += [answering.eq(0), begun.eq(0)]
        with m.Elif(answering):
            m.d.sync += begun.eq(1)
        with m.Elif(self.bus_valid):
            m.d.sync += answering.eq(1)
            m.d.sync += [select.eq(self.bus_address == register.offset) for register, select in table]

        words = []
        for register, select in table:
            write = Signal(name=f"write_{register.name.lower()}")
            if register.access not in ("ro",):
                m.d.comb += write.eq(done & self.bus_write & select)
            value = self._part(m, register, write, taken=answering & allowed & select, refusal=refusal)
            if value is not None:
                words.append(Mux(select, value, 0))
        with m.If(done & ~self.bus_write):
            m.d.comb += self.bus_read_data.eq(_any(words))
        return m

    def _port(self, register, suffix=""):
        name = register.name.lower()
        return getattr(self, f"{name}_{suffix}" if suffix else name)

    def _refused(self, register):
        """Rules 2 to 4 for an access that rule 1 lets pass."""
        busy = ~self.idle
        wants_idle = Const(int(register.needs_idle), 1)
        for field in register.fields:
            if field.needs_idle:
                wants_idle = wants_idle | self.bus_data[field.low : field.low + field.width].any()
        if register.access == "ro":
            return Const(0, 1)
        write = ~self.bus_strobe.all() | ~_fits(register, self.bus_data) | (wants_idle & busy)
        return Mux(self.bus_write, write, busy if register.kind == "window" else 0)

    def _part(self, m, register, write, *, taken, refusal):
        """The flops of one register; returns the word that a read gives, None where it cannot be read."""
        data = self.bus_data
        if register.kind == "constant":
            return Const(register.reset_word, 32)
        if register.kind == "window":
            m.d.comb += [
                self._port(register, "read").eq(taken & ~self.bus_write),
                self._port(register, "write").eq(taken & self.bus_write),
            ]
            return self._port(register)
        if not register.fields:
            port = self._port(register)
            if register.kind == "status":
                return port
            m.d.sync += self._port(register, "written").eq(write)
            with m.If(write):
                m.d.sync += port.eq(data[: register.width])
            return _extended(port, register.signed)
        parts = []
        for field in register.fields:
            bits = data[field.low : field.low + field.width]
            if register.kind == "sticky":
                flag = Signal(name=f"{register.name.lower()}_{field.name}_set")
                event = refusal if (register.name, field.name) == REFUSED else self._port(register, field.name)
                m.d.sync += flag.eq((flag & ~(write & bits)) | event)
                parts.append((field.low, flag))
                continue
            port = self._port(register, field.name)
            if register.kind == "command":
                m.d.sync += port.eq(Mux(write, bits, 0))
            elif register.kind == "control":
                with m.If(write):
                    m.d.sync += port.eq(bits)
            parts.append((field.low, port))
        word = Signal(32, name=f"word_{register.name.lower()}")
        if register.kind != "command":
            m.d.comb += [word[low : low + len(part)].eq(part) for low, part in parts]
        if register.kind == "sticky":
            enables = [self._port(self._enable_register, field.name) for field in register.fields]
            m.d.comb += self.irq.eq(_any(flag & enable for (_, flag), enable in zip(parts, enables, strict=True)))
        return None if register.kind == "command" else word

    @property
    def _enable_register(self):
        return find(self.table, "IRQ_ENABLE")


def _ports(register):
    """The ports that a register has: {name: member}."""
    name, kind = register.name.lower(), register.kind
    shape = signed(register.width) if register.signed else unsigned(register.width)
    if kind == "constant":
        return {}
    if kind == "window":
        strobes = {f"{name}_read": Out(1), f"{name}_write": Out(1), f"{name}_ready": In(1), f"{name}_error": In(1)}
        return {name: In(32), **strobes}
    if not register.fields:
        if kind == "status":
            return {name: In(shape)}
        return {name: Out(shape, init=register.reset), f"{name}_written": Out(1)}
    fields = [field for field in register.fields if (register.name, field.name) != REFUSED]
    flow = In if kind in ("status", "sticky") else Out
    return {f"{name}_{field.name}": flow(field.width) for field in fields}


def _legal(register, write):
    """Rule 1, given that the address is the register's."""
    return {"ro": ~write, "wo": write}.get(register.access, Const(1, 1))


def _fits(register, data):
    """Whether the word may be written: `Register.fits` in logic."""
    if register.fields:
        inside = sum(field.mask for field in register.fields)
        legal = (data & Const(~inside & 0xFFFFFFFF, 32)) == 0
        for field in register.fields:
            if field.high is not None:
                legal &= data[field.low : field.low + field.width] <= field.high
        return legal
    value = data.as_signed() if register.signed else data
    return (value >= register.minimum) & (value <= register.maximum)


def _extended(value, is_signed):
    """A word of 32 bits."""
    if not is_signed:
        return value
    return Cat(value, value[-1].replicate(32 - len(value)))


def _any(terms):
    """OR of all, 0 of none."""
    result = Const(0, 1)
    for term in terms:
        result = result | term
    return result
