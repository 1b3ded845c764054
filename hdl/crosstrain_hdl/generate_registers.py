"""The register table in the two languages that tools exchange: SystemRDL 2.0 and CMSIS-SVD 1.3.

Both say what `crosstrain_model.registers` says: names, offsets, widths, access, reset values, fields and their text.
That an access may be refused (see `crosstrain_model.register`) neither language can say: it stands in the description.
"""

from xml.sax.saxutils import escape

from crosstrain_hdl.generate_flow import render
from crosstrain_model import __version__
from crosstrain_model.register import ADDRESS_BITS, Field
from crosstrain_model.registers import register_table

SVD_ACCESS = {"ro": "read-only", "rw": "read-write", "wo": "write-only", "w1c": "read-write"}
"""Our access -> that of CMSIS-SVD."""

RDL_ACCESS = {
    "constant": "sw = r; hw = na;",
    "status": "sw = r; hw = w;",
    "setting": "sw = rw; hw = r;",
    "control": "sw = rw; hw = r;",
    "command": "sw = w; hw = r; singlepulse;",
    "sticky": "sw = rw; hw = w; woclr; hwset;",
    "window": "sw = rw; hw = rw;",
}
"""Kind of a register -> properties of its fields in SystemRDL."""


def fields_of(register):
    """Fields of a register; where it has none, one called `value` that is all of it, sign extension included."""
    if register.fields:
        return register.fields
    width = 32 if register.signed else register.width
    reset = register.reset_word & ((1 << width) - 1)
    return (Field(name="value", low=0, width=width, reset=reset, doc=register.doc),)


def rdl_text(design):
    """The register map as SystemRDL."""
    return _render("regs.rdl.j2", design, access=RDL_ACCESS, quote=_quote)


def svd_text(design):
    """The register map as CMSIS-SVD, one device with one peripheral at address 0."""
    return _render("regs.svd.j2", design, access=SVD_ACCESS, escape=escape)


def _render(template, design, **names):
    table = register_table(design)
    return render(
        template, design=design, version=__version__, table=table, fields_of=fields_of, size=1 << ADDRESS_BITS, **names
    )


def _quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
