"""Builds are made once: a folder per build, named by a hash of everything that goes into it.

The cache lies in `$CROSSTRAIN_CACHE`, else `$XDG_CACHE_HOME/crosstrain`, else `~/.cache/crosstrain`. It may be deleted
at any time. A build is made in a folder beside its place and renamed into it, so a build that is killed leaves nothing
that looks finished, and two processes that want the same build make it once: the second waits for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LAYOUT = "1"
"""Changes when the meaning of a cached folder changes; part of every key."""


def cache_root() -> Path:
    """Folder of all builds; not created here."""
    if chosen := os.environ.get("CROSSTRAIN_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "crosstrain"


def digest(*parts: object) -> str:
    """Twenty hex digits over `parts`: texts, numbers, tuples and dicts of such (dicts in the order of their keys)."""
    state = hashlib.sha256(LAYOUT.encode())

    def feed(part: object) -> None:
        if isinstance(part, dict):
            feed([[key, part[key]] for key in sorted(part)])
        elif isinstance(part, (list, tuple)):
            state.update(f"({len(part)}".encode())
            for item in part:
                feed(item)
        else:
            text = str(part).encode()
            state.update(f"<{len(text)}>".encode())  # the length keeps neighbours apart
            state.update(text)

    feed(parts)
    return state.hexdigest()[:20]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file lock at `path`; the system lets go of it when the process dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_once(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """Folder `<cache>/<kind>/<key>`, made by `build(empty folder)` if it is not there yet.

    The contents must not refer to the folder they were made in: it is renamed afterwards.
    """
    place = cache_root() / kind / key
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place.parent / f"{key}.lock"):
        if place.is_dir():
            return place
        for left in filter(Path.is_dir, place.parent.glob(f"{key}.*")):  # by a build that was killed
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=place.parent))
        try:
            build(work)
            work.chmod(0o755)
            work.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return place
