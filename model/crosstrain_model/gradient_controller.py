"""The controller of one tile with in-memory gradients, bit-true: all its stations joined, and the arrays they drive.

Per vector pair (x, ex), (d, ed), in this order, and only then the next:

    scale       slots and multipliers from max|x|, max|d| and the running means             `scale.py`
    train       bits of every line, one TRAIN with the chopper signs as they are            `pulse_train.py`
                on A, or on W where nothing is transferred (sgd); none if no phase is left
    sweep       counts the vector; if a transfer follows, its token                         `sweep.py`, `chopper.py`
    read        READ_ROW of the token's row of A
    visit       its codes through reference and H to pulse counts                           `transfer.py`
    program     the row of W by these counts, SET then RESET; none if all are 0             `pulse.py`

A read that fails (no codes) is counted and its row not visited. This is the order per array: the hardware overlaps A
and W, and queues vectors, but gives each array its commands in it.

`update_vectors` is the definition and says what every command was; `gradient_batch.run_vectors` does the same for a
batch in one compiled call, to the same bits, and says no more than the row programs.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.accumulator import Ledger
from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId
from crosstrain_model.pulse import phase_counts
from crosstrain_model.pulse_train import Train, draw, slots_of
from crosstrain_model.random_streams import Stream, restored_words, seed_words
from crosstrain_model.registers import register_table
from crosstrain_model.scale import Means, ScaleSettings, scale
from crosstrain_model.sweep import Sweep, SweepSettings
from crosstrain_model.threshold import theta_limit
from crosstrain_model.transfer import TransferSettings, TransferState, visit_row
from crosstrain_model.twin.tile import ArrayTile

Masks = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int8]
RowProgram = tuple[int, Counts]
"""Row of W, and signed pulses per column [columns]."""

REGISTERS = {
    "train_rate": ("scale", "rate"),
    "train_momentum": ("scale", "momentum"),
    "train_dynamic": ("scale", "dynamic"),
    "transfer_every": ("sweep", "every"),
    "chopper_period": ("sweep", "period"),
    "flip_probability": ("sweep", "probability"),
    "warmup": ("sweep", "warmup"),
    "threshold": ("transfer", "theta"),
    "leak": ("transfer", "leak"),
}
"""Register that digital state depends on, lower case -> group and field of `Settings`."""

OWN_COUNTERS = ("trains", "train_issued", "commands", "issued")
"""TRAIN commands, slots of trains, PROGRAM commands, pulses of programs; unbounded here, modulo 2^32 in hardware."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Run-time registers that digital state depends on; theta itself, even where its register holds log2."""

    scale: ScaleSettings
    sweep: SweepSettings
    transfer: TransferSettings

    @classmethod
    def of(cls, design: Design) -> Settings:
        """Reset values of a design."""
        return cls(scale=ScaleSettings.of(design), sweep=SweepSettings.of(design), transfer=TransferSettings.of(design))

    def numbers(self) -> list[int]:
        """All of them, in the order of REGISTERS."""
        return [int(getattr(getattr(self, group), field)) for group, field in REGISTERS.values()]

    def changed(self, registers: dict[str, int]) -> Settings:
        """With some of REGISTERS at other values."""
        groups: dict[str, dict[str, Any]] = {"scale": {}, "sweep": {}, "transfer": {}}
        for name, value in registers.items():
            group, field = REGISTERS[name]
            groups[group][field] = type(getattr(getattr(self, group), field))(value)
        return Settings(**{name: dataclasses.replace(getattr(self, name), **new) for name, new in groups.items()})


