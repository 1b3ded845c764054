"""The page about design files, made from the dataclasses themselves: `python -m crosstrain_model.design_page`.

Writes docs/design-file.md to standard output; a test holds the page in the repository equal to it.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import sys
from collections.abc import Mapping
from typing import Any

from crosstrain_model.design import Design
from crosstrain_model.design_file import preset_names, section_types
from crosstrain_model.section import Section

INTRODUCTION = """\
# The design file

<!-- Made by `python -m crosstrain_model.design_page` from docstrings of crosstrain_model/design*.py: edit there. -->

A design is one TOML file, and everything comes from it: Verilog, register map, bit-true model, simulations, training
runs and reports. A file names what differs from the defaults; this is a whole one:

```toml
name = "mine"

[array]
rows = 13
columns = 7
lanes = 3

[update]
threshold = 300
```

Wherever a command takes a DESIGN, it takes the path of such a file or the name of a preset that ships:
{presets}. `crosstrain presets` lists them, `crosstrain presets mp-8 > mine.toml` starts a file from one.
`--set KEY=VALUE` overrides any field by its dotted name, as often as needed: `--set array.rows=13 --set profile=asic`.

What is wrong is said in one line, with exit status 2: file, field, value, bound.

```text
crosstrain: mine.toml: array.lanes = 9: must be 1..7 (array.columns)
crosstrain: mine.toml: array.lane = 3: unknown key; nearest is array.lanes
```

Times are in clock cycles and widths in bits; the width of a signed number includes its sign. Integers must be written
as integers; a real may be written as either. Fields marked *register* are run-time registers of the generated
controller, and the file gives their value after reset. `device`, `gradient_device`, `rram`, `pcm`, `binary_pcm` and
`converters` describe the analog model alone: changing them never changes the Verilog. `random`, `train` and `transfer`
matter to schemes with in-memory gradients, `update` to schemes with digital accumulators, `verify` to `wu` and `hic`,
`hybrid` to `hic`. What a scheme does not use may stand in its file, and changes nothing but the hash of the design.

Defaults of `formats`, `update` and `converters` are those of `mp`. A design of another scheme begins with a preset of
that scheme, `crosstrain presets agad-64 > mine.toml`: with 12 bits of fraction in 16 bits of accumulator H would hold 8
ADC codes, and `crosstrain generate` warns of it. Presets that end in -8 have reset values for short simulations: a few
vectors show pulses. Those that end in -64 are the ones to begin a design with.

In Python, `crosstrain_model.design_file` has `load_design(source, overrides)`, `resolve_toml(design)` (every default
written out, reads back equal), `design_hash(design)` (SHA-256 of the whole design) and `hardware_hash(design)` (of what
the Verilog depends on: equal hashes, equal Verilog).
"""


def field_docs(section: type[Section]) -> Mapping[str, str]:
    """Field name -> its docstring, the string literal after it in the source, as one paragraph; inherited ones too."""
    bases = [base for base in section.__bases__ if issubclass(base, Section) and base is not Section]
    inherited = {name: text for base in bases for name, text in field_docs(base).items()}
    return {**inherited, **_own_docs(section)}


def _own_docs(section: type[Section]) -> Mapping[str, str]:
    tree = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        literal = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and isinstance(literal, str):
            docs[statement.target.id] = " ".join(literal.split())
    return docs


def page() -> str:
    """The whole page, Markdown."""
    parts = [INTRODUCTION.format(presets=", ".join(f"`{name}`" for name in preset_names()))]
    parts.append(_section("The design itself", "Keys before the first section.", Design))
    for name, section in section_types().items():
        parts.append(_section(f"[{name}]", inspect.getdoc(section) or "", section))
    return "\n".join(parts)


def _section(title: str, about: str, section: type[Section]) -> str:
    lines = [f"## {title}", "", about, "", "| key | default | values | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(section):
        if section is Design and field.name in section_types():
            continue
        meaning = field_docs(section)[field.name].replace("|", "\\|")
        lines.append(f"| `{field.name}` | `{json.dumps(field.default)}` | {_values(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _values(field: dataclasses.Field[Any]) -> str:
    meta = field.metadata
    if "choices" in meta:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in meta["choices"])
    if "flag" in meta:
        return "`true`, `false`"
    if "low" in meta:
        return f"{_number(meta['low'])} .. {_number(meta['high'])}"
    return "text"


def _number(value: float) -> str:
    """Bounds near a power of two as such: 2^28 - 1 rather than 268435455."""
    for power in range(12, 64):
        if value in (2**power, 2**power - 1):
            return f"2^{power}" + ("" if value == 2**power else " - 1")
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(page())
