"""The twin: the analog array in integers, reproducible to the bit on any engine, at any batch split."""

from crosstrain_model.twin.response import pulse_response
from crosstrain_model.twin.tile import ArrayTile

__all__ = ["ArrayTile", "pulse_response"]
