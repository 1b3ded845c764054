"""Checked sections: the small machinery under the design tree.

A section is a frozen, keyword-only dataclass whose fields carry their bounds.  Every violation is a `UserError` of one
line: `array.lanes = 9: must be 1..8`, the field first, then the value given, then the bound.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from crosstrain_model.errors import UserError


def integer(default: int, low: int, high: int) -> Any:
    """An integer field with inclusive bounds."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def real(default: float, low: float, high: float) -> Any:
    """A finite real field with inclusive bounds (model-only sections; hardware has integers alone)."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "real": True})


def choice(default: str | int, *choices: str | int) -> Any:
    """A field that takes one of a few words, or of a few integers."""
    return dataclasses.field(default=default, metadata={"choices": choices})


def flag(default: bool) -> Any:
    """A yes/no field."""
    return dataclasses.field(default=default, metadata={"flag": True})


def one_line(text: str, limit: int = 120) -> str:
    """`text` fit for one line of a message: unprintable characters escaped, the end of a long text left out."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def show(value: object) -> str:
    """A value as a design file would write it, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 256:
        return f"({value.bit_length()}-bit integer)"  # Python refuses to write the longest ones out
    return f'"{one_line(value)}"' if isinstance(value, str) else one_line(str(value))


def refuse(path: str, value: object, bound: str) -> UserError:
    """The one form of every complaint about a design: field, value, bound."""
    return UserError(f"{path} = {show(value)}: {bound}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """Base of every section: checks each field against its own metadata, then, in `check`, rules between fields."""

    PATH: ClassVar[str] = ""
    """Dotted prefix under which errors name the section's fields."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check_field(field, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Rules between the fields of one section; overridden where there are any."""

    def path(self, name: str) -> str:
        """`array.lanes` for field `lanes` of section `array`."""
        return f"{self.PATH}.{name}" if self.PATH else name

    def _check_field(self, field: dataclasses.Field[Any], value: Any) -> None:
        meta, path = field.metadata, self.path(field.name)
        if "choices" in meta:
            if (type(value), value) not in [(type(word), word) for word in meta["choices"]]:
                raise refuse(path, value, "must be one of " + ", ".join(str(word) or '""' for word in meta["choices"]))
        elif "flag" in meta:
            if not isinstance(value, bool):
                raise refuse(path, value, "must be true or false")
        elif "low" in meta:
            self._check_number(path, value, meta)
        elif isinstance(field.default_factory, type) and not isinstance(value, field.default_factory):
            raise refuse(path, value, f"must be of class {field.default_factory.__name__}")

    @staticmethod
    def _check_number(path: str, value: Any, meta: Any) -> None:
        kinds = (int, float) if "real" in meta else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise refuse(path, value, "must be a number" if "real" in meta else "must be an integer")
        if not meta["low"] <= value <= meta["high"]:  # false for NaN too
            raise refuse(path, value, f"must be {meta['low']}..{meta['high']}")


def first_difference(left: Section, right: Section) -> tuple[str, object, object] | None:
    """The first field in which two sections of one class differ, by its path, with both values; None: equal."""
    for field in dataclasses.fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, Section):
            found = first_difference(a, b)
            if found is not None:
                return found
        elif a != b:
            return left.path(field.name), a, b
    return None
