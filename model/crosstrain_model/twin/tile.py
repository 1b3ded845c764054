"""One analog array: rows x columns of weights made of devices, that is read, programmed and pulsed.

A weight is the conductance of its device (`array.pair` single) or the difference of the two devices of a pair; reads
see

    level = (g + 32) >> 6                     single      full-scale weight 1.0 = ONE = 2^20
            (g_plus - g_minus + 64) >> 7      pair        full-scale weight 1.0 = 2 ONE = 2^21 of difference

in units of 2^-14 of the full-scale weight, int16 in both cases.  Where the array has a reference (reference.py), it is
taken off first: `weights` are relative to it, and levels clamp to +-32767; only row reads see them unclamped (int32).

Events count themselves: every vector of a forward
read, every one of a backward read, every row read, every phase of a row program (SET first, then RESET) and every train
has the next number of its kind, and that number keys its noise; hence no split into batches changes a bit.  An event
without pulses is no event and takes no number.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.errors import UserError
from crosstrain_model.twin import checks
from crosstrain_model.twin.array_state import BACKWARDS, FORWARDS, ArrayState
from crosstrain_model.twin.device import ONE
from crosstrain_model.twin.engine import Engine, NumpyEngine

Ints = npt.NDArray[np.integer[Any]]
Codes = npt.NDArray[np.int32]
Masks = npt.NDArray[np.bool_]


class ArrayTile(ArrayState):
    """The twin of one array of a design.

    `seed` (default: the design's), `tile` and `array` name it: they key its devices and all its noise.  `engine` is
    "numba" (compiled) or "numpy" (the definition); both give the same bits.  `count_pulses` keeps a count per device.
    """

    def __init__(
        self,
        design: Design,
        *,
        seed: int | None = None,
        tile: int = 0,
        array: int = 0,
        engine: str = "numba",
        count_pulses: bool = False,
    ) -> None:
        if engine not in ("numba", "numpy"):
            raise ValueError(f'ArrayTile.engine = "{engine}": must be one of numba, numpy')
        super().__init__(design, seed=seed, tile=tile, array=array, count_pulses=count_pulses)
        self.engine = engine
        self._engine: Engine = NumpyEngine(self) if engine == "numpy" else _compiled(self)

    # ---- state ----

    @property
    def weight_one(self) -> int:
        """The integer weight that is full scale: 2^20 for single devices, 2^21 for pairs."""
        return ONE * (2 if self.wiring.pair else 1)

    @property
    def pulse_step(self) -> float:
        """Mean change of a weight by one pulse at weight 0, relative to full scale."""
        return self.device.mean_step / self.wiring.share

    @property
    def weights(self) -> npt.NDArray[np.int32]:
        """Integer weights [rows, columns] in units of 1 / weight_one: g, or g_plus - g_minus, less the reference (a
        copy)."""
        weights = self.wiring.weights(self.g)
        return weights if self.reference is None else weights - self.reference

    @property
    def conductance(self) -> npt.NDArray[np.int32]:
        """Conductances [rows, device columns], unit 2^-20 of the half range (a copy)."""
        return self.g.copy()

    @conductance.setter
    def conductance(self, value: Ints) -> None:
        given = checks.whole("conductance", value, self.g.shape).astype(np.int64)
        if not np.array_equal(self.devices.clamp(given), given):
            r, c = np.argwhere(self.devices.clamp(given) != given)[0]
            low, high = (int(bound[r, c]) << 6 for bound in (self.devices.low, self.devices.high))
            raise ValueError(f"ArrayTile.conductance[{r}, {c}] = {given[r, c]}: must be {low}..{high} (its bounds)")
        self.g[...] = given
        self.refresh()

    @property
    def symmetry(self) -> npt.NDArray[np.int32]:
        """Symmetry points of the devices [rows, device columns]."""
        return self.devices.symmetry_point()

    def load_weights(self, target: Ints) -> int:
        """Sets weights [rows, columns] (units of 1 / weight_one) exactly, as no machine could; returns how many clip.

        A push-pull pair shares the weight, plus taking floor(half); in a set-only pair the smaller device rests at its
        lower bound.  A weight that the bounds of its devices cannot make is clipped to the nearest one they can.
        """
        wanted = checks.whole("load_weights target", target, (self.rows, self.columns)).astype(np.int64)
        self.g[...] = self.wiring.place(wanted if self.reference is None else wanted + self.reference, self.devices)
        self.refresh()
        return int(np.count_nonzero(self.weights != wanted))

    def program_weights(self, target: Ints, *, attempts: int = 20, max_pulses: int = 15) -> int:
        """Drives weights toward `target` by pulses, with exact knowledge of the present weights between attempts.

        Each attempt gives a weight round((target - weight) / mean step), at most `max_pulses`; returns device pulses.
        """
        wanted = checks.whole("program_weights target", target, (self.rows, self.columns)).astype(np.int64)
        step = max(int(self.pulse_step * self.weight_one), 1)
        delivered = 0
        for _ in range(attempts):
            error = wanted - self.weights.astype(np.int64)
            counts = np.clip((error + step // 2) // step, -max_pulses, max_pulses)
            if not counts.any():
                break
            delivered += int(self.program_rows(np.arange(self.rows), counts).sum())
        return delivered

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that a later `restore` needs to continue to the same bits; copies."""
        return {
            "identity": np.array([self.seed, self.tile, self.array], dtype=np.int64),
            "g": self.g.copy(),
            "counters": self.counters.copy(),
            "pulses": self.pulses.copy(),
        }

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Takes a state of the same design, seed, tile and array; raises ValueError for any other."""
        for name, mine in self.state().items():
            if name not in state or state[name].shape != mine.shape:
                raise ValueError(f"ArrayTile.restore {name}: must be an array of shape {mine.shape}")
        identity = state_checks.integers("ArrayTile.restore", state, "identity", (3,), state_checks.TOTAL)
        given, own = identity.tolist(), [self.seed, self.tile, self.array]
        if given != own:
            raise ValueError(f"ArrayTile.restore identity = {given}: must be {own} (seed, tile, array)")
        counts = [
            state_checks.integers("ArrayTile.restore", state, name, mine.shape, state_checks.COUNTER)
            for name, mine in (("counters", self.counters), ("pulses", self.pulses))
        ]
        self.conductance = state_checks.signed("ArrayTile.restore", state, "g", self.g.shape, 32)
        self.counters[...], self.pulses[...] = counts

    # ---- reads ----

    def forward(self, x_codes: Ints, outputs: int | None = None) -> Codes:
        """ADC codes [B, columns] of input codes [B, rows] (or [columns] of [rows]).

        Fewer codes than rows go to the first rows, and all others get 0; `outputs` asks for the first so many columns
        alone.  Both save time, not events: the answers are those of the whole read.
        """
        return self._read(FORWARDS, x_codes, self.rows, self.columns, outputs)

    def backward(self, d_codes: Ints, outputs: int | None = None) -> Codes:
        """ADC codes [B, rows] of error codes [B, columns] (or [rows] of [columns]): the transposed read; fewer as in
        `forward`."""
        return self._read(BACKWARDS, d_codes, self.columns, self.rows, outputs)

    def read_row(self, row: int) -> Codes:
        """ADC codes [columns] of a one-hot read: row `row` at the DAC's full scale 2^(x-1), range `adc_range_row`."""
        return self._engine.read_row(checks.within("read_row row", row, self.rows))

    def _read(self, which: int, codes: Ints, lines: int, most: int, outputs: int | None) -> Codes:
        codes = np.asarray(codes)
        batch = codes if codes.ndim == 2 else codes[None]
        name = "forward x_codes" if which == FORWARDS else "backward d_codes"
        if batch.ndim != 2 or not 0 < batch.shape[1] <= lines or batch.dtype.kind not in "iu":
            raise ValueError(f"ArrayTile.{name} = {batch.dtype} {codes.shape}: must be integers [B, {lines}]")
        wanted = most if outputs is None else checks.within(f"{name.split()[0]} outputs", outputs, most + 1)
        part = self.forward_converter if which == FORWARDS else self.backward_converter
        taken = np.ascontiguousarray(batch, dtype=np.int32)
        if part.dac_noise and taken.shape[1] < lines:  # silent lines are noisy too
            taken = np.pad(taken, ((0, 0), (0, lines - taken.shape[1])))
        out = np.empty((len(batch), wanted), dtype=np.int32)
        if not self._engine.read(which, taken, out):
            part.check_codes(batch, name)
        return out if codes.ndim == 2 else out[0]

    # ---- pulses ----

    def program_row(self, row: int, counts: Ints, *, update: int | None = None) -> int:
        """Signed pulse counts [columns] per weight, raised where positive; returns the device pulses delivered.

        Two events as at the array port, the SET phase and then the RESET phase; their number is `update`, or the tile's
        own next ones.
        """
        set_counts, reset_counts = self.wiring.expand(checks.counts("counts", counts, (self.columns,)))
        none = np.zeros_like(set_counts)
        raised = self.program_devices(row, set_counts, none, update=update)
        return raised + self.program_devices(row, none, reset_counts, update=update)

    def program_devices(self, row: int, set_counts: Ints, reset_counts: Ints, *, update: int | None = None) -> int:
        """SET counts, then RESET counts per device column, at most 255 together; returns the pulses delivered."""
        row = checks.within("program row", row, self.rows)
        up = checks.counts("set_counts", set_counts, (self.device_columns,), low=0)
        down = checks.counts("reset_counts", reset_counts, (self.device_columns,), low=0)
        checks.within("set_counts + reset_counts", int((up + down).max()), 256)
        number = -1 if update is None else checks.within("update", update, 1 << 63)
        return self._engine.program(row, up.astype(np.uint8), down.astype(np.uint8), number)

    def program_rows(self, rows: Ints, counts: Ints) -> npt.NDArray[np.int64]:
        """Row programs in order: `rows` [M], signed `counts` [M, columns]; returns the device pulses of each [M]."""
        lines: npt.NDArray[np.int64] = np.asarray(rows, dtype=np.int64)
        if lines.ndim != 1 or (lines.size and (lines.min() < 0 or lines.max() >= self.rows)):
            raise ValueError(f"ArrayTile.program_rows rows: must be [M] of 0..{self.rows - 1}")
        return self._engine.program_rows(lines, checks.counts("counts", counts, (lines.size, self.columns)))

    def pulse_train(self, x_bits: Ints, d_bits: Ints, x_sign: Ints, d_sign: Ints) -> int:
        """A whole train of up to 63 slots, both phases: every coincidence of a row's and a column's bits is one pulse.

        `x_bits` [rows] and `d_bits` [columns] hold slot s in bit s; the weight falls where x_sign * d_sign > 0 and
        rises where it is negative (it moves by -x d); a line of sign 0 stays silent.  Returns the device pulses
        delivered.
        """
        sx, sd = checks.signs("x_sign", x_sign, (self.rows,)), checks.signs("d_sign", d_sign, (self.columns,))
        bx, bd = checks.bits("x_bits", x_bits, (self.rows,)), checks.bits("d_bits", d_bits, (self.columns,))
        delivered = self._engine.train(bx, bd, sx, sd)
        if delivered < 0:
            checks.slots_of_bits("x_bits", x_bits)
            checks.slots_of_bits("d_bits", d_bits)
        return delivered

    def train_slots(self, rows: Masks, columns: Masks, direction: Masks) -> int:
        """A whole train as it crosses the array port, slot by slot: bool `rows` [S, rows], `columns` and `direction`
        [S, device columns], where columns fire and whether SET; phases are slots one after another.

        One event like `pulse_train`, equal to it for the same coincidences; SET pulses of a device come first.  Returns
        the device pulses delivered.
        """
        count = len(np.asarray(rows))
        fired = checks.slots("train_slots rows", rows, (count, self.rows))
        hit = checks.slots("train_slots columns", columns, (count, self.device_columns))
        rising = checks.slots("train_slots direction", direction, (count, self.device_columns))
        return self._engine.train_slots(fired.astype(np.uint8), hit * (1 + rising.astype(np.uint8)))

    @property
    def context(self) -> int | None:
        """Address of the context (context.py) that kernels take, of which the tile is the owner; None without them."""
        return self._engine.context

    def hook_pointer(self) -> tuple[int, int]:
        """Addresses of the hook and of its `user` (hook.py), for simulations; the tile must outlive their use."""
        return self._engine.hook_pointer()


def _compiled(state: ArrayState) -> Engine:
    """The numba engine, imported only where it is asked for: the definition needs numpy alone."""
    if importlib.util.find_spec("numba") is None:
        raise UserError('ArrayTile.engine = "numba": numba is not installed (pip install crosstrain[array])')
    from crosstrain_model.twin.compiled import CompiledEngine

    return CompiledEngine(state)
