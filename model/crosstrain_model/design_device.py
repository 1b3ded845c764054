"""Sections of a design that describe the analog half: devices and converters, for the model only.

No hardware depends on them.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from crosstrain_model.device_presets import device_preset_names
from crosstrain_model.section import Section, choice, integer, real


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device(Section):
    """The analog device, for the model only.  Conductance is normalised to its half range: -1..1."""

    PATH: ClassVar[str] = "device"

    preset: str = choice("", "", *device_preset_names())
    """A device that ships (`crosstrain_model/devices`): it gives the fields that the file leaves out here.  With
    `--set`, nothing that the file says in this section counts."""
    kind: str = choice("soft-bounds", "ideal", "constant-step", "linear-step", "soft-bounds")
    """Response to a pulse: ideal (exact steps, no bounds met in use, no noise), constant step, step linear in
    conductance, or soft bounds (a linear step that vanishes at the bound; Rasch 2024, methods)."""
    states: int = integer(64, 2, 10000)
    """n_states: the mean step at zero is delta = 2 / states of the half range."""
    step: float = real(0.0, 0.0, 1.0)
    """delta itself, where it is measured and `states` is no integer; 0: 2 / states."""
    asymmetry: float = real(0.0, -1.0, 1.0)
    """Mean asymmetry of up and down steps: the middle about which sigma_pm varies."""
    slope_up: float = real(0.3, 0.0, 0.99)
    """linear-step: relative loss of the up step from g = 0 to g = 1."""
    slope_down: float = real(0.3, 0.0, 0.99)
    """linear-step: relative loss of the down step from g = 0 to g = -1."""
    sigma_dd: float = real(0.0, 0.0, 1.0)
    """Device-to-device variation of the step: gamma = exp(sigma_dd xi)."""
    sigma_pm: float = real(0.0, 0.0, 1.0)
    """Device-to-device asymmetry of up and down: a+- = delta (gamma +- (asymmetry + sigma_pm xi))."""
    sigma_b: float = real(0.0, 0.0, 1.0)
    """Device-to-device variation of the bounds: w_max = max(1 + sigma_b xi, 0), w_min = min(-1 + sigma_b xi, 0)."""
    sigma_b_low: float = real(-1.0, -1.0, 1.0)
    """The same of the lower bounds alone; negative: sigma_b."""
    sigma_cc: float = real(0.0, 0.0, 1.0)
    """Cycle-to-cycle noise of every pulse, relative to its mean step."""
    noise_base: str = choice("step", "step", "zero")
    """The mean step that sigma_cc is relative to.  step: the one at the present conductance.  zero: the one at zero
    conductance, whatever the conductance (Rasch 2024, methods)."""
    zero: str = choice("absolute", "absolute", "symmetry")
    """What a weight of zero is.  absolute: conductance zero.  symmetry: every device's own symmetry point, where up and
    down steps are equal; weights are then conductances less that point, in reads too."""
    decay_every: int = integer(0, 0, 2**31 - 1)
    """Retention: pulse trains of the array between two steps by which all its devices decay toward their rest; 0: they
    keep what they hold."""
    decay_log2: int = integer(6, 1, 10)
    """A step takes 2^-decay_log2 of the distance to the conductance of a new device (zero, or the symmetry point where
    that is the zero of weights): a time constant of decay_every * 2^decay_log2 trains."""

    @property
    def mean_step(self) -> float:
        """delta: the mean step at zero, relative to the half range."""
        return self.step or 2.0 / self.states


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientDevice(Device):
    """The device of the gradient array A (and of its reference R), for the model only; fields as in `device`."""

    PATH: ClassVar[str] = "gradient_device"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rram(Section):
    """The bulk-switching RRAM device of the model: conductance relative to its largest, 0..1.

    Ranges and amplitudes are Wu 2023's (0.82-3.29 uA at 0.1 V, 1-7 uA; 1.5-3 V, here 16384 codes a volt); how a pulse
    acts is assumed: an amplitude has a plateau that conductance approaches and does not cross.
    """

    PATH: ClassVar[str] = "rram"

    low: float = real(0.25, 0.0, 0.99)
    """Least conductance (0.82 of 3.29 uA; 0.143 for 1-7 uA)."""
    levels: int = integer(4, 2, 256)
    """Levels of the range: a level is (1 - low) / (levels - 1); errors are given in levels."""
    set_threshold: float = real(24576.0, 0.0, 65535.0)
    """Amplitude code whose SET plateau is the bottom (1.5 V, assumed)."""
    reset_threshold: float = real(24576.0, 0.0, 65535.0)
    """Amplitude code whose RESET plateau is the top (1.5 V, assumed)."""
    span: float = real(22000.0, 1000.0, 65535.0)
    """Amplitude codes from a plateau at one end to one at the other (1.34 V, assumed: 3 V reaches either end)."""
    sigma_threshold: float = real(800.0, 0.0, 16384.0)
    """Device-to-device standard deviation of the thresholds (0.05 V, assumed)."""
    rate: float = real(0.75, 0.01, 1.0)
    """Part of the way to its plateau that one pulse goes (assumed)."""
    sigma_cc: float = real(0.3, 0.0, 1.0)
    """Cycle-to-cycle noise of a step, relative to the step (assumed)."""
    write_error: float = real(0.0, 0.0, 4.0)
    """Standard deviation of what a device relaxes by after its row was programmed [levels], mean over the range."""
    error_slope: float = real(0.5, 0.0, 1.0)
    """How it depends on the level: 1 - slope at the ends and 1 + slope in the middle, times the mean (assumed)."""
    stuck_low: float = real(0.0, 0.0, 1.0)
    """Part of the devices that stay at the bottom whatever is done."""
    stuck_high: float = real(0.0, 0.0, 1.0)
    """Part of the devices that stay at the top."""

    @property
    def level(self) -> float:
        """One level, relative to the largest conductance."""
        return (1.0 - self.low) / (self.levels - 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Converters(Section):
    """DACs, ADCs and read noise of the analog model.  Their bits are in `formats`."""

    PATH: ClassVar[str] = "converters"

    adc_range: float = real(8.0, 1e-3, 1024.0)
    """Full scale of the ADC of a forward read, in units of (full-scale weight) * (full-scale input code): a column sum
    of so many full-scale products just clips."""
    adc_range_backward: float = real(8.0, 1e-3, 1024.0)
    """The same for transposed reads, with the full-scale error code."""
    adc_range_row: float = real(1.0, 1e-3, 1024.0)
    """The same for one-hot row reads: one row at full scale, so that 1 spans exactly the full-scale weights."""
    adc_headroom: float = real(1.25, 1.0 / 64, 64.0)
    """Where every tile sets the range of its forward reads itself (weights by write-verify): the range, relative to the
    largest sum of a device that calibration met.  Weights and activations grow until the next calibration."""
    adc_noise: float = real(0.0, 0.0, 64.0)
    """Standard deviation of the ADC's input noise [LSB]."""
    dac_noise: float = real(0.0, 0.0, 1.0)
    """Standard deviation of the noise of a DAC's output, relative to full scale, drawn per line and read."""
    read_noise: float = real(0.0, 0.0, 1.0)
    """Standard deviation of a column's read noise, relative to full-scale weight times the root of the summed squares
    of the codes."""
    reference_error: float = real(0.0, 0.0, 4.0)
    """sigma_r: standard deviation of the error of a static reference of the gradient array, relative to the half range;
    the reference is the symmetry point plus that error, drawn once per device (`transfer.reference`)."""
