"""Tiles behind their Verilog, for training: which lockstep a design has."""

from __future__ import annotations

from crosstrain_cosim.gradient_lockstep import RtlGradientTile
from crosstrain_cosim.hybrid_lockstep import RtlHybridTile
from crosstrain_cosim.lockstep import Lockstep, RtlTile
from crosstrain_cosim.stream_lockstep import RtlStreamTile
from crosstrain_model.design import Design


def rtl_tile(design: Design, seed: int, tile: int, rtl: dict[str, str] | None = None) -> Lockstep:
    """Tile number `tile` of a training run; all tiles share one compiled library."""
    if design.carried:
        return RtlHybridTile(design, seed=seed, tile=tile, rtl=rtl)
    if design.streamed:
        return RtlStreamTile(design, seed=seed, tile=tile, rtl=rtl)
    return (RtlGradientTile if design.pulsed else RtlTile)(design, seed=seed, tile=tile, rtl=rtl)
