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
    rate: float = real(0.1, 1e-9, 1e3)
    """Learning rate eta of plain SGD on the mean loss of a batch."""
    weight_scale: float = real(1.0, 1e-6, 1e6)
    """Real weight that a full-scale conductance stands for; initial weights beyond it are clipped in both runs."""
    samples: int = integer(0, 0, 10**9)
    """Training samples used, the first ones of the set; 0: all."""
    seed: int = integer(1, 0, 2**32 - 1)
    """Seed of initial weights, order of samples, devices and noise."""
