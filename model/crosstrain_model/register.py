"""What a register is, and the rule of an access.

A register is a word of 32 bits at a multiple of 4.  Its `kind` says who holds it and its access follows:

    kind      access  what it is
    constant  ro      fixed when the Verilog is generated
    status    ro      a signal of the controller
    setting   rw      held by the bank, resets to the design's value; written only while STATUS.idle
    control   rw      held by the bank; written at any time
    command   wo      a written 1 acts once; a read is illegal
    sticky    w1c     a bit is set by an event and cleared by writing 1 to it; an event in the same cycle wins
    window    rw      read and written through the controller; both only while STATUS.idle

Rule of an access, in this order; the first that applies decides:

    1  no register there, address not a multiple of 4, a write to ro, a read of wo      -> SLVERR alone
    2  a write without all four byte strobes                                             -> SLVERR, IRQ_STATUS.refused
    3  a value that does not fit (`Register.fits`: bounds, bits outside every field)     -> SLVERR, IRQ_STATUS.refused
    4  `needs_idle` while STATUS.idle is low                                             -> SLVERR, IRQ_STATUS.refused
    5  otherwise                                                                         -> OKAY, done in full

Rules 2 to 4 are what *refused* means; neither they nor rule 1 change anything else.  Signed registers hold two's
complement, sign-extended to 32 bits.
"""

from __future__ import annotations

import dataclasses

ACCESS = {
    "constant": "ro",
    "status": "ro",
    "setting": "rw",
    "control": "rw",
    "command": "wo",
    "sticky": "w1c",
    "window": "rw",
}
"""Kind -> access, as the module's head explains them."""

OKAY, SLVERR = 0, 2
"""AXI4-Lite responses (IHI 0022, A3.4.4)."""

ADDRESS_BITS = 12
"""Bits of a byte address: the bank fills one page of 4 KiB."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """Some bits of a register, with a meaning of their own."""

    name: str
    low: int
    """Lowest bit."""
    width: int = 1
    """Bits."""
    reset: int = 0
    """Value after reset, or the constant."""
    high: int | None = None
    """Largest legal value; None: all that fit."""
    needs_idle: bool = False
    """Whether a 1 may be written only while STATUS.idle (commands)."""
    doc: str = ""

    @property
    def mask(self) -> int:
        """The field's bits in the word."""
        return ((1 << self.width) - 1) << self.low

    @property
    def maximum(self) -> int:
        """Largest legal value."""
        return (1 << self.width) - 1 if self.high is None else self.high


@dataclasses.dataclass(frozen=True, kw_only=True)
class Register:
    """One word of the table."""

    name: str
    offset: int
    """Byte address."""
    kind: str
    """See the module's head."""
    width: int = 32
    """Bits, from bit 0; a register with fields has 32."""
    signed: bool = False
    low: int | None = None
    """Least legal value written; None: all that fit."""
    high: int | None = None
    """Largest legal value written; None: all that fit."""
    reset: int = 0
    """Value after reset, or the constant; fields have their own."""
    fields: tuple[Field, ...] = ()
    doc: str = ""

    @property
    def access(self) -> str:
        """ro, rw, wo or w1c."""
        return ACCESS[self.kind]

    @property
    def needs_idle(self) -> bool:
        """Whether every access that the rule guards needs STATUS.idle (commands: see the field)."""
        return self.kind in ("setting", "window")

    @property
    def minimum(self) -> int:
        """Least legal value."""
        if self.low is not None:
            return self.low
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest legal value."""
        if self.high is not None:
            return self.high
        return (1 << (self.width - self.signed)) - 1

    @property
    def reset_word(self) -> int:
        """The word of 32 bits after reset."""
        if self.fields:
            return sum(field.reset << field.low for field in self.fields)
        return self.reset & 0xFFFFFFFF

    def fits(self, word: int) -> bool:
        """Whether a written word of 32 bits is legal."""
        if self.fields:
            legal = all((word & field.mask) >> field.low <= field.maximum for field in self.fields)
            return legal and not word & ~sum(field.mask for field in self.fields)
        value = word - (1 << 32) if self.signed and word >> 31 else word
        return self.minimum <= value <= self.maximum

    def write_refused(self, word: int, strobe: int, idle: bool) -> bool:
        """Rules 2 to 4 for a write to a register that may be written."""
        if strobe != 0xF or not self.fits(word):
            return True
        wants_idle = self.needs_idle or any(field.needs_idle and word & field.mask for field in self.fields)
        return wants_idle and not idle

    def read_refused(self, idle: bool) -> bool:
        """Rule 4 for a read."""
        return self.kind == "window" and not idle
