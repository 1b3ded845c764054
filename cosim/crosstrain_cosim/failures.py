"""Why a cocotb test failed, in one line: from the text that cocotb keeps of it.

cocotb joins what several tasks raised in an exception group, whose own message says only how many there were.  The line
made here names each error once and where it was raised, and leaves out tasks that were merely cancelled because of it.
Where a value was neither 0 nor 1, it names the pins.
"""

from __future__ import annotations

import dataclasses
import re

_PART = re.compile(r"^[\s|]*\+[-+]*-+ (?:\d+|\.\.\.) -+$", re.M)
"""Line before each exception of a group, at any depth."""
_MARGIN = re.compile(r"^\s*[|] ?")
"""What an exception group puts before each line of its parts."""
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$")
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+), in ')
_UNKNOWN = re.compile(r"Can(?:no|')t convert Logic")
"""What cocotb says of a value that is neither 0 nor 1."""
_PIN = re.compile(r"\bdut\.(\w+)\.value\b")
_MISMATCH = re.compile(r"^\d+ mismatches, first: ")
SHOWN = 4
"""Pins named in one message."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raised:
    """One exception of a traceback."""

    kind: str
    message: str
    place: str = ""
    """File and line, outside cocotb itself where there is such a frame."""
    source: str = ""
    """The part of that line which failed."""


def failure(message: str, text: str, unknown: list[str] | None = None) -> str:
    """The line for a test.

    message, text : of cocotb's report: the exception's own, and its traceback
    unknown : pins that were neither 0 nor 1 when the test ended
    """
    found = [raised for part in _PART.split(text) if (raised := _raised(part)) is not None]
    if not found:
        return message or text.strip() or "no reason given"
    said = []
    for one in found:
        line = _line(one, unknown or [])
        if line not in said:
            said.append(line)
    return "; ".join(said)


def stopped(line: str) -> bool:
    """Whether a test with this line was stopped by an error: otherwise it ran to its end and found differences."""
    return _MISMATCH.match(line) is None


def _raised(part: str) -> Raised | None:
    """The exception that a traceback ends with; None for a group's own line and for a cancelled task."""
    lines = [_MARGIN.sub("", line) for line in part.splitlines()]
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    after = frames[-1] + 1 if frames else 0
    at = next((n for n, line in enumerate(lines) if n >= after and line[:1].strip() and line[:1] != "+"), None)
    if at is None or (match := _RAISED.match(lines[at])) is None or match[1].endswith("ExceptionGroup"):
        return None
    told = [line.strip() for line in (match[2] or "", *lines[at + 1 :]) if line.strip(" +-")]
    message = " ".join(told)
    if match[1].endswith("CancelledError") or message.startswith("Task was cancelled"):
        return None
    place, source = _place(lines, frames)
    return Raised(kind=match[1].rpartition(".")[2], message=message, place=place, source=source)


def _place(lines: list[str], frames: list[int]) -> tuple[str, str]:
    """Innermost frame outside cocotb: its file and line, and what failed there, by the marks under it if there are."""
    for number in reversed(frames):
        match = _FRAME.match(lines[number])
        assert match is not None
        if "/site-packages/cocotb/" in match[1]:
            continue
        source, marks = ([*lines[number + 1 : number + 3], "", ""])[:2]
        if "^" in marks and set(marks) <= set(" ^~"):
            source = source[marks.find("^") : marks.rfind("^") + 1]
        return f"{_short(match[1])}, line {match[2]}", source
    return "", ""


def _short(path: str) -> str:
    """File name of ours; of a library, its path from the library's name on."""
    return path.partition("/site-packages/")[2] or path.rpartition("/")[2]


def _line(one: Raised, unknown: list[str]) -> str:
    where = f" ({one.place})" if one.place else ""
    if _UNKNOWN.search(one.message):
        read = list(dict.fromkeys(_PIN.findall(one.source)))
        pins = [pin for pin in read if pin in unknown] or unknown or read
        more = f" and {len(pins) - SHOWN} more" if len(pins) > SHOWN else ""
        if pins:
            return f"neither 0 nor 1: {', '.join(pins[:SHOWN])}{more}: {one.message}{where}"
    if one.kind == "AssertionError":
        return f"{one.message}" if one.message else f"assertion failed{where}"
    return f"{one.kind}: {one.message}{where}" if one.message else f"{one.kind}{where}"
