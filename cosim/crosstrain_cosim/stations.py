"""What can be simulated: each station as its own top, and the controller; with the bench that belongs to it."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from crosstrain_hdl.emit import emit, flat_ports
from crosstrain_model.design import Design
from crosstrain_model.design_file import resolve_toml

CLASSES = {
    "outer_product": "crosstrain_hdl.outer_product.OuterProduct",
    "schedule": "crosstrain_hdl.schedule.Schedule",
    "accumulator": "crosstrain_hdl.accumulator.Accumulator",
    "threshold": "crosstrain_hdl.threshold.Threshold",
    "pulse": "crosstrain_hdl.pulse.Pulse",
    "sequencer": "crosstrain_hdl.sequencer.Sequencer",
}
"""Station -> component, in the order of the pipeline."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """Verilog of one top and what a bench must know of it."""

    station: str
    top: str
    texts: dict[str, str]
    inputs: tuple[str, ...]

    @property
    def bench(self) -> str:
        """Module with its cocotb tests."""
        return f"crosstrain_cosim.bench_{self.station}"

    def settings(self, design: Design, **more: Any) -> dict[str, Any]:
        """Settings for `run_bench`."""
        return {"design": resolve_toml(design), "inputs": self.inputs, **more}


def component(design: Design, station: str) -> Any:
    """The hardware of a station."""
    module, _, name = CLASSES[station].rpartition(".")
    return getattr(importlib.import_module(module), name)(design)


def station_unit(design: Design, station: str) -> Unit:
    """A station emitted as its own top."""
    part = component(design, station)
    top = f"{design.top}_{station}"
    inputs = tuple(name for name, (_, is_input) in flat_ports(part).items() if is_input)
    return Unit(station=station, top=top, texts=emit(part, name=top, profile=design.profile), inputs=inputs)
