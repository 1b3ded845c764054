"""`crosstrain device`: how the devices of a design answer to pulses, and which device a measurement fits."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain.options import add_command, path
from crosstrain_model.design import Design
from crosstrain_model.design_device import Device
from crosstrain_model.errors import UserError
from crosstrain_model.files import check_writable, write_text_atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from crosstrain_model.twin.fit import Fit
    from crosstrain_model.twin.measured import Trace
    from crosstrain_model.twin.tile import ArrayTile

    Reals = npt.NDArray[np.float64]

PULSES_LIMIT = 100_000
PICTURES = ("", ".png", ".pdf", ".svg")
"""Endings of a picture's name; the empty one is a PNG."""


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(subparsers, "device", help="show how devices answer to pulses, or fit one to a measurement")
    next(action for action in parser._actions if action.dest == "source").nargs = "?"  # not with --fit
    parser.add_argument("--array", choices=("A", "W", "L"), help="array whose device is meant (default W)", default="W")
    parser.add_argument("--fit", metavar="CSV", type=path, help="fit a device to pulse responses; prints its section")
    parser.add_argument("--devices", metavar="N", type=int, default=200, help="devices to pulse (default 200)")
    parser.add_argument("--pulses", metavar="N", type=int, help="pulses of a direction (default: what spans the range)")
    parser.add_argument("-o", "--output", metavar="FILE", type=path, help="picture: .png, .pdf or .svg")
    parser.add_argument("--csv", metavar="FILE", type=path, help="write the responses in the form that --fit reads")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print what the devices are; draw, write and return what was asked for."""
    from crosstrain_model.twin.response_picture import check_matplotlib

    if (args.source is None) == (args.fit is None):
        raise UserError("device: needs a DESIGN or --fit CSV, and not both (see crosstrain device --help)")
    if args.fit is not None and args.set:
        raise UserError("device: --set needs a DESIGN: there is none to change with --fit")
    if args.fit is not None and args.array == "L":
        raise UserError("--array L: no device of it can be fitted")
    for name, low, high in (("devices", 1, 1024), ("pulses", 1, PULSES_LIMIT), ("seed", 0, 2**32 - 1)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise UserError(f"--{name} {value}: must be {low}..{high}")
    if args.output is not None and Path(args.output).suffix.lower() not in PICTURES:
        raise UserError(f"-o {args.output}: must end in .png, .pdf or .svg")
    for target in (args.output, args.csv):
        if target is not None:
            check_writable(target)
    if args.output is not None:
        check_matplotlib()
    if args.fit is not None:
        return _fit(args)
    if args.array == "A" and not args.design.transfers:
        raise UserError(f"--array A: scheme {args.design.scheme} has no gradient array")
    if args.array == "L" and not args.design.cells_array:
        raise UserError(f"--array L: {args.design.name} has no array of binary devices")
    if args.design.verified:
        from crosstrain.device_ramps import respond

        return respond(args)
    if args.design.carried:
        from crosstrain.device_pcm import respond as respond_pcm

        return respond_pcm(args)
    return _respond(args)


def _fit(args: argparse.Namespace) -> dict[str, Any]:
    """Fit, print the section, and draw the fitted device beside the measured ones."""
    import numpy as np

    from crosstrain_model.twin.fit import fit
    from crosstrain_model.twin.measured import read

    traces = read(args.fit)
    same = all(np.array_equal(trace.rising, traces[0].rising) for trace in traces)
    if not same and (args.output is not None or args.csv is not None):
        raise UserError(f"{args.fit}: -o and --csv need the same pulses on all devices")
    found = fit(traces, args.fit)
    section = "gradient_device" if args.array == "A" else "device"
    print(_section(found, section, args.fit), end="")
    if args.output is not None or args.csv is not None:
        _beside(args, traces, found)
    return {
        "source": args.fit,
        "section": section,
        "fields": _told(found.device),
        **{name: getattr(found, name) for name in ("centre", "half", "devices", "still", "pulses", "residual")},
        "picture": args.output,
        "csv": args.csv,
    }


def _beside(args: argparse.Namespace, traces: list[Trace], found: Fit) -> None:
    """The fitted device takes the measured pulses, from the measured beginnings."""
    import numpy as np

    from crosstrain_model.twin.device import ONE
    from crosstrain_model.twin.response import row_of_devices, run_of_pulses

    rising = traces[0].rising
    measured = (np.stack([trace.conductance for trace in traces], axis=1) - found.centre) / found.half
    tile = row_of_devices(Design(name="fitted", device=found.device), args.devices, seed=args.seed)
    begin = np.rint(np.resize(measured[0], args.devices) * ONE).astype(np.int64)
    tile.conductance = tile.devices.clamp(begin[None])
    trace = run_of_pulses(tile, rising) / ONE
    title = f"fitted to {args.fit}, {found.device.mean_step:.4g} a step"
    pulses = f"{np.count_nonzero(rising)} up, {np.count_nonzero(~rising)} down, as measured"
    _write(args, trace, rising, tile, title, pulses, measured)


def _told(device: Device) -> dict[str, Any]:
    """Fields that a fit decides."""
    names = ("kind", "states", "step", "asymmetry", "sigma_dd", "sigma_pm", "sigma_b", "sigma_b_low")
    return {name: getattr(device, name) for name in (*names, "sigma_cc", "noise_base")}


def _section(found: Fit, section: str, source: str) -> str:
    """The TOML section of a fitted device."""
    still = f", {found.still} of them still" if found.still else ""
    lines = [
        f"# Fitted to {ascii(source)[1:-1]}: {found.devices} devices{still}, {found.pulses} pulses.",
        f"# Conductance 0 is {found.centre:.6g} there, 1 is {found.centre + found.half:.6g}; residual "
        f"{found.residual:.3g} of the half range a pulse.",
        f"# Replaces a [{section}] that is there; what is not fitted stays: zero, decay_every, decay_log2.",
        f"[{section}]",
        *(f"{name} = " + (f'"{v}"' if isinstance(v, str) else repr(v)) for name, v in _told(found.device).items()),
    ]
    return "\n".join(lines) + "\n"


def _respond(args: argparse.Namespace) -> dict[str, Any]:
    """Pulse the devices of an array; print what they are, draw and write."""
    import numpy as np

    from crosstrain_model.port import ArrayId
    from crosstrain_model.twin.device import ONE, device_of
    from crosstrain_model.twin.response import row_of_devices, run_of_pulses

    design: Design = args.design
    array = int(ArrayId[args.array]) if design.transfers else 0
    device = device_of(design, array)
    count = args.pulses or min(max(round(6 / device.mean_step), 10), PULSES_LIMIT)
    tile, rising = row_of_devices(design, args.devices, array=array), np.arange(2 * count) < count
    trace = run_of_pulses(tile, rising) / ONE
    title = f"{design.name}, array {args.array}: {device.preset or device.kind}, {device.mean_step:.4g} a step"
    _write(args, trace, rising, tile, title, f"{count} up, then {count} down", None)
    told = {name: {"mean": float(v.mean()), "sigma": float(v.std())} for name, v in _figures(tile).items()}
    _print(device, told, args)
    return {
        "array": args.array,
        "fields": {field.name: getattr(device, field.name) for field in dataclasses.fields(device)},
        "mean_step": device.mean_step,
        "devices": args.devices,
        "pulses": count,
        **told,
        "picture": args.output,
        "csv": args.csv,
    }


def _write(
    args: argparse.Namespace,
    trace: Reals,
    rising: npt.NDArray[np.bool_],
    tile: ArrayTile,
    title: str,
    pulses: str,
    measured: Reals | None,
) -> None:
    """The files asked for: responses [1 + pulses, devices] as CSV and as a picture."""
    from crosstrain_model.twin.measured import Trace, to_csv

    if args.csv is not None:
        devices = range(trace.shape[1])
        text = to_csv(Trace(device=f"d{n}", conductance=trace[:, n], rising=rising) for n in devices)
        write_text_atomic(args.csv, text)
    if args.output is not None:
        from crosstrain_model.twin.response_picture import draw_response

        figures = _figures(tile)
        points = [(name.replace("_", " "), figures[name]) for name in ("symmetry_point", "upper_bound", "lower_bound")]
        draw_response(trace, pulses, points, title, Path(args.output), measured)


def _figures(tile: ArrayTile) -> dict[str, Reals]:
    """What varies over devices, in units of the half range."""
    from crosstrain_model.twin.device import ONE

    parts = tile.devices
    scale = 2.0 ** (parts.exponent - 20)
    return {
        "step_up": parts.step_up[0] * scale,
        "step_down": parts.step_down[0] * scale,
        "upper_bound": parts.high[0] * 2.0**-14,
        "lower_bound": parts.low[0] * 2.0**-14,
        "symmetry_point": tile.symmetry[0] / ONE,
    }


def _print(device: Device, told: dict[str, dict[str, float]], args: argparse.Namespace) -> None:
    preset = f" (preset {device.preset})" if device.preset else ""
    states = f"{2 / device.mean_step:.4g} states"
    print(f"array {args.array}: {device.kind} devices{preset}, {states}, {args.devices} pulsed")
    for name, value in told.items():
        print(f"{name.replace('_', ' '):15} {value['mean']:9.4f}  sigma {value['sigma']:.4f}   of the half range")
    print(f"cycle noise     {device.sigma_cc:9.4f}  of the step at {'zero' if device.noise_base == 'zero' else 'hand'}")
    for name, target in (("picture", args.output), ("responses", args.csv)):
        if target is not None:
            print(f"{name:15} {target}")
