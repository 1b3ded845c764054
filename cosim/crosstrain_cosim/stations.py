"""What can be simulated: each station as its own top, and the controller; with the bench that belongs to it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from typing import Any

from crosstrain_cosim.simulators import Result, run_bench
from crosstrain_hdl.emit import emit, flat_ports, reset_port
from crosstrain_hdl.generate import rtl_files
from crosstrain_hdl.port_checker import PortChecker
from crosstrain_hdl.tops import controller
from crosstrain_model.chopper import chopper_words
from crosstrain_model.design import Design
from crosstrain_model.design_text import resolve_toml
from crosstrain_model.random_streams import STREAMS
from crosstrain_model.registers_gradient import streams

CLASSES = {
    "outer_product": "OuterProduct",
    "update_stream": "UpdateStream",
    "schedule": "Schedule",
    "accumulator": "Accumulator",
    "vector_store": "VectorStore",
    "scale": "Scale",
    "pulse_train": "PulseTrain",
    "chopper": "Chopper",
    "sweep": "Sweep",
    "reference": "Reference",
    "transfer": "Transfer",
    "threshold": "Threshold",
    "pulse": "Pulse",
    "hybrid_memory": "HybridMemory",
    "hybrid_cells": "HybridCells",
    "refresh": "Refresh",
    "weight_copy": "WeightCopy",
    "write_verify": "WriteVerify",
    "bit_serial": "BitSerial",
    "sequencer": "Sequencer",
    "dispatcher": "Dispatcher",
}
"""Station -> name of its component, in the order of the pipelines; the module has the station's name."""

STREAM_STATIONS = tuple(f"random_streams_{stream}" for stream in STREAMS)
"""One per random stream: all are the component `RandomStream`."""

NAMES = (*CLASSES, *STREAM_STATIONS)

CONTROLLER_BENCHES = ("controller", "controller_faults", "controller_edges")
GRADIENT_BENCHES = ("gradient_controller", "gradient_faults", "gradient_edges")
STREAM_BENCHES = ("stream_controller", "stream_faults")
HYBRID_BENCHES = ("hybrid_controller", "hybrid_faults")
"""Benches of the whole controller, after `bench_`."""


def stations(design: Design) -> tuple[str, ...]:
    """The stations that a design has, in the order of its pipeline."""
    if design.carried:
        low = ("hybrid_cells",) if design.cells_array else ("hybrid_memory",)
        return ("random_streams_rounding", "update_stream", *low, "pulse", "refresh", "write_verify", "sequencer")
    if design.streamed:
        tail = ("bit_serial",) if design.array.read == "bit-serial" else ()
        digital = ("update_stream", "schedule", "accumulator", "threshold", "weight_copy", "write_verify")
        return (*digital, *tail, "sequencer")
    if not design.pulsed:
        return ("outer_product", "schedule", "accumulator", "threshold", "pulse", "sequencer")
    trains = (*(f"random_streams_{stream}" for stream in streams(design)), "vector_store", "scale", "pulse_train")
    if not design.transfers:
        return (*trains, "sweep", "dispatcher")
    chopper = ("chopper",) if chopper_words(design) else ()
    reference = ("reference",) if design.dynamic_reference else ()
    return (*trains, *chopper, "sweep", *reference, "transfer", "threshold", "pulse", "dispatcher")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """Verilog of one top and what a bench must know of it."""

    station: str
    top: str
    texts: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    controller_benches: tuple[str, ...] = ()

    @property
    def bench(self) -> str:
        """Modules with its cocotb tests, joined by commas."""
        return ",".join(_modules(self.station, self.controller_benches))

    def settings(self, design: Design, **more: Any) -> dict[str, Any]:
        """Settings for `run_bench`."""
        return {"design": resolve_toml(design), "inputs": self.inputs, "outputs": self.outputs, **more}

    def run(
        self, design: Design, simulator: str = "icarus", *, texts: dict[str, str] | None = None, **options: Any
    ) -> Result:
        """What its bench finds; `texts` in place of its Verilog, `options` as `run_bench` has them."""
        given = {"texts": texts or self.texts, "top": self.top, "bench": self.bench, "settings": self.settings(design)}
        return run_bench(simulator, **given, **options)


def bench_modules(design: Design, station: str) -> tuple[str, ...]:
    """Modules with the cocotb tests of a station or of the controller."""
    return _modules(station, _controller_benches(design))


