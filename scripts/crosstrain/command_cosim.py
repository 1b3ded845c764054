"""`crosstrain cosim`: the regression of a design on its Verilog, against the model and with an array on its pins."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain.design_check import check_design
from crosstrain.options import add_command
from crosstrain_model.errors import UserError

if TYPE_CHECKING:
    from crosstrain_cosim.selection import Part
    from crosstrain_cosim.simulators import Result

SHOWN = 5
"""Lines printed of a bench that failed."""


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = add_command(
        subparsers,
        "cosim",
        help="run the regression of a design on its Verilog",
        epilog="Every station and the controller, against the model. Icarus is the default for small designs, "
        "Verilator for large ones. --rtl takes Verilog given from outside, whose top has the design's name.",
    )
    parser.add_argument("--simulator", metavar="NAME", help="icarus, verilator, compiled or all")
    parser.add_argument("--only", metavar="STATION", help="one station alone, or controller")
    parser.add_argument(
        "--test",
        metavar="NAME",
        help="only tests in whose name, as pulse.corners, this regular expression is found; the report says that it is "
        "of a part",
    )
    parser.add_argument("--waves", metavar="DIR", help="record waves and logs into DIR")
    parser.add_argument("--rtl", metavar="FILE", nargs="+", help="Verilog to test in place of the generated controller")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benches; a line for each, then the first divergences of those that failed."""
    from crosstrain_cosim import regression, selection

    simulator = args.simulator or regression.default_simulator(args.design)
    _choose("--simulator", simulator, regression.CHOICES)
    if args.only is not None:
        _choose("--only", args.only, regression.names(args.design))
    if args.only not in (None, "controller") and args.rtl:
        raise UserError(f"--only {args.only}: --rtl is for the controller alone")
    rtl = _sources(args.rtl) if args.rtl else None
    if rtl is not None and not any(re.search(rf"\bmodule\s+\\?{args.design.top}\b", text) for text in rtl.values()):
        raise UserError(f"--rtl: no module {args.design.top} in the files given")
    whole = selection.parts(args.design, simulator=simulator, external=rtl is not None)
    chosen = _chosen(args, whole)
    check_design(args)
    seed = args.design.seed
    part = _part(args, selection.count(chosen), selection.count(whole))
    print(f"{args.design.name}: {simulator}, seed {seed}{f', {part}' if part else ''}", flush=True)
    totals = {(one.simulator, one.station): len(one.tests) for one in whole}
    results = regression.run_regression(
        args.design,
        chosen,
        seed=seed,
        waves=Path(args.waves) if args.waves else None,
        rtl=rtl,
        listen=lambda result: _say(result, totals[result.simulator, result.bench]),
    )
    figures = {"simulator": simulator, **_figures(results), "seed": seed}
    figures |= {"part": bool(part), "tests_in_whole": selection.count(whole), "only": args.only, "test": args.test}
    ok = bool(results) and all(result.ok for result in results)
    if ok:
        print(_passed(figures, part))
    else:
        print(f"{_logs(results)}\nFAILED: {_failed(figures)}{f'; {part}' if part else ''}")
    return {**figures, "ok": ok, "benches": [_plain(result) for result in results]}


def _chosen(args: argparse.Namespace, whole: list[Part]) -> list[Part]:
    """What --only and --test leave of the whole regression."""
    from crosstrain_cosim import selection

    found = [part for part in whole if args.only in (None, part.station)]
    if not found:  # a station, and the compiled lane alone
        raise UserError(f"--only {args.only}: --simulator {args.simulator} is for the controller alone")
    if args.test is None:
        return found
    if not args.test:  # it would be found in every name
        raise UserError("--test '': must be a part of a test's name")
    try:
        chosen = selection.matching(found, args.test)
    except re.error as error:
        raise UserError(f"--test {args.test}: is no regular expression: {error}") from None
    if not chosen:
        known = f"none of the {selection.count(found)} tests: {selection.listing(found)}"
        raise UserError(f"--test {args.test}: matches {known}")
    return chosen


def _part(args: argparse.Namespace, chosen: int, whole: int) -> str:
    """What is said of a run that leaves tests out, wherever its outcome is; empty for a whole regression."""
    if chosen == whole:
        return ""
    options = {"--only": args.only, "--test": args.test}
    given = " ".join(f"{name} {value}" for name, value in options.items() if value is not None)
    return f"a part: {chosen} of {whole} tests ({given})"


def _figures(results: list[Result]) -> dict[str, Any]:
    """Sums over all benches."""
    seconds = sum(result.seconds for result in results)
    cycles = sum(result.cycles for result in results)
    return {
        "tests": sum(result.tests for result in results),
        "failed": sum(result.failed for result in results),
        "stopped": sum(result.stopped for result in results),
        "events": sum(result.events for result in results),
        "mismatches": sum(result.mismatches for result in results),
        "cycles": cycles,
        "cycles_per_second": round(cycles / seconds) if seconds else 0,
    }


def _passed(figures: dict[str, Any], part: str) -> str:
    """The last line of a run in which everything agreed."""
    tests = f"ok, {part}" if part else f"ok: {figures['tests']} tests"
    return (
        f"{tests}, {figures['events']:,} comparisons, {figures['mismatches']:,} mismatches, "
        f"{figures['cycles']:,} cycles, {figures['cycles_per_second']:,} a second"
    )


def _failed(figures: dict[str, Any]) -> str:
    """What the tests that failed have in common."""
    if not figures["tests"]:
        return "no test ran"
    if not figures["failed"]:
        return f"{figures['tests']} tests, of which some compared nothing"
    return (
        f"{figures['failed']} of {max(figures['tests'], figures['failed'])} tests "
        f"({figures['stopped']} stopped by an error, {figures['mismatches']:,} mismatches)"
    )


def _logs(results: list[Result]) -> str:
    """Where a reader finds more."""
    logs = [result.log for result in results if not result.ok and result.log]
    return f"log: {', '.join(logs)}" if logs else "--waves DIR keeps the log and the waves"


def _choose(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{option} {value}: must be one of {', '.join(choices)}")


def _sources(paths: list[str]) -> dict[str, str]:
    """Texts of the files; two of one name would overwrite each other."""
    names = [Path(path).name for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--rtl {name}: two files have this name")
    return {Path(path).name: _text(path) for path in paths}


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"--rtl {path}: is not Verilog text") from None


def _say(result: Result, of: int) -> None:
    """The line of a bench that has `of` tests, and the first of its divergences."""
    tests = f"{result.tests:3}" if result.tests == of else f"{result.tests:3} of {of}"
    state = "ok    " if result.ok else "FAILED"
    print(
        f"  {state} {result.simulator:9} {result.bench:13} {tests} tests {result.events:8,} comparisons "
        f"{result.cycles:9,} cycles {result.seconds:6.1f} s",
        flush=True,
    )
    lines = _joined(result.messages)
    for line in lines[:SHOWN]:
        print(f"         {line}", flush=True)
    if len(lines) > SHOWN:
        print(f"         and {len(lines) - SHOWN} more, which the file of --json has", flush=True)


def _joined(messages: tuple[str, ...]) -> list[str]:
    """Tests that failed for one reason on one line."""
    names: dict[str, list[str]] = {}
    for message in messages:
        name, _, reason = message.partition(": ")
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(listed)}: {reason}" if reason else ", ".join(listed) for reason, listed in names.items()]


def _plain(result: Result) -> dict[str, Any]:
    names = ("bench", "simulator", "tests", "failed", "stopped", "events", "mismatches", "cycles", "seconds", "log")
    return {name: getattr(result, name) for name in names} | {"messages": list(result.messages)}
