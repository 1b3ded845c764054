"""Which tests a regression has, by name, known before anything is simulated; and those of them that a pattern takes.

The tests of a bench are read from its text: its module cannot be imported outside a simulation.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib.util
import re
from pathlib import Path

from crosstrain_cosim.simulators import SIMULATORS
from crosstrain_cosim.stations import bench_modules, stations
from crosstrain_model.design import Design

GAPS: dict[str, dict[str, int]] = {
    "without_gaps": {},
    "with_gaps": {"latency": 7, "array_gaps": 30, "stream_gaps": 30, "result_gaps": 30},
    "with_long_gaps": {"latency": 40, "array_gaps": 60, "result_gaps": 70},
}
"""Tests of the compiled lane, with the options of their runs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Some or all tests of one bench on one simulator."""

    simulator: str
    station: str
    tests: tuple[str, ...]
    whole: bool = True
    """Whether these are all tests of the bench."""

    @property
    def only(self) -> str:
        """The same for `run_bench`: a regular expression on the tests' full names; empty where all are meant."""
        return "" if self.whole else rf"\.(?:{'|'.join(map(re.escape, self.tests))})$"


def parts(design: Design, *, simulator: str, only: str = "", external: bool = False) -> list[Part]:
    """All tests of a regression, bench by bench, in the order in which they run.

    simulator : one of `regression.CHOICES`
    only : a station or "controller"; empty for all
    external : whether the Verilog comes from outside, which is the controller's alone
    """
    chosen = [only] if only else ["controller"] if external else [*stations(design), "controller"]
    found = []
    for lane in (*SIMULATORS, "compiled") if simulator == "all" else (simulator,):
        for station in chosen:
            if lane != "compiled":
                names = [name for module in bench_modules(design, station) for name in tests_of(module)]
                found.append(Part(simulator=lane, station=station, tests=tuple(names)))
            elif station == "controller":
                found.append(Part(simulator=lane, station=station, tests=tuple(GAPS)))
    return found


def matching(found: list[Part], pattern: str) -> list[Part]:
    """Those tests whose name `station.test` the regular expression finds itself in; benches without any are left out.

    Raises `re.error` if it is none.
    """
    wanted = re.compile(pattern)
    chosen = []
    for part in found:
        tests = tuple(test for test in part.tests if wanted.search(f"{part.station}.{test}"))
        if tests:
            chosen.append(dataclasses.replace(part, tests=tests, whole=part.whole and tests == part.tests))
    return chosen


def count(found: list[Part]) -> int:
    """Tests in all."""
    return sum(len(part.tests) for part in found)


def listing(found: list[Part]) -> str:
    """Every name once, by station: `pulse: corners, at_random; controller: registers`."""
    names: dict[str, dict[str, None]] = {}
    for part in found:
        names.setdefault(part.station, {}).update(dict.fromkeys(part.tests))
    return "; ".join(f"{station}: {', '.join(tests)}" for station, tests in names.items())


@functools.cache
def tests_of(module: str) -> tuple[str, ...]:
    """Names of the tests of a bench: coroutines under `@harness.bench()`, in the order of the text."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return tuple(node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and _is_test(node))


def _is_test(function: ast.AsyncFunctionDef) -> bool:
    calls = [mark.func for mark in function.decorator_list if isinstance(mark, ast.Call)]
    return any(ast.unparse(call) == "harness.bench" for call in calls)
