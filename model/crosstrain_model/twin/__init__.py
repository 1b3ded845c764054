"""The twin: the analog array, reproducible to the bit on any engine."""

from crosstrain_model.twin.tile import ArrayTile

__all__ = ["ArrayTile"]
