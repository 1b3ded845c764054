"""The frame of the command line: finds the command, prepares what all commands share, writes the JSON result.

A command is a module `command_<name>.py` beside this file, found by its name, with

    add(subparsers)     registers its arguments through `options.add_command`
    run(args) -> dict   does the work, prints for people, returns its own keys of the JSON result (`ok` false: exit 1)

Its module imports nothing heavy at its head (`run` does), so that --help is quick.  `args` has `json`, `seed`,
`verbose`, and where the command takes a design, `design` (a checked `Design`, `--set` and `--seed` applied) and
`source` (what the user called it).  Exit statuses are in `outcome`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

import crosstrain
from crosstrain.outcome import guarded
from crosstrain.result import to_json
from crosstrain_model import __version__
from crosstrain_model.design_file import design_hash, load_design
from crosstrain_model.errors import UserError
from crosstrain_model.files import check_writable, write_text_atomic
from crosstrain_model.nearest import nearest
from crosstrain_model.section import one_line

ORDER = ("presets", "device", "generate", "cosim", "train", "compare", "synth", "report")
"""The order in which people meet the commands; others follow by name."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition(" ")[2]
        raise UserError(f"{command + ': ' if command else ''}{message} (see {self.prog} --help)")


def command_names() -> list[str]:
    """Every command there is a module for."""
    found = (module.name for module in pkgutil.iter_modules(crosstrain.__path__))
    names = [name.removeprefix("command_").replace("_", "-") for name in found if name.startswith("command_")]
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _command_line(arguments), verbose=_wants_traceback(arguments))


def _command_line(arguments: list[str]) -> int:
    started = time.perf_counter()
    names = command_names()
    asked = arguments[0] if arguments else ""
    if not asked:
        raise UserError(f"no command given: {', '.join(names)} (see crosstrain --help)")
    if not asked.startswith("-") and asked not in names:
        known = f"nearest is {nearest(asked, names)} (see crosstrain --help)"
        raise UserError(f"{one_line(asked)}: no such command; {known}")
    modules = {name: _module(name) for name in ([asked] if asked in names else names)}  # one when one is enough
    args = _parser(modules).parse_args(arguments)
    return _run(modules[args.command], args, started)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"crosstrain.command_{name.replace('-', '_')}")


def _parser(modules: dict[str, ModuleType]) -> Parser:
    parser = Parser(
        prog="crosstrain",
        description="Generates verified digital controllers that train neural networks inside analog memory arrays.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crosstrain {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in modules.values():
        module.add(subparsers)
    return parser


def _run(module: ModuleType, args: argparse.Namespace, started: float) -> int:
    """Check everything that can be checked first, do the work, then write the result."""
    if args.json is not None:
        check_writable(args.json)
    envelope: dict[str, Any] = {"command": args.command, "version": __version__, "design": None, "design_hash": None}
    if getattr(args, "source", None) is not None:
        seed = [] if args.seed is None else [f"seed={args.seed}"]
        args.design = load_design(args.source, [*args.set, *seed])
        envelope |= {"design": args.design.name, "design_hash": design_hash(args.design)}
    envelope["ok"] = True
    envelope |= module.run(args)
    envelope.setdefault("seconds", round(time.perf_counter() - started, 3))
    if args.json is not None:
        sys.stdout.flush()  # FILE may be standard output
        write_text_atomic(args.json, to_json(envelope))
    return 0 if envelope["ok"] else 1


def _wants_traceback(arguments: Sequence[str]) -> bool:
    return any(argument in ("-v", "-vv", "--verbose") for argument in arguments)
