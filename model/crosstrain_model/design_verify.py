"""Section of a design for write-verify: what its registers reset to.

Designs that program without verify carry them too, unused.  Conductances and weights are in 2^-F of an ADC code of a
row read, F = `formats.fraction`; with a digital copy of the weights these are the accumulator's units.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from crosstrain_model.section import Section, choice, integer, refuse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verify(Section):
    """Incremental-step write-verify of one-sided pairs (Wu 2023), and of the refresh of hybrid weights; all but
    `amplitude` and `cell_bits` are registers.  F is `formats.fraction`."""

    PATH: ClassVar[str] = "verify"

    amplitude: str = choice("common", "common", "column")
    """What the macro takes with a pulse of write-verify.  common: one amplitude for all devices of the row; every train
    climbs its ramp from the start.  column: one for each device column; a device goes on near where its last train of
    the kind ended.  Fixed in hardware."""
    range: int = integer(19584, 1, 2**30 - 1)
    """|w| of a weight is clamped to it [2^-F of an ADC code].  *register*."""
    base: int = integer(6528, 0, 2**30 - 1)
    """Where the device that does not carry the weight rests, and from where the other rises [2^-F of an ADC code].
    *register*."""
    window: int = integer(640, 0, 2**30 - 1)
    """A device passes within target +- window [2^-F of an ADC code].  *register*."""
    set_margin: int = integer(-640, -(2**30), 2**30 - 1)
    """A train of SET pulses stops for a device at target + this; -window: as soon as it is in the window.
    *register*."""
    set_start: int = integer(24576, 0, 2**16 - 1)
    """Amplitude code of the first SET pulse of a train.  *register*."""
    set_step: int = integer(820, 1, 2**16 - 1)
    """Increment of the amplitude from pulse to pulse.  *register*."""
    set_stop: int = integer(49152, 0, 2**16 - 1)
    """No pulse of a train goes beyond this amplitude: then the train ends.  *register*."""
    reset_start: int = integer(24576, 0, 2**16 - 1)
    """The same of RESET trains.  *register*."""
    reset_step: int = integer(820, 1, 2**16 - 1)
    """Increment of the amplitude in a RESET train.  *register*."""
    reset_stop: int = integer(49152, 0, 2**16 - 1)
    """Largest amplitude of a RESET train.  *register*."""
    reads_log2: int = integer(0, 0, 4)
    """2^this reads are summed for a judgement.  *register*."""
    cycles: int = integer(2, 1, 255)
    """N: SET/RESET cycles before a device is given up (Wu 2023: 2 in training, 5 in characterisation).  *register*."""
    form_start: int = integer(40960, 0, 2**16 - 1)
    """Forming: amplitude of the first pulse.  *register*."""
    form_step: int = integer(1640, 1, 2**16 - 1)
    """Forming: increment of the amplitude.  *register*."""
    form_stop: int = integer(64000, 0, 2**16 - 1)
    """Forming: largest amplitude.  *register*."""
    form_width: int = integer(100, 1, 2**28 - 1)
    """Width of a forming pulse [cycles].  *register*, bounded by pulse.width_limit."""
    form_level: int = integer(6528, 0, 2**30 - 1)
    """A device is formed once it conducts so much [2^-F of an ADC code].  *register*."""
    cell_bits: int = integer(8, 0, 16)
    """Bits of the saturating count of pulses that every device has; 0: none are kept.  Fixed in hardware."""

    def check_ramps(self) -> None:
        """Rules between the fields, for designs that verify."""
        if self.set_margin < -self.window:
            raise refuse("verify.set_margin", self.set_margin, f"must be at least {-self.window} (-verify.window)")
        for kind in ("set", "reset", "form"):
            start, stop = getattr(self, f"{kind}_start"), getattr(self, f"{kind}_stop")
            if stop < start:
                raise refuse(f"verify.{kind}_stop", stop, f"must be at least {start} (verify.{kind}_start)")
