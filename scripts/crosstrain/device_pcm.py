"""What `crosstrain device` tells of phase-change devices: those of pairs, and the binary ones that hold bits of L."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.design_pcm import BinaryPcm, Pcm
from crosstrain_model.files import write_text_atomic
from crosstrain_model.twin.measured import Trace, to_csv
from crosstrain_model.twin.pcm import G_MAX_US
from crosstrain_model.twin.pcm_bit_response import BitResponse, bit_errors, bit_response
from crosstrain_model.twin.pcm_picture import draw_bits, draw_pcm
from crosstrain_model.twin.pcm_response import DAY, YEAR, PcmResponse, pcm_response

HALF = 0.5
"""Level whose error and drift are told."""


def respond(args: argparse.Namespace) -> dict[str, Any]:
    """Pulse devices of the array; print what they are, draw and write."""
    return _of_bits(args) if args.array == "L" else _of_pairs(args)


def _of_pairs(args: argparse.Namespace) -> dict[str, Any]:
    design: Design = args.design
    count = args.pulses or max(round(2 / design.pcm.step), 4)
    found = pcm_response(design, args.devices, count)
    told = {name: _moments(values) for name, values in _figures(found).items()}
    print(
        f"array W: phase-change devices of {G_MAX_US:g} uS, {args.devices} pulsed: a RESET, then {count} SET "
        f"of amplitude {found.amplitude:#06x}"
    )
    _print(told)
    print(f"{'cycle noise':17} {design.pcm.sigma_cc:9.4f}  of the step")
    errors = _print_errors(design) if design.cells_array else None
    _write(args, found.trace, np.ones(count, np.bool_))
    if args.output is not None:
        title = f"{design.name}, array W: phase-change devices, largest conductance {G_MAX_US:g} uS"
        draw_pcm(found, title, Path(args.output))
    extra = {"amplitude": found.amplitude, **told, "levels": _levels(found), "bits": errors}
    return _result(args, design.pcm, count, extra)


def _of_bits(args: argparse.Namespace) -> dict[str, Any]:
    design: Design = args.design
    count = args.pulses or 8
    found = bit_response(design, args.devices, count)
    told = {name: _moments(values) for name, values in _bit_figures(found).items()}
    stuck = f", {found.stuck} of them stuck and left out" if found.stuck else ""
    print(f"array L: binary phase-change devices, {args.devices} pulsed{stuck}: {count} SET and {count} RESET in turn")
    _print(told)
    print(f"{'read as 1 above':17} {found.threshold:9.4f}")
    errors = _print_errors(design)
    _write(args, found.trace, found.rising)
    if args.output is not None:
        draw_bits(found, f"{design.name}, array L: binary phase-change devices", Path(args.output))
    return _result(args, design.binary_pcm, [count, count], {"stuck": found.stuck, **told, "bits": errors})


def _result(args: argparse.Namespace, part: Pcm | BinaryPcm, pulses: Any, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "array": args.array,
        "fields": {field.name: getattr(part, field.name) for field in dataclasses.fields(part)},
        "devices": args.devices,
        "pulses": pulses,
        **told,
        "picture": args.output,
        "csv": args.csv,
    }


def _moments(values: npt.NDArray[np.float64]) -> dict[str, float]:
    return {"mean": float(values.mean()), "sigma": float(values.std())}


def _figures(found: PcmResponse) -> dict[str, Any]:
    """What varies over devices, in units of the largest conductance."""
    return {
        "after_reset": found.trace[0],
        "first_step": found.trace[1] - found.trace[0],
        "midway": found.trace[len(found.trace) // 2],
        "after_set": found.trace[-1],
        "half_programmed": found.after(HALF, 0),
        "half_after_a_day": found.after(HALF, DAY),
        "half_after_a_year": found.after(HALF, YEAR),
    }


def _levels(found: PcmResponse) -> list[dict[str, Any]]:
    """Of every level: the error of programming anew, and what is left in time."""
    return [
        {
            "level": float(level),
            "error": _moments(found.errors[place]),
            "after_a_day": _moments(found.after(level, DAY)),
            "after_a_year": _moments(found.after(level, YEAR)),
        }
        for place, level in enumerate(found.levels)
    ]


def _bit_figures(found: BitResponse) -> dict[str, Any]:
    """The same of binary devices; the last pulses of the trace are a SET and a RESET."""
    zeros, ones = found.aged
    return {
        "after_set": found.trace[-2],
        "after_reset": found.trace[-1],
        "one_after_a_year": ones[-1],
        "zero_after_a_year": zeros[-1],
    }


def _print(told: dict[str, dict[str, float]]) -> None:
    for name, value in told.items():
        shown = f"{value['mean']:9.4f}  sigma {value['sigma']:.4f}"
        print(f"{name.replace('_', ' '):17} {shown}   of the largest conductance")


def _print_errors(design: Design) -> dict[str, Any]:
    """How often bits of L are wrong."""
    found = bit_errors(design)
    print(f"bits of L: read wrong after a SET {found.after_set:.4f}, after a RESET {found.after_reset:.4f}, ", end="")
    print(f"a year later ones {found.ones_lost:.4f}, zeros {found.zeros_lost:.4f}; of {found.devices} devices")
    return dataclasses.asdict(found)


def _write(args: argparse.Namespace, trace: npt.NDArray[np.float64], rising: npt.NDArray[np.bool_]) -> None:
    """Responses [1 + pulses, devices] as CSV; where the files are."""
    if args.csv is not None:
        devices = range(trace.shape[1])
        text = to_csv(Trace(device=f"d{n}", conductance=trace[:, n], rising=rising) for n in devices)
        write_text_atomic(args.csv, text)
    for name, target in (("picture", args.output), ("responses", args.csv)):
        if target is not None:
            print(f"{name:17} {target}")
