"""Files of published data sets: looked for in a folder, else fetched once into a cache and checked by SHA-256.

The folder is the user's (`--data-dir`, else $CROSSTRAIN_DATA): what lies there is taken as it is, nothing is fetched.
Without one the cache is `$XDG_CACHE_HOME/crosstrain/data`, else `~/.cache/crosstrain/data`; it may be deleted.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from crosstrain_model.errors import UserError
from crosstrain_model.files import FileError, write_bytes_atomic
from crosstrain_model.section import one_line

SECONDS = 30.0
"""Longest silence of a server."""


def data_folder(given: str | Path | None) -> Path | None:
    """The folder that the user names; None: the cache serves."""
    return Path(given) if given else Path(named) if (named := os.environ.get("CROSSTRAIN_DATA")) else None


def data_files(name: str, url: str, sums: Mapping[str, str], folder: Path | None) -> dict[str, Path]:
    """Where the files of data set `name` lie: {file name: path}, each plain or with `.gz`.

    url : of the folder that has them, with its last slash;  sums : {file name without `.gz`: SHA-256 of its gzip file}
    folder : that has a folder `name`; None: the cache, filled where files are missing
    """
    if folder is not None:
        return {file: _find(folder / name, file) for file in sums}
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(base) / "crosstrain" / "data" / name
    return {file: _cached(name, f"{url}{file}.gz", digest, cache / f"{file}.gz") for file, digest in sums.items()}


def _find(folder: Path, file: str) -> Path:
    for path in (folder / file, folder / f"{file}.gz"):
        if path.is_file():
            return path
    where = one_line(str(folder / file), 400)
    raise UserError(f"{where}: does not exist, nor with .gz (--data-dir or CROSSTRAIN_DATA name the folder above)")


def _cached(name: str, url: str, digest: str, path: Path) -> Path:
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
        return path
    content = fetch(name, url)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise UserError(f"{url}: has SHA-256 {found}: must be {digest}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(path.parent, error) from error
    write_bytes_atomic(path, content)
    return path


def fetch(name: str, url: str) -> bytes:
    """The content behind an address; `UserError` of one line when there is none to be had."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        cause = getattr(error, "reason", error)
        reason = one_line(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)
        hint = f"get its files by hand and name the folder above {name}/ with --data-dir"
        raise UserError(f'train.data = "{name}": {url} cannot be fetched ({reason}); {hint}') from error
