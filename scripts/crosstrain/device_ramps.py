"""What `crosstrain device` tells of one-sided devices: their answer to the ramps of write-verify."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from crosstrain_model.design import Design
from crosstrain_model.files import write_text_atomic
from crosstrain_model.twin.measured import Trace, to_csv
from crosstrain_model.twin.response_picture import draw_response
from crosstrain_model.twin.rram_response import RampResponse, ramp_response


def respond(args: argparse.Namespace) -> dict[str, Any]:
    """Pulse devices of the array; print what they are, draw and write."""
    design: Design = args.design
    found = ramp_response(design, args.devices, args.pulses)
    count = int(found.rising.sum())
    told = {name: {"mean": float(v.mean()), "sigma": float(v.std())} for name, v in _figures(found).items()}
    trains = f"{count} SET, then {len(found.rising) - count} RESET"
    _print(design, told, trains, args)
    _write(design, found, trains, args)
    return {
        "array": "W",
        "fields": {field.name: getattr(design.rram, field.name) for field in dataclasses.fields(design.rram)},
        "devices": args.devices,
        "pulses": [count, len(found.rising) - count],
        **told,
        "picture": args.output,
        "csv": args.csv,
    }


def _figures(found: RampResponse) -> dict[str, Any]:
    """What varies over devices; conductances in units of the largest, thresholds as amplitude codes."""
    top = int(found.rising.sum())
    return {
        "after_set": found.trace[top],
        "after_reset": found.trace[-1],
        "relaxation": found.relaxed,
        "set_threshold": found.thresholds[0],
        "reset_threshold": found.thresholds[1],
    }


def _print(design: Design, told: dict[str, dict[str, float]], trains: str, args: argparse.Namespace) -> None:
    part = design.rram
    print(f"array W: RRAM devices of {part.levels} levels, {part.low:g} to 1, {args.devices} pulsed: {trains}")
    for name, value in told.items():
        threshold = name.endswith("threshold")
        unit, digits = ("code of the amplitude", 0) if threshold else ("of the largest conductance", 4)
        print(f"{name.replace('_', ' '):15} {value['mean']:9.{digits}f}  sigma {value['sigma']:.{digits}f}   {unit}")
    print(f"cycle noise     {part.sigma_cc:9.4f}  of the step")
    for name, target in (("picture", args.output), ("responses", args.csv)):
        if target is not None:
            print(f"{name:15} {target}")


def _write(design: Design, found: RampResponse, trains: str, args: argparse.Namespace) -> None:
    if args.csv is not None:
        devices = range(found.trace.shape[1])
        text = to_csv(Trace(device=f"d{n}", conductance=found.trace[:, n], rising=found.rising) for n in devices)
        write_text_atomic(args.csv, text)
    if args.output is not None:
        half, middle = int(found.rising.sum()) // 2, (1.0 + design.rram.low) / 2
        points = [(f"after {half} SET", found.trace[half]), ("middle, relaxed", middle + found.relaxed)]
        title = f"{design.name}, array W: RRAM, ramps of write-verify"
        draw_response(found.trace, trains, points, title, Path(args.output), None, unit="largest")
