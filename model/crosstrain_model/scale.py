"""Scale: from the sizes of two vectors to the length of their pulse train and the probabilities of its lines.

The paper's equations (Rasch et al. 2024; Gokmen & Vlasov 2016), in the form in which delta_A has cancelled:

    k   = eta0 l_max (max|x| / mu_x) (max|d| / mu_d)               mu: running means of max|x| and max|d|
    BL  = min(ceil(k), l_max)
    p_x = q_x |x| / max|x|     p_d = q_d |d| / max|d|              clipped at 1
    q_x = q_d = sqrt(k / BL)                       where k <= l_max
    q_x = 1, q_d = k / l_max                       where k > l_max

Here products are sums of logarithms to base 2 in units of 2^-12.  Per vector pair, from X = max|x[r]| and D = max|d[c]|
of the codes and the exponents ex, ed, in this order; >> is arithmetic, w = random.bits, S = the wider of formats.x and
formats.d:

    if X == 0 or D == 0:   slots = 0, and nothing else changes

    the means, for x and for d; a mean is m * 2^e, 2^23 <= m < 2^24, or unset where m < 2^23 (after reset and clear):
        v  = X << s, 2^23 <= v < 2^24             e_v = ex - s
        unset, or MOMENTUM = 0:   m = v,  e = e_v
        else:   e  = max(e, e_v)                  both shifted right to this exponent, by 31 at most
                m  = m + ((v - m + half) >> MOMENTUM)               half = (1 << MOMENTUM) >> 1
                m  = m << s, e = e - s, so that 2^23 <= m

    lk = 16 RATE + lg(X) + 4096 ex - lg(m_x) - 4096 e_x            of the means as they are now
                 + lg(D) + 4096 ed - lg(m_d) - 4096 e_d
    BL = the smallest n of 1..l_max with lk <= LG[n], l_max if there is none          DYNAMIC = 1
       = l_max                                                                        DYNAMIC = 0
    y   = lk - LG[BL]                             LG[n] = floor(4096 log2 n)
    lqx = min(y >> 1, 0)                          lqd = y >> 1 where y <= 0, else y
    M_x = antilog(min(lqx - lg(X), 0))            M_d = antilog(min(lqd - lg(D), 0))

and a line with code v fires in a slot where its random word, 0 .. 2^w - 1, is below

    t = min((|v| M + half) >> S, 2^w)             half = 2^(S-1);  M = M_x or M_d

The two functions, each from two small tables that are added (T: the coarse one, U: what is left):

    lg(v)       n = floor(log2 v); f = v / 2^n - 1 rounded to 12 bits, halves up; a carry goes to n (f = 0)
                4096 n + LOG_T[f >> 4] + LOG_U[f >> 8][f & 15]
                LOG_T[i] = round(4096 log2(1 + i / 256))           LOG_U[a][c] = round(c / (ln 2 (1 + (a + 1/2) / 16)))
    antilog(z)  z <= 0; n = -(z >> 12); f = z & 4095; r = EXP_T[f >> 4] + EXP_U[f >> 8][f & 15]       4096 <= r < 8192
                r * 2^(w + S - 12 - n) rounded to an integer, halves up
                EXP_T[i] = round(4096 * 2^(i / 256))               EXP_U[a][c] = round(c ln 2 * 2^((a + 1/2) / 16))

RATE = 256 log2(eta0 l_max).  In the hardware lk has 24 bits, signed; nothing overflows them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model import state_checks
from crosstrain_model.design import Design
from crosstrain_model.port import code_bits

UNIT = 12
"""Fraction bits of a logarithm."""
RATE_SHIFT = 4
"""RATE has 8 fraction bits."""
MANTISSA_BITS = 24
"""Bits of a mean's mantissa m."""
EXPONENT_BITS = 10
"""Bits of its exponent e, signed."""
RATE_BITS, MOMENTUM_BITS, MOMENTUM_LIMIT = 16, 4, 12
SHIFT_LIMIT = 31
"""Furthest that a mantissa is shifted to meet another: nothing is left of it."""
LK_BITS = 24
"""Bits of lk in the hardware, signed."""

_ONE = 1 << UNIT
_SET = 1 << (MANTISSA_BITS - 1)

LOG_T = tuple(round(_ONE * math.log2(1 + i / 256)) for i in range(256))
LOG_U = tuple(tuple(round(c / (math.log(2) * (1 + (a + 0.5) / 16))) for c in range(16)) for a in range(16))
EXP_T = tuple(round(_ONE * 2 ** (i / 256)) for i in range(256))
EXP_U = tuple(tuple(round(c * math.log(2) * 2 ** ((a + 0.5) / 16)) for c in range(16)) for a in range(16))


def levels(design: Design) -> tuple[int, ...]:
    """LG[0 .. l_max]: floor(4096 log2 n); 0 where n = 0."""
    return _levels(design.train.slots)


@functools.cache
def _levels(most: int) -> tuple[int, ...]:
    return (0, *((int(n) ** _ONE).bit_length() - 1 for n in range(1, most + 1)))  # floor(log2 n^4096): exact


def factor_bits(design: Design) -> int:
    """Bits of M_x and M_d, unsigned: 0 .. 2^(w + S)."""
    return design.random.bits + code_bits(design) + 1


