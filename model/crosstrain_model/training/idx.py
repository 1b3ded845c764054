"""IDX files, the format of MNIST: arrays of bytes, plain or gzip.

    2 bytes 0, type 0x08 (unsigned byte), number of dimensions; each size as 4 bytes, highest first; then the bytes
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crosstrain_model.errors import UserError
from crosstrain_model.section import one_line

Bytes = npt.NDArray[np.uint8]


def read_idx(path: Path, dimensions: int) -> Bytes:
    """The array of a file: uint8 of as many dimensions as are wanted.  `UserError` of one line for anything else."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise UserError(f"{_name(path)}: cannot be read: {one_line(reason)}") from error
    magic, wanted = content[:4], bytes((0, 0, 8, dimensions))
    if magic != wanted:
        raise UserError(f"{_name(path)}: begins with 0x{magic.hex()}: must be 0x{wanted.hex()} (IDX, bytes)")
    head = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, head, 4))
    if len(content) != head + math.prod(shape):
        raise UserError(f"{_name(path)}: has {len(content)} bytes: must be {head + math.prod(shape)} for {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=head).reshape(shape)


def _name(path: Path) -> str:
    return one_line(str(path), 400)