class Arrays(Protocol):
    """What answers the controller's commands."""

    def train(
        self,
        x_bits: npt.NDArray[np.uint64],
        d_bits: npt.NDArray[np.uint64],
        x_sign: npt.NDArray[np.int8],
        d_sign: npt.NDArray[np.int8],
    ) -> int:
        """A TRAIN on A, or on W without transfers, as `ArrayTile.pulse_train`; the pulses it gave."""

    def read_row(self, row: int) -> npt.NDArray[Any] | None:
        """Codes [columns] of a READ_ROW of A; None: it failed."""

    def program_row(self, row: int, counts: Counts) -> int:
        """Row of W by signed counts [columns], SET then RESET; the pulses it gave."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TileArrays:
    """The array model in that place."""

    w: ArrayTile
    a: ArrayTile | None = None
    """The gradient array; None without transfers."""

    @classmethod
    def of(cls, design: Design, *, seed: int | None = None, tile: int = 0, engine: str = "numba") -> TileArrays:
        """Both arrays of a tile, or W alone."""
        w = ArrayTile(design, seed=seed, tile=tile, array=ArrayId.W, engine=engine)
        if not design.transfers:
            return cls(w=w)
        return cls(w=w, a=ArrayTile(design, seed=seed, tile=tile, array=ArrayId.A, engine=engine))

    @property
    def trained(self) -> ArrayTile:
        """The array that trains act on."""
        return self.w if self.a is None else self.a

    def train(self, x_bits: Any, d_bits: Any, x_sign: Any, d_sign: Any) -> int:
        return self.trained.pulse_train(x_bits, d_bits, x_sign, d_sign)

    def read_row(self, row: int) -> npt.NDArray[Any] | None:
        assert self.a is not None
        return self.a.read_row(row)

    def program_row(self, row: int, counts: Counts) -> int:
        return self.w.program_row(row, counts)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainEvent:
    """One TRAIN command: masks [slots, rows], [slots, columns], directions [slots, columns] (True: SET)."""

    array: ArrayId
    rows: Masks
    columns: Masks
    direction: Masks
    pulses: int
    """Coincidences, as the array counts them."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReadEvent:
    """One READ_ROW of A; codes [columns], None where it failed."""

    row: int
    codes: npt.NDArray[Any] | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ProgramEvent:
    """The programming of one row of W: signed counts [columns], one PROGRAM command per direction that has any."""

    row: int
    counts: Counts


Event = TrainEvent | ReadEvent | ProgramEvent


