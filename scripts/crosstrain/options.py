"""Options that commands share, so that each means the same everywhere."""

from __future__ import annotations

import argparse
from typing import Any


def path(text: str) -> str:
    """Type of an argument that names a file or folder."""
    if not text:
        raise argparse.ArgumentTypeError("must name a file or folder")
    return text


def add_command(
    subparsers: Any, name: str, *, help: str, design: bool = True, **keywords: Any
) -> argparse.ArgumentParser:
    """Register a command and its common options; the parser returned takes its own arguments.

    subparsers : what `add` of a command module is given
    help : one line for the list of commands, without a full stop
    design : whether the command works on a DESIGN, with `--set`
    keywords : for the parser, say `description` (default: the help) or `epilog`
    """
    keywords.setdefault("description", help[:1].upper() + help[1:] + ".")
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=help, allow_abbrev=False, **keywords)
    if design:
        parser.add_argument("source", metavar="DESIGN", help="name of a preset, or path of a design file (TOML)")
        parser.add_argument(
            "--set",
            metavar="KEY=VALUE",
            action="append",
            default=[],
            help="override a field of the design, as array.rows=13 (repeatable)",
        )
    parser.add_argument("--json", metavar="FILE", type=path, help="write the result to FILE as one JSON object")
    parser.add_argument("--seed", metavar="N", type=int, help="seed of everything drawn at random")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more; tracebacks with errors")
    return parser
