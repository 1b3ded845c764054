"""A run is a folder: what was asked, the last checkpoint, the result and its picture.

    design.toml              the design as resolved
    plan.json                the training plan
    checkpoint.safetensors   the whole state, replaced atomically; arrays and nothing to execute
    result.json              figures of the finished run
    curves.png               learning curves and pulse counts
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from crosstrain_model.design import Design
from crosstrain_model.design_file import load_design, resolve_toml
from crosstrain_model.errors import UserError
from crosstrain_model.files import FileError, write_bytes_atomic, write_text_atomic
from crosstrain_model.training.plan import Plan

Arrays = dict[str, npt.NDArray[np.generic]]


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

    def create(self, design: Design, plan: Plan) -> None:
        """Make the folder (its parent must exist) and store what was asked; refuses one that holds a run already."""
        if self.checkpoint.exists() or (self.path / "plan.json").exists():
            raise RunError(f"{self.path}: holds a run already; continue it with --resume or name another folder")
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise FileError(self.path, error) from error
        write_text_atomic(self.path / "design.toml", resolve_toml(design))
        write_text_atomic(self.path / "plan.json", json.dumps(dataclasses.asdict(plan), indent=2) + "\n")

    def read_request(self) -> tuple[Design, Plan]:
        """The design and plan that the run was started with."""
        path = self.path / "plan.json"
        if not path.is_file():
            raise RunError(f"{self.path}: is no run folder (no plan.json)")
        try:
            plan = Plan(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise RunError(f"{path}: {error}") from error
        return load_design(str(self.path / "design.toml")), plan

    def write_checkpoint(self, arrays: Arrays) -> None:
        """Replace the checkpoint by `arrays`, or leave the old one whole."""
        write_bytes_atomic(self.checkpoint, save({name: np.asarray(a, order="C") for name, a in arrays.items()}))

    def read_checkpoint(self) -> Arrays | None:
        """The arrays of the last checkpoint; None where none was written yet."""
        try:
            return dict(load(self.checkpoint.read_bytes()))
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError) as error:
            raise RunError(f"{self.checkpoint}: {error}") from error