def _modules(station: str, controller_benches: tuple[str, ...]) -> tuple[str, ...]:
    of_station = ("random_streams" if station in STREAM_STATIONS else station,)
    names = controller_benches if station == "controller" else of_station
    return tuple(f"crosstrain_cosim.bench_{name}" for name in names)


def _controller_benches(design: Design) -> tuple[str, ...]:
    if design.carried:
        return HYBRID_BENCHES
    return GRADIENT_BENCHES if design.pulsed else STREAM_BENCHES if design.streamed else CONTROLLER_BENCHES


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pin:
    name: str
    width: int
    is_input: bool


def component(design: Design, station: str) -> Any:
    """The hardware of a station."""
    if station in STREAM_STATIONS:
        streams_module = importlib.import_module("crosstrain_hdl.random_streams")
        return streams_module.RandomStream(design, station.removeprefix("random_streams_"))
    return getattr(importlib.import_module(f"crosstrain_hdl.{station}"), CLASSES[station])(design)


@functools.cache
def station_unit(design: Design, station: str) -> Unit:
    """A station emitted as its own top; made once per process, and not to be changed."""
    part = component(design, station)
    top = f"{design.top}_{station}"
    pins = _pins(part)
    return Unit(
        station=station,
        top=top,
        texts=emit(part, name=top, profile=design.profile),
        inputs=tuple(pin.name for pin in pins if pin.is_input),
        outputs=tuple(pin.name for pin in pins if not pin.is_input),
    )


def controller_unit(design: Design, rtl: dict[str, str] | None = None, *, checked: bool = True) -> Unit:
    """The controller inside a module that adds the port checker: pins of both.

    rtl : {file name: Verilog} in place of the generated text; its top is `design.top`
    checked : False leaves the checker and the wrapper out
    """
    generated, pins = _controller(design)
    texts = dict(rtl or generated)
    top = design.top
    if checked:
        name = f"{design.top}_port_checker"
        more, watched = _checker(design, name)
        texts |= more
        top = f"{design.top}_bench"
        texts[f"{top}.v"] = _wrapper(design, top, pins, name, [pin for pin in watched if not pin.is_input])
    inputs = tuple(pin.name for pin in pins if pin.is_input)
    outputs = tuple(pin.name for pin in pins if not pin.is_input)
    return Unit(
        station="controller", top=top, texts=texts, inputs=inputs, outputs=outputs,
        controller_benches=_controller_benches(design),
    )  # fmt: skip


@functools.cache
def _controller(design: Design) -> tuple[dict[str, str], list[_Pin]]:
    part = controller(design)
    return rtl_files(design, component=part), _pins(part)


@functools.cache
def _checker(design: Design, name: str) -> tuple[dict[str, str], list[_Pin]]:
    part = PortChecker(design)
    return emit(part, name=name, profile=design.profile), _pins(part)


def _pins(part: Any) -> list[_Pin]:
    return [_Pin(name=name, width=len(value), is_input=is_in) for name, (value, is_in) in flat_ports(part).items()]


def _wrapper(design: Design, top: str, pins: list[_Pin], checker: str, outputs: list[_Pin]) -> str:
    """Verilog that joins controller and checker; its pins are the controller's and the checker's outputs."""
    reset = reset_port(design.profile)

    def header(pin: _Pin) -> str:
        span = f"[{pin.width - 1}:0] " if pin.width > 1 else ""
        return f"  {'input ' if pin.is_input else 'output'} wire {span}{pin.name}"

    def instance(module: str, name: str, ports: list[str]) -> str:
        joined = ",\n".join(f"    .{port}({port})" for port in ["clk", reset, *ports])
        return f"  {module} {name} (\n{joined}\n  );"

    clock = [_Pin(name=name, width=1, is_input=True) for name in ("clk", reset)]
    port_pins = [pin.name for pin in pins if pin.name.startswith("arr_")]
    return "\n".join(
        [
            f"module {top} (", ",\n".join(header(pin) for pin in [*clock, *pins, *outputs]), ");",
            instance(design.top, "dut", [pin.name for pin in pins]),
            instance(checker, "checker_of_port", [*port_pins, *(pin.name for pin in outputs)]),
            "endmodule", "",
        ]
    )  # fmt: skip
