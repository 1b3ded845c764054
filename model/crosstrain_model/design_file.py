"""Design files: TOML text, or a preset's name, to a checked `Design`; the way back is `design_text`.

    source (preset name or path) -> tables -> overrides -> sections -> Design

Whatever is wrong with what the user gave is one `DesignError` of one line, the source first, then the field, the value
given and the bound: `my.toml: array.lanes = 9: must be 1..8 (array.columns)`.  Imports the standard library alone.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstrain_model.design import Design
from crosstrain_model.design_device import Device
from crosstrain_model.design_text import as_tables, design_hash, hardware_hash, resolve_toml
from crosstrain_model.device_presets import device_preset, device_preset_names
from crosstrain_model.errors import UserError
from crosstrain_model.nearest import nearest
from crosstrain_model.section import Section, one_line, refuse

__all__ = [
    "DesignError",
    "as_tables",
    "design_hash",
    "field_paths",
    "hardware_hash",
    "load_design",
    "preset_names",
    "resolve_toml",
    "section_types",
    "source_text",
]

PRESETS = Path(__file__).parent / "presets"
"""Folder of the designs that ship, one TOML file each."""

SIZE_LIMIT = 2**20
"""Bytes of the largest file that is taken for a design; every field with a paragraph of comment is 20 KiB."""


class DesignError(UserError):
    """A design that cannot be had; the message is one line for the user."""


def preset_names() -> list[str]:
    """Names of the designs that ship, by scheme, smallest number first: mp-8, mp-64, mp-512."""
    names = (path.stem for path in PRESETS.glob("*.toml"))
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def load_design(source: str, overrides: Sequence[str] = ()) -> Design:
    """The design that `source` describes.

    source : name of a preset, or path of a TOML file; a preset wins over a file of its name (./mp-8 is the file)
    overrides : `KEY=VALUE` each, applied in order on top, as `array.rows=13` or `profile=asic`

    Raises `DesignError`, one line.
    """
    tables = _parse(source, source_text(source))
    for override in overrides:
        section, _, name = override.partition("=")[0].strip().rpartition(".")
        if name == "preset" and isinstance(tables.get(section), dict):
            tables[section] = {}  # a device is asked for, not a mixture with the file's
    for override in overrides:
        _override(tables, override)
    return _design(source, tables)


def source_text(source: str) -> str:
    """The TOML text that `source` (see `load_design`) names."""
    return _read(source, PRESETS / f"{source}.toml" if source in preset_names() else _path(source))


@functools.cache
def section_types() -> Mapping[str, type[Section]]:
    """Name of each section of a design -> its class."""
    types = typing.get_type_hints(Design)
    names = [field.name for field in dataclasses.fields(Design)]
    return {name: types[name] for name in names if isinstance(types[name], type) and issubclass(types[name], Section)}


@functools.cache
def field_paths() -> tuple[str, ...]:
    """Every key of a design file, dotted: name, scheme, ... array.rows, ..."""
    sections = section_types()
    plain = [field.name for field in dataclasses.fields(Design) if field.name not in sections]
    inner = [f"{name}.{field.name}" for name, section in sections.items() for field in dataclasses.fields(section)]
    return (*plain, *inner)


# ---------------------------------------------------------------------------------------------------------- reading


def _path(source: str) -> Path:
    """`source` as a path, unless it can only be the name of a preset that does not exist."""
    looks_like_path = source.endswith(".toml") or "/" in source
    try:
        if looks_like_path or (source and Path(source).exists()):
            return Path(source)
    except (OSError, ValueError):  # too long for a name, or a zero byte in it
        pass
    names = preset_names()
    raise DesignError(
        f"{one_line(source)}: no such preset or file; nearest preset is {nearest(source, names)} (of {len(names)})"
    )


def _read(source: str, path: Path) -> str:
    shown = one_line(source)
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except IsADirectoryError:
        raise DesignError(f"{shown}: is a folder: must be a TOML file") from None
    except OSError as error:
        raise DesignError(f"{shown}: {error.strerror or error}") from None
    except ValueError as error:
        raise DesignError(f"{shown}: {error}") from None
    if len(data) > SIZE_LIMIT:
        raise DesignError(f"{shown}: more than {SIZE_LIMIT} bytes: too large for a design file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DesignError(f"{shown}: line {line}: not UTF-8 text (byte 0x{data[error.start]:02x})") from None


def _parse(source: str, text: str) -> dict[str, Any]:
    shown = one_line(source)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, line = str(error), text.count("\n", 0, len(text.rstrip())) + 1
        if found := re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", reason):
            reason, line = reason[: found.start()], int(found[1] or line)
        if twice := re.fullmatch(r"Cannot declare \('([^']+)',\) twice", reason):
            reason = f"a second section [{twice[1]}]: delete one of them"
        raise DesignError(f"{shown}: line {line}: {one_line(reason)}") from None
    except (ValueError, RecursionError):  # an integer of thousands of digits; brackets thousands deep
        raise DesignError(f"{shown}: a number is too long or brackets are too deep") from None


def _override(tables: dict[str, Any], override: str) -> None:
    """Put one `KEY=VALUE` into the tables; the value is a TOML scalar, or a word without its quotes."""
    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals or not key:
        raise DesignError(f"--set {one_line(override)}: must be KEY=VALUE, as array.rows=13")
    try:
        parsed = tomllib.loads(f"value = {text}")
        value = parsed["value"] if len(parsed) == 1 else text
    except (ValueError, RecursionError):
        value = text
    if key not in field_paths():
        sections = section_types()
        if key in sections:
            raise DesignError(f"--set {one_line(override)}: is a section: name a field of it, as {_first_field(key)}")
        raise DesignError(f"--set {one_line(override)}: unknown key; nearest is {nearest(key, field_paths())}")
    section, _, name = key.rpartition(".")
    table = tables.setdefault(section, {}) if section else tables
    if isinstance(table, dict):  # else: refused with the file's other errors
        table[name] = value


# --------------------------------------------------------------------------------------------------------- building


def _design(source: str, tables: Mapping[str, Any]) -> Design:
    try:
        _refuse_unknown_keys(tables)
        fields: dict[str, Any] = {}
        for name, value in tables.items():
            section = section_types().get(name)
            if section is not None and not isinstance(value, dict):
                raise refuse(name, value, f"is a section: must be a table, as [{name}]")
            fields[name] = value if section is None else section(**_reals_as_float(section, _filled(section, value)))
        return Design(**fields)
    except ValueError as error:
        raise DesignError(f"{one_line(source)}: {error}{_default_note(tables, str(error))}") from None


def _refuse_unknown_keys(tables: Mapping[str, Any]) -> None:
    for path, value in _walk(tables):
        if path not in field_paths() and path not in section_types():
            if isinstance(value, dict):
                known = [*section_types()] if "." not in path else field_paths()
                raise UserError(f"{one_line(path)}: unknown section; nearest is {nearest(path, known)}")
            raise refuse(one_line(path), value, f"unknown key; nearest is {nearest(path, field_paths())}")


def _walk(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every key of the first level and of the second inside known sections."""
    for key, value in tables.items():
        yield key, value
        if isinstance(value, dict) and key in section_types():
            yield from ((f"{key}.{inner}", inner_value) for inner, inner_value in value.items())


def _filled(section: type[Section], values: dict[str, Any]) -> dict[str, Any]:
    """What a device section leaves out comes from the preset that it names."""
    if not issubclass(section, Device) or values.get("preset") not in [*device_preset_names()]:
        return values
    return device_preset(values["preset"]) | values


def _reals_as_float(section: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    """An integer given for a real is that real, so that 1 and 1.0 are one design and one hash."""
    reals = {field.name for field in dataclasses.fields(section) if "real" in field.metadata}
    return {key: float(value) if key in reals and _exact(value) else value for key, value in values.items()}


def _exact(value: object) -> bool:
    return type(value) is int and abs(value) <= 2**53


def _default_note(tables: Mapping[str, Any], message: str) -> str:
    """Says so where the value complained about is a default that the user never wrote."""
    path = message.partition(" = ")[0]
    if path not in field_paths():
        return ""
    section, _, name = path.rpartition(".")
    given = tables.get(section, {}) if section else tables
    return "" if name in given else f"; {name} is the default here"


def _first_field(section: str) -> str:
    return next(path for path in field_paths() if path.startswith(section + "."))
