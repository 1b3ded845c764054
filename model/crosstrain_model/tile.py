"""A tile as training sees it: one controller with its array, in the model or behind generated Verilog.

`Tile` is the contract; `ModelTile` is the bit-true model of digital accumulation, `gradient_tile.GradientTile` that of
in-memory gradients, `stream_tile.VerifiedTile` that of changes from the host.  The co-simulation offers the same
contract on Verilog, so the training loop exists once.  Codes are integers; whoever makes them from floats is
`training/converters.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crosstrain_model.controller import Controller
from crosstrain_model.design import Design
from crosstrain_model.twin.tile import ArrayTile

Ints = npt.NDArray[np.integer]
State = dict[str, npt.NDArray[np.generic]]
RowProgram = tuple[int, npt.NDArray[np.int8]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Programmed:
    """What one program pass did to a tile."""

    commands: int
    """Rows that got at least one pulse."""
    pulses: int
    """Pulses given to weights, both directions."""
    digest: bytes
    """8-byte BLAKE2b over the pass: equal digests stand for equal rows and pulse counts, in order."""
    mismatches: int = 0
    """Events in which the two sides of a lockstep differ; always 0 for a lone model."""


class Tile(Protocol):
    """One tile: `rows` x `columns` weights that are read, changed and programmed; what all schemes share."""

    array: Any
    """The twin of the weights' array: `ArrayTile`, or `RramTile` of one-sided pairs."""

    @property
    def updates(self) -> int:
        """Weight updates so far: accumulators touched, one per weight of a visited group (where there are any)."""

    def configure(self, **registers: int) -> None:
        """Set the run-time registers that hold the learning rate, by their names in lower case."""

    def forward(self, codes: Ints, outputs: int | None = None) -> Ints:
        """Input codes (vectors, rows) to ADC codes (vectors, columns).

        Codes of fewer rows than there are belong to the first ones, the others get 0; `outputs`: of the first so many
        columns alone.  The codes are those of the whole read.
        """

    def program(self) -> Programmed:
        """The end of a batch: one program pass over the tile, pulses to the array for every accumulator past the
        threshold; with in-memory gradients, what the batch did."""

    def state(self) -> State:
        """All that the future depends on, as arrays."""

    def restore(self, state: State) -> None:
        """Continue from `state()` of an equal tile, to the same bits."""


class VectorTile(Tile, Protocol):
    """A tile that is given vectors, and makes its changes of them."""

    def backward(self, codes: Ints, outputs: int | None = None) -> Ints:
        """Error codes (vectors, columns) to ADC codes (vectors, rows), by a transposed read; fewer as in `forward`."""

    def accumulate(self, x: Ints, ex: Ints, d: Ints, ed: Ints) -> None:
        """Add vectors x (vectors, rows), d (vectors, columns) with their exponents to the accumulators, in order."""


class StreamTile(Tile, Protocol):
    """A tile that holds a digital copy of its weights, and whose changes come from the host, not from vectors."""

    calibrated: bool
    """Whether the ADC range of forward reads is set; part of the state.  False: set it before the next read."""

    def calibrate(self, codes: Ints) -> None:
        """Set it for vectors like these: codes (vectors, rows or the first of them)."""

    def read_copy(self) -> None:
        """Make the digital copy what the array holds now: once, when the weights were loaded."""

    def update(self, codes: Ints) -> None:
        """Add changes of all weights to the accumulators: signed int32 (rows, columns), accumulator units."""

    def copy(self) -> Ints:
        """The digital copy of the weights: int32 (rows, columns), accumulator units."""


class HybridStreamTile(Tile, Protocol):
    """A tile whose changes come from the host, but which keeps no copy of its weights: both reads are the array's."""

    calibrated: bool
    calibrated_backward: bool
    """Whether the ADC ranges of both reads are set, as with `StreamTile`."""

    def calibrate(self, codes: Ints) -> None:
        """Set that of forward reads for vectors like these: codes (vectors, rows or the first of them)."""

    def calibrate_backward(self, codes: Ints) -> None:
        """Set that of transposed reads: codes (vectors, columns or the first of them)."""

    def backward(self, codes: Ints, outputs: int | None = None) -> Ints:
        """As `VectorTile.backward`."""

    def update(self, codes: Ints) -> None:
        """As `StreamTile.update`."""


def digest_of(programs: Iterable[RowProgram]) -> bytes:
    """The digest of a pass: row as 4 bytes, then one signed byte per column, for every programmed row in order."""
    parts: list[bytes] = []
    for row, counts in programs:
        parts += int(row).to_bytes(4, "little"), np.ascontiguousarray(counts, dtype=np.int8).tobytes()
    return hashlib.blake2b(b"".join(parts), digest_size=8).digest()


class ModelTile:
    """The bit-true controller and the array model of one tile."""

    reads_array = True
    """Reads are the array's own, so that a grid may read it without the tile."""

    def __init__(self, design: Design, *, seed: int, tile: int):
        self.controller = Controller(design)
        self.array = ArrayTile(design, seed=seed, tile=tile, engine="numba")
        self.lanes = design.array.lanes

    @property
    def updates(self) -> int:
        return int(self.controller.visits) * self.lanes

    def configure(self, **registers: int) -> None:
        self.controller.configure(**registers)

    def forward(self, codes: Ints, outputs: int | None = None) -> Ints:
        return self.array.forward(codes, outputs)

    def backward(self, codes: Ints, outputs: int | None = None) -> Ints:
        return self.array.backward(codes, outputs)

    def accumulate(self, x: Ints, ex: Ints, d: Ints, ed: Ints) -> None:
        self.controller.update_vectors(x, ex, d, ed)

    def program(self) -> Programmed:
        programs = self.controller.program()
        for row, counts in programs:
            self.array.program_row(row, counts)
        pulses = sum(int(np.abs(counts.astype(np.int64)).sum()) for _, counts in programs)
        return Programmed(commands=len(programs), pulses=pulses, digest=digest_of(programs))

    def state(self) -> State:
        parts = {"controller": self.controller.state(), "array": self.array.state()}
        return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}

    def restore(self, state: State) -> None:
        for part, owner in (("controller", self.controller), ("array", self.array)):
            prefix = f"{part}."
            owner.restore({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})
