"""The training loop: one for every scheme, resumable to the same bits at every checkpoint.

Order of everything: epoch by epoch, batch by batch in an order drawn from (seed, epoch); per batch the golden network
steps, then the tiles; after an epoch both are tested.  A rate that falls changes before the first batch of an epoch.
Reads of the test set are events of the array like any other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from crosstrain_model.design import Design
from crosstrain_model.design_file import design_hash
from crosstrain_model.section import refuse
from crosstrain_model.training.data import DATA_SETS
from crosstrain_model.training.download import data_folder
from crosstrain_model.training.folder import Arrays, RunError, RunFolder
from crosstrain_model.training.grid import TileFactory
from crosstrain_model.training.history import History
from crosstrain_model.training.network import as_inputs
from crosstrain_model.training.optimizer import (
    check_optimizer,
    optimizer_arrays,
    rate_of,
    restore_optimizer,
    set_rate,
)
from crosstrain_model.training.pair import build
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.writes import layer_writes

CHECKPOINT_SECONDS = 15.0
"""Longest stretch of learning that a killed run loses."""

Listener = Callable[["Run"], None]
"""Called after every batch and epoch, for progress."""


class Run:
    """One training run in memory; with a folder it checkpoints there.

    data_dir : folder of data sets; None: $CROSSTRAIN_DATA, else a cache that downloads fill

    Raises `UserError` for what cannot be trained, and where activations stop being finite, `RunError` for a folder that
    does not fit.
    """

    def __init__(
        self,
        design: Design,
        plan: Plan,
        factory: TileFactory,
        folder: RunFolder | None = None,
        *,
        data_dir: Path | None = None,
    ):
        check_optimizer(design, plan)
        torch.set_num_threads(1)  # sums of float32 depend on how they are split
        self.design, self.plan, self.folder = design, plan, folder
        data = DATA_SETS[plan.data](data_folder(data_dir))
        train_x, test_x = (as_inputs(plan.network, x) for x in (data.train_x, data.test_x))
        self.data = dataclasses.replace(data, train_x=train_x, test_x=test_x)
        self.samples = min(plan.samples or len(data.train_y), len(data.train_y))
        most = self.samples // plan.batch
        if not most:
            raise refuse("train.batch", plan.batch, f"must be at most the {self.samples} training samples")
        if plan.batches > most:
            bound = f"must be at most {most}, the batches of {plan.batch} in {self.samples} training samples"
            raise refuse("train.batches", plan.batches, bound)
        self.epoch_batches = plan.batches or most
        self.golden, self.tiles = build(design, plan, self.data, factory)
        self.history = History()
        self.saved_at = time.monotonic()
        if folder is not None and (arrays := folder.read_checkpoint()) is not None:
            self.restore(arrays)
            if self.history.batches > self.batches:
                learnt = -(-self.history.batches // self.epoch_batches)
                bound = f"must be at least the {learnt} that {folder.path} has begun"
                raise RunError(f"train.epochs = {plan.epochs}: {bound}")

    @property
    def batches(self) -> int:
        """Batches of the whole run."""
        return self.plan.epochs * self.epoch_batches

    @property
    def updates(self) -> int:
        """Weight updates so far, over all tiles."""
        return sum(tile.updates for grid in self.tiles.grids for tile in grid.tiles)

    def learn(self, listener: Listener = lambda run: None) -> None:
        """Run to the end from wherever the state stands; checkpoints on the way and at the end."""
        while self.history.batches < self.batches:
            self._learn_batch()
            listener(self)
            if self.folder is not None and time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS:
                self.checkpoint()
        self._audit()
        self.checkpoint()

    def _audit(self) -> None:
        """Where tiles are compared with something: once more at the end, all that they hold, checkpoints or not."""
        for grid in self.tiles.grids:
            for tile in grid.tiles:
                if (audit := getattr(tile, "audit", None)) is not None:
                    self.history.mismatches += audit()

    def _learn_batch(self) -> None:
        start = time.perf_counter()
        epoch, batch = divmod(self.history.batches, self.epoch_batches)
        self._set_rate(epoch, first=batch == 0)
        order = np.random.Generator(np.random.PCG64([self.plan.seed, epoch])).permutation(self.samples)
        chosen = torch.from_numpy(order[batch * self.plan.batch : (batch + 1) * self.plan.batch])
        x, y = self.data.train_x[chosen], self.data.train_y[chosen]
        self.golden.step(x, y)
        if self.plan.calibrate and self.history.batches % self.plan.calibrate == 0:
            for grid in self.tiles.grids:
                grid.calibrate()
        self.history.count(self.tiles.step(x, y))
        self.history.seconds += time.perf_counter() - start
        if batch + 1 == self.epoch_batches:
            accuracy = self.tiles.accuracy(self.data.test_x, self.data.test_y)
            golden = self.golden.accuracy(self.data.test_x, self.data.test_y)
            self.history.close_epoch(accuracy, golden, self.updates)

    def _set_rate(self, epoch: int, *, first: bool) -> None:
        """The rate of an epoch: for the optimisers always, as a resumed run has them new; for tiles when it changes."""
        rate = rate_of(self.plan, epoch)
        for learner in (self.golden, self.tiles):
            set_rate(learner.optimizer, self.plan, rate)
        if first and epoch and rate != rate_of(self.plan, epoch - 1):
            for grid in self.tiles.grids:
                grid.configure(rate / self.plan.batch)

    def figures(self) -> dict[str, object]:
        """The figures of the run so far, under the names that the command line reports."""
        accuracy, golden = self.history.rows[-1][:2] if self.history.rows else (None, None)
        seconds = self.history.seconds
        writes = {"layers": layer_writes(self.tiles.grids)} if self.design.verified else {}
        return {
            "accuracy": accuracy,
            "golden_accuracy": golden,
            "pulses": self.history.pulses,
            "updates": self.updates,
            "commands": self.history.commands,
            "mismatches": self.history.mismatches,
            "samples_per_second": self.history.batches * self.plan.batch / seconds if seconds else 0.0,
            **writes,
        }

    def checkpoint(self) -> None:
        """Write the whole state to the folder, if there is one."""
        if self.folder is not None:
            self.folder.write_checkpoint(self.arrays())
            self.saved_at = time.monotonic()

    def arrays(self) -> Arrays:
        """Everything the future depends on: history, both networks' floats and their optimisers, every tile."""
        arrays: Arrays = {f"history.{name}": a for name, a in self.history.arrays().items()}
        arrays["request"] = self._request()
        for side, learner in (("golden", self.golden), ("tiles", self.tiles)):
            for name, tensor in learner.network.state_dict().items():
                arrays[f"{side}.{name}"] = tensor.numpy()
            arrays |= {f"{side}_optimizer.{name}": a for name, a in optimizer_arrays(learner.optimizer).items()}
        for layer, grid in enumerate(self.tiles.grids):
            for k, tile in enumerate(grid.tiles):
                arrays.update({f"layer{layer}.tile{k}.{name}": a for name, a in tile.state().items()})
        return arrays

    def restore(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Continue from `arrays()` of a run with the same design and plan."""
        where = self.folder.checkpoint if self.folder else "checkpoint"
        if not np.array_equal(arrays.get("request", ()), self._request()):
            raise RunError(f"{where}: belongs to another design, plan or data set")
        try:
            self.history = History.from_arrays(_under(arrays, "history."))
            for side, learner in (("golden", self.golden), ("tiles", self.tiles)):
                tensors = {n: torch.from_numpy(np.array(a)) for n, a in _under(arrays, f"{side}.").items()}
                for name, own in learner.network.state_dict().items():
                    if name in tensors and tensors[name].dtype != own.dtype:  # torch would convert it
                        raise ValueError(f"{side}.{name}: must be {own.dtype}, not {tensors[name].dtype}")
                learner.network.load_state_dict(tensors)
                restore_optimizer(learner.optimizer, _under(arrays, f"{side}_optimizer."))
            for layer, grid in enumerate(self.tiles.grids):
                for k, tile in enumerate(grid.tiles):
                    tile.restore(_under(arrays, f"layer{layer}.tile{k}."))
        except (LookupError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise RunError(f"{where}: does not fit this run: {error}".split("\n")[0]) from error

    def _request(self) -> npt.NDArray[np.uint8]:
        """What a checkpoint belongs to: a hash of design, plan and data, but for epochs that may be raised."""
        plan = dataclasses.asdict(self.plan) | ({"epochs": None} if self.plan.extendable else {})
        text = design_hash(self.design) + json.dumps(plan, sort_keys=True) + self.data.digest
        return np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8)


def _under(arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> Arrays:
    """The entries whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
