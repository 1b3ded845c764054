"""The third lane: the controller's Verilog as a shared library, called from Python with whole batches of work.

    lane = Compiled(design, texts, top, hook=array.hook_pointer())
    lane.run(Script().reset().poll(STATUS, ...))       # blocks, GIL released; the array answers through the hook
    gathered = lane.take()

The library is built once per text, design and tools. One object is one model; objects on different threads share
nothing.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from typing import Any

from crosstrain_cosim.device_hook import signals_wait
from crosstrain_cosim.native import Gathered, Hook, Native, bind, library_model
from crosstrain_cosim.script import Script
from crosstrain_cosim.verilate import library
from crosstrain_model.design import Design

CYCLE_LIMIT = 1 << 40
"""Cycles after which a script counts as hung, where its own instructions have no nearer limit."""


@functools.cache
def _loaded(path: str) -> ctypes.CDLL:
    return bind(ctypes.CDLL(path))


def compiled_library(design: Design, texts: dict[str, str], top: str) -> ctypes.CDLL:
    """The library of a controller, built if need be."""
    return _loaded(str(library(library_model(design, texts, top))))


class Compiled(Native):
    """A controller, its host and its array, to be run by scripts; the options are those of `Native`."""

    def __init__(
        self,
        design: Design,
        texts: dict[str, str],
        top: str,
        hook: Hook | Mapping[int, Hook] | None = None,
        **options: Any,
    ):
        super().__init__(design, compiled_library(design, texts, top), hook, **options)

    def run(self, script: Script, limit: int = CYCLE_LIMIT) -> None:
        """Work off a script; RuntimeError where it does not end well. What it brought waits for `take`."""
        self.submit(script.words())
        with signals_wait():
            outcome = self.library.bulk_run(self.handle, limit)
        self.check(outcome)

    def ask(self, script: Script, limit: int = CYCLE_LIMIT) -> Gathered:
        """`run`, then `take`."""
        self.run(script, limit)
        return self.take()
