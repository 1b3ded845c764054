"""What the host trains with: the optimiser of a plan, its rate epoch by epoch, and its state as arrays.

    sgd      p = p - rate * (mean gradient + weight_decay * p)
    adamw    Adam with decoupled weight decay (Loshchilov & Hutter 2019), beta 0.9 and 0.999, epsilon 1e-8

Losses are summed over a batch; both act as if it were their mean.  Weights decay, nothing else does.  With sgd the rate
of a scale is divided by the number of weights that it multiplies: it moves them all at once.

    constant    rate
    cosine      rate * (1 + cos(pi * epoch / epochs)) / 2        one rate per epoch, epochs from 0
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from crosstrain_model.design import Design
from crosstrain_model.section import refuse
from crosstrain_model.training.layers import TiledLayer
from crosstrain_model.training.network import ScaledConv2d, ScaledLinear
from crosstrain_model.training.plan import Plan

Arrays = dict[str, npt.NDArray[np.generic]]

ADAM = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW remembers of a parameter."""


def check_optimizer(design: Design, plan: Plan) -> None:
    """Refuse what tiles cannot do: those that make outer products of x and d know a rate and nothing else."""
    if design.row.source == "stream":
        if plan.weight_decay and design.carried:
            told = f"must be 0.0 (scheme {design.scheme} keeps no copy of the weights)"
            raise refuse("train.weight_decay", plan.weight_decay, told)
        return
    told = f"(scheme {design.scheme} makes its updates on the tiles)"
    if plan.optimizer != "sgd":
        raise refuse("train.optimizer", plan.optimizer, f"must be sgd {told}")
    if plan.weight_decay:
        raise refuse("train.weight_decay", plan.weight_decay, f"must be 0 {told}")
    if plan.averaged != 1:
        raise refuse("train.averaged", plan.averaged, f"must be 1 {told}")


def rate_of(plan: Plan, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0."""
    if plan.schedule == "constant":
        return plan.rate
    return plan.rate * (1.0 + math.cos(math.pi * epoch / plan.epochs)) / 2.0


def make_optimizer(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The optimiser of all float parameters of a network, at the rate of epoch 0."""
    adam = plan.optimizer == "adamw"
    decay = plan.weight_decay if adam else plan.weight_decay * plan.batch  # of a sum, not of a mean
    weights, scales = [], []
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, TiledLayer)):
            weights += [] if module.weight is None else [module.weight]
        if isinstance(module, (ScaledLinear, ScaledConv2d)):
            scales.append((module.scale, module.weight.numel()))
        elif isinstance(module, TiledLayer) and module.scale is not None:
            scales.append((module.scale, module.grid.inputs * module.grid.outputs))
    taken = {id(p) for p in (*weights, *(scale for scale, _ in scales))}
    others = [p for p in network.parameters() if id(p) not in taken]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": weights, "weight_decay": decay}]
    groups += [{"params": [scale], "share": 1.0 if adam else 1.0 / count} for scale, count in scales]
    if adam:  # sums of gradients are `batch` times their mean, and so is epsilon
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, eps=1e-8 * plan.batch, weight_decay=0.0)
    else:
        optimizer = torch.optim.SGD(groups)
    set_rate(optimizer, plan, plan.rate)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, plan: Plan, rate: float) -> None:
    """Make `rate` the learning rate on the mean of a batch."""
    for group in optimizer.param_groups:
        group["lr"] = (rate if plan.optimizer == "adamw" else rate / plan.batch) * group.get("share", 1.0)


def forget(optimizer: torch.optim.Optimizer) -> None:
    """`zero_grad`, without what torch notes down about it."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def step(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()`; plain SGD by the same sums alone: for a few biases torch's bookkeeping takes longer."""
    if type(optimizer) is not torch.optim.SGD or not all(map(_plain, optimizer.param_groups)):
        optimizer.step()
        return
    with torch.no_grad():
        for group in optimizer.param_groups:
            rate = group["lr"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-rate)


def _plain(group: dict[str, Any]) -> bool:
    """Whether SGD only adds: p - rate * gradient."""
    added = ("momentum", "weight_decay", "maximize", "differentiable")
    return not any(group[name] for name in added) and isinstance(group["lr"], float)


def optimizer_arrays(optimizer: torch.optim.Optimizer) -> Arrays:
    """What the optimiser remembers, `<parameter>.<name>`; nothing for plain SGD."""
    state = optimizer.state_dict()["state"]
    kept = {f"{p}.{name}": v for p, names in state.items() for name, v in names.items()}
    return {name: v.numpy().copy() for name, v in kept.items() if isinstance(v, torch.Tensor)}


def restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Continue from `optimizer_arrays`; raises ValueError for what this optimiser does not remember."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    adam = isinstance(optimizer, torch.optim.AdamW)
    for key, array in arrays.items():
        number, _, name = key.partition(".")
        place = int(number)
        if not (adam and 0 <= place < len(parameters) and name in ADAM):
            raise ValueError(f"optimizer {key}: the optimizer of this run has nothing of that name")
        shape = () if name == "step" else tuple(parameters[place].shape)
        if array.shape != shape or array.dtype != np.float32:
            told = f"must be float32 of shape {shape}"
            raise ValueError(f"optimizer {key}: {told}, not {array.dtype} of shape {array.shape}")
        state.setdefault(place, {})[name] = torch.from_numpy(np.array(array))
    for place, kept in state.items():
        if missing := [name for name in ADAM if name not in kept]:
            raise ValueError(f"optimizer {place}.{missing[0]}: is missing")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