@dataclasses.dataclass(kw_only=True)
class Means:
    """Running means of max|x| and max|d|: m * 2^e each, unset where m < 2^23."""

    m_x: int = 0
    e_x: int = 0
    m_d: int = 0
    e_d: int = 0

    def clear(self) -> None:
        """As after reset."""
        self.m_x = self.e_x = self.m_d = self.e_d = 0

    @classmethod
    def restored(cls, where: str, state: Mapping[str, npt.NDArray[Any]]) -> Means:
        """The means of a checkpoint."""
        m, e = (0, (1 << MANTISSA_BITS) - 1), (-(1 << (EXPONENT_BITS - 1)), (1 << (EXPONENT_BITS - 1)) - 1)
        return cls(**state_checks.numbers(where, state, "means", {"m_x": m, "e_x": e, "m_d": m, "e_d": e}))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaleSettings:
    """The registers."""

    rate: int
    """256 log2(eta0 l_max), signed, 16 bits."""
    momentum: int
    """0..12."""
    dynamic: int
    """1: BL from k; 0: always l_max."""

    def __post_init__(self) -> None:
        half = 1 << (RATE_BITS - 1)
        if not (-half <= self.rate < half and 0 <= self.momentum <= MOMENTUM_LIMIT and self.dynamic in (0, 1)):
            raise ValueError(f"ScaleSettings: a value is beyond its register: {self}")

    @classmethod
    def of(cls, design: Design) -> ScaleSettings:
        """Reset values of a design."""
        train = design.train
        rate = train.eta_log2 + round(256 * math.log2(train.slots))
        return cls(rate=rate, momentum=train.momentum_log2, dynamic=int(train.dynamic))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaled:
    """What is known of one vector pair's train."""

    slots: int
    """BL; 0: no train, as x or d is zero."""
    m_x: int
    """M_x, 0 .. 2^(w + S)."""
    m_d: int
    """M_d."""


def lg(v: int) -> int:
    """4096 log2 of an integer v of 1 .. 2^24 - 1, to about 1.4 units."""
    n = v.bit_length() - 1
    f = ((((v << (UNIT + 1)) >> n) + 1) >> 1) - _ONE
    if f == _ONE:
        n, f = n + 1, 0
    return (n << UNIT) + LOG_T[f >> 4] + LOG_U[f >> 8][f & 15]


def antilog(design: Design, z: int) -> int:
    """2^(z / 4096 + w + S) of z <= 0, as an integer."""
    assert z <= 0
    n, f = -(z >> UNIT), z & (_ONE - 1)
    r = EXP_T[f >> 4] + EXP_U[f >> 8][f & 15]
    twice = (r << (design.random.bits + code_bits(design))) >> (UNIT - 1 + n)
    return (twice + 1) >> 1


def update_mean(m: int, e: int, size: int, exponent: int, momentum: int) -> tuple[int, int]:
    """A mean m * 2^e after a vector whose greatest magnitude is size * 2^exponent, size >= 1."""
    s = MANTISSA_BITS - size.bit_length()
    v, e_v = size << s, exponent - s
    if m < _SET or momentum == 0:
        return v, e_v
    common = max(e, e_v)
    m >>= min(common - e, SHIFT_LIMIT)
    v >>= min(common - e_v, SHIFT_LIMIT)
    m += (v - m + ((1 << momentum) >> 1)) >> momentum
    s = MANTISSA_BITS - m.bit_length()
    return m << s, common - s


def log_k(settings: ScaleSettings, means: Means, size_x: int, ex: int, size_d: int, ed: int) -> int:
    """lk of one vector pair with these means: 4096 log2 k."""
    lk = settings.rate << RATE_SHIFT
    lk += lg(size_x) + (ex << UNIT) - lg(means.m_x) - (means.e_x << UNIT)
    lk += lg(size_d) + (ed << UNIT) - lg(means.m_d) - (means.e_d << UNIT)
    assert abs(lk) < 1 << (LK_BITS - 1), f"lk = {lk}"
    return lk


def scale(
    design: Design, settings: ScaleSettings, means: Means, size_x: int, ex: int, size_d: int, ed: int
) -> Scaled:
    """One vector pair; updates `means`.

    size_x, size_d : X and D, the greatest magnitudes of the codes, 0 .. 2^(bits - 1)
    ex, ed : the vectors' exponents, -128..127
    """
    formats = design.formats
    assert 0 <= size_x <= 1 << (formats.x - 1), f"size_x = {size_x}"
    assert 0 <= size_d <= 1 << (formats.d - 1), f"size_d = {size_d}"
    for exponent in (ex, ed):
        assert -128 <= exponent <= 127, f"exponent {exponent}"
    if size_x == 0 or size_d == 0:
        return Scaled(slots=0, m_x=0, m_d=0)
    means.m_x, means.e_x = update_mean(means.m_x, means.e_x, size_x, ex, settings.momentum)
    means.m_d, means.e_d = update_mean(means.m_d, means.e_d, size_d, ed, settings.momentum)
    lk = log_k(settings, means, size_x, ex, size_d, ed)
    level = levels(design)
    slots = design.train.slots
    if settings.dynamic:
        slots = next((n for n in range(1, slots) if lk <= level[n]), slots)
    y = lk - level[slots]
    lqx, lqd = (y >> 1, y >> 1) if y <= 0 else (0, y)
    m_x, m_d = antilog(design, min(lqx - lg(size_x), 0)), antilog(design, min(lqd - lg(size_d), 0))
    return Scaled(slots=slots, m_x=m_x, m_d=m_d)


def thresholds(design: Design, codes: npt.ArrayLike, m: int) -> npt.NDArray[np.int32]:
    """t of each line, 0 .. 2^w.

    codes : [lines] codes of x or d;  m : M of their side
    """
    bits = code_bits(design)
    products = np.abs(np.asarray(codes, np.int64)) * m
    rounded = np.minimum((products + (1 << (bits - 1))) >> bits, 1 << design.random.bits)
    return np.asarray(rounded, np.int32)
