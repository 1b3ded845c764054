"""The Yosys pass of emission: Amaranth's RTLIL in, Verilog and a JSON netlist out."""

import json
import tempfile
from pathlib import Path

from crosstrain_hdl.tools import yosys

# Order matters. `opt_clean -purge` comes before `opt_dff`, or no enables are found; `-keepdc`, or unknown values of
# the simulated text would be optimised away; full `proc` leaves no `always @*`, which never runs at time 0 under
# `iverilog -g2012` when its inputs are constant; multiplexers in priority order replace parallel ones, whose Verilog
# would need a case with a promise. Resets are asynchronous until `finish.v`, in both profiles: so no other condition
# is ever merged with them, and registers stay in one piece.
SCRIPT = """\
read_rtlil design.il
{keep}
proc -norom
flatten
opt_expr -keepdc
opt_merge
opt_clean -purge
opt_muxtree
opt_dff -simple-dffe -nosdff
opt_expr -keepdc -mux_undef -fine
opt_clean -purge
wreduce -keepdc
opt_clean -purge
techmap -map +/pmux2mux.v
techmap -map pad.v
opt_expr -keepdc -mux_undef -mux_bool
opt_merge
opt_clean -purge
techmap -map finish.v
opt_clean -purge
splitnets -driver w:$*
opt_clean -purge
{uninit}
autoname
check -assert
write_json netlist.json
write_verilog -noattr -noparallelcase design.v
"""

# Operands get the width of the operation, so that no tool has to extend or cut them without being told. Where equal
# widths leave signs without a meaning, {sign} is 0 and the text has no $signed.
PAD_HEAD = """\
(* techmap_celltype = "{op}" *)
module pad_{name} (A, B, Y);
  parameter A_SIGNED = 0; parameter B_SIGNED = 0;
  parameter A_WIDTH = 1; parameter B_WIDTH = 1; parameter Y_WIDTH = 1;
  input [A_WIDTH-1:0] A; input [B_WIDTH-1:0] B; output [Y_WIDTH-1:0] Y;
"""

PAD_BINARY = """\
  localparam S = A_SIGNED && B_SIGNED;
  localparam T = S && {sign};
  wire _TECHMAP_FAIL_ = A_WIDTH == Y_WIDTH && B_WIDTH == Y_WIDTH && A_SIGNED == T && B_SIGNED == T;
  wire [Y_WIDTH-1:0] a, b;
  generate
    if (A_WIDTH == 0) assign a = 0; else if (S) assign a = $signed(A); else assign a = A;
    if (B_WIDTH == 0) assign b = 0; else if (S) assign b = $signed(B); else assign b = B;
  endgenerate
  \\{op} #(.A_SIGNED(T), .B_SIGNED(T), .A_WIDTH(Y_WIDTH), .B_WIDTH(Y_WIDTH), .Y_WIDTH(Y_WIDTH))
    _TECHMAP_REPLACE_ (.A(a), .B(b), .Y(Y));
endmodule
"""

PAD_COMPARE = """\
  localparam S = A_SIGNED && B_SIGNED;
  localparam W = A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH;
  localparam T = S && {sign};
  wire _TECHMAP_FAIL_ = A_WIDTH == B_WIDTH && Y_WIDTH == 1 && A_SIGNED == T && B_SIGNED == T;
  wire [W-1:0] a, b;
  wire y;
  generate
    if (A_WIDTH == 0) assign a = 0; else if (S) assign a = $signed(A); else assign a = A;
    if (B_WIDTH == 0) assign b = 0; else if (S) assign b = $signed(B); else assign b = B;
  endgenerate
  \\{op} #(.A_SIGNED(T), .B_SIGNED(T), .A_WIDTH(W), .B_WIDTH(W), .Y_WIDTH(1))
    _TECHMAP_REPLACE_ (.A(a), .B(b), .Y(y));
  assign Y = y;
endmodule
"""

PAD_SHIFT = """\
  localparam W = A_WIDTH > Y_WIDTH ? A_WIDTH : Y_WIDTH;
  localparam T = A_SIGNED && {sign};
  wire _TECHMAP_FAIL_ = A_WIDTH == Y_WIDTH && A_SIGNED == T && "{op}" == "{to}" || B_SIGNED;
  wire [W-1:0] a, y;
  generate
    if (A_WIDTH == 0) assign a = 0; else if (A_SIGNED) assign a = $signed(A); else assign a = A;
  endgenerate
  \\{to} #(.A_SIGNED(T), .B_SIGNED(0), .A_WIDTH(W), .B_WIDTH(B_WIDTH), .Y_WIDTH(W))
    _TECHMAP_REPLACE_ (.A(a), .B(B), .Y(y));
  assign Y = y;
endmodule
"""

PAD_UNARY = """\
(* techmap_celltype = "{op}" *)
module pad_{name} (A, Y);
  parameter A_SIGNED = 0; parameter A_WIDTH = 1; parameter Y_WIDTH = 1;
  input [A_WIDTH-1:0] A; output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = A_WIDTH == Y_WIDTH && !A_SIGNED;
  wire [Y_WIDTH-1:0] a;
  generate
    if (A_WIDTH == 0) assign a = 0; else if (A_SIGNED) assign a = $signed(A); else assign a = A;
  endgenerate
  \\{op} #(.A_SIGNED(0), .A_WIDTH(Y_WIDTH), .Y_WIDTH(Y_WIDTH)) _TECHMAP_REPLACE_ (.A(a), .Y(Y));
endmodule
"""

