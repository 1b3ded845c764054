"""Measured pulse responses from a CSV file, and back.

    device,pulse,direction,conductance
    d1,0,,12.1
    d1,1,up,12.9
    d1,2,down,12.2

One row per pulse: the conductance after it, in any unit.  `pulse` counts up by one on each device, devices may be
interleaved; the first row of a device says where it starts, its direction does not matter.  Directions: up, set, +1, 1
and down, reset, -1.  Other columns are not looked at; empty lines and lines that start with # are no rows.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crosstrain_model.errors import UserError
from crosstrain_model.section import one_line, show

COLUMNS = ("device", "pulse", "direction", "conductance")
UP, DOWN = ("up", "set", "+1", "1"), ("down", "reset", "-1")
SIZE_LIMIT = 1 << 28
"""Bytes of the largest file that is read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trace:
    """One device: `conductance` [1 + pulses] in the file's unit, `rising` [pulses] whether a pulse was up."""

    device: str
    conductance: npt.NDArray[np.float64]
    rising: npt.NDArray[np.bool_]


def read(path: str) -> list[Trace]:
    """The devices of a file, in the order of their first rows; raises `UserError`, one line."""
    return traces(path, _text(path))


def traces(source: str, text: str) -> list[Trace]:
    """The devices in the text of a file, which `source` names in errors."""
    states: dict[str, list[float]] = {}
    ways: dict[str, list[bool]] = {}
    first: dict[str, int] = {}
    for line, (device, pulse, direction, conductance) in _rows(source, text):
        where = f"{one_line(source)}: line {line}"
        number, value = _integer(where, pulse), _real(where, conductance)
        if device not in states:
            states[device], ways[device], first[device] = [value], [], number
            continue
        due = first[device] + len(states[device])
        if number != due:
            raise UserError(f"{where}: pulse = {number}: must be {due}, the next of device {one_line(device)}")
        if direction.lower() not in UP + DOWN:
            raise UserError(f"{where}: direction = {show(direction)}: must be one of {', '.join(UP + DOWN)}")
        states[device].append(value)
        ways[device].append(direction.lower() in UP)
    if not states:
        raise UserError(f"{one_line(source)}: has no rows under its heading")
    return [
        Trace(device=name, conductance=np.array(values, dtype=np.float64), rising=np.array(ways[name], dtype=np.bool_))
        for name, values in states.items()
    ]


def to_csv(traced: Iterable[Trace]) -> str:
    """The text of a file that reads back equal."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trace in traced:
        words = ["", *("up" if up else "down" for up in trace.rising)]
        for pulse, (word, value) in enumerate(zip(words, trace.conductance.tolist(), strict=True)):
            writer.writerow((trace.device, pulse, word, repr(value)))
    return out.getvalue()


def _text(path: str) -> str:
    shown = one_line(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"{shown}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > SIZE_LIMIT:
        raise UserError(f"{shown}: more than {SIZE_LIMIT} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{shown}: line {line}: not UTF-8 text") from None


def _rows(source: str, text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line number and the four values of every row."""
    shown, places = one_line(source), None
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if places is None:
                heading = [cell.strip().lower() for cell in cells]
                missing = [name for name in COLUMNS if name not in heading]
                if missing:
                    found = one_line(", ".join(heading))
                    raise UserError(f"{shown}: line {reader.line_num}: no column {missing[0]} in heading {found}")
                places = [heading.index(name) for name in COLUMNS]
                continue
            if len(cells) <= max(places):
                raise UserError(f"{shown}: line {reader.line_num}: has {len(cells)} of {max(places) + 1} columns")
            yield reader.line_num, tuple(cells[place].strip() for place in places)
    except csv.Error as error:
        raise UserError(f"{shown}: line {reader.line_num}: {error}") from None
    if places is None:
        raise UserError(f"{shown}: is empty: must begin with the heading {','.join(COLUMNS)}")


def _integer(where: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{where}: pulse = {show(text)}: must be an integer") from None


def _real(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: conductance = {show(text)}: must be a finite number")
    return value
