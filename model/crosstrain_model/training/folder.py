"""A run is a folder: what was asked, the last checkpoint, the result and its picture.

    design.toml              the design as resolved
    plan.json                the training plan
    checkpoint.safetensors   the whole state, replaced atomically; arrays and nothing to execute, with their digest
    result.json              figures of the finished run
    curves.png               learning curves and pulse counts
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design, resolve_toml
from crosstrain_model.errors import UserError
from crosstrain_model.files import FileError, check_replaceable, write_bytes_atomic, write_text_atomic
from crosstrain_model.training.plan import Plan

Arrays = dict[str, npt.NDArray[np.generic]]

DIGEST = "digest"
"""Name under which a checkpoint holds the digest of everything else in it, 32 bytes."""


def digest_of_arrays(arrays: Arrays) -> npt.NDArray[np.uint8]:
    """SHA-256 over names, types, shapes and content, names in order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, list(arrays[name].shape)]).encode())
        digest.update(array.data.cast("B") if array.size else b"")
    return np.frombuffer(digest.digest(), np.uint8)


class RunError(UserError):
    """A run folder that cannot be used; one line that names it."""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Paths and formats of one run folder."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def picture(self) -> Path:
        return self.path / "curves.png"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    def check_free(self) -> None:
        """Refuse, before any work, a folder that holds anything, or that cannot be made."""
        if self.plan.exists():
            raise RunError(f"{self.path}: holds a run already; continue it with --resume or name another folder")
        check_replaceable(self.path)

    def create(self, design: Design, plan: Plan) -> None:
        """Make the folder (its parent must exist) and store what was asked."""
        self.check_free()
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise FileError(self.path, error) from error
        write_text_atomic(self.path / "design.toml", resolve_toml(design))
        self.write_plan(plan)

    def write_plan(self, plan: Plan) -> None:
        """Store the plan, or one with more epochs in its place."""
        write_text_atomic(self.plan, json.dumps(dataclasses.asdict(plan), indent=2) + "\n")

    def read_request(self) -> tuple[Design, Plan]:
        """The design and plan that the run was started with."""
        if not self.plan.is_file():
            raise RunError(f"{self.path}: is no run folder (no plan.json)")
        try:
            stored = json.loads(self.plan.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.plan}: is not JSON: {str(error) or type(error).__name__}") from error
        wanted = {field.name for field in dataclasses.fields(Plan)}
        found = set(stored) if isinstance(stored, dict) else set()
        if found != wanted:
            odd = ", ".join(sorted(found ^ wanted))
            raise RunError(f"{self.plan}: must hold the fields of a plan and no others; differs in {odd}")
        try:
            plan = Plan(**stored)
        except UserError as error:
            raise RunError(f"{self.plan}: {error}") from error
        return load_design(str(self.path / "design.toml")), plan

    def write_checkpoint(self, arrays: Arrays) -> None:
        """Replace the checkpoint by `arrays`, or leave the old one whole."""
        content = {name: np.asarray(a, order="C") for name, a in arrays.items()}
        write_bytes_atomic(self.checkpoint, save({**content, DIGEST: digest_of_arrays(content)}))

    def read_checkpoint(self) -> Arrays | None:
        """The arrays of the last checkpoint, whole by their digest; None where none was written yet."""
        try:
            arrays: Arrays = dict(load(self.checkpoint.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(self.checkpoint, error) from error
        except (SafetensorError, LookupError, TypeError, ValueError) as error:
            raise RunError(f"{self.checkpoint}: is no checkpoint: {error}".split("\n")[0]) from error
        kept = arrays.pop(DIGEST, None)
        if kept is None or not np.array_equal(kept, digest_of_arrays(arrays)):
            raise RunError(f"{self.checkpoint}: is damaged: its content does not have the digest stored with it")
        return arrays