class GradientController:
    """One tile's digital half.

    tile : selects the seeds of its streams (`random_streams.seed_words`)
    means : running means of the scaling
    rows, columns : streams of the lines
    sweep : schedule and choppers
    transfer : H, P, P_ref; None without transfers
    ledger : per-cell totals of H, kept if asked for (batches then take the plain way)
    """

    def __init__(self, design: Design, *, tile: int = 0, ledger: bool = False):
        self.design = design
        self._table = register_table(design)
        self.settings = Settings.of(design)
        self.means = Means()
        self.rows, self.columns = Stream(design, "rows"), Stream(design, "columns")
        self.sweep = Sweep(design)
        self.transfer = TransferState(design) if design.transfers else None
        self.ledger = Ledger.of(self.transfer.h) if ledger and self.transfer is not None else None
        self.kept: object = None
        """What `gradient_batch` keeps here from one batch to the next."""
        self.trains = self.train_issued = self.commands = self.issued = 0
        self.seed(tile)

    def seed(self, tile: int) -> None:
        """Give all streams the seeds of a tile."""
        for name, stream in self.streams().items():
            stream.state = seed_words(self.design, name, tile)

    def streams(self) -> dict[str, Stream]:
        """The streams that there are, by name."""
        found = {"rows": self.rows, "columns": self.columns}
        return found if self.sweep.chopper.stream is None else {**found, "choppers": self.sweep.chopper.stream}

    def configure(self, **registers: int) -> None:
        """Write registers, names as in REGISTERS; `threshold` is theta itself.

        Raises ValueError for what the register would refuse, or for one that the design has not; then nothing has
        changed.
        """
        present = [name for name in REGISTERS if self._bounds(name)]
        for name, value in registers.items():
            bounds = self._bounds(name) if name in REGISTERS else None
            if bounds is None:
                raise ValueError(f"GradientController.{name}: is no register of this design ({', '.join(present)})")
            if not bounds[0] <= value <= bounds[1]:
                raise ValueError(f"GradientController.{name} = {value}: must be {bounds[0]}..{bounds[1]}")
            if name == "threshold":
                self._check_power(value)
        self.settings = self.settings.changed(registers)
        self.sweep.settings = self.settings.sweep

    def update(self, x: npt.ArrayLike, ex: int, d: npt.ArrayLike, ed: int, arrays: Arrays) -> list[Event]:
        """One vector pair, codes x [rows], d [columns] and exponents: its commands, in order."""
        design, codes_x, codes_d = self.design, np.asarray(x, np.int32), np.asarray(d, np.int32)
        largest_x, largest_d = int(np.abs(codes_x).max()), int(np.abs(codes_d).max())
        scaled = scale(design, self.settings.scale, self.means, largest_x, int(ex), largest_d, int(ed))
        words = draw(design, self.rows, self.columns, scaled.slots)
        train = Train.of(design, scaled, codes_x, codes_d, *words)
        events: list[Event] = []
        chopper = self.sweep.chopper
        masks = slots_of(design, train, chopper.rows, chopper.columns)
        if len(masks[0]):
            pulses = arrays.train(
                train.x_bits, train.d_bits,
                _signs(train.x_negative ^ chopper.rows), _signs(train.d_negative ^ chopper.columns),
            )  # fmt: skip
            self.trains += 1
            self.train_issued += len(masks[0])
            array = ArrayId.A if design.transfers else ArrayId.W
            events.append(
                TrainEvent(array=array, rows=masks[0], columns=masks[1], direction=masks[2], pulses=pulses)
            )
        token = self.sweep.vector()
        if token is None or self.transfer is None:
            return events
        codes = arrays.read_row(token.row)
        events.append(ReadEvent(row=token.row, codes=codes))
        if codes is None:
            self.transfer.lose()
            return events
        counts = visit_row(design, self.settings.transfer, self.transfer, token, codes, self.ledger)
        if counts.any():
            arrays.program_row(token.row, counts)
            self._count_programs([(token.row, counts)])
            events.append(ProgramEvent(row=token.row, counts=counts))
        return events

    def update_vectors(
        self, x: npt.ArrayLike, ex: npt.ArrayLike, d: npt.ArrayLike, ed: npt.ArrayLike, arrays: Arrays
    ) -> list[Event]:
        """The same for codes x [n, rows], d [n, columns] and exponents [n], in order."""
        vectors = zip(np.asarray(x), np.asarray(ex), np.asarray(d), np.asarray(ed), strict=True)
        return [event for pair in vectors for event in self.update(*pair, arrays)]

    def clear(self) -> None:
        """As after reset, but for the streams of random numbers, the settings and the counters."""
        self.means.clear()
        self.sweep.clear()
        if self.transfer is not None:
            self.transfer.clear(self.ledger)

    def counters(self) -> dict[str, int]:
        """Every counter by its name."""
        own = {name: int(getattr(self, name)) for name in OWN_COUNTERS}
        return {**own, **self.sweep.counters(), **({} if self.transfer is None else self.transfer.counters())}

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that the future depends on, and the counters, as arrays."""
        means = self.means
        state: dict[str, npt.NDArray[Any]] = {
            "settings": np.array(self.settings.numbers(), np.int64),
            "counters": np.array([getattr(self, name) for name in OWN_COUNTERS], np.int64),
            "means": np.array([means.m_x, means.e_x, means.m_d, means.e_d], np.int64),
            "rows": np.array(self.rows.state, np.uint32),
            "columns": np.array(self.columns.state, np.uint32),
            **self.sweep.state(),
            **({} if self.transfer is None else self.transfer.state()),
        }
        if self.ledger is not None:
            totals = dataclasses.asdict(self.ledger)
            state |= {f"ledger_{name}": np.array(value) for name, value in totals.items()}
        return state

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()` of an equal controller, to the same bits."""
        where, fixed = "GradientController.restore", dict(zip(REGISTERS, self.settings.numbers(), strict=True))
        bounds = {name: self._bounds(name) or (value, value) for name, value in fixed.items()}
        settings = state_checks.numbers(where, state, "settings", bounds)
        self._check_power(settings["threshold"])
        counts = state_checks.counters(where, state, "counters", OWN_COUNTERS)
        means = Means.restored(where, state)
        words = {name: restored_words(where, state, name, self.design) for name in ("rows", "columns")}
        ledger = self.ledger
        if ledger is not None:
            ledger = Ledger.restored(where, state, ledger.initial.shape)
        self.sweep.restore(state)
        if self.transfer is not None:
            self.transfer.restore(state)
        self.settings, self.means, self.ledger = self.settings.changed(settings), means, ledger
        self.sweep.settings = self.settings.sweep
        self.rows.state, self.columns.state = words["rows"], words["columns"]
        for name, value in counts.items():
            setattr(self, name, value)

    def _bounds(self, name: str) -> tuple[int, int] | None:
        """What a register takes, the threshold theta itself; None where the design has no such register."""
        found = [register for register in self._table if register.name == name.upper()]
        if not found:
            return None
        return (1, theta_limit(self.design)) if name == "threshold" else (found[0].minimum, found[0].maximum)

    def _check_power(self, theta: int) -> None:
        if self.design.update.threshold_power_of_two and theta & (theta - 1):
            raise ValueError(f"GradientController.threshold = {theta}: must be a power of two")

    def _count_programs(self, programs: list[RowProgram]) -> None:
        for _, counts in programs:
            for _, pulses in phase_counts(self.design.array, counts):
                self.commands += bool(pulses.any())
                self.issued += int(pulses.sum())


def _signs(negative: Masks) -> npt.NDArray[np.int8]:
    """-1 where negative, else 1."""
    return np.where(negative, np.int8(-1), np.int8(1))
