"""What a run has done so far: position, one row per epoch, one digest per batch and tile."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.tile import Programmed


@dataclasses.dataclass(kw_only=True)
class History:
    """Counters of a run; `rows` holds one line per finished epoch, in the order of `COLUMNS`."""

    batches: int = 0
    """Batches learnt, over all epochs."""
    pulses: int = 0
    """Pulses given to weights."""
    commands: int = 0
    """Row programs."""
    mismatches: int = 0
    """Differences found in lockstep; 0 for the model alone."""
    seconds: float = 0.0
    """Time spent learning, over all starts of the run."""
    rows: list[list[float]] = dataclasses.field(default_factory=list)
    digests: list[npt.NDArray[np.uint64]] = dataclasses.field(default_factory=list)
    """Per batch, the digest of every tile's program pass."""

    COLUMNS = ("accuracy", "golden_accuracy", "pulses", "commands", "updates")

    def count(self, passes: list[Programmed]) -> None:
        """Add one batch."""
        self.batches += 1
        self.pulses += sum(p.pulses for p in passes)
        self.commands += sum(p.commands for p in passes)
        self.mismatches += sum(p.mismatches for p in passes)
        self.digests.append(np.frombuffer(b"".join(p.digest for p in passes), dtype="<u8"))

    def close_epoch(self, accuracy: float, golden: float, updates: int) -> None:
        """Add one row; pulses, commands and updates are totals since the start."""
        self.rows.append([accuracy, golden, self.pulses, self.commands, updates])

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The history as arrays, for a checkpoint."""
        counters = [self.batches, self.pulses, self.commands, self.mismatches]
        return {
            "counters": np.array(counters, dtype=np.int64),
            "seconds": np.array([self.seconds]),
            "rows": np.array(self.rows, dtype=np.float64).reshape(-1, len(self.COLUMNS)),
            "digests": np.array(self.digests, dtype=np.uint64).reshape(len(self.digests), -1 if self.digests else 0),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[np.generic]]) -> History:
        """The inverse of `arrays`."""
        where = "history"
        counted = state_checks.counters(where, arrays, "counters", ("batches", "pulses", "commands", "mismatches"))
        rows = arrays.get("rows", np.zeros(0))
        rows = state_checks.reals(where, arrays, "rows", (len(np.atleast_1d(rows)), len(cls.COLUMNS)))
        digests = arrays.get("digests", np.zeros(0))
        if digests.ndim != 2 or digests.dtype != np.uint64 or len(digests) != counted["batches"]:
            wanted = f"must be uint64, a row for each of {counted['batches']} batches"
            raise ValueError(f"{where} digests: {wanted}, not {digests.dtype} of shape {digests.shape}")
        (seconds,) = state_checks.reals(where, arrays, "seconds", (1,)).tolist()
        return cls(**counted, seconds=seconds, rows=rows.tolist(), digests=list(digests.astype(np.uint64)))
