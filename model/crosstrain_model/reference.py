"""Reference: what a read of the gradient array A is compared with before it counts, and how that follows the reads.

Per cell of a row that was read, with the ADC's code omega (signed, `formats.adc` bits), F = `formats.fraction` and
R = adc + F, in this order:

    o     = omega << F                                    R bits, exact; its unit is 2^-F codes, as that of H and theta
    z     = o - P_ref                                     dynamic reference (Rasch et al. 2024); otherwise z = o
    z     = -z   where sign ^ columns[c]                  demodulation, R + 1 bits, exact
    P'    = P + ((o - P + half) >> leak)                  memory "leak": beta = 2^-leak, o without the chopper's sign
    P_ref = P'   where the row flips                      after P', so that the flip's own read is in it
    P_ref = o    where the row flips                      memory "last" (beta = 1): there is no P

half = (1 << leak) >> 1 rounds to nearest, halves up, with `formats.rounding` nearest; with truncate half = 0, so that
the shift rounds down. leak is 0 .. 7; 0 makes P the last read. P' lies between P and o: P and P_ref are R bits as o
is, and nothing saturates. P follows o down to |o - P| <= half (nearest): fraction bits put that below one code.

A static reference R is subtracted in the array (A - R is what the ADC sees): here it is as none. After reset, and
after a clear, P and P_ref are 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design

Int64 = npt.NDArray[np.int64]


def reference_bits(design: Design) -> int:
    """R: bits of o, P and P_ref; a demodulated read z has one more."""
    return design.formats.adc + design.formats.fraction


def has_mean(design: Design) -> bool:
    """Whether there is a memory P beside P_ref."""
    return design.dynamic_reference and design.transfer.memory == "leak"


def read_out(design: Design, codes: npt.ArrayLike) -> Int64:
    """o of ADC codes, in units of 2^-F codes."""
    return np.asarray(codes, np.int64) << design.formats.fraction


def demodulated(o: npt.ArrayLike, p_ref: npt.ArrayLike | None, negative: npt.ArrayLike) -> Int64:
    """z: reads minus reference, negated where they were written negatively.

    p_ref : of o's shape, None without a dynamic reference; negative : bool, of a shape that goes with o's
    """
    z = np.asarray(o, np.int64) - (0 if p_ref is None else np.asarray(p_ref, np.int64))
    return np.where(negative, -z, z)


def leaked(design: Design, p: npt.ArrayLike, o: npt.ArrayLike, leak: int) -> Int64:
    """P after a read; leak : 0 .. 7, beta = 2^-leak."""
    before = np.asarray(p, np.int64)
    half = (1 << leak) >> 1 if design.formats.rounding == "nearest" else 0
    return before + ((np.asarray(o, np.int64) - before + half) >> leak)
