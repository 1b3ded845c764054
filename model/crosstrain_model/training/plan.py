"""What a training run is asked to do: one frozen, checked object, stored with the run and compared on resume."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from crosstrain_model.section import Section, choice, integer, real
from crosstrain_model.training.data import DATA_SETS
from crosstrain_model.training.network import NETWORKS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan(Section):
    """One training run.  The golden FP32 run beside it has the same network, data, order, rate and epochs."""

    PATH: ClassVar[str] = "train"

    network: str = choice("mlp", *NETWORKS)
    """Name of the network (`network.py`)."""
    data: str = choice("digits", *DATA_SETS)
    """Name of the data set (`data.py`)."""
    through: str = choice("model", "model", "rtl")
    """Who accumulates and programs: the bit-true model, or the generated Verilog in lockstep with it."""
    epochs: int = integer(20, 1, 10000)
    """Passes over the training set."""
    batch: int = integer(10, 1, 4096)
    """Vectors between two program passes; the last, short batch of an epoch is left out."""
    batches: int = integer(0, 0, 10**6)
    """Batches of an epoch, of samples drawn without repetition; 0: as many as the training set gives."""
    optimizer: str = choice("sgd", "sgd", "adamw")
    """What the host trains with (`optimizer.py`): the golden network; on tiles biases and scales, and weights where the
    host makes their changes."""
    rate: float = real(0.1, 1e-9, 1e3)
    """Learning rate eta on the mean loss of a batch."""
    schedule: str = choice("constant", "constant", "cosine")
    """How the rate falls from epoch to epoch."""
    calibrate: int = integer(100, 0, 10**6)
    """Batches from one setting of ADC ranges to the next, for tiles that set their own (`tile.StreamTile`); 0: once."""
    averaged: int = integer(1, 1, 256)
    """Reads of a vector whose mean is the result, on such tiles: as many tile operations, less noise of reads."""
    weight_decay: float = real(0.0, 0.0, 1.0)
    """Part of a weight, times the rate, that every step takes away."""
    weight_scale: float = real(1.0, 1e-6, 1e6)
    """Real weight that a full-scale conductance stands for; initial weights beyond it are clipped in both runs."""
    samples: int = integer(0, 0, 10**9)
    """Training samples used, the first ones of the set; 0: all."""
    seed: int = integer(1, 0, 2**32 - 1)
    """Seed of initial weights, order of samples, devices and noise."""

    @property
    def extendable(self) -> bool:
        """Whether a resumed run may have more epochs; not where earlier rates depend on them."""
        return self.schedule == "constant"
