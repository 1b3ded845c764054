"""A tile with in-memory gradients as training sees it: the bit-true controller with the arrays A and W.

Vectors act at once: trains, transfers and row programs happen in `accumulate`, and `program` only says what they did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from crosstrain_model.design import Design
from crosstrain_model.gradient_batch import run_vectors
from crosstrain_model.gradient_controller import GradientController, TileArrays
from crosstrain_model.hybrid_tile import HybridTile
from crosstrain_model.stream_tile import VerifiedTile
from crosstrain_model.tile import Ints, ModelTile, Programmed, RowProgram, State, Tile, digest_of
from crosstrain_model.twin.tile import ArrayTile


def model_tile(design: Design, seed: int, tile: int) -> Tile:
    """Tile number `tile` of a training run, in the bit-true model."""
    if design.carried:
        return HybridTile(design, seed=seed, tile=tile)
    if design.verified:
        return VerifiedTile(design, seed=seed, tile=tile)
    return (GradientTile if design.pulsed else ModelTile)(design, seed=seed, tile=tile)


def batch_digest(programs: Iterable[RowProgram], train_pulses: int) -> bytes:
    """8-byte BLAKE2b over a batch: `digest_of` its row programs, then the pulses of its trains as 8 bytes."""
    return hashlib.blake2b(digest_of(programs) + train_pulses.to_bytes(8, "little"), digest_size=8).digest()


class GradientTile:
    """The bit-true controller and the array models of one tile; the contract is `tile.Tile`."""

    reads_array = True
    """Reads are the array's own, so that a grid may read it without the tile."""

    def __init__(self, design: Design, *, seed: int, tile: int):
        self.design = design
        self.controller = GradientController(design, tile=tile)
        self.arrays = TileArrays.of(design, seed=seed, tile=tile)
        self.array = self.arrays.w
        self.programs: list[RowProgram] = []
        self.train_pulses = 0

    @property
    def updates(self) -> int:
        """Accumulators visited; without transfers, weights that vectors were given for."""
        array, transfer = self.design.array, self.controller.transfer
        if transfer is not None:
            return transfer.visits * array.lanes
        return self.controller.sweep.vectors * array.rows * array.columns

    def configure(self, **registers: int) -> None:
        self.controller.configure(**registers)

    def forward(self, codes: Ints, outputs: int | None = None) -> Ints:
        return self.array.forward(codes, outputs)

    def backward(self, codes: Ints, outputs: int | None = None) -> Ints:
        return self.array.backward(codes, outputs)

    def accumulate(self, x: Ints, ex: Ints, d: Ints, ed: Ints) -> None:
        batch = run_vectors(self.controller, x, ex, d, ed, self.arrays)
        self.programs += batch.programs
        self.train_pulses += batch.train_pulses

    def program(self) -> Programmed:
        """What happened since the last call; pulses are those on W."""
        programs, train_pulses = self.programs, self.train_pulses
        self.programs, self.train_pulses = [], 0
        pulses = int(np.abs(np.array([counts for _, counts in programs], np.int64)).sum())
        return Programmed(
            commands=len(programs),
            pulses=pulses if self.design.transfers else train_pulses,
            digest=batch_digest(programs, train_pulses),
        )

    def state(self) -> State:
        return {f"{part}.{name}": v for part, owner in self._owners() for name, v in owner.state().items()}

    def restore(self, state: State) -> None:
        for part, owner in self._owners():
            prefix = f"{part}."
            owner.restore({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})

    def _owners(self) -> list[tuple[str, GradientController | ArrayTile]]:
        gradient = [] if self.arrays.a is None else [("gradient", self.arrays.a)]
        return [("controller", self.controller), ("array", self.array), *gradient]
