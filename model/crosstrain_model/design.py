"""The design: one frozen, validated object from which everything else comes.

Verilog, bit-true model, register map, simulations, training runs and reports are all functions of one `Design`.  What
sizes hardware is fixed when the Verilog is generated; what a laboratory tunes on a finished chip (marked *register*) is
a run-time register whose reset value is given here.  Times are in clock cycles, widths in bits, and every width of a
signed number includes its sign.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

from crosstrain_model.design_device import Converters, Device, GradientDevice, Rram
from crosstrain_model.design_gradient import Random, Train, Transfer
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_pcm import BinaryPcm, Pcm
from crosstrain_model.design_verify import Verify
from crosstrain_model.keywords import VERILOG_KEYWORDS
from crosstrain_model.schemes import SCHEMES, Scheme
from crosstrain_model.section import Section, choice, flag, integer, refuse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Array(Section):
    """The tile: `rows` inputs times `columns` outputs of weights, worked on in groups of `lanes` columns."""

    PATH: ClassVar[str] = "array"

    rows: int = integer(8, 1, 1024)
    """Rows n_r of the tile: inputs x, index r."""
    columns: int = integer(8, 1, 1024)
    """Columns n_c of weights: outputs d, index c.  A differential tile has twice as many device columns."""
    lanes: int = integer(4, 1, 64)
    """Weights handled in one clock cycle; a memory word holds one group of so many accumulators."""
    pair: str = choice("single", "single", "push-pull", "set-only", "one-sided")
    """How a weight is made of devices.  single: one bidirectional device a weight, SET raises, RESET lowers.
    push-pull: plus and minus devices on adjacent device columns 2c and 2c+1; a raise SETs plus and RESETs minus.
    set-only: the same pair, but only SET pulses are used (unidirectional devices): a raise SETs plus, a lowering SETs
    minus.  one-sided: the same pair, each device programmed to a conductance of its own and converted by itself: the
    one of the weight's sign carries |w|, the other rests at the bottom (schemes that program by write-verify)."""
    read: str = choice("parallel", "parallel", "bit-serial")
    """How a forward read drives the rows.  parallel: a DAC per row.  bit-serial: one bit of every code at a time,
    lowest first, once for every group, and the ADC weighs the samples (one-sided pairs)."""

    def check(self) -> None:
        if self.lanes > self.columns:
            raise refuse("array.lanes", self.lanes, f"must be 1..{self.columns} (array.columns)")

        if self.read == "bit-serial" and self.pair != "one-sided":
            raise refuse("array.read", self.read, "must be parallel unless pairs are one-sided (array.pair)")

    @property
    def groups(self) -> int:
        """Groups of lanes in a row; the last may be partly empty."""
        return -(-self.columns // self.lanes)

    @property
    def row_words(self) -> int:
        """Words of `lanes` codes that a vector over the rows fills."""
        return -(-self.rows // self.lanes)

    @property
    def differential(self) -> bool:
        """Whether a weight is a pair of devices."""
        return self.pair != "single"

    @property
    def device_columns(self) -> int:
        """Physical columns at the array port."""
        return 2 * self.columns if self.differential else self.columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Formats(Section):
    """Number formats of the digital half.  All codes are two's complement; the most negative code is legal."""

    PATH: ClassVar[str] = "formats"

    x: int = integer(8, 2, 12)
    """Bits of an input code x[r], also of the DAC that drives a row."""
    d: int = integer(8, 2, 12)
    """Bits of an error code d[c] (d = dL/dy), also of the DAC that drives a column in a transposed read."""
    adc: int = integer(9, 1, 18)
    """Bits of an ADC output code."""
    accumulator: int = integer(16, 8, 32)
    """Bits of an accumulator chi[r, c]."""
    fraction: int = integer(12, 0, 31)
    """Binary point of the accumulator: its unit is 2^-fraction of the unit of x * d, or of an ADC code of a row read
    where rows of the gradient array are transferred, or weights verified (then at most 12)."""
    rounding: str = choice("nearest", "nearest", "truncate")
    """How a product is shifted right to the accumulator's unit: nearest (halves away from zero) or truncate (toward
    zero)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update(Section):
    """Accumulate, compare, program."""

    PATH: ClassVar[str] = "update"

    threshold: int = integer(256, 1, 2**31 - 1)
    """theta in accumulator units: the change worth one pulse.  *register*, 1..2^(accumulator-1)-1."""
    threshold_power_of_two: bool = flag(False)
    """Generation choice: theta is a power of two, the register then holds log2(theta) (a shift in place of a
    subtractor)."""
    max_pulses: int = integer(3, 1, 15)
    """Most pulses a weight gets in one visit; the chain of compare-subtracts is built for it."""
    remainder: str = choice("scheme", "scheme", "keep", "clear")
    """After a hit: as the scheme has it, keep chi -= p * theta (Nandakumar 2020), or clear chi = 0 (Wu 2023)."""
    rate_log2: int = integer(0, -31, 15)
    """Part of the learning rate folded into the shift; shift = ex + ed + fraction + rate_log2.  *register* (with
    fraction)."""
    program_every: int = integer(0, 0, 65535)
    """Vectors between program passes; 0: only when the host commands one (once per batch).  *register*."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pulse(Section):
    """Blind programming pulses; amplitudes are opaque codes of the macro."""

    PATH: ClassVar[str] = "pulse"

    width_set: int = integer(10, 1, 2**28 - 1)
    """Width of a SET pulse [cycles].  *register*, bounded by width_limit."""
    width_reset: int = integer(10, 1, 2**28 - 1)
    """Width of a RESET pulse [cycles].  *register*, bounded by width_limit."""
    width_limit: int = integer(2**20, 1, 2**28 - 1)
    """No pulse is ever commanded wider than this, whatever a register says [cycles].  Fixed in hardware."""
    guard: int = integer(2, 0, 2**16 - 1)
    """Quiet time between two pulses and between phases [cycles].  *register*."""
    amplitude_set: int = integer(0x8000, 0, 2**16 - 1)
    """Amplitude code of SET pulses.  *register*."""
    amplitude_reset: int = integer(0x8000, 0, 2**16 - 1)
    """Amplitude code of RESET pulses.  *register*."""
    timeout: int = integer(2**20, 16, 2**32 - 1)
    """Longest silence of the array before a command is given up [cycles].  *register*."""

    def check(self) -> None:
        for name in ("width_set", "width_reset"):
            if getattr(self, name) > self.width_limit:
                raise refuse(f"pulse.{name}", getattr(self, name), f"must be 1..{self.width_limit} (pulse.width_limit)")
        spacing = max(self.width_set, self.width_reset) + self.guard
        if self.timeout <= spacing:
            bound = f"must be more than {spacing}, the longest pulse (pulse.width_*) and pulse.guard"
            raise refuse("pulse.timeout", self.timeout, bound)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bus(Section):
    """Host side: AXI4-Lite registers, AXI4-Stream vectors in and codes out."""

    PATH: ClassVar[str] = "bus"

    stream_codes: int = integer(0, 0, 1024)
    """Codes per beat of the input stream; 0: as many as lanes.  Must divide lanes or be a multiple of it."""
    vectors: int = integer(2, 2, 16)
    """Vectors held while earlier ones are still being accumulated (2: one loads while one is visited)."""
    outstanding: int = integer(4, 2, 8)
    """Array commands that may be unfinished at a time, in designs with pulse trains; elsewhere there is one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Design(Section):
    """One tile controller and the analog tile it drives."""

    name: str = "tile"
    """Name of the generated top and its folder: a Verilog identifier, dashes allowed (they become underscores).
    It has a letter, no two dashes or underscores in a row, and none at its end."""
    scheme: str = choice("mp", *SCHEMES)
    """Row of the scheme table (`schemes.py`)."""
    profile: str = choice("fpga", "fpga", "asic")
    """fpga: synchronous reset, block-RAM inference.  asic: asynchronous active-low reset, every register reset, no
    initial values."""
    clock_mhz: int = integer(100, 1, 2000)
    """Clock for constraints and for times in reports [MHz]."""
    ledger: bool = flag(False)
    """Generation option: 64-bit totals of the conservation ledger in hardware."""
    seed: int = integer(1, 0, 2**32 - 1)
    """Seed of everything drawn at random; simulations and training may override it."""
    array: Array = dataclasses.field(default_factory=Array)
    formats: Formats = dataclasses.field(default_factory=Formats)
    update: Update = dataclasses.field(default_factory=Update)
    pulse: Pulse = dataclasses.field(default_factory=Pulse)
    bus: Bus = dataclasses.field(default_factory=Bus)
    random: Random = dataclasses.field(default_factory=Random)
    train: Train = dataclasses.field(default_factory=Train)
    transfer: Transfer = dataclasses.field(default_factory=Transfer)
    verify: Verify = dataclasses.field(default_factory=Verify)
    hybrid: Hybrid = dataclasses.field(default_factory=Hybrid)
    device: Device = dataclasses.field(default_factory=Device)
    gradient_device: GradientDevice = dataclasses.field(default_factory=GradientDevice)
    rram: Rram = dataclasses.field(default_factory=Rram)
    pcm: Pcm = dataclasses.field(default_factory=Pcm)
    binary_pcm: BinaryPcm = dataclasses.field(default_factory=BinaryPcm)
    converters: Converters = dataclasses.field(default_factory=Converters)

    def check(self) -> None:
        identifier = self.name.replace("-", "_") if isinstance(self.name, str) else ""
        if not (identifier.isascii() and identifier.isidentifier() and len(identifier) <= 64):
            raise refuse("name", self.name, "must be letters, digits, - and _, not starting with a digit, at most 64")
        if "__" in f"{identifier}_" or not any(letter.isalpha() for letter in identifier):
            raise refuse("name", self.name, "must have a letter, no two of - and _ in a row, and neither at the end")
        if identifier in VERILOG_KEYWORDS:
            raise refuse("name", self.name, "must not be a keyword of Verilog")
        threshold, limit = self.update.threshold, 2 ** (self.formats.accumulator - 1) - 1
        if threshold > limit:
            raise refuse("update.threshold", threshold, f"must be 1..{limit} (formats.accumulator)")
        if self.update.threshold_power_of_two and threshold & (threshold - 1):
            raise refuse("update.threshold", threshold, "must be a power of two (update.threshold_power_of_two)")
        codes, lanes = self.stream_codes, self.array.lanes
        if codes % lanes and lanes % codes:
            raise refuse("bus.stream_codes", codes, f"must divide or be a multiple of array.lanes ({lanes})")
        if self.verified != (self.array.pair == "one-sided"):
            bound = "must be one-sided: weights are programmed by write-verify"
            if not self.verified:  # said as what it must be: it has the one value that it must not have
                others = "set-only" if self.carried else "single, push-pull or set-only"
                bound = f"must be {others}: one-sided is for weights that are programmed by write-verify"
            raise refuse("array.pair", self.array.pair, f"{bound} (scheme {self.scheme})")
        if self.transfer.memory == "last" and not self.dynamic_reference:
            bound = "must be leak without a dynamic reference (scheme, transfer.reference)"
            raise refuse("transfer.memory", self.transfer.memory, bound)
        if self.verified:
            self._check_verify()
        if self.carried:
            self._check_hybrid()
        if self.pulsed:
            self._check_gradient()

    def _check_stream(self) -> None:
        """Rules of designs whose changes come from the host."""
        if self.stream_codes != self.array.lanes:
            bound = f"must be 0 or {self.array.lanes} (array.lanes): an update has a group a beat"
            raise refuse("bus.stream_codes", self.bus.stream_codes, bound)
        if self.formats.fraction > 12:
            raise refuse("formats.fraction", self.formats.fraction, f"must be 0..12 (scheme {self.scheme})")

    def _check_hybrid(self) -> None:
        """Rules of designs with hybrid weights."""
        self._check_stream()
        told = f"(scheme {self.scheme})"
        if self.array.pair != "set-only":
            raise refuse("array.pair", self.array.pair, f"must be set-only: carries are SET pulses {told}")
        if self.ledger:
            raise refuse("ledger", True, f"must be false: a machine does not see which cells failed {told}")
        if self.verify.amplitude != "common":
            raise refuse("verify.amplitude", self.verify.amplitude, f"must be common {told}")
        if self.hybrid.saturation >= 1 << self.formats.adc:
            bound = f"must be 0..{(1 << self.formats.adc) - 1} (formats.adc)"
            raise refuse("hybrid.saturation", self.hybrid.saturation, bound)
        self._check_levels("window")

    def _check_levels(self, *names: str) -> None:
        """Rules of the registers of write-verify that every design with it has, and of the levels `names`."""
        self.verify.check_ramps()
        limit = (1 << (self.formats.adc + self.formats.fraction)) - 1
        for name in names:
            value = getattr(self.verify, name)
            if value > limit:
                low = int(name == "range")
                raise refuse(f"verify.{name}", value, f"must be {low}..{limit} (formats.adc and formats.fraction)")
        if self.verify.set_margin > limit:
            raise refuse("verify.set_margin", self.verify.set_margin, f"must be at most {limit} (formats)")

    def _check_verify(self) -> None:
        """Rules of designs that program by write-verify."""
        self._check_stream()
        if self.update.max_pulses != 1:
            raise refuse("update.max_pulses", self.update.max_pulses, f"must be 1 (scheme {self.scheme}: a hit clears)")
        if self.remainder != "clear":  # the whole dW goes into the target: what was kept would count twice
            raise refuse("update.remainder", self.remainder, f"must be clear (scheme {self.scheme}: target W + dW)")
        if self.converters.dac_noise:
            raise refuse("converters.dac_noise", self.converters.dac_noise, "must be 0.0 with one-sided pairs")
        self._check_levels("range", "base", "window", "form_level")
        limit = (1 << (self.formats.adc + self.formats.fraction)) - 1
        if self.verify.base + self.verify.range > limit:
            bound = f"must be at most {limit - self.verify.base}, so that targets are codes of the ADC (verify.base)"
            raise refuse("verify.range", self.verify.range, bound)
        if self.verify.form_width > self.pulse.width_limit:
            bound = f"must be 1..{self.pulse.width_limit} (pulse.width_limit)"
            raise refuse("verify.form_width", self.verify.form_width, bound)

    def _check_gradient(self) -> None:
        """Rules of designs with pulse trains."""
        if self.array.differential:
            raise refuse("array.pair", self.array.pair, "must be single where pulse trains update an array in place")
        if self.train.width > self.pulse.width_limit:
            bound = f"must be 1..{self.pulse.width_limit} (pulse.width_limit)"
            raise refuse("train.width", self.train.width, bound)
        if self.pulse.timeout <= self.train.width + self.train.guard:
            bound = f"must be more than {self.train.width + self.train.guard} (train.width and train.guard)"
            raise refuse("pulse.timeout", self.pulse.timeout, bound)
        if not self.transfers:
            return
        if self.formats.fraction > 12:
            raise refuse("formats.fraction", self.formats.fraction, f"must be 0..12 (scheme {self.scheme})")
        if self.dynamic_reference and self.transfer.column_chopper != "none":
            bound = "must be none with a dynamic reference (transfer.reference)"
            raise refuse("transfer.column_chopper", self.transfer.column_chopper, bound)

    @functools.cached_property
    def row(self) -> Scheme:
        """The scheme's row of the table, with what the design chooses otherwise."""
        chosen = {
            "chopper": self.transfer.chopper,
            "reference": self.transfer.reference,
            "remainder": self.update.remainder,
        }
        own = {name: value for name, value in chosen.items() if value != "scheme"}
        return dataclasses.replace(SCHEMES[self.scheme], **own)

    @property
    def pulsed(self) -> bool:
        """Whether vectors become pulse trains (on A, or without transfers on W), not digital products."""
        return self.row.source in ("read", "none")

    @property
    def streamed(self) -> bool:
        """Whether weight changes come from the host, over the update stream."""
        return self.row.source == "stream"

    @property
    def verified(self) -> bool:
        """Whether weights have a digital copy, and are programmed to it by write-verify."""
        return self.row.programming == "verify"

    @property
    def carried(self) -> bool:
        """Whether weights are hybrid: a short accumulator L whose carries are SET pulses on multi-level pairs."""
        return self.row.programming == "carry"

    @property
    def device_reads(self) -> bool:
        """Whether row reads give codes of single devices, and name the groups that convert."""
        return self.verified or self.carried

    @property
    def cells_array(self) -> bool:
        """Whether there is an array L of binary devices behind the array port."""
        return self.carried and self.hybrid.cells == "binary"

    @property
    def column_amplitudes(self) -> bool:
        """Whether a pulse has an amplitude for each device column."""
        return self.verified and self.verify.amplitude == "column"

    @property
    def copy_bits(self) -> int:
        """Bits of the digital copy of a weight: any difference of two device codes, in accumulator units."""
        return self.formats.adc + self.formats.fraction + 1

    @property
    def transfers(self) -> bool:
        """Whether there is a gradient array A whose rows are read and transferred to W."""
        return self.row.source == "read"

    @property
    def remainder(self) -> str:
        """keep or clear, resolved."""
        return self.row.remainder

    @property
    def dynamic_reference(self) -> bool:
        """Whether P_ref is kept and subtracted."""
        return self.transfers and self.row.reference in ("dynamic", "both")

    @property
    def static_reference(self) -> bool:
        """Whether reads of A are differential: A - R in the array."""
        return self.transfers and self.row.reference in ("static", "both")

    @property
    def warmup_sweeps(self) -> int:
        """Sweeps before W is first written, the default resolved: one chopper period plus one sweep."""
        if self.transfer.warmup >= 0:
            return self.transfer.warmup
        return self.transfer.period + 1 if self.dynamic_reference else 0

    @property
    def top(self) -> str:
        """Name of the top module."""
        return self.name.replace("-", "_")

    @property
    def stream_codes(self) -> int:
        """Codes per beat of the input stream, the default resolved."""
        return self.bus.stream_codes or self.array.lanes

    @property
    def reset_shift(self) -> int:
        """Reset value of the SHIFT register: fraction + rate_log2."""
        return self.formats.fraction + self.update.rate_log2


HARDWARE_SECTIONS = ("array", "formats", "update", "pulse", "bus", "random", "train", "transfer", "verify", "hybrid")
"""Sections that hardware depends on; the others describe the analog model alone."""
