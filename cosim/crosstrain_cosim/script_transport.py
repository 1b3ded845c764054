"""The driver's transport over the C++ host: every access is a script, in the compiled lane or in the fast cocotb lane.

The driver is the one that a laboratory runs against the chip; it calls `write32`, `read32`, `send_frame` and
`receive_frame`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.native import Gathered
from crosstrain_cosim.script import Script
from crosstrain_model.register import OKAY

LIMIT = 2_000_000
"""Cycles that a result may take."""


class AccessError(OSError):
    """A register access was answered with an error."""


def checked(response: int, what: str) -> None:
    if response != OKAY:
        raise AccessError(f"{what}: response {response}")


class ScriptTransport:
    """Over the C++ host, one script per access; results that came early wait here."""

    def __init__(self, ask: Any):
        self._ask = ask
        self._results: deque[tuple[int, Any]] = deque()
        self.events: list[Any] = []
        """Arrays of event records, as they came."""
        self.reads: list[Any] = []
        self.slots: list[Any] = []
        """Masks of the slots of trains."""

    def _run(self, script: Script) -> Gathered:
        gathered: Gathered = self._ask(script)
        self._results += gathered.results
        if len(gathered.events):
            self.events.append(gathered.events)
        if len(gathered.reads):
            self.reads.append(gathered.reads)
        if len(gathered.slots):
            self.slots.append(gathered.slots)
        return gathered

    def run(self, script: Script) -> Gathered:
        """A script of the caller's own, whose events and results are kept like all others."""
        return self._run(script)

    def forget(self) -> None:
        """Drop what was gathered of the array's side."""
        self.events.clear()
        self.reads.clear()
        self.slots.clear()

    def all_slots(self) -> list[int]:
        """Masks of all slots of trains so far."""
        return [int(word) for part in self.slots for word in part]

    def write32(self, address: int, value: int) -> None:
        answers = self._run(Script().write(address, value)).answers
        checked(int(answers[0]), f"write of 0x{value:x} to 0x{address:03x}")

    def read32(self, address: int) -> int:
        answers = self._run(Script().read(address)).answers
        checked(int(answers[1]), f"read of 0x{address:03x}")
        return int(answers[0])

    def send_frame(self, codes: Sequence[int], user: int) -> None:
        self._run(Script().frame(user, codes if len(codes) else [0]))

    def receive_frame(self) -> tuple[list[int], int]:
        if not self._results:
            self._run(Script().results(1, LIMIT))
        user, codes = self._results.popleft()
        return codes.tolist(), user & 0xFFFFFFFF


def compiled_transport(lane: Compiled) -> ScriptTransport:
    """The transport of the compiled lane."""
    return ScriptTransport(lane.ask)
