"""The networks of `training_speed.py` in aihwkit: run by it, in the interpreter that has aihwkit, torch and numpy.

    python aihwkit_driver.py ARRAYS.npz     # x, y, w0, w1, w2; cases come on the standard input, one JSON object a line

Answers are lines of JSON: first the versions, then the figures of every case.
"""

import json
import math
import sys
import time

import numpy as np
import torch
from aihwkit import __version__ as version
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import ChoppedTransferCompound, DynamicTransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.training import UpdateParameters
from torch import nn

GAMMA0 = 100.0
"""crosstrain_model.training.converters.GAMMA0."""


def periphery(case, full_scale):
    """Converters of a read: inputs scaled to their maximum, no noise, no repeated reads."""
    return IOParameters(
        inp_res=1 / (2 ** case["dac"] - 2), out_res=1 / (2 ** case["adc"] - 2), out_bound=full_scale, out_noise=0.0,
        noise_management=NoiseManagementType.ABS_MAX, bound_management=BoundManagementType.NONE,
    )  # fmt: skip


def device(case, sigma_b=0.0, symmetry=True):
    return SoftBoundsReferenceDevice(
        construction_seed=case["seed"], dw_min=2 / case["states"], dw_min_dtod=case["sigma_dd"],
        dw_min_std=case["sigma_cc"], up_down=0.0, up_down_dtod=case["sigma_pm"], w_max=1.0, w_min=-1.0,
        w_max_dtod=sigma_b, w_min_dtod=sigma_b, mult_noise=False, subtract_symmetry_point=symmetry,
    )  # fmt: skip


def config(case):
    """The configuration of a tile."""
    update = UpdateParameters(desired_bl=case["slots"], update_bl_management=True, update_management=True)
    reads = {name: periphery(case, case["adc_range"]) for name in ("forward", "backward")}
    if case["scheme"] == "sgd":
        found = SingleRPUConfig(device=device(case), update=update, **reads)
    else:
        once = UpdateParameters(desired_bl=1, update_bl_management=False, update_management=False)
        read = periphery(case, case["adc_range_row"])
        read.noise_management = NoiseManagementType.NONE
        agad = case["scheme"] == "agad"
        rate = case["rate"] / case["batch"] / (case["slots"] * 2 / case["states"])
        own = {"in_chop_prob": {"ttv2": 0.0, "c-ttv2": case["rho"], "agad": 1 / case["period"]}[case["scheme"]]}
        own |= {"tail_weightening": 5.0} if agad else {}
        compound = (DynamicTransferCompound if agad else ChoppedTransferCompound)(
            unit_cell_devices=[device(case, case["sigma_b"], symmetry=not agad), device(case)],
            transfer_every=case["every"], units_in_mbatch=False, transfer_forward=read, transfer_update=once,
            auto_scale=True, fast_lr=1.0, transfer_lr=rate, scale_transfer_lr=False, auto_granularity=GAMMA0, **own,
        )  # fmt: skip
        found = UnitCellRPUConfig(device=compound, update=update, **reads)
    found.mapping.max_input_size = found.mapping.max_output_size = 0  # one tile a layer
    found.mapping.weight_scaling_omega = 0.0
    return found


def network(case, arrays):
    modules = []
    for k in range(3):
        weights = torch.from_numpy(arrays[f"w{k}"].T.copy())
        layer = AnalogLinear(weights.shape[1], weights.shape[0], rpu_config=config(case))
        layer.set_weights(weights, torch.zeros(len(weights)))
        modules += [layer, nn.Tanh()]
    return AnalogSequential(*modules[:-1])


class Pulses:
    """Pulses to expect of trains, from the vectors that layers see: BL sum p_x sum p_d."""

    def __init__(self, case, model):
        self.case, self.means, self.total, self.vectors = case, {}, 0.0, 0
        self.hooks = []
        for layer in model.modules():
            if isinstance(layer, AnalogLinear):
                self.hooks.append(layer.register_forward_hook(self.forward))
        self.inputs = {}

    def forward(self, layer, inputs, output):
        x = inputs[0].detach()
        output.register_hook(lambda d: self.count(layer, x, d))

    def count(self, layer, x, d):
        for a, b in zip(x.abs(), d.abs(), strict=True):
            self.add(id(layer), a, b)

    def add(self, layer, x, d):
        case, delta = self.case, 2 / self.case["states"]
        top_x, top_d = float(x.max()), float(d.max())
        if top_x == 0 or top_d == 0:
            return
        if case["scheme"] == "sgd":
            rate = case["rate"]
        else:
            old = self.means.get(layer, (top_x, top_d))
            mean = self.means[layer] = (0.99 * old[0] + 0.01 * top_x, 0.99 * old[1] + 0.01 * top_d)
            rate = case["slots"] * delta / (mean[0] * mean[1])
        k = rate * top_x * top_d / delta
        slots = min(math.ceil(k), case["slots"])
        a, dv = math.sqrt(rate / (delta * slots)), top_d * min(1.0, case["slots"] / k)
        p_x, p_d = x * a * math.sqrt(dv / top_x), d * a * math.sqrt(top_x / dv)
        self.total += slots * float(p_x.clamp(max=1.0).sum() * p_d.clamp(max=1.0).sum())


def figures(case, arrays):
    """Samples per second of processor time, best of the rounds; then, untimed, pulses of trains per sample."""
    torch.manual_seed(case["seed"])
    model = network(case, arrays)
    optimizer = AnalogSGD(model.parameters(), lr=case["rate"])
    optimizer.regroup_param_groups(model)
    x, y, size = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"]), case["batch"]
    model.train()

    def learn(first, last):
        for k in range(first, last):
            chosen = slice(k * size, (k + 1) * size)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
            optimizer.step()

    done, shortest = case["warm"], math.inf
    learn(0, done)
    for _ in range(case["rounds"]):
        start = time.process_time()
        learn(done, done + case["batches"])
        shortest = min(shortest, time.process_time() - start)
        done += case["batches"]
    counter = Pulses(case, model)
    learn(done - case["batches"], done)
    pulses = counter.total / case["batches"] / size
    return {"samples_per_s": case["batches"] * size / shortest, "pulses": pulses}


def main():
    torch.set_num_threads(1)
    arrays = dict(np.load(sys.argv[1]))
    print(json.dumps({"aihwkit": version, "torch": torch.__version__, "numpy": np.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(figures(json.loads(line), arrays)), flush=True)


if __name__ == "__main__":
    main()
