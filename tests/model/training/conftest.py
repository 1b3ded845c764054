"""A small stand-in for tiles of stream schemes: changes accumulate, and past a threshold the weight is set exactly."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design
from crosstrain_model.tile import Programmed, digest_of
from crosstrain_model.training.converters import copy_unit
from crosstrain_model.twin.tile import ArrayTile


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamDesign(Design):
    """A design whose weight changes come from the host, whatever the table of schemes has."""

    @property
    def row(self):
        return dataclasses.replace(super().row, source="stream")

    @property
    def pulsed(self):
        return False


def stream_design(*settings):
    design = load_design("mp-64", ["device.kind=ideal", "formats.fraction=8", *settings])
    return StreamDesign(**{field.name: getattr(design, field.name) for field in dataclasses.fields(Design)})


class FakeStreamTile:
    """Accumulators and copies as the contract `tile.StreamTile` has them."""

    THRESHOLD = 64
    calibrated = False

    def __init__(self, design, seed, tile):
        self.design = design
        self.array = ArrayTile(design, seed=seed, tile=tile)
        self.chi, self.held = (np.zeros((design.array.rows, design.array.columns), np.int32) for _ in range(2))
        self.updates = 0

    def configure(self, **registers):
        raise AssertionError("the rate is the host's")

    def forward(self, codes, outputs=None):
        return self.array.forward(codes, outputs)

    def backward(self, codes, outputs=None):
        raise AssertionError("the backward pass is digital")

    def calibrate(self, codes):
        assert not self.calibrated
        self.calibrated = True

    def accumulate(self, x, ex, d, ed):
        raise AssertionError("there are no outer products")

    def read_copy(self):
        self.held = np.rint(self.array.weights / self.one).astype(np.int32)

    def update(self, codes):
        assert codes.dtype == np.int32
        assert codes.shape == self.chi.shape
        self.chi += codes
        self.updates += int(np.count_nonzero(codes))

    def copy(self):
        return self.held

    def program(self):
        hits = abs(self.chi) >= self.THRESHOLD
        self.held = self.held + np.where(hits, self.chi, 0).astype(np.int32)
        self.chi[hits] = 0
        rows = np.flatnonzero(hits.any(axis=1))
        if len(rows):
            self.array.load_weights(np.rint(self.held * self.one).astype(np.int32))
        digest = digest_of((int(row), hits[row]) for row in rows)
        return Programmed(commands=len(rows), pulses=int(hits.sum()), digest=digest)

    def state(self):
        return {"chi": self.chi.copy(), "held": self.held.copy(), "told": np.array([self.updates, self.calibrated])} | {
            f"array.{name}": value for name, value in self.array.state().items()
        }

    def restore(self, state):
        self.chi, self.held = state["chi"].copy(), state["held"].copy()
        self.updates, self.calibrated = int(state["told"][0]), bool(state["told"][1])
        self.array.restore({name[6:]: value for name, value in state.items() if name.startswith("array.")})

    @property
    def one(self):
        """Weights of the array in one unit of accumulators."""
        return self.array.weight_one * copy_unit(self.design)


@pytest.fixture
def streamed():
    """A design of a stream scheme, with what builds its tiles: (design(*settings), factory)."""
    return stream_design, FakeStreamTile