# The last word on single cells: tests against zero as a comparison, gates of two inputs as gates.
FINISH = """\
(* techmap_celltype = "$logic_not" *)
module finish_logic_not (A, Y);
  parameter A_SIGNED = 0; parameter A_WIDTH = 1; parameter Y_WIDTH = 1;
  input [A_WIDTH-1:0] A; output [Y_WIDTH-1:0] Y;
  wire y;
  generate
    if (A_WIDTH == 1) begin
      \\$not #(.A_SIGNED(0), .A_WIDTH(1), .Y_WIDTH(1)) _TECHMAP_REPLACE_ (.A(A), .Y(y));
    end else begin
      \\$eq #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(A_WIDTH), .B_WIDTH(A_WIDTH), .Y_WIDTH(1))
        _TECHMAP_REPLACE_ (.A(A), .B({A_WIDTH{1'b0}}), .Y(y));
    end
  endgenerate
  assign Y = y;
endmodule
"""

FINISH_REDUCE = """\
(* techmap_celltype = "$reduce_{op}" *)
module finish_reduce_{op} (A, Y);
  parameter A_SIGNED = 0; parameter A_WIDTH = 1; parameter Y_WIDTH = 1;
  input [A_WIDTH-1:0] A; output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = A_WIDTH != 2 || Y_WIDTH != 1;
  \\${op} #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(1), .B_WIDTH(1), .Y_WIDTH(1))
    _TECHMAP_REPLACE_ (.A(A[0]), .B(A[A_WIDTH-1]), .Y(Y));
endmodule
"""

# The `fpga` profile: the same registers, reset at the clock edge.
FINISH_SYNC = """\
(* techmap_celltype = "$adff" *)
module finish_adff (CLK, ARST, D, Q);
  parameter WIDTH = 1; parameter CLK_POLARITY = 1; parameter ARST_POLARITY = 1; parameter ARST_VALUE = 0;
  input CLK, ARST; input [WIDTH-1:0] D; output [WIDTH-1:0] Q;
  \\$sdff #(.WIDTH(WIDTH), .CLK_POLARITY(CLK_POLARITY), .SRST_POLARITY(ARST_POLARITY), .SRST_VALUE(ARST_VALUE))
    _TECHMAP_REPLACE_ (.CLK(CLK), .SRST(ARST), .D(D), .Q(Q));
endmodule
(* techmap_celltype = "$adffe" *)
module finish_adffe (CLK, ARST, EN, D, Q);
  parameter WIDTH = 1; parameter CLK_POLARITY = 1; parameter EN_POLARITY = 1;
  parameter ARST_POLARITY = 1; parameter ARST_VALUE = 0;
  input CLK, ARST, EN; input [WIDTH-1:0] D; output [WIDTH-1:0] Q;
  \\$sdffe #(.WIDTH(WIDTH), .CLK_POLARITY(CLK_POLARITY), .EN_POLARITY(EN_POLARITY),
    .SRST_POLARITY(ARST_POLARITY), .SRST_VALUE(ARST_VALUE))
    _TECHMAP_REPLACE_ (.CLK(CLK), .SRST(ARST), .EN(EN), .D(D), .Q(Q));
endmodule
"""


def finish_text(profile):
    """Techmap library of the last replacements."""
    parts = [FINISH, *(FINISH_REDUCE.format(op=op) for op in ("and", "or"))]
    return "\n".join([*parts, FINISH_SYNC] if profile == "fpga" else parts)


def pad_text():
    """Techmap library that pads operands."""
    parts = []
    for op in ("$add", "$sub", "$mul", "$and", "$or", "$xor", "$xnor"):
        parts.append((PAD_HEAD + PAD_BINARY).format(op=op, name=op[1:], sign=int(op == "$mul")))
    for op in ("$eq", "$ne", "$lt", "$le", "$gt", "$ge"):
        parts.append((PAD_HEAD + PAD_COMPARE).format(op=op, name=op[1:], sign=int(op not in ("$eq", "$ne"))))
    shifts = {"$shl": "$shl", "$sshl": "$shl", "$shr": "$shr", "$sshr": "$sshr", "$shift": "$shr", "$shiftx": "$shr"}
    for op, to in shifts.items():
        parts.append((PAD_HEAD + PAD_SHIFT).format(op=op, to=to, name=op[1:], sign=int(to == "$sshr")))
    for op in ("$not", "$neg", "$pos"):
        parts.append(PAD_UNARY.format(op=op, name=op[1:]))
    return "\n".join(parts)


def run_pass(rtlil, *, modules, profile):
    """Verilog text and netlist of RTLIL modules.

    rtlil : str, text that holds all modules
    modules : names of the modules that stay modules; their sub-modules are flattened into them
    profile : "fpga" keeps initial values, "asic" drops them
    """
    keep = "\n".join(f"setattr -mod -set keep_hierarchy 1 {name}" for name in modules)
    script = SCRIPT.format(keep=keep, uninit="setattr -unset init w:*" if profile == "asic" else "")
    with tempfile.TemporaryDirectory(prefix="crosstrain_emit_") as folder:
        place = Path(folder)
        (place / "design.il").write_text(rtlil)
        (place / "pad.v").write_text(pad_text())
        (place / "finish.v").write_text(finish_text(profile))
        yosys(script, cwd=place)
        return (place / "design.v").read_text(), json.loads((place / "netlist.json").read_text())
