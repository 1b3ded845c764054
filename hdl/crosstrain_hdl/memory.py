"""The one memory of the design: one synchronous read port, one write port.

Every word memory of the chip is a `Memory1R1W`. When Verilog is emitted it becomes an instance of a wrapper module
`ram_<depth>x<width>` whose text is `ram_text`: a plain array that FPGA tools infer as block RAM, and the place where an
ASIC flow puts its SRAM macro (same module name, same ports). In `amaranth.sim`, or under any other platform, it is
Amaranth's own memory with the same behaviour.

Rule, per rising clock edge, in this order:

    if R0_en:  R0_data = mem[R0_addr]        # otherwise R0_data holds
    if W0_en:  mem[W0_addr] = W0_data

A read of the address that is written in the same cycle therefore returns the old word here. A macro may return
anything, so a user must not depend on it: forward outside. There are no initial contents and no reset: words and
R0_data are unknown until they are written and read (zero in `amaranth.sim`), and both survive a reset.
Addresses of `depth` and above name no word.
"""

from amaranth import Cat, ClockSignal, Instance, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

RAM_TEXT = """\
// {depth} words of {width} bits; one read port whose data holds while R0_en is low, one write port.
// A read of the word being written may return anything. To use a macro, replace this module and keep its ports.
module {name} (
  input  wire R0_clk,
  input  wire {address} R0_addr,
  input  wire R0_en,
  output reg  {data} R0_data,
  input  wire W0_clk,
  input  wire {address} W0_addr,
  input  wire W0_en,
  input  wire {data} W0_data
);
  reg {data} contents [0:{last}];

  always @(posedge R0_clk)
    if (R0_en) R0_data <= contents[{read}];

  always @(posedge W0_clk)
    if (W0_en) contents[{write}] <= W0_data;
{unused}endmodule
"""


class Memory1R1W(wiring.Component):
    """`depth` words of `width` bits, one synchronous read port, one write port, both in the `sync` domain.

    Members
    -------
    R0_addr : In(address_width(depth))
    R0_en : In(1), read enable; R0_data holds while it is low
    R0_data : Out(width), the word, one cycle after its address
    W0_addr : In(address_width(depth))
    W0_en : In(1), write enable
    W0_data : In(width)

    Attributes
    ----------
    latency : cycles from R0_addr to R0_data, 1
    words : the storage in `amaranth.sim`; a testbench may read `ctx.get(memory.words[i])`
    """

    latency = 1

    def __init__(self, depth: int, width: int):
        for field, value in (("depth", depth), ("width", width)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                self._MustUse__silence = True  # Amaranth would also warn that the refused component is never used
                raise ValueError(f"Memory1R1W.{field} must be an integer of at least 1, not {value!r}")
        self.depth = depth
        self.width = width
        self.words = memory.MemoryData(shape=width, depth=depth, init=[])
        addr = address_width(depth)
        super().__init__(
            {
                "R0_addr": In(addr),
                "R0_en": In(1),
                "R0_data": Out(width),
                "W0_addr": In(addr),
                "W0_en": In(1),
                "W0_data": In(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        request_ram = getattr(platform, "request_ram", None)
        if request_ram is None:
            self._behaviour(m)
        else:
            m.submodules.words = Instance(
                request_ram(self.depth, self.width),
                i_R0_clk=ClockSignal(),
                i_R0_addr=self.R0_addr,
                i_R0_en=self.R0_en,
                o_R0_data=self.R0_data,
                i_W0_clk=ClockSignal(),
                i_W0_addr=self.W0_addr,
                i_W0_en=self.W0_en,
                i_W0_data=self.W0_data,
            )
        return m

    def _behaviour(self, m):
        """The same rule as Amaranth's memory, for simulation without Verilog."""
        m.submodules.storage = storage = memory.Memory(self.words)
        write = storage.write_port()
        read = storage.read_port(transparent_for=())
        # A memory of one word has no address bits in Amaranth: the formal one is cut off by the assignment.
        m.d.comb += [
            read.addr.eq(self.R0_addr),
            read.en.eq(self.R0_en),
            self.R0_data.eq(read.data),
            write.addr.eq(self.W0_addr),
            write.en.eq(self.W0_en),
            write.data.eq(self.W0_data),
        ]


def address_width(depth: int) -> int:
    """Bits of an address of `depth` words: at least 1, so that a memory of one word has the port too."""
    return max(1, (depth - 1).bit_length())


def group_address(array, row, group):
    """row * groups + group: wires where groups is a power of two, else one adder per further set bit of groups.

    array : `crosstrain_model.design.Array`; row, group : values. The word of a group in a memory of the whole tile.
    """
    groups = array.groups
    shifts = [bit for bit in range(groups.bit_length()) if groups >> bit & 1]
    if groups == 1:
        return row
    if len(shifts) == 1:
        return Cat(group, row)
    return sum(((row << bit) for bit in shifts), group)


def ram_name(depth: int, width: int) -> str:
    """Module name of the wrapper for `depth` words of `width` bits."""
    return f"ram_{depth}x{width}"


def ram_text(depth: int, width: int) -> str:
    """Verilog of the wrapper module; one text serves every profile."""
    single = depth == 1
    return RAM_TEXT.format(
        name=ram_name(depth, width),
        depth=depth,
        width=width,
        address=f"[{address_width(depth) - 1}:0]",
        data=f"[{width - 1}:0]",
        last=depth - 1,
        read="0" if single else "R0_addr",
        write="0" if single else "W0_addr",
        unused="\n  wire _unused = &{1'b0, R0_addr, W0_addr};\n" if single else "",
    )
