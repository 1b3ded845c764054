"""Formal proof, by induction, that the emitted text means what Amaranth's netlist means."""

import pytest

from crosstrain_hdl.emit import PROFILES, convert_all, emit
from crosstrain_hdl.emit_platform import EmissionPlatform
from crosstrain_hdl.emit_yosys import FINISH_SYNC
from crosstrain_hdl.tools import ToolError, yosys

# Registers are paired by name. `async2sync` puts a reset of either kind before the register, alike on both sides.
SCRIPT = """
read_rtlil gold.il
proc -norom
flatten
opt_expr -mux_undef
opt_clean -purge
{synchronous}
async2sync
dffunmap
opt_clean
rename dut gold
design -stash gold
read_verilog gate.v
proc
async2sync
dffunmap
opt_clean
rename dut gate
design -stash gate
design -copy-from gold gold
design -copy-from gate gate
equiv_make gold gate equiv
hierarchy -top equiv
opt_clean
equiv_struct
equiv_simple -undef
equiv_induct -undef -seq 4
equiv_status -assert
"""


def prove(folder, component, text, *, profile):
    """Raise ToolError unless the text is equivalent to the netlist that Amaranth made."""
    sources, _ = convert_all(component, "dut", EmissionPlatform(profile=profile, prefix="dut_"))
    (folder / "gold.il").write_text(sources["dut"])
    (folder / "gate.v").write_text(text)
    (folder / "sync.v").write_text(FINISH_SYNC)
    yosys(SCRIPT.format(synchronous="techmap -map sync.v" if profile == "fpga" else ""), cwd=folder)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sample", ["SignedLane", "Mixture", "Corners"])
def test_text_is_equivalent_to_the_netlist(tmp_path, samples, sample, profile):
    component = getattr(samples, sample)()
    prove(tmp_path, component, emit(component, name="dut", profile=profile)["dut.v"], profile=profile)


@pytest.mark.parametrize(
    ("sample", "right", "wrong"),
    [("Mixture", "spread + 6'h01", "spread + 6'h03"), ("SignedLane", "history_2 <= 12'h000", "history_2 <= 12'h001")],
)
def test_a_broken_text_has_no_proof(tmp_path, samples, sample, right, wrong):
    component = getattr(samples, sample)()
    text = emit(component, name="dut", profile="fpga")["dut.v"]
    assert right in text
    with pytest.raises(ToolError, match="unproven"):
        prove(tmp_path, component, text.replace(right, wrong), profile="fpga")
