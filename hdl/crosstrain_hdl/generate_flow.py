"""Files that tools read: constraints, file lists, the FuseSoC core, LibreLane's configuration, and the folder's README.

Constraints leave the outside world `IO_FRACTION` of the clock period on either side of every pin that is timed. Not
timed are `arr_rails_ok`, which may change at any time and passes two registers, and the ways by which rails and reset
drop `arr_prog_enable` without a clock.
"""

import functools
import json

import jinja2

from crosstrain_hdl.emit import reset_port

IO_FRACTION = (2, 10)
"""Part of the clock period, as a fraction of integers, that passes outside: before an input changes, and after an
output is stable."""

UNTIMED_INPUTS = ("arr_rails_ok",)
"""Inputs that no clock edge outside is related to."""

GATED_OUTPUT = "arr_prog_enable"
"""Drops with reset and rails at once, not at a clock edge."""


def period_ps(clock_mhz):
    """Clock period [ps], rounded down, so that the clock asked for is met."""
    return 1_000_000 // clock_mhz


def nanoseconds(ps):
    """Picoseconds as a decimal number of ns: 10000 -> 10.000."""
    return f"{ps // 1000}.{ps % 1000:03d}"


def constraints(design, ports, *, kind):
    """Text of the timing constraints.

    ports : list of `generate_ports.Port`, those of the top
    kind : "sdc" or "xdc": the commands are the same, Vivado is told that the clock is one of its own
    """
    period = period_ps(design.clock_mhz)
    part, whole = IO_FRACTION
    reset = reset_port(design.profile)
    names = {port.name for port in ports}
    timed = [port for port in ports if port.name != "clk" and port.name not in UNTIMED_INPUTS]
    return render(
        "constraints.j2",
        design=design,
        kind=kind,
        reset=reset,
        percent=100 * part // whole,
        period=nanoseconds(period),
        delay=nanoseconds(period * part // whole),
        inputs=[_collection(port) for port in timed if port.direction == "input"],
        outputs=[_collection(port) for port in timed if port.direction == "output"],
        untimed=[name for name in UNTIMED_INPUTS if name in names],
        gated=GATED_OUTPUT if GATED_OUTPUT in names else None,
    )


def _collection(port):
    return f"{port.name}[*]" if port.width > 1 else port.name


def librelane(design, rtl_paths):
    """LibreLane's `config.json`: the controller as a macro of its own, memories as flip-flops unless replaced."""
    sdc = f"dir::{design.name}.sdc"
    table = {
        "meta": {"version": 2, "flow": "Classic"},
        "DESIGN_NAME": design.top,
        "VERILOG_FILES": [f"dir::{path}" for path in rtl_paths],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": period_ps(design.clock_mhz) / 1000,
        "PNR_SDC_FILE": sdc,
        "SIGNOFF_SDC_FILE": sdc,
    }
    return json.dumps(table, indent=2) + "\n"


def file_list(paths):
    """One path a line, relative to the folder: for `-f` of every Verilog tool."""
    return "".join(f"{path}\n" for path in paths)


def core_vlnv(design, version):
    """FuseSoC's name of the core: vendor, library, name, version."""
    return f"crosstrain:tiles:{design.top}:{version}"


@functools.cache
def environment():
    """The templates of this package; an unknown name in one of them is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("crosstrain_hdl", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template, **names):
    """Text of a template of this package."""
    return environment().get_template(template).render(**names)
