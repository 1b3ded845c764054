"""Batches of vectors through a `GradientController`: compiled where that is possible, to the bits of the plain way.

For a batch the controller's state goes into one call of `gradient_kernel.run`, and comes back changed.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.gradient_controller import (
    GradientController,
    ProgramEvent,
    RowProgram,
    Settings,
    TileArrays,
    TrainEvent,
)
from crosstrain_model.outer_product import limits
from crosstrain_model.port import code_bits
from crosstrain_model.random_streams import MASKS, Stream, permuted
from crosstrain_model.scale import levels

Ints = npt.NDArray[Any]
Transfers = tuple[tuple[Ints, Ints], Ints, tuple[Ints, Ints]]
"""`chopped`, `tokens` and `out` as the kernel names them."""
_NONE = np.zeros((0, 0), np.int32)


@functools.cache
def _kernel() -> Any:
    """The module of kernels, imported by the first batch; None without numba."""
    found = importlib.util.find_spec("numba") is not None
    return importlib.import_module("crosstrain_model.gradient_kernel") if found else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """What was done with a batch."""

    programs: list[RowProgram]
    """Row programs, in order."""
    train_pulses: int
    """Pulses that trains gave."""


class Fixed:
    """What the kernel is told of a design and two arrays that no vector changes; made once for many batches."""

    def __init__(self, controller: GradientController, arrays: TileArrays):
        design = controller.design
        self.arrays = arrays
        weights, trained = arrays.w.hook_pointer()[1], arrays.trained.hook_pointer()[1]
        self.addresses = _int64((trained, 0 if arrays.a is None else trained, weights))
        self.levels = _int64(levels(design))
        words = ("own", "rows", "rows-reversed").index(design.random.columns)
        unit = 1 - arrays.w.weight_one.bit_length()
        self.modes = _int64((design.train.polarity == "separate", words, design.formats.d, unit))
        self.streams = (_stream(controller.rows), _stream(controller.columns))
        self.tables = (permuted(design, "rows"), permuted(design, "columns"))
        state = controller.transfer
        memories = () if state is None else (state.h, state.p, state.p_ref)
        self.memories = tuple(_NONE if memory is None else memory for memory in (*memories, None, None, None)[:3])
        self.still = None if design.transfers else _transfers(controller, 0)
        """Where there are none, what the kernel is told of transfers."""
        self.settings: Settings | None = None
        self.numbers: tuple[Ints, Ints] = (_NONE, _NONE)

    def registers(self, controller: GradientController) -> tuple[Ints, Ints]:
        """`settings` and `transfer` as the kernel names their places."""
        if self.settings is not controller.settings:
            self.settings = controller.settings
            self.numbers = _numbers(controller)
        return self.numbers


def run_vectors(
    controller: GradientController, x: npt.ArrayLike, ex: npt.ArrayLike, d: npt.ArrayLike, ed: npt.ArrayLike,
    arrays: TileArrays,
) -> Batch:  # fmt: skip
    """`GradientController.update_vectors`, which says less: equal state, arrays and programs.

    Compiled where numba is installed, the arrays are compiled too, and no ledger is kept.
    """
    plain = controller.ledger is not None or arrays.w.engine != "numba" or _kernel() is None
    if plain:
        events = controller.update_vectors(x, ex, d, ed, arrays)
        programs = [(event.row, event.counts) for event in events if isinstance(event, ProgramEvent)]
        pulses = sum(event.pulses for event in events if isinstance(event, TrainEvent))
        return Batch(programs=programs, train_pulses=pulses)
    design = controller.design
    xs, exs = _checked("x", x, ex, design.array.rows, design.formats.x)
    ds, eds = _checked("d", d, ed, design.array.columns, design.formats.d)
    if len(xs) != len(ds):
        raise ValueError(f"run_vectors: {len(xs)} vectors x and {len(ds)} vectors d")
    return _run(controller, (xs, exs, ds, eds), _NONE, arrays)


def run_closed(
    controller: GradientController, x: npt.ArrayLike, ex: npt.ArrayLike, target: Ints, arrays: TileArrays
) -> tuple[Batch, Ints, Ints]:
    """Vectors whose d follows from the weights as they are when the vector comes: d = (W - target) x, exact.

    target : int32[rows, columns], unit 1 / weight_one of W.  Returns the batch, codes d [n, columns] and exponents [n],
    which `run_vectors` would answer in the same way.
    """
    design = controller.design
    xs, exs = _checked("x", x, ex, design.array.rows, design.formats.x)
    wanted = np.ascontiguousarray(target, np.int32)
    shape = (design.array.rows, design.array.columns)
    if wanted.shape != shape:
        raise ValueError(f"run_closed.target has shape {wanted.shape}: must be {shape}")
    ds, eds = np.zeros((len(xs), shape[1]), np.int16), np.zeros(len(xs), np.int64)
    return _run(controller, (xs, exs, ds, eds), wanted, arrays), ds, eds


def _checked(name: str, codes: npt.ArrayLike, exponents: npt.ArrayLike, lines: int, bits: int) -> tuple[Ints, Ints]:
    """Codes int16[n, lines] and exponents int64[n], within their ranges."""
    given, scales = np.asarray(codes), np.ascontiguousarray(exponents, np.int64)
    half = 1 << (bits - 1)
    if given.ndim != 2 or given.shape[1] != lines or scales.shape != given.shape[:1]:
        wanted = f"must be [n, {lines}] and [n]"
        raise ValueError(f"run_vectors.{name} has shapes {given.shape} and {scales.shape}: {wanted}")
    kernel = _kernel()
    if given.dtype == np.int16 and given.flags.c_contiguous and kernel and kernel.legal(given, scales, half):
        return given, scales
    if given.size and (given.min() < -half or given.max() >= half):
        raise ValueError(f"run_vectors.{name} = {given.min()}..{given.max()}: must be {-half}..{half - 1}")
    if scales.size and (scales.min() < -128 or scales.max() > 127):
        raise ValueError(f"run_vectors.e{name} = {scales.min()}..{scales.max()}: must be -128..127")
    return np.ascontiguousarray(given, np.int16), scales


def _run(controller: GradientController, vectors: Any, target: Ints, arrays: TileArrays) -> Batch:
    kernel, fixed = _kernel(), controller.kept
    if not isinstance(fixed, Fixed) or fixed.arrays is not arrays:
        fixed = controller.kept = Fixed(controller, arrays)
    settings, transfer = fixed.registers(controller)
    means = controller.means
    chopped, told, out = fixed.still or _transfers(controller, len(vectors[0]))
    if fixed.still:
        controller.sweep.run(len(vectors[0]))
    states = controller.rows.packed(), controller.columns.packed()
    held = _int64((means.m_x, means.e_x, means.m_d, means.e_d))
    counters = np.zeros(kernel.COUNTERS, np.int64)
    done = kernel.run(
        vectors, target, settings, fixed.levels, fixed.modes, transfer, fixed.streams, fixed.tables,
        (held, states[0], states[1], counters), chopped, told, fixed.memories, fixed.addresses, out,
    )  # fmt: skip
    means.m_x, means.e_x, means.m_d, means.e_d = held.tolist()
    controller.rows.unpack(states[0])
    controller.columns.unpack(states[1])
    programs = [(int(row), counts) for row, counts in zip(out[0][:done], out[1][:done], strict=True)]
    _count(controller, counters)
    return Batch(programs=programs, train_pulses=int(counters[kernel.TRAIN_PULSES]))


def _transfers(controller: GradientController, count: int) -> Transfers:
    """`count` vectors of the sweep."""
    chopper, columns = controller.sweep.chopper, controller.design.array.columns
    chop_rows, first = chopper.rows.copy(), chopper.columns.copy()
    tokens = controller.sweep.run(count)
    told = np.array([(place, t.row, t.sign, t.flip, t.warm) for place, t in tokens], np.int64).reshape(-1, 5)
    signs = [first if token.columns is None else token.columns for _, token in tokens]
    out = np.zeros(len(tokens), np.int64), np.zeros((len(tokens), columns), np.int8)
    return (chop_rows, np.array([*signs, chopper.columns], np.bool_)), told, out


def _count(controller: GradientController, counters: Ints) -> None:
    kernel, counted = _kernel(), counters.tolist()
    transfer = controller.transfer
    if transfer is not None:
        transfer.visits += counted[kernel.VISITS] * controller.design.array.groups
        transfer.clipped += counted[kernel.CLIPPED]
        transfer.adc_clipped += counted[kernel.ADC_CLIPPED]
    controller.trains += counted[kernel.TRAINS]
    controller.train_issued += counted[kernel.SLOTS]
    controller.commands += counted[kernel.COMMANDS]
    controller.issued += counted[kernel.PULSES]


def _numbers(controller: GradientController) -> tuple[Ints, Ints]:
    design, settings = controller.design, controller.settings
    scale, formats, leak = settings.scale, design.formats, settings.transfer.leak
    numbers = (scale.rate, scale.momentum, scale.dynamic, design.train.slots, code_bits(design), design.random.bits)
    low, high = limits(design)
    half = (1 << leak) >> 1 if formats.rounding == "nearest" else 0
    transfer = (
        formats.adc, formats.fraction, low, high, settings.transfer.theta, leak, half, design.update.max_pulses,
        design.remainder == "keep", design.dynamic_reference, design.transfer.memory == "leak",
    )  # fmt: skip
    return _int64(numbers), _int64(transfer)


def _stream(stream: Stream) -> Ints:
    """A stream's description."""
    made = stream.generator
    return _int64((made.width, made.leap, MASKS.get(made.width, 0)))


def _int64(numbers: Any) -> Ints:
    return np.array(numbers, np.int64)
