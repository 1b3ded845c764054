"""The JSON text of a command's result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def to_json(result: Mapping[str, Any]) -> str:
    """One JSON object, indented, with a final newline.

    numpy scalars and arrays become numbers and lists, paths become strings, and what JSON has no number for (NaN and
    the infinities) becomes null.  `TypeError` for anything else: a command returned what it should not.
    """
    return json.dumps(_plain(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist())
    return value
