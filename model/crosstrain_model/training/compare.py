"""Two runs, held against each other: equal, or the first place where they part."""

from __future__ import annotations

import dataclasses

import numpy as np

from crosstrain_model.training.folder import Arrays, RunError, RunFolder
from crosstrain_model.training.history import History


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs between run A and run B; `divergence` is None where nothing does."""

    divergence: str | None
    asked: str | None
    """What the runs were asked differently, if that is why they may differ; who updated the weights does not count."""
    batch: int | None
    """First batch (from 0) whose program passes differ."""
    tile: int | None
    """The first tile of that batch that differs, counted over all layers."""
    accuracy: tuple[float | None, float | None]
    pulses: tuple[int, int]
    weights_differing: int
    """Conductances that differ at the last checkpoint, of those both runs have."""
    largest_weight_gap: int
    """Largest difference of a conductance, in units of 2^-20 of the half range."""


IGNORED = ("history.seconds", "request")
"""What may differ between equal runs: time, and what they were asked, which says through what they ran."""


def compare(left: RunFolder, right: RunFolder) -> Comparison:
    """Compare two run folders at their last checkpoints."""
    asked = _asked(left, right)
    a, b = _read(left), _read(right)
    histories = [_history(folder, arrays) for folder, arrays in ((left, a), (right, b))]
    batch, tile = _first_digest(histories[0], histories[1])
    differing, gap = _conductances(a, b)
    divergence = None
    if batch is not None:
        divergence = f"batch {batch}, tile {tile}: the program passes differ"
    elif histories[0].batches != histories[1].batches:
        divergence = f"batches learnt: {histories[0].batches} and {histories[1].batches}"
    else:
        divergence = _first_array(a, b)
    accuracies = [h.rows[-1][0] if h.rows else None for h in histories]
    return Comparison(
        divergence=divergence,
        asked=asked,
        batch=batch,
        tile=tile,
        accuracy=(accuracies[0], accuracies[1]),
        pulses=(histories[0].pulses, histories[1].pulses),
        weights_differing=differing,
        largest_weight_gap=gap,
    )


def _asked(left: RunFolder, right: RunFolder) -> str | None:
    """The first differences of the two plans, or of the two designs."""
    (design_a, plan_a), (design_b, plan_b) = left.read_request(), right.read_request()
    fields = [field.name for field in dataclasses.fields(plan_a) if field.name != "through"]
    pairs = [(name, getattr(plan_a, name), getattr(plan_b, name)) for name in fields]
    told = [f"{name} {a} and {b}" for name, a, b in pairs if a != b]
    if design_a != design_b:
        told.append(f"design {design_a.name} and {design_b.name} (see design.toml)")
    return ", ".join(told) or None


def _read(folder: RunFolder) -> Arrays:
    arrays = folder.read_checkpoint()
    if arrays is None:
        raise RunError(f"{folder.checkpoint}: does not exist: the run has no checkpoint yet")
    return arrays


def _history(folder: RunFolder, arrays: Arrays) -> History:
    try:
        return History.from_arrays({n.removeprefix("history."): a for n, a in arrays.items()})
    except ValueError as error:
        raise RunError(f"{folder.checkpoint}: holds no run: {error}") from error


def _first_digest(a: History, b: History) -> tuple[int | None, int | None]:
    for batch, (left, right) in enumerate(zip(a.digests, b.digests, strict=False)):
        if len(left) != len(right):
            return batch, min(len(left), len(right))
        if (left != right).any():
            return batch, int(np.argmax(left != right))
    return None, None


def _first_array(a: Arrays, b: Arrays) -> str | None:
    """Name, index and both values of the first entry that differs, names in order."""
    for name in sorted(a.keys() | b.keys()):
        if name in IGNORED:
            continue
        if name not in a or name not in b:
            return f"{name}: only in the {'first' if name in a else 'second'} run"
        left, right = a[name], b[name]
        if left.shape != right.shape or left.dtype != right.dtype:
            return f"{name}: {left.dtype}{list(left.shape)} and {right.dtype}{list(right.shape)}"
        where = np.argwhere(np.atleast_1d(left != right))
        if len(where):
            at = tuple(int(i) for i in where[0])
            return f"{name}{list(at)}: {np.atleast_1d(left)[at]} and {np.atleast_1d(right)[at]}"
    return None


def _conductances(a: Arrays, b: Arrays) -> tuple[int, int]:
    differing, gap = 0, 0
    for name in sorted(a.keys() & b.keys()):
        if name.endswith(".array.g") and a[name].shape == b[name].shape:
            distance = np.abs(a[name].astype(np.int64) - b[name].astype(np.int64))
            differing += int((distance != 0).sum())
            gap = max(gap, int(distance.max(initial=0)))
    return differing, gap
