"""Devices that ship: fields of a design's device section by name, one TOML file each in `devices/`.

A section that says `preset = "reram-om"` takes from there what it does not say itself; `design_file` fills it in.
Imports the standard library alone.
"""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "devices"


@functools.cache
def device_preset_names() -> tuple[str, ...]:
    """Names of the devices that ship, smallest number first."""
    names = (path.stem for path in FOLDER.glob("*.toml"))
    return tuple(sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)]))


def device_preset(name: str) -> dict[str, Any]:
    """Fields of a device that ships, `preset` among them."""
    return {"preset": name, **tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))}
