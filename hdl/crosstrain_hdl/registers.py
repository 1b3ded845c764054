"""The register bank, built from the register table; bus-neutral, one access at a time.

The rule of an access is told in `crosstrain_model.register`.  An access is held on `bus_*` until `bus_ready`; response
and data are valid in that cycle.  It takes three cycles, more where a window makes it wait.

Ports of the registers follow from the table.  A register with fields has a port per field, `<register>_<field>`, one
without has a port of its own name, all in lower case:

    constant  no port
    status    in, the value
    setting   out, the value held by the bank, and `<register>_written`, high for a cycle after a write
    control   out, the value held by the bank
    command   out, high for a cycle
    sticky    in, the event, where reset is not the event; out `irq`, a cycle later: any event that is set and enabled
    window    in `<register>` the word read, out `<register>_read`, `<register>_write` (held until the window is ready),
              in `<register>_ready`, in `<register>_error` (refuse); the data written is `write_data`
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_model.register import ADDRESS_BITS
from crosstrain_model.registers import find, register_table

EVENTS = "IRQ_STATUS"
REFUSED, WAS_RESET = "refused", "was_reset"
"""Events that the bank raises itself; they have no port.  The second one is a bit whose value after reset is 1."""


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

    latency = 2

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
        decoded = Signal()  # second cycle of an access: `selects` tell the register
        checked = Signal()  # third and later: `allowed` tells whether it may be done
        selects = Signal(len(self.table))  # one register for all: an idle bank is then one comparison to a simulator
        table = list(zip(self.table, selects, strict=True))
        windows = [(register, select) for register, select in table if register.kind == "window"]
        legal, allowed, waits, declined = Signal(), Signal(), Signal(), Signal()
        with m.If(decoded & ~checked):
            known = (selects & Mux(self.bus_write, self._all_but("ro"), self._all_but("wo"))).any()
            m.d.sync += [checked.eq(1), legal.eq(known), allowed.eq(known & ~self._refused(selects))]
        with m.Elif(self.bus_valid & ~decoded):
            m.d.sync += decoded.eq(1)
            m.d.sync += selects.eq(Cat(self.bus_address == register.offset for register in self.table))
        with m.If(self.bus_ready):
            m.d.sync += [decoded.eq(0), checked.eq(0)]

        done, refusal = Signal(), Signal()
        m.d.comb += [
            waits.eq(_any(select & ~self._port(register, "ready") for register, select in windows)),
            declined.eq(_any(select & self._port(register, "error") for register, select in windows)),
            self.bus_ready.eq(checked & ~(allowed & waits)),
            done.eq(self.bus_ready & allowed & ~declined),
            refusal.eq(self.bus_ready & legal & ~done),
            self.bus_error.eq(~done),
            self.write_data.eq(self.bus_data),
        ]
        kept, shown = {}, {}  # what a read gives: as it was when the access was checked; windows: as it is now
        for register, select in table:
            write = Signal(name=f"write_{register.name.lower()}")
            if register.access != "ro":
                m.d.comb += write.eq(done & self.bus_write & select)
            value = self._part(m, register, write, taken=checked & allowed & select, refusal=refusal)
            if value is not None:
                (shown if register.kind == "window" else kept)[register.offset] = value
        word = Signal(32)
        with m.If(decoded & ~checked):
            m.d.sync += word.eq(_choose(kept, self.bus_address))
        with m.If(done & ~self.bus_write):
            at_window = _any(select for _, select in windows)
            m.d.comb += self.bus_read_data.eq(Mux(at_window, _choose(shown, self.bus_address), word))
        return m

    def _all_but(self, access):
        """Which of the selects are of registers with another kind of access."""
        return Cat(Const(register.access != access, 1) for register in self.table)

    def _port(self, register, suffix=""):
        name = register.name.lower()
        return getattr(self, f"{name}_{suffix}" if suffix else name)

    def _refused(self, selects):
        """Rules 2 to 4 for an access that rule 1 lets pass."""
        data = self.bus_data
        unfit, wants_idle, windows = [], [], []
        for register, select in zip(self.table, selects, strict=True):
            if register.access != "ro":
                wanted = [data[f.low : f.low + f.width].any() for f in register.fields if f.needs_idle]
                wants_idle.append(select & (Const(1, 1) if register.needs_idle else _any(wanted)))
                unfit.append(select & ~_fits(register, data))
                windows += [select] if register.kind == "window" else []
        write = ~self.bus_strobe.all() | _any(unfit) | (_any(wants_idle) & ~self.idle)
        return Mux(self.bus_write, write, _any(windows) & ~self.idle)

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
        if register.kind == "sticky":
            return self._sticky(m, register, write, refusal)
        ports = Cat(self._port(register, field.name) for field in register.fields)
        bits = Cat(data[field.low : field.low + field.width] for field in register.fields)
        if register.kind == "command":
            m.d.sync += ports.eq(Mux(write, bits, 0))
            return None
        if register.kind == "control":
            held = Signal(len(ports), name=f"{register.name.lower()}_fields")
            m.d.comb += ports.eq(held)
            with m.If(write):
                m.d.sync += held.eq(bits)
        parts, end = [], 0
        for field in sorted(register.fields, key=lambda field: field.low):
            parts += [Const(0, field.low - end), self._port(register, field.name)]
            end = field.low + field.width
        return Cat(parts)

    def _sticky(self, m, register, write, refusal):
        """Events that stay until they are cleared, and the interrupt that they raise; fields are bits from 0."""
        assert [field.mask for field in register.fields] == [1 << i for i in range(len(register.fields))]
        enable = find(self.table, "IRQ_ENABLE")
        flags = Signal(len(register.fields), init=register.reset_word, name=f"{register.name.lower()}_flags")
        own = {REFUSED: refusal, WAS_RESET: Const(0)} if register.name == EVENTS else {}
        events = [own[f.name] if f.name in own else self._port(register, f.name) for f in register.fields]
        enabled = Cat(self._port(enable, field.name) for field in register.fields)
        with m.If(_any(events) | write):
            m.d.sync += flags.eq((flags & ~Mux(write, self.bus_data[: len(flags)], 0)) | Cat(events))
        m.d.sync += self.irq.eq((flags & enabled).any())
        return flags


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
    own = (REFUSED, WAS_RESET) if register.name == EVENTS else ()
    fields = [field for field in register.fields if field.name not in own]
    flow = In if kind in ("status", "sticky") else Out
    return {f"{name}_{field.name}": flow(field.width) for field in fields}


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


def _choose(words, address, bit=ADDRESS_BITS - 1):
    """The word at an address, {address: word}, by halving; any word where there is none."""
    if len(words) == 1:
        return next(iter(words.values()))
    high, low = ({at: word for at, word in words.items() if at >> bit & 1 == half} for half in (1, 0))
    if not (high and low):
        return _choose(words, address, bit - 1)
    return Mux(address[bit], _choose(high, address, bit - 1), _choose(low, address, bit - 1))


def _any(terms):
    """OR of all, 0 of none."""
    result = Const(0, 1)
    for term in terms:
        result = result | term
    return result
