"""The fast cocotb lane: C++ host and array inside the simulation, Python woken once per script.

The top is `native/bulk.sv`. Its clock runs only while a script does, so cycles are the same as in the compiled lane.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from cocotb.triggers import ValueChange

from crosstrain_cosim.native import Gathered, Hook, Native, bind
from crosstrain_cosim.script import Script
from crosstrain_model.design import Design


class Simulated(Native):
    """The controller of this simulation; the options are those of `Native`."""

    def __init__(self, dut: Any, design: Design, hook: Hook | Mapping[int, Hook] | None = None, **options: Any):
        super().__init__(design, bind(ctypes.CDLL(None)), hook, **options)  # the simulation's own functions
        self.dut = dut

    async def run(self, script: Script) -> None:
        """Work off a script; RuntimeError where it does not end well."""
        self.submit(script.words())
        self.dut.go.value = 1
        await ValueChange(self.dut.finished)
        self.check(self.library.bulk_outcome(self.handle))

    async def ask(self, script: Script) -> Gathered:
        """`run`, then `take`."""
        await self.run(script)
        return self.take()
