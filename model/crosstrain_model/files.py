"""Files and folders that are whole or not there: written under a temporary name beside the target, then renamed.

A process that is killed, or a disk that is full, leaves at the target what was there before.  Every failure is a
`FileError` (an `OSError`) of one line that names the path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from crosstrain_model.section import one_line

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Errors of a write that come without a file name."""


class FileError(OSError):
    """A file or folder that cannot be written; the message is one line for the user."""

    def __init__(self, path: str | Path, reason: str | Exception) -> None:
        told = (isinstance(reason, OSError) and reason.strerror) or str(reason)
        super().__init__(f"{one_line(str(path), 400)}: {told}")


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8; see `write_bytes_atomic`."""
    write_bytes_atomic(path, text.encode())


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Make `data` the content of the file at `path`, at once and for good (flushed to the disk before the rename).

    A symbolic link stays one.  What is no regular file (a terminal, a pipe, /dev/stdout) is appended to as it stands.
    """
    target = check_writable(path)
    with _naming(path):
        if _is_stream(target):
            _write(target, os.O_APPEND, data)
            return
        temporary = _sibling(target, "tmp")
        try:
            _write(temporary, os.O_CREAT | os.O_EXCL, data, flush=True)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> Path:
    """The place that writing to `path` changes; raises `FileError` unless a file can be made or replaced there.

    For the start of long work, so that its result is not lost at the end.
    """
    with _naming(path):
        if _is_stream(Path(path)):
            return Path(path)
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise FileError(path, "is a folder: must be a file")
        _check_parent(path, target)
        if target.exists() and not os.access(target, os.W_OK):
            raise FileError(path, "is write-protected")
        return target


def check_replaceable(path: str | Path, marker: str | None = None) -> Path:
    """The place behind `path`; raises `FileError` unless `fresh_folder(path, marker)` may put a folder there."""
    with _naming(path):
        target = Path(os.path.realpath(path))
        if target.exists():
            if not target.is_dir():
                raise FileError(path, "is a file: must be a folder")
            if target in (Path.cwd(), *Path.cwd().parents):
                raise FileError(path, "is the folder worked in: it cannot be replaced")
            if any(target.iterdir()) and not (marker and (target / marker).is_file()):
                raise FileError(path, "is not empty" + (f" and has no {marker}" if marker else "") + ": not replaced")
        _check_parent(path, target)
        return target


@contextlib.contextmanager
def fresh_folder(path: str | Path, marker: str | None = None) -> Iterator[Path]:
    """Builds a folder under a temporary name beside `path`: fill what is yielded; at the end it becomes `path`.

    A folder already at `path` is replaced, with all it holds, only when it is empty or holds a file called `marker`
    (one that this program writes, say manifest.json); whatever else a user names by mistake is left alone.  When the
    body raises, nothing changes.
    """
    target = check_replaceable(path, marker)
    temporary = _sibling(target, "tmp")
    try:
        with _naming(path):
            temporary.mkdir()
        try:
            yield temporary
        except FileError:
            raise
        except OSError as error:
            inside = str(error.filename or "").startswith(str(temporary))
            if inside or (error.filename is None and error.errno in DISK_ERRORS):
                name = Path(path) / (os.path.relpath(error.filename, temporary) if inside else "")
                raise FileError(name, error) from error
            raise
        check_replaceable(path, marker)  # the body may have taken long
        with _naming(path):
            _swap(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, target: Path) -> None:
    """Put the folder `temporary` at `target`; what was there is deleted only once the new one is in place."""
    if not target.exists():
        os.rename(temporary, target)
        return
    old = _sibling(target, "old")
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, how: int, data: bytes, *, flush: bool = False) -> None:
    descriptor = os.open(path, os.O_WRONLY | how, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Whatever the system refuses becomes a `FileError` that names `path`."""
    try:
        yield
    except FileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise FileError(path, error) from error


def _sibling(target: Path, kind: str) -> Path:
    """A hidden name of its own in the target's folder, hence on its file system."""
    return target.parent / f".{target.name[:40]}.{kind}-{uuid.uuid4().hex[:12]}"


def _is_stream(path: Path) -> bool:
    """Whether `path` is something to be written to where it is: a device, a pipe, or an open file of this process."""
    if not path.exists() or path.is_dir():
        return False
    return not stat.S_ISREG(path.stat().st_mode) or str(path).startswith(("/dev/std", "/dev/fd/", "/proc/"))


def _check_parent(path: str | Path, target: Path) -> None:
    """Whether an entry can be made in the target's folder, found out by making one."""
    parent = target.parent
    if not parent.exists():
        raise FileError(path, f"the folder {one_line(str(parent), 400)} does not exist")
    probe = _sibling(target, "probe")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    finally:
        probe.unlink(missing_ok=True)
