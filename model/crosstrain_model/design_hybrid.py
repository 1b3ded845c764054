"""Section of parameters for hybrid weights: the accumulator L in binary devices, and the refresh of multi-level pairs.

A section of its own: no scheme names it yet, and no design file holds it.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from crosstrain_model.design import Design
from crosstrain_model.random_streams import OTHER_BITS
from crosstrain_model.section import Section, choice, flag, integer, refuse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hybrid(Section):
    """Weights of multi-level pairs (most significant) and a short accumulator (least); Joshi et al. 2021.

    The paper's abstract alone could be read: all numbers are reconstructed or assumed.
    """

    PATH: ClassVar[str] = "hybrid"

    bits: int = integer(7, 4, 12)
    """b_L: bits of L, sign included (reconstructed)."""
    code: str = choice("twos-complement", "twos-complement", "gray")
    """How cells hold L: two's complement, or its Gray code, in which neighbours differ in one cell."""
    remainder: str = choice("keep", "keep", "clear")
    """After a carry: L keeps what is beyond it, or is cleared."""
    cells: str = choice("binary", "binary", "sram")
    """Where L is: in binary devices behind the array port, or in a memory of the controller."""
    read_back: bool = flag(False)
    """Written rows of L are read again, and cells that are not what was written are counted.  Binary devices only."""
    refresh_every: int = integer(10, 0, 65535)
    """N_ref: batches between two refreshes of the pairs; 0: none (reconstructed).  *register*."""
    saturation: int = integer(410, 0, 2**18 - 1)
    """G_sat: a pair is refreshed if the code of either device is above it [ADC codes of a row read] (assumed: 0.8 of
    the range of 9 bits).  *register*."""

    @property
    def scale(self) -> int:
        """S = 2^(bits - 1): what a carry is worth in L."""
        return 1 << (self.bits - 1)

    def check_design(self, design: Design) -> None:
        """Rules between these fields and the design whose tile they are of; raises UserError."""
        if design.array.pair != "set-only":
            raise refuse("array.pair", design.array.pair, "must be set-only: carries are SET pulses")
        if design.formats.fraction > OTHER_BITS:
            bound = f"must be 0..{OTHER_BITS}: the bits of a draw that rounds"
            raise refuse("formats.fraction", design.formats.fraction, bound)
        if self.saturation >= 1 << design.formats.adc:
            bound = f"must be 0..{(1 << design.formats.adc) - 1} (formats.adc)"
            raise refuse("hybrid.saturation", self.saturation, bound)
        if self.read_back and self.cells == "sram":
            raise refuse("hybrid.read_back", True, "must be false where L is in SRAM (hybrid.cells)")
