"""What else comes from the register table: the page, the C header, the table as data, and the driver.

The driver's text runs in simulation exactly as it is shipped: `driver_module` loads what `register_files` writes.
"""

from __future__ import annotations

import json
import types
from typing import Any

import jinja2

from crosstrain_model import __version__
from crosstrain_model.chopper import chopper_words
from crosstrain_model.cost import window_cells
from crosstrain_model.design import Design
from crosstrain_model.design_text import hardware_hash
from crosstrain_model.frames import beat_bits, result_bits, slot_bits
from crosstrain_model.port import Status, adc_codes
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.register import Register
from crosstrain_model.registers import TOTALS, counters, register_table, touched_words
from crosstrain_model.registers_gradient import MEMORIES, STATE_WINDOWS, STREAM_WORDS, streams


def register_files(design: Design) -> dict[str, str]:
    """{file name: text} of everything made from the register table."""
    table = register_table(design)
    names: dict[str, Any] = {
        "design": design,
        "table": table,
        "hash": hardware_hash(design),
        "version": __version__,
        "guard": design.top.upper(),
    }
    return {
        "regs.md": _render("regs.md.j2", names),
        "regs.h": _render("regs.h.j2", names),
        "regs.json": json.dumps(as_data(design, table), indent=2) + "\n",
        "driver.py": _render("driver.py.j2", {**names, **_driver_names(design, table)}),
    }


def driver_module(design: Design) -> types.ModuleType:
    """The generated driver as a module of its own; it is not entered in `sys.modules`."""
    text = register_files(design)["driver.py"]
    module = types.ModuleType(f"{design.top}_driver")
    exec(compile(text, f"<driver.py of {design.name}>", "exec"), module.__dict__)
    return module


def as_data(design: Design, table: tuple[Register, ...]) -> dict[str, Any]:
    """The table as JSON takes it."""
    return {
        "design": design.name,
        "hash": hardware_hash(design),
        "registers": [_register_data(register) for register in table],
    }


def _register_data(register: Register) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": register.name,
        "offset": register.offset,
        "access": register.access,
        "kind": register.kind,
        "needs_idle": register.needs_idle,
        "reset": register.reset_word,
        "description": register.doc,
    }
    if register.fields:
        data["fields"] = [
            {
                "name": field.name,
                "low": field.low,
                "width": field.width,
                "reset": field.reset,
                "maximum": field.maximum,
                "needs_idle": field.needs_idle or register.needs_idle,
                "description": field.doc,
            }
            for field in register.fields
        ]
    else:
        bounds = {"signed": register.signed, "minimum": register.minimum, "maximum": register.maximum}
        data |= {"width": register.width, **bounds}
    return data


def _driver_names(design: Design, table: tuple[Register, ...]) -> dict[str, Any]:
    return {
        "lanes": design.array.lanes,
        "stream_codes": design.stream_codes,
        "slot_bits": slot_bits(design),
        "result_bits": result_bits(design),
        "touched_words": touched_words(design),
        "counters": counters(design),
        "totals": list(TOTALS) if design.ledger and design.row.source != "none" else [],
        "seeded": design.pulsed or design.carried,
        "accumulator_bits": window_cells(design).get("L", design.formats.accumulator),
        "streams": {STREAMS.index(name): name for name in streams(design)},
        "stream_words": STREAM_WORDS if design.random.generator == "xoshiro128++" else 1,
        "chopper_words": chopper_words(design),
        "beat_slots": beat_bits(design) // slot_bits(design),
        "result_codes": adc_codes(design),
        "memories": list(window_cells(design)),
        "memory_numbers": _memory_numbers(design),
        "memory_bits": window_cells(design),
        "state_parts": _state_parts(design),
        "state_windows": [r.name for r in table if r.name in (*STATE_WINDOWS, "REFRESH_STATE")],
        "settings": [register.name for register in table if register.kind == "setting"],
        "statuses": {status.value: status.name for status in Status},
        "ok": Status.OK.value,
        "saturated": Status.SATURATED.value,
    }


def _memory_numbers(design: Design) -> dict[str, int]:
    """Numbers of the memories in MEM_SELECT; that of P stays free where there is P_ref alone."""
    order = MEMORIES if design.pulsed else tuple(window_cells(design))
    return {name: order.index(name) for name in window_cells(design)}


def _state_parts(design: Design) -> list[str]:
    """What a state of the driver holds, by name."""
    accumulators = ["accumulators"] if design.row.source != "none" else []
    rest = ["touched", "since_pass"]
    if design.pulsed or design.carried:
        rest = ["streams", *(["choppers"] if design.pulsed else []), "windows"]
    return [*accumulators, *list(window_cells(design))[1:], *rest, "settings"]


def _render(template: str, names: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crosstrain_model", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["pyrepr"] = _python
    return environment.get_template(template).render(**names)


def _python(value: object) -> str:
    """A Python literal with double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python(key)}: {_python(item)}" for key, item in value.items()) + "}"
    return json.dumps(value) if isinstance(value, (str, list)) else repr(value)
