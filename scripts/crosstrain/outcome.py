"""How a run of the command line ends: exit status, and one line where the user must know something.

0 ok, 1 a check failed, 2 bad input, 3 a fault of ours; 130 interrupted, 143 terminated, 141 nobody reads our output.

What is the user's and what is ours: a `UserError`, a `FileError` and any `OSError` about a named file speak to the user
in one line; any other exception, a `ValueError` out of numpy included, is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from types import FrameType

from crosstrain_model.errors import UserError
from crosstrain_model.files import DISK_ERRORS, FileError
from crosstrain_model.section import one_line

BAD_INPUT, OUR_FAULT, INTERRUPTED, TERMINATED, BROKEN_PIPE = 2, 3, 130, 143, 141
"""Exit statuses; the last three are 128 + the signal, as a shell counts."""

PACKAGES = ("crosstrain", "crosstrain_cosim", "crosstrain_hdl", "crosstrain_model")


class Terminated(BaseException):
    """SIGTERM, as an exception, so that temporary files go."""


def guarded(work: Callable[[], int], *, verbose: bool) -> int:
    """The exit status of `work`, or of the way in which it ended; `verbose` shows every traceback."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  closed by the caller's shell: >&-
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    # Amaranth's complaint about parts that are not used, as none is when building the hardware is cut short.
    warnings.filterwarnings("ignore", message=r"(?s).* created but never used\Z")
    restore = _catch_sigterm()
    try:
        try:
            status = work()
        finally:
            sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse, after --help
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "interrupted", INTERRUPTED)
    except Terminated:
        return _say("terminated", TERMINATED)
    except Exception as error:
        return _failed(error, verbose)
    finally:
        restore()


def user_message(error: BaseException) -> str | None:
    """The line that tells the user what to mend, or None where the fault is ours."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return f"output: {error.strerror}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in ("", *PACKAGES):
        return f"{error.name} is not installed: pip install 'crosstrain[all]'"
    if isinstance(error, (UserError, FileError)):
        return str(error)
    return None


def _failed(error: Exception, verbose: bool) -> int:
    if isinstance(error, OSError) and _stdout_is_broken():
        if isinstance(error, BrokenPipeError):  # the reader has seen enough: `crosstrain presets | head -1`
            return BROKEN_PIPE
        return _say(f"output: {error.strerror}", BAD_INPUT)
    message = user_message(error)
    if message is None or verbose:
        traceback.print_exception(error)
    if message is None:
        return _say(f"internal error: {type(error).__name__}: {error}", OUR_FAULT)
    return _say(message, BAD_INPUT)


def _say(message: str, status: int) -> int:
    text = " ".join(message.split("\n")) if status != OUR_FAULT else message.partition("\n")[0]
    print(f"crosstrain: {one_line(text, 2000)}", file=sys.stderr)
    return status


def _stdout_is_broken() -> bool:
    """Whether what was printed cannot be delivered; it is then thrown away, so that the interpreter's exit is quiet."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # no file behind it, or closed
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    broken = any(events & (select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))
    try:
        sys.stdout.flush()
    except OSError:
        broken = True
    if broken:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, descriptor)
        os.close(sink)
    return broken


def _catch_sigterm() -> Callable[[], None]:
    """Turn SIGTERM into `Terminated` while a command runs; returns what puts things back."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)

    def restore() -> None:
        signal.signal(signal.SIGTERM, before)

    return restore
