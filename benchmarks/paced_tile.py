"""A generated controller at a stated clock, with an array that takes its time: part of pace.py.

The array agent is the one of the compiled lane, its analog half serial: a slot lasts the width of its pulse, the read
of a row READ, and nothing overlaps. What it answers does not matter for the pace, so it answers by a rule: of the cells
of a row that is read, a share `HITS` has moved far enough for a pulse on W, which is what the paper's endurance figures
give (2e-4 to 4e-4 pulses per weight and vector). Chopper signs are taken into account, so that where one phase is
counted all pulses of a row have one direction, and one PROGRAM command follows each read, otherwise two.
"""

import ctypes
import dataclasses
import math

import numpy as np

from crosstrain_cosim.compiled import Compiled
from crosstrain_cosim.native import HOOKS, Native, bind, library_model
from crosstrain_cosim.script import Script
from crosstrain_cosim.script_transport import compiled_transport
from crosstrain_cosim.stations import controller_unit
from crosstrain_cosim.verilate import library
from crosstrain_model.port import ArrayId, Op
from crosstrain_model.register_files import driver_module
from crosstrain_model.registers import find, register_table
from crosstrain_model.sweep import Sweep, SweepSettings

PULSE, READ = 5.0, 40.0
"""ns of a pulse and of the read of a row (Rasch et al. 2024)."""

HITS = 0.3
"""Share of a row's cells that get a pulse after a read: 3e-4 per vector, times 2 * 512 vectors between two reads."""

CODE = 100
"""What such a cell answers; the threshold is half of it."""

LIMIT = 1 << 28
BYTES, CODES = ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_int32)
HOOK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *[ctypes.c_uint32] * 3, BYTES, BYTES, CODES, CODES)


def ticks(nanoseconds, mhz):
    """Whole clock cycles that last at least so long."""
    return math.ceil(nanoseconds * mhz / 1000 - 1e-9)


class Answers:
    """The array's side of the port: every READ_ROW of A gives what `prepare` was told, in order."""

    def __init__(self, columns, seed):
        self.columns = columns
        self.rng = np.random.default_rng(seed)
        self.tokens, self.mixed = [], False
        self.hook = HOOK(self._answer)

    def pointers(self):
        """For both arrays."""
        pair = (ctypes.cast(self.hook, ctypes.c_void_p).value, None)
        return {int(ArrayId.W): pair, int(ArrayId.A): pair}

    def prepare(self, signs, mixed):
        """Signs of the rows that will be read; mixed: pulses in both directions."""
        self.tokens, self.mixed = list(reversed(signs)), mixed

    def _answer(self, _user, op, _array, _row, sets, resets, _given, codes):
        name = HOOKS[op]
        if name == "PROGRAM":
            return sum(sets[: self.columns]) + sum(resets[: self.columns])
        if name == "READ_ROW":
            moved = CODE * (self.rng.random(self.columns) < HITS)
            moved[:2] = CODE  # in any row, however short
            if self.mixed:
                moved = moved * self.rng.choice((-1, 1), self.columns)
                moved[:2] = CODE, -CODE
            moved = -moved if self.tokens.pop() else moved
            np.ctypeslib.as_array(codes, (self.columns,))[:] = moved
        return 0


class Lane(Compiled):
    """The compiled lane, compiled in little time: some ten thousand cycles are run, no more."""

    def __init__(self, design, texts, hook):
        model = dataclasses.replace(library_model(design, texts, design.top), optimise="-O1")
        Native.__init__(self, design, bind(ctypes.CDLL(str(library(model)))), hook)


