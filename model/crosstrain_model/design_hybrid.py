"""Section of a design for hybrid weights: the accumulator L in binary devices, and the refresh of multi-level pairs.

Designs of other schemes carry it too, unused.  What becomes of a remainder is `update.remainder`, the most carries of a
visit `update.max_pulses`, and how a refresh programs pairs is `verify`.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

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

    def check(self) -> None:
        if self.read_back and self.cells == "sram":
            raise refuse("hybrid.read_back", True, "must be false where L is in SRAM (hybrid.cells)")
