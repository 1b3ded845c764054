"""A design as text: resolved TOML, and the hashes that name it.

Equal designs give equal bytes on every machine and under every hash seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from crosstrain_model.design import HARDWARE_SECTIONS, Design
from crosstrain_model.section import Section


def resolve_toml(design: Design) -> str:
    """The design as TOML, every default written out: the same design, the same bytes; it reads back equal."""
    lines = ["# A resolved design: every field, defaults included."]
    tables = as_tables(design)
    lines += [f"{key} = {_toml_value(value)}" for key, value in tables.items() if not isinstance(value, dict)]
    for section, fields in tables.items():
        if isinstance(fields, dict):
            lines += ["", f"[{section}]", *(f"{key} = {_toml_value(value)}" for key, value in fields.items())]
    return "\n".join(lines) + "\n"


def design_hash(design: Design) -> str:
    """SHA-256, in hexadecimal, of everything in the design: equal designs, equal hashes, on every machine."""
    return _hash(as_tables(design))


def hardware_hash(design: Design) -> str:
    """SHA-256, in hexadecimal, of what the generated Verilog depends on: what a build of it is cached under.

    The clock is in constraints, not in Verilog; seed, device and converters belong to the analog model.
    """
    tables = as_tables(design)
    return _hash({key: tables[key] for key in ("name", "scheme", "profile", "ledger", *HARDWARE_SECTIONS)})


def as_tables(design: Design) -> dict[str, Any]:
    """The design as nested dictionaries of strings, integers, booleans and floats, in the order of the fields."""
    return _tables(design)


def _tables(section: Section) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if isinstance(value, Section):
            tables[field.name] = _tables(value)
        else:
            tables[field.name] = float(value) + 0.0 if "real" in field.metadata else value  # + 0.0: no minus zero
    return tables


def _toml_value(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)  # strings here hold no control characters: the name and choices


def _hash(tables: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tables, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