class PacedTile:
    """One controller, ready to be measured at any clock."""

    def __init__(self, design, seed):
        self.design, array = design, design.array
        self.rng = np.random.default_rng(seed)
        self.answers = Answers(array.columns, seed)
        unit = controller_unit(design, checked=False)
        self.texts = unit.texts
        self.lane = Lane(design, unit.texts, self.answers.pointers())
        self.transport = compiled_transport(self.lane)
        self.driver = driver_module(design).Driver(self.transport)
        self.status = find(register_table(design), "STATUS").offset
        self.transport.run(Script().reset())
        self.driver.bring_up()
        self.driver.enable_programming()
        settings = SweepSettings.of(design)
        if design.transfers:
            self.driver.set_threshold((CODE // 2) << design.formats.fraction)
            self.driver.configure(warmup=0)  # or W would get its first pulse after some ten thousand vectors
        self.sweep = Sweep(design, settings)

    def vectors(self, count, one_sign):
        """Codes of x [count, rows] and d [count, columns]; one_sign: with the chopper, every x is positive."""
        array, formats = self.design.array, self.design.formats
        codes = []
        for lines, bits in ((array.rows, formats.x), (array.columns, formats.d)):
            most = (1 << (bits - 1)) - 1
            top = self.rng.integers(most // 4, most + 1, (count, 1))  # so that train lengths differ
            values = np.ceil(self.rng.random((count, lines)) * top).astype(np.int32)
            codes.append(values * self.rng.choice((-1, 1), (count, lines)))
        x, d = codes
        signs = []
        for vector in x:
            if one_sign:
                vector[:] = np.where(self.sweep.chopper.rows, -np.abs(vector), np.abs(vector))
            token = self.sweep.vector()
            signs += [token.sign] if token is not None else []
        self.answers.prepare(signs, mixed=not one_sign)
        return x, d

    def measure(self, count, mhz, *, one_sign, dynamic):
        """Vectors back to back; what happened between the completions of two commands of the same kind."""
        pulse, read = ticks(PULSE, mhz), ticks(READ, mhz)
        self.driver.configure(train_width=pulse, train_guard=0, train_dynamic=int(dynamic))
        if self.design.transfers:
            self.driver.configure(width_set=pulse, width_reset=pulse, guard=0)
        self.lane.library.bulk_pace(self.lane.handle, read)
        before, counted = self.lane.analog, self.driver.counters()
        self.transport.forget()
        x, d = self.vectors(count, one_sign)
        exponents = np.full(count, -7)
        gathered = self.lane.ask(Script().vectors(x, exponents, d, exponents).poll(self.status, 1, 1, LIMIT))
        work = Work.of(self.design, gathered.events, read)
        after = self.lane.analog
        for name, cycles in (("pulses", work.pulse_cycles), ("reads", work.read_cycles)):
            if after[name] - before[name] != cycles.sum():
                raise RuntimeError(f"{self.design.name}: analog {name} and the commands do not agree")
        counters = {name: value - counted[name] for name, value in self.driver.counters().items()}
        if counters["vectors"] != count or counters.get("lost_reads", 0):
            raise RuntimeError(f"{self.design.name}: vectors or reads were lost")
        return work.steady(self.design.transfer.every if self.design.transfers else 1)


class Work:
    """Commands of a run in order of completion: op, cycle of completion, and analog cycles of each."""

    def __init__(self, op, cycle, pulse_cycles, read_cycles, slots):
        self.op, self.cycle = op, cycle
        self.pulse_cycles, self.read_cycles, self.slots = pulse_cycles, read_cycles, slots

    @classmethod
    def of(cls, design, events, read):
        """From the array's records; a PROGRAM has as many slots as its busiest column has pulses."""
        op = events["op"]
        train, row = op == Op.TRAIN, op == Op.READ_ROW
        most = np.maximum(events["set"].max(axis=1), events["reset"].max(axis=1))
        slots = np.where(train, events["pulses"], np.where(row, 0, most)).astype(np.int64)
        return cls(op, events["cycle"].astype(np.int64), slots * events["width"], np.where(row, read, 0), slots)

    def steady(self, every):
        """Figures per vector, between the completions of the first and the last mark after a quarter of the run.

        Marks are READ_ROWs, `every` vectors apart, or without transfers TRAINs.
        """
        mark = Op.READ_ROW if (self.op == Op.READ_ROW).any() else Op.TRAIN
        marks = np.flatnonzero(self.op == mark)
        first, last = marks[len(marks) // 4], marks[-2]
        between = slice(first + 1, last + 1)
        cycles = int(self.cycle[last] - self.cycle[first])
        trains = self.op[between] == Op.TRAIN
        vectors = int((self.op[between] == mark).sum()) * every
        slots = self.slots[between]
        busy = int(self.pulse_cycles[between].sum() + self.read_cycles[between].sum())
        return {
            "vectors": vectors,
            "cycles_per_vector": cycles / vectors,
            "busy_cycles_per_vector": busy / vectors,
            "busy": busy / cycles,
            "train_slots_per_vector": int(slots[trains].sum()) / vectors,
            "program_slots_per_vector": int(slots[~trains].sum()) / vectors,
        }
