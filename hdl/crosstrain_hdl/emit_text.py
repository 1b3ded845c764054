"""The text pass of emission: Yosys' Verilog in, the shipped module out.

Yosys writes one regular form, which is all this pass understands: one statement or declaration per line, generated
names as escaped identifiers. The pass renames, gathers the ports in the header and registers of one reset and enable in
one block, moves initial values into `initial` statements, and reads the bits that nothing else reads, so that every
tool takes the text without a warning.
"""

import re

# A number is matched first, so that the digits of 4'hab are never taken for a name.
TOKEN = re.compile(r"(?P<number>\d+'s?[bodh][0-9a-fxz?_]+)|\\(?P<escaped>\S+) |(?P<plain>\.?[A-Za-z_$][\w$]*)")
MODULE = re.compile(r"^module (\\?\S+?) ?\(.*?^endmodule$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"^  (input|output) (?:signed )?(\[\d+:\d+\] )?(\w+);$")
NET = re.compile(r"^  (wire|reg) (?:signed )?(\[\d+:\d+\] )?(\w+)( = .*)?;$")
REPEAT = re.compile(r"(?<![\w.\[])(\w+(?:\[\d+\])?)(?:, \1(?![\w\[']))+(?=[, ])")
PIECE = r"(?:\w+(?:\[\d+(?::\d+)?\])?|\d+'h[0-9a-fxz]+)"
REGISTER = re.compile(
    r"(?P<edge>  always @.*)\n(?:    if \((?P<reset>!?\w+)\) (?P<clears>.*;)\n    else )?"
    r"(?(clears)|    )(?:if \((?P<enable>.*?)\) )?(?P<sets>\S.* <= .*;)\n|(?P<other>.*)\n"
)
TIE = re.compile(rf"  assign \{{ ({PIECE}(?:, {PIECE})*) \}} = (?:\{{ )?({PIECE}(?:, {PIECE})*)(?: \}})?;")
CHAIN = re.compile(r"_?\$.*$")

KEYWORDS = frozenset(
    """accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind
    bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
    constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
    else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
    endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
    export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global
    highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input
    inside instance int integer interconnect interface intersect join join_any join_none large let liblist library
    local localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
    noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
    property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
    randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
    rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
    sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1
    tri tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var
    vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor""".split()
)


def split_modules(verilog):
    """{module name: its lines from `module` to `endmodule`} of Yosys' output, in its order."""
    return {found[1].lstrip("\\"): found[0].split("\n") for found in MODULE.finditer(verilog)}


def plain_names(module, ports):
    """{name in the netlist: name in the text} for the nets and cells of one module.

    module : its entry in Yosys' JSON netlist
    ports : its ports, whose names never change

    Hierarchy becomes an underscore. Instances are called `u_<name>`, for Verilator warns of a unit whose signal is
    called like an instance beside it. A net that an instance drives is named after the instance and its port. A net
    that Yosys had to name after its neighbours (`sum_$add_Y_$mux_A`) keeps the name it starts from, with a number.
    """
    result = {port: port for port in ports}
    taken, counts = set(ports), {}
    driven = _driven_by_instances(module)
    instances = {name: None for name, cell in module["cells"].items() if "$" not in cell["type"]}
    # Registers last: Yosys names one after its cell where it drives a part of a net, and after the net otherwise.
    registers = [name for name, cell in module["cells"].items() if "dff" in cell["type"]]
    for name in [*instances, *module["netnames"], *registers]:
        if name in result:
            continue
        wanted = driven.get(name, name)
        stem = re.sub(r"\W+", "_", CHAIN.sub("", wanted), flags=re.ASCII).strip("_") or "net"
        stem = re.sub(r"__+", "_", stem if stem[0].isalpha() else f"net_{stem}")
        stem = f"u_{stem}" if name in instances else stem
        plain = stem
        while plain in taken or plain in KEYWORDS or ("$" in wanted and plain == stem):
            counts[stem] = counts.get(stem, 0) + 1
            plain = f"{stem}_n{counts[stem]}"
        taken.add(plain)
        result[name] = plain
    return result


def _driven_by_instances(module):
    """{net: `instance.port`} of the nets that are one output of an instance."""
    outputs = {}
    for name, cell in module["cells"].items():
        for port, direction in cell["port_directions"].items():
            if direction == "output" and not cell["type"].startswith("$"):
                outputs[tuple(cell["connections"][port])] = f"{name}.{port}"
    nets = {net: outputs.get(tuple(entry["bits"])) for net, entry in module["netnames"].items()}
    return {net: driver for net, driver in nets.items() if driver}


def repeated(line):
    """The line with runs in a concatenation, as of sign bits, written as a repetition."""
    return REPEAT.sub(lambda found: f"{{{found[0].count(',') + 1}{{{found[1]}}}}}", line)


def separated(line, widths):
    """The line, or one assignment per net where it ties several nets to several others at once.

    Read as one, `{ y[4], y[1:0] } = { y[3], 2'h0 }` looks like a loop through y.
    """
    found = TIE.fullmatch(line)
    if not found:
        return [line]
    left, right = ([_piece(part, widths) for part in side.split(", ")] for side in found.groups())
    lines, source = [], list(reversed(right))
    for name, low, width in reversed(left):
        taken = []
        while width > sum(part[2] for part in taken):
            wanted = width - sum(part[2] for part in taken)
            part = source.pop(0)
            if part[2] > wanted:
                source.insert(0, (part[0], part[1] + wanted, part[2] - wanted))
                part = (part[0], part[1], wanted)
            taken.append(part)
        values = [_text(part, widths) for part in reversed(taken)]
        value = values[0] if len(values) == 1 else f"{{ {', '.join(values)} }}"
        lines.append(f"  assign {_text((name, low, width), widths)} = {value};")
    return lines


def _piece(text, widths):
    """(name or binary constant, low bit, width) of one part of a concatenation."""
    if "'" in text:
        width, digits = text.split("'h")
        bits = "".join(digit * 4 if digit in "xz" else f"{int(digit, 16):04b}" for digit in digits)
        return f"'{bits.zfill(int(width))}", 0, int(width)
    name, *span = re.split(r"[\[\]:]", text.rstrip("]"))
    if not span:
        return name, widths[name][1], widths[name][0]
    return name, int(span[-1]), int(span[0]) - int(span[-1]) + 1


def _text(piece, widths):
    """Verilog of a piece."""
    name, low, width = piece
    if name.startswith("'"):
        end = len(name) - low
        return f"{width}'b{name[end - width : end]}"
    if (width, low) == widths[name]:
        return name
    return f"{name}[{low}]" if width == 1 else f"{name}[{low + width - 1}:{low}]"


def gathered(body):
    """Statements of a module, registers with the same edge, reset and enable in one block, where the first stood.

    A block is then one question asked of the whole group, for a reader and for a simulator.
    """
    blocks, result = {}, []
    for found in REGISTER.finditer("\n".join([*body, ""])):
        if found["other"] is not None:
            result.append(found["other"])
            continue
        key = found["edge"], found["reset"], found["enable"]
        if key not in blocks:
            blocks[key] = []
            result.append(key)
        blocks[key].append((found["clears"], found["sets"]))
    return [line for part in result for line in ([part] if isinstance(part, str) else _block(*part, blocks[part]))]


def _block(edge, reset, enable, registers):
    """One block of registers: (statement under reset or None, statement otherwise) each."""
    if len(registers) == 1:
        (clear, set_), guard = registers[0], f"if ({enable}) " if enable else ""
        sets = [f"    {guard}{set_}"] if reset is None else [f"    if ({reset}) {clear}", f"    else {guard}{set_}"]
        return [edge, *sets]
    clears, sets = ([f"      {pair[place]}" for pair in registers] for place in (0, 1))
    guard = f"if ({enable}) begin" if enable else "begin"
    if reset is None:
        return [edge, f"    {guard}", *sets, "    end"]
    return [edge, f"    if ({reset}) begin", *clears, f"    end else {guard}", *sets, "    end"]


def rename(line, names):
    """The line with every name replaced; ports of instances (`.name`) and keywords stay as they are."""

    def replaced(found):
        if found["number"] or (found["plain"] or "").startswith("."):
            return found[0]
        if escaped := found["escaped"]:  # the netlist keeps the backslash of `\\$like`, Amaranth's name for no name
            return names.get(escaped) or names["\\" + escaped]
        return names.get(found["plain"], found["plain"])

    return TOKEN.sub(replaced, line)


def module_text(name, lines, *, names, ports, unread, comment):
    """Text of one module.

    name : of the module
    lines : Yosys' lines of it
    names : {netlist name: text name}, see `plain_names`
    ports : port names in the order of the header
    unread : expressions of the bits that nothing reads, in text names
    comment : str, lines of the comment at the head
    """
    header, nets, initials, body, widths = {}, [], [], [], {}
    header_end = next(number for number, line in enumerate(lines) if line.endswith(");"))  # it may be several lines
    for line in lines[header_end + 1 : -1]:
        line = rename(line, names).rstrip()
        if found := PORT.match(line):
            header[found[3]] = (found[1], found[2] or "")
        elif found := NET.match(line):
            kind, span, net, value = found.groups()
            span = "" if span == "[0:0] " else span
            high, low = map(int, re.findall(r"\d+", span or "0:0"))
            widths[net] = (high - low + 1, low)
            if value:
                initials.append(f"  initial {net}{value};")
            if net in header:
                header[net] = (*header[net][:2], kind)
            else:
                nets.append(f"  {kind} {span or ''}{net};")
        else:
            body += [repeated(part) for part in separated(line, widths)]
    text = [f"// {part}".rstrip() for part in comment.strip().split("\n")]
    text += [f"module {name} (", ",\n".join(port_line(port, *header[port]) for port in ports), ");"]
    text += nets + initials + gathered(body)
    if unread:
        text.append("  wire _unused = &{1'b0, " + ", ".join(unread) + "};")
    return "\n".join([*text, "endmodule", ""])


def port_line(port, direction, span, kind="wire"):
    return f"  {direction:<6} {kind:<4} {span}{port}"
