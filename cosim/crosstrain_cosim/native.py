"""The C++ half of the fast lanes: its text, its sizes, and its C functions seen from Python.

`native/bulk.h` says what it does. The same functions work in the shared library of the compiled lane and inside a
cocotb simulation whose top is `native/bulk.sv`; only how the clock moves differs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_cosim.verilate import Model
from crosstrain_model import frames, port
from crosstrain_model.design import Design

HOOKS = ("PROGRAM", "FORWARD", "BACKWARD", "READ_ROW", "TRAIN")
"""What a hook is asked (`crosstrain_model.twin.hook`), in the order of its numbers."""

Hook = tuple[int, int]
"""Address of a hook and of its context."""

OUTCOMES = {1: "did not end in time", 2: "is not well formed", 3: "met a fault"}
"""What `bulk_outcome` says of a script, apart from 0 (done) and -1 (running)."""

COMMON = ("pins.h", "bulk.h", "bulk.cpp", "interface.cpp")


def text(name: str) -> str:
    """One of the files in `native/`."""
    return resources.files("crosstrain_cosim").joinpath("native", name).read_text()


def sources(design: Design, clock: str) -> dict[str, str]:
    """The C++ texts by name: host, array agent, and how the clock moves (`clock`)."""
    agent = "queue_agent" if design.pulsed else "agent"
    return {name: text(name) for name in (*COMMON, f"{agent}.h", f"{agent}.cpp", clock)} | {"ports.h": header(design)}


def sizes(design: Design) -> dict[str, int]:
    """Sizes of a design and numbers of the port, as ports.h names them."""
    array, formats = design.array, design.formats
    numbers = {
        "ROWS": array.rows, "COLUMNS": array.columns, "LANES": array.lanes, "GROUPS": array.groups,
        "ROW_WORDS": array.row_words, "DEVICE_COLUMNS": array.device_columns, "X_BITS": formats.x, "D_BITS": formats.d,
        "DAC_BITS": port.code_bits(design), "ADC_BITS": formats.adc, "STREAM_SLOT": frames.slot_bits(design),
        "STREAM_CODES": frames.beat_bits(design) // frames.slot_bits(design),
        "RESULT_SLOT": frames.result_bits(design), "DAC_WORD_BITS": port.dac_bits(design),
        "ADC_CODES": port.adc_codes(design), "ADC_WORD_BITS": port.adc_bits(design),
        "PORT_COLUMNS": port.slot_columns(design), "CELLS": design.hybrid.bits if design.cells_array else 0,
        "OUTSTANDING": port.outstanding(design), "AMPLITUDE_BITS": port.AMPLITUDE_BITS,
        "AMPLITUDES": port.amplitude_bits(design) // port.AMPLITUDE_BITS,
    }  # fmt: skip
    hook = {f"HOOK_{name}": number for number, name in enumerate(HOOKS)}
    arrays = {f"ARRAY_{array.name}": int(array) for array in port.ArrayId}
    ops = {f"OP_{op.name}": int(op) for op in port.Op}
    return numbers | hook | arrays | ops | {f"STATUS_{status.name}": int(status) for status in port.Status}


def header(design: Design) -> str:
    """Text of ports.h."""
    lines = [f"constexpr int {name} = {value};" for name, value in sizes(design).items()]
    if design.profile == "asic":
        lines.append("#define ACTIVE_LOW_RESET")
    if design.pulsed:
        lines.append("#define PULSED")
    if design.device_reads:
        lines.append("#define GROUPS_NAMED")
    flags = {
        "VERIFIED": design.verified,
        "DEVICE_READS": design.device_reads,
        "SERIAL": design.array.read == "bit-serial",
    }
    lines += [f"constexpr bool {name} = {str(value).lower()};" for name, value in flags.items()]
    return "\n".join(["#pragma once", *lines, ""])


def event_type(design: Design) -> np.dtype[Any]:
    """The record of one finished command; `Event` of bulk.h."""
    words = ("op", "array", "row", "tag", "status", "pulses", "width")
    counts = (np.uint8, (port.slot_columns(design),))
    amplitude = (np.uint32, (design.array.device_columns,) if design.column_amplitudes else ())
    fields = [("cycle", np.uint64), *((name, np.uint32) for name in words), ("amplitude", *amplitude)]
    return np.dtype([*fields, ("set", *counts), ("reset", *counts)], align=True)


def library_model(design: Design, texts: dict[str, str], top: str) -> Model:
    """What the compiled lane is built from."""
    return Model(texts=texts, top=top, sources=sources(design, "compiled.cpp"), optimise="-O3")


def simulation_model(design: Design, texts: dict[str, str], top: str) -> Model:
    """What cocotb on Verilator runs with clock, host and array in C++: cocotb sees the wrapper's variables alone."""
    names = sizes(design)
    macros = {
        "TOP": top, "PORT_COLUMNS": names["PORT_COLUMNS"], "CMD_ROW_BITS": port.row_bits(design),
        "DAC_BITS": names["DAC_WORD_BITS"], "ADC_BITS": names["ADC_WORD_BITS"],
        "TDATA_BITS": names["STREAM_CODES"] * names["STREAM_SLOT"],
        "RESULT_BITS": names["ADC_CODES"] * names["RESULT_SLOT"], "GROUPS": names["GROUPS"],
        "AMPLITUDE_BITS": names["AMPLITUDES"] * names["AMPLITUDE_BITS"],
        "ROW_MASK_BITS": names["ROWS"] if design.pulsed else 1,
    }  # fmt: skip
    options = [f"+define+{name}={value}" for name, value in macros.items()]
    if design.profile == "asic":
        options.append("+define+ACTIVE_LOW_RESET=1")
    if design.pulsed:
        options.append("+define+PULSED=1")
    if design.device_reads:
        options.append("+define+GROUPS_NAMED=1")
    variables = ("go", "finished", "outcome", "clk")
    exposed = "".join(f'public_flat_rw -module "bulk" -var "{name}"\n' for name in variables)
    return Model(
        texts={"public.vlt": "`verilator_config\n" + exposed, **texts, "bulk.sv": text("bulk.sv")},
        top="bulk", sources=sources(design, "dpi.cpp"), options=tuple(options), optimise="-O3", timing=True,
    )  # fmt: skip


def bind(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the C functions of interface.cpp (and `bulk_run` where there is one)."""
    handle, size = ctypes.c_void_p, ctypes.c_uint64
    declared = {
        "bulk_open": (handle, []),
        "bulk_close": (None, [handle]),
        "bulk_configure": (None, [handle, handle, handle, *[ctypes.c_uint32] * 5]),
        "bulk_attach": (None, [handle, ctypes.c_uint32, handle, handle]),
        "bulk_pace": (None, [handle, ctypes.c_uint32]),
        "bulk_analog": (size, [handle, ctypes.c_uint32]),
        "bulk_submit": (None, [handle, handle, size]),
        "bulk_outcome": (ctypes.c_int, [handle]),
        "bulk_cycles": (size, [handle]),
        "bulk_fault": (ctypes.c_char_p, [handle]),
        "bulk_event_bytes": (size, []),
        "bulk_take": (handle, [handle, ctypes.c_uint32, ctypes.POINTER(size)]),
        "bulk_drop": (None, [handle]),
    }
    if hasattr(library, "bulk_run"):
        declared["bulk_run"] = (ctypes.c_int, [handle, size])
    for name, (answer, arguments) in declared.items():
        function = getattr(library, name)
        function.restype, function.argtypes = answer, arguments
    return library


class Native:
    """One `Bulk` object: give it a script, take what it gathered.

    library : bound by `bind`
    hook : as `ArrayTile.hook_pointer` gives it, or several by `ArrayId`; None: no array answers
    row_cycles : analog time of a READ_ROW before its first word, in designs with pulse trains
    latency : cycles between the end of a command's work and its completion
    array_gaps, stream_gaps, result_gaps : percent of cycles in which that side is not ready or offers nothing
    """

    def __init__(
        self,
        design: Design,
        library: ctypes.CDLL,
        hook: Hook | Mapping[int, Hook] | None = None,
        *,
        row_cycles: int = 0,
        latency: int = 0,
        array_gaps: int = 0,
        stream_gaps: int = 0,
        result_gaps: int = 0,
        seed: int = 1,
    ):
        self.design = design
        self.library = library
        self.event = event_type(design)
        if library.bulk_event_bytes() != self.event.itemsize:
            raise RuntimeError(f"event record: {library.bulk_event_bytes()} bytes, not {self.event.itemsize}")
        self.handle = library.bulk_open()
        several = hook if isinstance(hook, Mapping) else {}
        address, context = (None, None) if isinstance(hook, Mapping) else hook or (None, None)
        gaps = (array_gaps, stream_gaps, result_gaps)
        library.bulk_configure(self.handle, address, context, latency, *gaps, seed % 2**32)
        for array, pointers in several.items():
            library.bulk_attach(self.handle, int(array), *pointers)
        library.bulk_pace(self.handle, row_cycles)

    def submit(self, script: npt.NDArray[np.uint32]) -> None:
        """Give the next script; the object copies it."""
        words = np.ascontiguousarray(script, dtype=np.uint32)
        self.library.bulk_submit(self.handle, words.ctypes.data, words.size)

    def check(self, outcome: int) -> None:
        """Raise where a script did not end well."""
        if outcome != 0:
            fault = self.library.bulk_fault(self.handle).decode()
            why = OUTCOMES.get(outcome, "is still running")
            raise RuntimeError(f"script {why}{': ' + fault if fault else ''} (cycle {self.cycles})")

    def take(self) -> Gathered:
        """Everything since the last call, copied; the object starts gathering anew."""
        kinds = (np.uint32, np.int32, self.event, np.int32, np.uint32)
        parts = [self._array(what, kind) for what, kind in enumerate(kinds)]
        self.library.bulk_drop(self.handle)
        return Gathered(*parts)

    def _array(self, what: int, kind: Any) -> npt.NDArray[Any]:
        size = ctypes.c_uint64()
        address = self.library.bulk_take(self.handle, what, ctypes.byref(size))
        item = np.dtype(kind).itemsize
        if size.value % item:
            raise RuntimeError(f"buffer {what}: {size.value} bytes are not whole records of {item}")
        raw = ctypes.string_at(address, size.value) if size.value else b""
        return np.frombuffer(raw, dtype=kind)

    @property
    def analog(self) -> dict[str, int]:
        """Analog time so far, in cycles: `pulses`, `reads`; and edges: of the `first` work, of the `last` one's end."""
        names = ("pulses", "reads", "first", "last")
        return {name: int(self.library.bulk_analog(self.handle, number)) for number, name in enumerate(names)}

    @property
    def cycles(self) -> int:
        """Clock cycles so far."""
        return int(self.library.bulk_cycles(self.handle))

    def close(self) -> None:
        """Free the object."""
        if self.handle:
            self.library.bulk_close(self.handle)
            self.handle = None


class Gathered:
    """What a script brought.

    answers : uint32, of writes (response), reads and polls (data, response), in order
    results : [(user word, int32 codes)] of the result stream
    events : records of finished commands, see `event_type`
    reads : int32, codes in and codes out of every read at the port, in order
    slots : uint32, masks of rows, columns and directions of every slot of a TRAIN that was fired, whole words each
    """

    def __init__(self, answers: Any, results: Any, events: Any, reads: Any, slots: Any):
        self.answers, self.events, self.reads, self.slots = answers, events, reads, slots
        self.results: list[tuple[int, npt.NDArray[np.int32]]] = []
        place = 0
        while place < len(results):
            user, count = int(results[place]), int(results[place + 1])
            self.results.append((user, results[place + 2 : place + 2 + count]))
            place += 2 + count
        if place != len(results):
            raise RuntimeError("result stream: its buffer ends in the middle of a frame")
